/** Pixel formats of RFB clients, RFC 6143 section 7.4. */

export interface PixelFormat {
  readonly bitsPerPixel: 8 | 16 | 32;
  readonly depth: number;
  readonly bigEndian: boolean;
  readonly redMax: number;
  readonly greenMax: number;
  readonly blueMax: number;
  readonly redShift: number;
  readonly greenShift: number;
  readonly blueShift: number;
}

/** The framebuffer's own: bytes B, G, R, unused. */
export const NATIVE_FORMAT: PixelFormat = {
  bitsPerPixel: 32, depth: 24, bigEndian: false, redMax: 255, greenMax: 255, blueMax: 255, redShift: 16, greenShift: 8, blueShift: 0,
}; // prettier-ignore

/** Reads a client's 16-byte format; undefined when it is one we do not serve (colour maps, odd sizes, shifts out of the pixel). */
export function readPixelFormat(view: DataView, at: number): PixelFormat | undefined {
  const bitsPerPixel = view.getUint8(at);
  if (bitsPerPixel !== 8 && bitsPerPixel !== 16 && bitsPerPixel !== 32) return undefined;
  if (view.getUint8(at + 3) === 0) return undefined;
  const format: PixelFormat = {
    bitsPerPixel,
    depth: view.getUint8(at + 1),
    bigEndian: view.getUint8(at + 2) !== 0,
    redMax: view.getUint16(at + 4),
    greenMax: view.getUint16(at + 6),
    blueMax: view.getUint16(at + 8),
    redShift: view.getUint8(at + 10),
    greenShift: view.getUint8(at + 11),
    blueShift: view.getUint8(at + 12),
  };
  const fits = (max: number, shift: number): boolean =>
    max > 0 &&
    ((max + 1) & max) === 0 &&
    shift < bitsPerPixel &&
    Math.log2(max + 1) + shift <= bitsPerPixel;
  const good =
    fits(format.redMax, format.redShift) &&
    fits(format.greenMax, format.greenShift) &&
    fits(format.blueMax, format.blueShift);
  return good ? format : undefined;
}

export function writePixelFormat(format: PixelFormat): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  bytes.set([format.bitsPerPixel, format.depth, format.bigEndian ? 1 : 0, 1]);
  view.setUint16(4, format.redMax);
  view.setUint16(6, format.greenMax);
  view.setUint16(8, format.blueMax);
  bytes.set([format.redShift, format.greenShift, format.blueShift], 10);
  return bytes;
}

/** Turns B, G, R, X pixels into a client's; returns the bytes a pixel takes. */
export class PixelConverter {
  readonly bytes: 1 | 2 | 4;
  private readonly native: boolean;

  constructor(private readonly format: PixelFormat) {
    this.bytes = (format.bitsPerPixel / 8) as 1 | 2 | 4;
    this.native = (Object.keys(NATIVE_FORMAT) as (keyof PixelFormat)[]).every(
      (key) => key === 'depth' || format[key] === NATIVE_FORMAT[key],
    );
  }

  /** Converts `count` pixels of `source` from `from` into `target` at `to`. */
  convert(source: Uint8Array, from: number, count: number, target: Uint8Array, to: number): void {
    if (this.native) {
      target.set(source.subarray(from, from + count * 4), to);
      return;
    }
    for (let i = 0; i < count; i++) this.put(source, from + i * 4, target, to + i * this.bytes);
  }

  private put(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
    const { format } = this;
    const scale = (value: number, max: number): number => Math.round((value * max) / 255);
    const value =
      (scale(source[from + 2], format.redMax) << format.redShift) |
      (scale(source[from + 1], format.greenMax) << format.greenShift) |
      (scale(source[from], format.blueMax) << format.blueShift);
    for (let i = 0; i < this.bytes; i++) {
      target[to + i] = value >>> ((format.bigEndian ? this.bytes - 1 - i : i) * 8);
    }
  }
}
