/**
 * The VGA's registers as the video BIOS uses them, and where characters and pixels lie in its memory.
 * Specs: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"; Bochs VBE extensions (DISPI), version B0C5h.
 */
import type { SystemBus } from '../../../hw';
import type { FontSet } from '../platform-api';
import type { VideoMode } from './modes';
import { defaultPalette } from './palette';

export const ATTRIBUTE = 0x3c0;
export const ATTRIBUTE_READ = 0x3c1;
export const MISC_WRITE = 0x3c2;
export const SEQUENCER = 0x3c4;
export const DAC_MASK = 0x3c6;
export const DAC_READ_INDEX = 0x3c7;
export const DAC_WRITE_INDEX = 0x3c8;
export const DAC_DATA = 0x3c9;
export const MISC_READ = 0x3cc;
export const GRAPHICS = 0x3ce;

export const DISPI_INDEX = 0x1ce;
export const DISPI_DATA = 0x1cf;
export const DISPI_ID = 0;
export const DISPI_XRES = 1;
export const DISPI_YRES = 2;
export const DISPI_BPP = 3;
export const DISPI_ENABLE = 4;
export const DISPI_BANK = 5;
export const DISPI_VIRT_WIDTH = 6;
export const DISPI_VIRT_HEIGHT = 7;
export const DISPI_X_OFFSET = 8;
export const DISPI_Y_OFFSET = 9;
export const DISPI_MEMORY_64K = 10;
export const DISPI_ENABLED = 0x01;
export const DISPI_8BIT_DAC = 0x20;
export const DISPI_LFB_ENABLED = 0x40;
export const DISPI_NOCLEARMEM = 0x80;

export class VgaHardware {
  constructor(
    private readonly bus: SystemBus,
    readonly fonts: FontSet,
  ) {}

  in8(port: number): number {
    return this.bus.readPort(port, 1) & 0xff;
  }

  out8(port: number, value: number): void {
    this.bus.writePort(port, 1, value & 0xff);
  }

  readIndexed(port: number, index: number): number {
    this.out8(port, index);
    return this.in8(port + 1);
  }

  writeIndexed(port: number, index: number, value: number): void {
    this.out8(port, index);
    this.out8(port + 1, value);
  }

  read8(gpa: number): number {
    return this.bus.readMmio(gpa, 1) & 0xff;
  }

  write8(gpa: number, value: number): void {
    this.bus.writeMmio(gpa, 1, value & 0xff);
  }

  read16(gpa: number): number {
    return this.bus.readMmio(gpa, 2) & 0xffff;
  }

  write16(gpa: number, value: number): void {
    this.bus.writeMmio(gpa, 2, value & 0xffff);
  }

  dispiRead(index: number): number {
    this.bus.writePort(DISPI_INDEX, 2, index);
    return this.bus.readPort(DISPI_DATA, 2) & 0xffff;
  }

  dispiWrite(index: number, value: number): void {
    this.bus.writePort(DISPI_INDEX, 2, index);
    this.bus.writePort(DISPI_DATA, 2, value & 0xffff);
  }

  /** True when the adapter has the Bochs extensions. */
  get hasDispi(): boolean {
    const id = this.dispiRead(DISPI_ID);
    return id >= 0xb0c0 && id <= 0xb0cf;
  }

  /** CRTC index port: 3D4h in colour, 3B4h in monochrome emulation. */
  get crtc(): number {
    return (this.in8(MISC_READ) & 1) !== 0 ? 0x3d4 : 0x3b4;
  }

  /** Resets the attribute controller's index/data flip-flop. */
  resetFlipFlop(): void {
    this.in8(this.crtc + 6);
  }

  readAttribute(index: number): number {
    this.resetFlipFlop();
    this.out8(ATTRIBUTE, index);
    const value = this.in8(ATTRIBUTE_READ);
    this.resetFlipFlop();
    this.out8(ATTRIBUTE, 0x20);
    return value;
  }

  writeAttribute(index: number, value: number): void {
    this.resetFlipFlop();
    this.out8(ATTRIBUTE, index);
    this.out8(ATTRIBUTE, value);
    this.out8(ATTRIBUTE, 0x20);
  }

  readDac(index: number): [number, number, number] {
    this.out8(DAC_READ_INDEX, index);
    return [this.in8(DAC_DATA), this.in8(DAC_DATA), this.in8(DAC_DATA)];
  }

  writeDac(index: number, red: number, green: number, blue: number): void {
    this.out8(DAC_WRITE_INDEX, index);
    this.out8(DAC_DATA, red);
    this.out8(DAC_DATA, green);
    this.out8(DAC_DATA, blue);
  }

  /** Loads a standard mode's registers; the screen stays blank until the attribute controller is switched on at the end. */
  programMode(mode: VideoMode, keepPalette: boolean): void {
    this.dispiWrite(DISPI_ENABLE, 0);
    this.resetFlipFlop();
    this.out8(ATTRIBUTE, 0x00);
    this.writeIndexed(SEQUENCER, 0, 0x01);
    this.out8(MISC_WRITE, mode.misc);
    mode.sequencer.forEach((value, i) => this.writeIndexed(SEQUENCER, i + 1, value));
    this.writeIndexed(SEQUENCER, 0, 0x03);
    const crtc = (mode.misc & 1) !== 0 ? 0x3d4 : 0x3b4;
    this.writeIndexed(crtc, 0x11, 0x00);
    mode.crtc.forEach((value, i) => this.writeIndexed(crtc, i, value));
    mode.graphics.forEach((value, i) => this.writeIndexed(GRAPHICS, i, value));
    mode.attribute.forEach((value, i) => {
      if (keepPalette && i < 16) return;
      this.resetFlipFlop();
      this.out8(ATTRIBUTE, i);
      this.out8(ATTRIBUTE, value);
    });
    this.out8(DAC_MASK, 0xff);
    if (!keepPalette) {
      const palette = defaultPalette(mode.palette);
      for (let i = 0; i < 256; i++) {
        const [r, g, b] = palette[i] ?? [0, 0, 0];
        this.writeDac(i, r, g, b);
      }
    }
    this.resetFlipFlop();
    this.out8(ATTRIBUTE, 0x20);
  }

  /** Zeroes the mode's video memory; text pages become blanks with attribute 7. */
  clear(mode: VideoMode): void {
    const base = mode.segment * 16;
    if (mode.kind === 'text') {
      for (let at = 0; at < 0x8000; at += 4) this.bus.writeMmio(base + at, 4, 0x0720_0720);
    } else if (mode.kind === 'cga4' || mode.kind === 'cga2') {
      for (let at = 0; at < 0x4000; at += 4) this.bus.writeMmio(base + at, 4, 0);
    } else {
      for (let at = 0; at < 0x10000; at += 4) this.bus.writeMmio(base + at, 4, 0);
    }
  }

  /** Opens plane 2 at A0000h for character patterns, runs `access`, and goes back to text access. */
  withFontPlane(access: () => void): void {
    this.writeIndexed(SEQUENCER, 0, 0x01);
    this.writeIndexed(SEQUENCER, 2, 0x04);
    this.writeIndexed(SEQUENCER, 4, 0x07);
    this.writeIndexed(SEQUENCER, 0, 0x03);
    this.writeIndexed(GRAPHICS, 4, 0x02);
    this.writeIndexed(GRAPHICS, 5, 0x00);
    this.writeIndexed(GRAPHICS, 6, 0x04);
    access();
    this.writeIndexed(SEQUENCER, 0, 0x01);
    this.writeIndexed(SEQUENCER, 2, 0x03);
    this.writeIndexed(SEQUENCER, 4, 0x02);
    this.writeIndexed(SEQUENCER, 0, 0x03);
    this.writeIndexed(GRAPHICS, 4, 0x00);
    this.writeIndexed(GRAPHICS, 5, 0x10);
    this.writeIndexed(GRAPHICS, 6, (this.in8(MISC_READ) & 1) !== 0 ? 0x0e : 0x0a);
  }

  /** Puts `count` patterns of `height` rows from `first` on into font block `block` (0 to 7). */
  loadFont(
    patterns: Uint8Array,
    height: number,
    first: number,
    count: number,
    block: number,
  ): void {
    const base = 0xa0000 + fontBlock(block);
    this.withFontPlane(() => {
      for (let c = 0; c < count && first + c < 256; c++) {
        for (let row = 0; row < height; row++)
          this.write8(base + (first + c) * 32 + row, patterns[c * height + row] ?? 0);
      }
    });
  }

  font(height: number): Uint8Array {
    return height >= 16
      ? this.fonts.font8x16
      : height >= 14
        ? this.fonts.font8x14
        : this.fonts.font8x8;
  }
}

/** Offset of a font block in plane 2: blocks 4 to 7 lie between 0 to 3. */
export function fontBlock(block: number): number {
  return ((block & 3) << 14) | ((block & 4) << 11);
}
