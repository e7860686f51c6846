/**
 * INT 10h AH=1Ch: save and restore video state. Our own layout inside the caller's buffer: hardware registers,
 * then the BIOS data area, then the DAC, each part only when asked for.
 * Spec: IBM PS/2 and PC BIOS Interface Technical Reference (1991).
 */
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import type { Screen } from './screen';
import * as hw from './vga';

const HARDWARE = 1;
const BIOS_DATA = 2;
const DAC = 4;
const HARDWARE_BYTES = 1 + 5 + 25 + 21 + 9;
const BIOS_BYTES = 0x1e + 7 + 1 + 8;
const DAC_BYTES = 769;

export function saveRestore(call: ServiceCall, screen: Screen): void {
  const parts = call.cx & 7;
  if (parts === 0 || call.al > 2) return;
  const bytes =
    ((parts & HARDWARE) !== 0 ? HARDWARE_BYTES : 0) +
    ((parts & BIOS_DATA) !== 0 ? BIOS_BYTES : 0) +
    ((parts & DAC) !== 0 ? DAC_BYTES : 0);
  const at = call.linear('es', call.bx);
  if (call.al === 0) call.bx = Math.ceil(bytes / 64);
  else if (call.al === 1) call.memory.write(at, save(parts, screen));
  else restore(parts, screen, call.memory.read(at, bytes));
  call.al = 0x1c;
}

function save(parts: number, { vga, memory }: Screen): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  const crtc = vga.crtc;
  if ((parts & HARDWARE) !== 0) {
    bytes.push(vga.in8(hw.MISC_READ));
    for (let i = 0; i < 5; i++) bytes.push(vga.readIndexed(hw.SEQUENCER, i));
    for (let i = 0; i < 25; i++) bytes.push(vga.readIndexed(crtc, i));
    for (let i = 0; i < 21; i++) bytes.push(vga.readAttribute(i));
    for (let i = 0; i < 9; i++) bytes.push(vga.readIndexed(hw.GRAPHICS, i));
  }
  if ((parts & BIOS_DATA) !== 0) {
    bytes.push(
      ...memory.read(bda.VIDEO_MODE, 0x1e),
      ...memory.read(bda.VIDEO_ROWS, 7),
      0,
      ...memory.read(0x1f * 4, 4),
      ...memory.read(0x43 * 4, 4),
    );
  }
  if ((parts & DAC) !== 0) {
    bytes.push(vga.in8(hw.DAC_MASK));
    for (let i = 0; i < 256; i++) bytes.push(...vga.readDac(i));
  }
  return Uint8Array.from(bytes);
}

function restore(parts: number, { vga, memory }: Screen, bytes: Uint8Array): void {
  let at = 0;
  if ((parts & HARDWARE) !== 0) {
    vga.out8(hw.MISC_WRITE, bytes[at++]);
    const crtc = vga.crtc;
    for (let i = 0; i < 5; i++) vga.writeIndexed(hw.SEQUENCER, i, bytes[at++]);
    vga.writeIndexed(crtc, 0x11, 0);
    for (let i = 0; i < 25; i++) vga.writeIndexed(crtc, i, bytes[at++]);
    for (let i = 0; i < 21; i++) vga.writeAttribute(i, bytes[at++]);
    for (let i = 0; i < 9; i++) vga.writeIndexed(hw.GRAPHICS, i, bytes[at++]);
  }
  if ((parts & BIOS_DATA) !== 0) {
    memory.write(bda.VIDEO_MODE, bytes.subarray(at, at + 0x1e));
    memory.write(bda.VIDEO_ROWS, bytes.subarray(at + 0x1e, at + 0x25));
    memory.write(0x1f * 4, bytes.subarray(at + 0x26, at + 0x2a));
    memory.write(0x43 * 4, bytes.subarray(at + 0x2a, at + 0x2e));
    at += BIOS_BYTES;
  }
  if ((parts & DAC) !== 0) {
    vga.out8(hw.DAC_MASK, bytes[at++]);
    for (let i = 0; i < 256; i++, at += 3) vga.writeDac(i, bytes[at], bytes[at + 1], bytes[at + 2]);
  }
}
