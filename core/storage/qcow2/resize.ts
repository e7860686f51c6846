/** A larger disk in the same image. */
import { badImage, checkSize } from '../image-file';
import { l1EntriesFor, MAX_L1_BYTES } from './header';
import type { Qcow2Image } from './image';
import { patchL1 } from './snapshots';
import { writeTable } from './tree';

/** Makes the disk larger; the new part reads as zeros, whatever lies below it. */
export function growQcow2(image: Qcow2Image, sizeBytes: number): Promise<void> {
  const { state } = image;
  const { header, file } = state;
  const { path } = file;
  checkSize(path, sizeBytes);
  return state.exclusive(async () => {
    state.checkWritable();
    const before = header.sizeBytes;
    if (sizeBytes < before)
      throw badImage(path, `its disk has ${before} bytes already; a disk is never made smaller`);
    if (header.bitmaps) throw badImage(path, 'it has dirty bitmaps of its size; remove them first');
    if (header.version < 3 && header.snapshotCount > 0)
      throw badImage(path, 'it has snapshots, and qcow2 version 2 does not keep their sizes');
    await state.settle();
    await growL1(image, l1EntriesFor(sizeBytes, header.clusterBytes));
    const below = Math.min(image.backingImage?.sizeBytes ?? 0, sizeBytes);
    header.sizeBytes = sizeBytes;
    try {
      if (below > before) await image.zeroWithin(before, below - before);
      await state.settle();
    } catch (cause) {
      header.sizeBytes = before;
      throw cause;
    }
    await patchL1(state);
  });
}

/** Gives the image a longer L1 table with the same entries. */
async function growL1({ state }: Qcow2Image, entries: number): Promise<void> {
  const { header, map } = state;
  if (entries <= header.l1Entries) return;
  if (entries * 8 > MAX_L1_BYTES)
    throw badImage(
      state.file.path,
      `clusters of ${header.clusterBytes} bytes are too small for this size; convert it to larger ones`,
    );
  const { clusterBytes } = header;
  const old = {
    first: header.l1Offset / clusterBytes,
    count: Math.ceil((header.l1Entries * 8) / clusterBytes),
  };
  const l1 = new Uint8Array(entries * 8);
  l1.set(map.ownL1());
  const run = await writeTable(state, 'the L1 table', l1);
  await state.commit();
  header.l1Offset = run.first * clusterBytes;
  header.l1Entries = entries;
  await patchL1(state);
  map.replaceL1(l1);
  state.release(old);
}
