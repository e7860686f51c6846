// `npm run typecheck`: all project references in one go; vue-tsc is tsc that also reads .vue files.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { generate } from './gen/index.mjs';
import { ROOT } from './lib/paths.mjs';

await generate();
const result = spawnSync(
  process.execPath,
  [join(ROOT, 'node_modules/vue-tsc/bin/vue-tsc.js'), '--build', ...process.argv.slice(2)],
  { cwd: ROOT, stdio: 'inherit' },
);
process.exitCode = result.status ?? 1;
