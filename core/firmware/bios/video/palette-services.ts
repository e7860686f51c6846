/**
 * INT 10h AH=0Bh (CGA palette) and AH=10h (palette registers and DAC).
 * Spec: IBM PS/2 and PC BIOS Interface Technical Reference (1991).
 */
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import type { Screen } from './screen';
import { DAC_MASK } from './vga';

const ATTRIBUTE_MODE = 0x10;
const OVERSCAN = 0x11;
const COLOR_SELECT = 0x14;
const BLINK = 0x08;

/** AH=0Bh: background or border, and which of the two 4-colour palettes. */
export function cgaPalette(call: ServiceCall, screen: Screen): void {
  const { vga, memory } = screen;
  let value = memory.readU8(bda.CGA_PALETTE);
  if (call.bh === 0) {
    value = (value & 0xe0) | (call.bl & 0x1f);
    const color = (call.bl & 7) | ((call.bl & 8) << 1);
    if (screen.mode.kind !== 'text') vga.writeAttribute(0, color);
    vga.writeAttribute(OVERSCAN, color);
    if (screen.mode.kind === 'cga4') {
      for (let i = 1; i < 4; i++)
        vga.writeAttribute(i, (vga.readAttribute(i) & ~0x10) | (call.bl & 0x10));
    }
  } else if (call.bh === 1) {
    value = (value & 0xdf) | ((call.bl & 1) << 5);
    for (let i = 1; i < 4; i++) vga.writeAttribute(i, (vga.readAttribute(i) & ~1) | (call.bl & 1));
  } else return;
  memory.writeU8(bda.CGA_PALETTE, value);
}

/** AH=10h. */
export function handle(call: ServiceCall, screen: Screen): void {
  const { vga } = screen;
  switch (call.al) {
    case 0x00:
      if (call.bl <= COLOR_SELECT) vga.writeAttribute(call.bl, call.bh);
      return;
    case 0x01:
      vga.writeAttribute(OVERSCAN, call.bh);
      return;
    case 0x02: {
      const values = call.memory.read(call.linear('es', call.dx), 17);
      for (let i = 0; i < 16; i++) vga.writeAttribute(i, values[i]);
      vga.writeAttribute(OVERSCAN, values[16]);
      return;
    }
    case 0x03: {
      const mode = vga.readAttribute(ATTRIBUTE_MODE);
      vga.writeAttribute(ATTRIBUTE_MODE, (mode & ~BLINK) | ((call.bl & 1) << 3));
      const control = screen.memory.readU8(bda.CGA_MODE_CONTROL);
      screen.memory.writeU8(bda.CGA_MODE_CONTROL, (control & ~0x20) | ((call.bl & 1) << 5));
      return;
    }
    case 0x07:
      if (call.bl <= COLOR_SELECT) call.bh = vga.readAttribute(call.bl);
      return;
    case 0x08:
      call.bh = vga.readAttribute(OVERSCAN);
      return;
    case 0x09: {
      const values = Uint8Array.from({ length: 17 }, (_, i) =>
        vga.readAttribute(i === 16 ? OVERSCAN : i),
      );
      call.memory.write(call.linear('es', call.dx), values);
      return;
    }
    case 0x10:
      vga.writeDac(call.bx, call.dh, call.ch, call.cl);
      return;
    case 0x12: {
      const count = Math.min(call.cx, 256);
      const values = call.memory.read(call.linear('es', call.dx), count * 3);
      for (let i = 0; i < count; i++)
        vga.writeDac((call.bx + i) & 0xff, values[i * 3], values[i * 3 + 1], values[i * 3 + 2]);
      return;
    }
    case 0x13: {
      const mode = vga.readAttribute(ATTRIBUTE_MODE);
      if (call.bl === 0) vga.writeAttribute(ATTRIBUTE_MODE, (mode & 0x7f) | ((call.bh & 1) << 7));
      else if (call.bl === 1)
        vga.writeAttribute(
          COLOR_SELECT,
          (mode & 0x80) !== 0 ? call.bh & 0x0f : (call.bh << 2) & 0x0c,
        );
      return;
    }
    case 0x15: {
      const [red, green, blue] = vga.readDac(call.bl);
      call.dh = red;
      call.ch = green;
      call.cl = blue;
      return;
    }
    case 0x17: {
      const count = Math.min(call.cx, 256);
      const values = new Uint8Array(count * 3);
      for (let i = 0; i < count; i++) values.set(vga.readDac((call.bx + i) & 0xff), i * 3);
      call.memory.write(call.linear('es', call.dx), values);
      return;
    }
    case 0x18:
      vga.out8(DAC_MASK, call.bl);
      return;
    case 0x19:
      call.bl = vga.in8(DAC_MASK);
      return;
    case 0x1a: {
      const mode = vga.readAttribute(ATTRIBUTE_MODE);
      const select = vga.readAttribute(COLOR_SELECT);
      call.bl = mode >> 7;
      call.bh = (mode & 0x80) !== 0 ? select & 0x0f : (select >> 2) & 3;
      return;
    }
    case 0x1b: {
      // Luminance weights 30, 59, 11 percent.
      for (let i = 0; i < Math.min(call.cx, 256); i++) {
        const [r, g, b] = vga.readDac((call.bx + i) & 0xff);
        const gray = Math.min(0x3f, Math.round(r * 0.3 + g * 0.59 + b * 0.11));
        vga.writeDac((call.bx + i) & 0xff, gray, gray, gray);
      }
      return;
    }
    default:
  }
}
