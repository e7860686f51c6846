/** Buffers that transfers of a device use again: new ones of a size that matters cost more than the copying. */
const SMALLEST_BYTES = 4096;
/** Buffers kept of each size; the sizes are powers of two. */
const KEPT = 8;

export class BufferPool {
  private readonly bySize = new Map<number, ArrayBuffer[]>();

  /** A buffer of `length` bytes, whatever lies in it. */
  take(length: number): Uint8Array<ArrayBuffer> {
    let size = SMALLEST_BYTES;
    while (size < length) size *= 2;
    return new Uint8Array(this.bySize.get(size)?.pop() ?? new ArrayBuffer(size), 0, length);
  }

  /** Gives back what `take` gave; nobody may use it any more. */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    const kept = this.bySize.get(buffer.byteLength);
    if (!kept) this.bySize.set(buffer.byteLength, [buffer]);
    else if (kept.length < KEPT) kept.push(buffer);
  }
}
