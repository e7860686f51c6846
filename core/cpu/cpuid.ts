/**
 * CPUID (SDM Vol. 2A, CPUID, tables 3-8 to 3-17; order number 325383, 2023): the one processor model of the engine.
 *
 * The model calls itself GenuineIntel family 6, model 1Ch (in-order Atom), because that is the path on which systems do
 * least: Linux (arch/x86/kernel/cpu/common.c, cpu_vuln_whitelist) and Windows know that this core does not speculate
 * and leave page-table isolation, retpolines and buffer clearing off. Each of those costs an interpreter much and
 * protects nothing in it. Stepping 10 is behind all errata that kernels work around. Features are what the engine has,
 * whatever that core had.
 *
 * Missing: AVX and later vectors, VME, MONITOR/MWAIT, performance counters, virtualization, hypervisor leaves (and
 * so the hypervisor bit).
 */
import { assert } from '../base';

/** CPUID.01H:EAX, also EDX after reset (helpers/system.ts): family 6, model 1Ch, stepping 10. */
export const SIGNATURE = 0x106ca;
const VENDOR = 'GenuineIntel';
const BRAND = 'Domus Virtual CPU @ 1.00GHz';

/** Ticks a second of the time-stamp counter and of the local APIC's timer (core/machine). */
const TSC_HZ = 1_000_000_000;
const MHZ = TSC_HZ / 1_000_000;
const PHYSICAL_ADDRESS_BITS = 40;
const LINEAR_ADDRESS_BITS = 48;
const CACHE_LINE_BYTES = 64;
const CR4_OSXSAVE = 1n << 18n;
/** Legacy region and header: x87 and SSE have no extended part (SDM 1 13.4). */
const XSAVE_BYTES = 512 + 64;
const XCR0_SUPPORTED = 3;

/** What a leaf depends on besides the model. */
export interface CpuidContext {
  /** Number of this vcpu, its APIC id. */
  readonly index: number;
  readonly vcpus: number;
  readonly cr4: bigint;
}

/** EAX EBX ECX EDX. */
export type CpuidValues = readonly [number, number, number, number];
type Leaf = (context: CpuidContext, subleaf: number) => CpuidValues;

const NONE: CpuidValues = [0, 0, 0, 0];

/** Feature bits by the SDM's names. */
const FEATURES_1_ECX = bits({
  SSE3: 0, PCLMULQDQ: 1, SSSE3: 9, CX16: 13, PCID: 17, SSE4_1: 19, SSE4_2: 20, X2APIC: 21, MOVBE: 22, POPCNT: 23, TSC_DEADLINE: 24, AESNI: 25, XSAVE: 26,
  RDRAND: 30,
}); // prettier-ignore
const OSXSAVE = 1 << 27;
const FEATURES_1_EDX = bits({
  FPU: 0, DE: 2, PSE: 3, TSC: 4, MSR: 5, PAE: 6, MCE: 7, CX8: 8, APIC: 9, SEP: 11, MTRR: 12, PGE: 13, MCA: 14, CMOV: 15, PAT: 16, PSE36: 17,
  CLFSH: 19, MMX: 23, FXSR: 24, SSE: 25, SSE2: 26,
}); // prettier-ignore
const HTT = 1 << 28;
/** CPUID.06H:EAX: the APIC timer runs in every power state. */
const FEATURES_6_EAX = bits({ ARAT: 2 });
const FEATURES_7_EBX = bits({
  FSGSBASE: 0, TSC_ADJUST: 1, BMI1: 3, FDP_EXCPTN_ONLY: 6, SMEP: 7, BMI2: 8, ERMS: 9, INVPCID: 10, RDSEED: 18, ADX: 19, SMAP: 20,
}); // prettier-ignore
const FEATURES_8_1_ECX = bits({ LAHF64: 0, LZCNT: 5, PREFETCHW: 8 });
const FEATURES_8_1_EDX = bits({ SYSCALL: 11, NX: 20, PAGE1GB: 26, RDTSCP: 27, LM: 29 });
const FEATURES_8_7_EDX = bits({ INVARIANT_TSC: 8 });

function bits(names: Readonly<Record<string, number>>): number {
  return Object.values(names).reduce((all, bit) => (all | (1 << bit)) >>> 0, 0);
}

/** Four characters of a string as EBX & Co. hold them. */
function text(value: string, at: number): number {
  let word = 0;
  for (let i = 3; i >= 0; i--)
    word = ((word << 8) | (at + i < value.length ? value.charCodeAt(at + i) : 0)) >>> 0;
  return word;
}

/** Bits of an APIC id that tell processors of the domain apart. */
function apicIdBits(vcpus: number): number {
  return vcpus > 1 ? 32 - Math.clz32(vcpus - 1) : 0;
}

const CACHE_DATA = 1;
const CACHE_CODE = 2;
const CACHE_UNIFIED = 3;

/** CPUID.04H by subleaf. The last level is large so that C libraries keep to REP MOVSB for big copies. */
const CACHES: readonly {
  type: number;
  level: number;
  bytes: number;
  ways: number;
  shared: boolean;
}[] = [
  { type: CACHE_DATA, level: 1, bytes: 32 << 10, ways: 8, shared: false },
  { type: CACHE_CODE, level: 1, bytes: 32 << 10, ways: 8, shared: false },
  { type: CACHE_UNIFIED, level: 2, bytes: 512 << 10, ways: 8, shared: false },
  { type: CACHE_UNIFIED, level: 3, bytes: 16 << 20, ways: 16, shared: true },
];

function cacheLeaf({ vcpus }: CpuidContext, subleaf: number): CpuidValues {
  const cache = CACHES[subleaf];
  if (!cache) return NONE;
  const ids = 1 << apicIdBits(vcpus);
  const sharing = cache.shared ? ids - 1 : 0;
  const selfInitializing = 0x100;
  const eax =
    cache.type | (cache.level << 5) | selfInitializing | (sharing << 14) | ((ids - 1) << 26);
  const sets = cache.bytes / cache.ways / CACHE_LINE_BYTES;
  return [eax, ((cache.ways - 1) << 22) | (CACHE_LINE_BYTES - 1), sets - 1, 0];
}

const LEVEL_SMT = 1;
const LEVEL_CORE = 2;

/** CPUID.0BH: every vcpu is a core of one package. */
function topologyLeaf({ index, vcpus }: CpuidContext, subleaf: number): CpuidValues {
  if (subleaf === 0) return [0, 1, LEVEL_SMT << 8, index];
  if (subleaf === 1) return [apicIdBits(vcpus), vcpus, (LEVEL_CORE << 8) | subleaf, index];
  return [0, 0, subleaf & 0xff, index];
}

function xsaveLeaf(_: CpuidContext, subleaf: number): CpuidValues {
  return subleaf === 0 ? [XCR0_SUPPORTED, XSAVE_BYTES, XSAVE_BYTES, 0] : NONE;
}

/** EAX of CPUID.02H: one byte that counts calls, one that refers to leaf 4. */
const CACHES_IN_LEAF_4 = 0xff01;

const LEAVES: ReadonlyMap<number, Leaf> = new Map<number, Leaf>([
  [0x00, () => [MAX_BASIC, text(VENDOR, 0), text(VENDOR, 8), text(VENDOR, 4)]],
  [
    0x01,
    ({ index, vcpus, cr4 }) => [
      SIGNATURE,
      (index << 24) | ((1 << apicIdBits(vcpus)) << 16) | ((CACHE_LINE_BYTES / 8) << 8),
      FEATURES_1_ECX | (cr4 & CR4_OSXSAVE ? OSXSAVE : 0),
      FEATURES_1_EDX | (vcpus > 1 ? HTT : 0),
    ],
  ],
  [0x02, () => [CACHES_IN_LEAF_4, 0, 0, 0]],
  [0x04, cacheLeaf],
  [0x06, () => [FEATURES_6_EAX, 0, 0, 0]],
  [0x07, (_, subleaf) => (subleaf === 0 ? [0, FEATURES_7_EBX, 0, 0] : NONE)],
  [0x0b, topologyLeaf],
  [0x0d, xsaveLeaf],
  [0x15, () => [1, 1, TSC_HZ, 0]],
  [0x16, () => [MHZ, MHZ, MHZ, 0]],
  [0x80000000, () => [MAX_EXTENDED, 0, 0, 0]],
  [0x80000001, () => [0, 0, FEATURES_8_1_ECX, FEATURES_8_1_EDX]],
  ...[0, 1, 2].map((part): [number, Leaf] => {
    const at = part * 16;
    return [
      0x80000002 + part,
      () => [text(BRAND, at), text(BRAND, at + 4), text(BRAND, at + 8), text(BRAND, at + 12)],
    ];
  }),
  // L2: size in KiB, associativity code 6 (8 ways), line size.
  [0x80000006, () => [0, 0, (512 << 16) | (6 << 12) | CACHE_LINE_BYTES, 0]],
  [0x80000007, () => [0, 0, 0, FEATURES_8_7_EDX]],
  [0x80000008, () => [PHYSICAL_ADDRESS_BITS | (LINEAR_ADDRESS_BITS << 8), 0, 0, 0]],
]);

const MAX_BASIC = 0x16;
const MAX_EXTENDED = 0x80000008;

/** EAX EBX ECX EDX of a leaf. Leaves above the highest give the highest basic one's data, as Intel's processors do. */
export function identify(leaf: number, subleaf: number, context: CpuidContext): CpuidValues {
  assert(context.vcpus > 0 && context.vcpus <= 64, 'number of vcpus');
  const known = leaf < 0x80000000 ? leaf <= MAX_BASIC : leaf <= MAX_EXTENDED;
  return LEAVES.get(known ? leaf : MAX_BASIC)?.(context, subleaf) ?? NONE;
}
