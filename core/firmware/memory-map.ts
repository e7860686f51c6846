/**
 * The guest-physical memory map as INT 15h E820h and boot_params report it (ACPI 6.5 section 15).
 */
import { IO_APIC_BASE, LOCAL_APIC_BASE } from './platform';

export const E820_RAM = 1;
export const E820_RESERVED = 2;
export const E820_ACPI = 3;
export const E820_NVS = 4;

export interface MemoryMapEntry {
  readonly base: number;
  readonly length: number;
  readonly type: number;
}

/** Extended BIOS data area: the last KiB of conventional memory. */
export const EBDA_BASE = 0x9fc00;
export const EBDA_LENGTH = 0x400;
export const CONVENTIONAL_KIB = EBDA_BASE / 1024;
/** Data of the network boot services, below the EBDA, while they are there. */
export const PXE_BASE = 0x9e800;
export const PXE_LENGTH = EBDA_BASE - PXE_BASE;
/** The system ROM, shadowed into RAM. */
export const ROM_BASE = 0xe0000;
export const ROM_LENGTH = 0x20000;
/** ACPI tables at the top of RAM; above them one page of non-volatile storage with the FACS. */
export const ACPI_DATA_LENGTH = 0x1f000;
export const ACPI_NVS_LENGTH = 0x1000;

/** Where the ACPI tables lie for a guest with `ramBytes` (a multiple of 4096, at least 1 MiB + 128 KiB). */
export function acpiDataBase(ramBytes: number): number {
  return ramBytes - ACPI_DATA_LENGTH - ACPI_NVS_LENGTH;
}

export function acpiNvsBase(ramBytes: number): number {
  return ramBytes - ACPI_NVS_LENGTH;
}

/** All entries in ascending order, not overlapping. */
export function memoryMap(ramBytes: number): readonly MemoryMapEntry[] {
  const acpi = acpiDataBase(ramBytes);
  return [
    { base: 0, length: EBDA_BASE, type: E820_RAM },
    { base: EBDA_BASE, length: EBDA_LENGTH, type: E820_RESERVED },
    { base: ROM_BASE, length: ROM_LENGTH, type: E820_RESERVED },
    { base: 0x10_0000, length: acpi - 0x10_0000, type: E820_RAM },
    { base: acpi, length: ACPI_DATA_LENGTH, type: E820_ACPI },
    { base: acpiNvsBase(ramBytes), length: ACPI_NVS_LENGTH, type: E820_NVS },
    { base: IO_APIC_BASE, length: 0x1000, type: E820_RESERVED },
    { base: LOCAL_APIC_BASE, length: 0x1000, type: E820_RESERVED },
    { base: 0xfffe_0000, length: ROM_LENGTH, type: E820_RESERVED },
  ];
}
