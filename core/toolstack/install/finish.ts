/**
 * The end of an installation. A guest that was started to install a system is done when it reboots or powers off and
 * the first sector of its first disk has become a boot sector (or another one than before): from then on it starts
 * from that disk. Scope: MBR boot code, which BIOS loaders write on GPT disks too. Missing: UEFI.
 */
import type { DomainConfig } from '../../api';

export const BOOT_SECTOR_BYTES = 512;
/** The boot code ends where the disk signature and the partition table begin (BIOS Boot Specification 1.01, UEFI 2.10 table 5.2). */
const BOOT_CODE_BYTES = 440;
const SIGNATURE_OFFSET = 510;

/** Whether a BIOS would start this sector and would find code in it: a partition table alone is none. */
export function isBootSector(sector: Uint8Array): boolean {
  return (
    sector[SIGNATURE_OFFSET] === 0x55 &&
    sector[SIGNATURE_OFFSET + 1] === 0xaa &&
    sector.subarray(0, BOOT_CODE_BYTES).some((byte) => byte !== 0)
  );
}

/** Whether two boot sectors hold the same code; their partition tables may differ. */
export function sameBootCode(a: Uint8Array, b: Uint8Array): boolean {
  if (isBootSector(a) !== isBootSector(b)) return false;
  return a.subarray(0, BOOT_CODE_BYTES).every((byte, i) => byte === b[i]);
}

/**
 * The configuration of an installed system: the disk comes first in the boot order, CD drives are empty, and what
 * started the installer is gone. The boot order keeps its other letters: with a CD inserted and no bootable disk it
 * starts from the CD again.
 */
export function afterInstall(config: DomainConfig): DomainConfig {
  const { install: _, ...rest } = config;
  return {
    ...rest,
    kernel: '',
    ramdisk: '',
    root: '',
    extra: '',
    boot: `c${config.boot.replaceAll('c', '')}`,
    disk: config.disk.map((disk) => (disk.cdrom ? { ...disk, target: '' } : disk)),
  };
}

/** What the user is told of it. */
export function installNotice(before: DomainConfig): string {
  const cds = before.disk.filter((disk) => disk.cdrom && disk.target !== '').length;
  const ejected = cds === 0 ? '' : cds === 1 ? '; the CD was ejected' : `; ${cds} CDs were ejected`;
  return `${before.name}: the installation seems finished, it now starts from its disk${ejected}`;
}
