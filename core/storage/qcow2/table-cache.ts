/** Tables of one cluster each (L2 tables, refcount blocks) in memory: read once, changed here, written by a commit. */
import { viewOf } from '../bytes';
import type { ImageFile } from '../image-file';

export interface Table {
  /** Where it is in the file. */
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  /** Changed bytes that are in no commit yet; none when `dirtyFrom >= dirtyTo`. */
  dirtyFrom: number;
  dirtyTo: number;
  /** Users at work and commits under way; such a table stays in memory. */
  pins: number;
}

/** Changed bytes of one table as they were when a commit began. */
export interface TableWrite {
  readonly table: Table;
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Writes are whole sectors: what a disk writes at once. */
const SECTOR = 512;

export class TableCache {
  private readonly tables = new Map<number, Table>();
  private readonly loading = new Map<number, Promise<Table>>();
  private dirtyTables = 0;

  constructor(
    private readonly file: ImageFile,
    private readonly clusterBytes: number,
    private readonly limitTables: number,
  ) {}

  /** True when so much is changed that a commit should come before more. */
  get isPressed(): boolean {
    return this.dirtyTables > this.limitTables / 2;
  }

  get hasDirty(): boolean {
    return this.dirtyTables > 0;
  }

  /** True when the table at `offset` is in memory. */
  has(offset: number): boolean {
    return this.tables.has(offset);
  }

  /** The table at `offset`, kept in memory until `unpin`. */
  async pin(offset: number): Promise<Table> {
    const present = this.tables.get(offset);
    if (present) {
      present.pins++;
      this.tables.delete(offset);
      this.tables.set(offset, present);
      return present;
    }
    let load = this.loading.get(offset);
    if (!load) {
      load = this.load(offset).finally(() => this.loading.delete(offset));
      this.loading.set(offset, load);
    }
    const table = await load;
    table.pins++;
    return this.tables.get(offset) === table ? table : this.again(table, offset);
  }

  unpin(table: Table): void {
    table.pins--;
  }

  /** Calls `use` with the table; changes are made before it returns, so nothing comes between. */
  async with<T>(offset: number, use: (table: Table) => T): Promise<T> {
    const table = await this.pin(offset);
    try {
      return use(table);
    } finally {
      this.unpin(table);
    }
  }

  /** A new table, all of it to be written. */
  add(offset: number, bytes: Uint8Array<ArrayBuffer>): Table {
    this.forget(offset);
    const table = this.insert(offset, bytes);
    this.touch(table, 0, bytes.length);
    return table;
  }

  /** `length` bytes at `from` were changed. */
  touch(table: Table, from: number, length: number): void {
    if (table.dirtyFrom >= table.dirtyTo) {
      this.dirtyTables++;
      table.dirtyFrom = from;
      table.dirtyTo = from + length;
      return;
    }
    table.dirtyFrom = Math.min(table.dirtyFrom, from);
    table.dirtyTo = Math.max(table.dirtyTo, from + length);
  }

  /** The cluster is no table any more: what was changed in it is not written. */
  forget(offset: number): void {
    const table = this.tables.get(offset);
    if (!table) return;
    this.clean(table);
    this.tables.delete(offset);
  }

  /** Forgets every table that has no changes, to read them anew. */
  forgetAll(): void {
    for (const table of [...this.tables.values()])
      if (table.dirtyFrom >= table.dirtyTo) this.tables.delete(table.offset);
  }

  /** Copies what has changed since the last commit; the tables stay in memory until `written`. */
  takeDirty(): TableWrite[] {
    const writes: TableWrite[] = [];
    if (this.dirtyTables === 0) return writes;
    for (const table of this.tables.values()) {
      if (table.dirtyFrom >= table.dirtyTo) continue;
      const from = Math.floor(table.dirtyFrom / SECTOR) * SECTOR;
      const to = Math.min(Math.ceil(table.dirtyTo / SECTOR) * SECTOR, this.clusterBytes);
      writes.push({ table, offset: table.offset + from, bytes: table.bytes.slice(from, to) });
      table.pins++;
      this.clean(table);
    }
    return writes;
  }

  /** Writes what a commit took; it may be called again when that fails. */
  async write(writes: readonly TableWrite[]): Promise<void> {
    for (const { offset, bytes } of writes) await this.file.write(offset, bytes);
  }

  /** What a commit took is on the disk. */
  written(writes: readonly TableWrite[]): void {
    for (const { table } of writes) table.pins--;
    this.evict();
  }

  private clean(table: Table): void {
    if (table.dirtyFrom < table.dirtyTo) this.dirtyTables--;
    table.dirtyFrom = 0;
    table.dirtyTo = 0;
  }

  private async again(stale: Table, offset: number): Promise<Table> {
    stale.pins--;
    return this.pin(offset);
  }

  private async load(offset: number): Promise<Table> {
    const bytes = await this.file.read(offset, this.clusterBytes);
    return this.tables.get(offset) ?? this.insert(offset, bytes);
  }

  private insert(offset: number, bytes: Uint8Array<ArrayBuffer>): Table {
    this.evict();
    const table = { offset, bytes, view: viewOf(bytes), dirtyFrom: 0, dirtyTo: 0, pins: 0 };
    this.tables.set(offset, table);
    return table;
  }

  /** Drops tables that were not used for longest, but none that is in use or changed. */
  private evict(): void {
    if (this.tables.size < this.limitTables) return;
    for (const table of this.tables.values()) {
      if (table.pins > 0 || table.dirtyFrom < table.dirtyTo) continue;
      this.tables.delete(table.offset);
      if (this.tables.size < this.limitTables) return;
    }
  }
}
