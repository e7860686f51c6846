/**
 * The screen of the current video mode: cursor, pages, scrolling, characters and teletype, kept in the BIOS data area.
 */
import type { GuestMemory } from '../../../hw';
import * as bda from '../bda';
import { Graphics, type Surface } from './graphics';
import { STANDARD_MODES, type VideoMode } from './modes';
import { DISPI_VIRT_WIDTH, type VgaHardware } from './vga';
import { lineBytes, type VbeMode, VBE_MODE_BDA, vbeMode } from './vbe-modes';

const TEXT_ATTRIBUTE = 0x07;
const BELL = 7;
const BACKSPACE = 8;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

export class Screen {
  readonly graphics: Graphics;

  constructor(
    readonly vga: VgaHardware,
    readonly memory: GuestMemory,
  ) {
    this.graphics = new Graphics(vga);
  }

  get modeNumber(): number {
    return this.memory.readU8(bda.VIDEO_MODE) & 0x7f;
  }

  get mode(): VideoMode {
    return STANDARD_MODES.get(this.modeNumber) ?? STANDARD_MODES.get(3)!;
  }

  /** The VBE mode in use, if any. */
  get vbe(): VbeMode | undefined {
    const number = this.memory.readU16(VBE_MODE_BDA) & 0x1ff;
    return number >= 0x100 ? vbeMode(number) : undefined;
  }

  get isText(): boolean {
    return this.vbe === undefined && this.mode.kind === 'text';
  }

  get columns(): number {
    return Math.max(1, Math.min(this.memory.readU16(bda.VIDEO_COLUMNS), 256));
  }

  get rows(): number {
    return this.memory.readU8(bda.VIDEO_ROWS) + 1;
  }

  get charHeight(): number {
    const height = this.memory.readU8(bda.CHAR_HEIGHT);
    return height >= 1 && height <= 32 ? height : 16;
  }

  get activePage(): number {
    return this.memory.readU8(bda.ACTIVE_PAGE) & 7;
  }

  private get pageBytes(): number {
    return this.memory.readU16(bda.PAGE_BYTES);
  }

  /** GPA of a text cell; pages wrap inside the 32 KiB window. */
  cell(page: number, column: number, row: number): number {
    return (
      this.mode.segment * 16 +
      (((page & 7) * this.pageBytes + (row * this.columns + column) * 2) & 0x7ffe)
    );
  }

  surface(page: number): Surface {
    const vbe = this.vbe;
    if (vbe) {
      const { width, height, bits } = vbe;
      const pitch = lineBytes(bits, Math.max(this.vga.dispiRead(DISPI_VIRT_WIDTH), width));
      return {
        kind: bits === 4 ? 'planar' : 'packed',
        width,
        height,
        base: 0xa0000,
        pitch,
        bits,
        banked: true,
      };
    }
    const { kind, width, height, segment } = this.mode;
    const base = segment * 16;
    if (kind === 'cga4' || kind === 'cga2')
      return { kind, width, height, base, pitch: 80, bits: kind === 'cga4' ? 2 : 1, banked: false };
    if (kind === 'linear8')
      return { kind: 'packed', width, height, base, pitch: 320, bits: 8, banked: false };
    return {
      kind: 'planar',
      width,
      height,
      base: base + ((page * this.pageBytes) & 0xffff),
      pitch: width / 8,
      bits: 4,
      banked: false,
    };
  }

  getCursor(page: number): { column: number; row: number } {
    const word = this.memory.readU16(bda.CURSOR_POSITIONS + (page & 7) * 2);
    return { column: word & 0xff, row: word >> 8 };
  }

  setCursor(page: number, column: number, row: number): void {
    this.memory.writeU16(
      bda.CURSOR_POSITIONS + (page & 7) * 2,
      ((row & 0xff) << 8) | (column & 0xff),
    );
    if ((page & 7) === this.activePage && this.isText) this.placeHardwareCursor(column, row);
  }

  private placeHardwareCursor(column: number, row: number): void {
    const address = (this.memory.readU16(bda.PAGE_START) >> 1) + row * this.columns + column;
    const crtc = this.memory.readU16(bda.CRTC_PORT);
    this.vga.writeIndexed(crtc, 0x0e, address >> 8);
    this.vga.writeIndexed(crtc, 0x0f, address);
  }

  setCursorShape(start: number, end: number): void {
    this.memory.writeU16(bda.CURSOR_SHAPE, ((start & 0xff) << 8) | (end & 0xff));
    let top = start & 0x3f;
    let bottom = end & 0x1f;
    const height = this.charHeight;
    // IBM's cursor emulation: shapes meant for 8-line characters are scaled to the character height.
    if (
      (this.memory.readU8(bda.VIDEO_CONTROL) & 1) === 0 &&
      height > 8 &&
      bottom < 8 &&
      top < 0x20
    ) {
      top =
        bottom !== top + 1
          ? Math.floor(((top + 1) * height) / 8) - 1
          : Math.floor(((bottom + 1) * height) / 8) - 2;
      bottom = Math.floor(((bottom + 1) * height) / 8) - 1;
    }
    const crtc = this.memory.readU16(bda.CRTC_PORT);
    this.vga.writeIndexed(crtc, 0x0a, top);
    this.vga.writeIndexed(crtc, 0x0b, bottom);
  }

  setActivePage(page: number): void {
    if (this.vbe) return;
    const start = ((page & 7) * this.pageBytes) & 0xffff;
    this.memory.writeU8(bda.ACTIVE_PAGE, page & 7);
    this.memory.writeU16(bda.PAGE_START, start);
    const crtc = this.memory.readU16(bda.CRTC_PORT);
    const address = this.mode.kind === 'text' ? start >> 1 : start;
    this.vga.writeIndexed(crtc, 0x0c, address >> 8);
    this.vga.writeIndexed(crtc, 0x0d, address);
    const { column, row } = this.getCursor(page);
    this.setCursor(page, column, row);
  }

  /** The font that graphics modes draw with: INT 43h, and INT 1Fh for the upper half in CGA modes. */
  pattern(char: number): Uint8Array<ArrayBuffer> {
    const height = this.vbe ? 16 : this.charHeight;
    const kind = this.mode.kind;
    const upper = !this.vbe && (kind === 'cga4' || kind === 'cga2') && char >= 128;
    const vector = upper ? 0x1f : 0x43;
    const base = this.memory.readU16(vector * 4) + this.memory.readU16(vector * 4 + 2) * 16;
    return this.memory.read(base + (upper ? char - 128 : char) * height, height);
  }

  /** Scrolls a window; `lines` 0 clears it. `down` moves the text down. */
  scroll(
    lines: number,
    attribute: number,
    top: number,
    left: number,
    bottom: number,
    right: number,
    down: boolean,
    page = this.activePage,
  ): void {
    const lastRow = Math.min(bottom, this.rows - 1);
    const lastColumn = Math.min(right, this.columns - 1);
    if (top > lastRow || left > lastColumn) return;
    const height = lastRow - top + 1;
    const count = lines === 0 || lines > height ? height : lines;
    for (let i = 0; i < height; i++) {
      const row = down ? lastRow - i : top + i;
      const from = down ? row - count : row + count;
      if (from < top || from > lastRow) this.clearRow(page, row, left, lastColumn, attribute);
      else this.copyRow(page, from, row, left, lastColumn);
    }
  }

  private copyRow(page: number, from: number, to: number, left: number, right: number): void {
    if (this.isText) {
      for (let column = left; column <= right; column++)
        this.vga.write16(
          this.cell(page, column, to),
          this.vga.read16(this.cell(page, column, from)),
        );
      return;
    }
    const surface = this.surface(page);
    const height = this.vbe ? 16 : this.charHeight;
    for (let y = 0; y < height; y++)
      this.graphics.copyLine(surface, from * height + y, to * height + y, left, right - left + 1);
  }

  private clearRow(
    page: number,
    row: number,
    left: number,
    right: number,
    attribute: number,
  ): void {
    if (this.isText) {
      for (let column = left; column <= right; column++)
        this.vga.write16(this.cell(page, column, row), (attribute << 8) | 0x20);
      return;
    }
    const surface = this.surface(page);
    const height = this.vbe ? 16 : this.charHeight;
    for (let y = 0; y < height; y++)
      this.graphics.fillLine(surface, row * height + y, left, right - left + 1, attribute);
  }

  /** Character and attribute at the page's cursor: attribute in the high byte. */
  readCell(page: number): number {
    const { column, row } = this.getCursor(page);
    if (this.isText) return this.vga.read16(this.cell(page, column, row));
    const height = this.charHeight;
    const pattern = this.graphics.readPattern(this.surface(page), column * 8, row * height, height);
    for (let char = 0; char < 256; char++) {
      if (this.pattern(char).every((bits, i) => bits === pattern[i])) return char;
    }
    return 0;
  }

  /** Writes a character; `attribute` undefined keeps the cell's own (text) or means 7 (graphics). */
  putCell(
    page: number,
    column: number,
    row: number,
    char: number,
    attribute: number | undefined,
  ): void {
    if (column >= this.columns || row >= this.rows) return;
    if (this.isText) {
      const at = this.cell(page, column, row);
      if (attribute === undefined) this.vga.write8(at, char);
      else this.vga.write16(at, ((attribute & 0xff) << 8) | char);
      return;
    }
    const pattern = this.pattern(char);
    this.graphics.drawPattern(
      this.surface(page),
      column * 8,
      row * pattern.length,
      pattern,
      attribute ?? TEXT_ATTRIBUTE,
      0,
    );
  }

  /** INT 10h AH=0Eh: control characters act, the line wraps, the screen scrolls. */
  teletype(page: number, char: number, attribute?: number): void {
    let { column, row } = this.getCursor(page);
    switch (char) {
      case BELL:
        return;
      case BACKSPACE:
        if (column > 0) column--;
        break;
      case LINE_FEED:
        row++;
        break;
      case CARRIAGE_RETURN:
        column = 0;
        break;
      default:
        this.putCell(page, column, row, char, attribute);
        column++;
    }
    if (column >= this.columns) {
      column = 0;
      row++;
    }
    if (row >= this.rows) {
      row = this.rows - 1;
      const fill = this.isText ? this.vga.read8(this.cell(page, 0, row) + 1) : 0;
      this.scroll(1, fill, 0, 0, row, this.columns - 1, false, page);
    }
    this.setCursor(page, column, row);
  }

  /** Prints text on the active page, '\n' as a new line. */
  print(text: string, attribute?: number): void {
    this.graphics.begin();
    for (const c of text) {
      if (c === '\n') this.teletype(this.activePage, CARRIAGE_RETURN);
      this.teletype(this.activePage, c.charCodeAt(0) & 0xff, attribute);
    }
  }
}
