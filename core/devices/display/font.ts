/**
 * The character generator ROM of a VGA: code page 437 in its three heights, and what its characters are in Unicode.
 * Document: IBM VGA XGA Technical Reference; code page 437. Source and licence of the glyphs: `font.gen.ts`.
 */
import { decodeBase64 } from '../../base';
import { FONT_8X14, FONT_8X16, FONT_8X8 } from './font.gen';

/** 256 glyphs each, one byte a row, leftmost pixel in bit 7. */
export interface VgaFonts {
  readonly font8x8: Uint8Array;
  readonly font8x14: Uint8Array;
  readonly font8x16: Uint8Array;
}

let fonts: VgaFonts | undefined;

export function vgaFonts(): VgaFonts {
  fonts ??= {
    font8x8: decodeBase64(FONT_8X8),
    font8x14: decodeBase64(FONT_8X14),
    font8x16: decodeBase64(FONT_8X16),
  };
  return fonts;
}

const ASCII = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i)).join('');

/** Unicode of each character of code page 437, the graphics of 00h-1Fh and 7Fh included. */
export const CP437 =
  ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼' +
  ASCII +
  '⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀' +
  'αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ';
