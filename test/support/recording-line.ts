import type { IrqLine } from '../../core/hw';

/** An interrupt line that remembers its level and counts rising edges. */
export class RecordingLine implements IrqLine {
  level = false;
  edges = 0;

  set(level: boolean): void {
    if (level && !this.level) this.edges++;
    this.level = level;
  }
}
