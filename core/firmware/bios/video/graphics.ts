/**
 * Pixels and characters in graphics modes: CGA interleaved, EGA/VGA planar, 256 colours, and packed VBE modes
 * through the 64 KiB window.
 */
import { DISPI_BANK, GRAPHICS, type VgaHardware } from './vga';

export interface Surface {
  readonly kind: 'cga4' | 'cga2' | 'planar' | 'packed';
  readonly width: number;
  readonly height: number;
  /** GPA of the first byte of the page drawn to. */
  readonly base: number;
  readonly pitch: number;
  /** Bits a pixel: 8 in 256 colours; 15 to 32 in direct colour. */
  readonly bits: number;
  /** Bank switching by DISPI (VBE modes). */
  readonly banked: boolean;
}

const SET_RESET = 0;
const ENABLE_SET_RESET = 1;
const FUNCTION_SELECT = 3;
const READ_MAP_SELECT = 4;
const MODE = 5;
const BIT_MASK = 8;
const FUNCTION_XOR = 0x18;
const WINDOW = 0xa0000;

/** The 16 text colours as 24-bit RGB, for direct-colour modes. */
const TEXT_RGB = [
  0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa, 0x555555,
  0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff,
] as const;

function directColor(index: number, bits: number): number {
  const rgb = TEXT_RGB[index & 15];
  const [r, g, b] = [rgb >> 16, (rgb >> 8) & 0xff, rgb & 0xff];
  if (bits === 15) return ((r >> 3) << 10) | ((g >> 3) << 5) | (b >> 3);
  if (bits === 16) return ((r >> 3) << 11) | ((g >> 2) << 5) | (b >> 3);
  return rgb;
}

export class Graphics {
  private bank = -1;

  constructor(private readonly vga: VgaHardware) {}

  /** Forgets what bank is mapped: at the start of a service, since the guest may have changed it. */
  begin(): void {
    this.bank = -1;
  }

  private window(surface: Surface, offset: number): number {
    if (!surface.banked) return surface.base + offset;
    const bank = Math.floor(offset / 0x10000);
    if (bank !== this.bank) {
      this.vga.dispiWrite(DISPI_BANK, bank);
      this.bank = bank;
    }
    return WINDOW + (offset & 0xffff);
  }

  private reg(index: number, value: number): void {
    this.vga.writeIndexed(GRAPHICS, index, value);
  }

  private endPlanar(): void {
    this.reg(SET_RESET, 0);
    this.reg(ENABLE_SET_RESET, 0);
    this.reg(FUNCTION_SELECT, 0);
    this.reg(BIT_MASK, 0xff);
  }

  readPixel(s: Surface, x: number, y: number): number {
    if (x >= s.width || y >= s.height) return 0;
    switch (s.kind) {
      case 'cga4': {
        const at = s.base + (y & 1) * 0x2000 + (y >> 1) * s.pitch + (x >> 2);
        return (this.vga.read8(at) >> ((3 - (x & 3)) * 2)) & 3;
      }
      case 'cga2':
        return (
          (this.vga.read8(s.base + (y & 1) * 0x2000 + (y >> 1) * s.pitch + (x >> 3)) >>
            (7 - (x & 7))) &
          1
        );
      case 'planar': {
        let color = 0;
        this.reg(MODE, 0);
        for (let plane = 0; plane < 4; plane++) {
          this.reg(READ_MAP_SELECT, plane);
          color |=
            ((this.vga.read8(this.window(s, y * s.pitch + (x >> 3))) >> (7 - (x & 7))) & 1) <<
            plane;
        }
        this.reg(READ_MAP_SELECT, 0);
        return color;
      }
      case 'packed':
        return this.vga.read8(this.window(s, y * s.pitch + x * ((s.bits + 7) >> 3)));
    }
  }

  /** Bit 7 of `color` means exclusive-or, except in 256 colours. */
  writePixel(s: Surface, x: number, y: number, color: number): void {
    if (x >= s.width || y >= s.height) return;
    const xor = (color & 0x80) !== 0 && s.kind !== 'packed';
    switch (s.kind) {
      case 'cga4':
      case 'cga2': {
        const bits = s.kind === 'cga4' ? 2 : 1;
        const perByte = 8 / bits;
        const at = s.base + (y & 1) * 0x2000 + (y >> 1) * s.pitch + Math.floor(x / perByte);
        const shift = (perByte - 1 - (x % perByte)) * bits;
        const mask = ((1 << bits) - 1) << shift;
        const value = (color << shift) & mask;
        const old = this.vga.read8(at);
        this.vga.write8(at, xor ? old ^ value : (old & ~mask) | value);
        return;
      }
      case 'planar':
        this.planarBits(this.window(s, y * s.pitch + (x >> 3)), 0x80 >> (x & 7), color, xor);
        this.endPlanar();
        return;
      case 'packed':
        this.packedPixel(s, x, y, color);
    }
  }

  private packedPixel(s: Surface, x: number, y: number, color: number): void {
    const bytes = (s.bits + 7) >> 3;
    const value = s.bits === 8 ? color : directColor(color, s.bits);
    for (let i = 0; i < bytes; i++)
      this.vga.write8(this.window(s, y * s.pitch + x * bytes + i), (value >> (8 * i)) & 0xff);
  }

  /** Sets the pixels of one byte that `mask` selects; leaves set/reset enabled. */
  private planarBits(at: number, mask: number, color: number, xor: boolean): void {
    this.reg(MODE, 0);
    this.reg(SET_RESET, color & 0x0f);
    this.reg(ENABLE_SET_RESET, 0x0f);
    this.reg(FUNCTION_SELECT, xor ? FUNCTION_XOR : 0);
    this.reg(BIT_MASK, mask);
    this.vga.read8(at);
    this.vga.write8(at, 0xff);
  }

  /** Draws a character cell of 8 x `pattern.length` pixels at (x, y). */
  drawPattern(
    s: Surface,
    x: number,
    y: number,
    pattern: Uint8Array,
    color: number,
    background: number,
  ): void {
    const xor = (color & 0x80) !== 0 && s.kind !== 'packed';
    for (let row = 0; row < pattern.length && y + row < s.height; row++) {
      const bits = pattern[row];
      if (s.kind === 'planar') {
        const at = this.window(s, (y + row) * s.pitch + (x >> 3));
        if (!xor) this.planarBits(at, 0xff, background, false);
        this.planarBits(at, bits, color, xor);
        continue;
      }
      for (let column = 0; column < 8; column++) {
        const on = (bits & (0x80 >> column)) !== 0;
        if (on) this.writePixel(s, x + column, y + row, color);
        else if (!xor) this.writePixel(s, x + column, y + row, background);
      }
    }
    if (s.kind === 'planar') this.endPlanar();
  }

  /** Reads a cell back as a pattern: every pixel that is not colour 0 is on. */
  readPattern(s: Surface, x: number, y: number, height: number): Uint8Array<ArrayBuffer> {
    const pattern = new Uint8Array(height);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < 8; column++) {
        if (this.readPixel(s, x + column, y + row) !== 0) pattern[row] |= 0x80 >> column;
      }
    }
    return pattern;
  }

  /** Byte addresses of one scan line between two character columns. */
  private lineSpan(
    s: Surface,
    y: number,
    column: number,
    columns: number,
  ): { at: number; bytes: number } {
    const cell = s.kind === 'cga4' ? 2 : s.kind === 'packed' ? 8 * ((s.bits + 7) >> 3) : 1;
    const line =
      s.kind === 'cga4' || s.kind === 'cga2' ? (y & 1) * 0x2000 + (y >> 1) * s.pitch : y * s.pitch;
    return { at: line + column * cell, bytes: columns * cell };
  }

  /** Copies scan line `from` to `to` between character columns. */
  copyLine(s: Surface, from: number, to: number, column: number, columns: number): void {
    if (s.kind === 'planar') this.reg(MODE, 1);
    const source = this.lineSpan(s, from, column, columns);
    const target = this.lineSpan(s, to, column, columns);
    for (let i = 0; i < source.bytes; i++) {
      const value = this.vga.read8(this.window(s, source.at + i));
      this.vga.write8(this.window(s, target.at + i), value);
    }
    if (s.kind === 'planar') this.reg(MODE, 0);
  }

  /** Fills scan line `y` between character columns with a colour. */
  fillLine(s: Surface, y: number, column: number, columns: number, color: number): void {
    if (s.kind === 'planar') {
      const span = this.lineSpan(s, y, column, columns);
      for (let i = 0; i < span.bytes; i++)
        this.planarBits(this.window(s, span.at + i), 0xff, color, false);
      this.endPlanar();
      return;
    }
    if (s.kind === 'packed') {
      for (let x = column * 8; x < (column + columns) * 8; x++) this.packedPixel(s, x, y, color);
      return;
    }
    const span = this.lineSpan(s, y, column, columns);
    const value = s.kind === 'cga4' ? (color & 3) * 0x55 : (color & 1) * 0xff;
    for (let i = 0; i < span.bytes; i++) this.vga.write8(s.base + span.at + i, value);
  }
}
