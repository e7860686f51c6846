/** Where the disks of a configuration go: controllers by the guest's name for them, and how firmware knows them. */
import type { BiosDisk } from '../firmware';
import type { BlockBackend } from '../hw';
import type { BootDrive } from './firmware-config';
import type { PcDrive } from './pc';
import { MAX_VIRTIO_DISKS, SLOT_AHCI, SLOT_VIRTIO_DISKS } from './pc-cards';
import type { PcSataDrive, PcVirtioDisk } from './pc-cards';

const SATA_PORTS = 6;

export interface MachineDisk {
  /** Guest's name: hda to hdd on the IDE controller, sda to sdf on the AHCI controller, vda to vdp virtio disks (no CD-ROMs). */
  readonly vdev: string;
  readonly cdrom: boolean;
  /** The medium; undefined for an empty CD-ROM drive. */
  readonly backend: BlockBackend | undefined;
  /** The guest opened the tray of this CD-ROM drive: its medium may be taken out. */
  readonly onEject?: () => void;
}

export interface DiskPlan {
  readonly ide: readonly PcDrive[];
  readonly sata: readonly PcSataDrive[];
  readonly virtio: readonly PcVirtioDisk[];
  readonly boot: readonly BootDrive[];
}

/** Disks with names that are not known are left out. */
export function planDisks(disks: readonly MachineDisk[]): DiskPlan {
  const ide: PcDrive[] = [];
  const sata: PcSataDrive[] = [];
  const virtio: PcVirtioDisk[] = [];
  const boot: BootDrive[] = [];
  for (const disk of disks) {
    const { vdev, cdrom, backend: medium, onEject } = disk;
    const place = placeOf(disk);
    if (!place) continue;
    const { kind, index } = place;
    const serial = `${SERIALS[kind]}${String(index + 1).padStart(5, '0')}`;
    const drive = { name: vdev, serial, cdrom, medium, ...(onEject && { onEject }) };
    if (kind === 'ide') ide.push({ ...drive, channel: index < 2 ? 0 : 1, unit: index & 1 ? 1 : 0 });
    else if (kind === 'sata') sata.push({ ...drive, port: index });
    else if (medium) virtio.push({ index, serial, medium });
    boot.push({ cdrom, path: PATHS[kind](index) });
  }
  return { ide, sata, virtio, boot };
}

/** A disk as the built-in BIOS reads it; `medium` is what lies in it at the time. */
export function biosDisk(disk: MachineDisk, medium: () => BlockBackend | undefined): BiosDisk[] {
  const place = placeOf(disk);
  if (!place) return [];
  const { kind, index } = place;
  return [
    {
      kind: disk.cdrom ? 'cdrom' : 'hdd',
      name: disk.vdev,
      get backend() {
        return medium();
      },
      ...(kind === 'ide' && { channel: index < 2 ? 0 : 1, unit: index & 1 ? 1 : 0 }),
      ...(kind === 'sata' && { sata: { slot: SLOT_AHCI, port: index } }),
    },
  ];
}

type Kind = 'ide' | 'sata' | 'virtio';

const SERIALS: Readonly<Record<Kind, string>> = { ide: 'DM', sata: 'DMS', virtio: 'DMV' };

/** OpenFirmware paths by which SeaBIOS knows drives. */
const PATHS: Readonly<Record<Kind, (index: number) => string>> = {
  ide: (index) => `ide@1,1/drive@${index >> 1}/disk@${index & 1}`,
  sata: (index) => `pci8086,2922@${SLOT_AHCI.toString(16)}/drive@${index}/disk@0`,
  virtio: (index) => `scsi@${(SLOT_VIRTIO_DISKS + index).toString(16)}/disk@0,0`,
};

function placeOf({
  vdev,
  cdrom,
  backend,
}: MachineDisk): { readonly kind: Kind; readonly index: number } | undefined {
  const [, bus, letter] = /^(hd|sd|vd)([a-z])$/.exec(vdev) ?? [];
  if (!bus || !letter) return undefined;
  const index = letter.charCodeAt(0) - 0x61;
  if (bus === 'hd') return index < 4 ? { kind: 'ide', index } : undefined;
  if (bus === 'sd') return index < SATA_PORTS ? { kind: 'sata', index } : undefined;
  const fits = index < MAX_VIRTIO_DISKS && !cdrom && backend !== undefined;
  return fits ? { kind: 'virtio', index } : undefined;
}
