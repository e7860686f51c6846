/**
 * ISO 9660 (ECMA-119, 4th edition, June 2019): volume descriptors (8.1 to 8.4) and directory records (9.1), with Rock Ridge
 * names (IEEE P1282 4.1.4 "NM") and Joliet as a fall-back.
 * Every length and position comes from the image and is bounded. Missing: multi-extent files, continuation areas, UDF.
 */
import { CD_SECTOR_BYTES, text, u32, type ReadBytes } from './bytes';

/** Volume descriptors start here; a set that has no end within this many is broken. */
const FIRST_DESCRIPTOR = 16;
const MAX_DESCRIPTORS = 64;
const DESCRIPTOR_BOOT = 0;
const DESCRIPTOR_PRIMARY = 1;
const DESCRIPTOR_SUPPLEMENTARY = 2;
const DESCRIPTOR_END = 255;

const MAX_PATH_DEPTH = 16;
const MAX_DIRECTORY_BYTES = 1 << 20;
const MAX_ENTRIES = 10_000;
const FLAG_DIRECTORY = 0x02;
const RECORD_HEADER_BYTES = 33;

export interface IsoEntry {
  readonly name: string;
  readonly directory: boolean;
  readonly lba: number;
  readonly sizeBytes: number;
}

export interface IsoVolume {
  readonly volumeId: string;
  readonly applicationId: string;
  readonly publisherId: string;
  /** What the volume says it has. */
  readonly sizeBytes: number;
  /** LBA of the El Torito boot catalog, if there is one. */
  readonly bootCatalog: number | undefined;
  readonly root: IsoEntry;
  readonly joliet: boolean;
}

function directoryRecord(bytes: Uint8Array, at: number, name: string): IsoEntry {
  return {
    name,
    directory: ((bytes[at + 25] ?? 0) & FLAG_DIRECTORY) !== 0,
    lba: u32(bytes, at + 2),
    sizeBytes: u32(bytes, at + 10),
  };
}

function isJoliet(descriptor: Uint8Array): boolean {
  return (
    descriptor[88] === 0x25 &&
    descriptor[89] === 0x2f &&
    [0x40, 0x43, 0x45].includes(descriptor[90] ?? 0)
  );
}

/** Reads the volume descriptors; undefined when this is no ISO 9660 image. */
export async function readVolume(read: ReadBytes): Promise<IsoVolume | undefined> {
  let primary: Uint8Array | undefined;
  let joliet: Uint8Array | undefined;
  let bootCatalog: number | undefined;
  for (let i = 0; i < MAX_DESCRIPTORS; i++) {
    const descriptor = await read((FIRST_DESCRIPTOR + i) * CD_SECTOR_BYTES, CD_SECTOR_BYTES);
    if (text(descriptor, 1, 5) !== 'CD001') break;
    const type = descriptor[0];
    if (type === DESCRIPTOR_END) break;
    if (type === DESCRIPTOR_PRIMARY) primary ??= descriptor;
    else if (type === DESCRIPTOR_SUPPLEMENTARY && isJoliet(descriptor)) joliet ??= descriptor;
    else if (type === DESCRIPTOR_BOOT && text(descriptor, 7, 23) === 'EL TORITO SPECIFICATION')
      bootCatalog ??= u32(descriptor, 0x47);
  }
  if (!primary) return undefined;
  const plain = await hasRockRidge(read, primary);
  const useJoliet = !plain && joliet !== undefined;
  return {
    volumeId: text(primary, 40, 32),
    publisherId: text(primary, 318, 128),
    applicationId: text(primary, 574, 128),
    sizeBytes: u32(primary, 80) * CD_SECTOR_BYTES,
    bootCatalog,
    root: directoryRecord(useJoliet && joliet ? joliet : primary, 156, ''),
    joliet: useJoliet,
  };
}

/** Rock Ridge marks the root directory's own record with an SP entry (IEEE P1281 5.3). */
async function hasRockRidge(read: ReadBytes, primary: Uint8Array): Promise<boolean> {
  const sector = await read(
    directoryRecord(primary, 156, '').lba * CD_SECTOR_BYTES,
    CD_SECTOR_BYTES,
  );
  return text(sector, RECORD_HEADER_BYTES + 1, 2) === 'SP';
}

/** The NM entries of a record's system use area; undefined when it has none. */
function rockRidgeName(bytes: Uint8Array, start: number, end: number): string | undefined {
  let name: string | undefined;
  for (let at = start; at + 4 <= end;) {
    const length = bytes[at + 2] ?? 0;
    if (length < 4 || at + length > end) break;
    if (text(bytes, at, 2) === 'NM' && length > 5)
      name = (name ?? '') + text(bytes, at + 5, length - 5);
    at += length;
  }
  return name;
}

function plainName(bytes: Uint8Array, at: number, length: number, joliet: boolean): string {
  let name = '';
  if (joliet)
    for (let i = 0; i + 1 < length; i += 2)
      name += String.fromCharCode(((bytes[at + i] ?? 0) << 8) | (bytes[at + i + 1] ?? 0));
  else name = text(bytes, at, length);
  return name.replace(/;\d+$/, '').replace(/\.$/, '');
}

/** The entries of a directory, without itself and its parent. */
export async function readDirectory(
  read: ReadBytes,
  volume: IsoVolume,
  directory: IsoEntry,
): Promise<IsoEntry[]> {
  const bytes = await read(
    directory.lba * CD_SECTOR_BYTES,
    Math.min(directory.sizeBytes, MAX_DIRECTORY_BYTES),
  );
  const entries: IsoEntry[] = [];
  for (let at = 0; at + RECORD_HEADER_BYTES < bytes.length && entries.length < MAX_ENTRIES;) {
    const length = bytes[at] ?? 0;
    if (length === 0) {
      at = (Math.floor(at / CD_SECTOR_BYTES) + 1) * CD_SECTOR_BYTES;
      continue;
    }
    const nameLength = bytes[at + 32] ?? 0;
    const end = Math.min(at + length, bytes.length);
    const isSelfOrParent = nameLength === 1 && (bytes[at + 33] ?? 0) <= 1;
    if (!isSelfOrParent && length > RECORD_HEADER_BYTES) {
      const systemUse = at + RECORD_HEADER_BYTES + nameLength + (nameLength % 2 === 0 ? 1 : 0);
      const name =
        (volume.joliet ? undefined : rockRidgeName(bytes, systemUse, end)) ??
        plainName(
          bytes,
          at + RECORD_HEADER_BYTES,
          Math.min(nameLength, end - at - RECORD_HEADER_BYTES),
          volume.joliet,
        );
      entries.push(directoryRecord(bytes, at, name));
    }
    at += length;
  }
  return entries;
}

/** Finds a path below the root, letter case aside; undefined when it is not there. Follows at most 16 components, so that no loop of directories can hold it. */
export async function findPath(
  read: ReadBytes,
  volume: IsoVolume,
  path: string,
): Promise<IsoEntry | undefined> {
  let entry: IsoEntry | undefined = volume.root;
  const parts = path.split('/').filter((part) => part !== '');
  for (const part of parts.slice(0, MAX_PATH_DEPTH)) {
    if (!entry.directory) return undefined;
    const wanted = part.toLowerCase();
    const entries: IsoEntry[] = await readDirectory(read, volume, entry);
    entry = entries.find(({ name }) => name.toLowerCase() === wanted);
    if (!entry) return undefined;
  }
  return entry;
}

/** The start of a file. */
export async function readFileStart(
  read: ReadBytes,
  entry: IsoEntry,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  return read(entry.lba * CD_SECTOR_BYTES, Math.min(entry.sizeBytes, maxBytes));
}
