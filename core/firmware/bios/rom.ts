/**
 * The 128 KiB system ROM at E0000h-FFFFFh: data for the video BIOS and the tables that guests search for in the lower
 * half and at F0000h, code from rom-code.ts in the rest.
 */
import { acpiDataBase, acpiNvsBase, ROM_BASE, ROM_LENGTH } from '../memory-map';
import { type AcpiTables, buildAcpiTables } from '../acpi';
import { latin1 } from '../bytes';
import { buildMpTable, buildPirTable } from '../mptable';
import { buildSmbios } from '../smbios';
import type { BiosConfig, FontSet } from './platform-api';
import { assembleRom, type RomCode } from './rom-code';
import type { VideoRom } from './video/int10';

/** Offsets in segment E000h. */
const FONT_8X16 = 0x0000;
const FONT_8X14 = 0x1000;
const FUNCTIONALITY = 0x1e00;
const SMBIOS_STRUCTURES = 0x4000;
/** Offsets in segment F000h, below the code at 8000h. */
const SMBIOS_ENTRY = 0x0000;
const RSDP = 0x0040;
const PIR = 0x0100;
const MP = 0x0400;
const OEM_STRING = 0x2000;
const CODE_START = 0x8000;
/** The IBM address of the 8x8 font's lower half; ours has all 256 characters elsewhere and this copy for old programs. */
const FONT_8X8_IBM = 0xfa6e;
const FONT_8X8 = 0x2800;

/** INT 10h AH=1Bh static functionality table: all modes 0-13h, three scan line counts, all functions but light pen. */
const FUNCTIONALITY_TABLE = [
  0xff, 0xe0, 0x0f, 0, 0, 0, 0, 0x07, 0x02, 0x08, 0xff, 0x0e, 0, 0, 0x3f, 0,
];

export interface SystemRom {
  /** 131072 bytes for E0000h-FFFFFh and FFFE0000h-FFFFFFFFh. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly code: RomCode;
  readonly video: VideoRom;
  readonly acpi: AcpiTables;
  readonly rsdpAddress: number;
  readonly pir: Uint8Array<ArrayBuffer>;
  /** Offset of the VBE OEM string in segment F000h. */
  readonly oemString: number;
}

export function buildRom(
  config: BiosConfig,
  ramBytes: number,
  fonts: FontSet,
  hasFloppy: boolean,
): SystemRom {
  const bytes = new Uint8Array(ROM_LENGTH).fill(0xff);
  const low = bytes.subarray(0, 0x10000);
  const high = bytes.subarray(0x10000);
  const code = assembleRom();
  high.set(code.bytes.subarray(CODE_START), CODE_START);

  low.set(fonts.font8x16.subarray(0, 256 * 16), FONT_8X16);
  low.set(fonts.font8x14.subarray(0, 256 * 14), FONT_8X14);
  low.set(FUNCTIONALITY_TABLE, FUNCTIONALITY);
  high.set(fonts.font8x8.subarray(0, 256 * 8), FONT_8X8);
  high.set(fonts.font8x8.subarray(0, 128 * 8), FONT_8X8_IBM);

  const smbios = buildSmbios({ ...config, ramBytes }, ROM_BASE + SMBIOS_STRUCTURES);
  low.set(smbios.structures, SMBIOS_STRUCTURES);
  high.set(smbios.entryPoint, SMBIOS_ENTRY);
  const acpi = buildAcpiTables(
    {
      vcpus: config.vcpus,
      ramBytes,
      serialPorts: config.serialPorts,
      floppy: hasFloppy,
      hpet: config.hpet,
    },
    acpiDataBase(ramBytes),
    acpiNvsBase(ramBytes),
  );
  high.set(acpi.rsdp, RSDP);
  const pir = buildPirTable();
  high.set(pir, PIR);
  high.set(buildMpTable(config, 0xf0000 + MP), MP);
  high.set(latin1('Domus VBE\0'), OEM_STRING);

  return {
    bytes,
    code,
    video: {
      font8x8: 0xf0000 + FONT_8X8,
      font8x14: ROM_BASE + FONT_8X14,
      font8x16: ROM_BASE + FONT_8X16,
      functionality: ROM_BASE + FUNCTIONALITY,
    },
    acpi,
    rsdpAddress: 0xf0000 + RSDP,
    pir,
    oemString: OEM_STRING,
  };
}
