/** D4: images with random damage (reliability.md, section 3): in one warm process, and some in processes of their own. */
import { rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, it } from 'vitest';
import { CrashHost } from '../storage/crash-host';
import {
  damaged,
  makeIsoSample,
  makeSamples,
  useImage,
  type Sample,
  type SampleFormat,
} from '../storage/damage';
import { Directory, run } from '../storage/qemu';
import { Random } from '../storage/random';
import { bundleProgram } from '../toolstack/bundle';
import { count, judge, mebibytes, secondsSince } from './bar';

const PATH = '/hostile';
const IMAGES: readonly (readonly [SampleFormat, number])[] = [
  ['qcow2', 10_000],
  ['vhd', 2000],
  ['vmdk', 1000],
  ['vdi', 1000],
  ['iso', 2000],
];
const FRESH = 200;
const LIMIT_MS = 2000;
const LIMIT_BYTES = 512 << 20;

const directory = new Directory();
let samples: Sample[] = [];
let program = '';

beforeAll(async () => {
  samples = [...(await makeSamples(directory)), makeIsoSample(directory)];
  program = await bundleProgram('../hard/image-user.ts', directory.path);
});
afterAll(() => directory.close());

class Tally {
  images = 0;
  slow = 0;
  slowestMs = 0;
  readonly misses: string[] = [];

  took(what: string, ms: number): void {
    this.images++;
    this.slowestMs = Math.max(this.slowestMs, ms);
    if (ms <= LIMIT_MS) return;
    this.slow++;
    this.misses.push(`${what} took ${ms.toFixed(0)} ms`);
  }

  /** Keeps an image that broke something, for a regression test. */
  broke(what: string, bytes: Buffer, how: string): void {
    const kept = `/tmp/domus-hard-${what.replace(/[^a-z0-9]+/gi, '-')}`;
    writeFileSync(kept, bytes);
    this.misses.push(`${what}: ${how} (kept as ${kept})`);
  }
}

/** Damaged images of a format, the same ones each time. */
function* images(format: SampleFormat, number: number): Generator<[string, Buffer]> {
  const random = new Random(number);
  const candidates = samples.filter((sample) => sample.format === format);
  for (let i = 0; i < number; i++) {
    const sample = random.pick(candidates);
    yield [`${sample.name}, number ${i} of ${number}`, damaged(random, sample)];
  }
}

it('D4: damaged images', async () => {
  const begin = performance.now();
  const tally = new Tally();
  const before = process.memoryUsage().rss;
  let growth = 0;
  for (const [format, number] of IMAGES)
    for (const [what, bytes] of images(format, number)) {
      const start = performance.now();
      try {
        await useImage(() => new CrashHost({ [PATH]: bytes }, false).host, PATH, format);
      } catch (cause) {
        tally.broke(what, bytes, cause instanceof Error ? (cause.stack ?? '') : String(cause));
      }
      tally.took(what, performance.now() - start);
      growth = Math.max(growth, process.memoryUsage.rss() - before);
    }
  const warm = tally.images;

  let largest = 0;
  const file = directory.file('fresh');
  const share = FRESH / IMAGES.length;
  for (const [format] of IMAGES)
    for (const [what, bytes] of images(format, share)) {
      writeFileSync(file, bytes);
      const { status, output } = run(process.execPath, program, file, format, `${file}.copy`);
      for (const name of ['copy', 'copy.kernel', 'copy.ramdisk'])
        rmSync(`${file}.${name}`, { force: true });
      if (status !== 0) {
        tally.broke(what, bytes, `its process ended with ${status}: ${output}`);
        continue;
      }
      const { ms, rssBytes } = JSON.parse(output) as { ms: number; rssBytes: number };
      tally.took(`${what}, fresh process`, ms);
      largest = Math.max(largest, rssBytes);
    }
  if (growth > LIMIT_BYTES) tally.misses.push(`the warm process grew by ${mebibytes(growth)}`);
  if (largest > LIMIT_BYTES) tally.misses.push(`a fresh process took ${mebibytes(largest)}`);
  const failed = tally.misses.length - tally.slow;
  judge({
    bar: 'D4',
    ours: `${failed} failures without a clear error in ${count(warm)} damaged images (qcow2, VHD, VMDK, VDI, ISO) and ${FRESH} in fresh processes, ${tally.slow} over 2 s, slowest ${tally.slowestMs.toFixed(0)} ms, +${mebibytes(growth)}, fresh ${mebibytes(largest)}, ${secondsSince(begin)}`,
    anchor: 'QEMU: 0 signals in 10,000, 71 of 20,000 calls over 2 s, 262 s',
    misses: tally.misses.slice(0, 20),
  });
});
