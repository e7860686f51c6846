/** Packet commands of the CD/DVD-ROM drive, one row each (MMC-3 clause 5). */
import type { AtapiCdrom } from './atapi-cdrom';
import * as mmc from './mmc';

export interface PacketCommand {
  /** Refused with NOT READY when the drive is empty. */
  readonly needsMedium: boolean;
  /** Runs while a unit attention is pending, and leaves it pending. */
  readonly duringAttention: boolean;
  run(drive: AtapiCdrom, packet: Uint8Array): void;
}

const u16 = (p: Uint8Array, at: number): number => (p[at] << 8) | p[at + 1];
const u24 = (p: Uint8Array, at: number): number => (u16(p, at) << 8) | p[at + 2];
const u32 = (p: Uint8Array, at: number): number => u16(p, at) * 0x10000 + u16(p, at + 2);

// Main channel selection bits of READ CD (MMC-3 5.19, byte 9).
const READ_CD_RAW = 0xf8;
const READ_CD_USER_DATA = 0x10;

function row(
  code: number,
  run: PacketCommand['run'],
  options: { medium?: boolean; attention?: boolean } = {},
): [number, PacketCommand] {
  return [
    code,
    { run, needsMedium: options.medium ?? false, duringAttention: options.attention ?? false },
  ];
}

function readCd(drive: AtapiCdrom, lba: number, count: number, packet: Uint8Array): void {
  const selection = packet[9] & READ_CD_RAW;
  const subChannel = packet[10] & 7;
  // Expected sector type: any or mode 1; audio (1) and mode 2 (3 to 5) are not on these discs.
  const type = (packet[1] >> 2) & 7;
  if (subChannel !== 0 || (type !== 0 && type !== 2)) return drive.check(mmc.INVALID_FIELD_IN_CDB);
  if (selection === 0 || count === 0) return drive.good();
  if (selection === READ_CD_USER_DATA) return drive.readBlocks(lba, count);
  if (selection === READ_CD_RAW) return drive.readBlocks(lba, count, true);
  drive.check(mmc.INVALID_FIELD_IN_CDB);
}

function modeSense(drive: AtapiCdrom, p: Uint8Array, six: boolean): void {
  const SAVED_VALUES = 3;
  if (p[2] >> 6 === SAVED_VALUES) return drive.check(mmc.SAVING_NOT_SUPPORTED);
  drive.reply(mmc.modeSenseData(six, p[2] & 0x3f, drive.medium), six ? p[4] : u16(p, 7));
}

function startStop(drive: AtapiCdrom, p: Uint8Array): void {
  const LOEJ = 0x02;
  const powerCondition = p[4] >> 4;
  if (powerCondition !== 0 || !(p[4] & LOEJ)) return drive.good();
  drive.moveTray((p[4] & 1) === 0);
}

function readToc(drive: AtapiCdrom, p: Uint8Array): void {
  // SFF-8020i had the format in the control byte.
  const format = p[2] & 0x0f || p[9] >> 6;
  drive.reply(mmc.tocData(format, (p[1] & 2) !== 0, p[6], drive.medium.blocks), u16(p, 7));
}

function readDvdStructure(drive: AtapiCdrom, p: Uint8Array): void {
  const { blocks } = drive.medium;
  if (!mmc.isDvd(blocks) && p[7] !== 0xff) return drive.check(mmc.INCOMPATIBLE_MEDIUM);
  drive.reply(p[6] === 0 ? mmc.dvdStructureData(p[7], blocks) : undefined, u16(p, 8));
}

function seek(drive: AtapiCdrom, p: Uint8Array): void {
  if (u32(p, 2) >= drive.medium.blocks) drive.check(mmc.LBA_OUT_OF_RANGE);
  else drive.good();
}

export const PACKET_COMMANDS: ReadonlyMap<number, PacketCommand> = new Map([
  row(mmc.TEST_UNIT_READY, (d) => d.good(), { medium: true }),
  row(mmc.REQUEST_SENSE, (d, p) => d.requestSense(p[4]), { attention: true }),
  row(
    mmc.INQUIRY,
    (d, p) => (p[1] & 1 ? d.check(mmc.INVALID_FIELD_IN_CDB) : d.inquiry(u16(p, 3))),
    { attention: true },
  ),
  row(mmc.MODE_SENSE_6, (d, p) => modeSense(d, p, true)),
  row(mmc.START_STOP_UNIT, startStop),
  row(mmc.PREVENT_ALLOW_MEDIUM_REMOVAL, (d, p) => d.setLocked((p[4] & 1) !== 0)),
  row(mmc.READ_CAPACITY, (d) => d.reply(mmc.capacityData(d.medium.blocks), 8), { medium: true }),
  row(mmc.READ_10, (d, p) => d.readBlocks(u32(p, 2), u16(p, 7)), { medium: true }),
  row(mmc.SEEK_10, seek, { medium: true }),
  row(
    mmc.READ_SUB_CHANNEL,
    (d, p) => d.reply(mmc.subChannelData(p[3], (p[2] & 0x40) !== 0, (p[1] & 2) !== 0), u16(p, 7)),
    { medium: true },
  ),
  row(mmc.READ_TOC, readToc, { medium: true }),
  row(
    mmc.GET_CONFIGURATION,
    (d, p) => d.reply(mmc.configurationData(p[1] & 3, u16(p, 2), d.medium), u16(p, 7)),
    { attention: true },
  ),
  row(
    mmc.GET_EVENT_STATUS_NOTIFICATION,
    (d, p) => (p[1] & 1 ? d.eventStatus(p[4], u16(p, 7)) : d.check(mmc.INVALID_FIELD_IN_CDB)),
    { attention: true },
  ),
  row(mmc.READ_DISC_INFORMATION, (d, p) => d.reply(mmc.discInformation(), u16(p, 7)), {
    medium: true,
  }),
  row(
    mmc.READ_TRACK_INFORMATION,
    (d, p) => d.reply(mmc.trackInformation(d.medium.blocks), u16(p, 7)),
    { medium: true },
  ),
  row(mmc.MODE_SENSE_10, (d, p) => modeSense(d, p, false)),
  row(mmc.READ_12, (d, p) => d.readBlocks(u32(p, 2), u32(p, 6)), { medium: true }),
  row(mmc.READ_DVD_STRUCTURE, readDvdStructure, { medium: true }),
  row(
    mmc.READ_CD_MSF,
    (d, p) => {
      const from = mmc.fromMsf(p[3], p[4], p[5]);
      const to = mmc.fromMsf(p[6], p[7], p[8]);
      if (from < 0 || to < from) d.check(mmc.LBA_OUT_OF_RANGE);
      else readCd(d, from, to - from, p);
    },
    { medium: true },
  ),
  row(mmc.SET_CD_SPEED, (d) => d.good()),
  row(mmc.MECHANISM_STATUS, (d, p) => d.reply(mmc.mechanismData(d.medium), u16(p, 8))),
  row(mmc.READ_CD, (d, p) => readCd(d, u32(p, 2), u24(p, 6), p), { medium: true }),
]);
