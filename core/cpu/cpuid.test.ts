import { describe, expect, it } from 'vitest';
import { identify, SIGNATURE, type CpuidContext } from './cpuid';

const one: CpuidContext = { index: 0, vcpus: 1, cr4: 0n };
const four: CpuidContext = { index: 2, vcpus: 4, cr4: 0n };

/** The bytes of registers, in order, as text. */
function letters(...words: number[]): string {
  return words
    .flatMap((word) => [0, 8, 16, 24].map((shift) => String.fromCharCode((word >>> shift) & 0xff)))
    .join('');
}

describe('CPUID (SDM Vol. 2A)', () => {
  it('names the vendor in EBX EDX ECX and the brand in 80000002H-80000004H', () => {
    const [highest, ebx, ecx, edx] = identify(0, 0, one);
    expect(highest).toBe(0x16);
    expect(letters(ebx, edx, ecx)).toBe('GenuineIntel');
    const brand = [2, 3, 4].map((n) => letters(...identify(0x80000000 + n, 0, one))).join('');
    expect(brand.replace(/\0+$/, '')).toBe('Domus Virtual CPU @ 1.00GHz');
  });

  it('gives family, model and stepping in 01H:EAX', () => {
    expect(identify(1, 0, one)[0]).toBe(SIGNATURE);
    expect((SIGNATURE >> 8) & 15).toBe(6);
    expect(((SIGNATURE >> 12) & 0xf0) | ((SIGNATURE >> 4) & 15)).toBe(0x1c);
  });

  it('mirrors CR4.OSXSAVE in 01H:ECX bit 27', () => {
    expect((identify(1, 0, one)[2] >>> 27) & 1).toBe(0);
    expect((identify(1, 0, { ...one, cr4: 1n << 18n })[2] >>> 27) & 1).toBe(1);
  });

  it('has what 64-bit kernels and Windows ask for', () => {
    const [, , ecx, edx] = identify(1, 0, one);
    for (const bit of [0, 9, 13, 19, 20, 23])
      expect((ecx >>> bit) & 1, `01H:ECX bit ${bit}`).toBe(1);
    for (const bit of [0, 3, 4, 5, 6, 8, 9, 11, 13, 15, 16, 24, 25, 26])
      expect((edx >>> bit) & 1, `01H:EDX bit ${bit}`).toBe(1);
    const extended = identify(0x80000001, 0, one);
    for (const bit of [11, 20, 29])
      expect((extended[3] >>> bit) & 1, `80000001H:EDX bit ${bit}`).toBe(1);
  });

  it('offers no hypervisor, AVX, VMX or performance counters', () => {
    const [, , ecx] = identify(1, 0, one);
    for (const bit of [5, 12, 28, 31]) expect((ecx >>> bit) & 1).toBe(0);
    expect(identify(7, 0, one)[1] & (1 << 5)).toBe(0);
    expect(identify(0xa, 0, one)).toEqual([0, 0, 0, 0]);
  });

  it('answers above the highest leaf with the data of the highest basic one', () => {
    const highest = identify(0x16, 0, one);
    for (const leaf of [0x17, 0x40000000, 0x80000009, 0xffffffff])
      expect(identify(leaf, 0, one)).toEqual(highest);
  });

  it('describes caches by size: ways * partitions * line * sets (04H)', () => {
    const bytes = (subleaf: number) => {
      const [, ebx, ecx] = identify(4, subleaf, one);
      return ((ebx >>> 22) + 1) * (((ebx >>> 12) & 0x3ff) + 1) * ((ebx & 0xfff) + 1) * (ecx + 1);
    };
    expect([0, 1, 2, 3].map(bytes)).toEqual([32768, 32768, 524288, 16777216]);
    expect(identify(4, 4, one)[0] & 31).toBe(0);
  });

  it('tells processors apart by APIC id (01H, 0BH)', () => {
    const [, ebx, , edx] = identify(1, 0, four);
    expect(ebx >>> 24).toBe(2);
    expect((ebx >>> 16) & 0xff).toBe(4);
    expect((edx >>> 28) & 1).toBe(1);
    expect(identify(0xb, 0, four)).toEqual([0, 1, 0x100, 2]);
    expect(identify(0xb, 1, four)).toEqual([2, 4, 0x201, 2]);
    expect((identify(0xb, 2, four)[2] >>> 8) & 0xff).toBe(0);
  });

  it('gives a TSC of 1 GHz from a crystal of 1 GHz (15H)', () => {
    const [denominator, numerator, crystal] = identify(0x15, 0, one);
    expect((crystal * numerator) / denominator).toBe(1e9);
  });

  it('sizes the XSAVE area for x87 and SSE (0DH)', () => {
    expect(identify(0xd, 0, one)).toEqual([3, 576, 576, 0]);
  });
});
