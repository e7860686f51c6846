/**
 * Tables for operating systems that predate ACPI: the MultiProcessor configuration and PCI IRQ routing.
 * Specs: Intel MultiProcessor Specification 1.4 (242016-006); Microsoft PCI IRQ Routing Table 1.0 ($PIR).
 */
import { ByteBuilder, checksum } from './bytes';
import * as platform from './platform';

export interface MpConfig {
  readonly vcpus: number;
  /** CPUID.01H EAX and EDX. */
  readonly cpuSignature: number;
  readonly cpuFeatures: number;
}

const BUS_PCI = 0;
const BUS_ISA = 1;
const INT = 0;
const EXTINT = 3;
const NMI = 1;
const ACTIVE_HIGH_LEVEL = 0x000d;

/** MP floating pointer (16 bytes, to a 16-byte boundary) followed by the configuration table, at `gpa`. */
export function buildMpTable(config: MpConfig, gpa: number): Uint8Array<ArrayBuffer> {
  const entries = new ByteBuilder();
  let count = 0;
  const ioApicId = config.vcpus;
  for (let cpu = 0; cpu < config.vcpus; cpu++, count++) {
    entries
      .u8(0, cpu, 0x14, cpu === 0 ? 3 : 1)
      .u32(config.cpuSignature)
      .u32(config.cpuFeatures)
      .zeros(8);
  }
  entries.u8(1, BUS_PCI).text('PCI', 6);
  entries.u8(1, BUS_ISA).text('ISA', 6);
  entries.u8(2, ioApicId, 0x11, 1).u32(platform.IO_APIC_BASE);
  count += 3;

  for (let slot = 1; slot < 32; slot++) {
    for (let pin = 0; pin < 4; pin++, count++) {
      const line = platform.PIRQ_DEFAULT_IRQS[platform.pirqOf(slot, pin)];
      entries
        .u8(3, INT)
        .u16(ACTIVE_HIGH_LEVEL)
        .u8(BUS_PCI, (slot << 2) | pin, ioApicId, line);
    }
  }
  const pciLines: readonly number[] = platform.PIRQ_DEFAULT_IRQS;
  for (let line = 0; line < 16; line++) {
    if (line === 2 || pciLines.includes(line)) continue;
    const flags = line === platform.SCI_IRQ ? ACTIVE_HIGH_LEVEL : 0;
    entries
      .u8(3, INT)
      .u16(flags)
      .u8(BUS_ISA, line, ioApicId, line === 0 ? 2 : line);
    count++;
  }
  entries.u8(4, EXTINT).u16(0).u8(BUS_ISA, 0, 0xff, 0);
  entries.u8(4, NMI).u16(0).u8(BUS_ISA, 0, 0xff, 1);
  count += 2;

  const body = entries.build();
  const table = new ByteBuilder()
    .text('PCMP')
    .u16(44 + body.length)
    .u8(4, 0)
    .text('DOMUS', 8)
    .text('PC', 12)
    .u32(0)
    .u16(0)
    .u16(count)
    .u32(platform.LOCAL_APIC_BASE)
    .u32(0)
    .raw(body)
    .build();
  table[7] = checksum(table);
  const pointer = new ByteBuilder()
    .text('_MP_')
    .u32(gpa + 16)
    .u8(1, 4, 0, 0, 0, 0, 0, 0)
    .build();
  pointer[10] = checksum(pointer);
  return new ByteBuilder().raw(pointer).raw(table).build();
}

/** $PIR for slots 1 to 31 of bus 0; goes to a 16-byte boundary in F0000h-FFFFFh. */
export function buildPirTable(): Uint8Array<ArrayBuffer> {
  const irqMask = platform.PIRQ_POSSIBLE_IRQS.reduce((bits, line) => bits | (1 << line), 0);
  const slots = 31;
  const b = new ByteBuilder()
    .text('$PIR')
    .u16(0x0100)
    .u16(32 + slots * 16)
    .u8(0, platform.PIIX3_ISA_SLOT << 3)
    .u16(0)
    .u32(0x7000_8086)
    .u32(0)
    .zeros(12);
  for (let slot = 1; slot <= slots; slot++) {
    b.u8(0, slot << 3);
    for (let pin = 0; pin < 4; pin++)
      b.u8(platform.PIIX3_PIRQRC + platform.pirqOf(slot, pin)).u16(irqMask);
    b.u8(slot <= 1 ? 0 : slot, 0);
  }
  const table = b.build();
  table[31] = checksum(table);
  return table;
}
