/**
 * CPUID (SDM Vol. 2A, CPUID; AMD64 APM Vol. 3 appendix E for 8000_000xh): exactly what the engine implements.
 * The vendor is Intel's, as the engine follows the SDM where the vendors differ, and the model one (Haswell's) that
 * operating systems have no erratum workarounds for that need more registers than exist here.
 */
export interface CpuidContext {
  /** APIC id. */
  readonly index: number;
  readonly vcpus: number;
  readonly cr4: bigint;
}

type Leaf = readonly [eax: number, ebx: number, ecx: number, edx: number];

const bits = (...numbers: number[]): number => numbers.reduce((value, n) => (value | (1 << n)) >>> 0, 0);
const text = (s: string): number[] => Array.from({ length: Math.ceil(s.length / 4) }, (_, i) => [0, 1, 2, 3].reduce((v, j) => (v | ((s.charCodeAt(i * 4 + j) || 0) << (j * 8))) >>> 0, 0));

const SIGNATURE = 0x000306c3;
const OSXSAVE = 27;
const CR4_OSXSAVE = 1n << 18n;
/** XSAVE area: legacy region and header. */
const XSAVE_BYTES = 576;
const TSC_HZ = 1_000_000_000;

const [VENDOR_B, VENDOR_D, VENDOR_C] = text('GenuineIntel');
const BRAND = text('Domus virtual processor'.padEnd(48, '\0'));

/** SSE3, PCLMULQDQ, SSSE3, CMPXCHG16B, PCID, SSE4.1, SSE4.2, MOVBE, POPCNT, TSC-deadline, AES, XSAVE, RDRAND. */
const FEATURES_C = bits(0, 1, 9, 13, 17, 19, 20, 22, 23, 24, 25, 26, 30);
/** FPU DE PSE TSC MSR PAE CX8 APIC SEP MTRR PGE CMOV PAT PSE-36 CLFSH MMX FXSR SSE SSE2. */
const FEATURES_D = bits(0, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 15, 16, 17, 19, 23, 24, 25, 26);
/** FSGSBASE BMI1 SMEP BMI2 ERMS INVPCID RDSEED ADX SMAP. */
const FEATURES_7B = bits(0, 3, 7, 8, 9, 10, 18, 19, 20);
/** LAHF LZCNT. */
const EXTENDED_C = bits(0, 5);
/** SYSCALL NX 1-GiB pages RDTSCP long mode. */
const EXTENDED_D = bits(11, 20, 26, 27, 29);

export function identify(leaf: number, subleaf: number, context: CpuidContext): Leaf {
  const extended = leaf >= 0x80000000;
  const highest = extended ? 0x80000008 : 0x15;
  // Leaves above the highest answer as the highest basic one does (SDM 2A, CPUID).
  return leafOf(leaf > highest ? 0x15 : leaf, subleaf, context);
}

function leafOf(leaf: number, subleaf: number, { index, vcpus, cr4 }: CpuidContext): Leaf {
  switch (leaf) {
    case 0:
      return [0x15, VENDOR_B!, VENDOR_C!, VENDOR_D!];
    case 1: {
      const threads = vcpus > 1 ? bits(28) : 0;
      const osxsave = cr4 & CR4_OSXSAVE ? bits(OSXSAVE) : 0;
      return [SIGNATURE, ((index << 24) | (vcpus << 16) | (8 << 8)) >>> 0, (FEATURES_C | osxsave) >>> 0, (FEATURES_D | threads) >>> 0];
    }
    case 2:
      return [0x00ff_ff01, 0, 0, 0];
    case 4: {
      // 32 KiB L1 data and instruction, 256 KiB L2: type, level, then ways, partitions, line size and sets less one.
      const cache = (type: number, level: number, ways: number, sets: number): Leaf => [(type | (level << 5) | (1 << 8)) >>> 0, (((ways - 1) << 22) | 63) >>> 0, sets - 1, 0];
      if (subleaf === 0) return cache(1, 1, 8, 64);
      if (subleaf === 1) return cache(2, 1, 8, 64);
      return subleaf === 2 ? cache(3, 2, 8, 512) : [0, 0, 0, 0];
    }
    case 7:
      return subleaf === 0 ? [0, FEATURES_7B, 0, 0] : [0, 0, 0, 0];
    case 0xb: {
      if (subleaf === 0) return [0, 1, 0x100, index];
      const shift = Math.ceil(Math.log2(Math.max(vcpus, 1)));
      return subleaf === 1 ? [shift, vcpus, 0x201, index] : [0, 0, subleaf & 0xff, index];
    }
    case 0xd:
      if (subleaf === 0) return [3, XSAVE_BYTES, XSAVE_BYTES, 0];
      // XSAVEOPT.
      return subleaf === 1 ? [1, 0, 0, 0] : [0, 0, 0, 0];
    case 0x15:
      // TSC = crystal * 1 / 1.
      return [1, 1, TSC_HZ, 0];
    case 0x80000000:
      return [0x80000008, 0, 0, 0];
    case 0x80000001:
      return [0, 0, EXTENDED_C, EXTENDED_D];
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: {
      const at = (leaf - 0x80000002) * 4;
      return [BRAND[at]!, BRAND[at + 1]!, BRAND[at + 2]!, BRAND[at + 3]!];
    }
    case 0x80000006:
      return [0, 0, 0x0100_6040, 0];
    case 0x80000007:
      // Invariant TSC.
      return [0, 0, 0, bits(8)];
    case 0x80000008:
      return [(48 << 8) | 40, 0, 0, 0];
    default:
      return [0, 0, 0, 0];
  }
}
