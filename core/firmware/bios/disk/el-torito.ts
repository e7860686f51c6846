/**
 * Bootable CD-ROMs: finds the x86 entry of the boot catalog.
 * Spec: "El Torito" Bootable CD-ROM Format Specification 1.0 (1995).
 */
import type { BlockBackend } from '../../../hw';
import { type Emulation, type EmulationKind, floppyGeometry } from './drives';

const SECTOR = 2048;
const BOOT_RECORD_SECTOR = 17;
const BOOTABLE = 0x88;
const PLATFORM_X86 = 0;
const SECTION_HEADER = 0x90;
const LAST_SECTION_HEADER = 0x91;
const FLOPPY_SECTORS: Readonly<Record<number, number>> = { 1: 2400, 2: 2880, 3: 5760 };

const u16 = (b: Uint8Array, at: number): number => b[at] | (b[at + 1] << 8);
const u32 = (b: Uint8Array, at: number): number => (u16(b, at) | (u16(b, at + 2) << 16)) >>> 0;

function text(bytes: Uint8Array, at: number, length: number): string {
  let result = '';
  for (let i = 0; i < length; i++) result += String.fromCharCode(bytes[at + i]);
  return result;
}

/** Finds what to boot, or says why there is nothing, as an end of the sentence "not bootable: ...". */
export function findBootEntry(
  disk: string,
  cdDrive: number,
  backend: BlockBackend,
): Emulation | string {
  const sectors = Math.floor(backend.sizeBytes / SECTOR);
  const read = (lba: number): Uint8Array | undefined =>
    lba < sectors ? backend.readNow(lba * SECTOR, SECTOR) : undefined;
  if (sectors <= BOOT_RECORD_SECTOR) return 'the image is too short to be a CD';
  const primary = read(16)!;
  if (text(primary, 1, 5) !== 'CD001') return 'no ISO 9660 file system';
  const record = read(BOOT_RECORD_SECTOR)!;
  if (
    record[0] !== 0 ||
    text(record, 1, 5) !== 'CD001' ||
    text(record, 7, 23) !== 'EL TORITO SPECIFICATION'
  )
    return 'no El Torito boot record';
  const catalog = read(u32(record, 0x47));
  if (!catalog) return 'the image ends before its boot catalog (is the download complete?)';
  let sum = 0;
  for (let i = 0; i < 32; i += 2) sum += u16(catalog, i);
  if (catalog[0] !== 1 || catalog[30] !== 0x55 || catalog[31] !== 0xaa || (sum & 0xffff) !== 0)
    return 'the El Torito boot catalog is damaged';

  let at = -1;
  if (catalog[1] === PLATFORM_X86 && catalog[32] === BOOTABLE) at = 32;
  // Section headers and their entries follow the initial entry.
  for (let header = 64; at < 0 && header + 64 <= SECTOR;) {
    const id = catalog[header];
    if (id !== SECTION_HEADER && id !== LAST_SECTION_HEADER) break;
    const entries = u16(catalog, header + 2);
    for (let i = 0; i < entries && at < 0; i++) {
      const entry = header + 32 + i * 32;
      if (
        entry + 32 <= SECTOR &&
        catalog[header + 1] === PLATFORM_X86 &&
        catalog[entry] === BOOTABLE
      )
        at = entry;
    }
    if (id === LAST_SECTION_HEADER) break;
    header += 32 + entries * 32;
  }
  if (at < 0) return 'its boot catalog has no entry for PC BIOS';

  const mediaType = catalog[at + 1] & 0x0f;
  const lba = u32(catalog, at + 8);
  const boot = read(lba);
  if (!boot) return 'the image ends before its boot file (is the download complete?)';
  const loadSegment = u16(catalog, at + 2) || 0x7c0;
  const loadCount = Math.max(1, u16(catalog, at + 6));
  const base = { mediaType: catalog[at + 1], disk, lba, loadSegment, loadCount, active: true };
  if (mediaType === 0)
    return {
      ...base,
      kind: 'none',
      drive: cdDrive,
      sectors: 0,
      geometry: { cylinders: 0, heads: 0, sectors: 0 },
    };
  const kind: EmulationKind = mediaType === 4 ? 'hdd' : 'floppy';
  if (kind === 'floppy') {
    const size = FLOPPY_SECTORS[mediaType];
    if (size === undefined) return `its boot entry has an unknown media type (${mediaType})`;
    return { ...base, kind, drive: 0, sectors: size, geometry: floppyGeometry(size) };
  }
  // A hard disk image: the first partition's end tells the geometry and the size.
  const heads = boot[0x1be + 5] + 1;
  const perTrack = boot[0x1be + 6] & 0x3f;
  const cylinders = (boot[0x1be + 7] | ((boot[0x1be + 6] & 0xc0) << 2)) + 1;
  if (perTrack === 0) return 'its hard disk image has no partition';
  return {
    ...base,
    kind,
    drive: 0x80,
    sectors: cylinders * heads * perTrack,
    geometry: { cylinders, heads, sectors: perTrack },
  };
}
