import { beforeEach, describe, expect, it } from 'vitest';
import { BiosBench } from '../../../../test/support/bios-board';
import { memoryMap } from '../../memory-map';

const WAIT = 1;
const SPIN = 2;
const MIB = 1 << 20;
let bench: BiosBench;

beforeEach(() => {
  bench = new BiosBench();
  bench.segment('es', 0x1000);
});

describe('POST', () => {
  it('sets up the interrupt controllers, timer, data areas and power management', () => {
    const { bus, memory } = bench;
    expect([bus.written.get(0x21), bus.written.get(0xa1)]).toEqual([0xf8, 0xff]);
    expect(memory.readU16(0x40e)).toBe(0x9fc0);
    expect(memory.readU16(0x413)).toBe(639);
    expect(memory.readU16(0x400)).toBe(0x3f8);
    expect(memory.readU16(0x410) & 0x0e27).toBe(0x0226);
    const pm = new DataView(bus.pci.get(0x0b)!.buffer);
    expect([pm.getUint32(0x40, true), pm.getUint8(0x80), pm.getUint8(0x3c)]).toEqual([0x601, 1, 9]);
    expect([...bus.pci.get(8)!.subarray(0x60, 0x64)]).toEqual([10, 10, 11, 11]);
    // Device 2 INTA is PIRQB.
    expect(bus.pci.get(0x10)![0x3c]).toBe(10);
    // The shadow is read-only at the end.
    expect([...bus.pci.get(0)!.subarray(0x59, 0x60)]).toEqual([0x10, 0, 0, 0, 0, 0x11, 0x11]);
  });

  it('copies the ROM to E0000h-FFFFFh and the ACPI tables to the top of RAM', () => {
    const { memory, bios } = bench;
    expect([...memory.read(0xe0000, 0x20000)]).toEqual([...bios.rom.bytes]);
    expect(String.fromCharCode(...memory.read(bios.rom.rsdpAddress, 8))).toBe('RSD PTR ');
    const rsdt = memory.readU32(bios.rom.rsdpAddress + 16);
    expect(rsdt).toBeGreaterThan(32 * MIB - 0x20000);
    expect(String.fromCharCode(...memory.read(rsdt, 4))).toBe('RSDT');
  });

  it('sets the tick count from the RTC', () => {
    // 12:34:56.
    expect(bench.memory.readU32(0x46c)).toBe(
      Math.floor(((12 * 3600 + 34 * 60 + 56) * 1193182) / 65536),
    );
  });

  it('returns to the program that CMOS shutdown status 0Ah names instead', () => {
    bench.bus.cmos[0x0f] = 0x0a;
    bench.memory.writeU32(0x467, 0x12340056);
    expect(bench.call(0xa0).returnTo).toEqual({ segment: 0x1234, offset: 0x56 });
    expect(bench.bus.cmos[0x0f]).toBe(0);
  });
});

describe('the trap port', () => {
  it('does nothing unless the ROM itself traps', () => {
    bench.call(0x12, { rax: 0 });
    expect(bench.ax).toBe(639);
    bench.registers.set32('rax', 0);
    bench.registers.rip = 0x1234n;
    bench.bios.writePort();
    bench.registers.rip = BigInt([...bench.bios.rom.code.traps][0]);
    bench.segment('cs', 0x2000);
    bench.bios.writePort();
    bench.registers.setSegment('cs', { selector: 8, base: 0xf0000n, limit: 0xffff, access: 0x9b });
    bench.registers.cr0 |= 1n;
    bench.bios.writePort();
    expect(bench.ax).toBe(0);
    // Virtual-8086 mode may.
    bench.registers.rflags |= 1 << 17;
    bench.memory.writeU16(0x8000, 0x12);
    bench.bios.writePort();
    expect(bench.ax).toBe(639);
  });

  it('survives every service number and function with random registers', () => {
    let seed = 99;
    const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0);
    for (let round = 0; round < 3000; round++) {
      for (const name of ['es', 'ds'] as const) bench.segment(name, random() & 0xffff);
      const registers = {
        rax: random(),
        rbx: random(),
        rcx: random() & 0xff,
        rdx: random(),
        rsi: random(),
        rdi: random(),
        rbp: random(),
      };
      bench.call(random() & 0xff, registers);
    }
  });
});

describe('INT 15h', () => {
  it('lists the memory map (E820h)', () => {
    const entries: number[][] = [];
    let next = 0;
    do {
      const { carry } = bench.call(0x15, {
        rax: 0xe820,
        rbx: next,
        rcx: 24,
        rdx: 0x534d4150,
        rdi: 0,
      });
      expect(carry).toBe(false);
      expect(bench.registers.get32('rax')).toBe(0x534d4150);
      expect(bench.registers.get32('rcx')).toBe(20);
      const { memory } = bench;
      entries.push([
        Number(memory.readU64(0x10000)),
        Number(memory.readU64(0x10008)),
        memory.readU32(0x10010),
      ]);
      next = bench.registers.get32('rbx');
    } while (next !== 0);
    expect(entries).toEqual(
      memoryMap(32 * MIB).map(({ base, length, type }) => [base, length, type]),
    );
    expect(bench.call(0x15, { rax: 0xe820, rbx: 99, rcx: 24, rdx: 0x534d4150 }).carry).toBe(true);
    expect(bench.call(0x15, { rax: 0xe820, rbx: 0, rcx: 24, rdx: 0 }).carry).toBe(true);
  });

  it('agrees about the size of memory in all its functions', () => {
    const kib = (32 * MIB - 0x20000 - MIB) / 1024;
    bench.call(0x15, { rax: 0x8800 });
    expect(bench.ax).toBe(kib);
    bench.call(0x15, { rax: 0xe801 });
    expect([bench.ax, bench.bx, bench.cx, bench.dx]).toEqual([
      0x3c00,
      Math.floor((kib - 0x3c00) / 64),
      0x3c00,
      Math.floor((kib - 0x3c00) / 64),
    ]);
  });

  it('moves blocks by descriptors (87h)', () => {
    const { memory } = bench;
    memory.write(0x150000, Uint8Array.of(1, 2, 3, 4));
    memory.write(0x10010, Uint8Array.of(0xff, 0xff, 0x00, 0x00, 0x15, 0x93, 0, 0));
    memory.write(0x10018, Uint8Array.of(0xff, 0xff, 0x00, 0x90, 0x00, 0x93, 0, 0));
    expect(bench.call(0x15, { rax: 0x8700, rcx: 2, rsi: 0 }).carry).toBe(false);
    expect([...memory.read(0x9000, 4)]).toEqual([1, 2, 3, 4]);
  });

  it('waits in the guest: asleep while a tick fits, then spinning (86h)', () => {
    expect(bench.call(0x15, { rax: 0x8600, rcx: 0, rdx: 60_000 }).action).toBe(WAIT);
    bench.clock.advance(30_000_000);
    expect(bench.call(0x15, {}, true).action).toBe(SPIN);
    bench.clock.advance(29_000_000);
    expect(bench.call(0x15, {}, true).action).toBe(SPIN);
    bench.clock.advance(1_000_000);
    const { action, carry } = bench.call(0x15, {}, true);
    expect([action, carry]).toEqual([0, false]);
  });

  it('opens and closes A20 through port 92h (24xxh)', () => {
    bench.call(0x15, { rax: 0x2401 });
    expect(bench.bus.written.get(0x92)! & 3).toBe(2);
    bench.call(0x15, { rax: 0x2400 });
    expect(bench.bus.written.get(0x92)! & 3).toBe(0);
    bench.call(0x15, { rax: 0x2403 });
    expect(bench.bx).toBe(3);
  });

  it('gives its configuration table and EBDA, and says no to APM', () => {
    bench.call(0x15, { rax: 0xc000 });
    const at = bench.registers.getSegment('es').selector * 16 + bench.bx;
    expect([bench.memory.readU16(at), bench.memory.readU8(at + 2)]).toEqual([8, 0xfc]);
    bench.call(0x15, { rax: 0xc100 });
    expect(bench.registers.getSegment('es').selector).toBe(0x9fc0);
    expect(bench.call(0x15, { rax: 0x5300, rbx: 0 }).carry).toBe(true);
    expect(bench.ax >> 8).toBe(0x86);
  });
});

describe('INT 1Ah', () => {
  it('counts ticks over midnight', () => {
    bench.memory.writeU32(0x46c, 0x1800af);
    bench.call(0x88);
    bench.call(0x1a, { rax: 0 });
    expect([bench.ax & 0xff, bench.cx, bench.dx]).toEqual([1, 0, 0]);
    bench.call(0x1a, { rax: 0 });
    expect(bench.ax & 0xff).toBe(0);
  });

  it('reads and sets the clock in BCD', () => {
    bench.call(0x1a, { rax: 0x0200 });
    expect([bench.cx, bench.dx >> 8]).toEqual([0x1234, 0x56]);
    bench.call(0x1a, { rax: 0x0400 });
    expect([bench.cx, bench.dx]).toEqual([0x2024, 0x0229]);
    bench.call(0x1a, { rax: 0x0300, rcx: 0x2359, rdx: 0x5800 });
    expect([bench.bus.cmos[4], bench.bus.cmos[2], bench.bus.cmos[0]]).toEqual([0x23, 0x59, 0x58]);
    // A binary RTC is translated.
    bench.bus.cmos[0x0b] = 0x06;
    bench.bus.cmos[4] = 23;
    bench.call(0x1a, { rax: 0x0200 });
    expect(bench.cx >> 8).toBe(0x23);
  });

  it('is a PCI BIOS 2.1', () => {
    expect(bench.call(0x1a, { rax: 0xb101 }).carry).toBe(false);
    expect([bench.registers.get32('rdx'), bench.ax, bench.bx]).toEqual([0x20494350, 1, 0x0210]);
    expect(bench.call(0x1a, { rax: 0xb102, rcx: 0x7113, rdx: 0x8086, rsi: 0 }).carry).toBe(false);
    expect(bench.bx).toBe(0x000b);
    expect(bench.call(0x1a, { rax: 0xb102, rcx: 0x7113, rdx: 0x8086, rsi: 1 }).carry).toBe(true);
    expect(bench.ax >> 8).toBe(0x86);
    bench.call(0x1a, { rax: 0xb103, rcx: 0x030000, rsi: 0 });
    expect(bench.bx).toBe(0x0010);
    bench.call(0x1a, { rax: 0xb10a, rbx: 0x0008, rdi: 0 });
    expect(bench.registers.get32('rcx')).toBe(0x70008086);
    bench.call(0x1a, { rax: 0xb109, rbx: 0x0008, rdi: 1 });
    expect(bench.ax >> 8).toBe(0x87);
    bench.call(0x1a, { rax: 0xb10b, rbx: 0x0008, rdi: 0x63, rcx: 5 });
    expect(bench.bus.pci.get(8)![0x63]).toBe(5);
  });
});
