/**
 * The header of a qcow2 image, versions 2 and 3, as docs/interop/qcow2.rst of QEMU 9.1 lays it out.
 * Missing: encryption, external data files, extended L2 entries; such images are refused by name.
 */
import { decodeUtf8, readU64, roundUp, viewOf } from '../bytes';
import { MAX_DISK_BYTES } from '../image';
import { badImage } from '../image-file';

/** 'Q', 'F', 'I', 0xfb. */
export const QCOW_MAGIC = 0x514649fb;
export const V2_HEADER_BYTES = 72;
export const V3_HEADER_BYTES = 104;

export const INCOMPAT_DIRTY = 1 << 0;
export const INCOMPAT_CORRUPT = 1 << 1;
export const INCOMPAT_DATA_FILE = 1 << 2;
export const INCOMPAT_COMPRESSION = 1 << 3;
export const INCOMPAT_EXTL2 = 1 << 4;
export const COMPAT_LAZY_REFCOUNTS = 1 << 0;
export const AUTOCLEAR_BITMAPS = 1 << 0;

export const EXT_END = 0;
export const EXT_BACKING_FORMAT = 0xe2792aca;
export const EXT_FEATURE_TABLE = 0x6803f857;
export const EXT_BITMAPS = 0x23852875;
export const EXT_CRYPTO = 0x0537be77;
export const EXT_DATA_FILE = 0x44415441;

/** Byte offsets of header fields that are written while an image is in use. */
export const HEADER_SIZE = 24;
export const HEADER_L1_SIZE = 36;
export const HEADER_L1_OFFSET = 40;
export const HEADER_REFTABLE_OFFSET = 48;
export const HEADER_REFTABLE_CLUSTERS = 56;
export const HEADER_SNAPSHOT_COUNT = 60;
export const HEADER_SNAPSHOT_OFFSET = 64;
export const HEADER_INCOMPATIBLE = 72;
export const HEADER_AUTOCLEAR = 88;

/** Limits on tables before anything is allocated for them (reliability 2.5.4); QEMU's. */
export const MAX_L1_BYTES = 32 << 20;
export const MAX_REFTABLE_BYTES = 8 << 20;
export const MAX_SNAPSHOTS = 65536;
export const MAX_SNAPSHOT_TABLE_BYTES = 64 << 20;
const MAX_BACKING_NAME_BYTES = 1023;
const MAX_BITMAPS = 65535;
const MAX_BITMAP_DIRECTORY_BYTES = 1024 * MAX_BITMAPS;
/** Most of a header that is looked at: fields, extensions and the backing name fit the first cluster, and QEMU's fit 64 KiB. */
export const HEADER_READ_BYTES = 64 << 10;

/** The bitmaps extension. */
export interface BitmapsExtension {
  readonly count: number;
  readonly directoryBytes: number;
  readonly directoryOffset: number;
}

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly clusterBytes: number;
  /** Bits of a reference count are `1 << refcountOrder`. */
  readonly refcountOrder: number;
  readonly compression: 'zlib' | 'zstd';
  readonly lazyRefcounts: boolean;
  /** The name as the image has it; undefined without a backing file. */
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
  readonly bitmaps: BitmapsExtension | undefined;
  /** Types of the extensions that are there, for information. */
  readonly extensions: readonly number[];
  sizeBytes: number;
  l1Entries: number;
  l1Offset: number;
  reftableOffset: number;
  reftableClusters: number;
  snapshotCount: number;
  snapshotOffset: number;
  dirty: boolean;
  corrupt: boolean;
  /** Bits 0..31; those above are nobody's and are cleared with the unknown ones. */
  autoclear: number;
  /** True when an autoclear bit is set that is not known here. */
  readonly unknownAutoclear: boolean;
}

/** Entries of an L2 table. */
export function l2Entries(header: { readonly clusterBytes: number }): number {
  return header.clusterBytes / 8;
}

/** L1 entries that a disk of `sizeBytes` needs. */
export function l1EntriesFor(sizeBytes: number, clusterBytes: number): number {
  return Math.ceil(sizeBytes / clusterBytes / (clusterBytes / 8));
}

const REFUSED: readonly (readonly [bit: number, why: string])[] = [
  [INCOMPAT_DATA_FILE, 'its data lie in another file (external data file), which is never opened'],
  [INCOMPAT_EXTL2, 'it has extended L2 entries (subclusters), which cannot be used'],
];

interface Extensions {
  backingFormat: string | undefined;
  bitmaps: BitmapsExtension | undefined;
  types: number[];
}

/** Reads the header of the file at `path`, whose length is `fileBytes`; throws an `ImageError` that says what is wrong. */
export function parseHeader(path: string, bytes: Uint8Array, fileBytes: number): Qcow2Header {
  const view = viewOf(bytes);
  const bad = (what: string): never => {
    throw badImage(path, what);
  };
  if (bytes.length < V2_HEADER_BYTES || view.getUint32(0) !== QCOW_MAGIC)
    return bad(
      'it is not a qcow2 image; the format of an image is not guessed, name the right one',
    );
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) return bad(`qcow2 version ${version} is not known`);
  const v3 = version === 3;
  if (v3 && bytes.length < V3_HEADER_BYTES) return bad('the qcow2 header is cut off');
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21)
    return bad(`clusters of 2^${clusterBits} bytes are not possible; qcow2 has 512 bytes to 2 MiB`);
  const clusterBytes = 2 ** clusterBits;
  const headerBytes = v3 ? view.getUint32(100) : V2_HEADER_BYTES;
  if (headerBytes < (v3 ? V3_HEADER_BYTES : V2_HEADER_BYTES) || headerBytes > clusterBytes)
    return bad(`a qcow2 header of ${headerBytes} bytes is not possible`);
  if (view.getUint32(32) !== 0) return bad('it is encrypted, which cannot be used');
  const incompatibleHigh = v3 ? view.getUint32(HEADER_INCOMPATIBLE) : 0;
  const incompatible = v3 ? view.getUint32(HEADER_INCOMPATIBLE + 4) : 0;
  for (const [bit, why] of REFUSED) if (incompatible & bit) return bad(why);
  const unknown = incompatible & ~(INCOMPAT_DIRTY | INCOMPAT_CORRUPT | INCOMPAT_COMPRESSION);
  if (unknown !== 0 || incompatibleHigh !== 0)
    return bad('it needs features of qcow2 that are not known here, and is not touched');
  const refcountOrder = v3 ? view.getUint32(96) : 4;
  if (refcountOrder > 6) return bad(`reference counts of 2^${refcountOrder} bits are not possible`);
  const compressionType = v3 && headerBytes > 104 ? (bytes[104] ?? 0) : 0;
  if (compressionType > 1) return bad(`its compression (type ${compressionType}) is not known`);
  if ((compressionType !== 0) !== ((incompatible & INCOMPAT_COMPRESSION) !== 0))
    return bad('its compression type and its feature bits contradict each other');
  const extensions = parseExtensions(path, bytes, headerBytes, clusterBytes);
  const autoclearLow = v3 ? view.getUint32(HEADER_AUTOCLEAR + 4) : 0;
  const header: Qcow2Header = {
    version,
    clusterBits,
    clusterBytes,
    refcountOrder,
    compression: compressionType === 1 ? 'zstd' : 'zlib',
    lazyRefcounts: v3 && (view.getUint32(84) & COMPAT_LAZY_REFCOUNTS) !== 0,
    backingFile: parseBackingName(path, bytes, clusterBytes),
    backingFormat: extensions.backingFormat,
    bitmaps: autoclearLow & AUTOCLEAR_BITMAPS ? extensions.bitmaps : undefined,
    extensions: extensions.types,
    sizeBytes: readU64(view, HEADER_SIZE),
    l1Entries: view.getUint32(HEADER_L1_SIZE),
    l1Offset: readU64(view, HEADER_L1_OFFSET),
    reftableOffset: readU64(view, HEADER_REFTABLE_OFFSET),
    reftableClusters: view.getUint32(HEADER_REFTABLE_CLUSTERS),
    snapshotCount: view.getUint32(HEADER_SNAPSHOT_COUNT),
    snapshotOffset: readU64(view, HEADER_SNAPSHOT_OFFSET),
    dirty: (incompatible & INCOMPAT_DIRTY) !== 0,
    corrupt: (incompatible & INCOMPAT_CORRUPT) !== 0,
    autoclear: autoclearLow,
    unknownAutoclear:
      v3 && (view.getUint32(HEADER_AUTOCLEAR) !== 0 || (autoclearLow & ~AUTOCLEAR_BITMAPS) !== 0),
  };
  checkTables(path, header, fileBytes);
  return header;
}

function parseBackingName(
  path: string,
  bytes: Uint8Array,
  clusterBytes: number,
): string | undefined {
  const view = viewOf(bytes);
  const offset = readU64(view, 8);
  const length = view.getUint32(16);
  if (offset === 0) return undefined;
  if (length === 0 || length > MAX_BACKING_NAME_BYTES)
    throw badImage(path, `a backing file name of ${length} bytes is not possible`);
  if (offset < V2_HEADER_BYTES || offset + length > Math.min(clusterBytes, bytes.length))
    throw badImage(path, 'the name of its backing file does not lie in the header');
  return decodeUtf8(bytes.subarray(offset, offset + length));
}

function parseExtensions(
  path: string,
  bytes: Uint8Array,
  start: number,
  clusterBytes: number,
): Extensions {
  const view = viewOf(bytes);
  const result: Extensions = { backingFormat: undefined, bitmaps: undefined, types: [] };
  const backing = readU64(view, 8);
  const end = Math.min(clusterBytes, bytes.length, backing === 0 ? Infinity : backing);
  for (let at = start; at + 8 <= end;) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === EXT_END) break;
    if (length > end - at - 8)
      throw badImage(path, 'an extension of the qcow2 header is longer than the header');
    const data = bytes.subarray(at + 8, at + 8 + length);
    result.types.push(type);
    if (type === EXT_BACKING_FORMAT) result.backingFormat = decodeUtf8(data);
    else if (type === EXT_BITMAPS) result.bitmaps = parseBitmaps(path, data, clusterBytes);
    else if (type === EXT_CRYPTO) throw badImage(path, 'it is encrypted, which cannot be used');
    else if (type === EXT_DATA_FILE) throw badImage(path, REFUSED[0]?.[1] ?? '');
    at += 8 + roundUp(length, 8);
  }
  return result;
}

function parseBitmaps(path: string, data: Uint8Array, clusterBytes: number): BitmapsExtension {
  if (data.length !== 24) throw badImage(path, 'the bitmaps extension has a wrong length');
  const view = viewOf(data);
  const bitmaps = {
    count: view.getUint32(0),
    directoryBytes: readU64(view, 8),
    directoryOffset: readU64(view, 16),
  };
  const possible =
    bitmaps.count >= 1 &&
    bitmaps.count <= MAX_BITMAPS &&
    view.getUint32(4) === 0 &&
    bitmaps.directoryBytes >= bitmaps.count * 24 &&
    bitmaps.directoryBytes <= MAX_BITMAP_DIRECTORY_BYTES &&
    bitmaps.directoryOffset % clusterBytes === 0;
  if (!possible) throw badImage(path, 'the bitmaps extension of the header is damaged');
  return bitmaps;
}

/** Throws unless a table of `length` bytes at `offset` can be where the header says it is. */
export function checkTable(
  path: string,
  what: string,
  header: { readonly clusterBytes: number },
  fileBytes: number,
  offset: number,
  length: number,
): void {
  const { clusterBytes } = header;
  if (offset % clusterBytes !== 0 || (length > 0 && offset < clusterBytes))
    throw badImage(path, `the ${what} does not lie where a table can be`);
  if (offset + length > roundUp(fileBytes, clusterBytes))
    throw badImage(
      path,
      `the ${what} lies behind the end of the file: the image is cut off or damaged`,
    );
}

function checkTables(path: string, header: Qcow2Header, fileBytes: number): void {
  const { clusterBytes, sizeBytes, l1Entries, reftableClusters, snapshotCount } = header;
  const bad = (what: string): never => {
    throw badImage(path, what);
  };
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes > MAX_DISK_BYTES)
    bad(`its disk is larger than ${MAX_DISK_BYTES / 2 ** 40} TiB`);
  if (l1Entries * 8 > MAX_L1_BYTES) bad('its L1 table is larger than 32 MiB');
  if (l1Entries < l1EntriesFor(sizeBytes, clusterBytes))
    bad('its L1 table is too small for its size');
  if (reftableClusters === 0) bad('it has no reference counts');
  if (reftableClusters * clusterBytes > MAX_REFTABLE_BYTES + clusterBytes)
    bad('its reference count table is larger than 8 MiB');
  if (snapshotCount > MAX_SNAPSHOTS) bad(`it has more than ${MAX_SNAPSHOTS} snapshots`);
  const check = (what: string, offset: number, length: number): void =>
    checkTable(path, what, header, fileBytes, offset, length);
  check('L1 table', header.l1Offset, l1Entries * 8);
  check('reference count table', header.reftableOffset, reftableClusters * clusterBytes);
  if (snapshotCount > 0) check('snapshot table', header.snapshotOffset, 40 * snapshotCount);
  if (header.bitmaps)
    check('bitmap directory', header.bitmaps.directoryOffset, header.bitmaps.directoryBytes);
}
