/**
 * Power cuts: an image's un-synced writes are lost by sectors at random. What was flushed is there, the tables are
 * whole, and at most room is lost (reliability D2). DOMUS_CRASH_STATES sets how many cuts are tried.
 */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../core/host';
import {
  checkImage,
  createImageSnapshot,
  createQcow2,
  deleteImageSnapshot,
  openImage,
  type DiskImage,
} from '../../core/storage';
import { CrashHost } from './crash-host';
import { Directory, OWNER, run } from './qemu';
import { Random } from './random';

const PATH = '/d.qcow2';
const SECTOR = 512;
const DISK_BYTES = 1 << 20;
const STATES = Number(process.env['DOMUS_CRASH_STATES'] ?? 240);
/** One of so many states is shown to qemu-img, which takes a process each. */
const JUDGED = 20;

function open(host: CrashHost): Promise<DiskImage> {
  return openImage(host.host, { path: PATH, format: 'qcow2', readOnly: false, owner: OWNER });
}

/** What a sector may hold: every value since the last one that a flush has made durable. */
class Oracle {
  private stamp = 0;
  private readonly history: { value: number; done: boolean; soft: boolean }[][] = [];
  private readonly durable: number[] = [];

  constructor(sectors: number) {
    for (let i = 0; i < sectors; i++) {
      this.history.push([{ value: 0, done: true, soft: false }]);
      this.durable.push(0);
    }
  }

  /** A new value of its own for each sector; call what it returns once the write is done. */
  begin(
    first: number,
    count: number,
    kind: 'write' | 'zero' | 'discard',
  ): { bytes: Uint8Array<ArrayBuffer>; done: () => void } {
    const bytes = new Uint8Array(count * SECTOR);
    const words = new Uint32Array(bytes.buffer);
    const entries = Array.from({ length: count }, (_, i) => {
      const value = kind === 'write' ? ++this.stamp : 0;
      words.fill(value, (i * SECTOR) / 4, ((i + 1) * SECTOR) / 4);
      const entry = { value, done: false, soft: kind === 'discard' };
      this.history[first + i]?.push(entry);
      return entry;
    });
    return { bytes, done: () => entries.forEach((entry) => (entry.done = true)) };
  }

  /** Call as a flush begins; what it returns, when the flush has succeeded. */
  flush(): () => void {
    const covered = this.history.map((list) => list.findLastIndex((entry) => entry.done));
    return () =>
      covered.forEach(
        (index, sector) => (this.durable[sector] = Math.max(index, this.durable[sector] ?? 0)),
      );
  }

  check(bytes: Buffer): void {
    for (let sector = 0; sector < this.history.length; sector++) {
      const list = this.history[sector] ?? [];
      let from = this.durable[sector] ?? 0;
      while (list[from]?.soft) from--;
      const value = bytes.readUInt32LE(sector * SECTOR);
      const whole = bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      const torn = whole.some((byte, i) => byte !== whole[i % 4]);
      if (torn || !list.slice(from).some((entry) => entry.value === value))
        throw new Error(`sector ${sector} holds ${value}; it may hold ${list.slice(from).map((entry) => entry.value).join(', ')}`); // prettier-ignore
    }
  }
}

async function verify(
  file: Buffer,
  oracle: Oracle,
  judge: Directory | undefined,
  flags: boolean,
): Promise<void> {
  const host = new CrashHost({ [PATH]: file });
  const task = { path: PATH, format: 'qcow2', owner: OWNER } as const;
  const report = await checkImage(host.host, task);
  const problems = report.problems.filter((one) => !flags || !one.includes('COPIED'));
  expect(problems).toEqual([]);
  if (judge && !flags) {
    writeFileSync(judge.file('cut.qcow2'), file);
    const { status, output } = run('qemu-img', 'check', '-f', 'qcow2', judge.file('cut.qcow2'));
    expect([0, 3], output).toContain(status);
  }
  const image = await open(host);
  oracle.check(Buffer.from(await image.read(0, image.sizeBytes)));
  await image.close();
  expect(await checkImage(host.host, task)).toMatchObject({ problemCount: 0, leakedClusters: 0 });
  if (!judge) return;
  writeFileSync(judge.file('mended.qcow2'), host.file(PATH).current);
  expect(run('qemu-img', 'check', '-f', 'qcow2', judge.file('mended.qcow2')).status).toBe(0);
}

/** Several requests at a time, as a guest makes them; `within` says whether the test goes on. */
async function workload(
  random: Random,
  image: DiskImage,
  oracle: Oracle,
  requests: number,
): Promise<void> {
  const sectors = DISK_BYTES / SECTOR;
  let under: Promise<void>[] = [];
  for (let i = 0; i < requests; i++) {
    const first = random.below(sectors);
    const count = 1 + random.below(Math.min(random.pick([1, 16, 200]), sectors - first));
    const what = random.below(20);
    if (what < 13) {
      const { bytes, done } = oracle.begin(first, count, 'write');
      under.push(image.write(first * SECTOR, bytes).then(done));
    } else if (what < 15) {
      const { done } = oracle.begin(first, count, 'zero');
      under.push(image.writeZeroes(first * SECTOR, count * SECTOR).then(done));
    } else if (what < 17) {
      const { done } = oracle.begin(first, count, 'discard');
      under.push(image.discard(first * SECTOR, count * SECTOR).then(done));
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

const KINDS = [
  { name: '4 KiB clusters', clusterBytes: 4096, snapshots: false },
  { name: '512 B clusters, whose refcount table grows and moves', clusterBytes: 512, refcountOrder: 6, snapshots: false },
  { name: '64 KiB clusters', clusterBytes: 65536, snapshots: false },
  { name: '4 KiB clusters with snapshots', clusterBytes: 4096, snapshots: true },
]; // prettier-ignore

describe('a power cut at any moment', () => {
  it.each(KINDS)(
    'on $name loses nothing that was flushed',
    async ({ name, snapshots, ...kind }) => {
      const judge = new Directory();
      const random = new Random(name.length);
      let states = 0;
      while (states < STATES / KINDS.length) {
        const host = new CrashHost();
        await createQcow2(host.host.files, { path: PATH, sizeBytes: DISK_BYTES, ...kind });
        const oracle = new Oracle(DISK_BYTES / SECTOR);
        const cuts: Promise<void>[] = [];
        host.onCall = () => {
          if (random.below(30) > 0) return;
          const file = host.file(PATH).cut(random, random.pick([0, 0.1, 0.5, 0.9, 1]));
          // The oracle goes on; what it allows at this moment is what counts.
          const then = structuredClone(oracle);
          Object.setPrototypeOf(then, Oracle.prototype);
          cuts.push(verify(file, then, states % JUDGED === 0 ? judge : undefined, snapshots));
          states++;
        };
        let image = await open(host);
        for (let round = 0; round < 4; round++) {
          await workload(random, image, oracle, 40);
          if (snapshots) {
            await image.close();
            const task = { path: PATH, format: 'qcow2', owner: OWNER } as const;
            await createImageSnapshot(host.host, task, { name: `s${round}`, takenAtMs: 0 });
            if (round > 0) await deleteImageSnapshot(host.host, task, `s${round - 1}`);
            image = await open(host);
          }
        }
        await image.close();
        await Promise.all(cuts);
      }
      judge.close();
    },
  );
});

describe('failures of the host', () => {
  it('a failed sync ends all writing, and what is on the disk is whole', async () => {
    const random = new Random(11);
    for (let turn = 0; turn < 40; turn++) {
      const host = new CrashHost();
      await createQcow2(host.host.files, { path: PATH, sizeBytes: DISK_BYTES, clusterBytes: 4096 });
      const oracle = new Oracle(DISK_BYTES / SECTOR);
      const image = await open(host);
      let left = 1 + random.below(20);
      host.onCall = (kind, path) => {
        if (kind === 'sync' && --left === 0)
          throw new FileError('EIO', path, 'the read or write failed');
      };
      await expect(workload(random, image, oracle, 1000)).rejects.toThrow();
      host.onCall = () => undefined;
      await expect(image.write(0, new Uint8Array(SECTOR))).rejects.toThrow(
        'could not be made durable',
      );
      await expect(image.flush()).rejects.toThrow('could not be made durable');
      await image.close();
      await verify(host.file(PATH).cut(random, 0.5), oracle, undefined, false);
    }
  });

  it('a full host disk is an error of that write alone, or ends all; the image stays whole', async () => {
    const random = new Random(12);
    for (let turn = 0; turn < 60; turn++) {
      const host = new CrashHost();
      await createQcow2(host.host.files, { path: PATH, sizeBytes: DISK_BYTES, clusterBytes: 4096 });
      const oracle = new Oracle(DISK_BYTES / SECTOR);
      const image = await open(host);
      let left = 1 + random.below(80);
      let failures = 0;
      host.onCall = (kind, path) => {
        if (kind !== 'write' || --left > 0 || failures >= 3) return;
        failures++;
        throw new FileError('ENOSPC', path, `${path}: the disk is full`);
      };
      for (let round = 0; round < 6; round++) {
        const first = random.below(1900);
        const { bytes, done } = oracle.begin(first, 100, 'write');
        await image.write(first * SECTOR, bytes).then(done, () => undefined);
        const acknowledged = oracle.flush();
        await image.flush().then(acknowledged, () => undefined);
      }
      host.onCall = () => undefined;
      await image.close().catch(() => undefined);
      await verify(host.file(PATH).cut(random, 0.5), oracle, undefined, false);
    }
  });
});
