/** A qcow2 image as a disk: reads, writes, zeros and discards of the guest. */
import { isZero, zeros } from '../bytes';
import { ImageError, SECTOR_BYTES, type DiskImage, type ImageExtent } from '../image';
import { checkRange } from '../image-file';
import type { Decompressor } from './decompress';
import { QCOW_OFLAG_ZERO, type Mapping } from './entry';
import type { Qcow2State } from './state';

/** Longest stretch that is allocated and written at once. */
const MAX_PIECE_BYTES = 4 << 20;
/** Entries that one step of a discard looks at. */
const MAX_STEP_CLUSTERS = 8192;

function isInPlace(mapping: Mapping): mapping is Extract<Mapping, { kind: 'data' }> {
  return mapping.kind === 'data' && mapping.copied;
}

export class Qcow2Image implements DiskImage {
  private readonly clusterBytes: number;

  constructor(
    /** For the operations on whole images in this folder. */
    readonly state: Qcow2State,
    private readonly decompressor: Decompressor,
    private readonly backing: DiskImage | null,
    /** Called before the first change of what the guest sees. */
    private beforeFirstWrite: (() => Promise<void>) | null,
  ) {
    this.clusterBytes = state.header.clusterBytes;
  }

  get path(): string {
    return this.state.file.path;
  }

  get readOnly(): boolean {
    return this.state.file.readOnly;
  }

  get sizeBytes(): number {
    const { sizeBytes } = this.state.header;
    return sizeBytes - (sizeBytes % SECTOR_BYTES);
  }

  get backingImage(): DiskImage | null {
    return this.backing;
  }

  /** Comes before every change of what the guest sees. */
  async prepareChange(): Promise<void> {
    if (!this.beforeFirstWrite) return;
    await this.state.metadata.run(async () => {
      await this.beforeFirstWrite?.();
      this.beforeFirstWrite = null;
    });
  }

  /** Zeros a range for an operation that holds the whole image. */
  zeroWithin(offset: number, length: number): Promise<void> {
    return this.zero(offset, length, 'zeros');
  }

  /** Other clusters may be where compressed ones were. */
  forgetExpanded(): void {
    this.decompressor.clear();
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    this.check(offset, length);
    const bytes = new Uint8Array(length);
    if (length === 0) return bytes;
    const release = await this.lock(offset, length, false);
    try {
      for (let done = 0; done < length;) done += await this.readPiece(offset + done, bytes, done);
      return bytes;
    } finally {
      release();
    }
  }

  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.change(offset, bytes.length, async () => {
      for (let done = 0; done < bytes.length;)
        done += await this.writePiece(offset + done, bytes.subarray(done));
    });
  }

  writeZeroes(offset: number, length: number): Promise<void> {
    return this.change(offset, length, () => this.zero(offset, length, 'zeros'));
  }

  discard(offset: number, length: number): Promise<void> {
    if (this.readOnly) return Promise.resolve(this.check(offset, length));
    return this.change(offset, length, () => this.zero(offset, length, 'discard'));
  }

  async extent(offset: number, length: number): Promise<ImageExtent> {
    this.check(offset, length);
    const { map } = this.state;
    const cluster = Math.floor(offset / this.clusterBytes);
    const end = Math.min(offset + length, this.sizeBytes);
    const count = Math.ceil(end / this.clusterBytes) - cluster;
    const mappings = await map.lookupRun(cluster, Math.min(count, MAX_STEP_CLUSTERS));
    const kind = this.extentKind(mappings[0]);
    let run = 1;
    while (run < mappings.length && this.extentKind(mappings[run]) === kind) run++;
    const piece = Math.min(end, (cluster + run) * this.clusterBytes) - offset;
    if (kind !== 'backing') return { length: piece, zero: kind === 'zero' };
    return this.backingExtent(offset, piece);
  }

  async flush(): Promise<void> {
    this.state.file.check();
    if (this.readOnly) return;
    await this.state.commit();
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly && !this.state.file.isBroken) await this.state.settle();
    } finally {
      try {
        await this.backing?.close();
      } finally {
        await this.state.file.close();
      }
    }
  }

  private check(offset: number, length: number): void {
    this.state.file.check();
    checkRange(this.path, this.sizeBytes, offset, length);
  }

  private lock(offset: number, length: number, exclusive: boolean): Promise<() => void> {
    const first = Math.floor(offset / this.clusterBytes);
    const last = Math.floor((offset + length - 1) / this.clusterBytes);
    return this.state.clusters.acquire(first, last, exclusive);
  }

  /** Runs a change of what the guest sees; damage that it meets ends all writing. */
  private async change(offset: number, length: number, act: () => Promise<void>): Promise<void> {
    this.check(offset, length);
    this.state.checkWritable();
    if (length === 0) return;
    const release = await this.lock(offset, length, true);
    try {
      await this.prepareChange();
      await act();
    } catch (cause) {
      if (cause instanceof ImageError && cause.code === 'BAD' && cause.path === this.path)
        await this.state.markCorrupt();
      throw cause;
    } finally {
      release();
    }
  }

  private extentKind(mapping: Mapping | undefined): 'zero' | 'data' | 'backing' {
    if (mapping?.kind === 'zero') return 'zero';
    if (mapping?.kind !== 'hole') return 'data';
    return this.backing ? 'backing' : 'zero';
  }

  private async backingExtent(offset: number, length: number): Promise<ImageExtent> {
    const { backing } = this;
    if (!backing || offset >= backing.sizeBytes) return { length, zero: true };
    const inside = Math.min(length, backing.sizeBytes - offset);
    return backing.extent(offset, inside);
  }

  /** Fills `bytes` from `at` on with the guest's bytes at `offset`; says how many. */
  private async readPiece(
    offset: number,
    bytes: Uint8Array<ArrayBuffer>,
    at: number,
  ): Promise<number> {
    const { clusterBytes } = this;
    const within = offset % clusterBytes;
    const wanted = bytes.length - at;
    const cluster = Math.floor(offset / clusterBytes);
    const count = Math.ceil((within + wanted) / clusterBytes);
    const mappings = await this.state.map.lookupRun(cluster, count);
    let done = 0;
    for (let i = 0; i < mappings.length;) {
      const first = mappings[i] ?? { kind: 'hole' };
      const run = contiguous(mappings, i, clusterBytes);
      const start = i === 0 ? within : 0;
      const length = Math.min(run * clusterBytes - start, wanted - done);
      const target = bytes.subarray(at + done, at + done + length);
      await this.readMapping(first, offset + done, start, target);
      done += length;
      i += run;
    }
    return done;
  }

  /** Fills `target`, which is zeros, from what `mapping` says; `start` is the place in the cluster. */
  private async readMapping(
    mapping: Mapping,
    offset: number,
    start: number,
    target: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    if (mapping.kind === 'data') return this.state.file.readInto(mapping.host + start, target);
    if (mapping.kind === 'compressed') {
      const cluster = await this.decompressor.cluster(mapping.host, mapping.bytes);
      target.set(cluster.subarray(start, start + target.length));
      return;
    }
    if (mapping.kind !== 'hole' || !this.backing) return;
    const inside = Math.min(target.length, this.backing.sizeBytes - offset);
    if (inside > 0) target.set(await this.backing.read(offset, inside));
  }

  /** Writes as much of `bytes` as goes in one way; says how much. */
  private async writePiece(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    const { clusterBytes, state } = this;
    const within = offset % clusterBytes;
    const cluster = Math.floor(offset / clusterBytes);
    const wanted = Math.min(bytes.length, Math.max(MAX_PIECE_BYTES, clusterBytes) - within);
    const mappings = await state.map.lookupRun(
      cluster,
      Math.ceil((within + wanted) / clusterBytes),
    );
    const first = mappings[0];
    if (first && isInPlace(first)) {
      const run = contiguous(mappings, 0, clusterBytes);
      const length = Math.min(run * clusterBytes - within, wanted);
      state.guard(first.host / clusterBytes, run);
      await state.file.write(first.host + within, bytes.subarray(0, length));
      return length;
    }
    let run = 1;
    for (let next = mappings[run]; next && !isInPlace(next); next = mappings[run]) run++;
    const length = Math.min(run * clusterBytes - within, wanted);
    return this.writeNew(offset, mappings.slice(0, run), bytes.subarray(0, length));
  }

  /** Writes to clusters that are not this image's own: into new ones, which the L2 table then refers to. */
  private async writeNew(
    offset: number,
    mappings: readonly Mapping[],
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<number> {
    const { clusterBytes, state } = this;
    if (state.isPressed) await state.commit();
    const run = await state.metadata.run(() => state.refcounts.allocate(mappings.length, false));
    const within = offset % clusterBytes;
    const length = Math.min(bytes.length, run.count * clusterBytes - within);
    const host = run.first * clusterBytes;
    try {
      await this.fillNew(offset, mappings, bytes.subarray(0, length), host);
    } catch (cause) {
      if (!state.file.isBroken) await state.metadata.run(() => state.dropReferences([run]));
      throw cause;
    }
    await this.point(Math.floor(offset / clusterBytes), mappings.slice(0, run.count), (i) => ({
      host: host + i * clusterBytes,
      flags: 0,
    }));
    return length;
  }

  /** Writes new clusters from `host` on: `bytes`, and around them what the guest had there. */
  private async fillNew(
    offset: number,
    mappings: readonly Mapping[],
    bytes: Uint8Array<ArrayBuffer>,
    host: number,
  ): Promise<void> {
    const { clusterBytes, state } = this;
    const within = offset % clusterBytes;
    const end = within + bytes.length;
    const whole = Math.ceil(end / clusterBytes) * clusterBytes;
    if (within === 0 && end === whole) return state.file.write(host, bytes);
    const buffer = new Uint8Array(whole);
    const first = mappings[0];
    const last = mappings[whole / clusterBytes - 1];
    const start = offset - within;
    if (within > 0 && first) await this.readMapping(first, start, 0, buffer.subarray(0, within));
    if (end < whole && last)
      await this.readMapping(last, offset + bytes.length, end % clusterBytes, buffer.subarray(end));
    // Where nothing was written, everything is zeros already.
    const fresh = state.file.isUntouched(host);
    if (fresh && isZero(buffer)) return state.file.write(host + within, bytes);
    buffer.set(bytes, within);
    await state.file.write(host, buffer);
  }

  /** Sets the L2 entries of consecutive clusters of one table and gives back what they referred to. */
  private point(
    cluster: number,
    mappings: readonly Mapping[],
    entry: (index: number) => { host: number; flags: number },
  ): Promise<void> {
    const { state } = this;
    return state.metadata.run(() =>
      state.map.update(
        cluster,
        state.refcounts,
        (run) => state.release(run),
        (table, index) => {
          mappings.forEach((old, i) => {
            const { host, flags } = entry(i);
            state.map.setEntry(table, index + i, host, flags);
            if (old.kind === 'compressed') this.decompressor.clear();
            state.releaseMapping(old);
          });
        },
      ),
    );
  }

  /** `zeros`: all of the range; `discard`: whole clusters of it that are worth it. */
  private async zero(offset: number, length: number, how: 'zeros' | 'discard'): Promise<void> {
    const { clusterBytes } = this;
    const end = offset + length;
    const first = Math.ceil(offset / clusterBytes);
    const last =
      end === this.sizeBytes ? Math.ceil(end / clusterBytes) : Math.floor(end / clusterBytes);
    const byTable = !this.backing || this.state.header.version >= 3;
    if (last <= first || !byTable) {
      if (how === 'zeros') await this.writeZeroBytes(offset, end);
      return;
    }
    if (how === 'zeros') await this.writeZeroBytes(offset, first * clusterBytes);
    for (let cluster = first; cluster < last;)
      cluster += await this.zeroClusters(cluster, last - cluster, how);
    if (how === 'zeros') await this.writeZeroBytes(last * clusterBytes, end);
  }

  /** Zeros clusters of one L2 table by their entries; says how many. */
  private async zeroClusters(
    cluster: number,
    count: number,
    how: 'zeros' | 'discard',
  ): Promise<number> {
    const { state } = this;
    const mappings = await state.map.lookupRun(cluster, Math.min(count, MAX_STEP_CLUSTERS));
    const skip = (mapping: Mapping): boolean =>
      mapping.kind === 'hole' ? !this.backing || how === 'discard' : isBareZero(mapping);
    for (let i = 0; i < mappings.length; i++) {
      let stop = i;
      for (let at = mappings[stop]; at && !skip(at); at = mappings[stop]) stop++;
      if (stop === i) continue;
      if (state.isPressed) await state.commit();
      const flags = this.backing ? QCOW_OFLAG_ZERO : 0;
      await this.point(cluster + i, mappings.slice(i, stop), () => ({ host: 0, flags }));
      i = stop;
    }
    return mappings.length;
  }

  /** Zeros as data, where they are not zeros yet. */
  private async writeZeroBytes(offset: number, end: number): Promise<void> {
    for (let at = offset; at < end;) {
      const { length, zero } = await this.extent(at, end - at);
      const piece = Math.min(length, end - at);
      at += zero ? piece : await this.writePiece(at, zeros(piece));
    }
  }
}

function isBareZero(mapping: Mapping): boolean {
  return mapping.kind === 'zero' && mapping.host === 0;
}

/** How many mappings from `from` on can be read or written as one stretch. */
function contiguous(mappings: readonly Mapping[], from: number, clusterBytes: number): number {
  const first = mappings[from];
  if (!first || first.kind === 'compressed') return 1;
  let run = 1;
  for (let next = mappings[from + run]; next; next = mappings[from + run]) {
    if (next.kind !== first.kind) break;
    if (
      next.kind === 'data' &&
      first.kind === 'data' &&
      (next.host !== first.host + run * clusterBytes || next.copied !== first.copied)
    )
      break;
    run++;
  }
  return run;
}
