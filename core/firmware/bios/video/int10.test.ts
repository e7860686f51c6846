import { describe, expect, it } from 'vitest';
import { BiosBench } from '../../../../test/support/bios-board';
import { defaultPalette } from './palette';
import { STANDARD_MODES } from './modes';

const MISC = 0x3c2;

describe('INT 10h', () => {
  it('leaves mode 3 with a blank screen, its data area and the 8x16 font after POST', () => {
    const bench = new BiosBench();
    const { memory, bus } = bench;
    expect(memory.readU8(0x449)).toBe(3);
    expect(memory.readU16(0x44a)).toBe(80);
    expect(memory.readU8(0x484)).toBe(24);
    expect(memory.readU16(0x485)).toBe(16);
    expect(memory.readU16(0x463)).toBe(0x3d4);
    expect(bus.readMmio(0xb8000, 2)).toBe(0x0720);
    expect(bus.readPort(0x3cc, 1)).toBe(0x67);
    // Font block 0 in plane 2: 32 bytes a character.
    expect(bus.readMmio(0xa0000 + 0x41 * 32 + 15, 1)).toBe(0x41);
    expect(bus.registers(0x3ce)[6]).toBe(0x0e);
  });

  it('writes teletype text, wraps lines, scrolls at the bottom', () => {
    const bench = new BiosBench();
    for (const c of 'A'.repeat(81)) bench.call(0x10, { rax: 0x0e00 | c.charCodeAt(0) });
    expect(bench.text().slice(0, 2)).toEqual(['A'.repeat(80), 'A']);
    bench.call(0x10, { rax: 0x0200, rbx: 0, rdx: 0x1800 });
    for (const c of 'last\r\nnew') bench.call(0x10, { rax: 0x0e00 | c.charCodeAt(0) });
    const text = bench.text();
    expect(text[0]).toBe('A');
    expect(text[23]).toBe('last');
    expect(text[24]).toBe('new');
    bench.call(0x10, { rax: 0x0300, rbx: 0 });
    expect(bench.dx).toBe(0x1803);
    // The hardware cursor follows: CRTC 0Eh, 0Fh.
    const crtc = bench.bus.registers(0x3d4);
    expect((crtc[0x0e] << 8) | crtc[0x0f]).toBe(24 * 80 + 3);
  });

  it('writes characters with attributes and reads them back', () => {
    const bench = new BiosBench();
    bench.call(0x10, { rax: 0x0200, rbx: 0, rdx: 0x0305 });
    bench.call(0x10, { rax: 0x0958, rbx: 0x001e, rcx: 3 });
    expect(bench.text()[3]).toBe('     XXX');
    bench.call(0x10, { rax: 0x0800, rbx: 0 });
    expect(bench.ax).toBe(0x1e58);
    // AH=0Ah keeps the attribute.
    bench.call(0x10, { rax: 0x0a59, rbx: 0, rcx: 1 });
    bench.call(0x10, { rax: 0x0800, rbx: 0 });
    expect(bench.ax).toBe(0x1e59);
  });

  it('scrolls a window up and down and clears with lines 0', () => {
    const bench = new BiosBench();
    for (let row = 0; row < 5; row++) {
      bench.call(0x10, { rax: 0x0200, rbx: 0, rdx: row << 8 });
      bench.call(0x10, { rax: 0x0930 + row, rbx: 7, rcx: 4 });
    }
    bench.call(0x10, { rax: 0x0601, rbx: 0x1700, rcx: 0x0101, rdx: 0x0302 });
    expect(bench.text().slice(0, 5)).toEqual(['0000', '1221', '2332', '3  3', '4444']);
    bench.call(0x10, { rax: 0x0701, rbx: 0x1700, rcx: 0x0101, rdx: 0x0302 });
    expect(bench.text().slice(0, 5)).toEqual(['0000', '1  1', '2222', '3333', '4444']);
    bench.call(0x10, { rax: 0x0600, rbx: 0x0700, rcx: 0, rdx: 0x184f });
    expect(bench.text().join('')).toBe('');
  });

  it('writes strings, with and without attributes, moving the cursor only when told', () => {
    const bench = new BiosBench();
    bench.memory.write(
      0x9000,
      Uint8Array.from('Hi\x1fY\x2e', (c) => c.charCodeAt(0)),
    );
    bench.segment('es', 0x900);
    bench.call(0x10, { rax: 0x1301, rbx: 0x0007, rcx: 2, rdx: 0x0a0a, rbp: 0 });
    bench.call(0x10, { rax: 0x0300, rbx: 0 });
    expect(bench.dx).toBe(0x0a0c);
    expect(bench.text()[10].trim()).toBe('Hi');
    bench.memory.write(0x9000, Uint8Array.of(0x41, 0x12, 0x42, 0x34));
    bench.call(0x10, { rax: 0x1302, rbx: 0, rcx: 2, rdx: 0x0b00, rbp: 0 });
    expect([
      bench.bus.readMmio(0xb8000 + 11 * 160, 2),
      bench.bus.readMmio(0xb8002 + 11 * 160, 2),
    ]).toEqual([0x1241, 0x3442]);
  });

  it('scales cursor shapes made for 8-line characters (IBM cursor emulation)', () => {
    const bench = new BiosBench();
    bench.call(0x10, { rax: 0x0100, rcx: 0x0607 });
    expect([...bench.bus.registers(0x3d4).subarray(10, 12)]).toEqual([14, 15]);
    bench.call(0x10, { rax: 0x0100, rcx: 0x2000 });
    expect(bench.bus.registers(0x3d4)[10]).toBe(0x20);
  });

  it('sets every standard mode with its columns, rows and page size', () => {
    const bench = new BiosBench();
    for (const [number, mode] of STANDARD_MODES) {
      bench.call(0x10, { rax: number });
      bench.call(0x10, { rax: 0x0f00 });
      expect(bench.ax).toBe((mode.columns << 8) | number);
      expect(bench.bus.written.get(MISC)).toBe(mode.misc);
      expect(mode.crtc).toHaveLength(25);
      expect(mode.attribute).toHaveLength(21);
      expect(mode.graphics).toHaveLength(9);
    }
    bench.call(0x10, { rax: 0x0003 });
    bench.call(0x10, { rax: 0x0055 });
    bench.call(0x10, { rax: 0x0f00 });
    expect(bench.ax & 0xff).toBe(3);
  });

  it('draws pixels and characters in 256-colour and CGA modes', () => {
    const bench = new BiosBench();
    bench.call(0x10, { rax: 0x0013 });
    bench.call(0x10, { rax: 0x0c2a, rbx: 0, rcx: 10, rdx: 2 });
    expect(bench.bus.readMmio(0xa0000 + 2 * 320 + 10, 1)).toBe(0x2a);
    bench.call(0x10, { rax: 0x0d00, rbx: 0, rcx: 10, rdx: 2 });
    expect(bench.ax & 0xff).toBe(0x2a);
    // The test font's character 0x81 has rows of 10000001.
    bench.call(0x10, { rax: 0x0200, rbx: 0, rdx: 0 });
    bench.call(0x10, { rax: 0x0e81, rbx: 0x000c });
    expect(Array.from({ length: 8 }, (_, x) => bench.bus.readMmio(0xa0000 + x, 1))).toEqual([
      12, 0, 0, 0, 0, 0, 0, 12,
    ]);
    bench.call(0x10, { rax: 0x0004 });
    bench.call(0x10, { rax: 0x0c03, rbx: 0, rcx: 5, rdx: 3 });
    expect(bench.bus.readMmio(0xb8000 + 0x2000 + 80 + 1, 1)).toBe(0x30);
    bench.call(0x10, { rax: 0x0c81, rbx: 0, rcx: 5, rdx: 3 });
    expect(bench.bus.readMmio(0xb8000 + 0x2000 + 80 + 1, 1)).toBe(0x20);
  });

  it('reads and writes the DAC in blocks', () => {
    const bench = new BiosBench();
    bench.segment('es', 0x900);
    bench.memory.write(0x9000, Uint8Array.of(1, 2, 3, 4, 5, 6));
    bench.call(0x10, { rax: 0x1012, rbx: 0x20, rcx: 2, rdx: 0 });
    bench.call(0x10, { rax: 0x1015, rbx: 0x21 });
    expect([bench.dx >> 8, bench.cx >> 8, bench.cx & 0xff]).toEqual([4, 5, 6]);
    bench.call(0x10, { rax: 0x1017, rbx: 0x20, rcx: 2, rdx: 0x10 });
    expect([...bench.memory.read(0x9010, 6)]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('tells where its fonts are (AH=11h AL=30h)', () => {
    const bench = new BiosBench();
    bench.call(0x10, { rax: 0x1130, rbx: 0x0600 });
    const at =
      bench.registers.getSegment('es').selector * 16 + (bench.registers.get32('rbp') & 0xffff);
    expect(bench.memory.readU8(at + 0x41 * 16)).toBe(0x41);
    expect(bench.cx).toBe(16);
    expect(bench.dx & 0xff).toBe(24);
  });

  it('switches to 50 lines with the 8x8 font and back', () => {
    const bench = new BiosBench();
    bench.call(0x10, { rax: 0x1112, rbx: 0 });
    expect(bench.memory.readU8(0x484)).toBe(49);
    expect(bench.bus.registers(0x3d4)[9] & 0x1f).toBe(7);
    bench.call(0x10, { rax: 0x1114, rbx: 0 });
    expect(bench.memory.readU8(0x484)).toBe(24);
  });

  it('saves and restores its state (AH=1Ch)', () => {
    const bench = new BiosBench();
    bench.segment('es', 0x1000);
    bench.call(0x10, { rax: 0x1c00, rcx: 7 });
    expect([bench.ax & 0xff, bench.bx]).toEqual([0x1c, Math.ceil((61 + 46 + 769) / 64)]);
    bench.call(0x10, { rax: 0x1c01, rbx: 0, rcx: 7 });
    bench.call(0x10, { rax: 0x0012 });
    bench.call(0x10, { rax: 0x1c02, rbx: 0, rcx: 7 });
    expect(bench.memory.readU8(0x449)).toBe(3);
    expect([...bench.bus.registers(0x3d4).subarray(0, 25)].slice(0, 2)).toEqual([0x5f, 0x4f]);
    expect(bench.bus.written.get(MISC)).toBe(0x67);
  });

  it('never writes more characters than the screen holds, and ignores rows beyond it', () => {
    const bench = new BiosBench();
    bench.call(0x10, { rax: 0x0200, rbx: 0, rdx: 0xffff });
    bench.call(0x10, { rax: 0x0941, rbx: 7, rcx: 0xffff });
    bench.call(0x10, { rax: 0x06ff, rbx: 0xffff, rcx: 0xffff, rdx: 0xffff });
    expect(bench.text().join('')).toBe('');
  });
});

describe('default palettes', () => {
  it('has brown, not dark yellow, and the colour wheel of mode 13h from blue through red and green', () => {
    const vga = defaultPalette('vga256');
    expect(vga).toHaveLength(256);
    expect(vga[6]).toEqual([0x2a, 0x15, 0]);
    expect([vga[32], vga[36], vga[40], vga[48], vga[55]]).toEqual([
      [0, 0, 0x3f],
      [0x3f, 0, 0x3f],
      [0x3f, 0, 0],
      [0, 0x3f, 0],
      [0, 0x10, 0x3f],
    ]);
    expect(defaultPalette('ega64')[0x14]).toEqual([0x2a, 0x15, 0]);
    expect(defaultPalette('ega64')[0x3f]).toEqual([0x3f, 0x3f, 0x3f]);
  });
});
