/** Internal snapshots: the header leads to the old or to the new tables at every moment, never to a mixture. */
import { ImageError } from '../image';
import { badImage } from '../image-file';
import {
  HEADER_L1_OFFSET,
  HEADER_L1_SIZE,
  HEADER_SIZE,
  HEADER_SNAPSHOT_COUNT,
  HEADER_SNAPSHOT_OFFSET,
  l1EntriesFor,
  MAX_SNAPSHOTS,
} from './header';
import type { Qcow2Image } from './image';
import type { Run } from './refcounts';
import { encodeSnapshots, readSnapshots, snapshotExtra, type Snapshot } from './snapshot-table';
import type { Qcow2State } from './state';
import { clearFlags, dropTree, refreshFlags, tallyTree, writeTable } from './tree';

const MAX_NAME_CHARACTERS = 256;

/** The snapshot that an id or a name means; the id goes first, as with qemu-img. */
function find(path: string, snapshots: readonly Snapshot[], key: string): Snapshot {
  const found =
    snapshots.find(({ id }) => id === key) ?? snapshots.find(({ name }) => name === key);
  if (!found) throw badImage(path, `it has no snapshot ${JSON.stringify(key)}`);
  return found;
}

function l1Run(state: Qcow2State, offset: number, entries: number): Run {
  const { clusterBytes } = state.header;
  return { first: offset / clusterBytes, count: Math.ceil((entries * 8) / clusterBytes) };
}

/** Writes another snapshot table and lets the header lead to it; the old one is free afterwards. */
async function replaceTable(state: Qcow2State, snapshots: readonly Snapshot[]): Promise<void> {
  const { header } = state;
  const { tableBytes } = await readSnapshots(state.file, header);
  const old: Run = {
    first: header.snapshotOffset / header.clusterBytes,
    count: Math.ceil(tableBytes / header.clusterBytes),
  };
  const isEmpty = snapshots.length === 0;
  if (isEmpty) state.metadataMap.setRange('the snapshot table', 0, 0);
  const run = isEmpty
    ? { first: 0, count: 0 }
    : await writeTable(state, 'the snapshot table', encodeSnapshots(snapshots));
  await state.commit();
  header.snapshotCount = snapshots.length;
  header.snapshotOffset = run.first * header.clusterBytes;
  await state.patchHeader([
    { offset: HEADER_SNAPSHOT_COUNT, bits: 32, value: header.snapshotCount },
    { offset: HEADER_SNAPSHOT_OFFSET, bits: 64, value: header.snapshotOffset },
  ]);
  if (old.count > 0) state.release(old);
}

export interface NewSnapshot {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly takenAtMs: number;
}

/** Keeps what the disk holds now under a name; the disk goes on from there. Resolves to its id. */
export function createSnapshot(
  image: Qcow2Image,
  { name, takenAtMs }: NewSnapshot,
): Promise<string> {
  const { state } = image;
  const { header, file, map } = state;
  return state.exclusive(async () => {
    state.checkWritable();
    await state.settle();
    const { snapshots } = await readSnapshots(file, header);
    if (name === '' || name.length > MAX_NAME_CHARACTERS || /[\0-\x1f]/.test(name))
      throw badImage(
        file.path,
        'the name of a snapshot has 1 to 256 characters and no control characters',
      );
    if (snapshots.some((other) => other.name === name || other.id === name))
      throw badImage(file.path, `it has a snapshot ${JSON.stringify(name)} already`);
    if (snapshots.length >= MAX_SNAPSHOTS)
      throw badImage(file.path, `it has ${MAX_SNAPSHOTS} snapshots, which is the limit`);
    const id = String(Math.max(0, ...snapshots.map((other) => Number(other.id) || 0)) + 1);
    const l1 = map.sharedL1();
    const tally = await tallyTree(state, l1);
    await state.metadata.run(() => state.refcounts.adjustAll(tally.entries(), 1));
    await clearFlags(state, l1);
    for (let i = 0; i < map.l1Entries; i++) map.setCopied(i, false);
    try {
      const run = await writeTable(state, `the L1 table of snapshot ${id}`, l1);
      await replaceTable(state, [
        ...snapshots,
        {
          id,
          name,
          takenAt: Math.floor(takenAtMs / 1000),
          takenAtNs: Math.floor(takenAtMs % 1000) * 1_000_000,
          vmStateBytes: 0,
          vmClockNs: 0,
          sizeBytes: header.sizeBytes,
          l1Offset: run.first * header.clusterBytes,
          l1Entries: map.l1Entries,
          vmState32: 0,
          extra: snapshotExtra(header.sizeBytes),
          vmClock: [0, 0],
        },
      ]);
    } catch (cause) {
      await undo(state, cause, () => dropTree(state, l1));
      throw cause;
    }
    await state.settle();
    return id;
  });
}

/** Takes back what a failed step has counted, unless the image is beyond that. */
async function undo(state: Qcow2State, cause: unknown, back: () => Promise<void>): Promise<void> {
  if (state.file.isBroken || !(cause instanceof ImageError)) return;
  await back();
  await refreshFlags(state);
  await state.settle();
}

/** Makes the disk what it was when the snapshot was taken, its size too; the snapshot stays. */
export function applySnapshot(image: Qcow2Image, key: string): Promise<void> {
  const { state } = image;
  const { header, file, map } = state;
  return state.exclusive(async () => {
    state.checkWritable();
    await image.prepareChange();
    await state.settle();
    const { snapshots } = await readSnapshots(file, header);
    const snapshot = find(file.path, snapshots, key);
    const sizeBytes = snapshot.sizeBytes ?? header.sizeBytes;
    if (header.bitmaps && sizeBytes !== header.sizeBytes)
      throw badImage(
        file.path,
        'its dirty bitmaps do not fit the size of the snapshot; remove them first',
      );
    const entries = Math.max(snapshot.l1Entries, l1EntriesFor(sizeBytes, header.clusterBytes));
    const l1 = new Uint8Array(entries * 8);
    l1.set(await file.read(snapshot.l1Offset, snapshot.l1Entries * 8));
    for (let at = 0; at < l1.length; at += 8) l1[at] &= 0x7f;
    const tally = await tallyTree(state, l1);
    await state.metadata.run(() => state.refcounts.adjustAll(tally.entries(), 1));
    await clearFlags(state, l1);
    const before = map.sharedL1();
    const old = l1Run(state, header.l1Offset, header.l1Entries);
    try {
      const run = await writeTable(state, 'the L1 table', l1);
      await state.commit();
      Object.assign(header, {
        l1Offset: run.first * header.clusterBytes,
        l1Entries: entries,
        sizeBytes,
      });
    } catch (cause) {
      await undo(state, cause, () => dropTree(state, l1));
      throw cause;
    }
    await patchL1(state);
    map.replaceL1(l1);
    image.forgetExpanded();
    await dropTree(state, before);
    state.release(old);
    await refreshFlags(state);
    await state.settle();
  });
}

/** Lets the header lead to the L1 table that it has in memory. */
export function patchL1(state: Qcow2State): Promise<void> {
  const { header } = state;
  return state.patchHeader([
    { offset: HEADER_SIZE, bits: 64, value: header.sizeBytes },
    { offset: HEADER_L1_SIZE, bits: 32, value: header.l1Entries },
    { offset: HEADER_L1_OFFSET, bits: 64, value: header.l1Offset },
  ]);
}

/** Gives up a snapshot and the room that only it takes. */
export function deleteSnapshot(image: Qcow2Image, key: string): Promise<void> {
  const { state } = image;
  const { header, file } = state;
  return state.exclusive(async () => {
    state.checkWritable();
    await state.settle();
    const { snapshots } = await readSnapshots(file, header);
    const snapshot = find(file.path, snapshots, key);
    const l1 = await file.read(snapshot.l1Offset, snapshot.l1Entries * 8);
    await replaceTable(
      state,
      snapshots.filter((other) => other !== snapshot),
    );
    await dropTree(state, l1);
    state.release(l1Run(state, snapshot.l1Offset, snapshot.l1Entries));
    state.metadataMap.setRange(`the L1 table of snapshot ${snapshot.id}`, 0, 0);
    state.metadataMap.setRange(`the L1 table of a snapshot at ${snapshot.l1Offset}`, 0, 0);
    image.forgetExpanded();
    await refreshFlags(state);
    await state.settle();
  });
}
