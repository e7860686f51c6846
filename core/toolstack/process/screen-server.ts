import type { DomainConfig } from '../../api';
import { Keymap, type RfbInput } from '../../display';
import type { Guest } from './guest';
import { Screen, type Screenshot } from './screen';
import { FRAME, WATCHERS } from './shared';
import { VncServer } from './vnc-server';
import type { FromWorker } from './worker-messages';

type Frame = Extract<FromWorker, { type: 'frame' }>;

/** A worker that does not draw within this time (stopped, in one long instruction) yields the last picture. */
const SCREENSHOT_TIMEOUT_MS = 2000;
/** Largest absolute pointer coordinate (hw PointerSink). */
const POINTER_MAX = 32767;
/** RFB's buttons 4 and 5. */
const WHEEL_UP = 8;
const WHEEL_DOWN = 16;
/** What a client sees before the guest has set a mode. */
const BLANK = { width: 640, height: 400, pixels: new Uint8Array(640 * 400 * 4) };

/** RFB's button bits (left, middle, right) as PointerSink's (left, right, middle). */
function guestButtons(buttons: number): number {
  return (buttons & 1) | ((buttons & 4) >> 1) | ((buttons & 2) << 1);
}

/** A pixel's place on an axis as an absolute pointer coordinate. */
function scaled(value: number, size: number): number {
  const coordinate = Math.round((value * POINTER_MAX) / Math.max(1, size - 1));
  return Math.min(POINTER_MAX, Math.max(0, coordinate));
}

/** The screen of a domain for those who look at it from outside. */
export class ScreenServer {
  private readonly screen: Screen;
  private readonly keymap: Keymap;
  private readonly vnc: VncServer | undefined;
  private nextFrame = 1;
  private readonly awaited = new Map<number, () => void>();
  private last = { x: 0, y: 0, buttons: 0 };

  constructor(
    config: DomainConfig,
    private readonly guest: Guest,
  ) {
    this.screen = new Screen(guest.shared.framebuffer);
    this.keymap = new Keymap(config.keymap as ConstructorParameters<typeof Keymap>[0]);
    if (!config.vnc) return;
    this.vnc = new VncServer({
      name: config.name,
      password: config.vncpasswd,
      display: config.vncdisplay,
      keymap: this.keymap,
      screen: () => (this.screen.width > 0 ? this.screen : BLANK),
      input: this.input(),
      onWatchers: (count) => this.watched(count),
    });
  }

  /** Opens the VNC server of the configuration; the TCP port, or null without one. */
  async listen(): Promise<number | null> {
    return this.vnc ? this.vnc.listen() : null;
  }

  async close(): Promise<void> {
    await this.vnc?.close();
  }

  pointerMode(absolute: boolean): void {
    this.vnc?.pointerMode(absolute);
  }

  typed(text: string): { scancodes: number[]; skipped: string[] } {
    return this.keymap.type(text);
  }

  /** A frame from the worker. */
  frame(frame: Frame): void {
    const resized = this.screen.apply(frame);
    Atomics.store(this.guest.control, FRAME, 0);
    this.vnc?.changed(resized ? [[0, 0, this.screen.width, this.screen.height]] : frame.dirty);
    this.awaited.get(frame.id)?.();
  }

  /** The picture now, also while the guest is paused. */
  async screenshot(): Promise<Screenshot> {
    await this.refresh();
    return this.screen.screenshot();
  }

  private async refresh(): Promise<void> {
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
  }

  /** Frames are drawn only while somebody looks; a new client gets the whole picture. */
  private watched(count: number): void {
    Atomics.store(this.guest.control, WATCHERS, count);
    if (count > 0) void this.refresh();
  }

  private input(): RfbInput {
    return {
      key: (scancode, pressed) => this.guest.post({ type: 'key', scancode, pressed }),
      pointer: (x, y, mask, relative) => this.pointer(x, y, mask, relative),
    };
  }

  /** Wheel steps are button presses in RFB; a position is a motion too, for a guest without an absolute pointer. */
  private pointer(x: number, y: number, mask: number, relative: boolean): void {
    const { last } = this;
    const pressed = mask & ~last.buttons;
    const wheel = pressed & WHEEL_UP ? 1 : pressed & WHEEL_DOWN ? -1 : 0;
    this.last = { x, y, buttons: mask };
    const { width, height } = this.screen;
    this.guest.post({
      type: 'pointer',
      position: relative ? null : { x: scaled(x, width), y: scaled(y, height) },
      dx: relative ? x : x - last.x,
      dy: relative ? y : y - last.y,
      wheel,
      buttons: guestButtons(mask),
    });
  }
}
