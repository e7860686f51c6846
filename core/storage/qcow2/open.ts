/** Opening a qcow2 image: header, checks before the first write, tables. */
import { viewOf } from '../bytes';
import type { DiskImage, ImageHost, OpenImageOptions } from '../image';
import { badImage, ImageFile } from '../image-file';
import { outdateBitmaps, readBitmaps, BME_FLAG_AUTO, BME_FLAG_IN_USE } from './bitmap-directory';
import { examine } from './check';
import { ClusterMap } from './cluster-map';
import { Decompressor } from './decompress';
import {
  AUTOCLEAR_BITMAPS,
  HEADER_AUTOCLEAR,
  HEADER_READ_BYTES,
  parseHeader,
  type Qcow2Header,
} from './header';
import { Qcow2Image } from './image';
import { MetadataMap } from './metadata-map';
import { Refcounts } from './refcounts';
import { dropLeaks, mendFlags, rebuildRefcounts } from './repair';
import { readSnapshots } from './snapshot-table';
import { HEADER_SECTOR_BYTES, Qcow2State } from './state';
import { l2TableBytes } from './survey';

/** Memory for L2 tables and for refcount blocks; at least `MIN_TABLES` of each. */
const CACHE_BYTES = 16 << 20;
const MIN_TABLES = 8;
/** An image is checked as it is opened for writing when its L2 tables are no larger: 512 GiB of clusters of 64 KiB. */
const MAX_CHECK_BYTES = 64 << 20;

/** Opens the file that the header names behind this one; null when the image has none. */
export type OpenBacking = (header: Qcow2Header, file: ImageFile) => Promise<DiskImage | null>;

export async function readHeader(file: ImageFile): Promise<Qcow2Header> {
  const bytes = await file.read(0, Math.min(HEADER_READ_BYTES, file.end));
  return parseHeader(file.path, bytes, file.end);
}

export async function openQcow2(
  host: ImageHost,
  options: OpenImageOptions,
  openBacking: OpenBacking,
): Promise<Qcow2Image> {
  const file = await ImageFile.open(host, options);
  let backing: DiskImage | null = null;
  try {
    const header = await readHeader(file);
    backing = await openBacking(header, file);
    const metadata = options.readOnly
      ? new MetadataMap(new Float64Array(0))
      : await prepareForWriting(file, header);
    const state = await loadState(file, header, metadata);
    await clearUnknownBits(state);
    return new Qcow2Image(
      state,
      new Decompressor(file, header, host.compression),
      backing,
      await firstWrite(file, header),
    );
  } catch (cause) {
    await backing?.close();
    await file.close();
    throw cause;
  }
}

async function loadState(
  file: ImageFile,
  header: Qcow2Header,
  metadata: MetadataMap,
): Promise<Qcow2State> {
  const tables = Math.max(MIN_TABLES, Math.floor(CACHE_BYTES / header.clusterBytes));
  const l1 = await file.read(header.l1Offset, header.l1Entries * 8);
  const reftable = file.readOnly ? new Float64Array(0) : await Refcounts.loadTable(file, header);
  return new Qcow2State({
    file,
    header,
    sector: await file.read(0, HEADER_SECTOR_BYTES),
    refcounts: new Refcounts(file, header, metadata, reftable, tables),
    map: new ClusterMap(file, header, metadata, l1, tables),
    metadata,
  });
}

/** Finds where the tables are, and sees to it that writing cannot do harm: a damaged image is not opened for it. */
async function prepareForWriting(file: ImageFile, header: Qcow2Header): Promise<MetadataMap> {
  const { path } = file;
  if (header.corrupt)
    throw badImage(
      path,
      `it is marked as damaged; repair it first: domus disk check --repair ${path}`,
    );
  if (!header.dirty && (await l2TableBytes(file, header)) > MAX_CHECK_BYTES)
    return quickMap(file, header);
  let found = await examine(file, header, header.snapshotCount > 0);
  if (header.dirty && found.problems.count === found.tooLow + found.wrongFlags) {
    await rebuildRefcounts(file, header);
    found = await examine(file, header, true);
    await mendFlags(file, header, found.references);
  }
  if (found.problems.count > found.wrongFlags)
    throw badImage(
      path,
      `it is damaged (${found.problems.told[0] ?? ''}); repair it first: domus disk check --repair ${path}`,
    );
  if (found.leakedClusters > 0) await dropLeaks(file, header, found);
  if (found.leakedClusters > 0 || found.wrongFlags > 0)
    await mendFlags(file, header, found.references);
  const blocks = [...found.reftable].filter((offset) => offset !== 0);
  const tables = Float64Array.from([
    ...found.l2References.keys(),
    ...blocks.map((offset) => offset / header.clusterBytes),
  ]).sort();
  const metadata = new MetadataMap(tables);
  nameRanges(metadata, header, found.snapshotTableBytes);
  found.snapshots.forEach(({ l1Offset, l1Entries }) =>
    nameRange(
      metadata,
      header,
      `the L1 table of a snapshot at ${l1Offset}`,
      l1Offset,
      l1Entries * 8,
    ),
  );
  return metadata;
}

/** For very large images: where the tables of the active disk are, without looking into them. */
async function quickMap(file: ImageFile, header: Qcow2Header): Promise<MetadataMap> {
  const clusters: number[] = [];
  const view = viewOf(await file.read(header.l1Offset, header.l1Entries * 8));
  for (let i = 0; i < header.l1Entries; i++) {
    const offset =
      (view.getUint32(i * 8) & 0x00ffffff) * 2 ** 32 + ((view.getUint32(i * 8 + 4) & ~0x1ff) >>> 0);
    if (offset !== 0) clusters.push(offset / header.clusterBytes);
  }
  for (const offset of await Refcounts.loadTable(file, header))
    if (offset !== 0) clusters.push(offset / header.clusterBytes);
  const metadata = new MetadataMap(Float64Array.from(clusters).sort());
  const { snapshots, tableBytes } = await readSnapshots(file, header);
  nameRanges(metadata, header, tableBytes);
  for (const { l1Offset, l1Entries } of snapshots)
    nameRange(
      metadata,
      header,
      `the L1 table of a snapshot at ${l1Offset}`,
      l1Offset,
      l1Entries * 8,
    );
  return metadata;
}

export function nameRange(
  metadata: MetadataMap,
  header: Qcow2Header,
  what: string,
  offset: number,
  length: number,
): void {
  const clusters = Math.ceil(length / header.clusterBytes);
  metadata.setRange(what, offset / header.clusterBytes, clusters);
}

function nameRanges(metadata: MetadataMap, header: Qcow2Header, snapshotBytes: number): void {
  const { clusterBytes, bitmaps } = header;
  nameRange(metadata, header, 'the header', 0, clusterBytes);
  nameRange(metadata, header, 'the L1 table', header.l1Offset, header.l1Entries * 8);
  nameRange(
    metadata,
    header,
    'the reference count table',
    header.reftableOffset,
    header.reftableClusters * clusterBytes,
  );
  nameRange(metadata, header, 'the snapshot table', header.snapshotOffset, snapshotBytes);
  if (bitmaps)
    nameRange(
      metadata,
      header,
      'the bitmap directory',
      bitmaps.directoryOffset,
      bitmaps.directoryBytes,
    );
}

/** Autoclear bits that are not known here stand for data that writing would make stale. */
async function clearUnknownBits(state: Qcow2State): Promise<void> {
  const { file, header } = state;
  if (file.readOnly || !header.unknownAutoclear) return;
  header.autoclear &= AUTOCLEAR_BITMAPS;
  await state.patchHeader([{ offset: HEADER_AUTOCLEAR, bits: 64, value: header.autoclear }]);
}

/** What to do before the first write, if anything. */
async function firstWrite(
  file: ImageFile,
  header: Qcow2Header,
): Promise<(() => Promise<void>) | null> {
  if (file.readOnly) return null;
  const bitmaps = await readBitmaps(file, header);
  const recording = bitmaps.some(
    ({ flags }) => flags & BME_FLAG_AUTO && !(flags & BME_FLAG_IN_USE),
  );
  return recording ? () => outdateBitmaps(file, header) : null;
}
