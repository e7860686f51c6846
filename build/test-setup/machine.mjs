// What tests need of the machine beyond Node: compilers for native references, the ACPI compiler, qemu-img, a display, Electron, guests.
import { spawnSync } from 'node:child_process';
import { electronRuntime, ensureElectronLibraries } from '../electron-runtime.mjs';
import { guest } from '../guests.mjs';
import { hasApt, installPackages } from '../lib/apt.mjs';

const PACKAGES = [
  'acpica-tools',
  'gcc',
  'libc6-dev',
  'binutils',
  'xorriso',
  'qemu-utils',
  'xvfb',
  'fonts-dejavu-core',
];

const isInstalled = (name) =>
  spawnSync('dpkg-query', ['-W', '-f', '${Status}', name], { encoding: 'utf8' }).stdout ===
  'install ok installed';

export function installTestPackages() {
  if (!hasApt()) return;
  installPackages(
    PACKAGES.filter((name) => !isInstalled(name)),
    'The test run',
  );
}

export async function prepareElectron() {
  ensureElectronLibraries((await electronRuntime()).executable);
}

/** Guests that tests ask for by name are made when they ask; these are large and wanted by several. */
export async function prepareGuests() {
  for (const name of ['debian-amd64-linux', 'debian-netboot.iso', 'busybox-initrd.gz'])
    await guest(name);
}
