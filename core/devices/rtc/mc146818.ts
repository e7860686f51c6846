/**
 * MC146818A real-time clock with 128 bytes of CMOS RAM, as in the PC/AT and PIIX.
 * Documents: Motorola MC146818A ADI856R2 (1984); Intel 82371SB (PIIX3) 290550-002 section 2.5.4 (ports 70h, 71h).
 * Scope: BCD and binary, 12 and 24 hours, alarm, periodic and update-ended interrupts, UIP, SET, century in 32h.
 * Missing: square-wave output, daylight saving (DSE only holds its value).
 * The time of day is the host's wall clock plus an offset that the guest may change.
 */
import { cloneState } from '../../base';
import type { AccessWidth, Clock, Device, IrqLine, PortIo, ResetKind, Timer } from '../../hw';

const SECONDS = 0x00;
const SECONDS_ALARM = 0x01;
const MINUTES = 0x02;
const MINUTES_ALARM = 0x03;
const HOURS = 0x04;
const HOURS_ALARM = 0x05;
const DAY_OF_WEEK = 0x06;
const DATE = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;
const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;
/** By IBM's convention, outside the chip's definition. */
const CENTURY = 0x32;

const A_UIP = 0x80;
const A_DIVIDER = 0x70;
const A_DIVIDER_RESET = 0x60;
const A_RATE = 0x0f;
const B_SET = 0x80;
const B_PIE = 0x40;
const B_AIE = 0x20;
const B_UIE = 0x10;
const B_BINARY = 0x04;
const B_24H = 0x02;
const C_IRQF = 0x80;
const C_PF = 0x40;
const C_AF = 0x20;
const C_UF = 0x10;
const D_VRT = 0x80;
const HOURS_PM = 0x80;
const ALARM_ANY = 0xc0;

/** UIP comes 244 us before the update (t_BUC), which takes 1984 us of which nobody sees anything: readers wait for UIP to fall. */
const UIP_MS = 0.244;
const DAY_MS = 86_400_000;

export interface Mc146818State {
  version: 1;
  index: number;
  /** Port 70h bit 7. */
  nmiMasked: boolean;
  /** All 128 bytes; the time bytes count only while the clock is stopped. */
  cmos: Uint8Array;
  /** Guest time minus host wall time. */
  offsetMs: number;
  /** Wall time up to which flags of register C are accounted for. */
  flagsUntilMs: number;
  periodicStartNs: number;
}

export interface Mc146818Capabilities {
  clock: Clock;
  irq: IrqLine;
}

/** Offset 0 is the index port (70h), offset 1 the data port (71h). */
export class Mc146818 implements Device<Mc146818State>, PortIo {
  readonly id = 'mc146818';
  private s: Mc146818State;
  private readonly updateTimer: Timer;
  private readonly periodicTimer: Timer;

  constructor(private readonly wires: Mc146818Capabilities) {
    const cmos = new Uint8Array(128);
    cmos[REGISTER_A] = 0x26;
    cmos[REGISTER_B] = B_24H;
    cmos[REGISTER_D] = D_VRT;
    this.s = {
      version: 1,
      index: 0,
      nmiMasked: false,
      cmos,
      offsetMs: 0,
      flagsUntilMs: wires.clock.wallMs,
      periodicStartNs: 0,
    };
    this.updateTimer = wires.clock.timer(() => this.secondPassed());
    this.periodicTimer = wires.clock.timer(() => this.periodPassed());
  }

  /** RESET# clears the interrupt enables and flags; time, alarm and RAM live on battery (MC146818A "RESET"). */
  reset(_kind: ResetKind): void {
    const { s } = this;
    s.cmos[REGISTER_B] &= ~(B_PIE | B_AIE | B_UIE | 0x08);
    s.cmos[REGISTER_C] = 0;
    s.index = 0;
    s.nmiMasked = false;
    s.flagsUntilMs = this.nowMs;
    this.wires.irq.set(false);
    this.arm();
  }

  save(): Mc146818State {
    return cloneState(this.s);
  }

  restore(state: Mc146818State): void {
    this.s = cloneState(state);
    this.arm();
    this.updateIrq();
  }

  /** CMOS byte written by the board (memory size, drive types, checksum). */
  setCmos(index: number, value: number): void {
    this.s.cmos[index & 0x7f] = value;
  }

  cmos(index: number): number {
    return this.s.cmos[index & 0x7f];
  }

  readPort(offset: number, _width: AccessWidth): number {
    // Port 70h is write-only.
    if ((offset & 1) === 0) return 0xff;
    return this.read(this.s.index);
  }

  writePort(offset: number, _width: AccessWidth, value: number): void {
    if ((offset & 1) === 0) {
      this.s.index = value & 0x7f;
      this.s.nmiMasked = (value & 0x80) !== 0;
    } else {
      this.write(this.s.index, value & 0xff);
    }
  }

  private get nowMs(): number {
    return this.wires.clock.wallMs + this.s.offsetMs;
  }

  /** SET, or the divider held in reset: the time bytes stand still and may be written freely. */
  private get stopped(): boolean {
    const { cmos } = this.s;
    return (
      (cmos[REGISTER_B] & B_SET) !== 0 || (cmos[REGISTER_A] & A_DIVIDER_RESET) === A_DIVIDER_RESET
    );
  }

  private read(index: number): number {
    const { s } = this;
    if (isTime(index)) {
      if (!this.stopped) this.storeTime(this.nowMs);
      return s.cmos[index];
    }
    switch (index) {
      case REGISTER_A:
        return (s.cmos[REGISTER_A] & ~A_UIP) | (this.updateInProgress() ? A_UIP : 0);
      case REGISTER_C: {
        this.accountFlags();
        const flags = s.cmos[REGISTER_C];
        s.cmos[REGISTER_C] = 0;
        this.wires.irq.set(false);
        return flags;
      }
      default:
        return s.cmos[index];
    }
  }

  private write(index: number, value: number): void {
    const { s } = this;
    if (isTime(index)) {
      if (this.stopped) {
        s.cmos[index] = value;
      } else {
        this.storeTime(this.nowMs);
        s.cmos[index] = value;
        this.setTime(this.nowMs % 1000);
      }
      return;
    }
    switch (index) {
      case REGISTER_A:
        this.writeA(value);
        break;
      case REGISTER_B:
        this.writeB(value);
        break;
      case REGISTER_C:
      case REGISTER_D:
        break;
      default:
        s.cmos[index] = value;
        if (index <= HOURS_ALARM) this.arm();
        break;
    }
  }

  private writeA(value: number): void {
    const { s } = this;
    const wasStopped = this.stopped;
    this.accountFlags();
    if (!wasStopped) this.storeTime(this.nowMs);
    const rateChanged = ((value ^ s.cmos[REGISTER_A]) & (A_RATE | A_DIVIDER)) !== 0;
    s.cmos[REGISTER_A] = value & ~A_UIP;
    // The first update after a divider reset comes half a second later.
    if (wasStopped && !this.stopped) this.setTime(500);
    if (rateChanged) s.periodicStartNs = this.wires.clock.now;
    this.arm();
  }

  private writeB(value: number): void {
    const { s } = this;
    const wasStopped = this.stopped;
    this.accountFlags();
    const now = this.nowMs;
    // Data mode and hour format apply to what software writes from here on; the running time follows them.
    if (!wasStopped) this.storeTime(now);
    // SET aborts an update and clears UIE (MC146818A "SET").
    const next = value & B_SET ? value & ~B_UIE : value;
    s.cmos[REGISTER_B] = next;
    if (wasStopped && !this.stopped) this.setTime(now % 1000);
    this.arm();
    this.updateIrq();
  }

  private updateInProgress(): boolean {
    return !this.stopped && 1000 - (this.nowMs % 1000) <= UIP_MS;
  }

  // --- Time of day

  private encode(value: number): number {
    return this.s.cmos[REGISTER_B] & B_BINARY
      ? value
      : (Math.floor(value / 10) << 4) | (value % 10);
  }

  private decode(value: number): number {
    return this.s.cmos[REGISTER_B] & B_BINARY ? value : (value >> 4) * 10 + (value & 15);
  }

  private encodeHours(hours: number): number {
    if (this.s.cmos[REGISTER_B] & B_24H) return this.encode(hours);
    return this.encode(hours % 12 || 12) | (hours >= 12 ? HOURS_PM : 0);
  }

  private decodeHours(value: number): number {
    if (this.s.cmos[REGISTER_B] & B_24H) return this.decode(value);
    return (this.decode(value & 0x7f) % 12) + (value & HOURS_PM ? 12 : 0);
  }

  private storeTime(ms: number): void {
    const { cmos } = this.s;
    const date = new Date(ms);
    cmos[SECONDS] = this.encode(date.getUTCSeconds());
    cmos[MINUTES] = this.encode(date.getUTCMinutes());
    cmos[HOURS] = this.encodeHours(date.getUTCHours());
    cmos[DAY_OF_WEEK] = this.encode(date.getUTCDay() + 1);
    cmos[DATE] = this.encode(date.getUTCDate());
    cmos[MONTH] = this.encode(date.getUTCMonth() + 1);
    cmos[YEAR] = this.encode(date.getUTCFullYear() % 100);
    cmos[CENTURY] = this.encode(Math.floor(date.getUTCFullYear() / 100) % 100);
  }

  /** Makes the time bytes the time of day, `phaseMs` into their second. */
  private setTime(phaseMs: number): void {
    const { cmos } = this.s;
    const year = this.decode(cmos[CENTURY]) * 100 + this.decode(cmos[YEAR]);
    const ms = Date.UTC(
      year,
      this.decode(cmos[MONTH]) - 1,
      this.decode(cmos[DATE]),
      this.decodeHours(cmos[HOURS]),
      this.decode(cmos[MINUTES]),
      this.decode(cmos[SECONDS]),
    );
    this.s.offsetMs = ms + phaseMs - this.wires.clock.wallMs;
    this.s.flagsUntilMs = this.nowMs;
  }

  // --- Flags and interrupts

  private get periodNs(): number {
    const a = this.s.cmos[REGISTER_A];
    const rate = a & A_RATE;
    if (rate === 0 || (a & A_DIVIDER) > 0x20) return 0;
    // Rates 1 and 2 repeat 8 and 9 with a 32768 Hz time base (MC146818A table 5).
    const divider = rate < 3 ? rate + 6 : rate - 1;
    return (1e9 * (1 << divider)) / 32_768;
  }

  private alarmMatches(ms: number): boolean {
    const { cmos } = this.s;
    const date = new Date(ms);
    const hit = (index: number, value: number): boolean =>
      (cmos[index] & ALARM_ANY) === ALARM_ANY || cmos[index] === value;
    return (
      hit(SECONDS_ALARM, this.encode(date.getUTCSeconds())) &&
      hit(MINUTES_ALARM, this.encode(date.getUTCMinutes())) &&
      hit(HOURS_ALARM, this.encodeHours(date.getUTCHours()))
    );
  }

  /** Sets UF, AF and PF for what happened since the last look. */
  private accountFlags(): void {
    const { s } = this;
    const now = this.nowMs;
    const clockNow = this.wires.clock.now;
    if (!this.stopped && now > s.flagsUntilMs) {
      const first = Math.floor(s.flagsUntilMs / 1000) + 1;
      const last = Math.floor(now / 1000);
      if (last >= first) {
        s.cmos[REGISTER_C] |= C_UF;
        // A day of seconds meets every alarm; fewer are looked through.
        const from = Math.max(first, last - DAY_MS / 1000);
        for (let second = from; second <= last && !(s.cmos[REGISTER_C] & C_AF); second++) {
          if (this.alarmMatches(second * 1000)) s.cmos[REGISTER_C] |= C_AF;
        }
      }
    }
    s.flagsUntilMs = now;
    const period = this.periodNs;
    if (period > 0 && clockNow - s.periodicStartNs >= period) {
      s.cmos[REGISTER_C] |= C_PF;
      s.periodicStartNs += Math.floor((clockNow - s.periodicStartNs) / period) * period;
    }
    const enabled = s.cmos[REGISTER_B] & s.cmos[REGISTER_C] & (C_PF | C_AF | C_UF);
    if (enabled) s.cmos[REGISTER_C] |= C_IRQF;
  }

  private updateIrq(): void {
    const { s } = this;
    const enabled = s.cmos[REGISTER_B] & s.cmos[REGISTER_C] & (C_PF | C_AF | C_UF);
    if (enabled) s.cmos[REGISTER_C] |= C_IRQF;
    else s.cmos[REGISTER_C] &= ~C_IRQF;
    this.wires.irq.set(enabled !== 0);
  }

  /** Timers run only for enabled interrupts; flags alone are worked out when register C is read. */
  private arm(): void {
    const { s } = this;
    const now = this.wires.clock.now;
    const b = s.cmos[REGISTER_B];
    if (b & (B_AIE | B_UIE) && !this.stopped)
      this.updateTimer.arm(now + Math.ceil((1000 - (this.nowMs % 1000)) * 1e6));
    else this.updateTimer.cancel();
    const period = this.periodNs;
    if (b & B_PIE && period > 0) {
      const passed = Math.floor((now - s.periodicStartNs) / period);
      this.periodicTimer.arm(Math.ceil(s.periodicStartNs + (passed + 1) * period));
    } else {
      this.periodicTimer.cancel();
    }
  }

  private secondPassed(): void {
    this.accountFlags();
    this.updateIrq();
    this.arm();
  }

  private periodPassed(): void {
    this.accountFlags();
    this.updateIrq();
    this.arm();
  }
}

function isTime(index: number): boolean {
  return (
    index === SECONDS ||
    index === MINUTES ||
    index === HOURS ||
    (index >= DAY_OF_WEEK && index <= YEAR) ||
    index === CENTURY
  );
}
