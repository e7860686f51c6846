// A kernel with the driver modules that belong to it, out of Debian's linux-image package.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ensureAptLists } from '../lib/apt.mjs';
import { unpackFromPackage } from './debian-package.mjs';

/** Drivers that tests load. What they stand on comes with them. */
const DRIVERS = [
  'virtio_pci',
  'virtio_blk',
  'virtio_net',
  'ahci',
  'ata_piix',
  'sd_mod',
  'sr_mod',
  'e1000',
  '8139too',
  'ne2k-pci',
  'af_packet',
];

/** Module names are the same with `-` and `_`. */
const canonical = (name) => name.replaceAll('-', '_');

/** The package that linux-image-amd64 stands for today. */
function imagePackage() {
  ensureAptLists();
  const { stdout } = spawnSync('apt-cache', ['depends', 'linux-image-amd64'], { encoding: 'utf8' });
  const name = /Depends: (linux-image-[^\s]+)/.exec(stdout ?? '')?.[1];
  if (name === undefined) throw new Error('linux-image-amd64 depends on no kernel package');
  return name;
}

/** Drivers of the small installer and of the system it installs. */
export const SMALL_DRIVERS = [
  'ata_piix',
  'sd_mod',
  'sr_mod',
  'isofs',
  'ext4',
  'crc32c_generic',
  'e1000',
];

/** Makes a folder of `linux` and `modules`, which holds the drivers and what they depend on. */
export function unpackDrivers(work, output, drivers = DRIVERS) {
  const name = imagePackage();
  const release = name.replace(/^linux-image-/, '');
  unpackFromPackage(name, [`./boot/vmlinuz-${release}`, `./lib/modules/${release}/kernel`], work);
  const files = new Map();
  const tree = join(work, 'lib/modules', release, 'kernel');
  for (const entry of readdirSync(tree, { recursive: true }))
    if (entry.endsWith('.ko')) files.set(canonical(basename(entry, '.ko')), join(tree, entry));
  mkdirSync(join(output, 'modules'), { recursive: true });
  renameSync(join(work, 'boot', `vmlinuz-${release}`), join(output, 'linux'));
  const wanted = drivers.map(canonical).filter((driver) => files.has(driver));
  for (const driver of wanted) {
    const file = files.get(driver);
    wanted.push(...moduleDepends(file).filter((other) => !wanted.includes(other)));
    renameSync(file, join(output, 'modules', `${driver}.ko`));
    files.set(driver, join(output, 'modules', `${driver}.ko`));
  }
}

/** What a module says it depends on (`depends=` of its .modinfo section). */
function moduleDepends(file) {
  const depends = /\0depends=([^\0]*)\0/.exec(readFileSync(file, 'latin1'))?.[1] ?? '';
  return depends.split(',').filter(Boolean).map(canonical);
}

/** Adds the modules to an archive, and `/bin/load NAME`, which loads one and what it depends on. */
export function addDrivers(archive, folder) {
  archive.folder('modules');
  const names = readdirSync(folder).map((file) => basename(file, '.ko'));
  for (const name of names) {
    const file = join(folder, `${name}.ko`);
    archive.file(`modules/${name}.ko`, readFileSync(file));
    archive.file(`modules/${name}.order`, `${loadOrder(folder, name).join('\n')}\n`);
  }
  archive.file('bin/load', LOAD_SCRIPT, 0o755);
}

function loadOrder(folder, name, order = []) {
  for (const other of moduleDepends(join(folder, `${name}.ko`))) loadOrder(folder, other, order);
  if (!order.includes(name)) order.push(name);
  return order;
}

const LOAD_SCRIPT = `#!/bin/sh
for wish in "$@"; do
  for name in $(cat "/modules/$wish.order"); do
    grep -q "^$name " /proc/modules || insmod "/modules/$name.ko" || exit 1
  done
done
`;
