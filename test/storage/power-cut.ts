/** Power cuts: an image's un-synced writes are lost by sectors at random; what is left is examined. */
import { writeFileSync } from 'node:fs';
import {
  checkImage,
  createImageSnapshot,
  createQcow2,
  deleteImageSnapshot,
  openImage,
  type CreateQcow2Options,
  type DiskImage,
} from '../../core/storage';
import { CrashHost } from './crash-host';
import { OWNER, run, type Directory } from './qemu';
import type { Random } from './random';
import { SECTOR_BYTES, SectorOracle } from './sector-oracle';

export const PATH = '/d.qcow2';
export const DISK_BYTES = 1 << 20;
/** One of so many states is shown to qemu-img, which takes a process each. */
const JUDGED = 20;
const TASK = { path: PATH, format: 'qcow2', owner: OWNER } as const;

export function openCrashing(host: CrashHost): Promise<DiskImage> {
  return openImage(host.host, { ...TASK, readOnly: false });
}

export interface CutReport {
  /** What is wrong, as sentences. */
  readonly problems: readonly string[];
  /** Sectors whose flushed contents are gone. */
  readonly lost: number;
  readonly flushed: number;
  readonly leaked: boolean;
}

/** Looks at an image after a cut: its tables, what opening it mends, what it holds. `flags`: COPIED flags may be wrong. */
export async function examineCut(
  file: Buffer,
  oracle: SectorOracle,
  judge?: Directory,
  flags = false,
): Promise<CutReport> {
  const host = new CrashHost({ [PATH]: file });
  const report = await checkImage(host.host, TASK);
  const problems = report.problems.filter((one) => !flags || !one.includes('COPIED'));
  if (judge && !flags) {
    writeFileSync(judge.file('cut.qcow2'), file);
    const { status, output } = run('qemu-img', 'check', '-f', 'qcow2', judge.file('cut.qcow2'));
    if (status !== 0 && status !== 3) problems.push(`qemu-img check: ${output}`);
  }
  const image = await openCrashing(host);
  const lost = oracle.lost(await image.read(0, image.sizeBytes));
  await image.close();
  const after = await checkImage(host.host, TASK);
  problems.push(...lost.slice(0, 5), ...after.problems);
  if (after.leakedClusters > 0) problems.push('clusters are lost after it was opened');
  if (judge) {
    writeFileSync(judge.file('mended.qcow2'), host.file(PATH).current);
    const { status, output } = run('qemu-img', 'check', '-f', 'qcow2', judge.file('mended.qcow2'));
    if (status !== 0) problems.push(`qemu-img check after it was opened: ${output}`);
  }
  return {
    problems,
    lost: lost.length,
    flushed: oracle.flushed,
    leaked: report.leakedClusters > 0,
  };
}

/** Several requests at a time, as a guest makes them. */
export async function crashWorkload(
  random: Random,
  image: DiskImage,
  oracle: SectorOracle,
  requests: number,
): Promise<void> {
  const sectors = DISK_BYTES / SECTOR_BYTES;
  let under: Promise<void>[] = [];
  for (let i = 0; i < requests; i++) {
    const first = random.below(sectors);
    const count = 1 + random.below(Math.min(random.pick([1, 16, 200]), sectors - first));
    const what = random.below(20);
    if (what < 13) {
      const { bytes, done } = oracle.begin(first, count, 'write');
      under.push(image.write(first * SECTOR_BYTES, bytes).then(done));
    } else if (what < 15) {
      const { done } = oracle.begin(first, count, 'zero');
      under.push(image.writeZeroes(first * SECTOR_BYTES, count * SECTOR_BYTES).then(done));
    } else if (what < 17) {
      const { done } = oracle.begin(first, count, 'discard');
      under.push(image.discard(first * SECTOR_BYTES, count * SECTOR_BYTES).then(done));
    } else {
      const acknowledged = oracle.flush();
      under.push(image.flush().then(acknowledged));
    }
    if (under.length < 6 && random.below(3) > 0) continue;
    await Promise.all(under);
    under = [];
  }
  await Promise.all(under);
}

export interface CrashKind extends Pick<CreateQcow2Options, 'clusterBytes' | 'refcountOrder'> {
  readonly name: string;
  /** Snapshots are taken and deleted, too. */
  readonly snapshots: boolean;
}

export const CRASH_KINDS: readonly CrashKind[] = [
  { name: '4 KiB clusters', clusterBytes: 4096, snapshots: false },
  { name: '512 B clusters, whose refcount table grows and moves', clusterBytes: 512, refcountOrder: 6, snapshots: false },
  { name: '64 KiB clusters', clusterBytes: 65536, snapshots: false },
  { name: '4 KiB clusters with snapshots', clusterBytes: 4096, snapshots: true },
]; // prettier-ignore

/** Cuts the power at random calls of an image at work until there are `states` states; each is examined. */
export async function cutPower(
  { name: _, snapshots, ...kind }: CrashKind,
  states: number,
  random: Random,
  judge: Directory,
): Promise<CutReport[]> {
  const reports: CutReport[] = [];
  for (let taken = 0; taken < states;) {
    const host = new CrashHost();
    await createQcow2(host.host.files, { path: PATH, sizeBytes: DISK_BYTES, ...kind });
    const oracle = SectorOracle.empty(DISK_BYTES / SECTOR_BYTES);
    const cuts: { file: Buffer; then: SectorOracle }[] = [];
    host.onCall = () => {
      if (random.below(30) > 0 || taken + cuts.length >= states) return;
      const file = host.file(PATH).cut(random, random.pick([0, 0.1, 0.5, 0.9, 1]));
      // The oracle goes on; what it allows at this moment is what counts.
      cuts.push({ file, then: oracle.copy() });
    };
    let image = await openCrashing(host);
    for (let round = 0; round < 4; round++) {
      await crashWorkload(random, image, oracle, 40);
      if (!snapshots) continue;
      await image.close();
      await createImageSnapshot(host.host, TASK, { name: `s${round}`, takenAtMs: 0 });
      if (round > 0) await deleteImageSnapshot(host.host, TASK, `s${round - 1}`);
      image = await openCrashing(host);
    }
    await image.close();
    for (const { file, then } of cuts) {
      const shown = taken++ % JUDGED === 0 ? judge : undefined;
      reports.push(await examineCut(file, then, shown, snapshots));
    }
  }
  return reports;
}
