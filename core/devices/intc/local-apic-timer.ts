/**
 * The local APIC's timer: one-shot, periodic and TSC-deadline modes.
 * Document: Intel SDM 3A 11.5.4 (edition 325384-080). The count is worked out from virtual time when it is read.
 */
import type { Clock, Timer } from '../../hw';
import { TIMER_PERIODIC, TIMER_TSC_DEADLINE } from './local-apic-regs';

/** A far TSC deadline is looked at again after this long (a day): keeps nanoseconds far below 2^53. */
const MAX_DELAY_NS = 86_400e9;

export interface ApicTimerState {
  initialCount: number;
  /** Divide configuration register. */
  divide: number;
  /** When counting of `initialCount` started. */
  startNs: number;
  /** IA32_TSC_DEADLINE, decimal; 0 when not armed. */
  tscDeadline: string;
}

export interface ApicTimerWiring {
  /** Input clock before the divider. */
  readonly hz: number;
  state(): ApicTimerState;
  /** Timer mode of the LVT entry. */
  mode(): number;
  expired(): void;
}

export class ApicTimer {
  private readonly timer: Timer;

  constructor(
    private readonly wires: {
      clock: Clock;
      tsc: { read(): bigint; readonly hz: number };
    },
    private readonly wiring: ApicTimerWiring,
  ) {
    this.timer = wires.clock.timer(() => this.fired());
  }

  get mode(): number {
    return this.wiring.mode();
  }

  /** IA32_TSC_DEADLINE: zero and ignored in the other modes. */
  get deadline(): bigint {
    return this.mode === TIMER_TSC_DEADLINE ? BigInt(this.s.tscDeadline) : 0n;
  }

  set deadline(value: bigint) {
    if (this.mode !== TIMER_TSC_DEADLINE) return;
    this.s.tscDeadline = value.toString();
    this.arm();
  }

  get currentCount(): number {
    const { initialCount, startNs } = this.s;
    if (initialCount === 0 || this.mode === TIMER_TSC_DEADLINE) return 0;
    const ticks = Math.floor((this.wires.clock.now - startNs) / this.tickNs);
    if (this.mode === TIMER_PERIODIC) return initialCount - (ticks % initialCount);
    return Math.max(initialCount - ticks, 0);
  }

  writeInitialCount(value: number): void {
    if (this.mode === TIMER_TSC_DEADLINE) return;
    this.s.initialCount = value;
    this.s.startNs = this.wires.clock.now;
    this.arm();
  }

  writeDivide(value: number): void {
    const { s } = this;
    const left = this.currentCount;
    s.divide = value & 0xb;
    // The running count goes on from where it is, at the new rate.
    s.startNs = this.wires.clock.now - (s.initialCount - left) * this.tickNs;
    this.arm();
  }

  /** The LVT entry was written. A change to or from TSC-deadline mode disarms (SDM 3A 11.5.4.1). */
  modeChanged(oldMode: number): void {
    if (this.mode === oldMode) return;
    if (oldMode === TIMER_TSC_DEADLINE || this.mode === TIMER_TSC_DEADLINE) {
      this.s.initialCount = 0;
      this.s.tscDeadline = '0';
    }
    this.arm();
  }

  cancel(): void {
    this.timer.cancel();
  }

  /** Sets the host-side timer for the state as it is. */
  arm(): void {
    if (this.mode === TIMER_TSC_DEADLINE) this.armDeadline();
    else this.armCount();
  }

  private get s(): ApicTimerState {
    return this.wiring.state();
  }

  private get tickNs(): number {
    const { divide } = this.s;
    const code = (divide & 3) | ((divide & 8) >> 1);
    return ((code === 7 ? 1 : 2 << code) * 1e9) / this.wiring.hz;
  }

  private armDeadline(): void {
    const deadline = BigInt(this.s.tscDeadline);
    if (deadline === 0n) {
      this.timer.cancel();
      return;
    }
    const { clock, tsc } = this.wires;
    const cycles = Number(deadline - tsc.read());
    const ns = cycles > 0 ? Math.min(Math.ceil((cycles * 1e9) / tsc.hz), MAX_DELAY_NS) : 0;
    this.timer.arm(clock.now + ns);
  }

  private armCount(): void {
    const { initialCount, startNs } = this.s;
    if (initialCount === 0) {
      this.timer.cancel();
      return;
    }
    const periodNs = initialCount * this.tickNs;
    const now = this.wires.clock.now;
    let deadline = startNs + periodNs;
    if (deadline <= now) {
      if (this.mode !== TIMER_PERIODIC) {
        this.timer.cancel();
        return;
      }
      deadline += Math.ceil((now - deadline + 1) / periodNs) * periodNs;
    }
    this.timer.arm(Math.ceil(deadline));
  }

  private fired(): void {
    if (this.mode === TIMER_TSC_DEADLINE) {
      if (BigInt(this.s.tscDeadline) > this.wires.tsc.read()) {
        this.arm();
        return;
      }
      this.s.tscDeadline = '0';
    } else if (this.mode === TIMER_PERIODIC) {
      // Periods that passed unseen are one interrupt, as the IRR bit would have it.
      this.arm();
    }
    this.wiring.expired();
  }
}

export function idleTimer(): ApicTimerState {
  return { initialCount: 0, divide: 0, startNs: 0, tscDeadline: '0' };
}
