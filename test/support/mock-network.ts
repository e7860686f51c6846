import { OFFLOAD_NONE, type FrameOffload, type NetworkBackend } from '../../core/hw';

/** A cable whose frames are kept, and that offers frames to a card as a back end does. */
export class MockNetwork implements NetworkBackend {
  linkUp = true;
  takesOffload = false;
  receiveOffloads = 0;
  readonly sent: Uint8Array[] = [];
  /** What went with the frames of `sent`. */
  readonly offloads: FrameOffload[] = [];
  onReceive?: (frame: Uint8Array, offload?: FrameOffload) => boolean;
  onLinkChange?: (up: boolean) => void;
  readies = 0;

  send(frame: Uint8Array, offload: FrameOffload = OFFLOAD_NONE): void {
    this.offloads.push(offload);
    this.sent.push(new Uint8Array(frame));
  }

  ready(): void {
    this.readies++;
  }

  offer(frame: Uint8Array, offload?: FrameOffload): boolean {
    return this.onReceive?.(frame, offload) ?? false;
  }

  setLink(up: boolean): void {
    this.linkUp = up;
    this.onLinkChange?.(up);
  }
}
