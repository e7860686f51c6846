import type { IrqLine } from '../hw';

/** Several sources on one wire: the output is high while any of them is. */
export class WiredOr {
  private levels: boolean[] = [];
  private high = 0;

  constructor(private readonly output: IrqLine) {}

  /** A new source. */
  source(): IrqLine {
    const index = this.levels.push(false) - 1;
    return {
      set: (next) => {
        if (next === this.levels[index]) return;
        this.levels[index] = next;
        this.high += next ? 1 : -1;
        if (this.high === (next ? 1 : 0)) this.output.set(next);
      },
    };
  }

  /** Levels of the sources in the order they were made. */
  save(): boolean[] {
    return [...this.levels];
  }

  /** Takes the levels over without driving the output: what is behind it is restored by itself. */
  restore(levels: readonly boolean[]): void {
    this.levels = this.levels.map((_, i) => levels[i] ?? false);
    this.high = this.levels.filter(Boolean).length;
  }
}

/** A wire with a switch: HPET legacy replacement cuts the PIT and the RTC off. */
export class GatedLine implements IrqLine {
  private level = false;
  private closed = true;

  constructor(private readonly output: IrqLine) {}

  set(level: boolean): void {
    this.level = level;
    if (this.closed) this.output.set(level);
  }

  connect(closed: boolean): void {
    this.closed = closed;
    this.output.set(closed && this.level);
  }
}

/** One signal on several inputs. */
export function fanOut(...lines: IrqLine[]): IrqLine {
  return {
    set(level) {
      for (const line of lines) line.set(level);
    },
  };
}
