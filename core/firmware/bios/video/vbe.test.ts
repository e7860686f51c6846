import { beforeEach, describe, expect, it } from 'vitest';
import { BiosBench } from '../../../../test/support/bios-board';

let bench: BiosBench;

beforeEach(() => {
  bench = new BiosBench();
  bench.segment('es', 0x1000);
});

const call = (function_: number, registers = {}): number => {
  bench.call(0x10, { rax: 0x4f00 | function_, rdi: 0, ...registers });
  return bench.ax;
};

describe('VBE (VESA BIOS extensions 3.0)', () => {
  it('describes the controller and its modes', () => {
    bench.memory.write(
      0x10000,
      Uint8Array.from('VBE2', (c) => c.charCodeAt(0)),
    );
    expect(call(0)).toBe(0x004f);
    const { memory } = bench;
    expect(String.fromCharCode(...memory.read(0x10000, 4))).toBe('VESA');
    expect(memory.readU16(0x10004)).toBe(0x0300);
    expect(memory.readU16(0x10012)).toBe(0x100);
    const list = memory.readU16(0x10010) * 16 + memory.readU16(0x1000e);
    const modes: number[] = [];
    for (let at = list; memory.readU16(at) !== 0xffff; at += 2) modes.push(memory.readU16(at));
    for (const mode of [0x100, 0x101, 0x105, 0x111, 0x112, 0x118, 0x11b, 0x144])
      expect(modes).toContain(mode);
    const oem = memory.readU16(0x10008) * 16 + memory.readU16(0x10006);
    expect(String.fromCharCode(...memory.read(oem, 9))).toBe('Domus VBE');
  });

  it('describes 1024x768 at 32 bits with the linear framebuffer in the BAR that POST assigned', () => {
    expect(call(1, { rcx: 0x144 })).toBe(0x004f);
    const { memory } = bench;
    expect(memory.readU16(0x10000) & 0x9b).toBe(0x9b);
    expect([
      memory.readU16(0x10010),
      memory.readU16(0x10012),
      memory.readU16(0x10014),
      memory.readU8(0x10019),
    ]).toEqual([4096, 1024, 768, 32]);
    expect([...memory.read(0x1001f, 8)]).toEqual([8, 16, 8, 8, 8, 0, 8, 24]);
    const bar = new DataView(bench.bus.pci.get(0x10)!.buffer).getUint32(0x10, true) & 0xfffffff0;
    expect(memory.readU32(0x10028)).toBe(bar >>> 0);
    expect(bar >>> 0).toBe(0xfd000000);
    expect(call(1, { rcx: 0x1ff })).toBe(0x014f);
  });

  it('hides modes that do not fit into video memory', () => {
    bench.bus.dispi[10] = 0x10; // 1 MiB
    expect(call(1, { rcx: 0x144 })).toBe(0x014f);
    expect(call(1, { rcx: 0x105 })).toBe(0x004f);
  });

  it('sets a mode through DISPI, reports it, and goes back to text', () => {
    expect(call(2, { rbx: 0x4144 })).toBe(0x004f);
    expect([...bench.bus.dispi.subarray(1, 5)]).toEqual([1024, 768, 32, 0x41]);
    expect(call(3)).toBe(0x004f);
    expect(bench.bx).toBe(0x4144);
    expect(call(2, { rbx: 3 })).toBe(0x004f);
    expect(bench.bus.dispi[4]).toBe(0);
    call(3);
    expect(bench.bx).toBe(3);
    expect(bench.memory.readU8(0x449)).toBe(3);
  });

  it('switches the window bank, keeps the scan line length and the display start in bounds', () => {
    call(2, { rbx: 0x0105 });
    expect(call(5, { rbx: 0, rdx: 7 })).toBe(0x004f);
    expect(bench.bus.dispi[5]).toBe(7);
    expect(call(5, { rbx: 0, rdx: 0x100 })).toBe(0x014f);
    bench.bus.dispi[6] = 1024;
    expect(call(6, { rbx: 0, rcx: 2048 })).toBe(0x004f);
    expect([bench.bx, bench.cx]).toEqual([2048, 2048]);
    expect(call(6, { rbx: 0, rcx: 0xffff })).toBe(0x024f);
    expect(call(7, { rbx: 0, rcx: 16, rdx: 32 })).toBe(0x004f);
    expect([...bench.bus.dispi.subarray(8, 10)]).toEqual([16, 32]);
  });

  it('writes the palette in blue, green, red order', () => {
    bench.memory.write(0x10000, Uint8Array.of(1, 2, 3, 0));
    expect(call(9, { rbx: 0, rcx: 1, rdx: 5 })).toBe(0x004f);
    expect([...bench.bus.dac.subarray(15, 18)]).toEqual([3, 2, 1]);
  });

  it('passes on the EDID block of the adapter', () => {
    expect(call(0x15, { rbx: 0 })).toBe(0x004f);
    expect(bench.bx & 0xff).toBe(2);
    expect(call(0x15, { rbx: 1, rcx: 0, rdx: 0 })).toBe(0x004f);
    expect([...bench.memory.read(0x10000, 128)]).toEqual([...bench.bus.edid]);
    bench.bus.edid[0] = 1;
    expect(call(0x15, { rbx: 1, rcx: 0, rdx: 0 })).toBe(0x014f);
  });

  it('says no to the protected mode interface', () => {
    expect(call(0x0a)).toBe(0x014f);
  });

  it('prints text in a direct-colour mode through the window', () => {
    call(2, { rbx: 0x0110 });
    bench.bus.dispi[6] = 640;
    bench.call(0x10, { rax: 0x0e80, rbx: 0x0f });
    expect([bench.bus.readMmio(0xa0000, 2), bench.bus.readMmio(0xa0002, 2)]).toEqual([0x7fff, 0]);
  });

  it('has the 16-colour modes in planes', () => {
    expect(call(1, { rcx: 0x102 })).toBe(0x004f);
    const { memory } = bench;
    expect([memory.readU16(0x10010), memory.readU8(0x10018), memory.readU8(0x1001b)]).toEqual([
      100, 4, 3,
    ]);
    expect(memory.readU32(0x10028)).toBe(0);
    expect(call(2, { rbx: 0x4102 })).toBe(0x014f);
    expect(call(2, { rbx: 0x0102 })).toBe(0x004f);
    expect([...bench.bus.dispi.subarray(1, 5)]).toEqual([800, 600, 4, 1]);
    bench.bus.dispi[6] = 800;
    expect(call(6, { rbx: 2, rcx: 128 })).toBe(0x004f);
    expect([bench.bx, bench.cx]).toEqual([128, 1024]);
    bench.bus.dispi[6] = 800;
    bench.call(0x10, { rax: 0x0c05, rbx: 0, rcx: 9, rdx: 2 });
    // The plain bus has no planes: what arrives is the last byte written, under bit mask 40h.
    expect(bench.bus.readMmio(0xa0000 + 2 * 100 + 1, 1)).toBe(0xff);
  });
});
