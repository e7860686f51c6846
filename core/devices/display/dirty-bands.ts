import type { DisplayBackend } from '../../hw';

/** Joins changed spans of successive lines to rectangles and reports them. */
export class DirtyBands {
  private left = 0;
  private right = 0;
  private top = 0;
  private bottom = 0;

  constructor(private readonly display: DisplayBackend) {}

  /** Pixels `from` to `to` of line `y` changed; lines come in rising order. */
  span(y: number, from: number, to: number): void {
    if (this.bottom === y && this.bottom > this.top) {
      this.left = Math.min(this.left, from);
      this.right = Math.max(this.right, to);
      this.bottom = y + 1;
      return;
    }
    this.flush();
    this.left = from;
    this.right = to;
    this.top = y;
    this.bottom = y + 1;
  }

  flush(): void {
    if (this.bottom > this.top)
      this.display.dirty(this.left, this.top, this.right - this.left, this.bottom - this.top);
    this.top = this.bottom = 0;
  }
}
