import type { Clock, Timer } from '../../core/hw';

/** A clock that moves only when told; timers fire in order of deadline on the way. */
export class MockClock implements Clock {
  now = 0;
  /** Wall time at virtual time 0: 2024-02-29 12:34:56 UTC. */
  startWallMs = Date.UTC(2024, 1, 29, 12, 34, 56);
  private readonly timers: { deadlineNs: number; fire: () => void }[] = [];

  get wallMs(): number {
    return this.startWallMs + this.now / 1e6;
  }

  /** When the next timer fires, Infinity without one. */
  get nextDeadlineNs(): number {
    return Math.min(...this.timers.map(({ deadlineNs }) => deadlineNs));
  }

  timer(fire: () => void): Timer {
    const timer = { deadlineNs: Infinity, fire };
    this.timers.push(timer);
    return {
      arm: (deadlineNs) => {
        timer.deadlineNs = deadlineNs;
      },
      cancel: () => {
        timer.deadlineNs = Infinity;
      },
      get deadlineNs() {
        return timer.deadlineNs;
      },
    };
  }

  advance(ns: number): void {
    const end = this.now + ns;
    for (;;) {
      const due = this.timers
        .filter((t) => t.deadlineNs <= end)
        .sort((a, b) => a.deadlineNs - b.deadlineNs)[0];
      if (!due) break;
      this.now = Math.max(this.now, due.deadlineNs);
      due.deadlineNs = Infinity;
      due.fire();
    }
    this.now = end;
  }
}
