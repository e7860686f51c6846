/**
 * What an ATAPI CD/DVD-ROM drive answers: command codes, sense data and reply pages.
 * Documents: T10 MMC-3 (NCITS 360), SPC-2, SFF-8020i (MODE SENSE page 2Ah).
 */

// Operation codes (MMC-3 table 78, SPC-2).
export const TEST_UNIT_READY = 0x00;
export const REQUEST_SENSE = 0x03;
export const INQUIRY = 0x12;
export const MODE_SENSE_6 = 0x1a;
export const START_STOP_UNIT = 0x1b;
export const PREVENT_ALLOW_MEDIUM_REMOVAL = 0x1e;
export const READ_CAPACITY = 0x25;
export const READ_10 = 0x28;
export const SEEK_10 = 0x2b;
export const READ_SUB_CHANNEL = 0x42;
export const READ_TOC = 0x43;
export const GET_CONFIGURATION = 0x46;
export const GET_EVENT_STATUS_NOTIFICATION = 0x4a;
export const READ_DISC_INFORMATION = 0x51;
export const READ_TRACK_INFORMATION = 0x52;
export const MODE_SENSE_10 = 0x5a;
export const READ_12 = 0xa8;
export const READ_DVD_STRUCTURE = 0xad;
export const READ_CD_MSF = 0xb9;
export const SET_CD_SPEED = 0xbb;
export const MECHANISM_STATUS = 0xbd;
export const READ_CD = 0xbe;

/** Sense key, additional sense code and qualifier (MMC-3 annex F). */
export interface Sense {
  readonly key: number;
  readonly asc: number;
  readonly ascq: number;
}

const sense = (key: number, asc: number, ascq = 0): Sense => ({ key, asc, ascq });

export const NO_SENSE = sense(0, 0);
export const NO_MEDIUM_TRAY_CLOSED = sense(2, 0x3a, 1);
export const NO_MEDIUM_TRAY_OPEN = sense(2, 0x3a, 2);
export const UNRECOVERED_READ_ERROR = sense(3, 0x11);
export const INVALID_OPERATION_CODE = sense(5, 0x20);
export const LBA_OUT_OF_RANGE = sense(5, 0x21);
export const INVALID_FIELD_IN_CDB = sense(5, 0x24);
export const INCOMPATIBLE_MEDIUM = sense(5, 0x30, 2);
export const SAVING_NOT_SUPPORTED = sense(5, 0x39);
export const MEDIUM_REMOVAL_PREVENTED = sense(5, 0x53, 2);
export const MEDIUM_CHANGED = sense(6, 0x28);

export const CD_SECTOR_BYTES = 2048;
/** A CD holds no more than 80 minutes of 75 sectors a second; a larger image is a DVD. */
const MAX_CD_SECTORS = 80 * 60 * 75;
/** Sectors before LBA 0: two seconds of pre-gap. */
const MSF_OFFSET = 150;
const LEAD_OUT = 0xaa;
/** ADR 1, data track, copy prohibited. */
const DATA_TRACK = 0x14;
const PROFILE_CD_ROM = 0x0008;
const PROFILE_DVD_ROM = 0x0010;

export type Reply = Uint8Array<ArrayBuffer>;

export interface Medium {
  /** Blocks of 2048 bytes; 0 without a medium. */
  readonly blocks: number;
  readonly trayOpen: boolean;
  readonly locked: boolean;
}

const be16 = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];
const be32 = (value: number): number[] => [
  (value >>> 24) & 0xff,
  (value >>> 16) & 0xff,
  (value >>> 8) & 0xff,
  value & 0xff,
];
const ascii = (text: string, length: number): number[] =>
  Array.from(text.padEnd(length).slice(0, length), (c) => c.charCodeAt(0) & 0x7f);

export function isDvd(blocks: number): boolean {
  return blocks > MAX_CD_SECTORS;
}

/** Minute, second, frame of a logical block. */
export function toMsf(lba: number): [number, number, number] {
  const frames = lba + MSF_OFFSET;
  return [Math.floor(frames / 75 / 60), Math.floor(frames / 75) % 60, frames % 75];
}

export function fromMsf(minute: number, second: number, frame: number): number {
  return (minute * 60 + second) * 75 + frame - MSF_OFFSET;
}

function address(lba: number, msf: boolean): number[] {
  return msf ? [0, ...toMsf(lba).map((n) => n & 0xff)] : be32(lba);
}

/** SPC-2 7.23.2: fixed format, current error. */
export function senseData({ key, asc, ascq }: Sense): Reply {
  const data = new Uint8Array(18);
  data.set([0x70, 0, key]);
  data[7] = 10;
  data[12] = asc;
  data[13] = ascq;
  return data;
}

/** SPC-2 7.3.2; ATAPI drives claim no SPC version. */
export function inquiryData(model: string, firmware: string): Reply {
  return Uint8Array.from([
    0x05, // CD/DVD
    0x80, // removable
    0x00,
    0x21, // ATAPI, response format 1
    31,
    0,
    0,
    0,
    ...ascii('DOMUS', 8),
    ...ascii(model, 16),
    ...ascii(firmware, 4),
  ]);
}

export function capacityData(blocks: number): Reply {
  return Uint8Array.from([...be32(blocks - 1), ...be32(CD_SECTOR_BYTES)]);
}

/** READ TOC/PMA/ATIP formats 0 to 2 (MMC-3 5.23); undefined when the format or track is not there. */
export function tocData(
  format: number,
  msf: boolean,
  track: number,
  blocks: number,
): Reply | undefined {
  switch (format) {
    case 0: {
      if (track > 1 && track !== LEAD_OUT) return undefined;
      const entries: number[] = [];
      if (track <= 1) entries.push(0, DATA_TRACK, 1, 0, ...address(0, msf));
      entries.push(0, DATA_TRACK, LEAD_OUT, 0, ...address(blocks, msf));
      return Uint8Array.from([...be16(2 + entries.length), 1, 1, ...entries]);
    }
    case 1:
      return Uint8Array.from([0, 10, 1, 1, 0, DATA_TRACK, 1, 0, ...address(0, msf)]);
    case 2: {
      const point = (number: number, at: number[]): number[] =>
        [1, DATA_TRACK, 0, number, 0, 0, 0, 0, ...at].map((n) => n & 0xff);
      const entries = [
        ...point(0xa0, [1, 0, 0]),
        ...point(0xa1, [1, 0, 0]),
        ...point(0xa2, toMsf(blocks)),
        ...point(1, toMsf(0)),
      ];
      return Uint8Array.from([...be16(2 + entries.length), 1, 1, ...entries]);
    }
    default:
      return undefined;
  }
}

interface Feature {
  readonly code: number;
  readonly version: number;
  readonly persistent: boolean;
  readonly current: boolean;
  readonly data: readonly number[];
}

/** MMC-3 5.6 GET CONFIGURATION; `type` is RT: 0 all features, 1 current ones, 2 the one asked for. */
export function configurationData(
  type: number,
  first: number,
  { blocks }: Medium,
): Reply | undefined {
  if (type > 2) return undefined;
  const dvd = isDvd(blocks);
  const cd = blocks > 0 && !dvd;
  const profile = dvd ? PROFILE_DVD_ROM : cd ? PROFILE_CD_ROM : 0;
  const features: readonly Feature[] = [
    {
      code: 0x0000, // profile list
      version: 0,
      persistent: true,
      current: true,
      data: [...be16(PROFILE_DVD_ROM), dvd ? 1 : 0, 0, ...be16(PROFILE_CD_ROM), cd ? 1 : 0, 0],
    },
    // Core: ATAPI.
    { code: 0x0001, version: 0, persistent: true, current: true, data: be32(2) },
    // Removable medium: tray, can eject and lock.
    { code: 0x0003, version: 0, persistent: true, current: true, data: [0x29, 0, 0, 0] },
    {
      code: 0x0010, // random readable
      version: 0,
      persistent: false,
      current: blocks > 0,
      data: [...be32(CD_SECTOR_BYTES), ...be16(dvd ? 16 : 1), 0, 0],
    },
    { code: 0x001e, version: 0, persistent: false, current: cd, data: [] },
    { code: 0x001f, version: 0, persistent: false, current: dvd, data: [] },
    // Power management, time-out.
    { code: 0x0100, version: 0, persistent: true, current: true, data: [] },
    { code: 0x0105, version: 0, persistent: true, current: true, data: [] },
  ];
  const chosen = features.filter((feature) =>
    type === 2 ? feature.code === first : feature.code >= first && (type === 0 || feature.current),
  );
  const body = chosen.flatMap((f) => [
    ...be16(f.code),
    (f.version << 2) | (f.persistent ? 2 : 0) | (f.current ? 1 : 0),
    f.data.length,
    ...f.data,
  ]);
  return Uint8Array.from([...be32(4 + body.length), 0, 0, ...be16(profile), ...body]);
}

export type MediaEvent = 'none' | 'eject-request' | 'new' | 'removal';

const EVENT_CLASS_MEDIA = 4;
const MEDIA_EVENT_CODES: Readonly<Record<MediaEvent, number>> = {
  none: 0,
  'eject-request': 1,
  new: 2,
  removal: 3,
};

/** MMC-3 5.7: media events only; NEA when none of the classes asked for is known. */
export function eventStatusData(classes: number, event: MediaEvent, medium: Medium): Reply {
  const supported = 1 << EVENT_CLASS_MEDIA;
  if (!(classes & supported)) return Uint8Array.of(0, 2, 0x80, supported);
  const status = (medium.trayOpen ? 1 : 0) | (medium.blocks > 0 ? 2 : 0);
  return Uint8Array.of(0, 6, EVENT_CLASS_MEDIA, supported, MEDIA_EVENT_CODES[event], status, 0, 0);
}

/** 176 kB/s a speed step; drive speed 50, as page 2Ah counts it. */
const MAX_SPEED = 50 * 176;

function modePage(code: number, { locked }: Medium): number[] {
  switch (code) {
    case 0x01: // read error recovery: retries
      return [0x01, 6, 0, 5, 0, 0, 0, 0];
    case 0x0e: // CD audio control
      return [0x0e, 14, 0x04, 0, 0, 0, 0, 75, 1, 255, 2, 255, 0, 0, 0, 0];
    case 0x1a: // power condition
      return [0x1a, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    case 0x2a: // capabilities and mechanical status, SFF-8020i 10.8.6.4
      return [
        0x2a,
        18,
        0x3b, // reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R
        0x00,
        0x70, // mode 2 forms 1 and 2, multi-session
        0x00,
        0x29 | (locked ? 2 : 0), // tray, ejects, locks
        0x00,
        ...be16(MAX_SPEED),
        ...be16(2), // volume levels
        ...be16(512), // buffer, KiB
        ...be16(MAX_SPEED),
        0,
        0,
        0,
        0,
      ];
    default:
      return [];
  }
}

const MODE_PAGES = [0x01, 0x0e, 0x1a, 0x2a];
const ALL_PAGES = 0x3f;

/** MODE SENSE (6) and (10). Undefined when there is no such page. */
export function modeSenseData(six: boolean, page: number, medium: Medium): Reply | undefined {
  if (page !== ALL_PAGES && !MODE_PAGES.includes(page)) return undefined;
  const pages = (page === ALL_PAGES ? MODE_PAGES : [page]).flatMap((p) => modePage(p, medium));
  const type = medium.trayOpen ? 0x71 : medium.blocks === 0 ? 0x70 : 0x01;
  return six
    ? Uint8Array.from([3 + pages.length, type, 0, 0, ...pages])
    : Uint8Array.from([...be16(6 + pages.length), type, 0, 0, 0, 0, 0, ...pages]);
}

/** MMC-3 5.10: one slot, idle. */
export function mechanismData({ trayOpen }: Medium): Reply {
  return Uint8Array.of(0, trayOpen ? 0x10 : 0, 0, 0, 0, 1, 0, 0);
}

/** MMC-3 5.21: finalised, one session, one track. */
export function discInformation(): Reply {
  const data = new Uint8Array(34);
  data.set([0, 32, 0x0e, 1, 1, 1, 1, 0x20]);
  return data;
}

/** MMC-3 5.25, for track or session 1 and for any address on it. */
export function trackInformation(blocks: number): Reply {
  const data = new Uint8Array(36);
  data.set([0, 34, 1, 1, 0, 4, 1]);
  data.set(be32(blocks), 24);
  return data;
}

/** READ SUB-CHANNEL: no audio; the position stands at the start. */
export function subChannelData(format: number, subQ: boolean, msf: boolean): Reply | undefined {
  const NO_AUDIO = 0x15;
  if (!subQ) return Uint8Array.of(0, NO_AUDIO, 0, 0);
  if (format === 1)
    return Uint8Array.from([
      0, NO_AUDIO, 0, 12, 1, DATA_TRACK, 1, 1, ...address(0, msf), ...address(0, msf),
    ]); // prettier-ignore
  // Catalogue number and ISRC: none recorded.
  if (format === 2 || format === 3) {
    const data = new Uint8Array(24);
    data.set([0, NO_AUDIO, 0, 20, format]);
    return data;
  }
  return undefined;
}

/** READ DVD STRUCTURE formats 0 (physical), 1 (copyright), 4 (manufacturer), FFh (list), MMC-3 5.22. */
export function dvdStructureData(format: number, blocks: number): Reply | undefined {
  const FIRST_SECTOR = 0x30000;
  switch (format) {
    case 0x00: {
      const data = new Uint8Array(4 + 2048);
      data.set([
        ...be16(2048 + 2),
        0,
        0,
        0x01, // DVD-ROM, part version 1
        0x0f, // 120 mm, highest rate not specified
        0x01, // one layer, embossed
        0x00,
        ...be32(FIRST_SECTOR),
        ...be32(FIRST_SECTOR + blocks - 1),
        ...be32(0),
      ]);
      return data;
    }
    case 0x01:
      return Uint8Array.of(0, 6, 0, 0, 0, 0, 0, 0);
    case 0x04: {
      const data = new Uint8Array(4 + 2048);
      data.set(be16(2048 + 2));
      return data;
    }
    case 0xff:
      return Uint8Array.from([
        0, 14, 0, 0,
        0x00, 0x40, ...be16(2048 + 4),
        0x01, 0x40, ...be16(8),
        0x04, 0x40, ...be16(2048 + 4),
      ]); // prettier-ignore
    default:
      return undefined;
  }
}
