/**
 * What the board gives to the BIOS.
 */
import type { Logger } from '../../base';
import type { BlockBackend, Clock, GuestMemory, RegisterAccess, SystemBus } from '../../hw';
import type { SmbiosConfig } from '../smbios';

export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectors: number;
}

/** A drive the BIOS can boot from, in the order of the controllers. */
export interface BiosDisk {
  readonly kind: 'hdd' | 'cdrom' | 'floppy';
  /** The guest's name for it: 'hda', 'hdc', 'fda'. */
  readonly name: string;
  /** The medium; undefined for an empty drive. */
  readonly backend: BlockBackend | undefined;
  /** The ATA device's default CHS translation, as IDENTIFY DEVICE words 1, 3 and 6 report it (hdd only). */
  readonly geometry?: DiskGeometry;
  /** ATA channel and unit of a drive on the IDE controller: 0 primary, 1 secondary; 0 master, 1 slave. */
  readonly channel?: 0 | 1;
  readonly unit?: 0 | 1;
  /** PCI slot of the AHCI controller that the drive is on, and its port there. */
  readonly sata?: { readonly slot: number; readonly port: number };
}

/**
 * A network card the BIOS can boot from: the cable behind it, which is the firmware's from `claim` until `release`, or
 * until a driver of the guest makes the card send something.
 */
export interface BiosNetworkCard {
  readonly mac: Uint8Array;
  /** PCI slot of the card on bus 0. */
  readonly slot: number;
  readonly linkUp: boolean;
  claim(): void;
  release(): void;
  /** Sends a whole Ethernet frame; nothing happens when the cable is not claimed. */
  send(frame: Uint8Array): void;
  /** The oldest frame that has come; valid for ever. Few are kept, the cable holds back the others. */
  receive(): Uint8Array | undefined;
  /** A frame waits for `receive`. */
  readonly hasFrame: boolean;
}

/** Bitmap fonts of code page 437, one byte a row, bit 7 leftmost, 256 characters each. */
export interface FontSet {
  readonly font8x8: Uint8Array;
  readonly font8x14: Uint8Array;
  readonly font8x16: Uint8Array;
}

export interface BiosConfig extends Omit<SmbiosConfig, 'ramBytes'> {
  /** Boot order letters: a floppy, c disk, d CD-ROM, n network. */
  readonly bootOrder: string;
  /** COM ports that exist (1 to 4). */
  readonly serialPorts: readonly number[];
  readonly hpet: boolean;
}

export interface BiosBoard {
  readonly memory: GuestMemory;
  /** The boot processor's registers. */
  readonly registers: RegisterAccess;
  readonly bus: SystemBus;
  readonly disks: readonly BiosDisk[];
  /** Network cards, in the order of their slots. */
  readonly networks?: readonly BiosNetworkCard[];
  /** The guest waits for a frame: the processor may rest until one comes, or an interrupt, at most `ns`. */
  readonly idle?: (ns: number) => void;
  readonly clock: Clock;
  readonly fonts: FontSet;
  readonly log: Logger;
}
