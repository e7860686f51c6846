/** The directory of dirty bitmaps, qcow2.rst "Bitmaps". Bitmaps are kept; those that should record writes are marked as outdated. */
import { decodeUtf8, readU64, roundUp, viewOf } from '../bytes';
import { badImage, type ImageFile } from '../image-file';
import { checkTable, type Qcow2Header } from './header';

const ENTRY_BYTES = 24;
/** Flags of an entry. */
export const BME_FLAG_IN_USE = 1 << 0;
export const BME_FLAG_AUTO = 1 << 1;
const BME_TABLE_RESERVED_LOW = 0x1fe;
/** Entries of all bitmap tables together: bounds what is read of them. */
const MAX_TABLE_ENTRIES = 1 << 22;

export interface DirtyBitmap {
  readonly name: string;
  readonly flags: number;
  readonly granularityBytes: number;
  /** Where the flags are in the file. */
  readonly flagsOffset: number;
  readonly tableOffset: number;
  readonly tableEntries: number;
}

export async function readBitmaps(file: ImageFile, header: Qcow2Header): Promise<DirtyBitmap[]> {
  const { bitmaps: extension } = header;
  if (!extension) return [];
  const { path } = file;
  const bytes = await file.read(extension.directoryOffset, extension.directoryBytes);
  const view = viewOf(bytes);
  const bitmaps: DirtyBitmap[] = [];
  let allEntries = 0;
  for (let at = 0; bitmaps.length < extension.count;) {
    if (at + ENTRY_BYTES > bytes.length) throw badImage(path, 'its bitmap directory is damaged');
    const nameBytes = view.getUint16(at + 18);
    const extraBytes = view.getUint32(at + 20);
    const length = roundUp(ENTRY_BYTES + extraBytes + nameBytes, 8);
    const granularityBits = view.getUint8(at + 17);
    if (at + length > bytes.length || granularityBits < 9 || granularityBits > 31)
      throw badImage(path, 'its bitmap directory is damaged');
    const tableOffset = readU64(view, at);
    const tableEntries = view.getUint32(at + 8);
    allEntries += tableEntries;
    if (allEntries > MAX_TABLE_ENTRIES) throw badImage(path, 'its bitmap tables are too large');
    checkTable(path, 'bitmap table', header, file.end, tableOffset, tableEntries * 8);
    const name = at + ENTRY_BYTES + extraBytes;
    bitmaps.push({
      name: decodeUtf8(bytes.subarray(name, name + nameBytes)),
      flags: view.getUint32(at + 12),
      granularityBytes: 2 ** granularityBits,
      flagsOffset: extension.directoryOffset + at + 12,
      tableOffset,
      tableEntries,
    });
    at += length;
  }
  return bitmaps;
}

/** Offsets of the clusters that hold a bitmap's bits. */
export async function bitmapClusters(
  file: ImageFile,
  header: Qcow2Header,
  bitmap: DirtyBitmap,
): Promise<number[]> {
  const offsets: number[] = [];
  const view = viewOf(await file.read(bitmap.tableOffset, bitmap.tableEntries * 8));
  for (let i = 0; i < bitmap.tableEntries; i++) {
    const high = view.getUint32(i * 8);
    const low = view.getUint32(i * 8 + 4);
    const offset = (high & 0x00ffffff) * 2 ** 32 + ((low & 0xfffffe00) >>> 0);
    if (offset === 0) continue;
    if (low & BME_TABLE_RESERVED_LOW || offset % header.clusterBytes !== 0 || offset >= file.end)
      throw badImage(file.path, `the bitmap ${JSON.stringify(bitmap.name)} is damaged`);
    offsets.push(offset);
  }
  return offsets;
}

/** Marks bitmaps that should record writes as outdated: writes are not recorded here. Durable afterwards. */
export async function outdateBitmaps(file: ImageFile, header: Qcow2Header): Promise<void> {
  let changed = false;
  for (const { flags, flagsOffset } of await readBitmaps(file, header)) {
    if (!(flags & BME_FLAG_AUTO) || flags & BME_FLAG_IN_USE) continue;
    const bytes = new Uint8Array(4);
    viewOf(bytes).setUint32(0, flags | BME_FLAG_IN_USE);
    await file.write(flagsOffset, bytes);
    changed = true;
  }
  if (changed) await file.sync();
}
