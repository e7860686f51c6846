import { describe, expect, it } from 'vitest';
import { ArrayMemory } from '../../../test/support/array-memory';
import { PlainRegisters } from '../../../test/support/bios-board';
import { memoryMap } from '../memory-map';
import { planLinuxBoot, startLinux } from './bzimage';

const MIB = 1 << 20;

/** A bzImage of protocol 2.15 with `codeBytes` of code. */
function kernel(change: (view: DataView) => void = () => {}, codeBytes = 8192): Uint8Array {
  const bytes = new Uint8Array(3 * 512 + codeBytes).fill(0xcc, 3 * 512);
  const view = new DataView(bytes.buffer);
  view.setUint8(0x1f1, 2);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint8(0x201, 0x66);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x20f, true);
  view.setUint8(0x211, 1);
  view.setUint32(0x214, 0x100000, true);
  view.setUint32(0x22c, 0x7fffffff, true);
  view.setUint32(0x238, 2047, true);
  view.setBigUint64(0x258, 0x1000000n, true);
  view.setUint32(0x260, 4 * MIB, true);
  change(view);
  return bytes;
}

const target = (mib: number) => ({ memoryMap: memoryMap(mib * MIB), rsdpAddress: 0xf0040 });
const plan = (mib = 64, initrd?: Uint8Array, image = kernel(), commandLine = 'console=ttyS0') =>
  planLinuxBoot({ kernel: image, initrd, commandLine }, target(mib));

describe('Linux boot protocol', () => {
  it('loads the code at code32_start, the ramdisk page-aligned as high as RAM allows, the command line NUL-terminated', () => {
    const initrd = new Uint8Array(5000).fill(0xab);
    const { writes, entry } = plan(64, initrd);
    expect(entry).toBe(0x100000);
    expect(writes[0]).toMatchObject({ gpa: 0x100000 });
    expect(writes[0].bytes.length).toBe(8192);
    // 64 MiB less the 128 KiB of ACPI data is the end of RAM.
    expect(writes[1].gpa).toBe(64 * MIB - 0x20000 - 8192);
    const params = writes.find((w) => w.gpa === 0x90000)!.bytes;
    const view = new DataView(params.buffer);
    expect(view.getUint32(0x218, true)).toBe(writes[1].gpa);
    expect(view.getUint32(0x21c, true)).toBe(5000);
    const line = writes.find((w) => w.gpa === view.getUint32(0x228, true))!.bytes;
    expect(String.fromCharCode(...line)).toBe('console=ttyS0\0');
    expect(view.getBigUint64(0x70, true)).toBe(0xf0040n);
    expect(params[0x210]).toBe(0xff);
  });

  it('passes the memory map and a text screen, and clears what is not the header (zero-page.rst)', () => {
    const params = plan().writes.find((w) => w.gpa === 0x90000)!.bytes;
    const view = new DataView(params.buffer);
    expect(params[0x1e8]).toBe(memoryMap(64 * MIB).length);
    expect([
      view.getBigUint64(0x2d0, true),
      view.getBigUint64(0x2d8, true),
      view.getUint32(0x2e0, true),
    ]).toEqual([0n, 0x9fc00n, 1]);
    expect([params[6], params[7], params[0xe], params[0xf]]).toEqual([3, 80, 25, 1]);
    expect(params[0x1ef]).toBe(0);
  });

  it('respects initrd_addr_max', () => {
    const image = kernel((view) => view.setUint32(0x22c, 0x01ffffff, true));
    const { writes } = plan(128, new Uint8Array(4096), image);
    expect(writes[1].gpa).toBe(0x02000000 - 4096);
  });

  it('enters in 32-bit protected mode with flat segments, ESI at boot_params, interrupts off', () => {
    const memory = new ArrayMemory(64 * MIB);
    const registers = new PlainRegisters();
    startLinux(plan(), memory, registers);
    expect(registers.rip).toBe(0x100000n);
    expect(registers.get32('rsi')).toBe(0x90000);
    expect([registers.get32('rbp'), registers.get32('rdi'), registers.get32('rbx')]).toEqual([
      0, 0, 0,
    ]);
    expect(registers.cr0 & 0x80000001n).toBe(1n);
    expect(registers.rflags & 0x200).toBe(0);
    expect(registers.getSegment('cs')).toEqual({
      selector: 0x10,
      base: 0n,
      limit: 0xffffffff,
      access: 0xc09b,
    });
    expect(registers.getSegment('ds')).toMatchObject({ selector: 0x18, access: 0xc093 });
    const gdt = Number(registers.gdtr.base);
    expect([memory.readU64(gdt + 0x10), memory.readU64(gdt + 0x18)]).toEqual([
      0x00cf9b000000ffffn,
      0x00cf93000000ffffn,
    ]);
    expect(memory.readU8(0x100000)).toBe(0xcc);
  });

  it('says in a sentence why a kernel cannot be booted', () => {
    expect(() => plan(64, undefined, new Uint8Array(100))).toThrow('not a Linux bzImage');
    expect(() => plan(64, undefined, new Uint8Array(4096))).toThrow('not a Linux bzImage');
    expect(() =>
      plan(
        64,
        undefined,
        kernel((v) => v.setUint16(0x206, 0x201, true)),
      ),
    ).toThrow('too old: it speaks boot protocol 2.01');
    expect(() =>
      plan(
        64,
        undefined,
        kernel((v) => v.setUint8(0x211, 0)),
      ),
    ).toThrow('zImage');
    expect(() => plan(64, undefined, kernel().subarray(0, 1500))).toThrow('cut short');
    expect(() => plan(16)).toThrow(
      'needs at least 21 MiB of memory to unpack itself; the virtual machine has 16 MiB',
    );
    expect(() => plan(32, new Uint8Array(14 * MIB))).toThrow('ramdisk does not fit');
    expect(() => plan(64, undefined, kernel(), 'x'.repeat(2048))).toThrow('at most 2047');
  });
});
