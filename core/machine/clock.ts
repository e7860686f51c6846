import type { Clock, Timer } from '../hw';

/** What the clock needs of the host's time. `TimerHost` has it. */
export interface HostTime {
  /** Milliseconds that never step back, as fine as the host has them. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01 UTC. */
  wallMs(): number;
}

/** Timers fired in one go: a device that re-arms into the past cannot keep the guest from running. */
const MAX_FIRES = 64;
/** How far time goes past a timer that has not fired. Ticks closer together than this may become one. */
const OVERRUN_NS = 200_000;
/** How far time may stay behind the host's for that: a guest that was kept from running longer loses the rest. */
const MAX_LAG_NS = 5_000_000_000;

/**
 * Virtual time of a machine: follows the host's monotonic clock while the machine runs, stands still while it is
 * paused, never steps back. Timers fire from `fireDue`, which the run loop calls between slices of guest code. Time
 * waits for them: when the host kept this thread from running, the guest sees every tick of what it missed, one after
 * another, instead of a jump (Linux takes a timer for broken that ticked too rarely by its TSC).
 */
export class MachineClock implements Clock {
  /** Called when a timer becomes the earliest: the run loop may have to cut its slice. */
  onEarlier: (deadlineNs: number) => void = () => {};
  private readonly timers: MachineTimer[] = [];
  private running = false;
  /** Time stands still while timers fire: one that is about to be armed again is not among the earliest. */
  private firing = false;
  /** Virtual time when the clock was last started or stopped, and the host's then. */
  private baseNs = 0;
  private hostStartMs = 0;
  private lastNs = 0;
  private earliest = Infinity;

  constructor(private readonly host: HostTime) {}

  get now(): number {
    if (this.running && !this.firing) {
      const host = this.hostNow;
      const now = Math.min(host, Math.max(this.earliest + OVERRUN_NS, host - MAX_LAG_NS));
      if (now > this.lastNs) this.lastNs = now;
    }
    return this.lastNs;
  }

  /** What `now` would be if it did not wait for timers: for measuring how long something took. */
  get hostNow(): number {
    if (!this.running) return this.lastNs;
    return this.baseNs + Math.floor((this.host.monotonicMs() - this.hostStartMs) * 1e6);
  }

  get wallMs(): number {
    return this.host.wallMs();
  }

  /** Virtual time of the next timer, Infinity without one. */
  get nextDeadlineNs(): number {
    return this.earliest;
  }

  start(): void {
    if (this.running) return;
    this.baseNs = this.lastNs;
    this.hostStartMs = this.host.monotonicMs();
    this.running = true;
  }

  stop(): void {
    this.baseNs = this.now;
    this.running = false;
  }

  timer(fire: () => void): Timer {
    const timer = new MachineTimer(fire, (deadline) => this.armed(deadline));
    this.timers.push(timer);
    return timer;
  }

  /** Fires what is due, in order of deadline. */
  fireDue(): void {
    const now = this.now;
    this.firing = true;
    for (let fires = 0; this.earliest <= now && fires < MAX_FIRES; fires++) {
      let due: MachineTimer | undefined;
      for (const timer of this.timers) {
        if (timer.deadlineNs <= now && (!due || timer.deadlineNs < due.deadlineNs)) due = timer;
      }
      if (!due) break;
      due.deadlineNs = Infinity;
      this.recompute();
      due.fire();
    }
    this.firing = false;
  }

  /** Virtual time of a saved machine; timers are re-armed by their devices. */
  save(): { version: 1; nowNs: number } {
    return { version: 1, nowNs: this.now };
  }

  restore(state: { version: 1; nowNs: number }): void {
    this.baseNs = this.lastNs = state.nowNs;
    this.hostStartMs = this.host.monotonicMs();
    for (const timer of this.timers) timer.deadlineNs = Infinity;
    this.earliest = Infinity;
  }

  private armed(deadline: number): void {
    const before = this.earliest;
    this.recompute();
    if (deadline < before) this.onEarlier(deadline);
  }

  /** A board has about twenty timers: a scan is as fast as a heap. */
  private recompute(): void {
    let earliest = Infinity;
    for (const timer of this.timers) if (timer.deadlineNs < earliest) earliest = timer.deadlineNs;
    this.earliest = earliest;
  }
}

class MachineTimer implements Timer {
  deadlineNs = Infinity;

  constructor(
    readonly fire: () => void,
    private readonly changed: (deadlineNs: number) => void,
  ) {}

  arm(deadlineNs: number): void {
    // A deadline that is not a number must not poison the comparison of all others.
    this.deadlineNs = deadlineNs >= 0 ? deadlineNs : 0;
    this.changed(this.deadlineNs);
  }

  cancel(): void {
    if (this.deadlineNs === Infinity) return;
    this.deadlineNs = Infinity;
    this.changed(Infinity);
  }
}
