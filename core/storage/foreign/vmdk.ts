/**
 * VMDK images of VMware in one file: "Virtual Disk Format 5.0", hosted sparse extents (monolithicSparse) and
 * streamOptimized ones. Missing: flat extents, disks of several files, parents.
 */
import { CompressionError, type CompressionHost } from '../../host';
import { decodeUtf8, readU64Le, viewOf } from '../bytes';
import { ImageError } from '../image';
import { badImage, type ImageFile } from '../image-file';
import { checkForeignSize, dataPlace, type BlockLayout, type Place } from './block-image';

const SECTOR = 512;
const HEADER_BYTES = 512;
/** 'KDMV'. */
const SPARSE_MAGICNUMBER = 0x564d444b;
const DESCRIPTOR_MAGIC = '# Disk DescriptorFile';
const FLAG_ZEROED_GRAIN = 1 << 2;
const FLAG_COMPRESSED = 1 << 16;
/** The grain directory is where the footer says. */
const GD_AT_END = 2 ** 64 - 1;
const COMPRESSION_DEFLATE = 1;
const GTE_ZEROED = 1;
const MAX_GRAIN_SECTORS = 8192;
const MAX_GT_ENTRIES = 4096;
const MAX_DESCRIPTOR_BYTES = 64 << 10;
const MAX_GD_BYTES = 32 << 20;
/** Grain tables kept in memory. */
const KEPT_TABLES = 1024;
/** Head of a compressed grain: its first sector (64 bits) and the length of what follows. */
const GRAIN_MARKER_BYTES = 12;

interface SparseHeader {
  readonly flags: number;
  readonly capacity: number;
  readonly grainSectors: number;
  readonly descriptorOffset: number;
  readonly descriptorSectors: number;
  readonly entriesPerTable: number;
  readonly gdOffset: number;
  readonly compression: number;
}

async function readHeader(file: ImageFile, offset: number): Promise<SparseHeader | undefined> {
  const view = viewOf(await file.read(offset, HEADER_BYTES));
  if (view.getUint32(0, true) !== SPARSE_MAGICNUMBER) return undefined;
  return {
    flags: view.getUint32(8, true),
    capacity: readU64Le(view, 12),
    grainSectors: readU64Le(view, 20),
    descriptorOffset: readU64Le(view, 28),
    descriptorSectors: readU64Le(view, 36),
    entriesPerTable: view.getUint32(44, true),
    gdOffset: readU64Le(view, 56),
    compression: view.getUint16(77, true),
  };
}

/** The text inside says whether the disk is whole in this file. */
async function checkDescriptor(file: ImageFile, header: SparseHeader): Promise<void> {
  const { path } = file;
  const offset = header.descriptorOffset * SECTOR;
  const length = header.descriptorSectors * SECTOR;
  if (offset === 0 || length === 0 || length > MAX_DESCRIPTOR_BYTES || offset + length > file.end)
    throw badImage(path, 'it is one extent of a VMDK disk of several files; merge them first');
  const text = decodeUtf8(await file.read(offset, length));
  const type = /^createType\s*=\s*"(.*)"\s*$/m.exec(text)?.[1] ?? '';
  if (type !== 'monolithicSparse' && type !== 'streamOptimized')
    throw badImage(path, `VMDK disks of the type ${JSON.stringify(type)} cannot be read`);
  const parent = /^parentCID\s*=\s*([0-9a-f]+)\s*$/im.exec(text)?.[1] ?? 'ffffffff';
  if (!/^f{8}$/i.test(parent))
    throw badImage(path, 'it is a VMDK that needs its parent; clone it to one file first');
}

function checkHeader(path: string, header: SparseHeader): void {
  const { grainSectors, entriesPerTable, capacity, compression, flags } = header;
  checkForeignSize(path, capacity * SECTOR);
  const isPower = Number.isInteger(Math.log2(grainSectors));
  if (!isPower || grainSectors < 1 || grainSectors > MAX_GRAIN_SECTORS)
    throw badImage(path, `VMDK grains of ${grainSectors} sectors are not possible`);
  if (entriesPerTable < 1 || entriesPerTable > MAX_GT_ENTRIES)
    throw badImage(path, `VMDK tables of ${entriesPerTable} entries are not possible`);
  if (flags & FLAG_COMPRESSED && compression !== COMPRESSION_DEFLATE)
    throw badImage(path, `its compression (${compression}) is not known`);
}

export async function readVmdk(
  file: ImageFile,
  compression: CompressionHost | undefined,
): Promise<BlockLayout> {
  const { path } = file;
  const first = await readHeader(file, 0);
  if (!first) {
    const start = decodeUtf8(await file.read(0, DESCRIPTOR_MAGIC.length));
    throw start === DESCRIPTOR_MAGIC
      ? badImage(
          path,
          'it only describes a VMDK disk whose data lie in other files; merge them first',
        )
      : badImage(path, 'it is not a VMDK image; name the right format');
  }
  await checkDescriptor(file, first);
  // The footer is followed by the end-of-stream marker, one sector each.
  const header =
    first.gdOffset === GD_AT_END ? await readHeader(file, file.end - 2 * SECTOR) : first;
  if (!header || header.gdOffset === GD_AT_END)
    throw badImage(path, 'the footer of the stream-optimised VMDK is missing: it is cut off');
  checkHeader(path, header);
  return readTables(file, header, compression);
}

async function readTables(
  file: ImageFile,
  header: SparseHeader,
  compression: CompressionHost | undefined,
): Promise<BlockLayout> {
  const { path } = file;
  const { entriesPerTable, capacity, grainSectors } = header;
  const grainBytes = grainSectors * SECTOR;
  const tables = Math.ceil(Math.ceil(capacity / grainSectors) / entriesPerTable);
  const gdOffset = header.gdOffset * SECTOR;
  if (tables * 4 > MAX_GD_BYTES || gdOffset < HEADER_BYTES || gdOffset + tables * 4 > file.end)
    throw badImage(path, 'its grain directory is damaged or cut off');
  const directory = viewOf(await file.read(gdOffset, tables * 4));
  const kept = new Map<number, DataView>();
  const table = async (index: number): Promise<DataView | undefined> => {
    const sector = directory.getUint32(index * 4, true);
    if (sector === 0) return undefined;
    const known = kept.get(index);
    if (known) return known;
    if (sector * SECTOR + entriesPerTable * 4 > file.end)
      throw badImage(path, `grain table ${index} lies behind the end of the file`);
    const read = viewOf(await file.read(sector * SECTOR, entriesPerTable * 4));
    if (kept.size >= KEPT_TABLES) kept.clear();
    kept.set(index, read);
    return read;
  };
  const packed = (grain: number, offset: number): Place => ({
    kind: 'packed',
    read: () => expand(file, compression, offset, grain * grainSectors, grainBytes),
  });
  return {
    format: 'VMDK',
    sizeBytes: capacity * SECTOR,
    blockBytes: grainBytes,
    absentRun: (grain) =>
      directory.getUint32(Math.floor(grain / entriesPerTable) * 4, true) === 0
        ? entriesPerTable - (grain % entriesPerTable)
        : 0,
    locate: async (grain) => {
      const entries = await table(Math.floor(grain / entriesPerTable));
      const sector = entries?.getUint32((grain % entriesPerTable) * 4, true) ?? 0;
      const zeroed = sector === GTE_ZEROED && (header.flags & FLAG_ZEROED_GRAIN) !== 0;
      if (sector === 0 || zeroed) return { kind: 'zero' };
      const offset = sector * SECTOR;
      if (header.flags & FLAG_COMPRESSED) return packed(grain, offset);
      return dataPlace(file, `grain ${grain}`, offset, grainBytes);
    },
  };
}

async function expand(
  file: ImageFile,
  compression: CompressionHost | undefined,
  offset: number,
  lba: number,
  grainBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { path } = file;
  if (!compression)
    throw new ImageError('UNREADABLE', path, `${path}: compressed grains cannot be read here`);
  const marker = viewOf(await file.read(offset, GRAIN_MARKER_BYTES));
  const length = marker.getUint32(8, true);
  const possible =
    readU64Le(marker, 0) === lba &&
    length <= 2 * grainBytes + SECTOR &&
    offset + GRAIN_MARKER_BYTES + length <= file.end;
  if (!possible) throw badImage(path, `the compressed grain at ${offset} of the file is damaged`);
  try {
    const data = await file.read(offset + GRAIN_MARKER_BYTES, length);
    return await compression.inflate(data, grainBytes);
  } catch (cause) {
    if (cause instanceof CompressionError)
      throw badImage(path, `the compressed grain at ${offset} of the file is damaged`);
    throw cause;
  }
}
