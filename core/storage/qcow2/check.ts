/** Compares the reference counts and COPIED flags of a qcow2 file with what its tables refer to. */
import { viewOf } from '../bytes';
import type { ImageFile } from '../image-file';
import { readL1Entry, readMapping } from './entry';
import { l2Entries, type Qcow2Header } from './header';
import { countsPerBlock, readCount } from './refcount-block';
import { Refcounts, type Run } from './refcounts';
import { type CountMap, type Problems, survey, type Survey } from './survey';

/** What a check found. */
export interface Findings extends Survey {
  /** Offsets of the refcount blocks by index, 0 where there is none; empty when the table itself is damaged. */
  readonly reftable: Float64Array;
  /** Clusters with a higher count than references: room that is lost, and nothing else. */
  readonly leaks: readonly Run[];
  readonly leakedClusters: number;
  /** Clusters with fewer counts than references: writing would destroy data. */
  readonly tooLow: number;
  /** Entries whose COPIED flag says otherwise than the references. */
  readonly wrongFlags: number;
  /** One more than the highest cluster in use. */
  readonly endCluster: number;
}

/** Collects neighbouring clusters into runs. */
class Runs {
  readonly runs: Run[] = [];
  clusters = 0;

  add(cluster: number): void {
    this.clusters++;
    const last = this.runs[this.runs.length - 1];
    if (last && last.first + last.count === cluster)
      this.runs[this.runs.length - 1] = { first: last.first, count: last.count + 1 };
    else this.runs.push({ first: cluster, count: 1 });
  }
}

async function loadReftable(
  file: ImageFile,
  header: Qcow2Header,
  problems: Problems,
): Promise<Float64Array> {
  try {
    return await Refcounts.loadTable(file, header);
  } catch {
    problems.add('the reference count table is damaged');
    return new Float64Array(0);
  }
}

/** Counts the table of reference counts and its blocks; blocks that are used twice are told. */
function countBlocks(
  header: Qcow2Header,
  reftable: Float64Array,
  references: CountMap,
  problems: Problems,
): Map<number, number> {
  const first = header.reftableOffset / header.clusterBytes;
  for (let i = 0; i < header.reftableClusters; i++) references.add(first + i, 1);
  const blocks = new Map<number, number>();
  reftable.forEach((offset, index) => {
    if (offset === 0) return;
    const cluster = offset / header.clusterBytes;
    if (blocks.has(cluster)) return problems.add(`the refcount block at ${offset} is used twice`);
    blocks.set(cluster, index);
    references.add(cluster, 1);
  });
  return blocks;
}

/** Tables that something else refers to, too, would destroy each other. */
function checkOverlaps(found: Survey, header: Qcow2Header, blocks: Map<number, number>): void {
  const { references, problems } = found;
  const once = (what: string, cluster: number): void => {
    if (references.get(cluster) > 1)
      problems.add(`${what} at ${cluster * header.clusterBytes} is used for something else, too`);
  };
  once('the header', 0);
  const l1Clusters = Math.ceil((header.l1Entries * 8) / header.clusterBytes);
  for (let i = 0; i < l1Clusters; i++)
    once('the L1 table', header.l1Offset / header.clusterBytes + i);
  for (let i = 0; i < header.reftableClusters; i++)
    once('the refcount table', header.reftableOffset / header.clusterBytes + i);
  for (const cluster of blocks.keys()) once('the refcount block', cluster);
  for (const [cluster, times] of found.l2References)
    if (references.get(cluster) > times)
      problems.add(
        `the L2 table at ${cluster * header.clusterBytes} is used for something else, too`,
      );
}

/** Looks at the whole image; `flags` says whether the COPIED flags are worth another look at the L2 tables. */
export async function examine(
  file: ImageFile,
  header: Qcow2Header,
  flags: boolean,
): Promise<Findings> {
  const found = await survey(file, header);
  const { references, problems } = found;
  const reftable = await loadReftable(file, header, problems);
  const blocks = countBlocks(header, reftable, references, problems);
  checkOverlaps(found, header, blocks);
  const leaks = new Runs();
  let tooLow = 0;
  const low = (cluster: number, stored: number, counted: number): void => {
    tooLow++;
    problems.add(`cluster ${cluster} has ${counted} references but a count of ${stored}`);
  };
  const perBlock = countsPerBlock(header);
  for (const [cluster, index] of blocks) {
    const view = viewOf(await file.read(cluster * header.clusterBytes, header.clusterBytes));
    for (let i = 0; i < perBlock; i++) {
      const stored = readCount(view, i, header.refcountOrder);
      const counted = references.get(index * perBlock + i);
      if (stored > counted) leaks.add(index * perBlock + i);
      else if (stored < counted) low(index * perBlock + i, stored, counted);
    }
  }
  for (const [cluster, counted] of references.entries())
    if (!reftable[Math.floor(cluster / perBlock)]) low(cluster, 0, counted);
  const wrongFlags = flags ? await countWrongFlags(file, header, found) : 0;
  return {
    ...found,
    reftable,
    leaks: leaks.runs,
    leakedClusters: leaks.clusters,
    tooLow,
    wrongFlags,
    endCluster: references.end,
  };
}

/** A table of the active disk and the entries whose COPIED flag is to change. */
export interface FlagFix {
  /** Where the table is. */
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly wrong: readonly number[];
}

/** Finds the entries of the active L1 table and its L2 tables whose COPIED flag is not "one reference". */
export async function* wrongFlagTables(
  file: ImageFile,
  header: Qcow2Header,
  references: CountMap,
): AsyncGenerator<FlagFix> {
  const { clusterBytes } = header;
  const bytes = await file.read(header.l1Offset, header.l1Entries * 8);
  const view = viewOf(bytes);
  const wrong: number[] = [];
  const tables = new Set<number>();
  for (let i = 0; i < header.l1Entries; i++) {
    const entry = readL1Entry(view, i, clusterBytes);
    if (!entry || entry.offset === 0 || entry.offset >= file.end) continue;
    if ((references.get(entry.offset / clusterBytes) === 1) !== entry.copied) wrong.push(i);
    tables.add(entry.offset);
  }
  yield { offset: header.l1Offset, bytes, wrong };
  for (const offset of tables) {
    const table = await file.read(offset, clusterBytes);
    yield { offset, bytes: table, wrong: wrongEntries(table, header, references) };
  }
}

function wrongEntries(table: Uint8Array, header: Qcow2Header, references: CountMap): number[] {
  const view = viewOf(table);
  const wrong: number[] = [];
  for (let i = 0; i < l2Entries(header); i++) {
    const mapping = readMapping(view, i, header);
    if ((mapping.kind !== 'data' && mapping.kind !== 'zero') || mapping.host === 0) continue;
    if ((references.get(mapping.host / header.clusterBytes) === 1) !== mapping.copied)
      wrong.push(i);
  }
  return wrong;
}

async function countWrongFlags(
  file: ImageFile,
  header: Qcow2Header,
  { references, problems }: Survey,
): Promise<number> {
  let count = 0;
  for await (const { offset, wrong } of wrongFlagTables(file, header, references)) {
    count += wrong.length;
    for (const index of wrong)
      problems.add(`entry ${index} of the table at ${offset} has a wrong COPIED flag`);
  }
  return count;
}
