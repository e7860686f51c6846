/**
 * Writes a small ISO 9660 image (ECMA-119, 4th edition, June 2019) with Joliet names (Joliet Specification 1.0, May
 * 1995): a CD of answer files for installers and cloud-init. One directory; names are kept in the Joliet tree, the
 * primary tree has them in upper case with other characters as `_`. Missing: directories, Rock Ridge, El Torito.
 */
import { CD_SECTOR_BYTES } from './bytes';

export interface IsoFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const PRIMARY = 16;
const JOLIET = 17;
const TERMINATOR = 18;
/** Path tables, little and big endian, of both trees (ECMA-119 6.9). */
const PATH_TABLES = 19;
const PRIMARY_ROOT = 23;
const JOLIET_ROOT = 24;
const FIRST_FILE = 25;
/** The root's entry in a path table: one byte of identifier and one of padding (9.4). */
const PATH_TABLE_BYTES = 10;
/** Level 2 file identifiers without their version (10.2), and what one sector of directory always has room for. */
const MAX_NAME = 30;
const MAX_FILES = 12;
const MAX_VOLUME_ID = 16;

interface Placed extends IsoFile {
  readonly lba: number;
}

class SectorWriter {
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array<ArrayBuffer>) {
    this.view = new DataView(bytes.buffer);
  }

  u8(at: number, value: number): void {
    this.bytes[at] = value;
  }

  /** Both-byte orders (7.2.3, 7.3.3). */
  both16(at: number, value: number): void {
    this.view.setUint16(at, value, true);
    this.view.setUint16(at + 2, value, false);
  }

  both32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
    this.view.setUint32(at + 4, value, false);
  }

  u16(at: number, value: number, little: boolean): void {
    this.view.setUint16(at, value, little);
  }

  u32(at: number, value: number, little: boolean): void {
    this.view.setUint32(at, value, little);
  }

  put(at: number, source: Uint8Array): void {
    this.bytes.set(source, at);
  }

  /** Text padded with spaces to `length` bytes, UCS-2 in the Joliet tree. */
  text(at: number, text: string, length: number, wide: boolean): void {
    this.put(at, encoded(text.padEnd(length, ' '), wide).subarray(0, length));
  }
}

/** Latin characters one byte each, or big-endian UCS-2. */
function encoded(text: string, wide: boolean): Uint8Array {
  const bytes = new Uint8Array(text.length * (wide ? 2 : 1));
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (wide) bytes.set([code >> 8, code & 0xff], i * 2);
    else bytes[i] = code & 0xff;
  }
  return bytes;
}

/** A name in d-characters (7.4.1) with the dot and version a file identifier has. */
function primaryName(name: string): string {
  const dot = name.lastIndexOf('.');
  const clean = (part: string): string => part.toUpperCase().replace(/[^A-Z0-9]/g, '_');
  const [stem, extension] = dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)];
  return `${clean(stem)}.${clean(extension)};1`;
}

/** Directory record (9.1); returns its length. */
function record(
  out: SectorWriter,
  at: number,
  identifier: Uint8Array,
  extent: { lba: number; sizeBytes: number; directory: boolean },
  date: Uint8Array,
): number {
  const length = 33 + identifier.length + (identifier.length % 2 === 0 ? 1 : 0);
  out.u8(at, length);
  out.both32(at + 2, extent.lba);
  out.both32(at + 10, extent.sizeBytes);
  out.put(at + 18, date);
  out.u8(at + 25, extent.directory ? 2 : 0);
  out.both16(at + 28, 1);
  out.u8(at + 32, identifier.length);
  out.put(at + 33, identifier);
  return length;
}

const SELF = Uint8Array.of(0);
const PARENT = Uint8Array.of(1);

function directory(
  out: SectorWriter,
  files: readonly Placed[],
  wide: boolean,
  date: Uint8Array,
): void {
  const lba = wide ? JOLIET_ROOT : PRIMARY_ROOT;
  const own = { lba, sizeBytes: CD_SECTOR_BYTES, directory: true };
  let at = lba * CD_SECTOR_BYTES;
  at += record(out, at, SELF, own, date);
  at += record(out, at, PARENT, own, date);
  const named = files.map((file) => ({
    file,
    name: wide ? file.name : primaryName(file.name),
  }));
  // 9.3: in the order of their identifiers.
  named.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { file, name } of named) {
    const extent = { lba: file.lba, sizeBytes: file.bytes.length, directory: false };
    at += record(out, at, encoded(name, wide), extent, date);
  }
}

function descriptor(
  out: SectorWriter,
  sectors: number,
  volumeId: string,
  wide: boolean,
  date: Uint8Array,
): void {
  const lba = wide ? JOLIET : PRIMARY;
  const at = lba * CD_SECTOR_BYTES;
  out.u8(at, wide ? 2 : 1);
  out.put(at + 1, encoded('CD001', false));
  out.u8(at + 6, 1);
  out.text(at + 8, '', 32, wide);
  out.text(at + 40, volumeId, 32, wide);
  out.both32(at + 80, sectors);
  // Joliet 2.1: escape sequence of UCS-2 level 3.
  if (wide) out.put(at + 88, Uint8Array.of(0x25, 0x2f, 0x45));
  out.both16(at + 120, 1);
  out.both16(at + 124, 1);
  out.both16(at + 128, CD_SECTOR_BYTES);
  out.both32(at + 132, PATH_TABLE_BYTES);
  const table = PATH_TABLES + (wide ? 2 : 0);
  out.u32(at + 140, table, true);
  out.u32(at + 148, table + 1, false);
  const root = wide ? JOLIET_ROOT : PRIMARY_ROOT;
  record(out, at + 156, SELF, { lba: root, sizeBytes: CD_SECTOR_BYTES, directory: true }, date);
  // 8.4.19 to 8.4.29: identifiers that are not there are spaces; dates are 16 digits and an offset.
  out.text(at + 190, '', 623, wide);
  for (const date17 of [813, 830, 847, 864]) {
    out.text(at + date17, '0'.repeat(16), 16, false);
    out.u8(at + date17 + 16, 0);
  }
  out.u8(at + 881, 1);
  for (const [place, little] of [
    [table, true],
    [table + 1, false],
  ] as const) {
    const start = place * CD_SECTOR_BYTES;
    out.u8(start, 1);
    out.u32(start + 2, root, little);
    out.u16(start + 6, 1, little);
  }
}

/** Days since 1970 as year, month and day of the proleptic Gregorian calendar. */
function civil(days: number): [number, number, number] {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const doe = z - era * 146_097;
  const yoe = Math.floor(
    (doe - Math.floor(doe / 1460) + Math.floor(doe / 36_524) - Math.floor(doe / 146_096)) / 365,
  );
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  return [yoe + era * 400 + (month <= 2 ? 1 : 0), month, doy - Math.floor((153 * mp + 2) / 5) + 1];
}

/** Recording date and time (9.1.5) in UTC. */
function recorded(wallMs: number): Uint8Array {
  const seconds = Math.max(0, Math.floor(wallMs / 1000));
  const [year, month, day] = civil(Math.floor(seconds / 86_400));
  const rest = seconds % 86_400;
  const time = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60];
  return Uint8Array.of(Math.min(255, year - 1900), month, day, ...time, 0);
}

/**
 * An image of these files. Throws a RangeError when they do not fit the form: at most 12 files with names of 1 to 30
 * characters, a volume identifier of at most 16.
 */
export function buildIso(
  volumeId: string,
  files: readonly IsoFile[],
  wallMs: number,
): Uint8Array<ArrayBuffer> {
  if (volumeId.length > MAX_VOLUME_ID)
    throw new RangeError(`the volume id ${volumeId} is too long`);
  if (files.length > MAX_FILES) throw new RangeError(`more than ${MAX_FILES} files`);
  let lba = FIRST_FILE;
  const placed: Placed[] = [];
  for (const file of files) {
    if (file.name === '' || file.name.length > MAX_NAME || /[/\\;:*?\0]/.test(file.name))
      throw new RangeError(`a file on this CD cannot be called ${JSON.stringify(file.name)}`);
    placed.push({ ...file, lba });
    lba += Math.ceil(file.bytes.length / CD_SECTOR_BYTES);
  }
  const image = new Uint8Array(lba * CD_SECTOR_BYTES);
  const out = new SectorWriter(image);
  const date = recorded(wallMs);
  for (const wide of [false, true]) {
    descriptor(out, lba, volumeId, wide, date);
    directory(out, placed, wide, date);
  }
  const end = TERMINATOR * CD_SECTOR_BYTES;
  out.u8(end, 255);
  out.put(end + 1, encoded('CD001', false));
  out.u8(end + 6, 1);
  for (const file of placed) out.put(file.lba * CD_SECTOR_BYTES, file.bytes);
  return image;
}
