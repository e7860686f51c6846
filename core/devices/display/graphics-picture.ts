/**
 * Graphics modes: lines of video memory turned into pixels where they differ from what was drawn before.
 * Documents: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem; Bochs VBE specification.
 */
import type { DisplayBackend } from '../../hw';
import { DirtyBands } from './dirty-bands';
import type { Dispi } from './dispi';
import type { Palette } from './palette';
import {
  AR_MODE,
  AR_MODE_PANNING_COMPATIBLE,
  AR_PEL_PANNING,
  AR_PLANE_ENABLE,
  CR_H_DISPLAY_END,
  CR_MAX_SCAN_LINE,
  CR_MAX_SCAN_LINE_DOUBLE,
  CR_MODE_BYTE,
  CR_MODE_CMS0,
  CR_MODE_CMS1,
  CR_MODE_CONTROL,
  CR_OFFSET,
  GR_MODE,
  GR_MODE_256_COLORS,
  GR_MODE_INTERLEAVE,
  lineCompare,
  SR_CLOCKING,
  SR_CLOCKING_DCLK_2,
  startAddress,
  verticalDisplayEnd,
  type VgaRegisters,
} from './vga-regs';

/** How bytes of video memory become pixels. */
export type PixelFormat =
  'planar' | 'cga' | 'vga256' | 'index8' | 'rgb555' | 'rgb565' | 'rgb888' | 'xrgb8888';

export interface GraphicsGeometry {
  readonly format: PixelFormat;
  readonly width: number;
  readonly height: number;
  /** Bytes of video memory that are converted together, and the dots they give. */
  readonly unitBytes: number;
  readonly unitDots: number;
  /** Dots a pixel of the planar formats. */
  readonly scale: number;
}

const LINEAR: Readonly<Record<number, readonly [PixelFormat, number]>> = {
  8: ['index8', 1],
  15: ['rgb555', 2],
  16: ['rgb565', 2],
  24: ['rgb888', 3],
  32: ['xrgb8888', 4],
};

const MAX_WIDTH = 2560;
const MAX_HEIGHT = 1600;

export function dispiGeometry(dispi: Dispi): GraphicsGeometry {
  const { width, height, bitsPerPixel } = dispi;
  const [format, unitBytes] = LINEAR[bitsPerPixel] ?? ['planar', 4];
  const unitDots = format === 'planar' ? 8 : 1;
  return { format, width, height, unitBytes, unitDots, scale: 1 };
}

export function vgaGeometry(r: VgaRegisters): GraphicsGeometry {
  const mode = r.graphics[GR_MODE];
  const scale = r.sequencer[SR_CLOCKING] & SR_CLOCKING_DCLK_2 ? 2 : 1;
  const width = Math.min((r.crtc[CR_H_DISPLAY_END] + 1) * 8 * scale, MAX_WIDTH);
  const height = Math.min(verticalDisplayEnd(r.crtc) + 1, MAX_HEIGHT);
  if (mode & GR_MODE_256_COLORS)
    return { format: 'vga256', width, height, unitBytes: 1, unitDots: 2 * scale, scale: 2 * scale };
  const format = mode & GR_MODE_INTERLEAVE ? 'cga' : 'planar';
  return { format, width, height, unitBytes: 4, unitDots: 8 * scale, scale };
}

/** Where the lines of a picture lie in video memory. */
type LineAddress = (line: number) => number;

export class GraphicsPicture {
  private readonly words: Uint32Array;
  private readonly bands: DirtyBands;
  private geometry: GraphicsGeometry | undefined;
  private pixels = new Uint32Array(0);
  private shadow = new Uint8Array(0);
  private shadowWords = new Uint32Array(0);
  private lineBytes = 0;
  private panning = 0;
  private planes = 15;

  constructor(
    private readonly vram: Uint8Array,
    display: DisplayBackend,
    private readonly palette: Palette,
  ) {
    this.words = new Uint32Array(vram.buffer, vram.byteOffset, vram.length >> 2);
    this.bands = new DirtyBands(display);
  }

  begin(geometry: GraphicsGeometry, pixels: Uint32Array<ArrayBuffer>): void {
    this.geometry = geometry;
    this.pixels = pixels;
    const { width, height, unitBytes, unitDots } = geometry;
    // One unit more than fits: panning moves part of it into view.
    const units = Math.ceil(width / unitDots) + (unitDots > 1 ? 1 : 0);
    this.lineBytes = Math.ceil((units * unitBytes) / 4) * 4;
    this.shadow = new Uint8Array(this.lineBytes * height);
    this.shadowWords = new Uint32Array(this.shadow.buffer);
  }

  drawDispi(dispi: Dispi, all: boolean): void {
    const { start, pitch } = dispi;
    this.panning = 0;
    this.planes = 15;
    this.draw((line) => start + line * pitch, all);
  }

  drawVga(r: VgaRegisters, all: boolean): void {
    const { attribute, crtc } = r;
    const is256 = this.geometry?.format === 'vga256';
    const pan = attribute[AR_PEL_PANNING] & 7;
    const panning = (is256 ? pan >> 1 : pan) * (this.geometry?.scale ?? 1);
    const planes = attribute[AR_PLANE_ENABLE] & 15;
    const redraw = all || panning !== this.panning || planes !== this.planes;
    this.panning = panning;
    this.planes = planes;
    const split = lineCompare(crtc) + 1;
    const address = vgaLines(crtc);
    const stopsPanning = (attribute[AR_MODE] & AR_MODE_PANNING_COMPATIBLE) !== 0;
    this.draw(address, redraw, stopsPanning ? split : Infinity);
  }

  /** `unpanned`: first line on which panning does not work (below a split screen). */
  private draw(address: LineAddress, all: boolean, unpanned = Infinity): void {
    const { geometry } = this;
    if (!geometry) return;
    const { panning } = this;
    for (let line = 0; line < geometry.height; line++) {
      if (line === unpanned) this.panning = 0;
      this.drawLine(line, address(line) & (this.vram.length - 1), all, geometry);
    }
    this.panning = panning;
    this.bands.flush();
  }

  private drawLine(line: number, from: number, all: boolean, g: GraphicsGeometry): void {
    const at = line * this.lineBytes;
    // A line that runs over the end of video memory goes on at its start.
    const wraps = from + this.lineBytes > this.vram.length;
    const source = wraps ? this.wrapped(from) : this.vram;
    const begin = wraps ? 0 : from;
    let first = 0;
    let last = this.lineBytes - 1;
    if (!all) {
      const span = wraps || from & 3 ? undefined : this.changedWords(at >> 2, from >> 2);
      if (span) [first, last] = span;
      else {
        const { shadow } = this;
        while (first <= last && shadow[at + first] === source[begin + first]) first++;
        while (last > first && shadow[at + last] === source[begin + last]) last--;
      }
      if (first > last) return;
    }
    this.shadow.set(source.subarray(begin + first, begin + last + 1), at + first);
    const unitFrom = Math.floor(first / g.unitBytes);
    const unitTo = Math.floor(last / g.unitBytes) + 1;
    const left = Math.max(0, unitFrom * g.unitDots - this.panning);
    const right = Math.min(g.width, unitTo * g.unitDots - this.panning);
    if (left >= right) return;
    this.convert(line, at, unitFrom, unitTo, g);
    this.bands.span(line, left, right);
  }

  /** First and last byte of the words of a line that differ from the shadow; first above last when none does. */
  private changedWords(shadowAt: number, sourceAt: number): [number, number] {
    const { shadowWords, words } = this;
    let first = 0;
    let last = (this.lineBytes >> 2) - 1;
    while (first <= last && shadowWords[shadowAt + first] === words[sourceAt + first]) first++;
    while (last > first && shadowWords[shadowAt + last] === words[sourceAt + last]) last--;
    return [first * 4, last * 4 + 3];
  }

  private wrapped(from: number): Uint8Array {
    const line = new Uint8Array(this.lineBytes);
    const head = this.vram.length - from;
    line.set(this.vram.subarray(from), 0);
    line.set(this.vram.subarray(0, this.lineBytes - head), head);
    return line;
  }

  /** Converts units of a line from the shadow, which no guest changes meanwhile. */
  private convert(line: number, at: number, from: number, to: number, g: GraphicsGeometry): void {
    const { pixels, shadow, palette } = this;
    const row = line * g.width;
    const end = Math.min(to, g.unitDots === 1 ? g.width : to);
    switch (g.format) {
      case 'planar':
      case 'cga':
        for (let unit = from; unit < to; unit++)
          this.convertPlanes(row, this.shadowWords[(at >> 2) + unit], unit * g.unitDots, g);
        return;
      case 'vga256':
        for (let unit = from; unit < to; unit++) {
          const color = palette.dac[shadow[at + unit]];
          this.fill(row, unit * g.unitDots, g.unitDots, color, g.width);
        }
        return;
      case 'index8':
        for (let x = from; x < end; x++) pixels[row + x] = palette.dac[shadow[at + x]];
        return;
      case 'rgb555':
        for (let x = from; x < end; x++) {
          const v = shadow[at + 2 * x] | (shadow[at + 2 * x + 1] << 8);
          pixels[row + x] = (five(v >> 10) << 16) | (five(v >> 5) << 8) | five(v);
        }
        return;
      case 'rgb565':
        for (let x = from; x < end; x++) {
          const v = shadow[at + 2 * x] | (shadow[at + 2 * x + 1] << 8);
          pixels[row + x] = (five(v >> 11) << 16) | (six(v >> 5) << 8) | five(v);
        }
        return;
      case 'rgb888':
        for (let x = from; x < end; x++) {
          const i = at + 3 * x;
          pixels[row + x] = shadow[i] | (shadow[i + 1] << 8) | (shadow[i + 2] << 16);
        }
        return;
      case 'xrgb8888':
        for (let x = from; x < end; x++)
          pixels[row + x] = this.shadowWords[(at >> 2) + x] & 0xff_ffff;
    }
  }

  /** Eight pixels out of four planes' bytes. */
  private convertPlanes(row: number, word: number, dot: number, g: GraphicsGeometry): void {
    const colors = this.palette.attribute;
    for (let i = 0; i < 8; i++) {
      let index: number;
      if (g.format === 'planar') {
        const bit = 7 - i;
        index =
          ((word >> bit) & 1) |
          (((word >> (8 + bit)) & 1) << 1) |
          (((word >> (16 + bit)) & 1) << 2) |
          (((word >> (24 + bit)) & 1) << 3);
      } else {
        // Shift register interleave: two bits at a time, planes 0 and 2, then 1 and 3.
        const shift = (i < 4 ? 0 : 8) + 6 - 2 * (i & 3);
        index = ((word >> shift) & 3) | (((word >> (16 + shift)) & 3) << 2);
      }
      this.fill(row, dot + i * g.scale, g.scale, colors[index & this.planes], g.width);
    }
  }

  private fill(row: number, dot: number, count: number, color: number, width: number): void {
    const from = Math.max(0, dot - this.panning);
    const to = Math.min(width, dot - this.panning + count);
    for (let x = from; x < to; x++) this.pixels[row + x] = color;
  }
}

function five(value: number): number {
  return ((value & 31) << 3) | ((value & 31) >> 2);
}

function six(value: number): number {
  return ((value & 63) << 2) | ((value & 63) >> 4);
}

/** CRTC addressing: rows of scan lines, line compare, CGA interleave. Addresses are of planes, 4 bytes each. */
function vgaLines(crtc: Uint8Array): LineAddress {
  const scan = crtc[CR_MAX_SCAN_LINE];
  const scansPerRow = (scan & 0x1f) + 1;
  const doubled = scan & CR_MAX_SCAN_LINE_DOUBLE ? 1 : 0;
  const pitch = crtc[CR_OFFSET] * 2;
  const start = startAddress(crtc);
  const split = lineCompare(crtc);
  const control = crtc[CR_MODE_CONTROL];
  // In word mode the memory layout has no gaps, so that the replaced address bits are one lower.
  const bit13 = control & CR_MODE_BYTE ? 0x2000 : 0x1000;
  return (line) => {
    const scans = (line > split ? line - split - 1 : line) >> doubled;
    const row = Math.floor(scans / scansPerRow);
    const rowScan = scans - row * scansPerRow;
    let address = (line > split ? 0 : start) + row * pitch;
    if (!(control & CR_MODE_CMS0)) address = (address & ~bit13) | (rowScan & 1 ? bit13 : 0);
    if (!(control & CR_MODE_CMS1))
      address = (address & ~(bit13 << 1)) | (rowScan & 2 ? bit13 << 1 : 0);
    return address * 4;
  };
}
