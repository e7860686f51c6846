import type { Vcpu } from '../hw';
import type { MachineClock } from './clock';

/** Longest slice of guest code: how long back-end completions wait at most, and messages of the host. */
const SLICE_NS = 1_000_000;
/** A guest whose timers are always due still gets on. */
const MIN_INSTRUCTIONS = 2_000;
const MAX_INSTRUCTIONS = 1_000_000;
/** Estimate of the engine's speed before the first measurement, instructions a nanosecond. */
const START_SPEED = 0.02;
const MIN_SPEED = 0.001;
const MAX_SPEED = 2;

/** Why the guest cannot go on by itself. */
export type StopCause = 'poweroff' | 'reset' | 'triple-fault';

/** What the caller does next: run again, sleep at most that long (Infinity: until something comes from outside), or see to a stop. */
export type SliceResult =
  | { readonly state: 'running' }
  | { readonly state: 'halted'; readonly sleepNs: number }
  | { readonly state: 'stopped'; readonly cause: StopCause };

const RUNNING: SliceResult = { state: 'running' };

/** Runs one processor: due timers, then guest code until the next timer, a halt or a request to stop. */
export class RunLoop {
  /** Guest code was interrupted by nothing else for this long, for statistics. */
  readonly counters = { slices: 0, halts: 0 };
  private stop: StopCause | undefined;
  private inGuest = false;
  private sliceEndNs = 0;
  private speed = START_SPEED;
  /** The guest has nothing to do for this long unless something comes from outside. */
  private idleNs = 0;

  constructor(
    private readonly clock: MachineClock,
    private readonly vcpu: Vcpu,
  ) {
    clock.onEarlier = (deadline) => {
      if (this.inGuest && deadline < this.sliceEndNs) this.vcpu.kick();
    };
  }

  /** Ends the current slice; the next result is `stopped` with the first cause given. */
  requestStop(cause: StopCause): void {
    this.stop ??= cause;
    this.vcpu.kick();
  }

  /** The stop was seen to. */
  clearStop(): void {
    this.stop = undefined;
    this.idleNs = 0;
  }

  /** Ends the current slice as if the processor were halted, for at most `ns`: firmware waits for the outside. */
  idle(ns: number): void {
    this.idleNs = ns;
    this.vcpu.kick();
  }

  slice(): SliceResult {
    const { clock, vcpu } = this;
    if (this.stop) return { state: 'stopped', cause: this.stop };
    clock.fireDue();
    const start = clock.now;
    this.sliceEndNs = Math.min(clock.nextDeadlineNs, start + SLICE_NS);
    const budget = Math.min(
      Math.max(Math.floor((this.sliceEndNs - start) * this.speed), MIN_INSTRUCTIONS),
      MAX_INSTRUCTIONS,
    );
    const before = vcpu.instructions;
    const hostStart = clock.hostNow;
    this.inGuest = true;
    const exit = vcpu.run(budget);
    this.inGuest = false;
    this.counters.slices++;
    if (this.stop) return { state: 'stopped', cause: this.stop };
    if (exit === 'shutdown') {
      this.stop = 'triple-fault';
      return { state: 'stopped', cause: this.stop };
    }
    const { idleNs } = this;
    this.idleNs = 0;
    if (exit === 'halted' || idleNs > 0) {
      this.counters.halts++;
      const untilTimer = clock.nextDeadlineNs - clock.now;
      const sleepNs = exit === 'halted' ? untilTimer : Math.min(untilTimer, idleNs);
      return sleepNs > 0 ? { state: 'halted', sleepNs } : RUNNING;
    }
    this.measure(vcpu.instructions - before, clock.hostNow - hostStart);
    return RUNNING;
  }

  /** Follows the speed of the code that runs, so that slices end when the next timer is due. */
  private measure(instructions: number, ns: number): void {
    if (instructions < MIN_INSTRUCTIONS / 2 || ns <= 0) return;
    const speed = Math.min(Math.max(instructions / ns, MIN_SPEED), MAX_SPEED);
    this.speed += (speed - this.speed) / 4;
  }
}
