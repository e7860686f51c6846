import { clip, type Rectangle } from '../dirty-region';

/** The picture as it is now. */
export interface RfbScreen {
  readonly width: number;
  readonly height: number;
  /** B, G, R, X. */
  readonly pixels: Uint8Array;
}

/** Calls `visit` with the tiles of a rectangle, row by row (RFC 6143 sections 7.7.4 and 7.7.5). */
export function forEachTile(
  [x, y, width, height]: Rectangle,
  size: number,
  visit: (x: number, y: number, width: number, height: number) => void,
): void {
  for (let top = 0; top < height; top += size)
    for (let left = 0; left < width; left += size)
      visit(x + left, y + top, Math.min(size, width - left), Math.min(size, height - top));
}

/** Copies a rectangle's colours (R << 16 | G << 8 | B) to `colors`; what lies outside the picture is black. */
export function readColors(screen: RfbScreen, rectangle: Rectangle, colors: Uint32Array): void {
  const [x, y, width, height] = rectangle;
  const inside = clip(rectangle, screen.width, screen.height);
  if (inside?.[2] !== width || inside[3] !== height) colors.fill(0, 0, width * height);
  if (!inside) return;
  const { pixels } = screen;
  const right = inside[0] + inside[2] - x;
  const bottom = inside[1] + inside[3] - y;
  for (let row = 0; row < bottom; row++) {
    let from = ((y + row) * screen.width + x) * 4;
    let to = row * width;
    for (let column = 0; column < right; column++, from += 4)
      colors[to++] = pixels[from] | (pixels[from + 1] << 8) | (pixels[from + 2] << 16);
  }
}
