/** Model-specific registers that do not live in vcpu state: rows of address, reset value and reserved bits (SDM Vol. 4). */
import type { InterruptSource } from '../hw';

interface MsrRow {
  readonly name: string;
  readonly index: number;
  readonly reset: bigint;
  /** Bits that must be written as zero (#GP otherwise). */
  readonly reserved: bigint;
  readonly readOnly?: boolean;
}

const ALL = 0xffffffffffffffffn;
/** MTRR masks: physical addresses of 40 bits. */
const MTRR_BASE_RESERVED = ALL ^ 0xffffff_f0ffn;
const MTRR_MASK_RESERVED = ALL ^ 0xffffff_f800n;
const VARIABLE_RANGES = 8;

const variableRanges = Array.from({ length: VARIABLE_RANGES }, (_, i): MsrRow[] => [
  {
    name: `IA32_MTRR_PHYSBASE${String(i)}`,
    index: 0x200 + i * 2,
    reset: 0n,
    reserved: MTRR_BASE_RESERVED,
  },
  {
    name: `IA32_MTRR_PHYSMASK${String(i)}`,
    index: 0x201 + i * 2,
    reset: 0n,
    reserved: MTRR_MASK_RESERVED,
  },
]).flat();

const fixedRanges = [
  0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
].map((index): MsrRow => ({
  name: `IA32_MTRR_FIX_${index.toString(16)}`,
  index,
  reset: 0n,
  reserved: 0n,
}));

// prettier-ignore
const ROWS: readonly MsrRow[] = [
  { name: 'IA32_PLATFORM_ID', index: 0x17, reset: 0n, reserved: ALL, readOnly: true },
  { name: 'IA32_FEATURE_CONTROL', index: 0x3a, reset: 1n, reserved: ALL, readOnly: true },
  { name: 'IA32_BIOS_UPDT_TRIG', index: 0x79, reset: 0n, reserved: 0n },
  { name: 'IA32_BIOS_SIGN_ID', index: 0x8b, reset: 0x1_0000_0000n, reserved: 0n },
  { name: 'MSR_PLATFORM_INFO', index: 0xce, reset: 0x0a00n, reserved: ALL, readOnly: true },
  { name: 'IA32_MTRRCAP', index: 0xfe, reset: 0x508n, reserved: ALL, readOnly: true },
  { name: 'IA32_MCG_CAP', index: 0x179, reset: 0n, reserved: ALL, readOnly: true },
  { name: 'IA32_MCG_STATUS', index: 0x17a, reset: 0n, reserved: 0n },
  { name: 'IA32_MISC_ENABLE', index: 0x1a0, reset: 1n, reserved: 0n },
  { name: 'IA32_DEBUGCTL', index: 0x1d9, reset: 0n, reserved: 0n },
  { name: 'IA32_MTRR_DEF_TYPE', index: 0x2ff, reset: 0n, reserved: ALL ^ 0xcffn },
  ...variableRanges,
  ...fixedRanges,
];

const IA32_APIC_BASE = 0x1b;
const IA32_TSC_DEADLINE = 0x6e0;
const X2APIC_FIRST = 0x800;
const X2APIC_LAST = 0x8ff;

export class ModelSpecificRegisters {
  private readonly rows = new Map(ROWS.map((row) => [row.index, row]));
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
    if (!row || row.readOnly === true || (value & row.reserved) !== 0n) return false;
    this.values.set(index, value);
    return true;
  }

  save(): object {
    return { version: 1, values: [...this.values] };
  }

  restore(state: object): void {
    this.values = new Map((state as { values: [number, bigint][] }).values);
  }
}
