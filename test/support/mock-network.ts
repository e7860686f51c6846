import type { NetworkBackend } from '../../core/hw';

/** A cable whose frames are kept, and that offers frames to a card as a back end does. */
export class MockNetwork implements NetworkBackend {
  linkUp = true;
  readonly sent: Uint8Array[] = [];
  onReceive?: (frame: Uint8Array) => boolean;
  onLinkChange?: (up: boolean) => void;
  readies = 0;

  send(frame: Uint8Array): void {
    this.sent.push(new Uint8Array(frame));
  }

  ready(): void {
    this.readies++;
  }

  offer(frame: Uint8Array): boolean {
    return this.onReceive?.(frame) ?? false;
  }

  setLink(up: boolean): void {
    this.linkUp = up;
    this.onLinkChange?.(up);
  }
}
