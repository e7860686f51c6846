/** Counts every reference in a qcow2 file: what the reference counts should be. Reads all tables, no guest data. */
import { readU64, viewOf } from '../bytes';
import { badImage, type ImageFile } from '../image-file';
import { bitmapClusters, readBitmaps } from './bitmap-directory';
import { readL1Entry, readMapping } from './entry';
import { l2Entries, type Qcow2Header } from './header';
import { readSnapshots, type Snapshot } from './snapshot-table';

const CHUNK = 256;
/** Bounds the memory for counts: 256 MiB, enough for 4 TiB of clusters of 64 KiB. */
const MAX_CHUNKS = 1 << 18;
/** Bounds the work on images whose snapshots claim ever other L1 tables. */
const MAX_L1_ENTRIES = 1 << 24;
/** Neighbouring L2 tables are read together up to this size. */
const READ_BYTES = 2 << 20;
/** Problems that are told one by one; the others are counted. */
const MAX_TOLD = 50;

/** Counts by cluster number; memory is taken where counts are. */
export class CountMap {
  private readonly chunks = new Map<number, Uint32Array>();
  /** One more than the highest cluster that has a count. */
  end = 0;

  constructor(private readonly path: string) {}

  add(cluster: number, times: number): void {
    const key = Math.floor(cluster / CHUNK);
    let chunk = this.chunks.get(key);
    if (!chunk) {
      if (this.chunks.size >= MAX_CHUNKS)
        throw badImage(this.path, 'its tables are spread too far to be checked');
      this.chunks.set(key, (chunk = new Uint32Array(CHUNK)));
    }
    chunk[cluster % CHUNK] = Math.min((chunk[cluster % CHUNK] ?? 0) + times, 0xffffffff);
    this.end = Math.max(this.end, cluster + 1);
  }

  get(cluster: number): number {
    return this.chunks.get(Math.floor(cluster / CHUNK))?.[cluster % CHUNK] ?? 0;
  }

  *entries(): Generator<readonly [cluster: number, count: number]> {
    for (const key of [...this.chunks.keys()].sort((a, b) => a - b)) {
      const chunk = this.chunks.get(key);
      for (let i = 0; chunk && i < CHUNK; i++) if (chunk[i]) yield [key * CHUNK + i, chunk[i] ?? 0];
    }
  }
}

/** Sentences about what is wrong; all are counted, the first ones kept. */
export class Problems {
  count = 0;
  readonly told: string[] = [];

  add(sentence: string): void {
    this.count++;
    if (this.told.length < MAX_TOLD) this.told.push(sentence);
  }
}

export interface Survey {
  readonly references: CountMap;
  /** Damage of the tables themselves. */
  readonly problems: Problems;
  /** Clusters of the L2 tables of the active disk and all snapshots, and how many L1 entries refer to them. */
  readonly l2References: ReadonlyMap<number, number>;
  readonly snapshots: readonly Snapshot[];
  readonly snapshotTableBytes: number;
  /** Clusters of guest data of the active disk that are in this file, and how many of them are compressed. */
  readonly dataClusters: number;
  readonly compressedClusters: number;
}

/** Cost of a survey before it is made: bytes of L2 tables of the active disk. */
export async function l2TableBytes(file: ImageFile, header: Qcow2Header): Promise<number> {
  const view = viewOf(await file.read(header.l1Offset, header.l1Entries * 8));
  let tables = 0;
  for (let i = 0; i < header.l1Entries; i++) if (readU64(view, i * 8) !== 0) tables++;
  return tables * header.clusterBytes;
}

class Surveyor {
  readonly references: CountMap;
  readonly problems = new Problems();
  /** References to each L2 table, from all L1 tables; and whether the active one has it. */
  readonly tables = new Map<number, { times: number; active: boolean }>();
  dataClusters = 0;
  compressedClusters = 0;
  private l1Entries = 0;
  private readonly clusterBytes: number;
  private readonly fileClusters: number;

  constructor(
    private readonly file: ImageFile,
    private readonly header: Qcow2Header,
  ) {
    this.references = new CountMap(file.path);
    this.clusterBytes = header.clusterBytes;
    this.fileClusters = Math.ceil(file.end / header.clusterBytes);
  }

  /** Counts a stretch of the file; false when it does not lie in it. */
  count(what: string, offset: number, length: number, times = 1): boolean {
    if (length === 0) return true;
    const first = Math.floor(offset / this.clusterBytes);
    const last = Math.floor((offset + length - 1) / this.clusterBytes);
    if (!(last < this.fileClusters)) {
      this.problems.add(`${what} lies behind the end of the file, at ${offset}`);
      return false;
    }
    for (let cluster = first; cluster <= last; cluster++) this.references.add(cluster, times);
    return true;
  }

  async l1(
    what: string,
    offset: number,
    entries: number,
    active: boolean,
    times: number,
  ): Promise<void> {
    this.l1Entries += entries;
    if (this.l1Entries > MAX_L1_ENTRIES)
      throw badImage(this.file.path, 'its snapshots have too many tables to be checked');
    if (!this.count(what, offset, entries * 8, times)) return;
    const view = viewOf(await this.file.read(offset, entries * 8));
    for (let i = 0; i < entries; i++) {
      const entry = readL1Entry(view, i, this.clusterBytes);
      if (!entry) this.problems.add(`entry ${i} of ${what} is damaged`);
      if (!entry || entry.offset === 0) continue;
      if (!this.count('an L2 table', entry.offset, this.clusterBytes, times)) continue;
      const known = this.tables.get(entry.offset);
      if (known) {
        known.times += times;
        known.active ||= active;
      } else this.tables.set(entry.offset, { times, active });
    }
  }

  async l2(): Promise<void> {
    const offsets = [...this.tables.keys()].sort((a, b) => a - b);
    const { clusterBytes } = this;
    for (let i = 0; i < offsets.length;) {
      const start = offsets[i] ?? 0;
      let run = 1;
      while (
        offsets[i + run] === start + run * clusterBytes &&
        (run + 1) * clusterBytes <= READ_BYTES
      )
        run++;
      const bytes = await this.file.read(start, run * clusterBytes);
      for (let at = 0; at < run; at++)
        this.l2Table(
          start + at * clusterBytes,
          bytes.subarray(at * clusterBytes, (at + 1) * clusterBytes),
        );
      i += run;
    }
  }

  private l2Table(offset: number, bytes: Uint8Array): void {
    const { times, active } = this.tables.get(offset) ?? { times: 1, active: false };
    const view = viewOf(bytes);
    const entries = l2Entries(this.header);
    for (let index = 0; index < entries; index++) {
      const mapping = readMapping(view, index, this.header);
      if (mapping.kind === 'hole') continue;
      const where = `entry ${index} of the L2 table at ${offset}`;
      if (mapping.kind === 'bad') this.problems.add(`${where} is damaged`);
      else if (mapping.kind === 'compressed') {
        // The stated sectors may reach behind the end of the file, where the data themselves do not.
        const inside = Math.min(
          mapping.bytes,
          this.fileClusters * this.clusterBytes - mapping.host,
        );
        this.count(where, mapping.host, Math.max(1, inside), times);
        if (active) this.compressedClusters++;
        if (active) this.dataClusters++;
      } else if (mapping.host !== 0) {
        this.count(where, mapping.host, this.clusterBytes, times);
        if (active && mapping.kind === 'data') this.dataClusters++;
      }
    }
  }
}

/** Counts the references of everything but refcount blocks, which a rebuild replaces. */
export async function survey(file: ImageFile, header: Qcow2Header): Promise<Survey> {
  const surveyor = new Surveyor(file, header);
  surveyor.count('the header', 0, header.clusterBytes);
  await surveyor.l1('the L1 table', header.l1Offset, header.l1Entries, true, 1);
  const { snapshots, tableBytes } = await readSnapshots(file, header);
  surveyor.count('the snapshot table', header.snapshotOffset, tableBytes);
  const same = new Map<string, { offset: number; entries: number; times: number }>();
  for (const { l1Offset, l1Entries } of snapshots) {
    const key = `${l1Offset}.${l1Entries}`;
    const known = same.get(key);
    if (known) known.times++;
    else same.set(key, { offset: l1Offset, entries: l1Entries, times: 1 });
  }
  for (const { offset, entries, times } of same.values())
    await surveyor.l1("a snapshot's L1 table", offset, entries, false, times);
  await surveyor.l2();
  if (header.bitmaps)
    surveyor.count(
      'the bitmap directory',
      header.bitmaps.directoryOffset,
      header.bitmaps.directoryBytes,
    );
  for (const bitmap of await readBitmaps(file, header)) {
    surveyor.count('a bitmap table', bitmap.tableOffset, bitmap.tableEntries * 8);
    for (const offset of await bitmapClusters(file, header, bitmap))
      surveyor.count('a bitmap', offset, header.clusterBytes);
  }
  return {
    references: surveyor.references,
    problems: surveyor.problems,
    l2References: new Map(
      [...surveyor.tables].map(([offset, { times }]) => [offset / header.clusterBytes, times]),
    ),
    snapshots,
    snapshotTableBytes: tableBytes,
    dataClusters: surveyor.dataClusters,
    compressedClusters: surveyor.compressedClusters,
  };
}
