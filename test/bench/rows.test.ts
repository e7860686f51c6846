/** Every row of the benchmark computes in a guest of Domus what it computes on this machine's own processor. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { DEVICE_ROWS, GUEST_ROWS } from '../../build/bench/rows.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const LIMIT_MS = 8 * 60_000;

it.each(['64', '32'])('%s-bit rows have the checksums of a native run', (bits) => {
  const rows = Object.keys(bits === '64' ? { ...GUEST_ROWS, ...DEVICE_ROWS } : GUEST_ROWS);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      'build/bench/run.mjs',
      ...['--quick', '--peers', 'domus,native', '--bits', bits, '--rows', rows.join(',')],
    ],
    { cwd: ROOT, encoding: 'utf8', timeout: LIMIT_MS },
  );
  expect(stderr).not.toContain('Error');
  expect(stdout).not.toContain('WRONG');
  for (const row of rows)
    expect(stdout).toMatch(new RegExp(`^${bits}-bit ${row} +domus .* [0-9a-f]{16}`, 'm'));
  expect(status).toBe(0);
});
