/** Checking and repairing a qcow2 file nobody else has open. */
import type { ImageFile } from '../image-file';
import { examine, type Findings } from './check';
import type { Qcow2Header } from './header';
import { readHeader } from './open';
import { clearDamage, dropDamagedEntries, dropLeaks, mendFlags, rebuildRefcounts } from './repair';

/** `leaks`: gives lost room back, and changes nothing else; `all`: everything, giving up entries that lead nowhere. */
export type RepairKind = 'leaks' | 'all';

export interface Qcow2Check {
  readonly before: Findings;
  /** After the repair; the same as `before` without one. */
  readonly after: Findings;
  /** Entries that led nowhere and read as zeros now. */
  readonly droppedEntries: number;
  readonly header: Qcow2Header;
}

export async function checkQcow2(
  file: ImageFile,
  repair: RepairKind | undefined,
): Promise<Qcow2Check> {
  const header = await readHeader(file);
  const before = await examine(file, header, true);
  if (repair === undefined) return { before, after: before, droppedEntries: 0, header };
  if (repair === 'leaks') {
    if (before.problems.count === before.wrongFlags) await mendLeaks(file, header, before);
    return { before, after: await examine(file, header, true), droppedEntries: 0, header };
  }
  const structural = before.problems.count > before.tooLow + before.wrongFlags;
  const droppedEntries = structural ? await dropDamagedEntries(file, header) : 0;
  const found = droppedEntries > 0 ? await examine(file, header, true) : before;
  if (found.tooLow > 0 || header.dirty || structural) await rebuildRefcounts(file, header);
  else if (found.leakedClusters > 0) await dropLeaks(file, header, found);
  const counted = await examine(file, header, true);
  if (counted.wrongFlags > 0) await mendFlags(file, header, counted.references);
  const after = await examine(file, header, true);
  if (header.corrupt && after.problems.count === 0) await clearDamage(file, header);
  return { before, after, droppedEntries, header };
}

async function mendLeaks(file: ImageFile, header: Qcow2Header, found: Findings): Promise<void> {
  if (found.leakedClusters > 0) await dropLeaks(file, header, found);
  await mendFlags(file, header, found.references);
}
