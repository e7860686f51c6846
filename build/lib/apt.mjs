// What the machine itself must have: installed when we may, otherwise named with the command that installs it.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Something missing that only the user can put right; its message says how. */
export class SetupError extends Error {}

export function hasCommand(name) {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export const isRoot = () => process.getuid?.() === 0;
export const hasApt = () => hasCommand('apt-get');

/** Package lists are there; fetches them when they are not and we may. */
export function ensureAptLists() {
  const lists = '/var/lib/apt/lists';
  if (existsSync(lists) && readdirSync(lists).some((name) => name.includes('_Packages'))) return;
  if (!isRoot()) throw new SetupError('The package lists are empty. Run: sudo apt-get update');
  runApt(['update']);
}

function runApt(args) {
  process.stderr.write(`setup: apt-get ${args.join(' ')}\n`);
  const result = spawnSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (result.status !== 0) throw new SetupError(`apt-get ${args.join(' ')} failed (see above)`);
}

/** The name a package has in this release: libraries of Debian 13 and Ubuntu 24.04 are called NAMEt64. */
function nameHere(name) {
  const known = (candidate) =>
    spawnSync('apt-cache', ['show', '--no-all-versions', candidate], { stdio: 'ignore' }).status ===
    0;
  return !known(name) && known(`${name}t64`) ? `${name}t64` : name;
}

/** Installs packages as root on Debian; otherwise says which are missing, what for, and the exact command. */
export function installPackages(packages, purpose) {
  if (packages.length === 0) return;
  if (!hasApt()) {
    throw new SetupError(
      `${purpose} needs what Debian calls: ${packages.join(' ')}. Install these with your system's package manager.`,
    );
  }
  if (isRoot()) ensureAptLists();
  const names = packages.map(nameHere);
  const args = ['install', '-y', '--no-install-recommends', ...names];
  if (!isRoot()) {
    throw new SetupError(
      `${purpose} needs packages that are not installed. Run:\n  sudo apt-get ${args.join(' ')}`,
    );
  }
  try {
    runApt(args);
  } catch {
    // Lists that are there but old name versions the server no longer has.
    runApt(['update']);
    runApt(args);
  }
}

/** Makes sure commands exist; `wanted` maps a command to the package that has it. */
export function ensureCommands(wanted, purpose) {
  const missing = Object.entries(wanted).filter(([command]) => !hasCommand(command));
  installPackages([...new Set(missing.map(([, name]) => name))], purpose);
}
