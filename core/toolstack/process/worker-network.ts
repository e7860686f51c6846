import { ETHERNET_HEADER_BYTES, MAX_ETHERNET_FRAME_BYTES, type NetworkBackend } from '../../hw';
import { FrameRing } from './frame-ring';
import type { SharedVif, ToWorker } from './worker-messages';
import type { WorkerPort } from './worker-port';

type NetworkMessage = Extract<ToWorker, { type: 'network' | 'network-link' }>;

/** The cable of one network card in the worker: frames go through shared rings, the event loop does the rest. */
export class WorkerNetwork implements NetworkBackend {
  onReceive?: (frame: Uint8Array) => boolean;
  onLinkChange?: (up: boolean) => void;
  private readonly toLoop: FrameRing;
  private readonly fromLoop: FrameRing;
  private pending = false;
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

  send(frame: Uint8Array): void {
    const { length } = frame;
    if (!this.up || length < ETHERNET_HEADER_BYTES || length > MAX_ETHERNET_FRAME_BYTES) return;
    if (this.toLoop.push(frame) && this.toLoop.shouldSignal())
      this.port.post({ type: 'network', vif: this.index });
  }

  ready(): void {
    this.pending = true;
  }

  handle(message: NetworkMessage): void {
    if (message.type === 'network') {
      this.pending = true;
      return;
    }
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
      if (this.up && this.onReceive?.(frame) === false) break;
      this.fromLoop.take();
    }
    if (this.fromLoop.takeStarved()) this.port.post({ type: 'network-space', vif: this.index });
  }
}

/** All network cards of the worker. */
export class WorkerNetworks {
  readonly backends: readonly WorkerNetwork[];

  constructor(shared: readonly SharedVif[], port: WorkerPort) {
    this.backends = shared.map((vif, index) => new WorkerNetwork(index, vif, port));
  }

  pump(): void {
    for (const backend of this.backends) backend.pump();
  }

  handle(message: NetworkMessage): void {
    this.backends[message.vif]?.handle(message);
  }
}
