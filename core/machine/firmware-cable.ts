import type { BiosNetworkCard } from '../firmware';
import {
  OFFLOAD_KIND,
  OFFLOAD_NONE,
  OFFLOAD_PARTIAL,
  type FrameOffload,
  type NetworkBackend,
} from '../hw';

/** Frames that firmware has not looked at; the network holds back the others. */
const MAX_FRAMES = 32;

/**
 * The cable of a network card with the firmware in between: what comes goes to the card, or to the firmware while it
 * boots from the network. The card gets the cable back as soon as the guest's driver sends something through it.
 */
export class FirmwareCable implements NetworkBackend {
  onReceive?: (frame: Uint8Array, offload?: FrameOffload) => boolean;
  onLinkChange?: (up: boolean) => void;
  private isClaimed = false;
  /** What the card takes; the firmware takes frames as they are on a wire. */
  private offloads = 0;
  private frames: Uint8Array[] = [];

  constructor(private readonly network: NetworkBackend) {
    network.onReceive = (frame, offload = OFFLOAD_NONE) => this.arrive(frame, offload);
    network.onLinkChange = (up) => this.onLinkChange?.(up);
  }

  get linkUp(): boolean {
    return this.network.linkUp;
  }

  get takesOffload(): boolean {
    return this.network.takesOffload ?? false;
  }

  get receiveOffloads(): number {
    return this.offloads;
  }

  set receiveOffloads(offloads: number) {
    this.offloads = offloads;
    this.offer();
  }

  /** The card sends. */
  send(frame: Uint8Array, offload: FrameOffload = OFFLOAD_NONE): void {
    this.release();
    this.network.send(frame, offload);
  }

  ready(): void {
    this.network.ready();
  }

  claim(): void {
    this.isClaimed = true;
    this.offer();
  }

  release(): void {
    if (!this.isClaimed) return;
    this.isClaimed = false;
    this.frames = [];
    this.offer();
    this.network.ready();
  }

  /** The firmware sends. */
  sendFromFirmware(frame: Uint8Array): void {
    if (this.isClaimed) this.network.send(frame);
  }

  /** Frames for the firmware. */
  get waiting(): number {
    return this.frames.length;
  }

  take(): Uint8Array | undefined {
    const frame = this.frames.shift();
    if (this.frames.length === MAX_FRAMES - 1) this.network.ready();
    return frame;
  }

  private offer(): void {
    this.network.receiveOffloads = this.isClaimed ? 0 : this.offloads;
  }

  private arrive(frame: Uint8Array, offload: FrameOffload): boolean {
    if (!this.isClaimed) return this.onReceive?.(frame, offload) ?? true;
    // Was on its way to the card's driver.
    if ((offload & OFFLOAD_KIND) === OFFLOAD_PARTIAL) return true;
    if (this.frames.length >= MAX_FRAMES) return false;
    this.frames.push(frame.slice());
    return true;
  }
}

/** The firmware's end of a cable. */
export class FirmwareCard implements BiosNetworkCard {
  constructor(
    private readonly cable: FirmwareCable,
    readonly mac: Uint8Array,
    readonly slot: number,
  ) {}

  get linkUp(): boolean {
    return this.cable.linkUp;
  }

  get hasFrame(): boolean {
    return this.cable.waiting > 0;
  }

  claim(): void {
    this.cable.claim();
  }

  release(): void {
    this.cable.release();
  }

  send(frame: Uint8Array): void {
    this.cable.sendFromFirmware(frame);
  }

  receive(): Uint8Array | undefined {
    return this.cable.take();
  }
}
