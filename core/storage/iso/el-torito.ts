/**
 * "El Torito" Bootable CD-ROM Format Specification 1.0 (January 25, 1995), figures 2 to 5: the boot catalog.
 */
import { CD_SECTOR_BYTES, u16, u32, type ReadBytes } from './bytes';

const ENTRY_BYTES = 32;
const HEADER_VALIDATION = 0x01;
const BOOTABLE = 0x88;
const HEADER_MORE = 0x90;
const HEADER_LAST = 0x91;
const PLATFORM_X86 = 0x00;
const PLATFORM_EFI = 0xef;

const MEDIA = ['no emulation', '1.2 MB floppy', '1.44 MB floppy', '2.88 MB floppy', 'hard disk'];

export interface BootEntry {
  readonly platform: 'BIOS' | 'UEFI' | 'other';
  readonly media: string;
  readonly lba: number;
}

function platformOf(id: number): BootEntry['platform'] {
  if (id === PLATFORM_X86) return 'BIOS';
  return id === PLATFORM_EFI ? 'UEFI' : 'other';
}

/** Figure 2: 0x55AA at 0x1E, and all words of the entry sum to zero. */
function isValidation(bytes: Uint8Array): boolean {
  let sum = 0;
  for (let at = 0; at < ENTRY_BYTES; at += 2) sum = (sum + u16(bytes, at)) & 0xffff;
  return bytes[0] === HEADER_VALIDATION && u16(bytes, 0x1e) === 0xaa55 && sum === 0;
}

function bootEntry(bytes: Uint8Array, at: number, platform: number): BootEntry {
  return {
    platform: platformOf(platform),
    media: MEDIA[(bytes[at + 1] ?? 0) & 0x0f] ?? 'unknown medium',
    lba: u32(bytes, at + 8),
  };
}

/** The bootable entries of the catalog; undefined when it is not a catalog. Reads one sector, so that its length is bounded. */
export async function readBootCatalog(
  read: ReadBytes,
  lba: number,
): Promise<BootEntry[] | undefined> {
  const bytes = await read(lba * CD_SECTOR_BYTES, CD_SECTOR_BYTES);
  if (!isValidation(bytes)) return undefined;
  let platform = bytes[1] ?? 0;
  const entries: BootEntry[] = [];
  for (let at = ENTRY_BYTES; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    const kind = bytes[at] ?? 0;
    if (kind === HEADER_MORE || kind === HEADER_LAST) platform = bytes[at + 1] ?? 0;
    else if (kind === BOOTABLE) entries.push(bootEntry(bytes, at, platform));
    else if (at > ENTRY_BYTES && kind === 0) break;
  }
  return entries;
}
