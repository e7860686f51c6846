/**
 * Default DAC contents of the standard modes, 6 bits a channel.
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "Video Digital-to-Analog Converter".
 */
import type { PaletteKind } from './modes';

const GRAYS = [
  0x00, 0x05, 0x08, 0x0b, 0x0e, 0x11, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2d, 0x32, 0x38, 0x3f,
];
/** Five steps from weakest to strongest for each intensity and saturation of mode 13h's colour wheel. */
// prettier-ignore
const WHEEL_LEVELS = [
  [0x00, 0x10, 0x1f, 0x2f, 0x3f], [0x1f, 0x27, 0x2f, 0x37, 0x3f], [0x2d, 0x31, 0x36, 0x3a, 0x3f],
  [0x00, 0x07, 0x0e, 0x15, 0x1c], [0x0e, 0x11, 0x15, 0x18, 0x1c], [0x14, 0x16, 0x18, 0x1a, 0x1c],
  [0x00, 0x04, 0x08, 0x0c, 0x10], [0x08, 0x0a, 0x0c, 0x0e, 0x10], [0x0b, 0x0c, 0x0d, 0x0f, 0x10],
] as const;

type Rgb = readonly [number, number, number];

/** One of the 16 CGA colours; 6 is brown. */
function cga(index: number): Rgb {
  const low = (index & 8) !== 0 ? 0x15 : 0;
  const channel = (bit: number): number => low + ((index & bit) !== 0 ? 0x2a : 0);
  return index === 6 ? [0x2a, 0x15, 0x00] : [channel(4), channel(2), channel(1)];
}

/** The EGA's 6-bit colour rgbRGB. */
function ega(index: number): Rgb {
  const channel = (strong: number, weak: number): number =>
    ((index & strong) !== 0 ? 0x2a : 0) + ((index & weak) !== 0 ? 0x15 : 0);
  return [channel(4, 0x20), channel(2, 0x10), channel(1, 0x08)];
}

/** Hue 0 is blue, then through red and green back to blue in 24 steps. */
function hue(levels: readonly number[], step: number): Rgb {
  const up = levels[step % 4];
  const down = levels[4 - (step % 4)];
  const min = levels[0];
  const max = levels[4];
  const sectors: readonly Rgb[] = [
    [up, min, max],
    [max, min, down],
    [max, up, min],
    [down, max, min],
    [min, max, up],
    [min, down, max],
  ];
  return sectors[Math.floor(step / 4)];
}

/** DAC entries from index 0 on; 64 of them, 256 for mode 13h. */
export function defaultPalette(kind: PaletteKind): readonly Rgb[] {
  switch (kind) {
    case 'ega64':
      return Array.from({ length: 64 }, (_, i) => ega(i));
    case 'cga16':
      return Array.from({ length: 64 }, (_, i) => cga((i & 7) | ((i & 0x10) >> 1)));
    case 'mono':
      return Array.from({ length: 64 }, (_, i) => {
        const level = [0x00, 0x2a, 0x15, 0x3f][(i >> 3) & 3];
        return [level, level, level] as const;
      });
    case 'vga256':
      return Array.from({ length: 256 }, (_, i): Rgb => {
        if (i < 16) return cga(i);
        if (i < 32) return [GRAYS[i - 16], GRAYS[i - 16], GRAYS[i - 16]];
        return i < 248 ? hue(WHEEL_LEVELS[Math.floor((i - 32) / 24)], (i - 32) % 24) : [0, 0, 0];
      });
  }
}
