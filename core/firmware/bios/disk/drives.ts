/**
 * BIOS drive numbers, geometries, sector access, and the El Torito drive that a CD image can stand in for.
 */
import type { BlockBackend } from '../../../hw';
import type { BiosDisk, DiskGeometry } from '../platform-api';

/** INT 13h status codes. */
export const STATUS_OK = 0x00;
export const STATUS_INVALID = 0x01;
export const STATUS_WRITE_PROTECTED = 0x03;
export const STATUS_NOT_FOUND = 0x04;
export const STATUS_CONTROLLER = 0x20;
export const STATUS_NO_MEDIA = 0x31;
export const STATUS_NOT_LOCKED = 0xb0;
export const STATUS_TIMEOUT = 0x80;

/** Sectors of 512 bytes moved by one back-end call: 64 KiB. */
const CHUNK_SECTORS = 128;

export type EmulationKind = 'none' | 'floppy' | 'hdd';

/** The CD image that a drive number stands for after an El Torito boot. Plain data: part of the saved state. */
export interface Emulation {
  readonly kind: EmulationKind;
  /** Media byte of the boot catalog entry. */
  readonly mediaType: number;
  readonly drive: number;
  /** Name of the CD drive. */
  readonly disk: string;
  /** First 2048-byte sector of the image on the CD. */
  readonly lba: number;
  /** 512-byte sectors of the emulated drive; 0 without emulation. */
  readonly sectors: number;
  readonly geometry: DiskGeometry;
  readonly loadSegment: number;
  readonly loadCount: number;
  readonly active: boolean;
}

/** A drive behind an INT 13h number. */
export interface Drive {
  readonly number: number;
  readonly kind: 'floppy' | 'hdd' | 'cdrom';
  readonly disk: BiosDisk;
  readonly sectorBytes: 512 | 2048;
  readonly sectors: number;
  readonly geometry: DiskGeometry;
  readonly readOnly: boolean;
  /** Byte offset of sector 0 in the back end. */
  readonly start: number;
}

const FLOPPY_GEOMETRIES: readonly (readonly [sectors: number, geometry: DiskGeometry])[] = [
  [320, { cylinders: 40, heads: 1, sectors: 8 }],
  [360, { cylinders: 40, heads: 1, sectors: 9 }],
  [640, { cylinders: 40, heads: 2, sectors: 8 }],
  [720, { cylinders: 40, heads: 2, sectors: 9 }],
  [1440, { cylinders: 80, heads: 2, sectors: 9 }],
  [2400, { cylinders: 80, heads: 2, sectors: 15 }],
  [2880, { cylinders: 80, heads: 2, sectors: 18 }],
  [3360, { cylinders: 80, heads: 2, sectors: 21 }],
  [3440, { cylinders: 82, heads: 2, sectors: 21 }],
  [5760, { cylinders: 80, heads: 2, sectors: 36 }],
];

/** The smallest standard format that holds the image. */
export function floppyGeometry(sectors: number): DiskGeometry {
  return (FLOPPY_GEOMETRIES.find(([size]) => sectors <= size) ?? FLOPPY_GEOMETRIES.at(-1)!)[1];
}

/** LBA-assisted translation: 63 sectors, heads doubled until the cylinders fit in 1024. */
export function translateGeometry(sectors: number, physical?: DiskGeometry): DiskGeometry {
  if (
    physical &&
    physical.cylinders <= 1024 &&
    physical.heads <= 16 &&
    physical.sectors <= 63 &&
    physical.cylinders > 0
  )
    return physical;
  const tracks = Math.floor(sectors / 63);
  const heads = [16, 32, 64, 128].find((h) => tracks <= h * 1024) ?? 255;
  return { cylinders: Math.max(1, Math.min(1024, Math.floor(tracks / heads))), heads, sectors: 63 };
}

export class Drives {
  emulation: Emulation | null = null;

  constructor(readonly disks: readonly BiosDisk[]) {}

  private ofKind(kind: BiosDisk['kind']): readonly BiosDisk[] {
    return this.disks.filter((disk) => disk.kind === kind);
  }

  private get emulates(): EmulationKind {
    return this.emulation?.active ? this.emulation.kind : 'none';
  }

  get floppyCount(): number {
    return this.ofKind('floppy').length + (this.emulates === 'floppy' ? 1 : 0);
  }

  get hddCount(): number {
    return this.ofKind('hdd').length + (this.emulates === 'hdd' ? 1 : 0);
  }

  /** The drive number of a configured disk, as things are now. */
  numberOf(disk: BiosDisk): number {
    const index = this.ofKind(disk.kind).indexOf(disk);
    if (disk.kind === 'cdrom') return 0xe0 + index;
    if (disk.kind === 'hdd') return 0x80 + index + (this.emulates === 'hdd' ? 1 : 0);
    return index + (this.emulates === 'floppy' ? 1 : 0);
  }

  /** The drive with a number, or undefined. Empty drives have 0 sectors. */
  find(number: number): Drive | undefined {
    const { emulation } = this;
    if (emulation?.active && emulation.kind !== 'none' && number === emulation.drive) {
      const disk = this.disks.find((d) => d.name === emulation.disk);
      if (!disk) return undefined;
      return {
        number,
        kind: emulation.kind,
        disk,
        sectorBytes: 512,
        sectors: emulation.sectors,
        geometry: emulation.geometry,
        readOnly: true,
        start: emulation.lba * 2048,
      };
    }
    const kind = number >= 0xe0 ? 'cdrom' : number >= 0x80 ? 'hdd' : 'floppy';
    const base = kind === 'cdrom' ? 0xe0 : kind === 'hdd' ? 0x80 : 0;
    const shift = this.emulates === kind ? 1 : 0;
    const disk = this.ofKind(kind)[number - base - shift];
    if (!disk) return undefined;
    const bytes = disk.backend?.sizeBytes ?? 0;
    const sectorBytes = kind === 'cdrom' ? 2048 : 512;
    const sectors = Math.floor(bytes / sectorBytes);
    const geometry =
      kind === 'hdd'
        ? translateGeometry(sectors, disk.geometry)
        : kind === 'floppy'
          ? floppyGeometry(sectors)
          : { cylinders: 0, heads: 0, sectors: 0 };
    return {
      number,
      kind,
      disk,
      sectorBytes,
      sectors,
      geometry,
      readOnly: kind === 'cdrom' || (disk.backend?.readOnly ?? true),
      start: 0,
    };
  }
}

/** The status for what a back end threw. */
function statusOf(error: unknown): number {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  if (code === 'EROFS') return STATUS_WRITE_PROTECTED;
  if (code === 'ENOMEDIUM') return STATUS_NO_MEDIA;
  return STATUS_CONTROLLER;
}

function backendOf(drive: Drive): BlockBackend | undefined {
  return drive.sectors > 0 ? drive.disk.backend : undefined;
}

/**
 * Reads `count` sectors in chunks.
 * @returns the INT 13h status and how many sectors were read.
 */
export function readSectors(
  drive: Drive,
  lba: number,
  count: number,
  sink: (offset: number, bytes: Uint8Array) => void,
): { status: number; done: number } {
  const backend = backendOf(drive);
  if (!backend) return { status: STATUS_NO_MEDIA, done: 0 };
  if (lba + count > drive.sectors) return { status: STATUS_NOT_FOUND, done: 0 };
  const step = (CHUNK_SECTORS * 512) / drive.sectorBytes;
  for (let done = 0; done < count; done += step) {
    const now = Math.min(step, count - done);
    try {
      sink(
        done * drive.sectorBytes,
        backend.readNow(drive.start + (lba + done) * drive.sectorBytes, now * drive.sectorBytes),
      );
    } catch (error) {
      return { status: statusOf(error), done };
    }
  }
  return { status: STATUS_OK, done: count };
}

export function writeSectors(
  drive: Drive,
  lba: number,
  count: number,
  source: (offset: number, length: number) => Uint8Array,
): { status: number; done: number } {
  const backend = backendOf(drive);
  if (!backend) return { status: STATUS_NO_MEDIA, done: 0 };
  if (drive.readOnly) return { status: STATUS_WRITE_PROTECTED, done: 0 };
  if (lba + count > drive.sectors) return { status: STATUS_NOT_FOUND, done: 0 };
  for (let done = 0; done < count; done += CHUNK_SECTORS) {
    const now = Math.min(CHUNK_SECTORS, count - done);
    try {
      backend.writeNow(drive.start + (lba + done) * 512, source(done * 512, now * 512));
    } catch (error) {
      return { status: statusOf(error), done };
    }
  }
  return { status: STATUS_OK, done: count };
}
