import { describe, expect, it } from 'vitest';
import { ArrayMemory } from '../../../test/support/array-memory';
import { PlainRegisters } from '../../../test/support/bios-board';
import { nodeWasm } from '../../host-node';
import { crc32 } from '../../base';
import { memoryMap } from '../memory-map';
import { planLinuxBoot, startLinux } from './bzimage';
import { parseElf, unpackKernel, unpackPayload } from './vmlinux';

/** What Kbuild puts behind a kernel: zeros end the tables, the last table is read first. */
interface Tables {
  readonly growing64?: readonly number[];
  readonly shrinking32?: readonly number[];
  readonly growing32: readonly number[];
}

/** An ELF-64 file with one segment of `bytes` at `gpa`, linked at ffffffff80000000h above it. */
function elf(
  gpa: number,
  bytes: number,
  change: (view: DataView) => void = () => {},
  tables?: Tables,
): Uint8Array {
  const words = tables
    ? [tables.growing64, tables.shrinking32, tables.growing32].flatMap((table) =>
        table ? [0, ...table] : [],
      )
    : [];
  const file = new Uint8Array(120 + bytes + words.length * 4).fill(0x90, 120, 120 + bytes);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0x464c457f, true);
  view.setUint8(4, 2);
  view.setUint16(18, 62, true);
  view.setBigUint64(24, BigInt(gpa), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setBigUint64(72, 120n, true);
  view.setBigUint64(80, 0xffffffff80000000n + BigInt(gpa), true);
  view.setBigUint64(88, BigInt(gpa), true);
  view.setBigUint64(96, BigInt(bytes), true);
  words.forEach((word, i) => view.setUint32(120 + bytes + i * 4, word, true));
  change(view);
  return file;
}

describe('vmlinux', () => {
  it('finds the segments at their physical addresses and the entry', () => {
    const { segments, entry, long } = parseElf(elf(0x1000000, 256));
    expect([entry, long]).toEqual([0x1000000, true]);
    expect(segments).toHaveLength(1);
    expect(segments[0].gpa).toBe(0x1000000);
    expect(segments[0].bytes.length).toBe(256);
  });

  it('refuses files that are not kernels of this processor', () => {
    expect(() => parseElf(new Uint8Array(100))).toThrow('is not an ELF file');
    expect(() => parseElf(elf(0x1000000, 64, (v) => v.setUint16(18, 183, true)))).toThrow(
      'another processor',
    );
    expect(() => parseElf(elf(0x1000000, 64, (v) => v.setBigUint64(96, 1n << 40n, true)))).toThrow(
      'ends inside a segment',
    );
    expect(() => parseElf(elf(0x1000000, 64, (v) => v.setUint16(56, 60000, true)))).toThrow(
      'bad program headers',
    );
    expect(() => parseElf(elf(0x1000000, 64, (v) => v.setBigUint64(24, 5n, true)))).toThrow(
      'entry outside',
    );
    expect(() => unpackPayload(nodeWasm, new Uint8Array(4096))).toThrow('no payload');
    expect(unpackKernel(nodeWasm, new Uint8Array(4096))).toBeUndefined();
    expect(unpackKernel(nodeWasm, new Uint8Array(100))).toBeUndefined();
  });

  const word = 0x81000010;
  it('finds the relocations behind it: three tables, two since Linux 6.15, none', () => {
    const three = { growing64: [word], shrinking32: [word + 8, word + 12], growing32: [word + 16] };
    expect(parseElf(elf(0x1000000, 256, undefined, three)).relocations).toEqual({
      growing64: Uint32Array.of(0x1000010),
      shrinking32: Uint32Array.of(0x100001c, 0x1000018),
      growing32: Uint32Array.of(0x1000020),
    });
    const two = { growing64: [word], growing32: [word + 16] };
    expect(parseElf(elf(0x1000000, 256, undefined, two)).relocations).toMatchObject({
      growing64: Uint32Array.of(0x1000010),
      growing32: Uint32Array.of(0x1000020),
    });
    expect(parseElf(elf(0x1000000, 256)).relocations).toBeUndefined();
  });

  it('refuses relocations of what is not in the kernel, and of an unknown kind', () => {
    const kernel = (tables: Tables) => () => parseElf(elf(0x1000000, 256, undefined, tables));
    expect(kernel({ growing64: [0x81000100], growing32: [] })).toThrow('not in it');
    expect(kernel({ growing64: [0x810000f9], growing32: [] })).toThrow('not in it');
    expect(kernel({ growing64: [], growing32: [0x00000010] })).toThrow('not in it');
    expect(kernel({ growing32: [word] })).toThrow('of a kind not known');
  });
});

/** An .xz stream whose one block is stored. */
function storedXz(data: Uint8Array): Uint8Array {
  const word = (n: number): number[] => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24];
  const header = [2, 0, 0x21, 1, 0, 0, 0, 0];
  const chunk = [1, (data.length - 1) >> 8, (data.length - 1) & 255, ...data, 0];
  while (chunk.length % 4 !== 0) chunk.push(0);
  return Uint8Array.from([
    ...[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 1],
    ...word(crc32(Uint8Array.of(0, 1))),
    ...header,
    ...word(crc32(Uint8Array.from(header))),
    ...chunk,
    ...word(crc32(data)),
    0,
  ]);
}

/** A bzImage of protocol 2.15 with this payload. */
function bzImage(payload: Uint8Array, unpackedBytes: number): Uint8Array {
  const image = new Uint8Array(3 * 512 + payload.length + 4);
  const view = new DataView(image.buffer);
  view.setUint8(0x1f1, 2);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint8(0x201, 0x66);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x20f, true);
  view.setUint8(0x211, 1);
  view.setUint32(0x214, 0x100000, true);
  view.setUint32(0x22c, 0x7fffffff, true);
  view.setUint32(0x238, 2047, true);
  view.setUint32(0x24c, payload.length + 4, true);
  view.setBigUint64(0x258, 0x1000000n, true);
  view.setUint32(0x260, 0x400000, true);
  image.set(payload, 3 * 512);
  view.setUint32(3 * 512 + payload.length, unpackedBytes, true);
  return image;
}

describe('direct boot of an unpacked kernel', () => {
  interface Wishes {
    readonly commandLine?: string;
    readonly random?: bigint;
    readonly unpack?: boolean;
  }
  const boot = (
    image: Uint8Array,
    { commandLine = '', random = 0n, unpack = true }: Wishes = {},
  ) => {
    const memory = new ArrayMemory(64 << 20);
    const registers = new PlainRegisters();
    const target = { memoryMap: memoryMap(64 << 20), rsdpAddress: 0 };
    const kernel = unpack ? unpackKernel(nodeWasm, image) : undefined;
    startLinux(planLinuxBoot({ kernel: image, commandLine }, target), memory, registers, {
      kernel: () => kernel,
      random: () => random,
    });
    return { memory, registers };
  };
  const file = elf(0x1000000, 300);
  const image = bzImage(storedXz(file), file.length);
  const loadFlags = (memory: ArrayMemory): number => memory.readU8(0x90211);

  it('enters an x86-64 kernel in long mode on identity-mapped pages (boot.rst, 64-bit boot protocol)', () => {
    const { memory, registers } = boot(image);
    expect(registers.rip).toBe(0x1000000n);
    expect(memory.readU8(0x1000000)).toBe(0x90);
    expect(registers.efer).toBe(0x500n);
    expect(registers.cr0).toBe(0x80000011n);
    expect(registers.cr4).toBe(0x20n);
    expect(registers.getSegment('cs')).toMatchObject({ selector: 0x10, access: 0xa09b });
    expect(registers.get32('rsi')).toBe(0x90000);
    // Walk the tables for an address in the third GiB.
    const address = 0x9a345678;
    const pml4 = memory.readU64(Number(registers.cr3));
    const pdpt = memory.readU64(Number(pml4 & ~0xfffn) + (address >>> 30) * 8);
    const pd = memory.readU64(Number(pdpt & ~0xfffn) + ((address >>> 21) & 511) * 8);
    expect(pd).toBe(BigInt((address & ~0x1fffff) >>> 0) | 0x83n);
  });

  it('leaves it to the decompressor without one, and when the payload is something else or too large', () => {
    expect(boot(image, { unpack: false }).registers.rip).toBe(0x100000n);
    expect(boot(bzImage(new Uint8Array(400), 400)).registers.rip).toBe(0x100000n);
    // A segment beyond what init_size says.
    const far = elf(0x13fff00, 0x200);
    expect(boot(bzImage(storedXz(far), far.length)).registers.rip).toBe(0x100000n);
  });

  describe('that can be moved (arch/x86/boot/compressed/kaslr.c)', () => {
    const words = { growing64: [0x81000000], shrinking32: [0x81000008], growing32: [0x8100000c] };
    const movable = elf(
      0x1000000,
      300,
      (view) => {
        view.setBigUint64(120, 0xffffffff81000123n, true);
        view.setUint32(128, 0x1000, true);
        view.setUint32(132, 0x81000456, true);
      },
      words,
    );
    const kernel = bzImage(storedXz(movable), movable.length);
    // kernel_alignment 2 MiB, relocatable.
    kernel.set([0, 0, 0x20, 0, 1], 0x230);
    const RANDOMLY = 5n;

    it('is put at random, its words are relocated, and it is told so', () => {
      const { memory, registers } = boot(kernel, { random: RANDOMLY });
      const at = 0x1000000 + 5 * 0x200000;
      expect(registers.rip).toBe(BigInt(at));
      expect(memory.readU64(at)).toBe(0xffffffff81000123n + 5n * 0x200000n);
      expect(memory.readU32(at + 8)).toBe((0x1000 - 5 * 0x200000) >>> 0);
      expect(memory.readU32(at + 12)).toBe(0x81000456 + 5 * 0x200000);
      expect(memory.readU8(at + 16)).toBe(0x90);
      expect(loadFlags(memory)).toBe(3);
    });

    it('never ends above its memory or its part of the address space', () => {
      // 64 MiB of RAM less ACPI data, of which the kernel needs 4 from 16 on: 22 places.
      for (const random of [21n, 22n, 511n, 2n ** 64n - 1n]) {
        const { memory, registers } = boot(kernel, { random });
        const at = Number(registers.rip);
        expect(at).toBe(0x1000000 + Number(random % 22n) * 0x200000);
        // 1 GiB holds 503 places for 4 MiB from 16 on.
        expect(memory.readU64(at)).toBe(0xffffffff81000123n + (random % 503n) * 0x200000n);
      }
    });

    it('stays where it was linked with nokaslr, and is not told otherwise', () => {
      const { memory, registers } = boot(kernel, {
        random: RANDOMLY,
        commandLine: 'quiet nokaslr console=ttyS0',
      });
      expect(registers.rip).toBe(0x1000000n);
      expect(memory.readU64(0x1000000)).toBe(0xffffffff81000123n);
      expect(loadFlags(memory)).toBe(1);
      const other = boot(kernel, { random: RANDOMLY, commandLine: 'module.nokaslr=1' });
      expect(other.registers.rip).not.toBe(0x1000000n);
    });

    it('is left to its decompressor when options keep memory from it', () => {
      for (const commandLine of ['mem=40M', 'quiet memmap=4M$32M', 'hugepages=8'])
        expect(boot(kernel, { random: RANDOMLY, commandLine }).registers.rip).toBe(0x100000n);
    });
  });
});
