/**
 * INT 13h: diskettes, fixed disks, CD-ROM drives and El Torito emulation, by CHS and by EDD packets (edd.ts).
 * Specs: IBM PS/2 and PC BIOS Interface Technical Reference (1991); T13 1572D EDD-3; El Torito 1.0.
 * Missing: formatting with a real interleave (tracks are filled with F6h), diskette change detection.
 */
import type { GuestMemory } from '../../../hw';
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import {
  type Drive,
  type Drives,
  readSectors,
  STATUS_INVALID,
  STATUS_NO_MEDIA,
  STATUS_NOT_FOUND,
  STATUS_OK,
  STATUS_WRITE_PROTECTED,
  writeSectors,
} from './drives';
import { extended } from './edd';

/** Diskette drive types of CMOS 10h by sectors a track. */
function floppyType(drive: Drive): number {
  const { cylinders, sectors } = drive.geometry;
  if (sectors <= 9) return cylinders === 40 ? 1 : 3;
  return sectors <= 15 ? 2 : sectors <= 21 ? 4 : 5;
}

export class Int13 {
  constructor(
    readonly drives: Drives,
    readonly memory: GuestMemory,
    /** Offset of the diskette parameter table in F000h. */
    private readonly disketteTable: number,
  ) {}

  handle(call: ServiceCall): void {
    const drive = this.drives.find(call.dl);
    const previous = this.memory.readU8(call.dl >= 0x80 ? bda.DISK_STATUS : bda.DISKETTE_STATUS);
    if (call.ah === 0x01) {
      call.ah = previous;
      call.carry = previous !== 0;
      return;
    }
    if (call.ah === 0x4b) {
      this.finish(call, this.elTorito(call));
      return;
    }
    if (!drive) {
      // AH=08h of an absent diskette drive still reports how many there are.
      if (call.ah === 0x15) {
        call.ah = 0;
        call.carry = call.dl >= 0x80;
        return;
      }
      if (call.ah === 0x08 && call.dl < 0x80) {
        call.bx = 0;
        call.cx = 0;
        call.dx = this.drives.floppyCount;
        this.finish(call, STATUS_OK);
        return;
      }
      this.finish(call, STATUS_INVALID);
      return;
    }
    const status = this.run(call, drive);
    if (status !== undefined) this.finish(call, status);
  }

  /** Sets AH, the carry flag and the status byte in the BDA. */
  private finish(call: ServiceCall, status: number): void {
    this.memory.writeU8(call.dl >= 0x80 ? bda.DISK_STATUS : bda.DISKETTE_STATUS, status);
    call.ah = status;
    call.carry = status !== STATUS_OK;
  }

  /** Returns the status, or undefined when the function has set its results itself. */
  private run(call: ServiceCall, drive: Drive): number | undefined {
    switch (call.ah) {
      case 0x00:
      case 0x09:
      case 0x0d:
      case 0x11:
      case 0x14:
        return STATUS_OK;
      case 0x02:
      case 0x03:
      case 0x04:
        return this.transfer(call, drive);
      case 0x05:
        return this.format(call, drive);
      case 0x08:
        return this.parameters(call, drive);
      case 0x0c:
        return this.address(call, drive) === undefined ? STATUS_NOT_FOUND : STATUS_OK;
      case 0x10:
        return drive.sectors > 0 ? STATUS_OK : STATUS_NO_MEDIA;
      case 0x15:
        this.diskType(call, drive);
        return undefined;
      case 0x16:
        return drive.kind === 'floppy' ? STATUS_OK : STATUS_INVALID;
      case 0x17:
        return drive.kind === 'floppy' ? STATUS_OK : STATUS_INVALID;
      case 0x18: {
        if (drive.kind !== 'floppy') return STATUS_INVALID;
        const { cylinders, sectors } = drive.geometry;
        if ((call.cl & 0x3f) !== sectors || (call.ch | ((call.cl & 0xc0) << 2)) !== cylinders - 1)
          return 0x0c;
        call.setSegment('es', 0xf000);
        call.di = this.disketteTable;
        return STATUS_OK;
      }
      default:
        return call.ah >= 0x41 && call.ah <= 0x49 && drive.kind !== 'floppy'
          ? extended(call, drive)
          : STATUS_INVALID;
    }
  }

  /** LBA of the CHS address in CX and DH. */
  private address(call: ServiceCall, drive: Drive): number | undefined {
    const { geometry } = drive;
    const cylinder = call.ch | ((call.cl & 0xc0) << 2);
    const sector = call.cl & 0x3f;
    const head = call.dh;
    if (
      sector === 0 ||
      sector > geometry.sectors ||
      head >= geometry.heads ||
      cylinder >= geometry.cylinders
    )
      return undefined;
    return (cylinder * geometry.heads + head) * geometry.sectors + sector - 1;
  }

  private transfer(call: ServiceCall, drive: Drive): number {
    if (drive.kind === 'cdrom') return STATUS_INVALID;
    if (drive.sectors === 0) return STATUS_NO_MEDIA;
    const count = call.al;
    const lba = this.address(call, drive);
    call.al = 0;
    if (count === 0) return STATUS_INVALID;
    if (lba === undefined) return STATUS_NOT_FOUND;
    if (call.ah === 0x04) {
      if (lba + count > drive.sectors) return STATUS_NOT_FOUND;
      call.al = count;
      return STATUS_OK;
    }
    const buffer = call.linear('es', call.bx);
    const result =
      call.ah === 0x02
        ? readSectors(drive, lba, count, (offset, bytes) =>
            call.memory.write(buffer + offset, bytes),
          )
        : writeSectors(drive, lba, count, (offset, length) =>
            call.memory.read(buffer + offset, length),
          );
    call.al = result.done;
    return result.status;
  }

  private format(call: ServiceCall, drive: Drive): number {
    if (drive.kind === 'cdrom') return STATUS_INVALID;
    if (drive.readOnly) return STATUS_WRITE_PROTECTED;
    const { geometry } = drive;
    const cylinder = call.ch | ((call.cl & 0xc0) << 2);
    if (call.dh >= geometry.heads || cylinder >= geometry.cylinders) return STATUS_NOT_FOUND;
    if (drive.kind !== 'floppy') return STATUS_OK;
    const filler = new Uint8Array(geometry.sectors * 512).fill(0xf6);
    return writeSectors(
      drive,
      (cylinder * geometry.heads + call.dh) * geometry.sectors,
      geometry.sectors,
      (offset, length) => filler.subarray(offset, offset + length),
    ).status;
  }

  private parameters(call: ServiceCall, drive: Drive): number {
    if (drive.kind === 'cdrom') return STATUS_INVALID;
    const { cylinders, heads, sectors } = drive.geometry;
    const last = cylinders - 1;
    call.ax = 0;
    call.cx = ((last & 0xff) << 8) | ((last >> 2) & 0xc0) | sectors;
    call.dx =
      ((heads - 1) << 8) |
      (drive.kind === 'floppy' ? this.drives.floppyCount : this.drives.hddCount);
    if (drive.kind === 'floppy') {
      call.bx = floppyType(drive);
      call.setSegment('es', 0xf000);
      call.di = this.disketteTable;
    }
    return STATUS_OK;
  }

  /** AH=15h: 1 diskette without change line, 3 fixed disk with its size in CX:DX. */
  private diskType(call: ServiceCall, drive: Drive): void {
    call.carry = drive.kind === 'cdrom';
    if (drive.kind === 'hdd') {
      const { cylinders, heads, sectors } = drive.geometry;
      const size = cylinders * heads * sectors;
      call.cx = size >>> 16;
      call.dx = size;
      call.ah = 3;
    } else call.ah = drive.kind === 'floppy' ? 1 : 0;
    this.memory.writeU8(bda.DISK_STATUS, 0);
  }

  /** AH=4Bh: AL=00 terminates the emulation, AL=01 reports it. */
  private elTorito(call: ServiceCall): number {
    const { emulation } = this.drives;
    if (call.al > 1 || !emulation) return STATUS_INVALID;
    if (call.dl !== 0x7f && call.dl !== emulation.drive) return STATUS_INVALID;
    const { geometry } = emulation;
    const last = Math.max(geometry.cylinders - 1, 0);
    const cd = this.drives.disks.find((disk) => disk.name === emulation.disk);
    const packet = new Uint8Array(0x13);
    const view = new DataView(packet.buffer);
    packet[0] = 0x13;
    packet[1] = emulation.mediaType;
    packet[2] = emulation.drive;
    packet[3] = cd?.channel ?? 0;
    view.setUint32(4, emulation.lba, true);
    view.setUint16(8, cd?.unit ?? 0, true);
    view.setUint16(0x0a, 0, true);
    view.setUint16(0x0c, emulation.loadSegment === 0x7c0 ? 0 : emulation.loadSegment, true);
    view.setUint16(0x0e, emulation.loadCount, true);
    packet[0x10] = last & 0xff;
    packet[0x11] = ((last >> 2) & 0xc0) | geometry.sectors;
    packet[0x12] = Math.max(geometry.heads - 1, 0);
    call.memory.write(call.linear('ds', call.si), packet);
    if (call.al === 0) {
      this.drives.emulation = { ...emulation, active: false };
      this.memory.writeU8(bda.DISK_COUNT, this.drives.hddCount);
    }
    return STATUS_OK;
  }
}
