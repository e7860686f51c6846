/** D1: kill -9 of a process that writes to an image, at any moment (reliability.md, section 3). VHD images are not written. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { afterAll, beforeAll, it } from 'vitest';
import { nodeLocks } from '../../core/host-node';
import { createImage, type CreateQcow2Options } from '../../core/storage';
import { Directory, HOST, open, OWNER, qemuImg, qemuIo, run } from '../storage/qemu';
import { Random } from '../storage/random';
import { SECTOR_BYTES, SectorOracle } from '../storage/sector-oracle';
import { bundleProgram } from '../toolstack/bundle';
import { count, judge, secondsSince } from './bar';
import { Batches } from './batches';

const KILLS = 200;
const DISK_BYTES = 8 << 20;
const SECTORS = DISK_BYTES / SECTOR_BYTES;
const MIN_MS = 10;
const MAX_MS = 250;
const LOCK_FREE_MS = 1000;

interface Kind extends Partial<CreateQcow2Options> {
  readonly name: string;
  readonly format: 'qcow2' | 'raw';
  readonly overlay?: boolean;
}

/** Kills are dealt out in turn; each image lives on through all of its own. */
const KINDS: readonly Kind[] = [
  { name: '64k', format: 'qcow2' },
  { name: '4k', format: 'qcow2', clusterBytes: 4096 },
  { name: '512', format: 'qcow2', clusterBytes: 512 },
  { name: 'overlay', format: 'qcow2', overlay: true },
  { name: 'raw', format: 'raw' },
];

const directory = new Directory();
let program = '';

beforeAll(async () => {
  program = await bundleProgram('../hard/disk-writer.ts', directory.path);
});
afterAll(() => directory.close());

/** Lets the writer work for `ms` behind its start and kills it; the number of the last batch it has acknowledged. */
async function killWriter(args: readonly string[], ms: number): Promise<number> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => {
    if (said === '') setTimeout(() => child.kill('SIGKILL'), ms);
    said += chunk.toString();
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself: ${complaint}`);
  return said.split('\n').length - 3;
}

class Life {
  readonly path: string;
  private bytes = new Uint8Array(DISK_BYTES);
  private stamp = 0;
  private readonly backing: string;
  kills = 0;
  leaks = 0;
  flushed = 0;
  lost = 0;
  slowestLockMs = 0;
  readonly problems: string[] = [];

  constructor(
    private readonly kind: Kind,
    private readonly index: number,
  ) {
    this.path = directory.file(`${kind.name}.img`);
    this.backing = kind.overlay ? directory.path : '';
  }

  async create(): Promise<void> {
    const { name: _, overlay, ...options } = this.kind;
    const { path } = this;
    const sizeBytes = this.bytes.length;
    if (!overlay) return createImage(HOST, { ...options, path, sizeBytes });
    const below = directory.file('below.raw');
    qemuImg('create', '-q', '-f', 'raw', below, String(sizeBytes));
    qemuIo('raw', below, 'write -P 90 1M 4M');
    this.bytes.fill(90, 1 << 20, 5 << 20);
    qemuImg('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', below, path);
  }

  async kill(random: Random): Promise<void> {
    const seed = this.index * 1000 + this.kills++;
    const { path, kind, stamp, backing } = this;
    const args = [path, kind.format, SECTORS, seed, stamp, backing].map(String);
    const last = await killWriter(args, MIN_MS + random.below(MAX_MS - MIN_MS));
    const oracle = SectorOracle.from(this.bytes, stamp);
    const batches = new Batches(seed, SECTORS);
    for (let number = 0; number <= last; number++) {
      for (const { done } of batches.next(oracle)) done();
      oracle.flush()();
    }
    batches.next(oracle);
    this.judgeTables([0, 3], 'after the kill');
    await this.takeLock();
    const image = await open(
      path,
      kind.format,
      backing === '' ? {} : { backing: { directories: [backing] } },
    );
    this.bytes = await image.read(0, image.sizeBytes);
    await image.close();
    this.judgeTables([0], 'after it was opened');
    const lost = oracle.lost(this.bytes);
    this.problems.push(...lost.slice(0, 3).map((one) => `${kind.name}, seed ${seed}: ${one}`));
    this.lost += lost.length;
    this.flushed += oracle.flushed;
    this.stamp = oracle.stamp;
  }

  /** The dead writer's lock is free at once. */
  private async takeLock(): Promise<void> {
    const { dev, ino } = statSync(this.path, { bigint: true });
    const begin = performance.now();
    const result = await nodeLocks.acquire(`image.${dev}.${ino}`, 'exclusive', OWNER);
    if (!('lock' in result)) return void this.problems.push(`${this.kind.name}: it is locked`);
    this.slowestLockMs = Math.max(this.slowestLockMs, performance.now() - begin);
    await result.lock.release();
  }

  private judgeTables(allowed: readonly number[], when: string): void {
    if (this.kind.format === 'raw') return;
    const { status, output } = run('qemu-img', 'check', '-f', 'qcow2', this.path);
    if (status === 3) this.leaks++;
    if (!allowed.includes(status ?? -1))
      this.problems.push(`${this.kind.name}, kill ${this.kills}, ${when}: ${output}`);
  }
}

it(`D1: ${KILLS} times kill -9`, async () => {
  const begin = performance.now();
  const random = new Random(1);
  const lives = KINDS.map((kind, index) => new Life(kind, index));
  for (const life of lives) await life.create();
  for (let i = 0; i < KILLS; i++) await lives[i % lives.length]?.kill(random);
  const sum = (value: (life: Life) => number): number =>
    lives.reduce((total, life) => total + value(life), 0);
  const problems = lives.flatMap((life) => life.problems);
  const corrupt = problems.filter((problem) => !problem.includes('may hold')).length;
  const slowest = Math.max(...lives.map((life) => life.slowestLockMs));
  if (slowest > LOCK_FREE_MS) problems.push(`a lock was free only after ${slowest.toFixed(0)} ms`);
  judge({
    bar: 'D1',
    ours: `${corrupt} corruptions in ${KILLS} kills, ${sum((life) => life.leaks)} with leaks, mended on open, ${sum((life) => life.lost)} of ${count(sum((life) => life.flushed))} flushed sectors lost, locks free after ${slowest.toFixed(0)} ms at most, ${secondsSince(begin)}`,
    anchor: 'QEMU: 0/200, 78 with leaks only, 0 of 104,150 lost, 51 s',
    misses: problems.slice(0, 20),
  });
});
