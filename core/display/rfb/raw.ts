/** Raw encoding, RFC 6143 section 7.7.1. */
import { clip, type Rectangle } from '../dirty-region';
import type { ByteWriter } from './byte-writer';
import type { PixelConverter } from './pixel-format';
import { readColors, type RfbScreen } from './tile';

export function encodeRaw(
  out: ByteWriter,
  screen: RfbScreen,
  rectangle: Rectangle,
  converter: PixelConverter,
): void {
  const [x, y, width, height] = rectangle;
  const inside = clip(rectangle, screen.width, screen.height);
  if (converter.isNative && inside?.[2] === width && inside[3] === height) {
    for (let row = y; row < y + height; row++) {
      const from = (row * screen.width + x) * 4;
      out.bytes(screen.pixels.subarray(from, from + width * 4));
    }
    return;
  }
  const colors = new Uint32Array(width);
  for (let row = y; row < y + height; row++) {
    readColors(screen, [x, row, width, 1], colors);
    const line = out.room(width * converter.bytes);
    for (let i = 0; i < width; i++) converter.put(line, i * converter.bytes, colors[i]);
  }
}
