/**
 * Operating systems by what their images carry, as rows. First match wins. `from` is where the pattern looks:
 * `info` .disk/info of Debian and its children, `tree` "family version" of .treeinfo (Red Hat and its children),
 * `volume` the volume identifier, `menu` a boot menu's text, `file` a path that exists.
 * Groups of a pattern fill {1} and {2} in `id` and `name`.
 */
export type EvidenceSource = 'info' | 'tree' | 'volume' | 'menu' | 'file';

export interface OsRow {
  readonly from: EvidenceSource;
  readonly pattern: RegExp;
  readonly id: string;
  readonly name: string;
  /** Suggested MiB of memory and GiB of disk: what the system's own manual recommends, rounded up. */
  readonly memory: number;
  readonly diskGiB: number;
}

export const DEBIAN_CODENAMES: Readonly<Record<string, string>> = {
  '8': 'jessie',
  '9': 'stretch',
  '10': 'buster',
  '11': 'bullseye',
  '12': 'bookworm',
  '13': 'trixie',
  '14': 'forky',
};

const row = (
  from: EvidenceSource,
  pattern: RegExp,
  id: string,
  name: string,
  memory: number,
  diskGiB: number,
): OsRow => ({ from, pattern, id, name, memory, diskGiB });

export const OS_TABLE: readonly OsRow[] = [
  row('info', /^Debian GNU\/Linux (\d+)/i, 'debian{1}', 'Debian GNU/Linux {1}', 1024, 20),
  row('info', /^(?:Ubuntu|Ubuntu-Server) (\d+\.\d+)/i, 'ubuntu{1}', 'Ubuntu {1}', 2048, 25),
  row('info', /^(Kubuntu|Xubuntu|Lubuntu) (\d+\.\d+)/i, '{1}{2}', '{1} {2}', 2048, 25),
  row('info', /^Linux Mint (\d+)/i, 'linuxmint{1}', 'Linux Mint {1}', 2048, 25),
  row('info', /^(\S.*)$/, 'debian-based', '{1}', 1024, 20),
  row('tree', /^Fedora (\d+)/i, 'fedora{1}', 'Fedora {1}', 2048, 20),
  row('tree', /^CentOS.* (\d+)/i, 'centos{1}', 'CentOS {1}', 2048, 20),
  row('tree', /^Rocky.* (\d+)/i, 'rocky{1}', 'Rocky Linux {1}', 2048, 20),
  row('tree', /^AlmaLinux.* (\d+)/i, 'almalinux{1}', 'AlmaLinux {1}', 2048, 20),
  row(
    'tree',
    /^Red Hat Enterprise Linux (\d+)/i,
    'rhel{1}',
    'Red Hat Enterprise Linux {1}',
    2048,
    20,
  ),
  row('tree', /^(\S.*) ([\d.]+)$/, 'generic', '{1} {2}', 2048, 20),
  row('volume', /^Debian (\d+)/i, 'debian{1}', 'Debian GNU/Linux {1}', 1024, 20),
  row('volume', /^d-live (\d+)/i, 'debian{1}', 'Debian GNU/Linux {1} live', 2048, 20),
  row('volume', /^Ubuntu(?:-Server)? (\d+\.\d+)/i, 'ubuntu{1}', 'Ubuntu {1}', 2048, 25),
  row('volume', /^Fedora.*-(\d+)(?:-|$)/i, 'fedora{1}', 'Fedora {1}', 2048, 20),
  row('volume', /^openSUSE-Leap-(\d+\.\d+)/i, 'opensuse{1}', 'openSUSE Leap {1}', 2048, 40),
  row('volume', /^openSUSE-Tumbleweed/i, 'opensusetumbleweed', 'openSUSE Tumbleweed', 2048, 40),
  row('volume', /^ARCH_(\d{6})/, 'archlinux', 'Arch Linux {1}', 1024, 20),
  row('volume', /^alpine-(\S+) v?(\d+\.\d+)/i, 'alpinelinux{2}', 'Alpine Linux {2} ({1})', 512, 8),
  row('volume', /^Kali/i, 'kali', 'Kali Linux', 2048, 30),
  row('volume', /^Gentoo/i, 'gentoo', 'Gentoo Linux', 2048, 30),
  row('volume', /^nixos-(?:\w+-)?(\d+\.\d+)/i, 'nixos{1}', 'NixOS {1}', 2048, 20),
  row('volume', /^VOID_LIVE/i, 'voidlinux', 'Void Linux', 1024, 20),
  row('volume', /^SLACK/i, 'slackware', 'Slackware Linux', 1024, 20),
  row('volume', /^TinyCore|^Core-current|^CorePlus/i, 'tinycore', 'Tiny Core Linux', 256, 4),
  row('volume', /^PVE/i, 'proxmox', 'Proxmox VE', 3072, 40),
  row('volume', /^(\d+)_(\d+)_RELEASE_/i, 'freebsd{1}', 'FreeBSD {1}.{2}', 1024, 20),
  row('volume', /^OpenBSD\/\w+\s+(\d+\.\d+)/i, 'openbsd{1}', 'OpenBSD {1}', 512, 20),
  row('volume', /^NetBSD_?(\d+)?/i, 'netbsd', 'NetBSD {1}', 512, 16),
  row('volume', /^Haiku/i, 'haiku', 'Haiku', 512, 8),
  row('volume', /^ReactOS/i, 'reactos', 'ReactOS', 512, 8),
  row('volume', /^(?:FD1[2-9]|FREEDOS)/i, 'freedos', 'FreeDOS', 64, 2),
  row('volume', /^(?:MT86|MEMTEST)/i, 'memtest86', 'Memtest86+', 64, 1),
  row('volume', /^GRMCULFRER|^GRMCPRFRER|^WXP/i, 'winxp', 'Windows XP', 512, 10),
  row('volume', /^GR(?:M|T)C\w*FRE/i, 'win7', 'Windows 7', 2048, 40),
  row('file', /^sources\/install\.(?:wim|esd)$/i, 'win10', 'Windows', 3072, 64),
  row('file', /^i386\/txtsetup\.sif$/i, 'winxp', 'Windows 2000, XP or 2003', 512, 10),
  row('file', /^casper$/i, 'ubuntu', 'Ubuntu', 2048, 25),
  row('file', /^live\/filesystem\.squashfs$/i, 'debian-live', 'Debian live system', 2048, 20),
  row(
    'menu',
    /Debian GNU\/Linux (?:installer|installation)|debian-installer|\bDebian\b/i,
    'debian',
    'Debian GNU/Linux',
    1024,
    20,
  ),
  row('menu', /\bUbuntu\b/i, 'ubuntu', 'Ubuntu', 2048, 25),
  row('file', /^boot\/memtest(?:86\+?)?(?:\.bin)?$|^memtest$/i, 'memtest86', 'Memtest86+', 64, 1),
  row('file', /^boot\/grub\/i386-pc$/i, 'grub', 'GRUB rescue CD', 256, 4),
];

/** Paths looked for on an image: what the `file` rows name. */
export const PROBED_PATHS: readonly string[] = [
  'sources/install.wim',
  'sources/install.esd',
  'i386/txtsetup.sif',
  'casper',
  'live/filesystem.squashfs',
  'boot/memtest',
  'boot/memtest86+',
  'boot/memtest86+.bin',
  'boot/memtest.bin',
  'memtest',
  'boot/grub/i386-pc',
];

/** Boot menus and texts that name their system. */
export const MENU_PATHS: readonly string[] = [
  'isolinux/menu.cfg',
  'isolinux/txt.cfg',
  'isolinux/isolinux.cfg',
  'menu.cfg',
  'txt.cfg',
  'isolinux.cfg',
  'f1.txt',
  'isolinux/f1.txt',
  'boot/grub/grub.cfg',
  'boot/isolinux/isolinux.cfg',
];
