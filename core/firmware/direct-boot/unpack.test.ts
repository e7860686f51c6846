import { describe, expect, it } from 'vitest';
import { ArrayMemory } from '../../../test/support/array-memory';
import { PlainRegisters } from '../../../test/support/bios-board';
import { decodeBase64 } from '../../base';
import { memoryMap } from '../memory-map';
import { planLinuxBoot, startLinux } from './bzimage';
import { Lzma2Decoder, undoX86Filter } from './lzma';
import { parseElf, unpackKernel } from './vmlinux';
import { crc32, unpackXz } from './xz';

/** `sample()` as `xz --check=crc32 --x86 --lzma2=dict=64KiB` of XZ Utils packs it. */
const PACKED = decodeBase64(
  [
    '/Td6WFoAAAFpIt42AgEEACEBCADSuXTL4Jw/A/9dADIZSszB9hCzUQelirq0u9YC7cOKA3huCbNNcQttzByxpc/PsY',
    'KGb/IR4tYjLP+9TG6MuhBe+e6LGLrJpzam8sVMfQKbxxcI7izMwdUcP/TyC3XtHlzFx+Voj4geVf1RVTOg+qnADB2n',
    'Vua25K84OznmmF86oV1nEQEOtLVtPTBvUHtuJ/MXplvcsgRdEMx8uB+GHLEIWEQqjLExClU6G2g3H5Zx+3kzvKupbz',
    'DlfhHFEOeQmRzC2cz60136chKN/xjTtjUvdKhwVnbp/X3c3eUV1eWMLsjQFVAaOxsd6KcwKl9VtGc5odJ9/VK9fZXp',
    'o96750AjyfhL28RDyRMrajGAgzJ2SadWO4ZRA46dMrZWCP/wPHLY9vIfZOxPDxCFzUvTEK7s3XnaqlGSpn5lP7E0iX',
    '0PcoIvymGdcoClM+WOXdGXHdcdyxf5wNbYmt23HOXM7We6dALIj1CEd7THI4EcG/e7FwVPtQD0QzwEMNDEmnDa4DZm',
    'ugo4PU3wukYX/ThFu4W5oNbApjsyulAZo/h1zeBpRYkYWKihmt3zTt1NZlLBbPAx8PLBcRXEfXhmWZVd+Ezxb8Z4ym',
    'x6/Gj+17G5RPoAFZMCit4I5vsPnW51DwEpq7trDITQKn7c93H2TrrI0Xz9LgqIhxYfAXr06yTedtDOMqS7MV+jJy+S',
    '7aVfb3uTJPMiR2iRQFmnNe9qO49Mak302tl94qEf2CP3lELE4UfWsqMeh2sm+dHbocqEfhCRYFcv++0pmg/VySBDPt',
    '4fLwlg9SJt8L09P1qTHi2w/O1ORZFyHOIoGnqc64OHDgPykNSVMHOXOH5MtZ+0m7IYAd3ETG7DEFseu/O5xpxG0UZ2',
    'tWjeQRygZLlMQWjKR4ry7ifvhQR7mwT9yu9hOjk9PGT4KcYikdBbA9J2zvlvgLxC49yvmjj6QicZWY9IjtmltwJ6rk',
    'RngbC1wwj3Apuz5xvLYSAXQqUsGm14YiJr2Prmylo4PANmzqggd6Se6YSk78UcB9xidMZkK1a3m9xEOGPAvGSs/vLo',
    'pHtBF3MAdwDWmX6GTThWtGuJpg1sNiVIlyabaXMMxezZBRayFqXxm6zL84xdVb8F8lclMmmSAkQX2rbWUtBTj8ECCV',
    'ymVYnshTctaoY4sCnY9Xskv8DUQTDVHmUJKg/KCmmBRhmZebbrgsqcD197wCFrMOdoHHyx3PITaRNoYikGCi1TcsjW',
    'WqgWJzIfhhXf5A7n3rGz8tN33adApSz8/vgiD6hdb13KgdPYfLfke7shrXL2b+DMrIMjUyR2om2zma8oSCcccH6qb4',
    'ANpzmq+iVNFBQnq+cKdV20f+XOgWSxnA7RD7KyNe8fiQi2mGbQuG5u8QAAKTbGeAABlwjAuAIAy5pwfD4wDYsCAAAA',
    'AAFZWg==',
  ].join(''),
);

/** 40,000 bytes with calls, words, runs, near and far repetitions. */
function sample(): Uint8Array {
  let seed = 7;
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8;
  const words = ['interrupt', 'descriptor', 'segment', 'paging ', 'vector\n', 'call '];
  const out: number[] = [];
  while (out.length < 40000) {
    const kind = random() % 4;
    if (kind === 0) {
      out.push(0xe8 + (random() & 1));
      const target = random() & 0x3fff;
      random();
      out.push(target & 255, target >> 8, 0, random() & 1 ? 0xff : 0);
    } else if (kind === 1) {
      for (const c of words[random() % 6]) out.push(c.charCodeAt(0));
    } else if (kind === 2) {
      const n = 200 + (random() % 1200);
      for (let i = 0; i < n; i++)
        out.push(out[Math.max(0, out.length - (n & 1 ? 1777 : 20011))] ?? 1);
    } else {
      const last = out.at(-1) ?? 0;
      for (let i = 0; i < 6 + (random() % 20); i++) out.push(last);
    }
  }
  return Uint8Array.from(out.slice(0, 40000));
}

describe('xz', () => {
  it('unpacks what XZ Utils packed, x86 filter included', () => {
    const bytes = unpackXz(PACKED, 40000);
    expect(bytes.length).toBe(40000);
    expect(crc32(bytes)).toBe(crc32(sample()));
  });

  it('has the CRC32 of IEEE 802.3', () => {
    expect(crc32(Uint8Array.from('123456789', (c) => c.charCodeAt(0)))).toBe(0xcbf43926);
  });

  it('refuses damaged, short and foreign data, and more output than was announced', () => {
    expect(() => unpackXz(new Uint8Array(100), 100)).toThrow('is not an .xz stream');
    expect(() => unpackXz(PACKED, 39999)).toThrow('ends too early');
    for (const at of [13, 30, 60, 200, 700]) {
      const damaged = PACKED.slice();
      damaged[at] ^= 0x10;
      expect(() => unpackXz(damaged, 40000)).toThrow();
    }
    for (const length of [12, 20, 100, 900])
      expect(() => unpackXz(PACKED.subarray(0, length), 40000)).toThrow();
  });

  it('copies chunks that are stored', () => {
    const output = new Uint8Array(8);
    const stored = Uint8Array.of(1, 0, 4, 10, 20, 30, 40, 50, 2, 0, 0, 60, 0);
    expect(new Lzma2Decoder(stored, 0, output).run()).toEqual({ end: 13, length: 6 });
    expect([...output]).toEqual([10, 20, 30, 40, 50, 60, 0, 0]);
  });

  it('leaves code without near calls as it is', () => {
    const code = Uint8Array.from({ length: 64 }, (_, i) => i);
    undoX86Filter(code);
    expect([...code]).toEqual(Array.from({ length: 64 }, (_, i) => i));
    // A call at 0 to absolute 105h is relative 100h.
    const call = Uint8Array.of(0xe8, 0x05, 0x01, 0, 0, 0x90, 0x90, 0x90);
    undoX86Filter(call);
    expect([...call.subarray(0, 5)]).toEqual([0xe8, 0x00, 0x01, 0, 0]);
  });
});

/** An ELF-64 file with one segment of `bytes` at `gpa`. */
function elf(gpa: number, bytes: number, change: (view: DataView) => void = () => {}): Uint8Array {
  const file = new Uint8Array(120 + bytes).fill(0x90, 120);
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
  view.setBigUint64(88, BigInt(gpa), true);
  view.setBigUint64(96, BigInt(bytes), true);
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
    expect(() => unpackKernel(new Uint8Array(4096))).toThrow();
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
  const boot = (kernel: Uint8Array, unpack: boolean) => {
    const memory = new ArrayMemory(64 << 20);
    const registers = new PlainRegisters();
    const target = { memoryMap: memoryMap(64 << 20), rsdpAddress: 0 };
    startLinux(planLinuxBoot({ kernel, commandLine: '' }, target, { unpack }), memory, registers);
    return { memory, registers };
  };
  const file = elf(0x1000000, 300);
  const image = bzImage(storedXz(file), file.length);

  it('enters an x86-64 kernel in long mode on identity-mapped pages (boot.rst, 64-bit boot protocol)', () => {
    const { memory, registers } = boot(image, true);
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

  it('leaves it to the decompressor when not asked, or when the payload is something else', () => {
    expect(boot(image, false).registers.rip).toBe(0x100000n);
    expect(boot(bzImage(new Uint8Array(400), 400), true).registers.rip).toBe(0x100000n);
    // A segment over the end of RAM.
    const far = elf(0x3fff000, 0x100000 - 0xf0000);
    expect(boot(bzImage(storedXz(far.subarray(0, 60000)), 60000), true).registers.rip).toBe(
      0x100000n,
    );
  });
});
