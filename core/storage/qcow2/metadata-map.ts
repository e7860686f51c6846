/** Which clusters of an image hold its own tables: guest data is never written into them (reliability 2.5.4). */

interface Range {
  readonly what: string;
  readonly first: number;
  readonly last: number;
}

/**
 * Clusters of tables, by number. What was there when the image was opened is one sorted array, as an image may have
 * millions; what comes and goes later are small sets.
 */
export class MetadataMap {
  private ranges: Range[] = [];
  private readonly added = new Set<number>();
  private readonly removed = new Set<number>();

  /** `initial`: sorted cluster numbers of L2 tables and refcount blocks. */
  constructor(private readonly initial: Float64Array) {}

  /** Names the place of a table that is one stretch; a table that moved replaces its old place. */
  setRange(what: string, firstCluster: number, clusters: number): void {
    this.ranges = this.ranges.filter((range) => range.what !== what);
    if (clusters > 0)
      this.ranges.push({ what, first: firstCluster, last: firstCluster + clusters - 1 });
  }

  /** Forgets the ranges whose name starts with `prefix`. */
  dropRanges(prefix: string): void {
    this.ranges = this.ranges.filter((range) => !range.what.startsWith(prefix));
  }

  add(cluster: number): void {
    this.removed.delete(cluster);
    this.added.add(cluster);
  }

  /** The cluster holds no table any more, if it ever did. */
  remove(cluster: number): void {
    this.added.delete(cluster);
    if (this.initial[this.lowerBound(cluster)] === cluster) this.removed.add(cluster);
  }

  /** What lies in `count` clusters from `first`; undefined when none of them is a table. */
  find(first: number, count: number): string | undefined {
    const last = first + count - 1;
    const range = this.ranges.find((one) => one.first <= last && first <= one.last);
    if (range) return range.what;
    for (let cluster = first; cluster <= last; cluster++)
      if (this.added.has(cluster)) return 'a table';
    for (let at = this.lowerBound(first); at < this.initial.length; at++) {
      const cluster = this.initial[at] ?? Infinity;
      if (cluster > last) break;
      if (!this.removed.has(cluster)) return 'a table';
    }
    return undefined;
  }

  private lowerBound(cluster: number): number {
    let low = 0;
    let high = this.initial.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.initial[middle] ?? 0) < cluster) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
