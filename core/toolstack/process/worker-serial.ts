import type { CharBackend } from '../../hw';
import { ByteRing, SERIAL } from './shared';
import type { WorkerPort } from './worker-port';

const BATCH_BYTES = 4096;
/** How long one wait for a full ring lasts; it is repeated, as the ring must drain before the guest may go on. */
const FULL_WAIT_MS = 100;

/** The outside of the guest's serial port in the worker: gathers bytes, hands them over between two slices. */
export class WorkerSerial implements CharBackend {
  /** Set by the UART. */
  onReceive?: (bytes: Uint8Array) => void;
  private readonly batch = new Uint8Array(BATCH_BYTES);
  private used = 0;
  private readonly ring: ByteRing;

  constructor(
    buffer: SharedArrayBuffer,
    private readonly control: Int32Array,
    private readonly port: WorkerPort,
  ) {
    this.ring = new ByteRing(buffer);
  }

  write(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.batch[this.used++] = byte;
      if (this.used === BATCH_BYTES) this.flush();
    }
  }

  /** Moves what was gathered into the ring; waits for the event loop when the ring is full, as a real line makes a UART wait. */
  flush(): void {
    for (let done = 0; done < this.used;) {
      done += this.ring.write(this.batch.subarray(0, this.used), done);
      this.announce();
      if (done < this.used) this.ring.waitForSpace(FULL_WAIT_MS);
    }
    this.used = 0;
  }

  private announce(): void {
    if (Atomics.compareExchange(this.control, SERIAL, 0, 1) === 0)
      this.port.post({ type: 'serial' });
  }
}
