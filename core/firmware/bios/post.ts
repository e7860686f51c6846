/**
 * Power-on self test: brings the chipset and the ISA devices to the state a PC BIOS leaves them in, writes the
 * interrupt vectors, the BIOS data areas and the ACPI tables. No guest code runs here.
 * Specs: IBM PC/AT Technical Reference; 82371SB 290550-002; 82371AB 290562-001; 82441FX 290549-001; SDM 3A 11.5.1.
 */
import type { GuestMemory, SystemBus } from '../../hw';
import { CONVENTIONAL_KIB, EBDA_BASE, EBDA_LENGTH, ROM_BASE } from '../memory-map';
import * as platform from '../platform';
import * as bda from './bda';
import type { SystemRom } from './rom';
import { assignPciResources, type PciConfig, PIIX4_PM } from './system/pci';

const PAM0 = 0x59;
const PAM5 = 0x5e;
const PAM6 = 0x5f;
const READ_WRITE = 0x33;
const READ_ONLY = 0x11;
const IDETIM_PRIMARY = 0x40;
const IDETIM_SECONDARY = 0x42;
const IDE_DECODE = 0x8000;
const CLASS_IDE = 0x0101;
const PMBA = 0x40;
const PMREGMISC = 0x80;
const SMBBA = 0x90;
const HOST_CONFIG = 0xd2;
/** XBCS: BIOS chip select register of the ISA bridge; bit 2 BIOS writes off, 7-6 extended ranges. */
const APIC_ENABLE = 0x4e;

function out(bus: SystemBus, ...writes: readonly (readonly [port: number, value: number])[]): void {
  for (const [port, value] of writes) bus.writePort(port, 1, value);
}

/** Opens E0000h-FFFFFh for writing and makes the guest run from RAM: "shadowing". */
export function shadowRom(pci: PciConfig, memory: GuestMemory, rom: SystemRom): void {
  pci.write(0, 0, PAM0, 1, READ_WRITE & 0xf0);
  pci.write(0, 0, PAM5, 1, READ_WRITE);
  pci.write(0, 0, PAM6, 1, READ_WRITE);
  memory.write(ROM_BASE, rom.bytes);
}

/** Ends the writable time of the shadow. */
export function protectShadow(pci: PciConfig): void {
  pci.write(0, 0, PAM0, 1, READ_ONLY & 0xf0);
  pci.write(0, 0, PAM5, 1, READ_ONLY);
  pci.write(0, 0, PAM6, 1, READ_ONLY);
}

/** 8259 pair at vectors 08h and 70h, 8254 at 18.2 Hz, 8237 cascade, ELCR for the PCI lines, local APIC in virtual wire mode. */
export function initializeLegacy(bus: SystemBus): void {
  out(
    bus,
    [0x20, 0x11],
    [0xa0, 0x11],
    [0x21, 0x08],
    [0xa1, 0x70],
    [0x21, 0x04],
    [0xa1, 0x02],
    [0x21, 0x01],
    [0xa1, 0x01],
  );
  // Timer, keyboard and cascade are open; the slave's lines are opened by the services that use them.
  out(bus, [0x21, 0xf8], [0xa1, 0xff]);
  out(
    bus,
    [0x43, 0x36],
    [0x40, 0x00],
    [0x40, 0x00],
    [0x43, 0x54],
    [0x41, 0x12],
    [0x43, 0xb6],
    [0x42, 0x33],
    [0x42, 0x05],
  );
  out(bus, [0x0d, 0x00], [0xda, 0x00], [0xd6, 0xc0], [0xd4, 0x00]);
  const elcr = platform.LEVEL_IRQS.reduce<number>((bits, line) => bits | (1 << line), 0);
  out(bus, [0x4d0, elcr & 0xff], [0x4d1, elcr >> 8]);
  out(bus, [0x92, 0x02], [0x61, 0x00]);
  bus.writeMmio(platform.LOCAL_APIC_BASE + 0xf0, 4, 0x1ff);
  bus.writeMmio(platform.LOCAL_APIC_BASE + 0x350, 4, 0x700); // LINT0: ExtINT
  bus.writeMmio(platform.LOCAL_APIC_BASE + 0x360, 4, 0x400); // LINT1: NMI
}

/** Bytes read from the 8042 while it answers; bounded, a missing controller reads as FFh. */
function drainController(bus: SystemBus): number | undefined {
  let last: number | undefined;
  for (let i = 0; i < 16; i++) {
    const status = bus.readPort(0x64, 1);
    if ((status & 1) === 0 || status === 0xff) break;
    last = bus.readPort(0x60, 1) & 0xff;
  }
  return last;
}

/** 8042 self test, keyboard reset and scan code translation with IRQ 1. */
export function initializeKeyboard(bus: SystemBus): void {
  drainController(bus);
  out(bus, [0x64, 0xaa]);
  drainController(bus);
  out(bus, [0x64, 0x60], [0x60, 0x30], [0x64, 0xae], [0x60, 0xff]);
  drainController(bus);
  out(bus, [0x60, 0xf4]);
  drainController(bus);
  // Keyboard interrupt, system flag, translation; the pointing device stays off.
  out(bus, [0x64, 0x60], [0x60, 0x65]);
  drainController(bus);
}

/** BARs, IRQ routing, IDE decoding, ACPI power management base, APIC enable. Also what a direct boot needs. */
export function initializePci(pci: PciConfig, ramBytes: number): void {
  const devices = assignPciResources(pci, ramBytes);
  for (const { slot, fn, vendor, device, classCode } of devices) {
    if (classCode >> 8 === CLASS_IDE) {
      pci.write(slot, fn, IDETIM_PRIMARY, 2, IDE_DECODE);
      pci.write(slot, fn, IDETIM_SECONDARY, 2, IDE_DECODE);
      pci.write(slot, fn, 0x04, 2, pci.read(slot, fn, 0x04, 2) | 0x05);
    }
    if (vendor === 0x8086 && device === PIIX4_PM) {
      pci.write(slot, fn, PMBA, 4, platform.PM_BASE | 1);
      pci.write(slot, fn, PMREGMISC, 1, 0x01);
      pci.write(slot, fn, SMBBA, 4, platform.SMBUS_BASE | 1);
      pci.write(slot, fn, HOST_CONFIG, 1, 0x09);
    }
  }
  const control = pci.read(platform.PIIX3_ISA_SLOT, 0, APIC_ENABLE, 2);
  pci.write(platform.PIIX3_ISA_SLOT, 0, APIC_ENABLE, 2, control | 0x0100);
}

/** Interrupt vectors, BIOS data area, extended BIOS data area. */
export function initializeDataAreas(memory: GuestMemory, rom: SystemRom): void {
  memory.fill(0, 0x500, 0);
  for (const [vector, offset] of rom.code.vectors) {
    memory.writeU16(vector * 4, offset);
    memory.writeU16(vector * 4 + 2, 0xf000);
  }
  memory.fill(EBDA_BASE, EBDA_LENGTH, 0);
  memory.writeU8(bda.EBDA_SIZE, EBDA_LENGTH / 1024);
  memory.writeU8(bda.MOUSE_FLAGS_2, 2);
  memory.writeU16(bda.EBDA_SEGMENT, EBDA_BASE >> 4);
  memory.writeU16(bda.MEMORY_KIB, CONVENTIONAL_KIB);
  memory.writeU8(bda.DISPLAY_COMBINATION, 0x08);
  memory.writeU8(bda.VIDEO_SWITCHES, 0xf9);
  memory.writeU8(bda.VIDEO_FLAGS, 0x51);
  memory.writeU8(bda.VIDEO_CONTROL, 0x60);
}

export function writeAcpiTables(memory: GuestMemory, rom: SystemRom): void {
  for (const table of rom.acpi.tables) memory.write(table.gpa, table.bytes);
}
