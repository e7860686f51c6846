/**
 * IDENTIFY DEVICE data of an ATA disk.
 * Document: T13/1532D ATA/ATAPI-7 Volume 1, clause 6.17 (table 29); obsolete words as in ATA-4.
 */

/** Cylinders, heads and sectors a track. */
export interface Geometry {
  cylinders: number;
  heads: number;
  sectors: number;
}

export interface AtaIdentity {
  readonly serial: string;
  readonly model: string;
  readonly firmware: string;
  readonly totalSectors: number;
  readonly native: Geometry;
  readonly logical: Geometry;
  /** Sectors a DRQ block of READ/WRITE MULTIPLE; 0 not set. */
  readonly multiple: number;
  /** SET FEATURES transfer mode byte. */
  readonly transferMode: number;
  readonly writeCache: boolean;
  readonly lookAhead: boolean;
  readonly smart: boolean;
  readonly unit: 0 | 1;
  /** Serial ATA: native command queuing and its log. */
  readonly sata: boolean;
  /** DATA SET MANAGEMENT with TRIM. */
  readonly trim: boolean;
}

/** Blocks of 512 bytes a DATA SET MANAGEMENT command may have (word 105). */
export const MAX_TRIM_BLOCKS = 8;
/** Commands a SATA disk queues. */
export const QUEUE_DEPTH = 32;

export const MAX_MULTIPLE = 16;
const LBA28_SECTORS = 0x0fff_ffff;
const MAX_CYLINDERS = 16383;
const HEADS = 16;
const SECTORS_PER_TRACK = 63;

/** What a disk of this size says its default translation is (ATA-4 annex B): 16 heads, 63 sectors. */
export function nativeGeometry(totalSectors: number): Geometry {
  const cylinders = Math.floor(totalSectors / (HEADS * SECTORS_PER_TRACK));
  return {
    cylinders: Math.max(1, Math.min(cylinders, MAX_CYLINDERS)),
    heads: HEADS,
    sectors: SECTORS_PER_TRACK,
  };
}

/** ATA strings: two characters a word, the first in the high byte, padded with blanks. */
export function putAtaString(words: Uint16Array, at: number, count: number, text: string): void {
  const padded = text.padEnd(count * 2).slice(0, count * 2);
  for (let i = 0; i < count; i++)
    words[at + i] =
      ((padded.charCodeAt(2 * i) & 0x7f) << 8) | (padded.charCodeAt(2 * i + 1) & 0x7f);
}

/** Bit for the selected mode of words 62, 63 and 88. */
function selectedMode(transferMode: number, kind: number): number {
  return (transferMode & 0xf8) === kind ? 0x100 << (transferMode & 7) : 0;
}

/** Words as bytes with the integrity word 255 (6.17.69). */
export function sealIdentity(words: Uint16Array): Uint8Array<ArrayBuffer> {
  words[255] = 0x00a5;
  const bytes = new Uint8Array(512);
  for (let i = 0; i < 256; i++) {
    bytes[2 * i] = words[i];
    bytes[2 * i + 1] = words[i] >> 8;
  }
  let sum = 0;
  for (let i = 0; i < 511; i++) sum += bytes[i];
  bytes[511] = -sum;
  return bytes;
}

export const MODE_SINGLE_WORD_DMA = 0x10;
export const MODE_MULTIWORD_DMA = 0x20;
export const MODE_ULTRA_DMA = 0x40;

/** Words 62, 63, 64-68 and 88: transfer modes and their cycle times. */
export function putTransferModes(words: Uint16Array, transferMode: number): void {
  words[62] = 0x0007 | selectedMode(transferMode, MODE_SINGLE_WORD_DMA);
  words[63] = 0x0007 | selectedMode(transferMode, MODE_MULTIWORD_DMA);
  words[64] = 0x0003;
  words[65] = 120;
  words[66] = 120;
  words[67] = 120;
  words[68] = 120;
  words[88] = 0x003f | selectedMode(transferMode, MODE_ULTRA_DMA);
}

export function identifyAta(id: AtaIdentity): Uint8Array<ArrayBuffer> {
  const w = new Uint16Array(256);
  w[0] = 0x0040; // fixed device
  w[1] = id.native.cylinders;
  w[2] = 0xc837; // complete, no spin-up needed
  w[3] = id.native.heads;
  w[4] = id.native.sectors * 512;
  w[5] = 512;
  w[6] = id.native.sectors;
  putAtaString(w, 10, 10, id.serial);
  w[20] = 3; // dual-ported buffer with read caching
  w[21] = 512; // buffer of 256 KiB
  w[22] = 4; // ECC bytes of READ LONG
  putAtaString(w, 23, 4, id.firmware);
  putAtaString(w, 27, 20, id.model);
  w[47] = 0x8000 | MAX_MULTIPLE;
  w[48] = 0x0001; // 32-bit access to the data port
  w[49] = 0x0f00; // IORDY, LBA, DMA
  w[50] = 0x4000;
  w[51] = 0x0200; // PIO timing 2
  w[52] = 0x0200;
  w[53] = 0x0007; // words 54-58, 64-70 and 88 are valid
  w[54] = id.logical.cylinders;
  w[55] = id.logical.heads;
  w[56] = id.logical.sectors;
  const chs = id.logical.cylinders * id.logical.heads * id.logical.sectors;
  w[57] = chs;
  w[58] = chs >>> 16;
  w[59] = id.multiple ? 0x0100 | id.multiple : 0;
  const lba28 = Math.min(id.totalSectors, LBA28_SECTORS);
  w[60] = lba28;
  w[61] = lba28 >>> 16;
  putTransferModes(w, id.transferMode);
  w[80] = 0x00f0; // ATA/ATAPI-4 to -7
  w[82] = 0x7069; // NOP, READ/WRITE BUFFER, look-ahead, write cache, power management, SMART
  w[83] = 0x7400; // FLUSH CACHE (EXT), 48-bit addresses
  w[84] = 0x4040; // WRITE DMA FUA EXT
  w[85] = 0x7008 | (id.smart ? 1 : 0) | (id.writeCache ? 0x20 : 0) | (id.lookAhead ? 0x40 : 0);
  w[86] = 0x3400;
  w[87] = 0x4040;
  // Hardware reset result: an 80-conductor cable, number set by jumper.
  w[93] = id.unit === 0 ? 0x600b : 0x6b00;
  if (id.sata) putSata(w);
  if (id.trim) {
    w[105] = MAX_TRIM_BLOCKS;
    w[169] = 0x0001;
  }
  let rest = id.totalSectors;
  for (let i = 100; i < 104; i++) {
    w[i] = rest % 0x10000;
    rest = Math.floor(rest / 0x10000);
  }
  return sealIdentity(w);
}

/** Words of a Serial ATA device (Serial ATA 3.0, 13.2.1). */
function putSata(w: Uint16Array): void {
  w[75] = QUEUE_DEPTH - 1;
  w[76] = 0x0106; // NCQ, 3 Gb/s, 1.5 Gb/s
  w[80] = 0x01f0; // ATA/ATAPI-4 to ATA8-ACS
  w[84] |= 0x0020; // general purpose logging
  w[87] |= 0x0020;
  w[93] = 0;
  w[222] = 0x1020; // serial transport, SATA 2.6
}
