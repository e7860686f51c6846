import type { DiskConfig } from './domain';

/** Controllers that disks stand on: PIIX3 IDE, AHCI (SATA), virtio-blk. */
export type DiskBus = 'ide' | 'sata' | 'virtio';

/** A kind of controller, and what the guest's devices on it are called. */
export interface DiskBusRow {
  readonly bus: DiskBus;
  readonly label: string;
  /** Beginning of a vdev; a letter from `a` on follows. */
  readonly prefix: string;
  readonly places: number;
  /** Whether it takes CD-ROM drives. */
  readonly cdroms: boolean;
}

/** Every bus, in the order in which new disks take them: what every system has a driver for comes first. */
export const DISK_BUSES: readonly DiskBusRow[] = [
  { bus: 'ide', label: 'IDE', prefix: 'hd', places: 4, cdroms: true },
  { bus: 'sata', label: 'SATA', prefix: 'sd', places: 6, cdroms: true },
  { bus: 'virtio', label: 'VirtIO', prefix: 'vd', places: 16, cdroms: false },
];

const FIRST_LETTER = 0x61;

/** The vdevs of a bus: `hda` to `hdd` for IDE. */
export function vdevsOf({ prefix, places }: DiskBusRow): string[] {
  return Array.from(
    { length: places },
    (_, index) => `${prefix}${String.fromCharCode(FIRST_LETTER + index)}`,
  );
}

/** `hda to hdd`, for messages. */
export function vdevRange(row: DiskBusRow): string {
  const vdevs = vdevsOf(row);
  return `${vdevs[0] ?? ''} to ${vdevs.at(-1) ?? ''}`;
}

/** Names that a disk may have in a configuration. */
export const VDEVS: readonly string[] = DISK_BUSES.flatMap(vdevsOf);

/** The bus that a vdev is on; undefined for names that no disk has. */
export function busOf(vdev: string): DiskBusRow | undefined {
  return DISK_BUSES.find((row) => vdevsOf(row).includes(vdev));
}

/** The first name that is free, on the given bus or on any; undefined when there is none. CDs begin at the second IDE channel. */
export function freeVdev(
  disks: readonly DiskConfig[],
  cdrom: boolean,
  bus?: DiskBus,
): string | undefined {
  const rows = DISK_BUSES.filter(
    (row) => (bus === undefined || row.bus === bus) && (row.cdroms || !cdrom),
  );
  const order = rows.flatMap((row) => {
    const vdevs = vdevsOf(row);
    return cdrom && row.bus === 'ide' ? [...vdevs.slice(2), ...vdevs.slice(0, 2).reverse()] : vdevs;
  });
  return order.find((vdev) => disks.every((disk) => disk.vdev !== vdev));
}
