/** Sizes of the slots, and how many there are of each: many small requests and a few large ones are under way at a time. */
const CLASSES = [
  { slotBytes: 16 << 10, count: 64 },
  { slotBytes: 1 << 20, count: 16 },
] as const;

/** Room for all slots. The host gives memory only to those that were used. */
export const BLOCK_SLOTS_BYTES = CLASSES.reduce(
  (sum, { slotBytes, count }) => sum + slotBytes * count,
  0,
);

/**
 * The worker's side of the memory through which data of block requests goes: a slot belongs to one request from `take`
 * to `give`. Requests that find none carry their data with them.
 */
export class BlockSlots {
  private readonly free: { readonly slotBytes: number; readonly offsets: number[] }[] = [];

  constructor(private readonly memory: SharedArrayBuffer) {
    let at = 0;
    for (const { slotBytes, count } of CLASSES) {
      const offsets: number[] = [];
      for (let i = 0; i < count; i++, at += slotBytes) offsets.push(at);
      this.free.push({ slotBytes, offsets: offsets.reverse() });
    }
  }

  /** Offset of a slot of at least `length` bytes; undefined when there is none. */
  take(length: number): number | undefined {
    for (const { slotBytes, offsets } of this.free)
      if (length <= slotBytes && offsets.length > 0) return offsets.pop();
    return undefined;
  }

  give(offset: number): void {
    const [small, large] = this.free;
    const smallBytes = CLASSES[0].slotBytes * CLASSES[0].count;
    (offset < smallBytes ? small : large)?.offsets.push(offset);
  }

  view(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.memory, offset, length);
  }
}
