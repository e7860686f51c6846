// Real guests for tests and for trying things out, made from Debian packages into a cache outside the checkout.
//   node build/guests.mjs            lists the names
//   node build/guests.mjs NAME ...   makes what is missing and prints the paths
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { CpioWriter } from './guests/cpio.mjs';
import { unpackFromPackage } from './guests/debian-package.mjs';
import { makeDebianInstaller } from './guests/debian-installer.mjs';
import { addDrivers, SMALL_DRIVERS, unpackDrivers } from './guests/drivers.mjs';
import { extractFromIso, makeIsolinuxIso } from './guests/iso.mjs';
import { makeSmallInstaller } from './guests/small-installer.mjs';
import { makeSmallSystem } from './guests/small-system.mjs';
import { SetupError } from './lib/apt.mjs';
import { withLock } from './lib/files.mjs';
import { cacheFolder } from './lib/paths.mjs';

/** Part of the cache's path: raise it when what is made below changes; of one guest alone, its row's `revision`. */
const REVISION = 2;
const FOLDER = cacheFolder('guests', String(REVISION));

/** Line that the BusyBox guest prints when its shell is about to start. */
export const BUSYBOX_MARKER = 'DOMUS-BUSYBOX-READY';

const fromPackage = (name, path) => ({ package: name, path });

const installer = (arch, file) =>
  fromPackage(
    `debian-installer-12-netboot-${arch}`,
    `usr/lib/debian-installer/images/12/${arch}/text/debian-installer/${arch}/${file}`,
  );

const syslinux = (file) => fromPackage('syslinux-common', `usr/lib/syslinux/modules/bios/${file}`);

/** Every guest: a file name in the cache, what it is, and the package it lies in or how it is made of others. */
const GUESTS = {
  'debian-amd64-linux': { about: 'kernel of the Debian 12 installer, bzImage', from: installer('amd64', 'linux') },
  'debian-amd64-initrd.gz': { about: 'its initramfs; has BusyBox at /bin/sh', from: installer('amd64', 'initrd.gz') },
  'debian-i386-linux': { about: '32-bit (i686) kernel of the Debian 12 installer', from: installer('i386', 'linux') },
  'debian-i386-initrd.gz': { about: 'its initramfs', from: installer('i386', 'initrd.gz') },
  'debian-netboot.iso': {
    about: 'Debian 12 netboot CD: ISOLINUX text menu; entries install, text, shell, serial',
    make: makeTextMenuIso,
  },
  'debian-netboot-graphic.iso': {
    about: "the same with Debian's own boot screen (vesamenu, VBE, splash picture)",
    make: makeGraphicMenuIso,
  },
  'busybox-initrd.gz': { about: 'small initramfs: prints a marker line, then a shell', make: makeBusyBox },
  'drivers-linux': {
    about: "Debian's kernel for installed systems, for drivers-initrd.gz",
    make: async (_work, output) => copyFileSync(join(await guest('drivers'), 'linux'), output),
  },
  'drivers-initrd.gz': {
    about: 'the small initramfs with driver modules: load virtio_blk',
    make: makeDrivers,
  },
  'debian-13-install.iso': {
    about: 'Debian 13 network installer that needs of a mirror only what installed systems need',
    make: makeDebian13Iso,
  },
  'small-installer.iso': {
    about: 'installs a small Linux by itself: partition, ext2, GRUB; reboots into it; login root, password domus',
    revision: 3,
    make: makeSmallInstallerIso,
  },
  'small-system.img': {
    about: 'disk with GRUB that starts the BusyBox shell with drivers; GRUB writes to it first',
    make: async (work, output) =>
      makeSmallSystem(work, output, {
        linux: await guest('drivers-linux'),
        ramdisk: await guest('drivers-initrd.gz'),
        grub: await guest('grub-i386-pc'),
      }),
  },
  'grub-rescue.iso': {
    about: 'GRUB 2 rescue CD (El Torito, no emulation)',
    from: fromPackage('grub-rescue-pc', 'usr/lib/grub-rescue/grub-rescue-cdrom.iso'),
  },
  'grub-rescue.img': {
    about: 'GRUB 2 rescue floppy, 1.44 MB',
    from: fromPackage('grub-rescue-pc', 'usr/lib/grub-rescue/grub-rescue-floppy.img'),
    finish: padToFloppy,
  },
  'pxelinux.0': {
    about: 'PXELINUX: boot program for the network, by the UDP services of the firmware',
    from: fromPackage('pxelinux', 'usr/lib/PXELINUX/pxelinux.0'),
  },
  'lpxelinux.0': {
    about: 'the same with a TCP/IP stack of its own, by the UNDI services of the firmware',
    from: fromPackage('pxelinux', 'usr/lib/PXELINUX/lpxelinux.0'),
  },
  'ldlinux.c32': { about: 'the module that both load first', from: syslinux('ldlinux.c32') },
  'memtest.bin': { about: 'memtest86+, starts like a Linux kernel', from: fromPackage('memtest86+', 'boot/memtest86+x64.bin') },
  'memtest32.bin': { about: 'the same, 32-bit', from: fromPackage('memtest86+', 'boot/memtest86+ia32.bin') },
  'memtest.iso': {
    about: 'memtest86+ CD (El Torito, floppy emulation)',
    from: fromPackage('memtest86+', 'usr/lib/memtest86+/memtest86+x64.iso'),
  },
  'memtest.img': {
    about: 'memtest86+ floppy, 1.44 MB',
    make: async (work, output) => extractFromIso(await guest('memtest.iso'), '/boot/floppy.img', output),
  },
  'memtest-isolinux.iso': { about: 'memtest86+ on an ISOLINUX CD (no emulation)', make: makeMemtestIso },
  'seabios.bin': { about: "Debian's SeaBIOS, 128 KiB", from: fromPackage('seabios', 'usr/share/seabios/bios.bin') },
  'seabios-256k.bin': { about: "Debian's SeaBIOS, 256 KiB", from: fromPackage('seabios', 'usr/share/seabios/bios-256k.bin') },
  'vgabios-stdvga.bin': {
    about: 'VGA BIOS for the Bochs display adapter',
    from: fromPackage('seabios', 'usr/share/seabios/vgabios-stdvga.bin'),
  },
}; // prettier-ignore

/** What guests are made of; fetched the same way. */
const PARTS = {
  'isolinux.bin': { from: fromPackage('isolinux', 'usr/lib/ISOLINUX/isolinux.bin') },
  'libcom32.c32': { from: syslinux('libcom32.c32') },
  'libutil.c32': { from: syslinux('libutil.c32') },
  'menu.c32': { from: syslinux('menu.c32') },
  'vesamenu.c32': { from: syslinux('vesamenu.c32') },
  busybox: { from: fromPackage('busybox-static', 'bin/busybox') },
  'boot-screens': { from: installer('amd64', 'boot-screens') },
  'small-drivers': {
    make: async (work, output) => unpackDrivers(work, output, SMALL_DRIVERS),
  },
  'debian-13-installer': { make: async (work, output) => makeDebianInstaller(work, output) },
  'grub-i386-pc': { from: fromPackage('grub-pc-bin', 'usr/lib/grub/i386-pc') },
  drivers: { make: async (work, output) => unpackDrivers(work, output) },
};
const ROWS = { ...GUESTS, ...PARTS };

export const GUEST_NAMES = Object.keys(GUESTS);

/** Path of a guest file, made first if it is not in the cache. Any number of processes may ask at once. */
export async function guest(name) {
  const row = ROWS[name];
  if (row === undefined)
    throw new Error(`there is no guest ${name}; there are ${GUEST_NAMES.join(' ')}`);
  const path = pathOf(name);
  if (existsSync(path)) return path;
  mkdirSync(dirname(path), { recursive: true });
  await withLock(join(FOLDER, `${row.from?.package ?? name}.lock`), async () => {
    if (existsSync(path)) return;
    const work = mkdtempSync(join(FOLDER, 'new-'));
    try {
      if (row.from === undefined) {
        const output = join(work, 'output');
        await row.make(work, output);
        keep(output, name);
      } else unpackPackage(row.from.package, work);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
  return path;
}

/** One download gives all that is wanted of a package. */
function unpackPackage(name, work) {
  const rows = Object.entries(ROWS).filter(([, row]) => row.from?.package === name);
  unpackFromPackage(
    name,
    rows.map(([, row]) => `./${row.from.path}`),
    work,
  );
  for (const [file, row] of rows) {
    const output = join(work, row.from.path);
    row.finish?.(output);
    if (!existsSync(pathOf(file))) keep(output, file);
  }
}

function keep(output, name) {
  if (!statSync(output).isDirectory()) chmodSync(output, 0o644);
  renameSync(output, pathOf(name));
}

function pathOf(name) {
  const { revision } = ROWS[name];
  return join(FOLDER, ...(revision === undefined ? [] : [`revision-${revision}`]), name);
}

const INSTALL_FOLDER = 'install.amd';
const BOOT_FILES = ['ldlinux.c32', 'libcom32.c32', 'libutil.c32'];

/** The tree of a Debian installer CD without its boot menu. */
async function installerTree(work, menuModule) {
  const tree = join(work, 'tree');
  mkdirSync(join(tree, '.disk'), { recursive: true });
  writeFileSync(
    join(tree, '.disk/info'),
    'Debian GNU/Linux 12 "Bookworm" - Official amd64 NETINST with firmware\n',
  );
  await copyInto(tree, `${INSTALL_FOLDER}/vmlinuz`, 'debian-amd64-linux');
  await copyInto(tree, `${INSTALL_FOLDER}/initrd.gz`, 'debian-amd64-initrd.gz');
  await addIsolinux(tree, menuModule);
  return tree;
}

async function addIsolinux(tree, ...modules) {
  for (const name of ['isolinux.bin', ...BOOT_FILES, ...modules])
    await copyInto(tree, `isolinux/${name}`, name);
}

async function copyInto(tree, path, name) {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  copyFileSync(await guest(name), join(tree, path));
}

const VOLUME_ID = 'Debian 12.0.0 amd64 n';

const entry = (label, title, kernel, append) =>
  `label ${label}\n  menu label ${title}\n  kernel ${kernel}\n${append === '' ? '' : `  append ${append}\n`}`;

async function makeTextMenuIso(work, output) {
  const tree = await installerTree(work, 'menu.c32');
  const kernel = `/${INSTALL_FOLDER}/vmlinuz`;
  const initrd = `initrd=/${INSTALL_FOLDER}/initrd.gz`;
  const config = [
    'default menu.c32',
    'prompt 0',
    'timeout 0',
    'menu title Debian GNU/Linux installer menu (BIOS mode)',
    entry('install', '^Install', kernel, `vga=788 ${initrd} --- quiet`),
    entry('text', 'Install in ^text mode', kernel, `vga=normal ${initrd} --- quiet`),
    entry('shell', '^Shell', kernel, `vga=normal ${initrd} rdinit=/bin/sh`),
    entry(
      'serial',
      'Shell on se^rial console',
      kernel,
      `vga=normal ${initrd} console=ttyS0 rdinit=/bin/sh`,
    ),
    '',
  ].join('\n');
  writeFileSync(join(tree, 'isolinux/isolinux.cfg'), config);
  makeIsolinuxIso(tree, output, VOLUME_ID);
}

/** Debian's own menu files, with the paths of the CD. */
async function makeGraphicMenuIso(work, output) {
  const tree = await installerTree(work, 'vesamenu.c32');
  const target = join(tree, 'isolinux');
  cpSync(await guest('boot-screens'), target, {
    recursive: true,
    filter: (source) => !source.endsWith('.c32'),
  });
  for (const name of [
    'adtxt',
    'addrk',
    'drk',
    'drkmenu',
    'exithelp',
    'menu',
    'prompt',
    'rqdrk',
    'rqtxt',
    'stdmenu',
    'syslinux',
    'txt',
  ]) {
    const file = join(target, `${name}.cfg`);
    const text = readFileSync(file, 'utf8')
      .replaceAll('debian-installer/amd64/boot-screens/', '')
      .replaceAll('debian-installer/amd64/linux', `/${INSTALL_FOLDER}/vmlinuz`)
      .replaceAll('debian-installer/amd64/initrd.gz', `/${INSTALL_FOLDER}/initrd.gz`);
    writeFileSync(file, text);
  }
  renameSync(join(target, 'syslinux.cfg'), join(target, 'isolinux.cfg'));
  makeIsolinuxIso(tree, output, VOLUME_ID);
}

async function makeMemtestIso(work, output) {
  const tree = join(work, 'tree');
  await addIsolinux(tree);
  await copyInto(tree, 'memtest', 'memtest.bin');
  writeFileSync(
    join(tree, 'isolinux/isolinux.cfg'),
    'default memtest\nprompt 0\nlabel memtest\n  linux /memtest\n',
  );
  makeIsolinuxIso(tree, output, 'MEMTEST');
}

async function makeDebian13Iso(work, output) {
  const tree = join(work, 'tree');
  const installer = await guest('debian-13-installer');
  mkdirSync(join(tree, '.disk'), { recursive: true });
  writeFileSync(join(tree, '.disk/info'), 'Debian GNU/Linux 13 "Trixie" - amd64 NETBOOT\n');
  mkdirSync(join(tree, INSTALL_FOLDER));
  copyFileSync(join(installer, 'linux'), join(tree, INSTALL_FOLDER, 'vmlinuz'));
  copyFileSync(join(installer, 'initrd.gz'), join(tree, INSTALL_FOLDER, 'initrd.gz'));
  await addIsolinux(tree);
  const files = `/${INSTALL_FOLDER}`;
  writeFileSync(
    join(tree, 'isolinux/isolinux.cfg'),
    `default install\nprompt 1\ntimeout 0\nlabel install\n  kernel ${files}/vmlinuz\n  append initrd=${files}/initrd.gz --- quiet\n`,
  );
  makeIsolinuxIso(tree, output, 'Debian 13 amd64 n');
}

async function makeSmallInstallerIso(work, output) {
  const tree = join(work, 'tree');
  await addIsolinux(tree);
  const drivers = await guest('small-drivers');
  makeSmallInstaller(tree, {
    busybox: readFileSync(await guest('busybox')),
    grub: await guest('grub-i386-pc'),
    linux: join(drivers, 'linux'),
    modules: join(drivers, 'modules'),
  });
  makeIsolinuxIso(tree, output, 'SMALL_INSTALLER');
}

const FLOPPY_BYTES = 1440 * 1024;

function padToFloppy(path) {
  const content = readFileSync(path);
  if (content.length > FLOPPY_BYTES) throw new Error(`${path} does not fit on a floppy`);
  writeFileSync(path, Buffer.concat([content, Buffer.alloc(FLOPPY_BYTES - content.length)]));
}

/** /init of the BusyBox guest. Its poweroff, reboot and halt signal process 1, which is this script. */
const BUSYBOX_INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev 2>/dev/null
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=linux
trap 'poweroff -f' USR2
trap 'reboot -f' TERM
trap 'halt -f' USR1
echo ${BUSYBOX_MARKER}
while true; do
  setsid cttyhack sh &
  wait $!
done
`;

async function makeDrivers(_work, output) {
  const archive = await busyBoxArchive();
  addDrivers(archive, join(await guest('drivers'), 'modules'));
  writeFileSync(output, gzipSync(archive.bytes(), { level: 9 }));
}

async function makeBusyBox(_work, output) {
  const archive = await busyBoxArchive();
  writeFileSync(output, gzipSync(archive.bytes(), { level: 9 }));
}

async function busyBoxArchive() {
  const busybox = readFileSync(await guest('busybox'));
  const archive = new CpioWriter();
  for (const folder of ['bin', 'dev', 'proc', 'sys', 'etc', 'tmp', 'mnt']) archive.folder(folder);
  archive.characterDevice('dev/console', 5, 1).characterDevice('dev/null', 1, 3, 0o666);
  archive.file('bin/busybox', busybox, 0o755).link('bin/sh', 'busybox');
  return archive.file('init', BUSYBOX_INIT, 0o755);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const names = process.argv.slice(2);
  if (names.length === 0) {
    for (const [name, { about }] of Object.entries(GUESTS))
      process.stdout.write(`${name.padEnd(28)}${about}\n`);
    process.stdout.write(
      '\nnode build/guests.mjs NAME ... (or --all) makes them and prints their paths.\n',
    );
  }
  try {
    for (const name of names.includes('--all') ? GUEST_NAMES : names)
      process.stdout.write(`${await guest(name)}\n`);
  } catch (error) {
    if (!(error instanceof SetupError) && !error.message.startsWith('there is no guest'))
      throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
