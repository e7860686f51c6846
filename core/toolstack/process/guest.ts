import { MessageChannel, Worker } from 'node:worker_threads';
import { DomusError, type DomainPerformance, type PerformanceCounts } from '../../api';
import {
  BUSY_NS,
  ByteRing,
  createSharedBuffers,
  DIRECT_READ_BYTES,
  DIRECT_WRITTEN_BYTES,
  FIRST_COUNTER,
  HALTED,
  SERIAL,
  VCPU_COUNTERS,
  type SharedBuffers,
} from './shared';
import { postToWorker, wakeForFrames } from './worker-port';
import type { FromWorker, ToWorker, WorkerData } from './worker-messages';
import { workerUrl } from './worker-url';

/** Heap of the worker outside guest RAM and buffers; a machine model needs a few MiB (reliability P6). */
const WORKER_HEAP_MIB = 512;

/** What the worker needs except the channel and the shared memory. */
export type GuestOptions = Omit<WorkerData, 'port' | 'shared'>;

/** What the worker reports while it runs. */
export type GuestMessage = Exclude<
  FromWorker,
  { type: 'serial' } | { type: 'ready' } | { type: 'failed' }
>;

export interface GuestListener {
  onMessage(message: GuestMessage): void;
  onSerial(bytes: Uint8Array<ArrayBuffer>): void;
  /** The worker died: a bug of ours, or the host ran out of memory. */
  onDeath(reason: string): void;
}

export interface GuestCounters {
  readonly busySeconds: number;
  readonly instructions: number;
  readonly halted: boolean;
  /** Bytes of disks that the worker moved without the event loop. */
  readonly directReadBytes: number;
  readonly directWrittenBytes: number;
}

/** The vCPU worker of a domain, seen from the event loop. */
export class Guest {
  readonly shared: SharedBuffers = createSharedBuffers();
  readonly control = new Int32Array(this.shared.control);
  private readonly counterView = new Float64Array(this.shared.counters);
  private readonly serial = new ByteRing(this.shared.serial);
  private readonly channel = new MessageChannel();
  private worker: Worker | undefined;
  private stopping = false;

  constructor(private readonly listener: GuestListener) {}

  /** Builds the machine; resolves when it is ready to run (or runs already, unless paused). */
  start(options: GuestOptions): Promise<void> {
    const workerData: WorkerData = { ...options, shared: this.shared, port: this.channel.port2 };
    return new Promise((resolve, reject) => {
      const worker = new Worker(workerUrl('vcpu-worker'), {
        workerData,
        transferList: [this.channel.port2],
        resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MIB },
        stdin: false,
      });
      this.worker = worker;
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'ready') return resolve();
        if (message.type === 'failed') return reject(new DomusError(message.code, message.message));
        this.receive(message);
      });
      worker.on('error', (error) => {
        reject(error);
        this.died(error.message);
      });
      worker.on('exit', (code) => {
        reject(new Error(`the vCPU worker ended with code ${code}`));
        this.died(`the vCPU worker ended with code ${code}`);
      });
    });
  }

  post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    postToWorker(this.channel.port1, this.control, message, transfer);
  }

  /** Frames lie in the ring of a card. */
  wakeForFrames(): void {
    wakeForFrames(this.control);
  }

  get counters(): GuestCounters {
    return {
      busySeconds: (this.counterView[BUSY_NS] ?? 0) / 1e9,
      instructions: this.counterView[FIRST_COUNTER] ?? 0,
      halted: Atomics.load(this.control, HALTED) === 1,
      directReadBytes: this.counterView[DIRECT_READ_BYTES] ?? 0,
      directWrittenBytes: this.counterView[DIRECT_WRITTEN_BYTES] ?? 0,
    };
  }

  /** Everything that is counted, since the vCPU was made; at most one slice old. */
  get performance(): DomainPerformance {
    const counts = VCPU_COUNTERS.map((name, i) => [name, this.counterView[FIRST_COUNTER + i] ?? 0]);
    return {
      atMs: performance.now(),
      busyNs: this.counterView[BUSY_NS] ?? 0,
      ...(Object.fromEntries(counts) as PerformanceCounts),
    };
  }

  /** Takes what the guest wrote to its serial port and has not been taken yet. */
  drainSerial(): void {
    Atomics.store(this.control, SERIAL, 0);
    const bytes = this.serial.take();
    if (bytes.length > 0) this.listener.onSerial(bytes);
  }

  /** Ends the worker, wherever it is. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.worker?.terminate();
    this.drainSerial();
    this.channel.port1.close();
  }

  private receive(message: Exclude<FromWorker, { type: 'ready' } | { type: 'failed' }>): void {
    if (message.type === 'serial') return this.drainSerial();
    this.listener.onMessage(message);
  }

  private died(reason: string): void {
    if (this.stopping) return;
    this.stopping = true;
    this.drainSerial();
    this.listener.onDeath(reason);
  }
}
