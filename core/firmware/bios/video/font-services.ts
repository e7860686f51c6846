/**
 * INT 10h AH=11h: character generator.
 * Spec: IBM PS/2 and PC BIOS Interface Technical Reference (1991).
 */
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import type { Int10, VideoRom } from './int10';
import type { Screen } from './screen';
import { SEQUENCER } from './vga';

const MAX_SCAN_LINE = 0x09;
const CURSOR_START = 0x0a;
const CURSOR_END = 0x0b;
const VERTICAL_DISPLAY_END = 0x12;
const UNDERLINE = 0x14;

/** Fits the text grid to a character height: rows, page size, CRTC character cell (functions 11h, 12h, 14h, 10h). */
function recalculate(screen: Screen, height: number): void {
  const { vga, memory } = screen;
  const crtc = memory.readU16(bda.CRTC_PORT);
  vga.writeIndexed(
    crtc,
    MAX_SCAN_LINE,
    (vga.readIndexed(crtc, MAX_SCAN_LINE) & 0xe0) | (height - 1),
  );
  const start = height >= 14 ? height - 3 : height - 2;
  vga.writeIndexed(crtc, CURSOR_START, start);
  vga.writeIndexed(crtc, CURSOR_END, start + 1);
  if (screen.modeNumber === 7) vga.writeIndexed(crtc, UNDERLINE, height - 1);
  const rows = Math.floor(400 / height);
  vga.writeIndexed(crtc, VERTICAL_DISPLAY_END, (rows * height - 1) & 0xff);
  memory.writeU8(bda.VIDEO_ROWS, rows - 1);
  memory.writeU16(bda.CHAR_HEIGHT, height);
  memory.writeU16(bda.CURSOR_SHAPE, (start << 8) | (start + 1));
  memory.writeU16(bda.PAGE_BYTES, rows * screen.columns * 2 + 256);
}

/** AH=11h. */
export function handle(call: ServiceCall, screen: Screen, int10: Int10, rom: VideoRom): void {
  const { vga, memory } = screen;
  const resize = (call.al & 0x10) !== 0;
  switch (call.al) {
    case 0x00:
    case 0x10: {
      const height = Math.min(call.bh, 32);
      if (height === 0) return;
      const count = Math.min(call.cx, 256);
      vga.loadFont(
        call.memory.read(call.linear('es', call.bp), count * height),
        height,
        call.dx,
        count,
        call.bl & 7,
      );
      if (resize) recalculate(screen, height);
      return;
    }
    case 0x01:
    case 0x11:
      vga.loadFont(vga.fonts.font8x14, 14, 0, 256, call.bl & 7);
      if (resize) recalculate(screen, 14);
      return;
    case 0x02:
    case 0x12:
      vga.loadFont(vga.fonts.font8x8, 8, 0, 256, call.bl & 7);
      if (resize) recalculate(screen, 8);
      return;
    case 0x04:
    case 0x14:
      vga.loadFont(vga.fonts.font8x16, 16, 0, 256, call.bl & 7);
      if (resize) recalculate(screen, 16);
      return;
    case 0x03:
      vga.writeIndexed(SEQUENCER, 3, call.bl);
      return;
    case 0x20:
      setFar(screen, 0x1f, call);
      return;
    case 0x21:
      setFar(screen, 0x43, call);
      memory.writeU16(bda.CHAR_HEIGHT, call.cx & 0xff);
      setRows(call, screen);
      return;
    case 0x22:
      int10.setGraphicsFont(14);
      setRows(call, screen);
      return;
    case 0x23:
      int10.setGraphicsFont(8);
      setRows(call, screen);
      return;
    case 0x24:
      int10.setGraphicsFont(16);
      setRows(call, screen);
      return;
    case 0x30:
      information(call, screen, rom);
      return;
    default:
  }
}

function setFar(screen: Screen, vector: number, call: ServiceCall): void {
  screen.memory.writeU16(vector * 4, call.bp);
  screen.memory.writeU16(vector * 4 + 2, call.registers.getSegment('es').selector);
}

/** BL: 0 rows in DL, 1 14 rows, 2 25 rows, 3 43 rows. */
function setRows(call: ServiceCall, screen: Screen): void {
  const rows = [call.dl, 14, 25, 43][call.bl] ?? 25;
  screen.memory.writeU8(bda.VIDEO_ROWS, Math.max(rows, 1) - 1);
}

function information(call: ServiceCall, screen: Screen, rom: VideoRom): void {
  const { memory } = screen;
  const vector = (n: number): [number, number] => [
    memory.readU16(n * 4 + 2),
    memory.readU16(n * 4),
  ];
  const inRom = (gpa: number): [number, number] =>
    gpa >= 0xf0000 ? [0xf000, gpa - 0xf0000] : [0xe000, gpa - 0xe0000];
  // 9x14 and 9x16 alternates: supplements with no entries would be a lone zero; the fonts themselves serve.
  const pointers = [
    () => vector(0x1f),
    () => vector(0x43),
    () => inRom(rom.font8x14),
    () => inRom(rom.font8x8),
    () => inRom(rom.font8x8 + 128 * 8),
    () => inRom(rom.font8x14),
    () => inRom(rom.font8x16),
    () => inRom(rom.font8x16),
  ];
  const pointer = pointers[call.bh];
  if (!pointer) return;
  const [segment, offset] = pointer();
  call.setSegment('es', segment);
  call.bp = offset;
  call.cx = screen.charHeight;
  call.dl = memory.readU8(bda.VIDEO_ROWS);
}
