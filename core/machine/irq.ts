import type { IrqLine } from '../hw';

/** Several sources on one wire: the output is high while any of them is. */
export class WiredOr {
  private high = 0;

  constructor(private readonly output: IrqLine) {}

  /** A new source. */
  source(): IrqLine {
    let level = false;
    return {
      set: (next) => {
        if (next === level) return;
        level = next;
        this.high += next ? 1 : -1;
        if (this.high === (next ? 1 : 0)) this.output.set(next);
      },
    };
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
