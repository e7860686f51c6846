import type { BiosNetworkCard } from '../firmware';
import type { NetworkBackend } from '../hw';

/** Frames that firmware has not looked at; the network holds back the others. */
const MAX_FRAMES = 32;

/**
 * The cable of a network card with the firmware in between: what comes goes to the card, or to the firmware while it
 * boots from the network. The card gets the cable back as soon as the guest's driver sends something through it.
 */
export class FirmwareCable implements NetworkBackend {
  onReceive?: (frame: Uint8Array) => boolean;
  onLinkChange?: (up: boolean) => void;
  private isClaimed = false;
  private frames: Uint8Array[] = [];

  constructor(private readonly network: NetworkBackend) {
    network.onReceive = (frame) => this.arrive(frame);
    network.onLinkChange = (up) => this.onLinkChange?.(up);
  }

  get linkUp(): boolean {
    return this.network.linkUp;
  }

  /** The card sends. */
  send(frame: Uint8Array): void {
    this.release();
    this.network.send(frame);
  }

  ready(): void {
    this.network.ready();
  }

  claim(): void {
    this.isClaimed = true;
  }

  release(): void {
    if (!this.isClaimed) return;
    this.isClaimed = false;
    this.frames = [];
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

  private arrive(frame: Uint8Array): boolean {
    if (!this.isClaimed) return this.onReceive?.(frame) ?? true;
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
