/**
 * Model-specific registers that do not live in vcpu state (SDM Vol. 4, order number 335592, 2023): rows of address,
 * value after reset and what a write may change. EFER, SYSCALL, SYSENTER, FS/GS, PAT and TSC registers are in
 * helpers/system.ts; the local APIC answers for its own.
 *
 * QUIRK: MTRRs start as PC firmware leaves them (all memory write-back, the legacy video window and the PCI hole
 * uncached) and not switched off as SDM 3A 11.11.5 says: our BIOS has no code of its own that could write them, and
 * systems distrust a processor without them. A ROM that sets them up itself finds every register writable.
 *
 * Missing: branch recording and BTF (IA32_DEBUGCTL is kept without effect), machine-check banks (there are none),
 * performance counters, thermal and power registers.
 */
import type { InterruptSource } from '../hw';

interface MsrRow {
  readonly name: string;
  readonly index: number;
  readonly reset: bigint;
  /** Bits that a write may change. */
  readonly writable: bigint;
  /** Bits outside `writable` whose setting is #GP; all of them unless given. A read-only register is `ALL`. */
  readonly refused?: bigint;
  /** Memory types (one a byte) that the value holds: others than 0, 1, 4, 5, 6 are #GP (SDM 3A table 11-8). */
  readonly memoryTypes?: 'one' | 'eight';
}

const ALL = 0xffffffffffffffffn;
const VARIABLE_RANGES = 8;
/** IA32_MTRR_PHYSBASE and PHYSMASK for physical addresses of 40 bits. */
const MTRR_BASE = 0xff_ffff_f000n | 0xffn;
const MTRR_MASK = 0xff_ffff_f800n;
const MTRR_VALID = 0x800n;
/** PCI hole of the board: 3 GiB to 4 GiB. */
const HOLE = { base: 0xc000_0000n, mask: 0xff_c000_0000n } as const;

function variableRange(i: number): MsrRow[] {
  const first = i === 0;
  return [
    { name: `IA32_MTRR_PHYSBASE${String(i)}`, index: 0x200 + i * 2, reset: first ? HOLE.base : 0n, writable: MTRR_BASE, memoryTypes: 'one' },
    { name: `IA32_MTRR_PHYSMASK${String(i)}`, index: 0x201 + i * 2, reset: first ? HOLE.mask | MTRR_VALID : 0n, writable: MTRR_MASK },
  ]; // prettier-ignore
}

const WRITE_BACK = 0x0606060606060606n;
const UNCACHED = 0n;
const WRITE_PROTECTED = 0x0505050505050505n;

function fixedRange(name: string, index: number, reset: bigint): MsrRow {
  return { name: `IA32_MTRR_FIX${name}`, index, reset, writable: ALL, memoryTypes: 'eight' };
}

const FIXED_RANGES: readonly MsrRow[] = [
  fixedRange('64K_00000', 0x250, WRITE_BACK),
  fixedRange('16K_80000', 0x258, WRITE_BACK),
  fixedRange('16K_A0000', 0x259, UNCACHED),
  ...['C0000', 'C8000', 'D0000', 'D8000', 'E0000', 'E8000', 'F0000', 'F8000'].map((name, i) =>
    fixedRange(`4K_${name}`, 0x268 + i, WRITE_PROTECTED),
  ),
];

/** CPUID.02H-04H say what caches there are; FSB and ratio give the 1 GHz of CPUID.16H. */
// prettier-ignore
const ROWS: readonly MsrRow[] = [
  { name: 'IA32_P5_MC_ADDR', index: 0x00, reset: 0n, writable: 0n },
  { name: 'IA32_P5_MC_TYPE', index: 0x01, reset: 0n, writable: 0n },
  { name: 'IA32_PLATFORM_ID', index: 0x17, reset: 0n, writable: 0n },
  { name: 'MSR_EBL_CR_POWERON', index: 0x2a, reset: 0n, writable: 0n, refused: 0n },
  // Locked, without VMX and SMX.
  { name: 'IA32_FEATURE_CONTROL', index: 0x3a, reset: 1n, writable: 0n },
  // Updates are taken and change nothing; writing 0 before CPUID, as systems do, leaves the signature.
  { name: 'IA32_BIOS_UPDT_TRIG', index: 0x79, reset: 0n, writable: 0n, refused: 0n },
  { name: 'IA32_BIOS_SIGN_ID', index: 0x8b, reset: 0x107_0000_0000n, writable: 0n, refused: 0n },
  { name: 'MSR_PLATFORM_INFO', index: 0xce, reset: 0x0a00n, writable: 0n },
  { name: 'IA32_MTRRCAP', index: 0xfe, reset: 0x500n | BigInt(VARIABLE_RANGES), writable: 0n },
  { name: 'IA32_MCG_CAP', index: 0x179, reset: 0n, writable: 0n },
  { name: 'IA32_MCG_STATUS', index: 0x17a, reset: 0n, writable: 7n },
  // Fast strings; branch trace and precise events unavailable. Other switches do nothing here.
  { name: 'IA32_MISC_ENABLE', index: 0x1a0, reset: 0x1801n, writable: 1n, refused: 0n },
  { name: 'IA32_DEBUGCTL', index: 0x1d9, reset: 0n, writable: 3n },
  ...Array.from({ length: VARIABLE_RANGES }, (_, i) => variableRange(i)).flat(),
  ...FIXED_RANGES,
  { name: 'IA32_MTRR_DEF_TYPE', index: 0x2ff, reset: 0xc06n, writable: 0xcffn, memoryTypes: 'one' },
];

const IA32_APIC_BASE = 0x1b;
const IA32_TSC_DEADLINE = 0x6e0;
const X2APIC_FIRST = 0x800;
const X2APIC_LAST = 0x8ff;

/** Bit n: memory type n exists (UC, WC, WT, WP, WB). */
const MEMORY_TYPES = 0b1110011;

function isMemoryType(type: bigint): boolean {
  return type < 7n && ((MEMORY_TYPES >> Number(type)) & 1) === 1;
}

function accepts(row: MsrRow, value: bigint): boolean {
  if (value & (row.refused ?? ALL ^ row.writable)) return false;
  const types = row.memoryTypes === 'eight' ? 8n : row.memoryTypes === 'one' ? 1n : 0n;
  for (let i = 0n; i < types; i++) if (!isMemoryType((value >> (i * 8n)) & 0xffn)) return false;
  return true;
}

export interface MsrState {
  readonly version: 1;
  readonly values: readonly (readonly [index: number, value: bigint])[];
}

export class ModelSpecificRegisters {
  private readonly rows: ReadonlyMap<number, MsrRow> = new Map(ROWS.map((row) => [row.index, row]));
  private values = new Map<number, bigint>();

  constructor(private readonly apic: InterruptSource) {}

  reset(): void {
    this.values = new Map(ROWS.map((row) => [row.index, row.reset]));
  }

  private isApic(index: number): boolean {
    return index === IA32_TSC_DEADLINE || (index >= X2APIC_FIRST && index <= X2APIC_LAST);
  }

  /** Undefined: no such register, #GP(0). */
  read(index: number): bigint | undefined {
    if (index === IA32_APIC_BASE) return this.apic.readApicBase();
    if (this.isApic(index)) return this.apic.readMsr?.(index);
    return this.values.get(index);
  }

  /** False: no such register or a refused value, #GP(0). */
  write(index: number, value: bigint): boolean {
    if (index === IA32_APIC_BASE) return this.apic.writeApicBase(value);
    if (this.isApic(index)) return this.apic.writeMsr?.(index, value) ?? false;
    const row = this.rows.get(index);
    if (!row || !accepts(row, value)) return false;
    this.values.set(index, (row.reset & ~row.writable) | (value & row.writable));
    return true;
  }

  save(): MsrState {
    return { version: 1, values: [...this.values] };
  }

  restore(state: object): void {
    this.values = new Map((state as MsrState).values);
  }
}
