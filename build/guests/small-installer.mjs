// The files of a CD that installs a small system as the big ones do: it partitions the disk, makes a file system,
// copies kernel and ramdisk, writes GRUB and reboots. What tests of installing use where Debian's installer takes too long.
// The system has a host name, an address from DHCP when there is an e1000, and a login on the screen and the serial port:
// root with the password of the preseed it was installed with, or with "domus".
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encrypt } from 'unixcrypt';
import { ensureCommands } from '../lib/apt.mjs';
import { CpioWriter } from './cpio.mjs';
import { addDrivers } from './drivers.mjs';

const KERNEL_OPTIONS = 'console=tty0 console=ttyS0,115200 quiet';
/** What GRUB's first image reads the rest with. */
const GRUB_MODULES = ['biosdisk', 'part_msdos', 'ext2', 'normal', 'linux', 'serial', 'terminal'];
const GRUB_PREFIX = '(hd0,msdos1)/boot/grub';
const GRUB_CONFIG = `serial --unit=0 --speed=115200
terminal_output serial console
set timeout=0
menuentry "small system" {
  linux /boot/linux root=/dev/sda1 ${KERNEL_OPTIONS}
  initrd /boot/initrd
}
`;

const START = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev 2>/dev/null
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=linux
await() { for i in $(seq 200); do [ -b "$1" ] && return; usleep 50000; done; echo "no $1"; exec sh; }
`;

/** The disk's first partition starts at 1 MiB: GRUB's second image lies in front of it. */
const INSTALLER_INIT = `${START}
load ata_piix sd_mod sr_mod isofs crc32c_generic ext4
await /dev/sda
await /dev/sr0
fail() { echo "SMALL-INSTALLER-FAILED: $1"; exec sh; }
mount -t iso9660 -o ro /dev/sr0 /cd || fail "the CD"
printf 'o\\nn\\np\\n1\\n2048\\n\\na\\n1\\nw\\n' | fdisk /dev/sda >/dev/null || fail "fdisk"
await /dev/sda1
mke2fs -L system /dev/sda1 >/dev/null || fail "mke2fs"
mount -t ext2 /dev/sda1 /mnt || fail "mount"
mkdir -p /mnt/boot/grub
cp /cd/linux /cd/system/initrd /mnt/boot || fail "copying"
cp /cd/system/grub.cfg /mnt/boot/grub || fail "copying"
[ ! -f /preseed.cfg ] || cp /preseed.cfg /mnt || fail "copying"
umount /mnt
dd if=/cd/system/core.img of=/dev/sda bs=512 seek=1 2>/dev/null || fail "core.img"
dd if=/cd/system/boot.img of=/dev/sda bs=440 count=1 conv=notrunc 2>/dev/null || fail "boot.img"
sync
echo SMALL-INSTALLER-DONE
reboot -f
`;

const SYSTEM_INIT = `${START}
load ata_piix sd_mod crc32c_generic ext4 e1000
await /dev/sda1
mount -t ext2 /dev/sda1 /mnt
answer() { sed -n "s|^d-i $1 [a-z]* ||p" /mnt/preseed.cfg 2>/dev/null; }
name=$(answer netcfg/get_hostname)
hostname "\${name:-small}"
hash=$(answer passwd/root-password-crypted)
[ -z "$hash" ] || printf 'root:%s:0:0:::::\\n' "$hash" > /etc/shadow
echo start >> /mnt/starts
sync
echo "SMALL-SYSTEM start $(wc -l < /mnt/starts)"
trap 'umount /mnt; poweroff -f' USR2
trap 'umount /mnt; reboot -f' TERM
ifconfig lo 127.0.0.1
[ ! -d /sys/class/net/eth0 ] || { ifconfig eth0 up; udhcpc -b -i eth0 -s /etc/lease >/dev/null 2>&1; }
login_on() { while true; do setsid getty 115200 "$1" linux; sleep 1; done; }
login_on tty1 &
login_on ttyS0 &
while true; do wait; done
`;

/** What udhcpc runs when it has an address. */
const LEASE_SCRIPT = `#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ifconfig "$interface" "$ip" netmask "$subnet"
[ -z "$router" ] || route add default gw "$router" 2>/dev/null
echo "nameserver $dns" > /etc/resolv.conf
`;

function addAccounts(archive) {
  archive.file('etc/passwd', 'root:x:0:0:root:/:/bin/sh\n');
  archive.file('etc/group', 'root:x:0:\n');
  archive.file('etc/shadow', `root:${encrypt('domus')}:0:0:::::\n`, 0o600);
  archive.file('etc/lease', LEASE_SCRIPT, 0o755);
}

function ramdisk({ busybox, modules }, init) {
  const archive = new CpioWriter();
  for (const folder of ['bin', 'cd', 'dev', 'etc', 'proc', 'sys', 'tmp', 'mnt'])
    archive.folder(folder);
  archive.characterDevice('dev/console', 5, 1).characterDevice('dev/null', 1, 3, 0o666);
  archive.file('bin/busybox', busybox, 0o755).link('bin/sh', 'busybox');
  addDrivers(archive, modules);
  addAccounts(archive);
  return gzipSync(archive.file('init', init, 0o755).bytes(), { level: 9 });
}

/** Writes the CD's files below `tree`, except ISOLINUX itself. `parts` says where what they are made of lies. */
export function makeSmallInstaller(tree, parts) {
  ensureCommands({ 'grub-mkimage': 'grub-common' }, 'Making a system with GRUB');
  const system = join(tree, 'system');
  mkdirSync(system);
  copyFileSync(parts.linux, join(tree, 'linux'));
  writeFileSync(join(tree, 'initrd.gz'), ramdisk(parts, INSTALLER_INIT));
  writeFileSync(
    join(tree, 'isolinux/isolinux.cfg'),
    `default install\nprompt 0\nlabel install\n  kernel /linux\n  append initrd=/initrd.gz ${KERNEL_OPTIONS}\n`,
  );
  writeFileSync(join(system, 'initrd'), ramdisk(parts, SYSTEM_INIT));
  writeFileSync(join(system, 'grub.cfg'), GRUB_CONFIG);
  copyFileSync(join(parts.grub, 'boot.img'), join(system, 'boot.img'));
  const image = ['-O', 'i386-pc', '-d', parts.grub, '-p', GRUB_PREFIX];
  const result = spawnSync(
    'grub-mkimage',
    [...image, '-o', join(system, 'core.img'), ...GRUB_MODULES],
    { encoding: 'utf8' },
  );
  if (result.status !== 0) throw new Error(`grub-mkimage failed: ${result.stderr}`);
}
