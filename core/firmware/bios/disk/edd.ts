/**
 * INT 13h AH=41h to 49h: enhanced disk drive services.
 * Specs: T13 1572D, BIOS Enhanced Disk Drive Services 3.0; T13 2132 (EDD-4) for the path of SATA drives. It knows no
 * interface type for VirtIO: such drives have no path.
 */
import { ByteBuilder } from '../../bytes';
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import type { BiosDisk } from '../platform-api';
import {
  type Drive,
  readSectors,
  STATUS_INVALID,
  STATUS_NO_MEDIA,
  STATUS_NOT_FOUND,
  STATUS_NOT_LOCKED,
  STATUS_OK,
  writeSectors,
} from './drives';

const SIGNATURE_IN = 0x55aa;
const SIGNATURE_OUT = 0xaa55;
const EDD_3_0 = 0x30;
/** Fixed disk access, locking and ejecting, enhanced disk drive support. */
const SUBSETS = 0x0007;
const PATH_KEY = 0xbedd;

/** Returns the status, or undefined when the function has set AH itself. */
export function extended(call: ServiceCall, drive: Drive): number | undefined {
  switch (call.ah) {
    case 0x41:
      if (call.bx !== SIGNATURE_IN) return STATUS_INVALID;
      call.bx = SIGNATURE_OUT;
      call.cx = SUBSETS;
      call.ah = EDD_3_0;
      call.carry = false;
      return undefined;
    case 0x42:
    case 0x43:
    case 0x44:
    case 0x47:
      return transfer(call, drive);
    case 0x45:
      if (drive.kind !== 'cdrom') return STATUS_OK;
      if (call.al > 2) return STATUS_INVALID;
      call.al = 0;
      return STATUS_OK;
    case 0x46:
      return drive.kind === 'cdrom' ? STATUS_NOT_LOCKED : STATUS_INVALID;
    case 0x48:
      return parameters(call, drive);
    case 0x49:
      return drive.sectors > 0 || drive.kind !== 'cdrom' ? STATUS_OK : STATUS_NO_MEDIA;
    default:
      return STATUS_INVALID;
  }
}

/** Disk address packet: size, reserved, block count, buffer, LBA, and in 24-byte packets a flat buffer address. */
function transfer(call: ServiceCall, drive: Drive): number {
  const packet = call.linear('ds', call.si);
  const size = call.memory.readU8(packet);
  if (size < 16) return STATUS_INVALID;
  if (drive.sectors === 0) return STATUS_NO_MEDIA;
  let count = call.memory.readU16(packet + 2);
  const pointer = call.memory.readU32(packet + 4);
  let buffer = (pointer >>> 16) * 16 + (pointer & 0xffff);
  if (pointer === 0xffff_ffff && size >= 24) {
    if (call.memory.readU32(packet + 20) !== 0) return STATUS_INVALID;
    buffer = call.memory.readU32(packet + 16);
  }
  const low = call.memory.readU32(packet + 8);
  const high = call.memory.readU32(packet + 12);
  const lba = high * 2 ** 32 + low;
  if (lba >= drive.sectors) return STATUS_NOT_FOUND;
  if (call.ah === 0x47) return STATUS_OK;
  let status = STATUS_OK;
  if (lba + count > drive.sectors) status = STATUS_NOT_FOUND;
  if (call.ah === 0x44) return status;
  if (status !== STATUS_OK) {
    call.memory.writeU16(packet + 2, 0);
    return status;
  }
  if (call.ah === 0x43 && call.al > 2) return STATUS_INVALID;
  const result =
    call.ah === 0x42
      ? readSectors(drive, lba, count, (offset, bytes) => call.memory.write(buffer + offset, bytes))
      : writeSectors(drive, lba, count, (offset, length) =>
          call.memory.read(buffer + offset, length),
        );
  if (result.status !== STATUS_OK) {
    count = result.done;
    call.memory.writeU16(packet + 2, count);
  }
  return result.status;
}

function parameters(call: ServiceCall, drive: Drive): number {
  const at = call.linear('ds', call.si);
  const room = call.memory.readU16(at);
  if (room < 26) return STATUS_INVALID;
  if (drive.sectors === 0) return STATUS_NO_MEDIA;
  const cd = drive.kind === 'cdrom';
  const physical = drive.disk.geometry ?? drive.geometry;
  const path = devicePath(drive.disk, cd);
  const length = room >= 66 && path ? 66 : room >= 30 ? 30 : 26;
  const hasExtension = drive.disk.channel !== undefined;
  const { channel = 0, unit = 0 } = drive.disk;
  const table = new ByteBuilder()
    .u16(length)
    // Bit 0 DMA boundary errors handled, 1 geometry valid, 2 removable, 4 change line, 5 lockable, 6 no media limits.
    .u16(cd ? 0x0065 : 0x0003)
    .u32(cd ? 0xffff_ffff : physical.cylinders)
    .u32(cd ? 0xffff_ffff : physical.heads)
    .u32(cd ? 0xffff_ffff : physical.sectors)
    .u64(drive.sectors)
    .u16(drive.sectorBytes)
    .u16(hasExtension ? (bda.DPTE + (channel * 2 + unit) * 16) & 0xf : 0xffff)
    .u16(hasExtension ? (bda.DPTE + (channel * 2 + unit) * 16) >> 4 : 0xffff);
  if (path) table.raw(path);
  call.memory.write(at, table.build().subarray(0, length));
  return STATUS_OK;
}

/** The device path, with its checksum: on PCI, by which interface, and where there. */
function devicePath(disk: BiosDisk, cd: boolean): Uint8Array | undefined {
  const { channel, unit = 0, sata } = disk;
  if (channel === undefined && !sata) return undefined;
  const bytes = new ByteBuilder()
    .u16(PATH_KEY)
    .u8(36, 0)
    .u16(0)
    .text('PCI ')
    .text(sata ? 'SATA' : cd ? 'ATAPI' : 'ATA', 8)
    // Bus, slot, function, channel: the IDE function is 00:01.1.
    .u8(0, sata?.slot ?? 1, sata ? 0 : 1, channel ?? 0, 0, 0, 0, 0)
    .u8(sata?.port ?? unit, 0, 0, 0, 0, 0, 0, 0)
    .u8(0, 0)
    .build();
  bytes[bytes.length - 1] = -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
  return bytes;
}
