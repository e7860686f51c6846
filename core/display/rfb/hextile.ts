/** Hextile encoding, RFC 6143 section 7.7.4: 16 x 16 tiles, each raw, one colour, or a background with subrectangles. */
import type { Rectangle } from '../dirty-region';
import type { ByteWriter } from './byte-writer';
import type { PixelConverter } from './pixel-format';
import { forEachTile, readColors, type RfbScreen } from './tile';

const TILE = 16;
const RAW = 1;
const BACKGROUND_SPECIFIED = 2;
const FOREGROUND_SPECIFIED = 4;
const ANY_SUBRECTS = 8;
const SUBRECTS_COLORED = 16;
const MAX_SUBRECTS = 255;

/** Background and foreground that the next tile inherits; undefined after a raw tile. */
interface Carried {
  background: number | undefined;
  foreground: number | undefined;
}

export function encodeHextile(
  out: ByteWriter,
  screen: RfbScreen,
  rectangle: Rectangle,
  converter: PixelConverter,
): void {
  const colors = new Uint32Array(TILE * TILE);
  const uncovered = new Uint32Array(TILE * TILE);
  const carried: Carried = { background: undefined, foreground: undefined };
  forEachTile(rectangle, TILE, (x, y, width, height) => {
    readColors(screen, [x, y, width, height], colors);
    encodeTile(out, colors, uncovered, width, height, converter, carried);
  });
}

function encodeTile(
  out: ByteWriter,
  colors: Uint32Array,
  uncovered: Uint32Array,
  width: number,
  height: number,
  converter: PixelConverter,
  carried: Carried,
): void {
  const { background, foreground } = commonColors(colors, width * height);
  const start = out.length;
  const rawBytes = width * height * converter.bytes;
  let flags = 0;
  out.u8(0);
  if (background !== carried.background) {
    flags |= BACKGROUND_SPECIFIED;
    converter.put(out.room(converter.bytes), 0, background);
  }
  if (foreground !== undefined) {
    flags |= ANY_SUBRECTS;
    const isPlain = hasTwoColors(colors, width * height, background, foreground);
    if (!isPlain) flags |= SUBRECTS_COLORED;
    else if (foreground !== carried.foreground) {
      flags |= FOREGROUND_SPECIFIED;
      converter.put(out.room(converter.bytes), 0, foreground);
    }
    const limit = start + rawBytes;
    uncovered.set(colors);
    if (
      !subrectangles(
        out,
        uncovered,
        width,
        height,
        background,
        isPlain ? undefined : converter,
        limit,
      )
    ) {
      out.truncate(start);
      out.u8(RAW);
      const pixels = out.room(rawBytes);
      for (let i = 0; i < width * height; i++)
        converter.put(pixels, i * converter.bytes, colors[i]);
      carried.background = carried.foreground = undefined;
      return;
    }
    // Coloured subrectangles leave the foreground undefined.
    carried.foreground = isPlain ? foreground : undefined;
  }
  carried.background = background;
  out.patchU8(start, flags);
}

/** The commonest of the first two colours is the background; `foreground` is another one, if there is one. */
function commonColors(
  colors: Uint32Array,
  count: number,
): { background: number; foreground: number | undefined } {
  const first = colors[0];
  let second: number | undefined;
  let balance = 0;
  for (let i = 0; i < count; i++) {
    const color = colors[i];
    if (color === first) balance++;
    else {
      second ??= color;
      if (color === second) balance--;
    }
  }
  if (second === undefined) return { background: first, foreground: undefined };
  return balance >= 0
    ? { background: first, foreground: second }
    : { background: second, foreground: first };
}

function hasTwoColors(colors: Uint32Array, count: number, a: number, b: number): boolean {
  for (let i = 0; i < count; i++) if (colors[i] !== a && colors[i] !== b) return false;
  return true;
}

/** Covers what is not background (and makes it so in `colors`); false when that takes more than `limit` bytes in all. With a converter each rectangle has its colour. */
function subrectangles(
  out: ByteWriter,
  colors: Uint32Array,
  width: number,
  height: number,
  background: number,
  converter: PixelConverter | undefined,
  limit: number,
): boolean {
  const countAt = out.length;
  out.u8(0);
  let count = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const color = colors[y * width + x];
      if (color === background) continue;
      let w = 1;
      while (x + w < width && colors[y * width + x + w] === color) w++;
      let h = 1;
      while (y + h < height && rowHas(colors, (y + h) * width + x, w, color)) h++;
      if (++count > MAX_SUBRECTS) return false;
      if (converter) converter.put(out.room(converter.bytes), 0, color);
      out.u8((x << 4) | y).u8(((w - 1) << 4) | (h - 1));
      if (out.length > limit) return false;
      for (let row = y; row < y + h; row++)
        colors.fill(background, row * width + x, row * width + x + w);
    }
  }
  out.patchU8(countAt, count);
  return true;
}

function rowHas(colors: Uint32Array, from: number, count: number, color: number): boolean {
  for (let i = from; i < from + count; i++) if (colors[i] !== color) return false;
  return true;
}
