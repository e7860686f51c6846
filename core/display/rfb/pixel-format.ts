/** Pixel formats of RFB clients, RFC 6143 section 7.4. */
import type { ByteWriter } from './byte-writer';
import type { InputBuffer } from './input-buffer';

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
// prettier-ignore
export const NATIVE_FORMAT: PixelFormat = {
  bitsPerPixel: 32, depth: 24, bigEndian: false, redMax: 255, greenMax: 255, blueMax: 255, redShift: 16, greenShift: 8, blueShift: 0,
};

/** What clients with a colour map get: three bits red, three green, two blue, and a map that says so. */
// prettier-ignore
export const COLOR_MAP_FORMAT: PixelFormat = {
  bitsPerPixel: 8, depth: 8, bigEndian: false, redMax: 7, greenMax: 7, blueMax: 3, redShift: 0, greenShift: 3, blueShift: 6,
};

/** Reads a client's 16-byte format; 'color-map' when it wants one, undefined when it cannot be. */
export function readPixelFormat(
  input: InputBuffer,
  at: number,
): PixelFormat | 'color-map' | undefined {
  const bitsPerPixel = input.u8(at);
  if (bitsPerPixel !== 8 && bitsPerPixel !== 16 && bitsPerPixel !== 32) return undefined;
  if (input.u8(at + 3) === 0) return bitsPerPixel === 8 ? 'color-map' : undefined;
  const format: PixelFormat = {
    bitsPerPixel,
    depth: input.u8(at + 1),
    bigEndian: input.u8(at + 2) !== 0,
    redMax: input.u16(at + 4),
    greenMax: input.u16(at + 6),
    blueMax: input.u16(at + 8),
    redShift: input.u8(at + 10),
    greenShift: input.u8(at + 11),
    blueShift: input.u8(at + 12),
  };
  const fits = (max: number, shift: number): boolean =>
    max > 0 && ((max + 1) & max) === 0 && Math.log2(max + 1) + shift <= bitsPerPixel;
  const good =
    fits(format.redMax, format.redShift) &&
    fits(format.greenMax, format.greenShift) &&
    fits(format.blueMax, format.blueShift);
  return good ? format : undefined;
}

export function writePixelFormat(out: ByteWriter, format: PixelFormat): void {
  out
    .u8(format.bitsPerPixel)
    .u8(format.depth)
    .u8(format.bigEndian ? 1 : 0)
    .u8(1);
  out.u16(format.redMax).u16(format.greenMax).u16(format.blueMax);
  out.u8(format.redShift).u8(format.greenShift).u8(format.blueShift);
  out.bytes([0, 0, 0]);
}

/** SetColourMapEntries for `COLOR_MAP_FORMAT` (7.6.2). */
export function writeColorMap(out: ByteWriter): void {
  const { redMax, greenMax, blueMax, greenShift, blueShift } = COLOR_MAP_FORMAT;
  out.u8(1).u8(0).u16(0).u16(256);
  for (let i = 0; i < 256; i++) {
    out.u16(Math.round(((i & redMax) * 0xffff) / redMax));
    out.u16(Math.round((((i >> greenShift) & greenMax) * 0xffff) / greenMax));
    out.u16(Math.round((((i >> blueShift) & blueMax) * 0xffff) / blueMax));
  }
}

function table(max: number, shift: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, v) => Math.round((v * max) / 255) << shift);
}

/** Turns colours (R << 16 | G << 8 | B) into a client's pixels. */
export class PixelConverter {
  /** Bytes a pixel. */
  readonly bytes: 1 | 2 | 4;
  readonly isNative: boolean;
  private readonly red: Int32Array;
  private readonly green: Int32Array;
  private readonly blue: Int32Array;
  private readonly bigEndian: boolean;

  constructor(format: PixelFormat) {
    this.bytes = (format.bitsPerPixel / 8) as 1 | 2 | 4;
    this.bigEndian = format.bigEndian;
    this.red = table(format.redMax, format.redShift);
    this.green = table(format.greenMax, format.greenShift);
    this.blue = table(format.blueMax, format.blueShift);
    this.isNative = (Object.keys(NATIVE_FORMAT) as (keyof PixelFormat)[]).every(
      (key) => key === 'depth' || format[key] === NATIVE_FORMAT[key],
    );
  }

  pixel(color: number): number {
    return (
      this.red[(color >> 16) & 0xff] | this.green[(color >> 8) & 0xff] | this.blue[color & 0xff]
    );
  }

  put(target: Uint8Array, at: number, color: number): void {
    const value = this.pixel(color);
    const { bytes } = this;
    for (let i = 0; i < bytes; i++)
      target[at + i] = value >>> (8 * (this.bigEndian ? bytes - 1 - i : i));
  }
}
