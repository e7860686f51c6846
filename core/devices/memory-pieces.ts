/** Pieces of guest memory that an image is read into, or written from, with no buffer between. */
import type { GuestMemory } from '../hw';

/** Hosts take no more pieces in one call. */
const MAX_PIECES = 1024;

export class MemoryPieces {
  private readonly starts: number[] = [];
  private readonly lengths: number[] = [];

  constructor(private readonly memory: GuestMemory) {}

  /** The address is whatever the guest wrote: `views` checks it. */
  add(gpa: number, length: number): void {
    const last = this.starts.length - 1;
    if (last >= 0 && this.starts[last] + this.lengths[last] === gpa) this.lengths[last] += length;
    else {
      this.starts.push(gpa);
      this.lengths.push(length);
    }
  }

  /** The pieces' bytes in order; undefined when not all of it is RAM, or there are too many pieces or none. */
  views(): Uint8Array[] | undefined {
    const { starts, lengths, memory } = this;
    if (starts.length === 0 || starts.length > MAX_PIECES) return undefined;
    const views: Uint8Array[] = [];
    for (let i = 0; i < starts.length; i++) {
      const view = memory.view(starts[i], lengths[i]);
      if (!view) return undefined;
      views.push(view);
    }
    return views;
  }

  /** The views were written to. */
  overwritten(): void {
    for (let i = 0; i < this.starts.length; i++)
      this.memory.overwritten(this.starts[i], this.lengths[i]);
  }
}
