import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureCommands } from '../lib/apt.mjs';
import { DIST } from '../lib/paths.mjs';
import core from './core.mjs';

/** Where the bars leave their lines (test/hard/bar.ts). */
const REPORT = join(DIST, 'reports/hard.txt');

/** Before the bars: current bundles and an empty report; behind them the report as a whole. */
export default async function setup() {
  ensureCommands({ 'qemu-img': 'qemu-utils', strace: 'strace' }, 'Judging images');
  await core();
  rmSync(REPORT, { force: true });
  mkdirSync(dirname(REPORT), { recursive: true });
  return () => {
    if (existsSync(REPORT)) process.stdout.write(`\n${readFileSync(REPORT, 'utf8')}\n`);
  };
}
