/**
 * High Precision Event Timer: one 64-bit counter at 100 MHz with three comparators.
 * Document: IA-PC HPET Specification 1.0a (October 2004), section 2.3.
 * Scope: 32- and 64-bit comparators, one-shot and periodic, edge and level, legacy replacement routing.
 * Missing: front-side-bus (MSI) delivery. Comparators may use I/O APIC inputs 20-23.
 */
import { cloneState } from '../../base';
import type { AccessWidth, Clock, Device, IrqLine, Mmio, ResetKind, Timer } from '../../hw';

export const HPET_BYTES = 0x400;
const TIMERS = 3;
/** Ten nanoseconds a count, in femtoseconds. */
const PERIOD_FS = 10_000_000;
const COUNT_NS = 10n;
const MASK_64 = 0xffff_ffff_ffff_ffffn;
const MASK_32 = 0xffff_ffffn;

const GCAP_ID = 0x000;
const GCAP_PERIOD = 0x004;
const GEN_CONF = 0x010;
const GINTR_STA = 0x020;
const MAIN_CNT = 0x0f0;
const TIMER_BASE = 0x100;
const TIMER_STRIDE = 0x20;
const TN_CONF = 0x00;
const TN_ROUTE_CAP = 0x04;
const TN_CMP = 0x08;

const GCAP_LOW = 0x8086_a201;
const ENABLE_CNF = 1;
const LEG_RT_CNF = 2;

const TN_INT_TYPE = 0x0002;
const TN_INT_ENB = 0x0004;
const TN_TYPE = 0x0008;
const TN_PER_CAP = 0x0010;
const TN_SIZE_CAP = 0x0020;
const TN_VAL_SET = 0x0040;
const TN_32MODE = 0x0100;
const TN_ROUTE_SHIFT = 9;
const TN_WRITABLE = 0x3f4e;
const ROUTE_CAP = 0x00f0_0000;

/** A comparator further away is looked at again after this long, which keeps nanoseconds exact. */
const MAX_DELAY_NS = 3_600e9;

export interface HpetComparator {
  config: number;
  /** Decimal: 64-bit values. */
  comparator: string;
  period: string;
}

export interface HpetState {
  version: 1;
  config: number;
  status: number;
  /** Counter value while halted, or at virtual time 0 while running (modulo 2^64); decimal. */
  counter: string;
  timers: HpetComparator[];
}

export interface HpetCapabilities {
  clock: Clock;
  /** Legacy replacement outputs: IRQ0 (I/O APIC input 2) and IRQ8. */
  irq0: IrqLine;
  irq8: IrqLine;
  /** I/O APIC input `n` (20-23). */
  line(n: number): IrqLine;
  /** PIT and RTC interrupts are cut off while legacy replacement is on. */
  onLegacyReplacement(on: boolean): void;
}

interface Comparator {
  value: bigint;
  period: bigint;
  config: number;
  /** The low half of a 64-bit write has just set the comparator: the high half belongs to it. */
  valueHighOpen: boolean;
  readonly timer: Timer;
}

export class Hpet implements Device<HpetState>, Mmio {
  readonly id = 'hpet';
  private config = 0;
  private status = 0;
  private counterBase = 0n;
  private readonly comparators: readonly Comparator[];

  constructor(private readonly wires: HpetCapabilities) {
    this.comparators = Array.from({ length: TIMERS }, (_, n) => ({
      value: MASK_64,
      period: 0n,
      config: TN_PER_CAP | TN_SIZE_CAP,
      valueHighOpen: false,
      timer: wires.clock.timer(() => this.expired(n)),
    }));
  }

  reset(_kind: ResetKind): void {
    this.config = 0;
    this.status = 0;
    this.counterBase = 0n;
    for (const c of this.comparators) {
      c.value = MASK_64;
      c.period = 0n;
      c.config = TN_PER_CAP | TN_SIZE_CAP;
      c.valueHighOpen = false;
      c.timer.cancel();
    }
    this.wires.onLegacyReplacement(false);
  }

  save(): HpetState {
    return cloneState<HpetState>({
      version: 1,
      config: this.config,
      status: this.status,
      counter: this.counterBase.toString(),
      timers: this.comparators.map((c) => ({
        config: c.config,
        comparator: c.value.toString(),
        period: c.period.toString(),
      })),
    });
  }

  restore(state: HpetState): void {
    this.config = state.config;
    this.status = state.status;
    this.counterBase = BigInt(state.counter);
    this.comparators.forEach((c, n) => {
      const saved = state.timers[n];
      if (!saved) return;
      c.config = saved.config;
      c.value = BigInt(saved.comparator);
      c.period = BigInt(saved.period);
    });
    this.wires.onLegacyReplacement((this.config & LEG_RT_CNF) !== 0);
    this.armAll();
  }

  readMmio(offset: number, width: AccessWidth): number {
    const value = this.readRegister(offset & 0x3fc);
    const shift = (offset & 3) * 8;
    return width === 4 ? value : (value >>> shift) & (width === 1 ? 0xff : 0xffff);
  }

  writeMmio(offset: number, width: AccessWidth, value: number): void {
    // 2.3.1: software accesses whole 32-bit registers; narrower writes are merged.
    const register = offset & 0x3fc;
    if (width === 4 && !(offset & 3)) {
      this.writeRegister(register, value >>> 0);
      return;
    }
    const shift = (offset & 3) * 8;
    const mask = ((width === 1 ? 0xff : 0xffff) << shift) >>> 0;
    this.writeRegister(
      register,
      ((this.readRegister(register) & ~mask) | ((value << shift) & mask)) >>> 0,
    );
  }

  private get running(): boolean {
    return (this.config & ENABLE_CNF) !== 0;
  }

  private counter(): bigint {
    if (!this.running) return this.counterBase;
    return (
      (this.counterBase + BigInt(Math.floor(this.wires.clock.now / Number(COUNT_NS)))) & MASK_64
    );
  }

  private setCounter(value: bigint): void {
    const elapsed = this.running ? BigInt(Math.floor(this.wires.clock.now / Number(COUNT_NS))) : 0n;
    this.counterBase = (value - elapsed) & MASK_64;
  }

  private readRegister(register: number): number {
    switch (register) {
      case GCAP_ID:
        return GCAP_LOW;
      case GCAP_PERIOD:
        return PERIOD_FS;
      case GEN_CONF:
        return this.config;
      case GINTR_STA:
        return this.status;
      case MAIN_CNT:
        return Number(this.counter() & MASK_32);
      case MAIN_CNT + 4:
        return Number(this.counter() >> 32n);
      default:
        break;
    }
    const c = register >= TIMER_BASE ? this.comparators[(register - TIMER_BASE) >> 5] : undefined;
    if (!c) return 0;
    switch (register & (TIMER_STRIDE - 1)) {
      case TN_CONF:
        return c.config;
      case TN_ROUTE_CAP:
        return ROUTE_CAP;
      case TN_CMP:
        return Number(this.comparatorNow(c) & MASK_32);
      case TN_CMP + 4:
        return Number(this.comparatorNow(c) >> 32n);
      default:
        return 0;
    }
  }

  private writeRegister(register: number, value: number): void {
    switch (register) {
      case GEN_CONF:
        this.writeConfig(value);
        return;
      case GINTR_STA:
        this.status &= ~value;
        this.comparators.forEach((_, n) => {
          if (value & (1 << n)) this.output(n).set(false);
        });
        return;
      case MAIN_CNT:
        this.setCounter((this.counter() & ~MASK_32) | BigInt(value));
        this.armAll();
        return;
      case MAIN_CNT + 4:
        this.setCounter((this.counter() & MASK_32) | (BigInt(value) << 32n));
        this.armAll();
        return;
      default:
        break;
    }
    const n = (register - TIMER_BASE) >> 5;
    const c = register >= TIMER_BASE ? this.comparators[n] : undefined;
    if (!c) return;
    switch (register & (TIMER_STRIDE - 1)) {
      case TN_CONF:
        this.writeTimerConfig(n, c, value);
        break;
      case TN_CMP:
        this.writeComparator(c, MASK_32, BigInt(value));
        break;
      case TN_CMP + 4:
        this.writeComparator(c, MASK_64 ^ MASK_32, BigInt(value) << 32n);
        break;
      default:
        return;
    }
    this.arm(n);
  }

  private writeConfig(value: number): void {
    const counter = this.counter();
    const legacy = (value ^ this.config) & LEG_RT_CNF;
    this.config = value & (ENABLE_CNF | LEG_RT_CNF);
    this.setCounter(counter);
    if (legacy) this.wires.onLegacyReplacement((value & LEG_RT_CNF) !== 0);
    this.armAll();
  }

  private writeTimerConfig(n: number, c: Comparator, value: number): void {
    const before = this.output(n);
    const old = c.config;
    c.config = (c.config & ~TN_WRITABLE) | (value & TN_WRITABLE);
    if (c.config & TN_32MODE) {
      c.value &= MASK_32;
      c.period &= MASK_32;
    }
    // A level that is still up follows the enable and type bits.
    if ((old & TN_INT_TYPE && !(c.config & TN_INT_TYPE)) || !(c.config & TN_INT_ENB))
      before.set(false);
    else if (c.config & TN_INT_TYPE && this.status & (1 << n)) this.output(n).set(true);
  }

  /** Periodic mode (2.3.9.2.2): a write sets the period, and with Tn_VAL_SET the comparator itself too; that bit then clears. */
  private writeComparator(c: Comparator, mask: bigint, value: bigint): void {
    const size = c.config & TN_32MODE ? MASK_32 : MASK_64;
    const periodic = (c.config & TN_TYPE) !== 0;
    const setsValue =
      !periodic || (c.config & TN_VAL_SET) !== 0 || (mask !== MASK_32 && c.valueHighOpen);
    if (setsValue) c.value = ((c.value & ~mask) | value) & size;
    if (periodic) c.period = ((c.period & ~mask) | value) & size;
    c.valueHighOpen = mask === MASK_32 && setsValue && size === MASK_64;
    if (periodic) c.config &= ~TN_VAL_SET;
  }

  /** A periodic comparator that nobody waits for still moves on with the counter. */
  private comparatorNow(c: Comparator): bigint {
    if (this.running && c.config & TN_TYPE && c.period > 0n) this.advance(c);
    return c.value;
  }

  private advance(c: Comparator): void {
    const size = c.config & TN_32MODE ? MASK_32 : MASK_64;
    const past = (this.counter() - c.value) & size;
    // Half the range behind counts as passed, as for sequence numbers.
    if (past > size >> 1n) return;
    c.value = (c.value + (past / c.period + 1n) * c.period) & size;
  }

  private armAll(): void {
    for (let n = 0; n < TIMERS; n++) this.arm(n);
  }

  private arm(n: number): void {
    const c = this.comparators[n];
    if (!this.running || !(c.config & TN_INT_ENB || c.config & TN_INT_TYPE)) {
      c.timer.cancel();
      return;
    }
    // Between the halves of a 64-bit write the comparator is not yet what it will be.
    if (c.config & TN_TYPE && c.period > 0n && !c.valueHighOpen) this.advance(c);
    const size = c.config & TN_32MODE ? MASK_32 : MASK_64;
    const now = this.wires.clock.now;
    const counts = (c.value - this.counter()) & size;
    const delay = Math.min(Number(counts) * Number(COUNT_NS), MAX_DELAY_NS);
    // From the start of the current count.
    c.timer.arm(Math.max(now - (now % Number(COUNT_NS)) + delay, now));
  }

  private expired(n: number): void {
    const c = this.comparators[n];
    const size = c.config & TN_32MODE ? MASK_32 : MASK_64;
    const left = (c.value - this.counter()) & size;
    if (left !== 0n && left <= size >> 1n) {
      this.arm(n);
      return;
    }
    if (c.config & TN_TYPE && c.period > 0n) this.arm(n);
    else if (c.config & TN_32MODE)
      c.timer.arm(this.wires.clock.now + Number((1n << 32n) * COUNT_NS));
    const line = this.output(n);
    if (c.config & TN_INT_TYPE) {
      this.status |= 1 << n;
      if (c.config & TN_INT_ENB) line.set(true);
    } else if (c.config & TN_INT_ENB) {
      line.set(true);
      line.set(false);
    }
  }

  private output(n: number): IrqLine {
    if (this.config & LEG_RT_CNF && n < 2) return n === 0 ? this.wires.irq0 : this.wires.irq8;
    return this.wires.line((this.comparators[n].config >> TN_ROUTE_SHIFT) & 0x1f);
  }
}
