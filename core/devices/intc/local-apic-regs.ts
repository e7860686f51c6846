/** Registers of the local APIC: numbers are MMIO offsets divided by 16, which are also x2APIC MSRs less 800h (SDM 3A tables 11-1 and 11-6). */
export const ID = 0x02;
export const VERSION = 0x03;
export const TPR = 0x08;
export const PPR = 0x0a;
export const EOI = 0x0b;
export const LDR = 0x0d;
export const DFR = 0x0e;
export const SVR = 0x0f;
export const ISR = 0x10;
export const TMR = 0x18;
export const IRR = 0x20;
export const ESR = 0x28;
export const CMCI = 0x2f;
export const ICR_LOW = 0x30;
export const ICR_HIGH = 0x31;
export const TIMER_INITIAL = 0x38;
export const TIMER_CURRENT = 0x39;
export const TIMER_DIVIDE = 0x3e;
export const SELF_IPI = 0x3f;

/** The local vector table, in the order of `LocalApicState.lvt`. */
export const LVT_REGISTERS = [0x32, 0x33, 0x34, 0x35, 0x36, 0x37];
export const LVT_TIMER = 0;
export const LVT_LINT0 = 3;
export const LVT_LINT1 = 4;
export const LVT_ERROR = 5;
export const LVT_MASKED = 0x10000;
export const LVT_LEVEL = 0x8000;
/** Writable bits per entry, SDM 3A figure 11-8: timer, thermal, performance, LINT0, LINT1, error. */
export const LVT_WRITABLE = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff];

export const TIMER_PERIODIC = 1;
export const TIMER_TSC_DEADLINE = 2;

/** Version 14h, six LVT entries, EOI broadcast can be suppressed (bit 24). */
export const VERSION_VALUE = 0x01050014;
export const SVR_ENABLE = 0x100;
export const SVR_NO_EOI_BROADCAST = 0x1000;
export const SVR_WRITABLE = 0x13ff;

export const ICR_LOGICAL = 0x800;
export const ICR_ASSERT = 0x4000;
export const ICR_LEVEL = 0x8000;
/** Delivery status (bit 12) reads as idle. */
export const ICR_WRITABLE = 0xccfff;

export const MODE_FIXED = 0;
export const MODE_LOWEST = 1;
export const MODE_NMI = 4;
export const MODE_INIT = 5;
export const MODE_STARTUP = 6;
export const MODE_EXTINT = 7;

export const ESR_RECEIVED_ILLEGAL_VECTOR = 0x40;

export const IA32_APIC_BASE = 0x1b;
export const IA32_TSC_DEADLINE = 0x6e0;
export const IA32_X2APIC_BASE = 0x800;
export const APIC_BASE_BSP = 0x100;
export const APIC_BASE_EXTD = 0x400;
export const APIC_BASE_EN = 0x800;
export const APIC_BASE_RESERVED = 0x2ffn;
export const APIC_DEFAULT_BASE = 0xfee00000;
/** CPUID.80000008H:EAX[7:0] of our processor models is at least this. */
export const MAXPHYADDR = 40n;
/** Logical x2APIC id: cluster in the high half, one bit of 16 in the low (SDM 3A 11.12.10.2). */
export function x2apicLogicalId(apicId: number): number {
  return (((apicId >>> 4) << 16) | (1 << (apicId & 15))) >>> 0;
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

const X2APIC_LVT = LVT_REGISTERS;

export const X2APIC_READABLE: ReadonlySet<number> = new Set([
  ID,
  VERSION,
  TPR,
  PPR,
  LDR,
  SVR,
  ...range(ISR, 24),
  ESR,
  ICR_LOW,
  ...X2APIC_LVT,
  TIMER_INITIAL,
  TIMER_CURRENT,
  TIMER_DIVIDE,
]);

const HIGH_HALF = 0xffffffff00000000n;

/** Writable x2APIC registers with the bits whose setting is #GP. */
export const X2APIC_WRITABLE: ReadonlyMap<number, bigint> = new Map([
  [TPR, ~0xffn & 0xffffffffffffffffn],
  [EOI, 0xffffffffffffffffn],
  [SVR, HIGH_HALF | 0xffffec00n],
  [ESR, 0xffffffffffffffffn],
  [ICR_LOW, 0xfff32000n],
  ...X2APIC_LVT.map((register, i): [number, bigint] => [
    register,
    HIGH_HALF | (~BigInt(LVT_WRITABLE[i] | 0x1000 | 0x4000) & 0xffffffffn),
  ]),
  [TIMER_INITIAL, HIGH_HALF],
  [TIMER_DIVIDE, HIGH_HALF | 0xfffffff4n],
  [SELF_IPI, ~0xffn & 0xffffffffffffffffn],
]);
