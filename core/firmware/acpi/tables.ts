/**
 * The ACPI tables of our PC: FACS, DSDT, FADT, MADT, HPET, RSDT, XSDT and the RSDP that leads to them.
 * Spec: ACPI 6.5 section 5.2; FADT revision 3 (ACPI 2.0), which every guest since Windows 2000 reads.
 * MCFG is left out: the i440FX has no memory-mapped configuration space.
 */
import { ByteBuilder, checksum } from '../bytes';
import * as platform from '../platform';
import { type DsdtConfig, dsdtBody } from './dsdt';

export type AcpiConfig = DsdtConfig;

const OEM_ID = 'DOMUS ';
const OEM_TABLE_ID = 'DOMUSPC ';
const CREATOR_ID = 'DOMS';
const FADT_FLAGS =
  (1 << 0) | // WBINVD
  (1 << 2) | // PROC_C1
  (1 << 5) | // SLP_BUTTON: no fixed sleep button
  (1 << 6) | // FIX_RTC: RTC wake not in fixed registers
  (1 << 10); // RESET_REG_SUP
const IAPC_BOOT_ARCH = 0x0003; // LEGACY_DEVICES, 8042
const ISO_LEVEL_ACTIVE_HIGH = 0x000d;
const GAS_MEMORY = 0;
const GAS_IO = 1;

/** One table and where it lies. */
export interface PlacedTable {
  readonly signature: string;
  readonly gpa: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Addresses inside a table that point to other tables: what a fw_cfg table loader has to patch. */
export interface TablePointer {
  readonly table: string;
  readonly offset: number;
  readonly size: 4 | 8;
  readonly target: string;
}

export interface AcpiTables {
  readonly tables: readonly PlacedTable[];
  readonly pointers: readonly TablePointer[];
  readonly rsdp: Uint8Array<ArrayBuffer>;
  readonly rsdt: number;
  readonly xsdt: number;
}

/** 5.2.6 system description table header in front of `body`, checksummed. */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new ByteBuilder()
    .text(signature)
    .u32(36 + body.length)
    .u8(revision, 0)
    .text(OEM_ID)
    .text(OEM_TABLE_ID)
    .u32(1)
    .text(CREATOR_ID)
    .u32(1)
    .raw(body)
    .build();
  bytes[9] = checksum(bytes);
  return bytes;
}

/** 5.2.3.2 generic address structure. */
function gas(b: ByteBuilder, space: number, bits: number, address: number): void {
  b.u8(space, bits, 0, 0).u64(address);
}

function facs(): Uint8Array<ArrayBuffer> {
  return new ByteBuilder()
    .text('FACS')
    .u32(64)
    .u32(0)
    .u32(0)
    .u32(0)
    .u32(0)
    .u64(0)
    .u8(1)
    .zeros(31)
    .build();
}

/** 5.2.9. */
function fadt(facsGpa: number, dsdtGpa: number): Uint8Array<ArrayBuffer> {
  const b = new ByteBuilder()
    .u32(facsGpa)
    .u32(dsdtGpa)
    .u8(0, 1) // reserved; preferred profile: desktop
    .u16(platform.SCI_IRQ)
    .u32(platform.SMI_CMD)
    .u8(platform.ACPI_ENABLE, platform.ACPI_DISABLE, 0, 0)
    .u32(platform.PM1A_EVT_BLK)
    .u32(0)
    .u32(platform.PM1A_CNT_BLK)
    .u32(0)
    .u32(0)
    .u32(platform.PM_TMR_BLK)
    .u32(0) // no general-purpose events
    .u32(0)
    .u8(4, 2, 0, 4, 0, 0, 0, 0) // lengths: PM1_EVT PM1_CNT PM2_CNT PM_TMR GPE0 GPE1; GPE1_BASE; CST_CNT
    .u16(0xfff) // P_LVL2_LAT: no C2
    .u16(0xfff) // P_LVL3_LAT: no C3
    .u16(0)
    .u16(0)
    .u8(0, 0) // duty cycle
    .u8(0, 0, 0x32) // RTC day alarm, month alarm, century
    .u16(IAPC_BOOT_ARCH)
    .u8(0)
    .u32(FADT_FLAGS);
  gas(b, GAS_IO, 8, platform.RESET_CONTROL);
  b.u8(platform.RESET_HARD).u16(0).u8(0);
  b.u64(0).u64(dsdtGpa); // X_FIRMWARE_CTRL is zero when FIRMWARE_CTRL is not
  gas(b, GAS_IO, 32, platform.PM1A_EVT_BLK);
  gas(b, GAS_MEMORY, 0, 0);
  gas(b, GAS_IO, 16, platform.PM1A_CNT_BLK);
  gas(b, GAS_MEMORY, 0, 0);
  gas(b, GAS_MEMORY, 0, 0);
  gas(b, GAS_IO, 32, platform.PM_TMR_BLK);
  gas(b, GAS_MEMORY, 0, 0);
  gas(b, GAS_MEMORY, 0, 0);
  return table('FACP', 3, b.build());
}

/** 5.2.12: local APICs, one I/O APIC, the ISA overrides, NMI on LINT1. */
function madt(config: AcpiConfig): Uint8Array<ArrayBuffer> {
  const b = new ByteBuilder().u32(platform.LOCAL_APIC_BASE).u32(1); // PCAT_COMPAT
  for (let cpu = 0; cpu < config.vcpus; cpu++) b.u8(0, 8, cpu, cpu).u32(1);
  b.u8(1, 12, config.vcpus, 0).u32(platform.IO_APIC_BASE).u32(0);
  b.u8(2, 10, 0, 0).u32(2).u16(0); // IRQ 0 is wired to pin 2
  for (const line of platform.LEVEL_IRQS) b.u8(2, 10, 0, line).u32(line).u16(ISO_LEVEL_ACTIVE_HIGH);
  b.u8(4, 6, 0xff).u16(0).u8(1);
  return table('APIC', 1, b.build());
}

/** IA-PC HPET 1.0a section 3.2.4. */
function hpet(): Uint8Array<ArrayBuffer> {
  const b = new ByteBuilder().u32(platform.HPET_BLOCK_ID);
  gas(b, GAS_MEMORY, 0, platform.HPET_BASE);
  b.u8(0).u16(0).u8(0);
  return table('HPET', 1, b.build());
}

/** 5.2.5.3, revision 2. */
function rsdp(rsdt: number, xsdt: number): Uint8Array<ArrayBuffer> {
  const bytes = new ByteBuilder()
    .text('RSD PTR ')
    .u8(0)
    .text(OEM_ID)
    .u8(2)
    .u32(rsdt)
    .u32(36)
    .u64(xsdt)
    .u8(0, 0, 0, 0)
    .build();
  bytes[8] = checksum(bytes, 0, 20);
  bytes[32] = checksum(bytes);
  return bytes;
}

const align = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Builds all tables: the FACS at `nvsBase` (64-byte aligned), the others from `dataBase` up. */
export function buildAcpiTables(config: AcpiConfig, dataBase: number, nvsBase: number): AcpiTables {
  const tables: PlacedTable[] = [];
  let next = dataBase;
  const place = (signature: string, bytes: Uint8Array<ArrayBuffer>): number => {
    const gpa = next;
    tables.push({ signature, gpa, bytes });
    next = align(gpa + bytes.length, 64);
    return gpa;
  };
  tables.push({ signature: 'FACS', gpa: nvsBase, bytes: facs() });
  const dsdt = place('DSDT', table('DSDT', 2, dsdtBody(config)));
  const described = ['FACP', 'APIC'];
  const addresses = [place('FACP', fadt(nvsBase, dsdt)), place('APIC', madt(config))];
  if (config.hpet) {
    described.push('HPET');
    addresses.push(place('HPET', hpet()));
  }
  const rsdtBody = new ByteBuilder();
  const xsdtBody = new ByteBuilder();
  for (const address of addresses) {
    rsdtBody.u32(address);
    xsdtBody.u64(address);
  }
  const rsdt = place('RSDT', table('RSDT', 1, rsdtBody.build()));
  const xsdt = place('XSDT', table('XSDT', 1, xsdtBody.build()));
  const pointers: TablePointer[] = [
    { table: 'FACP', offset: 36, size: 4, target: 'FACS' },
    { table: 'FACP', offset: 40, size: 4, target: 'DSDT' },
    { table: 'FACP', offset: 140, size: 8, target: 'DSDT' },
    ...described.flatMap((target, i): TablePointer[] => [
      { table: 'RSDT', offset: 36 + i * 4, size: 4, target },
      { table: 'XSDT', offset: 36 + i * 8, size: 8, target },
    ]),
  ];
  return { tables, pointers, rsdp: rsdp(rsdt, xsdt), rsdt, xsdt };
}
