// Files out of Debian packages, without installing them.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureAptLists, hasApt, isRoot, SetupError } from '../lib/apt.mjs';

/** Downloads a package and unpacks the paths asked for ("./usr/...") into a folder. */
export function unpackFromPackage(name, paths, folder) {
  if (!hasApt())
    throw new SetupError(
      `Guests for tests come from Debian packages (${name}); apt-get is not here.`,
    );
  ensureAptLists();
  const work = mkdtempSync(join(folder, 'deb-'));
  try {
    if (!download(name, work)) {
      // Lists that are there but old name versions the server no longer has.
      if (isRoot()) spawnSync('apt-get', ['-qq', 'update'], { stdio: 'ignore' });
      if (!download(name, work)) {
        throw new SetupError(
          `apt-get download ${name} failed. Old package lists? Run: sudo apt-get update`,
        );
      }
    }
    const archive = readdirSync(work).find((file) => file.endsWith('.deb'));
    const script = 'set -o pipefail; dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" -- "${@:2}"';
    const result = spawnSync('bash', ['-c', script, join(work, archive), folder, ...paths], {
      encoding: 'utf8',
    });
    if (result.status !== 0) throw new Error(`${name} could not be unpacked: ${result.stderr}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function download(name, folder) {
  process.stderr.write(`guests: downloading ${name} ...\n`);
  const result = spawnSync('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', name], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'ignore'],
    timeout: 600_000,
  });
  return result.status === 0;
}
