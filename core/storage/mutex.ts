/** Ways in which asynchronous work on one image takes turns. */

/** Runs one action after the other, in the order they came. */
export class Mutex {
  private tail: Promise<unknown> = Promise.resolve();

  run<T>(action: () => Promise<T>): Promise<T> {
    const result = this.tail.then(action);
    this.tail = result.catch(() => undefined);
    return result;
  }
}

interface Claim {
  readonly first: number;
  readonly last: number;
  readonly exclusive: boolean;
  readonly granted: () => void;
}

function conflict(a: Claim, b: Claim): boolean {
  return (a.exclusive || b.exclusive) && a.first <= b.last && b.first <= a.last;
}

/**
 * Locks of ranges of numbers (clusters, sectors): any number of readers of a number, or one writer. Served in the
 * order of arrival wherever ranges meet, so nobody starves.
 */
export class RangeLock {
  private readonly held = new Set<Claim>();
  private waiting: Claim[] = [];

  /** Resolves when `first..last` is held; what it resolves to gives the range back. */
  acquire(first: number, last: number, exclusive: boolean): Promise<() => void> {
    return new Promise((resolve) => {
      const claim: Claim = {
        first,
        last,
        exclusive,
        granted: () => {
          this.held.add(claim);
          resolve(() => this.release(claim));
        },
      };
      if (this.isFree(claim, this.waiting)) claim.granted();
      else this.waiting.push(claim);
    });
  }

  private isFree(claim: Claim, before: readonly Claim[]): boolean {
    for (const other of this.held) if (conflict(claim, other)) return false;
    return !before.some((other) => conflict(claim, other));
  }

  private release(claim: Claim): void {
    this.held.delete(claim);
    const still: Claim[] = [];
    for (const candidate of this.waiting) {
      if (this.isFree(candidate, still)) candidate.granted();
      else still.push(candidate);
    }
    this.waiting = still;
  }
}
