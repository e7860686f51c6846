/**
 * INT 10h: video services 00h-13h, 1Ah-1Ch, and 4Fh through vbe.ts.
 * Specs: IBM PS/2 and PC BIOS Interface Technical Reference (1991); Ralf Brown's Interrupt List, release 61.
 * Missing: light pen (04h reports none), alternate print screen, 200- and 350-line text modes.
 */
import type { GuestMemory } from '../../../hw';
import { ByteBuilder } from '../../bytes';
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import * as fonts from './font-services';
import * as palette from './palette-services';
import { saveRestore } from './save-restore';
import type { Screen } from './screen';
import { STANDARD_MODES } from './modes';
import { VBE_MODE_BDA } from './vbe-modes';
import type { Vbe } from './vbe';

/** Where the ROM keeps the fonts (GPAs) and the static functionality table. */
export interface VideoRom {
  readonly font8x8: number;
  readonly font8x14: number;
  readonly font8x16: number;
  readonly functionality: number;
}

export class Int10 {
  vbe: Vbe | undefined;

  constructor(
    private readonly screen: Screen,
    private readonly memory: GuestMemory,
    private readonly rom: VideoRom,
  ) {}

  private setVector(vector: number, gpa: number): void {
    const segment = gpa >= 0xf0000 ? 0xf000 : 0xe000;
    this.memory.writeU16(vector * 4, gpa - segment * 16);
    this.memory.writeU16(vector * 4 + 2, segment);
  }

  /** Points INT 43h at a ROM font and keeps its height. */
  setGraphicsFont(height: number): void {
    this.setVector(
      0x43,
      height >= 16 ? this.rom.font8x16 : height >= 14 ? this.rom.font8x14 : this.rom.font8x8,
    );
    this.memory.writeU8(bda.CHAR_HEIGHT, height);
  }

  /** INT 10h AH=00h; unknown modes are ignored, as by IBM's BIOS. */
  setMode(number: number, noClear: boolean): boolean {
    const mode = STANDARD_MODES.get(number);
    if (!mode) return false;
    const { memory, screen } = this;
    const control = memory.readU8(bda.VIDEO_CONTROL);
    const keepPalette = (memory.readU8(bda.VIDEO_FLAGS) & 0x08) !== 0;
    screen.vga.programMode(mode, keepPalette);
    if (!noClear) screen.vga.clear(mode);
    if (mode.kind === 'text') screen.vga.loadFont(screen.vga.fonts.font8x16, 16, 0, 256, 0);

    memory.writeU16(VBE_MODE_BDA, 0);
    memory.writeU8(bda.VIDEO_MODE, number);
    memory.writeU16(bda.VIDEO_COLUMNS, mode.columns);
    memory.writeU16(bda.PAGE_BYTES, mode.pageBytes & 0xffff);
    memory.writeU16(bda.PAGE_START, 0);
    memory.fill(bda.CURSOR_POSITIONS, 16, 0);
    memory.writeU8(bda.ACTIVE_PAGE, 0);
    memory.writeU16(bda.CRTC_PORT, (mode.misc & 1) !== 0 ? 0x3d4 : 0x3b4);
    memory.writeU8(bda.CGA_MODE_CONTROL, mode.cga);
    memory.writeU8(bda.CGA_PALETTE, number === 6 ? 0x3f : 0x30);
    memory.writeU8(bda.VIDEO_ROWS, mode.rows - 1);
    memory.writeU8(bda.VIDEO_CONTROL, (control & 0x7f) | (noClear ? 0x80 : 0) | 0x60);
    this.setGraphicsFont(mode.charHeight);
    this.setVector(0x1f, this.rom.font8x8 + 128 * 8);
    screen.setCursorShape(6, 7);
    if (mode.kind === 'text') screen.setCursor(0, 0, 0);
    return true;
  }

  handle(call: ServiceCall): void {
    const { screen } = this;
    screen.graphics.begin();
    switch (call.ah) {
      case 0x00: {
        const number = call.al & 0x7f;
        if (!this.setMode(number, (call.al & 0x80) !== 0)) return;
        call.al = number > 7 ? 0x20 : number === 6 ? 0x3f : 0x30;
        return;
      }
      case 0x01:
        screen.setCursorShape(call.ch, call.cl);
        return;
      case 0x02:
        screen.setCursor(call.bh, call.dl, call.dh);
        return;
      case 0x03: {
        const { column, row } = screen.getCursor(call.bh);
        call.dx = (row << 8) | column;
        call.cx = this.memory.readU16(bda.CURSOR_SHAPE);
        return;
      }
      case 0x04:
        call.ah = 0;
        return;
      case 0x05:
        screen.setActivePage(call.al);
        return;
      case 0x06:
      case 0x07:
        screen.scroll(call.al, call.bh, call.ch, call.cl, call.dh, call.dl, call.ah === 7);
        return;
      case 0x08:
        call.ax = screen.readCell(call.bh);
        return;
      case 0x09:
      case 0x0a:
        this.writeCharacters(call);
        return;
      case 0x0b:
        palette.cgaPalette(call, screen);
        return;
      case 0x0c:
        if (!screen.isText)
          screen.graphics.writePixel(screen.surface(call.bh), call.cx, call.dx, call.al);
        return;
      case 0x0d:
        if (!screen.isText)
          call.al = screen.graphics.readPixel(screen.surface(call.bh), call.cx, call.dx);
        return;
      case 0x0e:
        // BH is ignored, as by every BIOS since the EGA's: output goes to the page on screen.
        screen.teletype(screen.activePage, call.al, screen.isText ? undefined : call.bl);
        return;
      case 0x0f:
        call.ax =
          (Math.min(screen.columns, 255) << 8) |
          this.memory.readU8(bda.VIDEO_MODE) |
          (this.memory.readU8(bda.VIDEO_CONTROL) & 0x80);
        call.bh = screen.activePage;
        return;
      case 0x10:
        palette.handle(call, screen);
        return;
      case 0x11:
        fonts.handle(call, screen, this, this.rom);
        return;
      case 0x12:
        this.alternateSelect(call);
        return;
      case 0x13:
        this.writeString(call);
        return;
      case 0x1a:
        if (call.al === 0) {
          call.bx = this.memory.readU8(bda.DISPLAY_COMBINATION) || 0x08;
          call.al = 0x1a;
        } else if (call.al === 1) {
          this.memory.writeU8(bda.DISPLAY_COMBINATION, call.bl);
          call.al = 0x1a;
        }
        return;
      case 0x1b:
        if (call.bx === 0) {
          call.memory.write(call.linear('es', call.di), this.stateInformation());
          call.al = 0x1b;
        }
        return;
      case 0x1c:
        saveRestore(call, screen);
        return;
      case 0x4f:
        this.vbe?.handle(call);
        return;
      default:
    }
  }

  private writeCharacters(call: ServiceCall): void {
    const { screen } = this;
    const page = call.bh & 7;
    let { column, row } = screen.getCursor(page);
    const withAttribute = call.ah === 0x09 || !screen.isText;
    // Never more than the screen holds: the count is the guest's.
    const count = Math.min(call.cx, screen.columns * screen.rows);
    for (let i = 0; i < count; i++) {
      screen.putCell(page, column, row, call.al, withAttribute ? call.bl : undefined);
      if (++column === screen.columns) {
        column = 0;
        row++;
      }
    }
  }

  /** AH=12h: the video subsystem's switches. */
  private alternateSelect(call: ServiceCall): void {
    const { memory } = this;
    switch (call.bl) {
      case 0x10:
        call.bx = (this.screen.modeNumber === 7 ? 0x0100 : 0) | 0x03;
        call.cx = memory.readU8(bda.VIDEO_SWITCHES) & 0x0f;
        return;
      case 0x30:
        if (call.al <= 2) call.al = 0x12;
        return;
      case 0x31:
        memory.writeU8(
          bda.VIDEO_FLAGS,
          (memory.readU8(bda.VIDEO_FLAGS) & ~0x08) | ((call.al & 1) << 3),
        );
        call.al = 0x12;
        return;
      case 0x32:
      case 0x33:
        call.al = 0x12;
        return;
      case 0x34:
        memory.writeU8(bda.VIDEO_CONTROL, (memory.readU8(bda.VIDEO_CONTROL) & ~1) | (call.al & 1));
        call.al = 0x12;
        return;
      case 0x36: {
        const clocking = this.screen.vga.readIndexed(0x3c4, 1);
        this.screen.vga.writeIndexed(0x3c4, 1, (clocking & ~0x20) | ((call.al & 1) << 5));
        call.al = 0x12;
        return;
      }
      default:
    }
  }

  private writeString(call: ServiceCall): void {
    const { screen } = this;
    const page = call.bh & 7;
    const before = screen.getCursor(page);
    const paired = (call.al & 2) !== 0;
    const at = call.linear('es', call.bp);
    const text = call.memory.read(at, call.cx * (paired ? 2 : 1));
    screen.setCursor(page, call.dl, call.dh);
    for (let i = 0; i < call.cx; i++) {
      const char = text[paired ? i * 2 : i];
      screen.teletype(page, char, paired ? text[i * 2 + 1] : call.bl);
    }
    if ((call.al & 1) === 0) screen.setCursor(page, before.column, before.row);
  }

  /** AH=1Bh: 64 bytes; static functionality table in ROM, then the BDA's video part. */
  private stateInformation(): Uint8Array<ArrayBuffer> {
    const { memory, screen } = this;
    const { mode } = screen;
    const colors =
      mode.kind === 'linear8'
        ? 256
        : mode.kind === 'cga4'
          ? 4
          : mode.kind === 'cga2'
            ? 2
            : mode.palette === 'mono'
              ? 0
              : 16;
    return new ByteBuilder()
      .u16(this.rom.functionality - 0xe0000)
      .u16(0xe000)
      .raw(memory.read(bda.VIDEO_MODE, 30)) // 40:49 to 40:66
      .u8(memory.readU8(bda.VIDEO_ROWS) + 1)
      .u16(memory.readU16(bda.CHAR_HEIGHT))
      .u8(memory.readU8(bda.DISPLAY_COMBINATION) || 8, 0)
      .u16(colors)
      .u8(
        mode.kind === 'text'
          ? 8
          : Math.max(1, Math.floor(0x40000 / 4 / Math.max(mode.pageBytes, 1)) & 0xff),
      )
      .u8(mode.height >= 480 ? 3 : mode.height >= 400 ? 2 : mode.height >= 350 ? 1 : 0)
      .u8(0, 0, 0x11)
      .zeros(3)
      .u8(3)
      .zeros(14)
      .build();
  }
}
