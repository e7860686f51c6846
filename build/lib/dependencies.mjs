import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { SetupError } from './apt.mjs';
import { ROOT } from './paths.mjs';

const MINIMUM = [20, 19];

/** Installs the npm packages of package-lock.json, unless exactly these are there. */
export function ensureDependencies() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1])) {
    throw new SetupError(
      `Node ${MINIMUM.join('.')} or newer is needed; this is ${process.versions.node}.`,
    );
  }
  if (isCurrent()) return;
  process.stderr.write('setup: npm ci\n');
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel', 'error'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (result.status !== 0) throw new SetupError('npm ci failed (see above).');
  writeFileSync(stampFile(), lockHash());
}

const stampFile = () => join(ROOT, 'node_modules/.domus-installed');
const lockHash = () =>
  createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');

/** npm keeps its own copy of the lock file, so a hand-made `npm ci` counts as well as ours. */
function isCurrent() {
  const installed = join(ROOT, 'node_modules/.package-lock.json');
  if (!existsSync(installed)) return false;
  if (existsSync(stampFile()) && readFileSync(stampFile(), 'utf8') === lockHash()) return true;
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === '' || entry.optional === true || present[path]?.version === entry.version,
  );
}
