/** Hextile encoding, RFC 6143 section 7.7.4: 16 x 16 tiles, each raw, one colour, or a background with subrectangles. */
import type { PixelConverter } from './pixel-format';

const TILE = 16;
const RAW = 1;
const BACKGROUND = 2;
const FOREGROUND = 4;
const ANY_SUBRECTS = 8;

interface Picture {
  readonly width: number;
  readonly pixels: Uint8Array;
}

/** Encodes a rectangle; appends to nothing, returns its bytes. */
export function encodeHextile(
  picture: Picture,
  x: number,
  y: number,
  width: number,
  height: number,
  converter: PixelConverter,
): Uint8Array {
  const out: number[] = [];
  const chunks: Uint8Array[] = [];
  const flush = (): void => {
    if (out.length > 0) chunks.push(Uint8Array.from(out.splice(0)));
  };
  for (let ty = 0; ty < height; ty += TILE) {
    for (let tx = 0; tx < width; tx += TILE) {
      const tile = readTile(
        picture,
        x + tx,
        y + ty,
        Math.min(TILE, width - tx),
        Math.min(TILE, height - ty),
      );
      const encoded = encodeTile(tile, converter);
      if (encoded) out.push(...encoded);
      else {
        out.push(RAW);
        flush();
        chunks.push(rawTile(tile, converter));
      }
    }
  }
  flush();
  return concatenate(chunks);
}

interface Tile {
  readonly width: number;
  readonly height: number;
  /** B | G << 8 | R << 16. */
  readonly colours: Uint32Array;
}

function readTile(picture: Picture, x: number, y: number, width: number, height: number): Tile {
  const colours = new Uint32Array(width * height);
  for (let row = 0; row < height; row++) {
    let at = ((y + row) * picture.width + x) * 4;
    for (let column = 0; column < width; column++, at += 4) {
      colours[row * width + column] =
        picture.pixels[at] | (picture.pixels[at + 1] << 8) | (picture.pixels[at + 2] << 16);
    }
  }
  return { width, height, colours };
}

function pixelBytes(colour: number, converter: PixelConverter): number[] {
  const source = Uint8Array.of(colour & 255, (colour >> 8) & 255, (colour >> 16) & 255, 0);
  const target = new Uint8Array(converter.bytes);
  converter.convert(source, 0, 1, target, 0);
  return [...target];
}

function rawTile(tile: Tile, converter: PixelConverter): Uint8Array {
  const source = new Uint8Array(tile.colours.buffer);
  const target = new Uint8Array(tile.colours.length * converter.bytes);
  converter.convert(source, 0, tile.colours.length, target, 0);
  return target;
}

/** One or two colours (text is that) as background and subrectangles; undefined when raw is better. */
function encodeTile(tile: Tile, converter: PixelConverter): number[] | undefined {
  const { width, height, colours } = tile;
  const first = colours[0];
  let second: number | undefined;
  let seconds = 0;
  for (const colour of colours) {
    if (colour === first) continue;
    second ??= colour;
    if (colour !== second) return undefined;
    seconds++;
  }
  if (second === undefined) return [BACKGROUND, ...pixelBytes(first, converter)];
  // The rarer colour is drawn upon the other.
  const swap = seconds * 2 > colours.length;
  const [background, foreground] = swap ? [second, first] : [first, second];
  const rectangles: number[] = [];
  const taken = new Uint8Array(colours.length);
  let count = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (taken[y * width + x] || colours[y * width + x] !== foreground) continue;
      let w = 1;
      while (
        x + w < width &&
        colours[y * width + x + w] === foreground &&
        !taken[y * width + x + w]
      )
        w++;
      let h = 1;
      while (y + h < height && rowIs(colours, taken, (y + h) * width + x, w, foreground)) h++;
      for (let row = y; row < y + h; row++) taken.fill(1, row * width + x, row * width + x + w);
      rectangles.push((x << 4) | y, ((w - 1) << 4) | (h - 1));
      count++;
    }
  }
  if (count > 255 || rectangles.length >= width * height * converter.bytes) return undefined;
  return [
    BACKGROUND | FOREGROUND | ANY_SUBRECTS,
    ...pixelBytes(background, converter),
    ...pixelBytes(foreground, converter),
    count,
    ...rectangles,
  ];
}

function rowIs(
  colours: Uint32Array,
  taken: Uint8Array,
  from: number,
  count: number,
  colour: number,
): boolean {
  for (let i = from; i < from + count; i++) if (colours[i] !== colour || taken[i]) return false;
  return true;
}

export function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, c) => sum + c.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
