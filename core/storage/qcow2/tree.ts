/** Whole trees of tables: everything an L1 table leads to, for snapshots. Under `Qcow2State.exclusive`. */
import { roundUp, viewOf } from '../bytes';
import { badImage } from '../image-file';
import { QCOW_OFLAG_COPIED, readL1Entry, readMapping, type Mapping } from './entry';
import type { Run } from './refcounts';
import type { Qcow2State } from './state';
import { CountMap } from './survey';

/** Offsets of the L2 tables that an L1 table leads to, in its order; 0 for none. */
export function l2Offsets(state: Qcow2State, l1: Uint8Array): number[] {
  const view = viewOf(l1);
  return Array.from({ length: l1.length / 8 }, (_, i) => {
    const entry = readL1Entry(view, i, state.header.clusterBytes);
    if (!entry || entry.offset >= state.file.end)
      throw badImage(state.file.path, `entry ${i} of an L1 table is damaged`);
    return entry.offset;
  });
}

/** Counts each reference that the tables below an L1 table make: L2 tables, data, compressed data. */
export async function tallyTree(state: Qcow2State, l1: Uint8Array): Promise<CountMap> {
  const { header, file, map } = state;
  const { clusterBytes } = header;
  const tally = new CountMap(file.path);
  for (const offset of l2Offsets(state, l1)) {
    if (offset === 0) continue;
    tally.add(offset / clusterBytes, 1);
    await map.cache.with(offset, ({ view }) => {
      for (let i = 0; i < map.perTable; i++) {
        const run = hostClusters(readMapping(view, i, header), clusterBytes);
        if (run === 'bad') throw badImage(file.path, `the L2 table at ${offset} is damaged`);
        for (let at = 0; run && at < run.count; at++) tally.add(run.first + at, 1);
      }
    });
  }
  return tally;
}

/** The clusters of the file that a mapping refers to. */
function hostClusters(mapping: Mapping, clusterBytes: number): Run | 'bad' | undefined {
  if (mapping.kind === 'bad') return 'bad';
  if (mapping.kind === 'hole' || mapping.host === 0) return undefined;
  if (mapping.kind !== 'compressed') return { first: mapping.host / clusterBytes, count: 1 };
  const first = Math.floor(mapping.host / clusterBytes);
  const last = Math.floor((mapping.host + mapping.bytes - 1) / clusterBytes);
  return { first, count: last - first + 1 };
}

/** Takes away the COPIED flags of the L2 tables below an L1 table: they have more than one reference now. */
export async function clearFlags(state: Qcow2State, l1: Uint8Array): Promise<void> {
  for (const offset of l2Offsets(state, l1)) {
    if (offset === 0) continue;
    if (state.isPressed) await state.commit();
    await state.metadata.run(() => setFlags(state, offset, async () => false));
  }
}

/** Sets each COPIED flag of the active tables to what the reference counts say. */
export async function refreshFlags(state: Qcow2State): Promise<void> {
  const { map, refcounts, header } = state;
  const isOwn = async (host: number): Promise<boolean> =>
    (await refcounts.count(host / header.clusterBytes)) === 1;
  for (let i = 0; i < map.l1Entries; i++) {
    const offset = map.tableOffset(i);
    if (offset === 0) continue;
    if (state.isPressed) await state.commit();
    await state.metadata.run(async () => {
      const own = await isOwn(offset);
      map.setCopied(i, own);
      // What lies below a shared table is shared, too, and its flags are clear.
      if (own) await setFlags(state, offset, isOwn);
    });
  }
}

async function setFlags(
  state: Qcow2State,
  offset: number,
  isOwn: (host: number) => Promise<boolean>,
): Promise<void> {
  const { map, header } = state;
  const table = await map.cache.pin(offset);
  try {
    for (let i = 0; i < map.perTable; i++) {
      const mapping = readMapping(table.view, i, header);
      if ((mapping.kind !== 'data' && mapping.kind !== 'zero') || mapping.host === 0) continue;
      if ((await isOwn(mapping.host)) === mapping.copied) continue;
      table.view.setUint32(i * 8, (table.view.getUint32(i * 8) ^ QCOW_OFLAG_COPIED) >>> 0);
      map.cache.touch(table, i * 8, 8);
    }
  } finally {
    map.cache.unpin(table);
  }
}

/** Takes one reference from everything below an L1 table, which nothing on disk leads to any more. */
export async function dropTree(state: Qcow2State, l1: Uint8Array): Promise<void> {
  const tally = await tallyTree(state, l1);
  await state.metadata.run(async () => {
    const free: number[] = [];
    await state.refcounts.adjustAll(tally.entries(), -1, (cluster) => free.push(cluster));
    await state.freed(free);
  });
}

/** Writes `bytes` to clusters of their own; nothing leads there yet. */
export async function writeTable(
  state: Qcow2State,
  what: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Run> {
  const { clusterBytes } = state.header;
  const count = Math.max(1, Math.ceil(bytes.length / clusterBytes));
  const run = await state.metadata.run(() => state.refcounts.allocate(count, true));
  try {
    const whole = new Uint8Array(roundUp(Math.max(1, bytes.length), clusterBytes));
    whole.set(bytes);
    await state.file.write(run.first * clusterBytes, whole);
  } catch (cause) {
    if (!state.file.isBroken) await state.metadata.run(() => state.dropReferences([run]));
    throw cause;
  }
  state.metadataMap.setRange(what, run.first, run.count);
  return run;
}
