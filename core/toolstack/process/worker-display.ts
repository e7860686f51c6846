import type { DisplayAdapter, DisplayBackend } from '../../hw';
import { FRAME, MAX_HEIGHT, MAX_WIDTH, WATCHERS } from './shared';
import type { Rectangle } from './worker-messages';
import type { WorkerPort } from './worker-port';

/** Above this many rectangles a frame is described by one that holds them all. */
const MAX_RECTANGLES = 32;
/** 30 frames a second while somebody watches. */
export const FRAME_NS = 33_000_000;
/** While the guest sleeps only the cursor of a text mode moves, every 228 ms. */
const STILL_FRAME_NS = 3 * FRAME_NS;

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

function union(a: Rectangle, b: Rectangle): Rectangle {
  const x = Math.min(a[0], b[0]);
  const y = Math.min(a[1], b[1]);
  return [x, y, Math.max(a[0] + a[2], b[0] + b[2]) - x, Math.max(a[1] + a[3], b[1] + b[3]) - y];
}

/** The display adapter's screen in the worker: draws into memory shared with the event loop and tells it what changed. */
export class WorkerDisplay implements DisplayBackend {
  private readonly framebuffer: Uint8Array;
  private width = 0;
  private height = 0;
  private rectangles: Rectangle[] = [];
  private rows: readonly string[] | null = null;
  private changed = false;
  private lastFrameNs = 0;

  constructor(
    framebuffer: SharedArrayBuffer,
    private readonly control: Int32Array,
    private readonly port: WorkerPort,
  ) {
    this.framebuffer = new Uint8Array(framebuffer);
  }

  resize(width: number, height: number): Uint8Array {
    this.width = clamp(width, 1, MAX_WIDTH);
    this.height = clamp(height, 1, MAX_HEIGHT);
    const pixels = this.framebuffer.subarray(0, this.width * this.height * 4);
    pixels.fill(0);
    this.rectangles = [[0, 0, this.width, this.height]];
    this.changed = true;
    return pixels;
  }

  dirty(x: number, y: number, width: number, height: number): void {
    const left = clamp(x, 0, this.width);
    const top = clamp(y, 0, this.height);
    const rectangle: Rectangle = [
      left,
      top,
      clamp(x + width, left, this.width) - left,
      clamp(y + height, top, this.height) - top,
    ];
    if (rectangle[2] === 0 || rectangle[3] === 0) return;
    this.changed = true;
    if (this.rectangles.length < MAX_RECTANGLES) this.rectangles.push(rectangle);
    else this.rectangles = [this.rectangles.reduce(union, rectangle)];
  }

  text(rows: readonly string[] | undefined): void {
    this.rows = rows ?? null;
    this.changed = true;
  }

  /** How long until the next frame, ns; Infinity while nobody watches. */
  private untilFrameNs(nowNs: number): number {
    if (Atomics.load(this.control, WATCHERS) === 0) return Infinity;
    const due = Math.max(0, this.lastFrameNs + FRAME_NS - nowNs);
    return Atomics.load(this.control, FRAME) === 0 ? due : Math.max(due, FRAME_NS);
  }

  /** Draws and sends a frame when one is due and the last one has been used. How long a guest that sleeps now may be left alone, ns. */
  pump(adapter: DisplayAdapter, nowNs: number): number {
    const due = this.untilFrameNs(nowNs);
    if (due > 0) return due;
    this.lastFrameNs = nowNs;
    adapter.refresh(false);
    if (!this.changed) return STILL_FRAME_NS;
    this.send(0);
    return FRAME_NS;
  }

  /** Draws everything and sends it, for a screenshot. */
  answer(adapter: DisplayAdapter, id: number): void {
    adapter.refresh(true);
    this.send(id);
  }

  private send(id: number): void {
    Atomics.store(this.control, FRAME, 1);
    this.port.post({
      type: 'frame',
      id,
      width: this.width,
      height: this.height,
      dirty: this.rectangles,
      text: this.rows,
    });
    this.rectangles = [];
    this.changed = false;
  }
}
