// Sources of the programs that the benchmark's guests run, as Debian has them: fetched once, never committed.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ensureCommands, hasApt, SetupError } from '../lib/apt.mjs';
import { withLock } from '../lib/files.mjs';
import { cacheFolder } from '../lib/paths.mjs';

const FOLDER = cacheFolder('bench', 'sources');
const SUITE = 'bookworm';
/** Where Debian keeps its sources, whatever machine this is. */
const MIRROR = 'http://deb.debian.org/debian';

/** Folder with the unpacked upstream source of a Debian source package. */
export async function debianSource(name) {
  const folder = join(FOLDER, SUITE, name);
  if (existsSync(folder)) return folder;
  mkdirSync(FOLDER, { recursive: true });
  await withLock(join(FOLDER, `${name}.lock`), () => {
    if (existsSync(folder)) return;
    const work = mkdtempSync(join(FOLDER, 'new-'));
    try {
      fetchSource(name, work, folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
  return folder;
}

function fetchSource(name, work, folder) {
  if (!hasApt())
    throw new SetupError(
      `The benchmark's programs come from Debian (${name}); apt-get is not here.`,
    );
  ensureCommands({ bzip2: 'bzip2', xz: 'xz-utils' }, 'Unpacking sources');
  process.stderr.write(`bench: downloading the source of ${name} ...\n`);
  // Lists of its own: those of the system need no source entries and stay as they are.
  const list = join(work, 'sources.list');
  writeFileSync(list, `deb-src ${MIRROR} ${SUITE} main\n`);
  for (const path of ['lists/partial', 'cache/archives/partial', 'source', 'tree'])
    mkdirSync(join(work, path), { recursive: true });
  const apt = (...args) =>
    run('apt-get', [
      '-qq',
      ...['-o', `Dir::Etc::SourceList=${list}`, '-o', 'Dir::Etc::SourceParts=/dev/null'],
      ...['-o', `Dir::State::Lists=${join(work, 'lists')}`, '-o', `Dir::Cache=${join(work, 'cache')}`],
      ...['-o', 'APT::Sandbox::User=root'],
      ...args,
    ], join(work, 'source')); // prettier-ignore
  apt('update');
  apt('source', '--download-only', name);
  const archive = readdirSync(join(work, 'source')).find((file) =>
    /\.orig\.tar\.[a-z0-9]+$/.test(file),
  );
  if (archive === undefined) throw new Error(`the source of ${name} has no upstream archive`);
  const tree = join(work, 'tree');
  run('tar', ['-x', '-f', join(work, 'source', archive), '-C', tree], work);
  // Most archives hold one folder, some the files themselves.
  const names = readdirSync(tree);
  mkdirSync(join(FOLDER, SUITE), { recursive: true });
  renameSync(names.length === 1 ? join(tree, names[0]) : tree, folder);
}

function run(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 600_000 });
  if (result.status !== 0)
    throw new SetupError(
      `${command} ${args.join(' ')} failed: ${result.error?.message ?? result.stderr}`,
    );
}
