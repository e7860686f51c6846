/**
 * The PCI slots that a configuration fills: network cards, AHCI, virtio disks. Slots go by kind and place, so that a
 * card stays where it is when another one comes or goes.
 */
import {
  AhciHba,
  AtaDisk,
  AtapiCdrom,
  E1000,
  Ne2kPci,
  Rtl8139,
  VirtioBlk,
  VirtioNet,
  VirtioPci,
  type IdeDrive,
  type PciFunction,
} from '../devices';
import type { ApicBus, BlockBackend, Clock, Device, GuestMemory, NetworkBackend } from '../hw';

/** Slots 3 to 10 for network cards, 11 for AHCI, 12 to 27 for virtio disks. */
export const SLOT_NICS = 3;
export const MAX_NICS = 8;
export const SLOT_AHCI = 11;
export const SLOT_VIRTIO_DISKS = 12;
export const MAX_VIRTIO_DISKS = 16;

/** Models of network cards, by xl.cfg's names. */
export type NicModel = 'e1000' | 'rtl8139' | 'ne2k_pci' | 'virtio-net';

/** A network card; its place in the list is its slot. */
export interface PcNic {
  readonly model: NicModel;
  /** `00:16:3e:xx:xx:xx`. */
  readonly mac: string;
  readonly backend: NetworkBackend;
}

/** A virtio disk: index 0 is vda. */
export interface PcVirtioDisk {
  readonly index: number;
  readonly serial: string;
  readonly medium: BlockBackend;
}

/** A disk or CD-ROM drive with an ATA cable. */
export interface PcAtaDrive {
  /** The guest's name: 'hda', 'sdb'. */
  readonly name: string;
  readonly serial: string;
  readonly cdrom: boolean;
  /** A hard disk has a medium, a CD-ROM drive may be empty. */
  readonly medium: BlockBackend | undefined;
  /** The guest opened the tray of its CD-ROM drive. */
  readonly onEject?: () => void;
}

/** A drive on the AHCI controller, which is there if any is. */
export interface PcSataDrive extends PcAtaDrive {
  /** 0 to 5. */
  readonly port: number;
}

export interface PcCardsConfig {
  readonly nics?: readonly PcNic[];
  readonly sataDrives?: readonly PcSataDrive[];
  readonly virtioDisks?: readonly PcVirtioDisk[];
}

export interface PcCardsWires {
  readonly clock: Clock;
  readonly memory: GuestMemory;
  readonly bus: ApicBus;
}

/** A function in its slot. */
export interface PcCard {
  readonly slot: number;
  readonly device: Device & PciFunction;
}

/** Hard disks without a medium are not there. */
export function ataDrive(config: PcAtaDrive, sata: boolean): IdeDrive | undefined {
  const { serial, cdrom, medium, onEject } = config;
  if (cdrom) return new AtapiCdrom(medium, { serial, ...(onEject && { onEject }) });
  return medium && new AtaDisk(medium, { serial, sata });
}

/** `onDrive` hears of every drive behind the AHCI controller. */
export function pcCards(
  wires: PcCardsWires,
  config: PcCardsConfig,
  onDrive: (drive: IdeDrive, of: PcSataDrive) => void = () => undefined,
): PcCard[] {
  const cards: PcCard[] = [];
  if (config.sataDrives && config.sataDrives.length > 0) {
    const device = new AhciHba(wires);
    cards.push({ slot: SLOT_AHCI, device });
    for (const entry of config.sataDrives) {
      const drive = ataDrive(entry, true);
      if (!drive) continue;
      device.attach(entry.port, drive);
      onDrive(drive, entry);
    }
  }
  for (const [index, nic] of (config.nics ?? []).slice(0, MAX_NICS).entries())
    cards.push({ slot: SLOT_NICS + index, device: networkCard(wires, `nic${index}`, nic) });
  for (const { index, serial, medium } of config.virtioDisks ?? []) {
    if (index >= MAX_VIRTIO_DISKS) continue;
    const device = new VirtioPci(`virtio-blk${index}`, wires, new VirtioBlk(medium, { serial }));
    cards.push({ slot: SLOT_VIRTIO_DISKS + index, device });
  }
  return cards;
}

function networkCard(wires: PcCardsWires, id: string, nic: PcNic): Device & PciFunction {
  const { model, mac, backend: network } = nic;
  switch (model) {
    case 'e1000':
      return new E1000(id, { ...wires, network }, { mac });
    case 'rtl8139':
      return new Rtl8139(id, { ...wires, network }, { mac });
    case 'ne2k_pci':
      return new Ne2kPci(id, network, { mac });
    case 'virtio-net':
      return new VirtioPci(id, wires, new VirtioNet(network, { mac }));
  }
}
