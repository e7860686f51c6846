/** An open qcow2 image's tables and the order in which their changes reach the disk (reliability 2.5.8). */
import { viewOf, writeU64 } from '../bytes';
import { ImageError } from '../image';
import { badImage, type ImageFile } from '../image-file';
import { Mutex, RangeLock } from '../mutex';
import type { ClusterMap, MapChanges } from './cluster-map';
import type { Mapping } from './entry';
import { HEADER_INCOMPATIBLE, INCOMPAT_CORRUPT, type Qcow2Header } from './header';
import type { MetadataMap } from './metadata-map';
import type { RefcountChanges, Refcounts, Run } from './refcounts';

/** The fields that change while an image is in use lie in its first sector, which a disk writes at once. */
export const HEADER_SECTOR_BYTES = 512;

/** What a commit writes. */
interface Changes {
  readonly counts: RefcountChanges;
  readonly map: MapChanges;
  /** Clusters that lose a reference afterwards. */
  readonly frees: Run[];
}

/** A field of the header and its new value. */
export interface HeaderPatch {
  readonly offset: number;
  readonly bits: 32 | 64;
  readonly value: number;
}

export interface Qcow2Parts {
  readonly file: ImageFile;
  readonly header: Qcow2Header;
  /** The first sector as it is in the file. */
  readonly sector: Uint8Array<ArrayBuffer>;
  readonly refcounts: Refcounts;
  readonly map: ClusterMap;
  readonly metadata: MetadataMap;
}

/**
 * Locks, in the order in which they are taken: `clusters` (guest clusters, by requests), `metadata` (allocation and
 * tables). A commit takes neither until the end, so requests go on while it waits for the disk. Who holds `metadata`
 * never waits for a commit.
 */
export class Qcow2State {
  readonly file: ImageFile;
  readonly header: Qcow2Header;
  readonly refcounts: Refcounts;
  readonly map: ClusterMap;
  readonly metadataMap: MetadataMap;
  readonly clusters = new RangeLock();
  readonly metadata = new Mutex();
  private readonly sector: Uint8Array<ArrayBuffer>;
  private readonly committing = new Mutex();
  private nextCommit: Promise<void> | undefined;
  /** Clusters that lose a reference once the tables that had it are on disk. */
  private frees: Run[] = [];
  /** A commit that the host had no room for; it comes before the next one. */
  private unwritten: Changes | undefined;

  constructor(parts: Qcow2Parts) {
    this.file = parts.file;
    this.header = parts.header;
    this.refcounts = parts.refcounts;
    this.map = parts.map;
    this.metadataMap = parts.metadata;
    this.sector = parts.sector;
  }

  /** True when a commit is due before more is changed: bounds what is in memory only. */
  get isPressed(): boolean {
    return this.map.cache.isPressed || this.refcounts.cache.isPressed;
  }

  get hasChanges(): boolean {
    return (
      this.map.hasChanges ||
      this.refcounts.hasChanges ||
      this.frees.length > 0 ||
      this.unwritten !== undefined
    );
  }

  /** Runs `action` while no request is under way and no table changes. */
  async exclusive<T>(action: () => Promise<T>): Promise<T> {
    const release = await this.clusters.acquire(0, Infinity, true);
    try {
      return await action();
    } finally {
      release();
    }
  }

  /** Takes one reference from clusters, once what is changed now is durable. */
  release(run: Run): void {
    const last = this.frees[this.frees.length - 1];
    if (last && last.first + last.count === run.first)
      this.frees[this.frees.length - 1] = { first: last.first, count: last.count + run.count };
    else this.frees.push(run);
  }

  /** Takes the reference of an L2 entry that is replaced. */
  releaseMapping(mapping: Mapping): void {
    const { clusterBytes } = this.header;
    if (mapping.kind === 'compressed') {
      const first = Math.floor(mapping.host / clusterBytes);
      const last = Math.floor((mapping.host + mapping.bytes - 1) / clusterBytes);
      this.release({ first, count: last - first + 1 });
    } else if ((mapping.kind === 'data' || mapping.kind === 'zero') && mapping.host !== 0)
      this.release({ first: mapping.host / clusterBytes, count: 1 });
  }

  /**
   * Makes everything durable that was changed before the call: guest data and reference counts, sync, L2 tables, sync,
   * L1 entries, sync. A crash at any point leaves clusters nobody refers to, and nothing worse. Calls that come while
   * one waits its turn share it. When the host's disk is full (NO_SPACE), the next commit goes on with it.
   */
  commit(): Promise<void> {
    this.nextCommit ??= this.committing.run(() => {
      this.nextCommit = undefined;
      return this.commitNow();
    });
    return this.nextCommit;
  }

  /** Commits until the reference counts of what became free are on disk too. */
  async settle(): Promise<void> {
    await this.commit();
    while (this.hasChanges) await this.commit();
  }

  /** Writes header fields in one sector; what they refer to is durable already, and so are they afterwards. */
  async patchHeader(patches: readonly HeaderPatch[]): Promise<void> {
    const view = viewOf(this.sector);
    for (const { offset, bits, value } of patches) {
      if (bits === 64) writeU64(view, offset, value);
      else view.setUint32(offset, value);
    }
    try {
      await this.file.write(0, this.sector.slice());
    } catch (cause) {
      throw this.file.breakOff('its header could not be written', cause);
    }
    await this.file.sync();
  }

  /** Refuses host clusters that hold tables, before guest data go there. */
  guard(first: number, count: number): void {
    const what = this.metadataMap.find(first, count);
    if (what !== undefined)
      throw badImage(this.file.path, `guest data would overwrite ${what}: the image is damaged`);
  }

  /** Sets the corrupt bit after damage was met while writing; from now on the image is only read. */
  async markCorrupt(): Promise<void> {
    if (this.header.corrupt) return;
    this.header.corrupt = true;
    if (this.header.version < 3 || this.file.readOnly || this.file.isBroken) return;
    const flags = viewOf(this.sector).getUint32(HEADER_INCOMPATIBLE + 4) | INCOMPAT_CORRUPT;
    await this.patchHeader([{ offset: HEADER_INCOMPATIBLE + 4, bits: 32, value: flags }]);
  }

  /** Throws when the image may not be written any more. */
  checkWritable(): void {
    this.file.check();
    const { path } = this.file;
    if (this.file.readOnly) throw new ImageError('UNREADABLE', path, `${path} is open read-only`);
    if (this.header.corrupt) throw badImage(path, 'it is damaged and is not written to any more');
  }

  private async commitNow(): Promise<void> {
    this.file.check();
    if (this.unwritten) await this.writeOut(this.unwritten);
    const { frees } = this;
    this.frees = [];
    await this.writeOut({
      counts: this.refcounts.takeChanges(),
      map: this.map.takeChanges(),
      frees,
    });
  }

  private async writeOut(changes: Changes): Promise<void> {
    const { file } = this;
    const { counts, frees } = changes;
    const { tables, entries } = changes.map;
    this.unwritten = changes;
    try {
      await this.writeCounts(counts);
      await file.sync();
      await this.map.cache.write(tables);
      if (tables.length > 0 && entries.length > 0) await file.sync();
      for (const { offset, bytes } of entries) await file.write(offset, bytes);
      if (tables.length > 0 || entries.length > 0) await file.sync();
    } catch (cause) {
      const isFull = cause instanceof ImageError && cause.code === 'NO_SPACE';
      if (file.isBroken || isFull) throw cause;
      throw file.breakOff('its tables could not be written', cause);
    }
    this.unwritten = undefined;
    this.refcounts.cache.written(counts.blocks);
    this.map.cache.written(tables);
    if (counts.moved) frees.push(counts.moved.old);
    if (frees.length > 0) await this.metadata.run(() => this.dropReferences(frees));
  }

  private async writeCounts({ blocks, entries, moved }: RefcountChanges): Promise<void> {
    await this.refcounts.cache.write(blocks);
    if (entries.length > 0) await this.file.sync();
    for (const { offset, bytes } of entries) await this.file.write(offset, bytes);
    if (!moved) return;
    await this.file.write(moved.offset, moved.bytes);
    await this.file.sync();
    await this.patchHeader([
      { offset: 48, bits: 64, value: moved.offset },
      { offset: 56, bits: 32, value: moved.clusters },
    ]);
  }

  /** Under the metadata lock. */
  async dropReferences(runs: readonly Run[]): Promise<void> {
    const free: number[] = [];
    for (const run of runs) await this.refcounts.adjust(run, -1, (cluster) => free.push(cluster));
    await this.freed(free);
  }

  /** Clusters have no references any more: they are holes of the file before anybody gets them again. Under the metadata lock. */
  async freed(free: readonly number[]): Promise<void> {
    const { clusterBytes } = this.header;
    let hole = { first: 0, count: 0 };
    const punch = async (): Promise<void> => {
      if (hole.count === 0) return;
      await this.file.punchHole(hole.first * clusterBytes, hole.count * clusterBytes);
    };
    for (const cluster of free) {
      this.metadataMap.remove(cluster);
      this.map.cache.forget(cluster * clusterBytes);
      if (!this.file.canPunch) continue;
      if (cluster !== hole.first + hole.count) {
        await punch();
        hole = { first: cluster, count: 0 };
      }
      hole = { first: hole.first, count: hole.count + 1 };
    }
    await punch();
  }
}
