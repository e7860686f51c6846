// Debian's network installer of a later release than this computer's, with what partial mirrors lack put into its
// ramdisk. Mirrors made for installed systems have the packages (.deb) but not all of the installer's own (.udeb); the
// disk drivers and e2fsprogs are in both, so they are taken from the packages and marked as there.
import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { ensureCommands, SetupError } from '../lib/apt.mjs';
import { CpioWriter } from './cpio.mjs';

const SUITE = 'trixie';
const INSTALLER = 'debian-installer-13-netboot-amd64';
const IMAGES = 'usr/lib/debian-installer/images/13/amd64/text/debian-installer/amd64';
const TOOLS = ['e2fsprogs', 'libext2fs2t64', 'libcom-err2', 'libss2'];
const TOOL_FILES =
  /^(?:usr\/)?(?:sbin\/(?:mke2fs|mkfs\.ext[234]|e2fsck|fsck\.ext[234]|tune2fs|resize2fs|badblocks)|lib\/x86_64-linux-gnu\/lib(?:ext2fs|e2p|com_err|ss)\.so\.[\d.]+)$|^etc\/mke2fs\.conf$/;
const DRIVERS = [
  'ahci',
  'ata_piix',
  'ata_generic',
  'sd_mod',
  'sr_mod',
  'isofs',
  'ext4',
  'loop',
  'md_mod',
  'raid1',
  'dm_mod',
  'virtio_blk',
  'crc32c_generic',
];
/** Packages of the installer that these stand for, or that it can do without on a new disk. */
const REPLACED = [
  ...['ata', 'cdrom-core', 'ext4', 'isofs', 'loop', 'pata', 'sata', 'scsi'],
  ...['btrfs', 'firewire-core', 'jfs', 'md', 'pcmcia-storage', 'xfs'],
];
const REPLACED_TOOLS = ['e2fsprogs-udeb', 'ntfs-3g-udeb', 'libmount1-udeb', 'xfsprogs-udeb'];

/** Where this computer's packages come from: the first Debian archive of its apt configuration. */
export function debianMirror() {
  const folder = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list'];
  try {
    files.push(...readdirSync(folder).map((name) => join(folder, name)));
  } catch {
    // A Debian without sources.list.d.
  }
  for (const file of files) {
    if (!/\.(?:list|sources)$/.test(file)) continue;
    let text = '';
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      continue;
    }
    const found = /^(?:URIs:|deb(?: \[[^\]]*\])?) *(http:\/\/\S+\/debian)\/?(?:\s|$)/m.exec(text);
    if (found) return found[1];
  }
  return 'http://deb.debian.org/debian';
}

/** The proxy of the apt configuration, '' for none. */
export function aptProxy() {
  const { stdout } = spawnSync('apt-config', ['shell', 'PROXY', 'Acquire::http::Proxy'], {
    encoding: 'utf8',
  });
  return /^PROXY='(http:\/\/[^']+?)\/?'/m.exec(stdout ?? '')?.[1] ?? '';
}

/** apt with lists of its own, so that packages of another release can be fetched and are checked as always. */
class OtherRelease {
  constructor(work) {
    this.work = work;
    for (const name of ['lists/partial', 'archives/partial', 'debs', 'tree'])
      mkdirSync(join(work, name), { recursive: true });
    const list = join(work, 'sources.list');
    writeFileSync(list, `deb ${debianMirror()} ${SUITE} main main/debian-installer\n`);
    this.options = [
      `Dir::Etc::sourcelist=${list}`,
      'Dir::Etc::sourceparts=-',
      'Dir::Etc::preferencesparts=-',
      `Dir::State::lists=${join(work, 'lists')}`,
      `Dir::State::status=${join(work, 'status')}`,
      `Dir::Cache=${work}`,
      'Acquire::Languages=none',
      'APT::Sandbox::User=root',
      'APT::Architecture=amd64',
    ].flatMap((option) => ['-o', option]);
    writeFileSync(join(work, 'status'), '');
    this.run('apt-get', ['-qq', 'update']);
  }

  run(program, args, cwd = this.work) {
    const result = spawnSync(program, [...this.options, ...args], {
      cwd,
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    });
    if (result.status !== 0)
      throw new SetupError(`${program} ${args.join(' ')} failed: ${result.stderr.trim()}`);
    return result.stdout;
  }

  show(name) {
    return this.run('apt-cache', ['show', '--no-all-versions', name]);
  }

  /** Downloads packages and unpacks them into one folder. */
  unpack(...names) {
    const debs = join(this.work, 'debs');
    process.stderr.write(`guests: downloading ${names.join(' ')} of ${SUITE} ...\n`);
    this.run('apt-get', ['-qq', 'download', ...names], debs);
    const tree = join(this.work, 'tree');
    for (const file of readdirSync(debs)) {
      const script = 'set -o pipefail; dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1"';
      const result = spawnSync('bash', ['-c', script, join(debs, file), tree], {
        encoding: 'utf8',
      });
      if (result.status !== 0) throw new Error(`${file} could not be unpacked: ${result.stderr}`);
    }
    return tree;
  }
}

const canonical = (name) => name.replaceAll('-', '_');

/** Files below a folder by path. */
function* walk(folder, prefix = '') {
  for (const entry of readdirSync(join(folder, prefix), { withFileTypes: true })) {
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) yield* walk(folder, path);
    else yield path;
  }
}

/** Paths of the drivers and what they depend on, by modinfo's `depends=`. */
function driverPaths(tree, release) {
  const root = `usr/lib/modules/${release}/kernel`;
  const paths = new Map();
  for (const path of walk(tree, root)) {
    const name = /([^/]+)\.ko(?:\.xz)?$/.exec(path)?.[1];
    if (name !== undefined) paths.set(canonical(name), path);
  }
  const wanted = DRIVERS.filter((name) => paths.has(name));
  for (const name of wanted) {
    const file = join(tree, paths.get(name));
    const content = file.endsWith('.xz')
      ? spawnSync('/usr/lib/apt/apt-helper', ['cat-file', file], { maxBuffer: 64 << 20 }).stdout
      : readFileSync(file);
    const depends = /\0depends=([^\0]*)\0/.exec(content.toString('latin1'))?.[1] ?? '';
    for (const other of depends.split(',').filter(Boolean).map(canonical))
      if (paths.has(other) && !wanted.includes(other)) wanted.push(other);
  }
  return wanted.map((name) => paths.get(name));
}

/** The dpkg status of the ramdisk with more packages in it. */
function extendedStatus(apt, initrd, release) {
  const script =
    'set -o pipefail; gzip -dc "$0" | cpio -i --quiet --to-stdout var/lib/dpkg/status ./var/lib/dpkg/status';
  ensureCommands({ cpio: 'cpio' }, "Reading the installer's ramdisk");
  const { stdout, stderr } = spawnSync('bash', ['-c', script, initrd], { maxBuffer: 64 << 20 });
  let status = `${stdout.toString().trimEnd()}\n`;
  if (!status.includes('Package: '))
    throw new Error(`the ramdisk of the installer has no status: ${stderr}`);
  const names = [...REPLACED.map((name) => `${name}-modules-${release}-di`), ...REPLACED_TOOLS];
  for (const name of names) {
    const fields = apt
      .show(name)
      .split('\n')
      .filter((line) => /^(?:Version|Architecture|Provides):/.test(line));
    status += `\n${[`Package: ${name}`, 'Status: install ok installed', ...fields].join('\n')}\n`;
  }
  return status;
}

/** Makes `linux` and `initrd.gz` of the installer in a folder. */
export function makeDebianInstaller(work, output) {
  const apt = new OtherRelease(work);
  apt.unpack(INSTALLER);
  const images = join(work, 'tree', IMAGES);
  const linux = readFileSync(join(images, 'linux'));
  // bzImage header, boot protocol 2.00: where the kernel's version lies.
  const at = linux.readUInt16LE(0x20e) + 0x200;
  const release = linux.toString('latin1', at, at + 64).split(' ')[0];
  const tree = apt.unpack(`linux-image-${release}`, ...TOOLS);
  const archive = new CpioWriter();
  const folders = new Set();
  const add = (path) => {
    const target = path.startsWith('etc/') || path.startsWith('usr/') ? path : `usr/${path}`;
    const parts = target.split('/');
    for (let i = 1; i < parts.length; i++) {
      const folder = parts.slice(0, i).join('/');
      if (!folders.has(folder)) archive.folder(folder);
      folders.add(folder);
    }
    const file = join(tree, path);
    const info = lstatSync(file);
    if (info.isSymbolicLink()) archive.link(target, readlinkSync(file));
    else archive.file(target, readFileSync(file), info.mode & 0o777);
  };
  for (const path of driverPaths(tree, release)) add(path);
  for (const path of walk(tree)) if (TOOL_FILES.test(path)) add(path);
  for (const folder of ['var', 'var/lib', 'var/lib/dpkg']) archive.folder(folder);
  const initrd = join(images, 'initrd.gz');
  archive.file('var/lib/dpkg/status', extendedStatus(apt, initrd, release));
  const first = readFileSync(initrd);
  mkdirSync(output);
  writeFileSync(join(output, 'linux'), linux);
  // Archives follow one another on multiples of four bytes.
  const gap = Buffer.alloc((4 - (first.length % 4)) % 4);
  writeFileSync(join(output, basename(initrd)), Buffer.concat([first, gap, archive.bytes()]));
}
