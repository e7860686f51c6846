/**
 * INT 19h and INT 18h: the boot order, the boot screen, loading boot sectors and El Torito images.
 * Booting from the network is in network/.
 * Specs: BIOS Boot Specification 1.01; El Torito 1.0.
 */
import type { GuestMemory } from '../../hw';
import * as bda from './bda';
import type { ServiceCall } from './call';
import { type Drives, type Emulation, readSectors } from './disk/drives';
import { findBootEntry } from './disk/el-torito';
import type { Keyboard } from './input/keyboard';
import type { NetworkBoot } from './network';
import type { BiosDisk } from './platform-api';
import { DONE, SPIN, WAIT } from './rom-code';
import type { Screen } from './video/screen';

const BOOT_ADDRESS = 0x7c00;
const FLAGS_AT_BOOT = 0x0202;
/** Boot images end below the extended BIOS data area. */
const LOAD_END = 0x9f000;
const DIM = 0x07;
const BRIGHT = 0x0f;
const FAILED = 0x0e;

export interface BootState {
  /** Next entry of the boot list to try. */
  next: number;
  /** All failed; the machine waits for a key. */
  waiting: boolean;
}

type Outcome = { segment: number; offset: number; drive: number } | string;

const KIND_NAMES: Readonly<Record<BiosDisk['kind'], string>> = {
  hdd: 'hard disk',
  cdrom: 'CD-ROM',
  floppy: 'floppy',
};

export class Boot {
  state: BootState = { next: 0, waiting: false };

  constructor(
    private readonly memory: GuestMemory,
    private readonly drives: Drives,
    private readonly screen: Screen,
    private readonly keyboard: Keyboard,
    private readonly network: NetworkBoot,
    private readonly order: string,
  ) {}

  /** What the boot order stands for: a drive, or the number of a network card; one that is not there when there is none. */
  private entries(): readonly (BiosDisk | number)[] {
    const kinds: Readonly<Record<string, BiosDisk['kind']>> = { a: 'floppy', c: 'hdd', d: 'cdrom' };
    return [...(this.order || 'cda')].flatMap((letter): readonly (BiosDisk | number)[] => {
      if (letter === 'n')
        return Array.from({ length: Math.max(this.network.cardCount, 1) }, (_, card) => card);
      const kind = kinds[letter];
      return kind ? this.drives.disks.filter((disk) => disk.kind === kind) : [];
    });
  }

  /** INT 19h starts over, INT 18h goes on with the next device. Returns the ROM's next action. */
  handle(call: ServiceCall, again: boolean, retry: boolean): number {
    if (retry && this.network.isBooting) {
      const action = this.goOnWithNetwork(call, again);
      if (action !== undefined) return action;
    } else if (retry && this.state.waiting) {
      if (this.keyboard.isEmpty) return WAIT;
      this.keyboard.discard();
      this.screen.print('\n');
      this.state = { next: 0, waiting: false };
    } else if (again) {
      this.state = { next: 0, waiting: false };
    } else {
      this.screen.print('\n');
    }
    this.network.close();
    const entries = this.entries();
    while (this.state.next < entries.length) {
      const entry = entries[this.state.next++];
      this.setEmulation(null);
      if (typeof entry === 'number') {
        if (this.startNetwork(entry)) return SPIN;
        continue;
      }
      this.screen.print(`Booting from ${KIND_NAMES[entry.kind]} (${entry.name})... `, DIM);
      const outcome = entry.kind === 'cdrom' ? this.fromCd(entry) : this.fromSector(entry);
      if (typeof outcome === 'string') {
        this.screen.print(`not bootable: ${outcome}\n`, FAILED);
        continue;
      }
      this.screen.print('\n');
      call.dx = outcome.drive;
      call.setReturn(outcome.segment, outcome.offset, FLAGS_AT_BOOT);
      return DONE;
    }
    this.state.waiting = true;
    const reason =
      entries.length === 0 ? 'There is no drive to boot from' : 'No bootable device found';
    this.screen.print(`\n${reason}.\n`, BRIGHT);
    this.screen.print(
      'Insert a bootable disc or change the boot order, then press a key to retry.\n',
      DIM,
    );
    return WAIT;
  }

  /** False when there is no such card, or no cable in it. */
  private startNetwork(card: number): boolean {
    const begun = this.network.begin(card);
    if ('reason' in begun) {
      this.screen.print('Booting from network... ', DIM);
      this.screen.print(`not bootable: ${begun.reason}\n`, FAILED);
      return false;
    }
    this.screen.print(`Booting from network (${begun.name}, Esc skips)... `, DIM);
    return true;
  }

  /** The ROM's next action; undefined when it failed and the next device is to be tried. */
  private goOnWithNetwork(call: ServiceCall, again: boolean): number | undefined {
    const step = this.network.step();
    switch (step.kind) {
      case 'busy':
        return SPIN;
      case 'progress':
        this.screen.print(step.text, DIM);
        return SPIN;
      case 'ready':
        this.screen.print('\n');
        this.network.enter(call, again ? 0x19 : 0x18);
        return DONE;
      case 'failed':
        this.screen.print(`\nnot bootable: ${step.reason}\n`, FAILED);
        return undefined;
    }
  }

  private setEmulation(emulation: Emulation | null): void {
    this.drives.emulation = emulation;
    this.memory.writeU8(bda.DISK_COUNT, this.drives.hddCount);
  }

  private fromSector(disk: BiosDisk): Outcome {
    const drive = this.drives.find(this.drives.numberOf(disk));
    if (!drive || drive.sectors === 0)
      return disk.backend ? 'it is empty' : 'no medium in the drive';
    let sector: Uint8Array | undefined;
    const { status } = readSectors(drive, 0, 1, (_offset, bytes) => (sector = bytes));
    if (status !== 0 || !sector) return `read error ${status.toString(16).padStart(2, '0')}h`;
    if (sector.every((byte) => byte === 0)) return 'it is blank';
    if (sector[510] !== 0x55 || sector[511] !== 0xaa)
      return 'no boot signature in its first sector';
    this.memory.write(BOOT_ADDRESS, sector);
    return { segment: 0, offset: BOOT_ADDRESS, drive: drive.number };
  }

  private fromCd(disk: BiosDisk): Outcome {
    if (!disk.backend) return 'no medium in the drive';
    try {
      const found = findBootEntry(disk.name, this.drives.numberOf(disk), disk.backend);
      if (typeof found === 'string') return found;
      const address = found.loadSegment * 16;
      const bytes = Math.min(
        found.loadCount * 512,
        LOAD_END - address,
        disk.backend.sizeBytes - found.lba * 2048,
      );
      if (bytes <= 0)
        return `its boot image wants to load at ${address.toString(16)}h, outside of memory`;
      this.memory.write(
        address,
        disk.backend.readNow(found.lba * 2048, Math.ceil(bytes / 512) * 512),
      );
      this.setEmulation(found);
      return {
        segment: found.loadSegment === 0x7c0 ? 0 : found.loadSegment,
        offset: found.loadSegment === 0x7c0 ? BOOT_ADDRESS : 0,
        drive: found.drive,
      };
    } catch (error) {
      const message =
        typeof error === 'object' && error !== null && 'message' in error
          ? String(error.message)
          : 'unknown error';
      return `read error (${message})`;
    }
  }
}
