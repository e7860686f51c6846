import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** All files below the given files and folders that `keep` accepts, sorted. */
export function filesBelow(paths, keep = () => true) {
  const found = [];
  const visit = (path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isFile() && keep(path)) found.push(path);
    if (stat?.isDirectory()) {
      for (const name of readdirSync(path)) {
        if (name !== 'node_modules') visit(join(path, name));
      }
    }
  };
  for (const path of paths) visit(path);
  return found.sort();
}

/** A fingerprint of names and contents; `extra` is whatever else the product depends on. */
export function fingerprint(files, extra = '') {
  const hash = createHash('sha256').update(extra);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

/** Replaces a file as one step: a reader sees the old content or the new, never half. */
export function writeAtomic(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}

/** Runs `work` while no other process holds the lock of that folder name; takes over from the dead. */
export async function withLock(folder, work) {
  mkdirSync(dirname(folder), { recursive: true });
  const owner = join(folder, 'pid');
  let orphanSince;
  for (;;) {
    try {
      mkdirSync(folder);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (ownerIsAlive(owner)) orphanSince = undefined;
    else {
      // Between mkdir and the writing of its pid an owner looks dead: give it a moment.
      orphanSince ??= Date.now();
      if (Date.now() - orphanSince > 1500) rmSync(folder, { recursive: true, force: true });
    }
    await sleep(100);
  }
  writeFileSync(owner, String(process.pid));
  try {
    return await work();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function ownerIsAlive(file) {
  if (!existsSync(file)) return false;
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
