import type { DomainConfig } from '../../api';
import type { Guest } from './guest';
import { Screen, type Screenshot } from './screen';
import { FRAME } from './shared';
import type { FromWorker } from './worker-messages';

type Frame = Extract<FromWorker, { type: 'frame' }>;

/** A worker that does not draw within this time (stopped, in one long instruction) yields the last picture. */
const SCREENSHOT_TIMEOUT_MS = 2000;

/** The screen of a domain for those who look at it from outside. */
export class ScreenServer {
  private readonly screen: Screen;
  private nextFrame = 1;
  private readonly awaited = new Map<number, () => void>();

  constructor(
    private readonly config: DomainConfig,
    private readonly guest: Guest,
  ) {
    this.screen = new Screen(guest.shared.framebuffer);
  }

  /** Opens the VNC server of the configuration; the TCP port, or null without one. */
  async listen(): Promise<number | null> {
    return null;
  }

  async close(): Promise<void> {}

  pointerMode(absolute: boolean): void {
    void absolute;
  }

  typed(text: string): { scancodes: number[]; skipped: string[] } {
    return { scancodes: [], skipped: [...text] };
  }

  /** A frame from the worker. */
  frame(frame: Frame): void {
    this.screen.apply(frame);
    Atomics.store(this.guest.control, FRAME, 0);
    this.awaited.get(frame.id)?.();
  }

  /** The picture now, also while the guest is paused. */
  async screenshot(): Promise<Screenshot> {
    const id = this.nextFrame++;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, SCREENSHOT_TIMEOUT_MS);
      this.awaited.set(id, () => {
        clearTimeout(timer);
        resolve();
      });
      this.guest.post({ type: 'refresh', id });
    });
    this.awaited.delete(id);
    return this.screen.screenshot();
  }
}
