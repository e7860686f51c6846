/** Reference counts of the clusters of a qcow2 file: the two-level table, and finding free clusters. */
import { readU64, viewOf, writeU64 } from '../bytes';
import { ImageError } from '../image';
import { badImage, type ImageFile } from '../image-file';
import { MAX_REFTABLE_BYTES, type Qcow2Header } from './header';
import type { MetadataMap } from './metadata-map';
import { countsPerBlock, maxCount, readCount, writeCount } from './refcount-block';
import { TableCache, type Table, type TableWrite } from './table-cache';

/** Bits of a refcount table entry that are no offset. */
const REFT_RESERVED = 0x1ff;

/** Consecutive clusters. */
export interface Run {
  readonly first: number;
  readonly count: number;
}

/** What a commit has to write of the reference counts, in this order with syncs between. */
export interface RefcountChanges {
  readonly blocks: readonly TableWrite[];
  /** Changed entries of the table where it is. */
  readonly entries: readonly { readonly offset: number; readonly bytes: Uint8Array<ArrayBuffer> }[];
  /** The whole table at a new place, for the header to point to. */
  readonly moved: {
    readonly offset: number;
    readonly clusters: number;
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly old: Run;
  } | null;
}

/** Splits ascending clusters at the borders of refcount blocks. */
function groupByBlock(
  tally: Iterable<readonly [cluster: number, times: number]>,
  perBlock: number,
): (readonly [cluster: number, times: number])[][] {
  const groups: (readonly [cluster: number, times: number])[][] = [];
  let index = -1;
  for (const entry of tally) {
    const at = Math.floor(entry[0] / perBlock);
    if (at !== index) groups.push([]);
    index = at;
    groups[groups.length - 1]?.push(entry);
  }
  return groups;
}

/** Calls are made one at a time (the image's metadata lock), but for `takeChanges`. */
export class Refcounts {
  readonly cache: TableCache;
  readonly perBlock: number;
  private readonly changedEntries = new Set<number>();
  private movedFrom: Run | null = null;
  /** No cluster below is free. */
  private hint = 1;

  constructor(
    private readonly file: ImageFile,
    private readonly header: Qcow2Header,
    private readonly map: MetadataMap,
    private table: Float64Array,
    cacheTables: number,
  ) {
    this.cache = new TableCache(file, header.clusterBytes, cacheTables);
    this.perBlock = countsPerBlock(header);
  }

  /** Reads the table; entries that cannot be offsets of blocks make the image bad. */
  static async loadTable(file: ImageFile, header: Qcow2Header): Promise<Float64Array> {
    const bytes = await file.read(
      header.reftableOffset,
      header.reftableClusters * header.clusterBytes,
    );
    const view = viewOf(bytes);
    const table = new Float64Array(bytes.length / 8);
    for (let i = 0; i < table.length; i++) {
      const entry = readU64(view, i * 8);
      if (entry === 0) continue;
      const possible =
        (view.getUint32(i * 8 + 4) & REFT_RESERVED) === 0 &&
        entry % header.clusterBytes === 0 &&
        entry >= header.clusterBytes &&
        entry < file.end;
      if (!possible) throw badImage(file.path, 'its reference count table is damaged');
      table[i] = entry;
    }
    return table;
  }

  get hasChanges(): boolean {
    return this.cache.hasDirty || this.changedEntries.size > 0 || this.movedFrom !== null;
  }

  /** Highest count that the width allows. */
  get max(): number {
    return maxCount(this.header.refcountOrder);
  }

  async count(cluster: number): Promise<number> {
    const offset = this.table[Math.floor(cluster / this.perBlock)] ?? 0;
    if (offset === 0) return 0;
    return this.cache.with(offset, (block) => this.read(block, cluster));
  }

  /** Adds `delta` to the counts of consecutive clusters, which have blocks; tells which became free. */
  async adjust(run: Run, delta: number, onFree?: (cluster: number) => void): Promise<void> {
    await this.each(run, (block, cluster) => {
      const count = this.read(block, cluster) + delta;
      if (count < 0 || count > this.max)
        throw badImage(
          this.file.path,
          `the reference count of cluster ${cluster} would be ${count}`,
        );
      this.write(block, cluster, count);
      if (count > 0) return;
      this.hint = Math.min(this.hint, cluster);
      onFree?.(cluster);
    });
  }

  /** Adds to the counts of many clusters, in ascending order; `sign` is 1 or -1. Nothing is changed when one would overflow. */
  async adjustAll(
    tally: Iterable<readonly [cluster: number, times: number]>,
    sign: 1 | -1,
    onFree?: (cluster: number) => void,
  ): Promise<void> {
    const groups = groupByBlock(tally, this.perBlock);
    if (sign > 0)
      for (const group of groups)
        await this.group(group, (block, cluster, times) => {
          const count = this.read(block, cluster) + times;
          if (count > this.max)
            throw new ImageError(
              'NO_SPACE',
              this.file.path,
              `${this.file.path}: its reference counts are too narrow for one more snapshot`,
            );
        });
    for (const group of groups)
      await this.group(group, (block, cluster, times) => {
        const count = this.read(block, cluster) + sign * times;
        if (count < 0)
          throw badImage(this.file.path, `the reference count of cluster ${cluster} is too low`);
        this.write(block, cluster, count);
        if (count > 0) return;
        this.hint = Math.min(this.hint, cluster);
        onFree?.(cluster);
      });
  }

  /** Sets the count of one cluster that has a block. */
  async set(cluster: number, count: number): Promise<void> {
    await this.each({ first: cluster, count: 1 }, (block) => {
      this.write(block, cluster, count);
      if (count === 0) this.hint = Math.min(this.hint, cluster);
    });
  }

  /** Takes 1..`count` consecutive free clusters; all of them when `exact`. */
  async allocate(count: number, exact: boolean): Promise<Run> {
    const run = await this.take(count, exact);
    await this.moveTable();
    return run;
  }

  /** Clusters from `first` on whose count is 0, up to `limit`: for holes in the file. */
  async freeRun(first: number, limit: number): Promise<number> {
    let cluster = first;
    while (cluster < limit && (await this.count(cluster)) === 0) cluster++;
    return cluster - first;
  }

  /** What has changed since the last commit, copied. */
  takeChanges(): RefcountChanges {
    const blocks = this.cache.takeDirty();
    const { reftableOffset: offset, reftableClusters: clusters } = this.header;
    const old = this.movedFrom;
    const entries = old
      ? []
      : [...this.changedEntries].map((index) => ({
          offset: offset + index * 8,
          bytes: this.entryBytes(index),
        }));
    this.changedEntries.clear();
    this.movedFrom = null;
    return {
      blocks,
      entries,
      moved: old ? { offset, clusters, bytes: this.tableBytes(), old } : null,
    };
  }

  private read(block: Table, cluster: number): number {
    return readCount(block.view, cluster % this.perBlock, this.header.refcountOrder);
  }

  private write(block: Table, cluster: number, count: number): void {
    const index = cluster % this.perBlock;
    const order = this.header.refcountOrder;
    writeCount(block.view, index, order, count);
    const width = 1 << Math.max(0, order - 3);
    this.cache.touch(block, order < 3 ? (index << order) >> 3 : index * width, width);
  }

  private async each(run: Run, visit: (block: Table, cluster: number) => void): Promise<void> {
    const end = run.first + run.count;
    for (let cluster = run.first; cluster < end;) {
      const index = Math.floor(cluster / this.perBlock);
      const stop = Math.min(end, (index + 1) * this.perBlock);
      const offset = this.table[index] ?? 0;
      if (offset === 0)
        throw badImage(this.file.path, `cluster ${cluster} is in use but has no reference count`);
      const from = cluster;
      await this.cache.with(offset, (block) => {
        for (let at = from; at < stop; at++) visit(block, at);
      });
      cluster = stop;
    }
  }

  private async group(
    group: readonly (readonly [cluster: number, times: number])[],
    visit: (block: Table, cluster: number, times: number) => void,
  ): Promise<void> {
    const first = group[0]?.[0] ?? 0;
    const offset = this.table[Math.floor(first / this.perBlock)] ?? 0;
    if (offset === 0)
      throw badImage(this.file.path, `cluster ${first} is in use but has no reference count`);
    await this.cache.with(offset, (block) => {
      for (const [cluster, times] of group) visit(block, cluster, times);
    });
  }

  private async take(count: number, exact: boolean): Promise<Run> {
    const run = await this.find(count, exact);
    const blocks = Math.floor((run.first + run.count - 1) / this.perBlock);
    for (let index = Math.floor(run.first / this.perBlock); index <= blocks; index++)
      if (!this.table[index]) await this.createBlock(index, run);
    await this.claim(run);
    if (run.first === this.hint) this.hint = run.first + run.count;
    return run;
  }

  /** Counts 0 become 1. A free cluster that is a table means that the counts are wrong. */
  private async claim(run: Run): Promise<void> {
    const what = this.map.find(run.first, run.count);
    if (what !== undefined)
      throw badImage(
        this.file.path,
        `the place of ${what} is marked as free: the image is damaged`,
      );
    await this.each(run, (block, cluster) => this.write(block, cluster, 1));
  }

  /** Looks for free clusters; what has no refcount block yet is free. */
  private async find(count: number, exact: boolean): Promise<Run> {
    let first = -1;
    let length = 0;
    let lowest = -1;
    for (let cluster = this.hint; ;) {
      const index = Math.floor(cluster / this.perBlock);
      const stop = (index + 1) * this.perBlock;
      const offset = this.table[index] ?? 0;
      const free = offset === 0 ? () => true : await this.freeTest(offset);
      for (; cluster < stop; cluster++) {
        if (free(cluster)) {
          if (lowest < 0) lowest = cluster;
          if (length === 0) first = cluster;
          if (++length === count) break;
        } else if (length > 0) {
          if (!exact) break;
          length = 0;
        }
      }
      if (lowest >= 0) this.hint = lowest;
      else this.hint = stop;
      if (length > 0 && (length === count || (!exact && cluster < stop)))
        return { first, count: length };
    }
  }

  private async freeTest(offset: number): Promise<(cluster: number) => boolean> {
    const block = await this.cache.pin(offset);
    this.cache.unpin(block);
    return (cluster) => this.read(block, cluster) === 0;
  }

  /** Makes the refcount block `index` outside of `avoid`, in its own range when there is room. */
  private async createBlock(index: number, avoid: Run): Promise<void> {
    this.cover(index);
    const first = index * this.perBlock;
    const inAvoid = first >= avoid.first && first < avoid.first + avoid.count;
    const home = inAvoid ? avoid.first + avoid.count : first;
    const own = home < first + this.perBlock;
    const cluster = own ? home : await this.single(home, avoid);
    if (this.map.find(cluster, 1) !== undefined)
      throw badImage(this.file.path, 'a table has no reference count: the image is damaged');
    const offset = cluster * this.header.clusterBytes;
    const block = this.cache.add(offset, new Uint8Array(this.header.clusterBytes));
    if (own) this.write(block, cluster, 1);
    this.table[index] = offset;
    this.changedEntries.add(index);
    this.map.add(cluster);
  }

  /** One free cluster from `from` on, counted as used. */
  private async single(from: number, avoid: Run): Promise<number> {
    for (let cluster = from; ; cluster++) {
      const index = Math.floor(cluster / this.perBlock);
      if (!this.table[index]) await this.createBlock(index, avoid);
      if ((await this.count(cluster)) !== 0) continue;
      await this.set(cluster, 1);
      return cluster;
    }
  }

  /** Makes the table in memory long enough for block `index`. */
  private cover(index: number): void {
    if (index < this.table.length) return;
    const perCluster = this.header.clusterBytes / 8;
    const wanted = Math.max(index + 1, Math.ceil(this.table.length * 1.5));
    const longer = new Float64Array(Math.ceil(wanted / perCluster) * perCluster);
    if (longer.length * 8 > MAX_REFTABLE_BYTES + this.header.clusterBytes)
      throw new ImageError(
        'NO_SPACE',
        this.file.path,
        `${this.file.path}: the file cannot grow further with clusters of ${this.header.clusterBytes} bytes`,
      );
    longer.set(this.table);
    this.table = longer;
  }

  /** Finds a place for a table that has become longer; a commit writes it there and then frees the old one. */
  private async moveTable(): Promise<void> {
    const { clusterBytes } = this.header;
    while (this.table.length * 8 > this.header.reftableClusters * clusterBytes) {
      const clusters = (this.table.length * 8) / clusterBytes;
      const run = await this.take(clusters, true);
      const old = {
        first: this.header.reftableOffset / clusterBytes,
        count: this.header.reftableClusters,
      };
      // A place that no commit has seen is given back at once; what is on disk only by the commit.
      if (this.movedFrom) await this.adjust(old, -1);
      this.movedFrom ??= old;
      this.header.reftableOffset = run.first * clusterBytes;
      this.header.reftableClusters = clusters;
      this.map.setRange('the reference count table', run.first, clusters);
    }
  }

  private entryBytes(index: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(8);
    writeU64(viewOf(bytes), 0, this.table[index] ?? 0);
    return bytes;
  }

  private tableBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.header.reftableClusters * this.header.clusterBytes);
    const view = viewOf(bytes);
    for (let i = 0; i < this.table.length; i++) writeU64(view, i * 8, this.table[i] ?? 0);
    return bytes;
  }
}
