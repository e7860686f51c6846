import { FileError, type FileHost, type OpenFile } from '../../host';
import { CD_SECTOR_BYTES, lines, text, type ReadBytes } from './bytes';
import { readBootCatalog, type BootEntry } from './el-torito';
import {
  DEBIAN_CODENAMES,
  MENU_PATHS,
  OS_TABLE,
  PROBED_PATHS,
  type EvidenceSource,
  type OsRow,
} from './os-table';
import { findPath, readFileStart, readVolume, type IsoVolume } from './volume';

/** Largest single read while looking around. */
const MAX_READ_BYTES = 1 << 20;
const MAX_INFO_BYTES = 1024;
const MAX_MENU_BYTES = 64 << 10;
/** Burning programs count up to 150 run-out sectors that copies of a disc lack; a real truncation is larger. */
const RUN_OUT_SECTORS = 150;

/** What an ISO file is; field by field what `iso/inspect` answers. */
export interface IsoInspection {
  path: string;
  sizeBytes: number;
  volumeId: string;
  osId: string;
  osName: string;
  evidence: string[];
  bootable: 'el-torito' | 'none';
  problem?: string;
  suggested: { name: string; memory: number; vcpus: number; diskGiB: number };
}

interface Facts {
  readonly volume: IsoVolume;
  readonly texts: {
    readonly from: EvidenceSource;
    readonly where: string;
    readonly text: string;
  }[];
}

const UNKNOWN: OsRow = {
  from: 'volume',
  pattern: /^/,
  id: 'generic',
  name: 'Unknown operating system',
  memory: 1024,
  diskGiB: 20,
};

function quote(value: string): string {
  return `“${value.length > 100 ? `${value.slice(0, 100)}…` : value}”`;
}

async function readText(
  read: ReadBytes,
  volume: IsoVolume,
  path: string,
  maxBytes: number,
): Promise<string[] | undefined> {
  const entry = await findPath(read, volume, path);
  if (!entry || entry.directory) return undefined;
  return lines(await readFileStart(read, entry, maxBytes));
}

/** "family version" of a Red Hat style .treeinfo. */
async function treeInfo(read: ReadBytes, volume: IsoVolume): Promise<string | undefined> {
  const content = await readText(read, volume, '.treeinfo', MAX_MENU_BYTES);
  const value = (key: string): string | undefined =>
    content
      ?.map((line) => new RegExp(`^${key}\\s*=\\s*(.+)$`).exec(line)?.[1])
      .find((found) => found !== undefined);
  const family = value('family') ?? value('name');
  return family === undefined ? undefined : `${family} ${value('version') ?? ''}`.trim();
}

async function gather(read: ReadBytes, volume: IsoVolume): Promise<Facts> {
  const texts: Facts['texts'] = [];
  const info = (await readText(read, volume, '.disk/info', MAX_INFO_BYTES))?.[0];
  if (info) texts.push({ from: 'info', where: '.disk/info', text: info });
  const tree = await treeInfo(read, volume);
  if (tree) texts.push({ from: 'tree', where: '.treeinfo', text: tree });
  texts.push({ from: 'volume', where: 'volume id', text: volume.volumeId });
  for (const path of PROBED_PATHS)
    if (await findPath(read, volume, path)) texts.push({ from: 'file', where: 'file', text: path });
  for (const path of MENU_PATHS) {
    for (const line of (await readText(read, volume, path, MAX_MENU_BYTES)) ?? [])
      if (line !== '' && !line.startsWith('#'))
        texts.push({ from: 'menu', where: path, text: line });
  }
  return { volume, texts };
}

function fill(template: string, match: RegExpExecArray): string {
  return template.replace(/\{(\d)\}/g, (_, group: string) => match[Number(group)] ?? '').trim();
}

/** The first row of the table that fits, with what it fits on. */
function detect(facts: Facts): { row: OsRow; id: string; name: string; evidence: string[] } {
  for (const row of OS_TABLE) {
    for (const { from, where, text: found } of facts.texts) {
      const match = from === row.from ? row.pattern.exec(found) : null;
      if (!match) continue;
      const name = fill(row.name, match);
      const codename = row.id === 'debian{1}' ? DEBIAN_CODENAMES[match[1] ?? ''] : undefined;
      return {
        row,
        id: fill(row.id, match).toLowerCase(),
        name: codename ? `${name} (${codename})` : name,
        evidence: [`${where}: ${quote(found)}`],
      };
    }
  }
  return { row: UNKNOWN, id: UNKNOWN.id, name: UNKNOWN.name, evidence: [] };
}

function bootProblem(
  entries: readonly BootEntry[] | undefined,
  volume: IsoVolume,
  sizeBytes: number,
): string | undefined {
  if (volume.bootCatalog === undefined)
    return 'it is not bootable: it has no El Torito boot record';
  if (entries === undefined) return 'it is not bootable: its boot catalog is damaged';
  const bios = entries.filter((entry) => entry.platform === 'BIOS');
  if (bios.length === 0)
    return entries.some((entry) => entry.platform === 'UEFI')
      ? 'it starts with UEFI only, and this computer has a BIOS'
      : 'it is not bootable: its boot catalog has no entry for a PC';
  if (bios.every((entry) => entry.lba * CD_SECTOR_BYTES >= sizeBytes))
    return 'it is truncated: its boot image lies behind the end of the file';
  return undefined;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function truncation(volume: IsoVolume, sizeBytes: number): string | undefined {
  if (volume.sizeBytes - RUN_OUT_SECTORS * CD_SECTOR_BYTES <= sizeBytes) return undefined;
  return `it is truncated: it should have ${megabytes(volume.sizeBytes)} and has ${megabytes(sizeBytes)}; copy or download it again`;
}

/** A name for the domain from the system's: 'debian12', 'win10'. */
function suggestedName(id: string, volumeId: string): string {
  const source = id === 'generic' ? volumeId : id;
  const name = source
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 40);
  return name === '' ? 'guest' : name;
}

function failed(path: string, sizeBytes: number, problem: string): IsoInspection {
  const { name: osName, memory, diskGiB } = UNKNOWN;
  return {
    path,
    sizeBytes,
    volumeId: '',
    osId: UNKNOWN.id,
    osName,
    evidence: [],
    bootable: 'none',
    problem,
    suggested: { name: 'guest', memory, vcpus: 1, diskGiB },
  };
}

/** What the first bytes say about a file that is not an ISO image. */
function otherFormat(start: Uint8Array): string {
  if (text(start, 0, 3) === 'QFI') return 'it is a qcow2 disk image, not a CD image';
  if (start[0] === 0x1f && start[1] === 0x8b) return 'it is compressed with gzip; unpack it first';
  if (text(start, 1, 5) === '7zXZ') return 'it is compressed with xz; unpack it first';
  if (text(start, 0, 2) === 'PK') return 'it is a zip archive; unpack it first';
  return start[510] === 0x55 && start[511] === 0xaa
    ? 'it is a disk image, not a CD image; use it as a disk'
    : 'it is not a CD image: it has no ISO 9660 volume';
}

async function inspectFile(path: string, file: OpenFile): Promise<IsoInspection> {
  const { sizeBytes } = file.info;
  if (sizeBytes === 0) return failed(path, 0, 'it is empty');
  const read: ReadBytes = async (offset, length) => {
    const bytes = new Uint8Array(Math.min(length, MAX_READ_BYTES));
    if (offset < sizeBytes) await file.read(offset, bytes);
    return bytes;
  };
  const volume = await readVolume(read);
  if (!volume) return failed(path, sizeBytes, otherFormat(await read(0, 512)));
  const found = detect(await gather(read, volume));
  const entries =
    volume.bootCatalog === undefined ? undefined : await readBootCatalog(read, volume.bootCatalog);
  const problem = truncation(volume, sizeBytes) ?? bootProblem(entries, volume, sizeBytes);
  const bootable = entries?.some((entry) => entry.platform === 'BIOS') ? 'el-torito' : 'none';
  const evidence = found.evidence.some((line) => line.startsWith('volume id'))
    ? found.evidence
    : [...found.evidence, `volume id: ${quote(volume.volumeId)}`];
  for (const entry of entries ?? [])
    evidence.push(`boots with ${entry.platform} (El Torito, ${entry.media})`);
  const suggested = {
    name: suggestedName(found.id, volume.volumeId),
    memory: found.row.memory,
    vcpus: 1,
    diskGiB: found.row.diskGiB,
  };
  return {
    path,
    sizeBytes,
    volumeId: volume.volumeId,
    osId: found.id,
    osName: found.name,
    evidence,
    bootable,
    ...(problem === undefined ? {} : { problem }),
    suggested,
  };
}

/**
 * Looks into an ISO file: what it is, whether a PC can start from it, and what to suggest for a domain.
 * A file that cannot be used is a report with a `problem`, not an error.
 */
export async function inspectIso(files: FileHost, path: string): Promise<IsoInspection> {
  let file: OpenFile;
  try {
    file = await files.open(path, 'read');
  } catch (cause) {
    if (cause instanceof FileError) return failed(path, 0, fileProblem(cause));
    throw cause;
  }
  try {
    return await inspectFile(path, file);
  } catch (cause) {
    if (cause instanceof FileError) return failed(path, file.info.sizeBytes, fileProblem(cause));
    throw cause;
  } finally {
    await file.close();
  }
}

function fileProblem(cause: FileError): string {
  if (cause.code === 'ENOENT') return 'it does not exist';
  if (cause.code === 'EACCES') return 'it cannot be read: permission is denied';
  if (cause.code === 'EISDIR') return 'it is a directory';
  if (cause.code === 'ENOTREG') return 'it is not a regular file';
  return `it cannot be read (${cause.code})`;
}
