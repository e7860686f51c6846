/** VDI images of VirtualBox, version 1.1: VirtualBox's VDICore.h. Missing: differencing images. */
import { readU64Le, viewOf } from '../bytes';
import { badImage, type ImageFile } from '../image-file';
import { checkForeignSize, dataPlace, type BlockLayout } from './block-image';

const HEADER_BYTES = 512;
const VDI_SIGNATURE = 0xbeda107f;
const VDI_VERSION_1_1 = 0x00010001;
const VDI_TYPE_DYNAMIC = 1;
const VDI_TYPE_STATIC = 2;
/** Entries of the block map that are no block: never written, and discarded. */
const VDI_UNALLOCATED = 0xffffffff;
const VDI_DISCARDED = 0xfffffffe;
const MIN_BLOCK_BYTES = 4096;
const MAX_BLOCK_BYTES = 256 << 20;

export async function readVdi(file: ImageFile): Promise<BlockLayout> {
  const { path } = file;
  const header = viewOf(await file.read(0, HEADER_BYTES));
  if (header.getUint32(0x40, true) !== VDI_SIGNATURE)
    throw badImage(path, 'it is not a VDI image; name the right format');
  if (header.getUint32(0x44, true) !== VDI_VERSION_1_1)
    throw badImage(path, 'its version of VDI is not known');
  const type = header.getUint32(0x4c, true);
  if (type !== VDI_TYPE_DYNAMIC && type !== VDI_TYPE_STATIC)
    throw badImage(
      path,
      'it is a differencing VDI, which needs its parent; clone it to one file first',
    );
  const mapOffset = header.getUint32(0x154, true);
  const dataOffset = header.getUint32(0x158, true);
  const sizeBytes = readU64Le(header, 0x170);
  const blockBytes = header.getUint32(0x178, true);
  const extraBytes = header.getUint32(0x17c, true);
  const blocks = header.getUint32(0x180, true);
  checkForeignSize(path, sizeBytes);
  const isPower = Number.isInteger(Math.log2(blockBytes));
  if (!isPower || blockBytes < MIN_BLOCK_BYTES || blockBytes > MAX_BLOCK_BYTES)
    throw badImage(path, `VDI blocks of ${blockBytes} bytes are not possible`);
  if (header.getUint32(0x168, true) !== 512 || extraBytes % 512 !== 0)
    throw badImage(path, 'its header is damaged');
  if (blocks < Math.ceil(sizeBytes / blockBytes))
    throw badImage(path, 'its block map is too small');
  const used = Math.ceil(sizeBytes / blockBytes);
  if (mapOffset < HEADER_BYTES || mapOffset + used * 4 > file.end || dataOffset < HEADER_BYTES)
    throw badImage(path, 'its block map is damaged or cut off');
  const map = viewOf(await file.read(mapOffset, used * 4));
  return {
    format: 'VDI',
    sizeBytes,
    blockBytes,
    locate: async (block) => {
      const entry = map.getUint32(block * 4, true);
      if (entry === VDI_UNALLOCATED || entry === VDI_DISCARDED) return { kind: 'zero' };
      const offset = dataOffset + entry * (blockBytes + extraBytes) + extraBytes;
      return dataPlace(file, `block ${block}`, offset, blockBytes);
    },
  };
}
