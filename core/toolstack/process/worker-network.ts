import {
  ETHERNET_HEADER_BYTES,
  MAX_ETHERNET_FRAME_BYTES,
  OFFLOAD_NONE,
  type FrameOffload,
  type NetworkBackend,
} from '../../hw';
import { FrameRing } from './frame-ring';
import { NETWORK } from './shared';
import type { SharedVif, ToWorker } from './worker-messages';
import type { WorkerPort } from './worker-port';

type LinkMessage = Extract<ToWorker, { type: 'network-link' }>;

/** Frames that wait for the end of the slice before the event loop is told, bytes. More are told at once. */
const EAGER_BYTES = 128 << 10;

/** How long the frames of a busy guest may wait for others after the event loop was told the last time; telling it costs a system call, and often a switch to its thread. */
const GATHER_MS = 2;

/** The cable of one network card in the worker: frames go through shared rings, the event loop does the rest. */
export class WorkerNetwork implements NetworkBackend {
  onReceive?: (frame: Uint8Array, offload?: FrameOffload) => boolean;
  onLinkChange?: (up: boolean) => void;
  private readonly toLoop: FrameRing;
  private readonly fromLoop: FrameRing;
  private pending = false;
  /** Frames lie in the ring that the event loop may not have been told of. */
  private sent = false;
  private up: boolean;

  constructor(
    private readonly index: number,
    shared: SharedVif,
    private readonly port: WorkerPort,
  ) {
    this.toLoop = new FrameRing(shared.toLoop);
    this.fromLoop = new FrameRing(shared.toGuest);
    this.up = shared.linkUp;
  }

  get linkUp(): boolean {
    return this.up;
  }

  get takesOffload(): boolean {
    return this.toLoop.takes !== 0;
  }

  set receiveOffloads(offloads: number) {
    this.fromLoop.takes = offloads;
  }

  send(frame: Uint8Array, offload = OFFLOAD_NONE): void {
    const { length } = frame;
    if (!this.up || length < ETHERNET_HEADER_BYTES) return;
    if (offload === OFFLOAD_NONE && length > MAX_ETHERNET_FRAME_BYTES) return;
    if (!this.toLoop.push(frame, offload)) return;
    this.sent = true;
    if (this.toLoop.length > EAGER_BYTES) this.flush();
  }

  get hasSent(): boolean {
    return this.sent;
  }

  /** Tells the event loop of what was sent: one message for all frames of a slice. */
  flush(): void {
    if (!this.sent) return;
    this.sent = false;
    if (this.toLoop.shouldSignal()) this.port.post({ type: 'network', vif: this.index });
  }

  ready(): void {
    this.pending = true;
  }

  handle(message: LinkMessage): void {
    if (message.up === this.up) return;
    this.up = message.up;
    this.onLinkChange?.(message.up);
  }

  /** Between two slices: gives the card what has come, as far as it has room. */
  pump(): void {
    if (!this.pending) return;
    this.pending = false;
    this.fromLoop.beginRead();
    for (let frame = this.fromLoop.peek(); frame; frame = this.fromLoop.peek()) {
      if (this.up && this.onReceive?.(frame, this.fromLoop.offload) === false) break;
      this.fromLoop.take();
    }
    if (this.fromLoop.takeStarved()) this.port.post({ type: 'network-space', vif: this.index });
  }
}

/** All network cards of the worker. */
export class WorkerNetworks {
  readonly backends: readonly WorkerNetwork[];
  private flushedAtMs = -Infinity;

  constructor(
    shared: readonly SharedVif[],
    port: WorkerPort,
    private readonly control: Int32Array,
    private readonly monotonicMs: () => number,
  ) {
    this.backends = shared.map((vif, index) => new WorkerNetwork(index, vif, port));
  }

  /** Before a slice. */
  pump(): void {
    if (Atomics.load(this.control, NETWORK) !== 0) {
      // Set again by what comes while they are looked at.
      Atomics.store(this.control, NETWORK, 0);
      for (const backend of this.backends) backend.ready();
    }
    for (const backend of this.backends) backend.pump();
  }

  /** After a slice. A guest that goes on at once, as one that is busy receiving, has its acknowledgements gathered. */
  flush(isIdle: boolean): void {
    if (!this.backends.some((backend) => backend.hasSent)) return;
    const now = this.monotonicMs();
    if (!isIdle && now - this.flushedAtMs < GATHER_MS) return;
    this.flushedAtMs = now;
    for (const backend of this.backends) backend.flush();
  }

  handle(message: LinkMessage): void {
    this.backends[message.vif]?.handle(message);
  }
}
