/**
 * ZRLE encoding before compression, RFC 6143 section 7.7.6: 64 x 64 tiles, each raw, solid, with a palette, run-length
 * coded, or both.
 */
import type { Rectangle } from '../dirty-region';
import type { ByteWriter } from './byte-writer';
import type { PixelConverter } from './pixel-format';
import { forEachTile, readColors, type RfbScreen } from './tile';

const TILE = 64;
const RAW = 0;
const PLAIN_RLE = 128;
const MAX_PACKED_PALETTE = 16;
const MAX_PALETTE = 127;
/** Slots of the table that finds a colour's place in the palette. */
const SLOTS = 512;

/** The colours of a tile, in order of first use, as long as they are few. */
class Palette {
  readonly colors = new Uint32Array(MAX_PALETTE);
  size = 0;
  private readonly slots = new Uint8Array(SLOTS);

  clear(): void {
    this.slots.fill(0);
    this.size = 0;
  }

  /** Place of a colour, which is added when it is new; -1 when the palette is full. */
  index(color: number): number {
    let slot = (Math.imul(color, 0x9e3779b1) >>> 23) & (SLOTS - 1);
    for (;;) {
      const held = this.slots[slot];
      if (held === 0) break;
      if (this.colors[held - 1] === color) return held - 1;
      slot = (slot + 1) & (SLOTS - 1);
    }
    if (this.size === MAX_PALETTE) return -1;
    this.colors[this.size] = color;
    this.slots[slot] = ++this.size;
    return this.size - 1;
  }
}

export function encodeZrle(
  out: ByteWriter,
  screen: RfbScreen,
  rectangle: Rectangle,
  converter: PixelConverter,
): void {
  const colors = new Uint32Array(TILE * TILE);
  const palette = new Palette();
  forEachTile(rectangle, TILE, (x, y, width, height) => {
    readColors(screen, [x, y, width, height], colors);
    encodeTile(out, colors, width, height, converter, palette);
  });
}

function encodeTile(
  out: ByteWriter,
  colors: Uint32Array,
  width: number,
  height: number,
  converter: PixelConverter,
  palette: Palette,
): void {
  const count = width * height;
  const { runs, singles, overflow } = survey(colors, count, palette);
  if (palette.size === 1) {
    out.u8(1);
    putColor(out, colors[0], converter);
    return;
  }
  const pixelBytes = converter.compactBytes;
  const { size } = palette;
  // Bytes each way takes; run lengths above 255 are rare enough not to be counted.
  const plain = (pixelBytes + 1) * (runs + singles);
  let best = count * pixelBytes;
  let way = RAW;
  if (plain < best) {
    best = plain;
    way = PLAIN_RLE;
  }
  if (!overflow) {
    const paletteRle = pixelBytes * size + 2 * runs + singles;
    if (paletteRle < best) {
      best = paletteRle;
      way = PLAIN_RLE + size;
    }
    if (size <= MAX_PACKED_PALETTE) {
      const packed = pixelBytes * size + Math.ceil((width * packedBits(size)) / 8) * height;
      if (packed < best) way = size;
    }
  }
  out.u8(way);
  if (way === RAW) for (let i = 0; i < count; i++) putColor(out, colors[i], converter);
  else if (way === PLAIN_RLE) plainRle(out, colors, count, converter);
  else {
    for (let i = 0; i < size; i++) putColor(out, palette.colors[i], converter);
    if (way > PLAIN_RLE) paletteRuns(out, colors, count, palette);
    else packedPalette(out, colors, width, height, palette);
  }
}

/** Counts runs of more than one pixel and single pixels, and collects the palette. */
function survey(
  colors: Uint32Array,
  count: number,
  palette: Palette,
): { runs: number; singles: number; overflow: boolean } {
  palette.clear();
  let runs = 0;
  let singles = 0;
  let overflow = false;
  for (let i = 0; i < count;) {
    const from = i;
    const color = colors[i];
    while (++i < count && colors[i] === color);
    if (i - from === 1) singles++;
    else runs++;
    if (!overflow && palette.index(color) < 0) overflow = true;
  }
  return { runs, singles, overflow };
}

function putColor(out: ByteWriter, color: number, converter: PixelConverter): void {
  converter.putCompact(out.room(converter.compactBytes), 0, color);
}

/** A run length: bytes of 255 and the rest, their sum one less than the length. */
function putRun(out: ByteWriter, length: number): void {
  let rest = length - 1;
  for (; rest >= 255; rest -= 255) out.u8(255);
  out.u8(rest);
}

function plainRle(
  out: ByteWriter,
  colors: Uint32Array,
  count: number,
  converter: PixelConverter,
): void {
  for (let i = 0; i < count;) {
    const from = i;
    while (++i < count && colors[i] === colors[from]);
    putColor(out, colors[from], converter);
    putRun(out, i - from);
  }
}

function paletteRuns(out: ByteWriter, colors: Uint32Array, count: number, palette: Palette): void {
  for (let i = 0; i < count;) {
    const from = i;
    while (++i < count && colors[i] === colors[from]);
    const index = palette.index(colors[from]);
    if (i - from === 1) out.u8(index);
    else {
      out.u8(128 + index);
      putRun(out, i - from);
    }
  }
}

function packedBits(size: number): number {
  return size <= 2 ? 1 : size <= 4 ? 2 : 4;
}

/** Palette indices, rows padded to whole bytes. */
function packedPalette(
  out: ByteWriter,
  colors: Uint32Array,
  width: number,
  height: number,
  palette: Palette,
): void {
  const bits = packedBits(palette.size);
  for (let y = 0; y < height; y++) {
    let byte = 0;
    let filled = 0;
    for (let x = 0; x < width; x++) {
      byte = (byte << bits) | palette.index(colors[y * width + x]);
      filled += bits;
      if (filled < 8) continue;
      out.u8(byte);
      byte = filled = 0;
    }
    if (filled > 0) out.u8(byte << (8 - filled));
  }
}
