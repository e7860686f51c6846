// One test suite: `node build/suite.mjs NAME [more of vitest's arguments]`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './lib/paths.mjs';

const [name, ...rest] = process.argv.slice(2);
const result = spawnSync(
  process.execPath,
  [
    join(ROOT, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--config',
    'build/vitest.config.ts',
    '--project',
    name,
    ...rest,
  ],
  { cwd: ROOT, stdio: 'inherit' },
);
process.exitCode = result.status ?? 1;
