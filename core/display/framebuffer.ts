import type { DisplayBackend } from '../hw';
import { clip, DirtyRegion, type Rectangle } from './dirty-region';

export const MAX_WIDTH = 2560;
export const MAX_HEIGHT = 1600;
/** Bytes of a buffer that holds every picture. */
export const FRAMEBUFFER_BYTES = MAX_WIDTH * MAX_HEIGHT * 4;

/** A display adapter's picture in a buffer of the caller, which may be shared memory: B, G, R, X, rows of `width * 4` bytes. */
export class Framebuffer implements DisplayBackend {
  width = 0;
  height = 0;
  /** Counts changes of size. */
  sizeGeneration = 0;
  /** Counts changes of anything. */
  generation = 0;
  rows: readonly string[] | undefined;
  cursor: { readonly x: number; readonly y: number } | undefined;
  private readonly region = new DirtyRegion();

  /** @param buffer `FRAMEBUFFER_BYTES` long. */
  constructor(private readonly buffer: Uint8Array) {}

  /** The live pixels. */
  get pixels(): Uint8Array {
    return this.buffer.subarray(0, this.width * this.height * 4);
  }

  resize(width: number, height: number): Uint8Array {
    this.width = Math.min(Math.max(1, width), MAX_WIDTH);
    this.height = Math.min(Math.max(1, height), MAX_HEIGHT);
    this.sizeGeneration++;
    this.generation++;
    this.region.clear();
    this.region.add([0, 0, this.width, this.height]);
    const { pixels } = this;
    pixels.fill(0);
    return pixels;
  }

  dirty(x: number, y: number, width: number, height: number): void {
    const inside = clip([x, y, width, height], this.width, this.height);
    if (!inside) return;
    this.generation++;
    this.region.add(inside);
  }

  text(rows: readonly string[] | undefined, cursor?: { x: number; y: number }): void {
    this.generation++;
    this.rows = rows;
    this.cursor = cursor;
  }

  /** What changed since the last call. */
  takeDirty(): Rectangle[] {
    return this.region.take(this.width, this.height);
  }
}
