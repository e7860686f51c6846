import type { VcpuCounters } from '../../hw';

/**
 * Memory that the vCPU worker and the event loop of a domain process share, apart from guest RAM.
 *
 *   control block   KICK      event loop adds 1 and notifies; the worker sleeps on it while the guest is halted
 *                   SERIAL    1 while a 'serial' message is on its way up
 *                   FRAME     1 from a frame message until the event loop has used the picture
 *                   WATCHERS  how many look at the screen
 *                   HALTED    1 while the worker sleeps
 *                   PENDING   how many messages lie in the worker's port: a look without a system call
 *                   NETWORK   1 while frames lie in the ring of a card that the worker has not looked at
 *   counters        BUSY_NS, DIRECT_*, then VCPU_COUNTERS in order, written by the worker only
 *   serial ring     bytes from the guest, one producer (worker), one consumer (event loop)
 *   framebuffer     the picture, drawn by the worker, read by the event loop between two frames
 */
export const KICK = 0;
export const SERIAL = 1;
export const FRAME = 2;
export const WATCHERS = 3;
export const HALTED = 4;
export const PENDING = 5;
export const NETWORK = 6;
const CONTROL_WORDS = 8;

export const BUSY_NS = 0;
/** Bytes of disks that the worker moved itself. */
export const DIRECT_READ_BYTES = 1;
export const DIRECT_WRITTEN_BYTES = 2;
/** Where VCPU_COUNTERS begin. */
export const FIRST_COUNTER = 3;
/** The counters of the vcpu, one 64-bit float each: exact up to 2^53. */
export const VCPU_COUNTERS = [
  'instructions',
  'interpreted',
  'regionRuns',
  'regionStuck',
  'tlbMisses',
  'blockLookups',
  'blocksInvalidated',
  'faults',
  'regionsMade',
  'regionsDropped',
  'translatedInstructions',
  'wasmBytes',
  'translateNs',
  'deviceNs',
  'interrupts',
  'halts',
  'portReads',
  'portWrites',
  'mmioReads',
  'mmioWrites',
  'msrAccesses',
  'cpuids',
  'tscReads',
] as const satisfies readonly (keyof VcpuCounters)[];
const COUNTER_WORDS = FIRST_COUNTER + VCPU_COUNTERS.length;

/** Holds a burst of boot messages; a fuller ring makes the guest wait as a slow serial line would. */
const SERIAL_RING_BYTES = 256 << 10;
/** Largest picture a display adapter may set: 2560 x 1600 (hw DisplayBackend), 4 bytes a pixel. */
export const MAX_WIDTH = 2560;
export const MAX_HEIGHT = 1600;
const FRAMEBUFFER_BYTES = MAX_WIDTH * MAX_HEIGHT * 4;

/** The buffers, as they are handed to the worker. */
export interface SharedBuffers {
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly serial: SharedArrayBuffer;
  readonly framebuffer: SharedArrayBuffer;
}

export function createSharedBuffers(): SharedBuffers {
  return {
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    counters: new SharedArrayBuffer(COUNTER_WORDS * 8),
    serial: new SharedArrayBuffer(ByteRing.HEADER_BYTES + SERIAL_RING_BYTES),
    framebuffer: new SharedArrayBuffer(FRAMEBUFFER_BYTES),
  };
}

/** A ring of bytes between two threads: one writes, one reads. Positions count bytes since the start, modulo 2^32. */
export class ByteRing {
  static readonly HEADER_BYTES = 8;
  private static readonly WRITTEN = 0;
  private static readonly TAKEN = 1;
  private readonly positions: Int32Array;
  private readonly bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    this.positions = new Int32Array(buffer, 0, 2);
    this.bytes = new Uint8Array(buffer, ByteRing.HEADER_BYTES);
  }

  /** Bytes that wait to be taken. */
  get length(): number {
    return (
      (Atomics.load(this.positions, ByteRing.WRITTEN) -
        Atomics.load(this.positions, ByteRing.TAKEN)) >>>
      0
    );
  }

  /** Writer: stores as many of `source` from `start` as fit and returns how many. */
  write(source: Uint8Array, start: number): number {
    const count = Math.min(this.bytes.length - this.length, source.length - start);
    const written = Atomics.load(this.positions, ByteRing.WRITTEN) >>> 0;
    const at = written % this.bytes.length;
    const first = Math.min(count, this.bytes.length - at);
    this.bytes.set(source.subarray(start, start + first), at);
    this.bytes.set(source.subarray(start + first, start + count), 0);
    Atomics.store(this.positions, ByteRing.WRITTEN, (written + count) | 0);
    return count;
  }

  /** Writer: sleeps until the reader took something, at most `timeoutMs`. */
  waitForSpace(timeoutMs: number): void {
    const taken = Atomics.load(this.positions, ByteRing.TAKEN);
    if (this.length < this.bytes.length) return;
    Atomics.wait(this.positions, ByteRing.TAKEN, taken, timeoutMs);
  }

  /** Reader: takes everything, as a private copy. */
  take(): Uint8Array<ArrayBuffer> {
    const count = Math.min(this.length, this.bytes.length);
    const taken = Atomics.load(this.positions, ByteRing.TAKEN) >>> 0;
    const at = taken % this.bytes.length;
    const first = Math.min(count, this.bytes.length - at);
    const out = new Uint8Array(count);
    out.set(this.bytes.subarray(at, at + first), 0);
    out.set(this.bytes.subarray(0, count - first), first);
    Atomics.store(this.positions, ByteRing.TAKEN, (taken + count) | 0);
    Atomics.notify(this.positions, ByteRing.TAKEN);
    return out;
  }
}
