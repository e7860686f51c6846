import type { TimerHost } from '../../core/host';

interface Entry {
  at: number;
  every: number | undefined;
  readonly fire: () => void;
}

/** Host timers that stand still until the test moves them. */
export class ManualTimers implements TimerHost {
  private time = 1000;
  private readonly entries = new Set<Entry>();

  wallMs(): number {
    return this.time;
  }

  monotonicMs(): number {
    return this.time;
  }

  after(ms: number, fire: () => void): () => void {
    return this.add({ at: this.time + ms, every: undefined, fire });
  }

  every(ms: number, fire: () => void): () => void {
    return this.add({ at: this.time + ms, every: ms, fire });
  }

  /** Lets `ms` pass; what falls due fires in order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.entries]
        .filter((entry) => entry.at <= end)
        .sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.time = due.at;
      if (due.every === undefined) this.entries.delete(due);
      else due.at += due.every;
      due.fire();
    }
    this.time = end;
  }

  private add(entry: Entry): () => void {
    this.entries.add(entry);
    return () => void this.entries.delete(entry);
  }
}
