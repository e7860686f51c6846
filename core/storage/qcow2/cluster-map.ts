/** Where the guest's clusters are in the file: the L1 table, wholly in memory, and L2 tables as they are needed. */
import { viewOf } from '../bytes';
import { badImage, type ImageFile } from '../image-file';
import { QCOW_OFLAG_COPIED, readL1Entry, readMapping, writeEntry, type Mapping } from './entry';
import { l2Entries, type Qcow2Header } from './header';
import type { MetadataMap } from './metadata-map';
import type { Refcounts, Run } from './refcounts';
import { TableCache, type Table, type TableWrite } from './table-cache';

/** What a commit has to write of the mapping: L2 tables first, then L1 entries. */
export interface MapChanges {
  readonly tables: readonly TableWrite[];
  readonly entries: readonly { readonly offset: number; readonly bytes: Uint8Array<ArrayBuffer> }[];
}

const HOLE: Mapping = { kind: 'hole' };

export class ClusterMap {
  readonly cache: TableCache;
  readonly perTable: number;
  /** The L1 table as it is in the file, with the changes of the next commit. */
  private l1: DataView;
  private readonly changed = new Set<number>();

  constructor(
    private readonly file: ImageFile,
    private readonly header: Qcow2Header,
    private readonly metadata: MetadataMap,
    l1: Uint8Array<ArrayBuffer>,
    cacheTables: number,
  ) {
    this.cache = new TableCache(file, header.clusterBytes, cacheTables);
    this.perTable = l2Entries(header);
    this.l1 = viewOf(l1);
  }

  get hasChanges(): boolean {
    return this.cache.hasDirty || this.changed.size > 0;
  }

  get l1Entries(): number {
    return this.l1.byteLength / 8;
  }

  /** A copy of the L1 table. */
  ownL1(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.l1.buffer as ArrayBuffer).slice();
  }

  /** A copy of the L1 table without its COPIED flags, as a snapshot keeps it. */
  sharedL1(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.l1.buffer as ArrayBuffer).slice();
    const view = viewOf(bytes);
    for (let at = 0; at < bytes.length; at += 8)
      view.setUint32(at, (view.getUint32(at) & ~QCOW_OFLAG_COPIED) >>> 0);
    return bytes;
  }

  /** Takes another L1 table, which is on disk already where the header says. */
  replaceL1(l1: Uint8Array<ArrayBuffer>): void {
    this.l1 = viewOf(l1);
    this.changed.clear();
  }

  /** Offset of the L2 table of an L1 entry, 0 without one. */
  tableOffset(l1Index: number): number {
    return this.entry(l1Index).offset;
  }

  /** What the guest's cluster `cluster` is. */
  async lookup(cluster: number): Promise<Mapping> {
    const offset = this.tableOffset(Math.floor(cluster / this.perTable));
    if (offset === 0) return HOLE;
    const index = cluster % this.perTable;
    return this.checked(
      await this.cache.with(offset, (table) => readMapping(table.view, index, this.header)),
      cluster,
    );
  }

  /** The mappings of `count` clusters from `cluster` on; fewer at the end of an L2 table. */
  async lookupRun(cluster: number, count: number): Promise<Mapping[]> {
    const index = cluster % this.perTable;
    const length = Math.min(count, this.perTable - index);
    const offset = this.tableOffset(Math.floor(cluster / this.perTable));
    if (offset === 0) return new Array<Mapping>(length).fill(HOLE);
    return this.cache.with(offset, (table) =>
      Array.from({ length }, (_, i) =>
        this.checked(readMapping(table.view, index + i, this.header), cluster + i),
      ),
    );
  }

  /**
   * Calls `change` with the L2 table of `cluster`, made or copied first when it is not this image's own, and the index
   * in it. The table that was copied is given to `release`. Under the metadata lock.
   */
  async update(
    cluster: number,
    refcounts: Refcounts,
    release: (run: Run) => void,
    change: (table: Table, index: number) => void,
  ): Promise<void> {
    const l1Index = Math.floor(cluster / this.perTable);
    await this.own(l1Index, refcounts, release);
    await this.cache.with(this.tableOffset(l1Index), (table) =>
      change(table, cluster % this.perTable),
    );
  }

  /** Sets entries of consecutive clusters of one table; 0 is a hole. */
  setEntry(table: Table, index: number, host: number, flags = 0): void {
    writeEntry(table.view, index, host, host !== 0, flags);
    this.cache.touch(table, index * 8, 8);
  }

  /** Writes the COPIED flag of an L1 entry. */
  setCopied(l1Index: number, copied: boolean): void {
    const { offset, copied: before } = this.entry(l1Index);
    if (offset === 0 || before === copied) return;
    writeEntry(this.l1, l1Index, offset, copied);
    this.changed.add(l1Index);
  }

  takeChanges(): MapChanges {
    const tables = this.cache.takeDirty();
    const entries = [...this.changed].map((index) => ({
      offset: this.header.l1Offset + index * 8,
      bytes: new Uint8Array(this.l1.buffer as ArrayBuffer).slice(index * 8, index * 8 + 8),
    }));
    this.changed.clear();
    return { tables, entries };
  }

  private entry(l1Index: number): { offset: number; copied: boolean } {
    if (l1Index >= this.l1Entries) return { offset: 0, copied: false };
    const entry = readL1Entry(this.l1, l1Index, this.header.clusterBytes);
    const { clusterBytes } = this.header;
    if (!entry || (entry.offset !== 0 && !this.inFile(entry.offset, clusterBytes)))
      throw badImage(this.file.path, `entry ${l1Index} of its L1 table is damaged`);
    return entry;
  }

  /** Tables and data start behind the header and inside the file as long as it is now or will be. */
  private inFile(offset: number, length: number): boolean {
    const { clusterBytes } = this.header;
    const end = Math.ceil(this.file.end / clusterBytes) * clusterBytes;
    return offset >= clusterBytes && (offset + length <= end || this.isNew(offset));
  }

  /** A table that was made and is not written yet. */
  private isNew(offset: number): boolean {
    return this.cache.has(offset);
  }

  private checked(mapping: Mapping, cluster: number): Mapping {
    if (mapping.kind === 'hole') return mapping;
    const damaged =
      mapping.kind === 'bad' ||
      (mapping.kind === 'data' && !this.inFile(mapping.host, this.header.clusterBytes)) ||
      (mapping.kind === 'compressed' && !this.inFile(mapping.host, 1));
    if (damaged) throw badImage(this.file.path, `the L2 entry of cluster ${cluster} is damaged`);
    return mapping;
  }

  private async own(
    l1Index: number,
    refcounts: Refcounts,
    release: (run: Run) => void,
  ): Promise<void> {
    const { offset, copied } = this.entry(l1Index);
    if (offset !== 0 && copied) return;
    const { clusterBytes } = this.header;
    const run = await refcounts.allocate(1, true);
    const bytes =
      offset === 0
        ? new Uint8Array(clusterBytes)
        : await this.cache.with(offset, (table) => table.bytes.slice());
    const place = run.first * clusterBytes;
    this.cache.add(place, bytes);
    this.metadata.add(run.first);
    writeEntry(this.l1, l1Index, place, true);
    this.changed.add(l1Index);
    if (offset !== 0) release({ first: offset / clusterBytes, count: 1 });
  }
}
