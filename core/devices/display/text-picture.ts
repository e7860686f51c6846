/**
 * Text modes: characters, attributes, cursor and fonts of the VGA, drawn cell by cell where something changed.
 * Document: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem, "Alphanumeric modes".
 */
import type { DisplayBackend } from '../../hw';
import { CP437 } from './font';
import type { Palette } from './palette';
import {
  AR_MODE,
  AR_MODE_BLINK,
  AR_MODE_LINE_GRAPHICS,
  CR_CURSOR_END,
  CR_CURSOR_START,
  CR_CURSOR_START_OFF,
  CR_H_DISPLAY_END,
  CR_MAX_SCAN_LINE,
  CR_MAX_SCAN_LINE_DOUBLE,
  CR_OFFSET,
  CR_UNDERLINE,
  cursorAddress,
  SR_CHARACTER_MAP,
  SR_CLOCKING,
  SR_CLOCKING_8_DOTS,
  SR_CLOCKING_DCLK_2,
  startAddress,
  verticalDisplayEnd,
  type VgaRegisters,
} from './vga-regs';

/** Rows of 32 bytes a character in plane 2. */
const GLYPH_BYTES = 32;
const FONT_CHARACTERS = 256;
/** Sixteen frames at 70 Hz; attributes blink half as fast. */
const CURSOR_HALF_PERIOD_NS = 228_000_000;
const MAX_COLUMNS = 160;
const MAX_ROWS = 100;

export interface TextGeometry {
  readonly columns: number;
  readonly rows: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
  /** Dots a glyph column: 2 with the halved dot clock. */
  readonly scale: number;
  readonly doubled: boolean;
}

export function textGeometry(r: VgaRegisters): TextGeometry {
  const clocking = r.sequencer[SR_CLOCKING];
  const scale = clocking & SR_CLOCKING_DCLK_2 ? 2 : 1;
  const cellWidth = (clocking & SR_CLOCKING_8_DOTS ? 8 : 9) * scale;
  const scan = r.crtc[CR_MAX_SCAN_LINE];
  const doubled = (scan & CR_MAX_SCAN_LINE_DOUBLE) !== 0;
  const cellHeight = ((scan & 0x1f) + 1) * (doubled ? 2 : 1);
  const lines = verticalDisplayEnd(r.crtc) + 1;
  return {
    columns: Math.min(r.crtc[CR_H_DISPLAY_END] + 1, MAX_COLUMNS, Math.floor(2560 / cellWidth)),
    rows: Math.max(
      1,
      Math.min(Math.floor(lines / cellHeight), MAX_ROWS, Math.floor(1600 / cellHeight)),
    ),
    cellWidth,
    cellHeight,
    scale,
    doubled,
  };
}

/** Offset of a font in plane 2: maps 4 to 7 lie between 0 to 3 (SR03). */
function fontOffset(map: number): number {
  return ((map & 3) << 14) | ((map & 4) << 11);
}

/** What the cells look like now, apart from their characters and attributes. */
interface Look {
  readonly cursor: number;
  readonly cursorFrom: number;
  readonly cursorTo: number;
  readonly blinkOff: boolean;
  readonly mode: number;
  readonly underline: number;
}

export class TextPicture {
  private readonly words: Int32Array;
  private geometry: TextGeometry | undefined;
  private pixels = new Uint32Array(0);
  /** Character, attribute, cursor and blink phase of each cell as drawn. */
  private drawn = new Int32Array(0);
  private readonly fonts = new Uint8Array(2 * FONT_CHARACTERS * GLYPH_BYTES);
  private fontKey = -1;
  private lookKey = '';
  private readonly text: string[] = [];
  private cursorKey = '';

  constructor(
    vram: Uint8Array,
    private readonly display: DisplayBackend,
    private readonly palette: Palette,
  ) {
    this.words = new Int32Array(vram.buffer, vram.byteOffset, vram.length >> 2);
  }

  /** A new mode: everything is to be drawn into `pixels`. */
  begin(geometry: TextGeometry, pixels: Uint32Array<ArrayBuffer>): void {
    this.geometry = geometry;
    this.pixels = pixels;
    this.drawn = new Int32Array(geometry.columns * geometry.rows).fill(-1);
    this.text.length = 0;
    this.cursorKey = '';
  }

  draw(r: VgaRegisters, nowNs: number, all: boolean): void {
    const { geometry } = this;
    if (!geometry) return;
    const look = this.look(r, nowNs);
    const lookKey = `${look.mode},${look.underline},${look.cursorFrom},${look.cursorTo}`;
    if (this.updateFonts(r.sequencer[SR_CHARACTER_MAP]) || lookKey !== this.lookKey || all)
      this.drawn.fill(-1);
    this.lookKey = lookKey;
    const { columns, rows } = geometry;
    const pitch = r.crtc[CR_OFFSET] * 2;
    const start = startAddress(r.crtc);
    const mask = this.words.length - 1;
    let textChanged = this.text.length !== rows;
    for (let row = 0; row < rows; row++) {
      let first = -1;
      let last = -1;
      let charactersChanged = this.text.length <= row;
      for (let column = 0; column < columns; column++) {
        const address = start + row * pitch + column;
        const cell = this.words[address & mask] & 0xffff;
        const blinks = look.blinkOff && cell & 0x8000 && look.mode & AR_MODE_BLINK;
        const key = cell | (address === look.cursor ? 0x10000 : 0) | (blinks ? 0x20000 : 0);
        const at = row * columns + column;
        const before = this.drawn[at];
        if (key === before) continue;
        if (((key ^ before) & 0xff) !== 0 || before < 0) charactersChanged = true;
        this.drawn[at] = key;
        this.drawCell(row, column, key, look, geometry);
        if (first < 0) first = column;
        last = column;
      }
      if (charactersChanged && this.updateRow(row)) textChanged = true;
      if (first >= 0)
        this.display.dirty(
          first * geometry.cellWidth,
          row * geometry.cellHeight,
          (last - first + 1) * geometry.cellWidth,
          geometry.cellHeight,
        );
    }
    this.text.length = rows;
    this.report(r, start, pitch, textChanged);
  }

  private look(r: VgaRegisters, nowNs: number): Look {
    const phase = Math.floor(nowNs / CURSOR_HALF_PERIOD_NS);
    const from = r.crtc[CR_CURSOR_START];
    const isOff = (from & CR_CURSOR_START_OFF) !== 0 || (phase & 1) !== 0;
    return {
      cursor: isOff ? -1 : cursorAddress(r.crtc),
      cursorFrom: from & 0x1f,
      cursorTo: r.crtc[CR_CURSOR_END] & 0x1f,
      blinkOff: (phase & 2) !== 0,
      mode: r.attribute[AR_MODE],
      underline: r.crtc[CR_UNDERLINE] & 0x1f,
    };
  }

  /** Takes both fonts out of plane 2; true when a glyph changed. Attribute bit 3 chooses map A. */
  private updateFonts(maps: number): boolean {
    const mapA = ((maps >> 2) & 3) | ((maps >> 3) & 4);
    const mapB = (maps & 3) | ((maps >> 2) & 4);
    let changed = this.fontKey !== maps;
    this.fontKey = maps;
    [mapB, mapA].forEach((map, n) => {
      const from = fontOffset(map);
      const to = n * FONT_CHARACTERS * GLYPH_BYTES;
      for (let i = 0; i < FONT_CHARACTERS * GLYPH_BYTES; i++) {
        const byte = (this.words[from + i] >> 16) & 0xff;
        if (this.fonts[to + i] === byte) continue;
        this.fonts[to + i] = byte;
        changed = true;
      }
    });
    return changed;
  }

  private drawCell(row: number, column: number, key: number, look: Look, g: TextGeometry): void {
    const character = key & 0xff;
    const attribute = (key >> 8) & 0xff;
    const colors = this.palette.attribute;
    const blinking = (look.mode & AR_MODE_BLINK) !== 0;
    const background = colors[(attribute >> 4) & (blinking ? 7 : 15)];
    const foreground = key & 0x20000 ? background : colors[attribute & 15];
    const glyph = ((attribute & 8 ? FONT_CHARACTERS : 0) + character) * GLYPH_BYTES;
    const extend = (look.mode & AR_MODE_LINE_GRAPHICS) !== 0 && (character & 0xe0) === 0xc0;
    const underlined = (attribute & 0x77) === 0x01;
    const { cellWidth, cellHeight, scale, columns } = g;
    const pitch = columns * cellWidth;
    let at = row * cellHeight * pitch + column * cellWidth;
    for (let line = 0; line < cellHeight; line++, at += pitch) {
      const scan = g.doubled ? line >> 1 : line;
      let bits = this.fonts[glyph + (scan & 31)] << 1;
      if (extend) bits |= (bits >> 1) & 1;
      if (underlined && scan === look.underline) bits = 0x1ff;
      if (key & 0x10000 && scan >= look.cursorFrom && scan <= look.cursorTo) bits = 0x1ff;
      for (let dot = 0, bit = 8; dot < cellWidth; bit--) {
        const color = (bits >> bit) & 1 ? foreground : background;
        for (let i = 0; i < scale; i++) this.pixels[at + dot++] = color;
      }
    }
  }

  /** Text of a row as drawn; true when it differs from before. */
  private updateRow(row: number): boolean {
    const { columns } = this.geometry!;
    let text = '';
    for (let column = 0; column < columns; column++)
      text += CP437[this.drawn[row * columns + column] & 0xff];
    text = text.trimEnd();
    if (this.text[row] === text) return false;
    this.text[row] = text;
    return true;
  }

  private report(r: VgaRegisters, start: number, pitch: number, textChanged: boolean): void {
    const { columns, rows } = this.geometry!;
    const at = cursorAddress(r.crtc) - start;
    const y = pitch > 0 ? Math.floor(at / pitch) : -1;
    const x = at - y * pitch;
    const isShown =
      (r.crtc[CR_CURSOR_START] & CR_CURSOR_START_OFF) === 0 && y >= 0 && y < rows && x < columns;
    const key = isShown ? `${x},${y}` : '';
    if (!textChanged && key === this.cursorKey) return;
    this.cursorKey = key;
    this.display.text([...this.text], isShown ? { x, y } : undefined);
  }
}
