/** Mends the tables of a qcow2 file nobody else has open: reference counts, COPIED flags, entries that lead nowhere. */
import { viewOf, writeU64 } from '../bytes';
import { badImage, type ImageFile } from '../image-file';
import { wrongFlagTables, type Findings } from './check';
import { QCOW_OFLAG_COPIED, QCOW_OFLAG_ZERO, readL1Entry, readMapping } from './entry';
import {
  HEADER_INCOMPATIBLE,
  HEADER_REFTABLE_CLUSTERS,
  HEADER_REFTABLE_OFFSET,
  INCOMPAT_CORRUPT,
  INCOMPAT_DIRTY,
  l2Entries,
  type Qcow2Header,
} from './header';
import { countsPerBlock, maxCount, writeCount } from './refcount-block';
import { survey, type CountMap } from './survey';

const HEADER_BYTES = 512;

/** Lowers counts to the number of references. A crash in between leaves some of the leaks. */
export async function dropLeaks(
  file: ImageFile,
  header: Qcow2Header,
  { leaks, reftable, references }: Findings,
): Promise<void> {
  const perBlock = countsPerBlock(header);
  const byBlock = new Map<number, number[]>();
  for (const { first, count } of leaks)
    for (let cluster = first; cluster < first + count; cluster++) {
      const index = Math.floor(cluster / perBlock);
      const list = byBlock.get(index);
      if (list) list.push(cluster);
      else byBlock.set(index, [cluster]);
    }
  for (const [index, clusters] of byBlock) {
    const offset = reftable[index] ?? 0;
    const bytes = await file.read(offset, header.clusterBytes);
    for (const cluster of clusters)
      writeCount(viewOf(bytes), cluster % perBlock, header.refcountOrder, references.get(cluster));
    await file.write(offset, bytes);
  }
  await file.sync();
}

/** Sets and clears COPIED flags; the counts they stand for are durable already. */
export async function mendFlags(
  file: ImageFile,
  header: Qcow2Header,
  references: CountMap,
): Promise<void> {
  for await (const { offset, bytes, wrong } of wrongFlagTables(file, header, references)) {
    if (wrong.length === 0) continue;
    const view = viewOf(bytes);
    for (const index of wrong)
      view.setUint32(index * 8, (view.getUint32(index * 8) ^ QCOW_OFLAG_COPIED) >>> 0);
    await file.write(offset, bytes);
  }
  await file.sync();
}

/** Entries that lead nowhere become zeros: what the guest had there is lost, the rest can be used. Says how many. */
export async function dropDamagedEntries(file: ImageFile, header: Qcow2Header): Promise<number> {
  const { clusterBytes } = header;
  const inFile = (offset: number): boolean => offset >= clusterBytes && offset < file.end;
  const l1 = await file.read(header.l1Offset, header.l1Entries * 8);
  const view = viewOf(l1);
  let dropped = 0;
  const tables = new Set<number>();
  for (let i = 0; i < header.l1Entries; i++) {
    const entry = readL1Entry(view, i, clusterBytes);
    if (entry && (entry.offset === 0 || inFile(entry.offset))) {
      if (entry.offset !== 0) tables.add(entry.offset);
      continue;
    }
    writeU64(view, i * 8, 0);
    dropped++;
  }
  if (dropped > 0) await file.write(header.l1Offset, l1);
  for (const offset of tables) {
    const table = await file.read(offset, clusterBytes);
    const lost = dropFromTable(table, header, inFile);
    if (lost > 0) await file.write(offset, table);
    dropped += lost;
  }
  await file.sync();
  return dropped;
}

function dropFromTable(
  table: Uint8Array,
  header: Qcow2Header,
  inFile: (offset: number) => boolean,
): number {
  const view = viewOf(table);
  let dropped = 0;
  for (let i = 0; i < l2Entries(header); i++) {
    const mapping = readMapping(view, i, header);
    if (mapping.kind === 'hole') continue;
    if (mapping.kind !== 'bad' && (mapping.host === 0 || inFile(mapping.host))) continue;
    writeU64(view, i * 8, header.version >= 3 ? QCOW_OFLAG_ZERO : 0);
    dropped++;
  }
  return dropped;
}

/**
 * Writes all reference counts anew behind everything that is in use, then lets the header refer to them and takes its
 * dirty bit away, in one sector: a crash leaves the old or the new counts.
 */
export async function rebuildRefcounts(file: ImageFile, header: Qcow2Header): Promise<void> {
  const { clusterBytes, refcountOrder } = header;
  // Without the table and the blocks that are replaced.
  const { references: counts } = await survey(file, header);
  const perBlock = countsPerBlock(header);
  const start = Math.max(counts.end, Math.ceil(file.end / clusterBytes));
  const places = layOut(counts, start, perBlock, clusterBytes);
  for (let i = 0; i < places.clusters; i++) counts.add(start + i, 1);
  const tableClusters = places.tableClusters;
  const table = new Uint8Array(tableClusters * clusterBytes);
  let block = new Uint8Array(clusterBytes);
  let index = -1;
  const finish = async (): Promise<void> => {
    const place = places.blocks.get(index);
    if (place === undefined) return;
    await file.write(place * clusterBytes, block);
    writeU64(viewOf(table), index * 8, place * clusterBytes);
  };
  for (const [cluster, count] of counts.entries()) {
    if (count > maxCount(refcountOrder))
      throw badImage(file.path, `cluster ${cluster} has more references than can be counted`);
    const at = Math.floor(cluster / perBlock);
    if (at !== index) {
      await finish();
      block = new Uint8Array(clusterBytes);
      index = at;
    }
    writeCount(viewOf(block), cluster % perBlock, refcountOrder, count);
  }
  await finish();
  const tableOffset = (start + places.clusters - tableClusters) * clusterBytes;
  await file.write(tableOffset, table);
  await file.sync();
  const sector = await file.read(0, HEADER_BYTES);
  const view = viewOf(sector);
  writeU64(view, HEADER_REFTABLE_OFFSET, tableOffset);
  view.setUint32(HEADER_REFTABLE_CLUSTERS, tableClusters);
  clearBits(view, header, INCOMPAT_DIRTY);
  await file.write(0, sector);
  await file.sync();
  Object.assign(header, {
    reftableOffset: tableOffset,
    reftableClusters: tableClusters,
    dirty: false,
  });
}

/** Takes the dirty and corrupt bits away, when nothing is wrong any more. */
export async function clearDamage(file: ImageFile, header: Qcow2Header): Promise<void> {
  const sector = await file.read(0, HEADER_BYTES);
  clearBits(viewOf(sector), header, INCOMPAT_DIRTY | INCOMPAT_CORRUPT);
  await file.write(0, sector);
  await file.sync();
  Object.assign(header, { dirty: false, corrupt: false });
}

function clearBits(view: DataView, header: Qcow2Header, bits: number): void {
  if (header.version < 3) return;
  const flags = view.getUint32(HEADER_INCOMPATIBLE + 4) & ~bits;
  view.setUint32(HEADER_INCOMPATIBLE + 4, flags >>> 0);
}

interface Places {
  /** Index of a refcount block and the cluster it gets. */
  readonly blocks: Map<number, number>;
  readonly tableClusters: number;
  /** Blocks and table together, from the start given. */
  readonly clusters: number;
}

/** Places blocks and then the table from `start` on; they need counts themselves, so this is repeated until it fits. */
function layOut(counts: CountMap, start: number, perBlock: number, clusterBytes: number): Places {
  const used = new Set<number>();
  for (const [cluster] of counts.entries()) used.add(Math.floor(cluster / perBlock));
  for (let own = 0; ;) {
    const indexes = new Set(used);
    for (let cluster = start; cluster < start + own; cluster++)
      indexes.add(Math.floor(cluster / perBlock));
    const sorted = [...indexes].sort((a, b) => a - b);
    const highest = sorted[sorted.length - 1] ?? 0;
    const tableClusters = Math.ceil(((highest + 1) * 8) / clusterBytes);
    const clusters = sorted.length + tableClusters;
    if (clusters <= own) {
      const blocks = new Map(sorted.map((index, i) => [index, start + i]));
      return { blocks, tableClusters: own - sorted.length, clusters: own };
    }
    own = clusters;
  }
}
