import { PNG } from 'pngjs';
import { MAX_HEIGHT, MAX_WIDTH } from './shared';
import type { FromWorker, Rectangle } from './worker-messages';

type Frame = Extract<FromWorker, { type: 'frame' }>;

const BYTES_PER_PIXEL = 4;

/** Half the time of pngjs' defaults for a few bytes more: every row against the one above, light compression. */
const ENCODING = {
  colorType: 2,
  inputHasAlpha: true,
  filterType: 2,
  deflateLevel: 3,
  deflateStrategy: 0,
} as const;

export interface Screenshot {
  readonly png: string;
  readonly width: number;
  readonly height: number;
  readonly text: string[] | null;
}

/** The domain's picture as the event loop keeps it: a private copy, so that no encoder reads memory the guest's worker draws into. */
export class Screen {
  width = 0;
  height = 0;
  /** B, G, R, X; rows of `width * 4` bytes. */
  pixels: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  text: readonly string[] | null = null;
  private readonly source: Uint8Array;
  /** The picture as it was last asked for, until it changes: whoever watches asks every few seconds. */
  private encoded: string | null = null;

  constructor(framebuffer: SharedArrayBuffer) {
    this.source = new Uint8Array(framebuffer);
  }

  /** Copies what a frame changed. True when the size changed. */
  apply(frame: Frame): boolean {
    const width = Math.min(frame.width, MAX_WIDTH);
    const height = Math.min(frame.height, MAX_HEIGHT);
    const resized = width !== this.width || height !== this.height;
    if (resized) {
      this.width = width;
      this.height = height;
      this.pixels = new Uint8Array(width * height * BYTES_PER_PIXEL);
      this.encoded = null;
    }
    this.text = frame.text;
    for (const rectangle of resized ? [[0, 0, width, height] as const] : frame.dirty)
      this.copy(rectangle);
    return resized;
  }

  screenshot(): Screenshot {
    this.encoded ??= this.encode();
    return {
      png: this.encoded,
      width: this.width,
      height: this.height,
      text: this.text ? [...this.text] : null,
    };
  }

  private encode(): string {
    const png = new PNG({
      width: Math.max(1, this.width),
      height: Math.max(1, this.height),
      colorType: 2,
    });
    for (let at = 0; at < this.pixels.length; at += BYTES_PER_PIXEL) {
      png.data[at] = this.pixels[at + 2] ?? 0;
      png.data[at + 1] = this.pixels[at + 1] ?? 0;
      png.data[at + 2] = this.pixels[at] ?? 0;
      png.data[at + 3] = 0xff;
    }
    return PNG.sync.write(png, ENCODING).toString('base64');
  }

  private copy([x, y, width, height]: Rectangle): void {
    const left = Math.min(x, this.width);
    const top = Math.min(y, this.height);
    const right = Math.min(x + width, this.width);
    const bottom = Math.min(y + height, this.height);
    for (let row = top; row < bottom; row++) {
      const start = (row * this.width + left) * BYTES_PER_PIXEL;
      const end = start + (right - left) * BYTES_PER_PIXEL;
      const drawn = this.source.subarray(start, end);
      // A frame that was asked for holds the whole picture, changed or not.
      if (this.encoded !== null && Buffer.compare(drawn, this.pixels.subarray(start, end)) !== 0)
        this.encoded = null;
      this.pixels.set(drawn, start);
    }
  }
}
