import {
  MAX_ETHERNET_FRAME_BYTES,
  MAX_LARGE_FRAME_BYTES,
  OFFLOAD_NONE,
  type FrameOffload,
} from '../../hw';

/**
 * Ethernet frames from one thread to another through shared memory: one writes, one reads.
 *
 *   word 0  WRITTEN   bytes ever written, modulo 2^32
 *   word 1  TAKEN     bytes ever taken
 *   word 2  SIGNAL    1 while the reader has been told and has not looked yet
 *   word 3  STARVED   1 while the writer waits for room
 *   word 4  TAKES     offloads that the reader takes: what they are is between the two
 *
 * A record is its length (18 bits) and offload (13 bits), then the frame, padded to four bytes. A record does not wrap: SKIP sends the reader to
 * the start. Sizes are powers of two.
 */
const WRITTEN = 0;
const TAKEN = 1;
const SIGNAL = 2;
const STARVED = 3;
const TAKES = 4;
const HEADER_BYTES = 32;
const SKIP = -1;
const LENGTH_BITS = 18;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;
/** The sign stays clear: a record is never taken for SKIP. */
const MAX_OFFLOAD = (1 << (31 - LENGTH_BITS)) - 1;

/** Room for some 680 full frames or 16 large ones: more than the windows of a few busy connections. */
export const FRAME_RING_BYTES = 1 << 20;
/** Longest frame a ring carries. */
export const MAX_FRAME_BYTES = MAX_LARGE_FRAME_BYTES;

export function createFrameRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + FRAME_RING_BYTES);
}

/** Bytes a frame takes in the ring. */
function recordBytes(length: number): number {
  return 4 + ((length + 3) & ~3);
}

export class FrameRing {
  private readonly control: Int32Array;
  private readonly lengths: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly frame = new Uint8Array(MAX_FRAME_BYTES);
  private readonly mask: number;
  /** Of the frame that `peek` returned. */
  offload: FrameOffload = OFFLOAD_NONE;

  constructor(buffer: SharedArrayBuffer) {
    this.control = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.lengths = new Int32Array(buffer, HEADER_BYTES);
    this.bytes = new Uint8Array(buffer, HEADER_BYTES);
    this.mask = this.bytes.length - 1;
  }

  /** Writer: copies a frame in; false when it does not fit, and then `takeStarved` tells when to try again. */
  push(frame: Uint8Array, offload: FrameOffload = OFFLOAD_NONE): boolean {
    const limit = offload === OFFLOAD_NONE ? MAX_ETHERNET_FRAME_BYTES : MAX_FRAME_BYTES;
    if (frame.length > limit || offload > MAX_OFFLOAD) return true;
    if (this.tryPush(frame, offload)) return true;
    Atomics.store(this.control, STARVED, 1);
    // The reader may have made room before it could see the flag.
    return this.tryPush(frame, offload);
  }

  /** What the reader said that it takes. */
  get takes(): number {
    return Atomics.load(this.control, TAKES);
  }

  /** Reader: tells the writer. */
  set takes(offloads: number) {
    Atomics.store(this.control, TAKES, offloads);
  }

  /** Bytes that wait to be taken, of records and gaps. */
  get length(): number {
    return (Atomics.load(this.control, WRITTEN) - Atomics.load(this.control, TAKEN)) >>> 0;
  }

  /** Writer: true when the reader must be told that there is something. */
  shouldSignal(): boolean {
    return Atomics.exchange(this.control, SIGNAL, 1) === 0;
  }

  /** Reader: from now on the writer tells again. Call it before looking. */
  beginRead(): void {
    Atomics.store(this.control, SIGNAL, 0);
  }

  /** Reader: the next frame, as a private copy that is valid until the next call; undefined when there is none. */
  peek(): Uint8Array | undefined {
    for (;;) {
      const taken = Atomics.load(this.control, TAKEN) >>> 0;
      const waiting = ((Atomics.load(this.control, WRITTEN) >>> 0) - taken) >>> 0;
      if (waiting === 0) return undefined;
      const at = taken & this.mask;
      const word = this.lengths[at >> 2];
      if (word === SKIP) {
        this.advance(taken, this.bytes.length - at);
        continue;
      }
      const length = word & LENGTH_MASK;
      if (word < 0 || length > MAX_FRAME_BYTES || recordBytes(length) > waiting) {
        // Not written by `push`: give up what there is rather than read astray.
        this.advance(taken, waiting);
        return undefined;
      }
      this.offload = word >> LENGTH_BITS;
      this.frame.set(this.bytes.subarray(at + 4, at + 4 + length));
      return this.frame.subarray(0, length);
    }
  }

  /** Reader: removes the frame that `peek` returned. */
  take(): void {
    const taken = Atomics.load(this.control, TAKEN) >>> 0;
    const length = this.lengths[(taken & this.mask) >> 2] & LENGTH_MASK;
    this.advance(taken, recordBytes(Math.min(length, MAX_FRAME_BYTES)));
  }

  /** Reader: true when the writer waits for room and must be told that there is some. */
  takeStarved(): boolean {
    return Atomics.exchange(this.control, STARVED, 0) === 1;
  }

  private tryPush(frame: Uint8Array, offload: FrameOffload): boolean {
    const size = this.bytes.length;
    let written = Atomics.load(this.control, WRITTEN) >>> 0;
    const used = (written - (Atomics.load(this.control, TAKEN) >>> 0)) >>> 0;
    const at = written & this.mask;
    const need = recordBytes(frame.length);
    const skip = at + need > size ? size - at : 0;
    if (used + skip + need > size) return false;
    if (skip > 0) {
      this.lengths[at >> 2] = SKIP;
      written = (written + skip) >>> 0;
    }
    const start = written & this.mask;
    this.lengths[start >> 2] = frame.length | (offload << LENGTH_BITS);
    this.bytes.set(frame, start + 4);
    Atomics.store(this.control, WRITTEN, (written + need) | 0);
    return true;
  }

  private advance(taken: number, count: number): void {
    Atomics.store(this.control, TAKEN, (taken + count) | 0);
  }
}
