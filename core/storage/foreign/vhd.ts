/**
 * VHD images of Virtual PC and Hyper-V: "Virtual Hard Disk Image Format Specification" 1.0, fixed and dynamic disks.
 * Missing: differencing disks. Sector bitmaps are not looked at: sectors of a block that were not written are zeros.
 */
import { readU64, viewOf } from '../bytes';
import { badImage, type ImageFile } from '../image-file';
import { checkForeignSize, dataPlace, type BlockLayout } from './block-image';

const FOOTER_BYTES = 512;
const HEADER_BYTES = 1024;
const FOOTER_COOKIE = 0x636f6e6563746978; // 'conectix'
const HEADER_COOKIE = 0x6378737061727365; // 'cxsparse'
const DISK_TYPE_FIXED = 2;
const DISK_TYPE_DYNAMIC = 3;
const DISK_TYPE_DIFFERENCING = 4;
const BAT_UNUSED = 0xffffffff;
const MIN_BLOCK_BYTES = 512 << 10;
const MAX_BLOCK_BYTES = 256 << 20;

/** One's complement of the sum of all bytes but the checksum's own. */
function checksum(bytes: Uint8Array, at: number): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) if (i < at || i >= at + 4) sum += bytes[i] ?? 0;
  return ~sum >>> 0;
}

/** The footer at `offset`; undefined when there is none. */
async function readFooter(file: ImageFile, offset: number): Promise<DataView | undefined> {
  if (offset < 0) return undefined;
  const bytes = await file.read(offset, FOOTER_BYTES);
  const view = viewOf(bytes);
  if (readU64(view, 0) !== FOOTER_COOKIE) return undefined;
  return view.getUint32(64) === checksum(bytes, 64) ? view : undefined;
}

export async function readVhd(file: ImageFile): Promise<BlockLayout> {
  const { path } = file;
  // The copy at the start counts when the footer at the end is lost, as the specification says.
  const footer = (await readFooter(file, file.end - FOOTER_BYTES)) ?? (await readFooter(file, 0));
  if (!footer)
    throw badImage(path, 'it is not a VHD image, or its footer is damaged; name the right format');
  const sizeBytes = readU64(footer, 48);
  const diskType = footer.getUint32(60);
  checkForeignSize(path, sizeBytes);
  if (diskType === DISK_TYPE_FIXED) {
    if (sizeBytes > file.end - FOOTER_BYTES) throw badImage(path, 'it is cut off');
    const blockBytes = 1 << 20;
    return {
      format: 'VHD',
      sizeBytes,
      blockBytes,
      locate: async (block) => ({ kind: 'data', offset: block * blockBytes }),
    };
  }
  if (diskType === DISK_TYPE_DIFFERENCING)
    throw badImage(path, 'it is a differencing VHD, which needs its parent; merge them first');
  if (diskType !== DISK_TYPE_DYNAMIC)
    throw badImage(path, `its VHD disk type ${diskType} is not known`);
  return readDynamic(file, sizeBytes, readU64(footer, 16));
}

async function readDynamic(
  file: ImageFile,
  sizeBytes: number,
  headerOffset: number,
): Promise<BlockLayout> {
  const { path } = file;
  if (headerOffset + HEADER_BYTES > file.end) throw badImage(path, 'it is cut off');
  const bytes = await file.read(headerOffset, HEADER_BYTES);
  const header = viewOf(bytes);
  if (readU64(header, 0) !== HEADER_COOKIE || header.getUint32(36) !== checksum(bytes, 36))
    throw badImage(path, 'the header of the dynamic VHD is damaged');
  const tableOffset = readU64(header, 16);
  const entries = header.getUint32(28);
  const blockBytes = header.getUint32(32);
  const isPower = Number.isInteger(Math.log2(blockBytes));
  if (!isPower || blockBytes < MIN_BLOCK_BYTES || blockBytes > MAX_BLOCK_BYTES)
    throw badImage(path, `VHD blocks of ${blockBytes} bytes are not possible`);
  const blocks = Math.ceil(sizeBytes / blockBytes);
  if (entries < blocks || tableOffset + blocks * 4 > file.end)
    throw badImage(path, 'its block allocation table is damaged or cut off');
  const table = viewOf(await file.read(tableOffset, blocks * 4));
  const bitmapBytes = Math.ceil(blockBytes / 512 / 8 / 512) * 512;
  return {
    format: 'VHD',
    sizeBytes,
    blockBytes,
    locate: async (block) => {
      const sector = table.getUint32(block * 4);
      if (sector === BAT_UNUSED) return { kind: 'zero' };
      return dataPlace(file, `block ${block}`, sector * 512 + bitmapBytes, blockBytes);
    },
  };
}
