/** I11: a million frames of a hostile guest to one NAT (reliability.md, section 3). */
import { afterAll, beforeAll, it } from 'vitest';
import { Directory, run } from '../storage/qemu';
import { bundleProgram } from '../toolstack/bundle';
import { count, judge, mebibytes, secondsSince } from './bar';

const FRAMES = 1_000_000;
const SEED = 20261121;
const MAX_GROWTH_BYTES = 32 << 20;
const MAX_CONNECTIONS = 512;
const MAX_MAPPINGS = 256;

interface Outcome {
  readonly growth: number;
  readonly peak: number;
  readonly connections: number;
  readonly mappings: number;
  readonly good: string;
  readonly bytes: number;
  readonly wanted: number;
  readonly taken: number;
}

const directory = new Directory();
let program = '';
beforeAll(async () => {
  program = await bundleProgram('../hard/frame-sender.ts', directory.path);
});
afterAll(() => directory.close());

it(`I11: ${FRAMES} hostile frames`, () => {
  const begin = performance.now();
  const { status, output } = run(
    process.execPath,
    '--expose-gc',
    program,
    String(FRAMES),
    String(SEED),
  );
  if (status !== 0) {
    judge({
      bar: 'I11',
      ours: `a throw in ${count(FRAMES)} frames`,
      anchor: 'slirp: CVE-2020-1983, CVE-2020-7039, CVE-2026-9539',
      misses: [output.slice(0, 2000)],
    });
    return;
  }
  const { growth, peak, connections, mappings, good, bytes, wanted, taken } = JSON.parse(output) as Outcome; // prettier-ignore
  const misses: string[] = [];
  if (taken < FRAMES) misses.push(`only ${taken} frames were taken`);
  if (growth > MAX_GROWTH_BYTES) misses.push(`memory grew by ${mebibytes(growth)}`);
  if (good !== 'open' || bytes !== wanted)
    misses.push(`the good connection is ${good} and has ${bytes} of ${wanted} bytes`);
  if (connections > MAX_CONNECTIONS || mappings > MAX_MAPPINGS)
    misses.push(`${connections} connections, ${mappings} mappings`);
  judge({
    bar: 'I11',
    ours: `0 throws in ${count(taken)} frames, +${mebibytes(growth)} behind collections (peak +${mebibytes(peak)}), the good connection has all ${bytes} bytes, at most ${connections} connections and ${mappings} mappings, ${secondsSince(begin)}`,
    anchor: 'slirp: CVE-2020-1983, CVE-2020-7039, CVE-2026-9539',
    misses,
  });
});
