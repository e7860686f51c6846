export type Rectangle = readonly [x: number, y: number, width: number, height: number];

/** Above this many rectangles the two that fit best become one. */
const MAX_RECTANGLES = 32;

const area = ([, , width, height]: Rectangle): number => width * height;

export function union(a: Rectangle, b: Rectangle): Rectangle {
  const x = Math.min(a[0], b[0]);
  const y = Math.min(a[1], b[1]);
  return [x, y, Math.max(a[0] + a[2], b[0] + b[2]) - x, Math.max(a[1] + a[3], b[1] + b[3]) - y];
}

/** The part of a rectangle inside `width` x `height`; undefined when there is none. */
export function clip(
  [x, y, w, h]: Rectangle,
  width: number,
  height: number,
): Rectangle | undefined {
  const left = Math.max(0, x);
  const top = Math.max(0, y);
  const right = Math.min(width, x + w);
  const bottom = Math.min(height, y + h);
  return left < right && top < bottom ? [left, top, right - left, bottom - top] : undefined;
}

/** What changed since somebody last looked: few rectangles that hold all changes, and little else. */
export class DirtyRegion {
  private rectangles: Rectangle[] = [];

  get isEmpty(): boolean {
    return this.rectangles.length === 0;
  }

  add(rectangle: Rectangle): void {
    if (area(rectangle) <= 0) return;
    let added = rectangle;
    // Joins what is as good as one, as often as the result joins more.
    for (let i = 0; i < this.rectangles.length;) {
      const other = this.rectangles[i];
      const both = union(added, other);
      if (area(both) <= area(added) + area(other)) {
        added = both;
        this.rectangles.splice(i, 1);
        i = 0;
      } else i++;
    }
    this.rectangles.push(added);
    if (this.rectangles.length > MAX_RECTANGLES) this.joinBest(added);
  }

  clear(): void {
    this.rectangles = [];
  }

  /** The rectangles inside `width` x `height`; the region is empty afterwards. */
  take(width: number, height: number): Rectangle[] {
    const taken = this.rectangles.flatMap((rectangle) => {
      const inside = clip(rectangle, width, height);
      return inside ? [inside] : [];
    });
    this.rectangles = [];
    return taken;
  }

  /** Joins the last rectangle with the one that wastes least. */
  private joinBest(last: Rectangle): void {
    this.rectangles.pop();
    let best = 0;
    let least = Infinity;
    this.rectangles.forEach((other, i) => {
      const waste = area(union(last, other)) - area(other);
      if (waste >= least) return;
      least = waste;
      best = i;
    });
    const [other] = this.rectangles.splice(best, 1);
    this.add(union(last, other));
  }
}
