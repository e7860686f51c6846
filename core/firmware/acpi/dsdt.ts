/**
 * The DSDT of our PC: PCI root with its windows and interrupt routing, PIIX3 links, ISA devices, HPET, processors, S5.
 * Specs: ACPI 6.5; PIIX3 290550-002 (PIRQRC); the wiring itself is in ../platform.
 */
import * as platform from '../platform';
import * as aml from './aml';

export interface DsdtConfig {
  readonly vcpus: number;
  /** First byte above RAM, where the PCI memory window may begin. */
  readonly ramBytes: number;
  /** COM ports that exist, 1 to 4. */
  readonly serialPorts: readonly number[];
  readonly floppy: boolean;
  readonly hpet: boolean;
}

const COM_PORTS = [
  { base: 0x3f8, irq: 4 },
  { base: 0x2f8, irq: 3 },
  { base: 0x3e8, irq: 4 },
  { base: 0x2e8, irq: 3 },
] as const;

const LINKS = ['A', 'B', 'C', 'D'] as const;

function hid(id: string): aml.Aml {
  return aml.name('_HID', aml.eisaId(id));
}

/** _PRT: every pin of every slot of bus 0 goes to a link device (ACPI 6.2.13). */
function routing(): aml.Aml {
  const entries: aml.Aml[] = [];
  for (let slot = 1; slot < 32; slot++) {
    for (let pin = 0; pin < 4; pin++) {
      entries.push(
        aml.packageOf(
          aml.integer(slot * 0x10000 + 0xffff),
          aml.integer(pin),
          aml.ref(`LNK${LINKS[platform.pirqOf(slot, pin)]}`),
          aml.integer(0),
        ),
      );
    }
  }
  return aml.name('_PRT', aml.packageOf(...entries));
}

/** An interrupt link over one byte of PIRQRC: bit 7 disables, bits 3-0 are the IRQ. */
function link(letter: string, index: number): aml.Aml {
  const register = aml.ref(`\\_SB.PCI0.ISA.PRQ${letter}`);
  return aml.device(
    `LNK${letter}`,
    hid('PNP0C0F'),
    aml.name('_UID', aml.integer(index + 1)),
    aml.name('_PRS', aml.resources(aml.interruptLevelShared(...platform.PIRQ_POSSIBLE_IRQS))),
    aml.method(
      '_STA',
      0,
      aml.ifThen(aml.and(register, aml.integer(0x80)), aml.returnValue(aml.integer(0x09))),
      aml.returnValue(aml.integer(0x0b)),
    ),
    aml.method('_DIS', 0, aml.or(register, aml.integer(0x80), register)),
    aml.serializedMethod(
      '_CRS',
      0,
      aml.name('BUF0', aml.resources(aml.interruptLevelShared(0))),
      aml.createDwordField(aml.ref('BUF0'), 5, 'IRQW'),
      aml.ifThen(
        aml.lessThan(register, aml.integer(0x80)),
        aml.and(register, aml.integer(0x0f), aml.ref('IRQW')),
      ),
      aml.returnValue(aml.ref('BUF0')),
    ),
    aml.serializedMethod(
      '_SRS',
      1,
      aml.createDwordField(aml.arg(0), 5, 'IRQW'),
      aml.and(aml.ref('IRQW'), aml.integer(0x0f), register),
    ),
  );
}

function isaDevices(config: DsdtConfig): aml.Aml[] {
  const devices = [
    aml.device('RTC', hid('PNP0B00'), aml.name('_CRS', aml.resources(aml.io(0x70, 2), aml.irq(8)))),
    aml.device('TMR', hid('PNP0100'), aml.name('_CRS', aml.resources(aml.io(0x40, 4), aml.irq(0)))),
    aml.device(
      'PIC',
      hid('PNP0000'),
      aml.name('_CRS', aml.resources(aml.io(0x20, 2), aml.io(0xa0, 2), aml.irq(2))),
    ),
    aml.device('SPKR', hid('PNP0800'), aml.name('_CRS', aml.resources(aml.io(0x61, 1)))),
    aml.device(
      'KBD',
      hid('PNP0303'),
      aml.name('_CRS', aml.resources(aml.io(0x60, 1), aml.io(0x64, 1), aml.irq(1))),
    ),
    aml.device('MOU', hid('PNP0F13'), aml.name('_CRS', aml.resources(aml.irq(12)))),
    aml.device(
      'DMAC',
      hid('PNP0200'),
      aml.name(
        '_CRS',
        aml.resources(aml.io(0x00, 0x10), aml.io(0x80, 0x10), aml.io(0xc0, 0x20), aml.dma(4)),
      ),
    ),
  ];
  if (config.floppy) {
    devices.push(
      aml.device(
        'FDC0',
        hid('PNP0700'),
        aml.name('_CRS', aml.resources(aml.io(0x3f0, 6), aml.io(0x3f7, 1), aml.irq(6), aml.dma(2))),
      ),
    );
  }
  for (const port of config.serialPorts) {
    const wiring = COM_PORTS[port - 1];
    if (!wiring) continue;
    devices.push(
      aml.device(
        `COM${port}`,
        hid('PNP0501'),
        aml.name('_UID', aml.integer(port)),
        aml.name('_CRS', aml.resources(aml.io(wiring.base, 8), aml.irq(wiring.irq))),
      ),
    );
  }
  return devices;
}

/** Motherboard registers that no BAR may be put over. */
function motherboard(): aml.Aml {
  return aml.device(
    'MRES',
    hid('PNP0C02'),
    aml.name(
      '_CRS',
      aml.resources(
        aml.io(platform.SMI_CMD, 2),
        aml.io(0x92, 1),
        aml.io(0x4d0, 2),
        aml.io(platform.PM_BASE, platform.PM_IO_LENGTH),
        aml.io(platform.SMBUS_BASE, platform.SMBUS_IO_LENGTH),
        aml.io(platform.GPE0_BASE, platform.GPE0_LENGTH),
        aml.memory32Fixed(platform.IO_APIC_BASE, 0x1000, true),
        aml.memory32Fixed(platform.LOCAL_APIC_BASE, 0x1000, true),
      ),
    ),
  );
}

/** The definition block's body (without the table header). */
export function dsdtBody(config: DsdtConfig): Uint8Array<ArrayBuffer> {
  const windowBase = Math.max(platform.PCI_MEMORY_BASE, config.ramBytes);
  const terms: aml.Aml[] = [
    aml.device(
      'PCI0',
      hid('PNP0A03'),
      aml.name('_BBN', aml.integer(0)),
      aml.name('_UID', aml.integer(0)),
      aml.name(
        '_CRS',
        aml.resources(
          aml.wordBusNumber(0, 0xff),
          aml.io(0xcf8, 8),
          aml.wordIo(0x0000, 0x0cf7),
          aml.wordIo(0x0d00, 0xffff),
          aml.dwordMemory(0xa_0000, 0xb_ffff, true),
          aml.dwordMemory(windowBase, platform.PCI_MEMORY_END - 1, false),
        ),
      ),
      routing(),
      aml.device(
        'ISA',
        aml.name('_ADR', aml.integer(platform.PIIX3_ISA_SLOT << 16)),
        aml.operationRegion('PIRQ', aml.REGION_PCI_CONFIG, platform.PIIX3_PIRQRC, 4),
        aml.field(
          'PIRQ',
          1,
          LINKS.map((letter) => [`PRQ${letter}`, 8] as const),
        ),
        ...isaDevices(config),
      ),
    ),
    ...LINKS.map(link),
    motherboard(),
  ];
  if (config.hpet) {
    terms.push(
      aml.device(
        'HPET',
        hid('PNP0103'),
        aml.name('_UID', aml.integer(0)),
        aml.name('_CRS', aml.resources(aml.memory32Fixed(platform.HPET_BASE, 0x400, false))),
      ),
    );
  }
  for (let cpu = 0; cpu < config.vcpus; cpu++)
    terms.push(aml.processor(`C${cpu.toString(16).toUpperCase().padStart(3, '0')}`, cpu));

  const body = [
    aml.scope('\\_SB', ...terms),
    // SLP_TYP of soft off in PIIX4's PMCNTRL is 0.
    aml.name(
      '\\_S5',
      aml.packageOf(aml.integer(0), aml.integer(0), aml.integer(0), aml.integer(0)),
    ),
  ];
  const bytes = new Uint8Array(body.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of body) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
