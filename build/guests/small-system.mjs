// The image of a disk that BIOSes start from: GRUB in front of an ext2 partition with a kernel, a ramdisk, and a block
// that GRUB writes by way of the BIOS.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureCommands } from '../lib/apt.mjs';

const SECTOR = 512;
/** The partition starts at 1 MiB: GRUB's second image lies in front of it. */
const PARTITION_SECTOR = 2048;
const PARTITION_MIB = 40;
const BOOT_CODE_BYTES = 440;
const PARTITION_TABLE = 446;
const ACTIVE = 0x80;
const TYPE_LINUX = 0x83;
const GRUB_MODULES = ['biosdisk', 'part_msdos', 'ext2', 'normal', 'linux', 'serial', 'terminal', 'loadenv', 'boot']; // prettier-ignore
const GRUB_PREFIX = '(hd0,msdos1)/boot/grub';
const GRUB_CONFIG = `serial --unit=0 --speed=115200
terminal_output serial console
set started=by-bios
save_env started
linux /boot/linux console=ttyS0,115200 quiet
initrd /boot/initrd
boot
`;
const ENVIRONMENT = '# GRUB Environment Block\n'.padEnd(1024, '#');

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status !== 0)
    throw new Error(`${command} failed: ${result.error?.message ?? result.stderr}`);
}

/** Writes the image to `output`. `parts` says where kernel, ramdisk and GRUB's modules lie. */
export function makeSmallSystem(work, output, parts) {
  ensureCommands(
    { 'grub-mkimage': 'grub-common', mke2fs: 'e2fsprogs' },
    'Making a disk image with GRUB',
  );
  const tree = join(work, 'tree');
  mkdirSync(join(tree, 'boot/grub'), { recursive: true });
  copyFileSync(parts.linux, join(tree, 'boot/linux'));
  copyFileSync(parts.ramdisk, join(tree, 'boot/initrd'));
  writeFileSync(join(tree, 'boot/grub/grub.cfg'), GRUB_CONFIG);
  writeFileSync(join(tree, 'boot/grub/grubenv'), ENVIRONMENT);
  const partition = join(work, 'partition');
  run('mke2fs', ['-q', '-t', 'ext2', '-d', tree, partition, `${PARTITION_MIB}M`]);
  const core = join(work, 'core.img');
  const image = ['-O', 'i386-pc', '-d', parts.grub, '-p', GRUB_PREFIX];
  run('grub-mkimage', [...image, '-o', core, ...GRUB_MODULES]);

  const boot = Buffer.alloc(PARTITION_SECTOR * SECTOR);
  readFileSync(join(parts.grub, 'boot.img')).copy(boot, 0, 0, BOOT_CODE_BYTES);
  boot[PARTITION_TABLE] = ACTIVE;
  boot[PARTITION_TABLE + 4] = TYPE_LINUX;
  boot.writeUInt32LE(PARTITION_SECTOR, PARTITION_TABLE + 8);
  boot.writeUInt32LE((PARTITION_MIB << 20) / SECTOR, PARTITION_TABLE + 12);
  boot.writeUInt16BE(0x55aa, SECTOR - 2);
  readFileSync(core).copy(boot, SECTOR);
  writeFileSync(output, Buffer.concat([boot, readFileSync(partition)]));
}
