import { DirectFile } from '../../host-node';
import type { PlainFile } from '../../storage';

/** Largest request that the vCPU waits for: longer ones take so long that the guest had better run meanwhile. */
const MAX_DIRECT_BYTES = 4 << 20;
/** The host goes to its disk when requests take this long and a little more for every MiB, in the mean. */
const SLOW_MS = 2;
const SLOW_MS_PER_MIB = 4;
/** Weight of the newest request in the mean: one that was slow because the host did something else is not enough. */
const MEAN_WEIGHT = 1 / 8;
/** For this many times as long the next requests are left to the event loop. */
const REST_FACTOR = 32;

/** Decides, for one direction, whether the page cache is likely to take a request at once. */
class Pace {
  private restUntilMs = 0;
  /** By how much requests are slower than what the page cache answers, ms. */
  private excessMs = 0;

  constructor(private readonly monotonicMs: () => number) {}

  run(bytes: number, action: () => boolean): boolean {
    const begin = this.monotonicMs();
    if (begin < this.restUntilMs) return false;
    const done = action();
    const end = this.monotonicMs();
    const took = end - begin;
    const excess = Math.max(took - SLOW_MS_PER_MIB * (bytes / (1 << 20)), 0);
    this.excessMs += (excess - this.excessMs) * MEAN_WEIGHT;
    if (this.excessMs > SLOW_MS) {
      this.restUntilMs = end + REST_FACTOR * took;
      this.excessMs = 0;
    }
    return done;
  }
}

/**
 * A disk whose image is a plain file, read and written by the vCPU's own thread: what the host's page cache answers
 * takes microseconds, less than telling another thread of it. When the host's own disk has to be waited for, requests
 * go through the event loop for a while, so that the guest stands still for a few percent of the time at most.
 */
export class DirectDisk {
  private readonly file: DirectFile;
  private readonly reads: Pace;
  private readonly writes: Pace;
  private closed = false;

  constructor(
    private readonly plain: PlainFile,
    private readonly readOnly: boolean,
    monotonicMs: () => number,
  ) {
    this.file = new DirectFile(plain.descriptor);
    this.reads = new Pace(monotonicMs);
    this.writes = new Pace(monotonicMs);
  }

  /** False: nothing is known of what `target` holds, and the event loop has to be asked. */
  read(offset: number, target: Uint8Array): boolean {
    if (!this.takes(offset, target.length)) return false;
    return this.reads.run(target.length, () => this.file.read(offset, target));
  }

  /** False: some of it may be written, and the event loop has to be asked for all of it. */
  write(offset: number, source: Uint8Array): boolean {
    if (this.readOnly || !this.takes(offset, source.length)) return false;
    return this.writes.run(source.length, () => this.file.write(offset, source));
  }

  /** As `read`, into pieces of `length` bytes together. */
  readPieces(offset: number, pieces: readonly Uint8Array[], length: number): boolean {
    if (!this.takes(offset, length)) return false;
    return this.reads.run(length, () => this.file.readPieces(offset, pieces, length));
  }

  /** As `write`, from pieces of `length` bytes together. */
  writePieces(offset: number, pieces: readonly Uint8Array[], length: number): boolean {
    if (this.readOnly || !this.takes(offset, length)) return false;
    return this.writes.run(length, () => this.file.writePieces(offset, pieces, length));
  }

  /** From now on everything goes through the event loop: the image failed, and knows what may still be done. */
  close(): void {
    this.closed = true;
  }

  private takes(offset: number, length: number): boolean {
    const inside = offset >= 0 && offset <= this.plain.sizeBytes - length;
    return !this.closed && length <= MAX_DIRECT_BYTES && inside;
  }
}
