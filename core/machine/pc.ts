/**
 * The board: an i440FX/PIIX3 PC with PIIX4 power management. The only place that names devices with their addresses
 * and interrupt lines.
 *
 * ```
 * GPA 0000_0000  RAM                         FEC0_0000  I/O APIC
 *     000A_0000  VGA                         FED0_0000  HPET
 *     000C_0000  shadow RAM (PAM)            FEE0_0000  local APIC
 *     C000_0000  PCI window                  FFxx_xxxx  ROM, its last 128 KiB also at 000E_0000
 * ```
 * IRQ: 0 PIT/HPET, 1 keyboard, 2 cascade, 4 COM1, 8 RTC/HPET, 9 SCI, 10 and 11 PCI, 12 mouse, 14 and 15 IDE.
 * I/O APIC inputs are the ISA IRQs, except IRQ 0 on input 2 and the 8259 pair (ExtINT) on input 0.
 */
import { assert } from '../base';
import {
  ApicInterconnect,
  AtapiCdrom,
  DebugPort,
  DISPI_PORT_BASE,
  DISPI_PORT_COUNT,
  FwCfg,
  GPE0_BYTES,
  HPET_BYTES,
  Hpet,
  I8042,
  I8237,
  I8254,
  I8259,
  IOAPIC_BYTES,
  IoApic,
  LocalApic,
  Mc146818,
  Ns16550,
  PciBus,
  PciHostI440fx,
  Piix3Ide,
  Piix3Isa,
  Piix4Pm,
  PM_IO_BYTES,
  Port92,
  Ps2Keyboard,
  Ps2Mouse,
  SMBUS_IO_BYTES,
  Vga,
  VGA_PORT_BASE,
  VGA_PORT_COUNT,
  VGA_WINDOW_BYTES,
  VmMouse,
  VRAM_BYTES,
  type FwCfgConfig,
  type IdeDrive,
  type LocalApicCapabilities,
} from '../devices';
import type {
  CharBackend,
  Clock,
  Device,
  DisplayBackend,
  IrqLine,
  PointerSink,
  PortIo,
  RegisterAccess,
  ResetKind,
} from '../hw';
import { type MachineAddressSpace } from './address-space';
import { fanOut, GatedLine, WiredOr } from './irq';
import { ataDrive, pcCards, type PcAtaDrive, type PcCardsConfig } from './pc-cards';

const VGA_WINDOW_BASE = 0xa0000;
const IOAPIC_BASE = 0xfec00000;
const HPET_BASE = 0xfed00000;
const LOCAL_APIC_BYTES = 0x1000;
const TOP_OF_MEMORY = 0x1_0000_0000;
const ROM_ALIAS_BASE = 0xe0000;
const ROM_ALIAS_BYTES = 0x20000;
/** PIIX4's GPE0 block has no base register; QEMU's and SeaBIOS's tables expect it here. */
const GPE0_BASE = 0xafe0;
/** Input clock of the local APIC timers. */
const APIC_TIMER_HZ = 1_000_000_000;

/** Levels on the interrupt wires, in a saved state. */
const WIRES_ID = 'irq-wires';

const SLOT_HOST = 0;
const SLOT_PIIX = 1;
const SLOT_VGA = 2;
const FUNCTION_ISA = 0;
const FUNCTION_IDE = 1;
const FUNCTION_PM = 3;

/** A drive on the IDE controller: channel 0 is primary, unit 0 is device 0. */
export interface PcDrive extends PcAtaDrive {
  readonly channel: 0 | 1;
  readonly unit: 0 | 1;
}

export interface PcConfig extends PcCardsConfig {
  fwCfg: FwCfgConfig;
  /** IDE drives; a hard disk has a medium, a CD-ROM drive may be empty. */
  drives: readonly PcDrive[];
  /** CMOS bytes firmware expects (memory size, drive types). */
  cmos: ReadonlyMap<number, number>;
}

export interface PcCapabilities {
  clock: Clock;
  space: MachineAddressSpace;
  /** Time-stamp counter of the boot processor. */
  tsc: LocalApicCapabilities['tsc'];
  processor: LocalApicCapabilities['processor'];
  registers(): RegisterAccess | undefined;
  /** COM1; undefined: no port. */
  serial?: CharBackend | undefined;
  debug?: CharBackend | undefined;
  display: DisplayBackend;
  onReset(): void;
  onPowerOff(): void;
  onLeds?(leds: number): void;
}

export class Pc {
  readonly pci: PciBus;
  readonly localApic: LocalApic;
  readonly apics = new ApicInterconnect();
  readonly keyboard: Ps2Keyboard;
  readonly pointer: PointerSink;
  readonly powerManagement: Piix4Pm;
  readonly rtc: Mc146818;
  readonly host: PciHostI440fx;
  readonly isa: Piix3Isa;
  readonly ide: Piix3Ide;
  readonly vga: Vga;
  readonly serial: Ns16550 | undefined;
  readonly debug: DebugPort;
  /** CD-ROM drives by name. */
  readonly cdroms = new Map<string, AtapiCdrom>();
  /** Every device, in order of reset and of saved state. */
  readonly devices: Device[] = [];
  private readonly space: MachineAddressSpace;
  private readonly irqs: readonly WiredOr[];

  constructor(
    wires: PcCapabilities,
    private readonly config: PcConfig,
  ) {
    const { clock, space } = wires;
    this.space = space;

    // --- Interrupt controllers
    const slave = new I8259(
      { int: { set: (level) => cascade.set(level) } },
      { id: 'i8259-slave', elcrMask: 0xde },
    );
    const master = new I8259(
      { int: { set: (level) => picOutput.set(level) } },
      { id: 'i8259-master', elcrMask: 0xf8, cascade: { input: 2, slave } },
    );
    const cascade: IrqLine = master.input(2);
    const ioapic = new IoApic({ bus: this.apics });
    this.localApic = new LocalApic(
      {
        clock,
        bus: this.apics,
        pic: master,
        endOfInterrupt: (vector) => ioapic.endOfInterrupt(vector),
        tsc: wires.tsc,
        processor: wires.processor,
        onBase: (address) => this.mapLocalApic(address),
      },
      { apicId: 0, bootstrap: true, timerHz: APIC_TIMER_HZ },
    );
    this.apics.attach(this.localApic);
    const picOutput = fanOut(this.localApic.lint[0], ioapic.input(0));
    this.irqs = Array.from({ length: 16 }, (_, irq) => {
      const pic = irq < 8 ? master.input(irq) : slave.input(irq - 8);
      return new WiredOr(fanOut(pic, ioapic.input(irq === 0 ? 2 : irq)));
    });

    // --- Timers
    const pitLine = new GatedLine(this.irq(0));
    const rtcLine = new GatedLine(this.irq(8));
    const pit = new I8254({ clock, irq: pitLine });
    this.rtc = new Mc146818({ clock, irq: rtcLine });
    for (const [index, value] of config.cmos) this.rtc.setCmos(index, value);
    const hpet = new Hpet({
      clock,
      irq0: this.irq(0),
      irq8: this.irq(8),
      line: (pin) => ioapic.input(pin),
      onLegacyReplacement: (on) => {
        pitLine.connect(!on);
        pit.connect(!on);
        rtcLine.connect(!on);
      },
    });

    // --- PCI
    this.isa = new Piix3Isa({ isaIrq: this.pirqWires(), onReset: () => wires.onReset() });
    this.pci = new PciBus({
      addressSpace: space,
      pirq: [this.isa.pirq(0), this.isa.pirq(1), this.isa.pirq(2), this.isa.pirq(3)],
    });
    this.host = new PciHostI440fx({
      bus: this.pci,
      shadow: (gpa, length, read, write) => space.setShadow(gpa, length, read, write),
    });
    this.powerManagement = new Piix4Pm({
      clock,
      sci: this.irq(9),
      onPowerOff: () => wires.onPowerOff(),
      mapPorts: this.pmMapper(),
    });
    this.pci.plug(SLOT_HOST, 0, this.host);
    this.pci.plug(SLOT_PIIX, FUNCTION_ISA, this.isa);
    this.ide = new Piix3Ide({ memory: space, irqs: [this.irq(14), this.irq(15)] });
    for (const entry of config.drives) {
      const drive = ataDrive(entry, false);
      if (!drive) continue;
      this.ide.attach(entry.channel, entry.unit, drive);
      this.keep(drive, entry);
    }
    this.pci.plug(SLOT_PIIX, FUNCTION_IDE, this.ide);
    this.pci.plug(SLOT_PIIX, FUNCTION_PM, this.powerManagement);
    const vram = space.allocateRegion('vram', VRAM_BYTES);
    this.vga = new Vga({ clock, vram, display: wires.display });
    this.pci.plug(SLOT_VGA, 0, this.vga);
    const cards = pcCards({ clock, memory: space, bus: this.apics }, config, (drive, entry) =>
      this.keep(drive, entry),
    );
    for (const { slot, device } of cards) this.pci.plug(slot, 0, device);

    // --- Input, serial, the rest
    this.keyboard = new Ps2Keyboard({ onLeds: (leds) => wires.onLeds?.(leds) });
    const mouse = new Ps2Mouse();
    const vmmouse = new VmMouse({ registers: () => wires.registers(), poke: () => mouse.poke() });
    this.pointer = {
      relative: (dx, dy, wheel, buttons) => mouse.move(dx, dy, wheel, buttons),
      absolute: (x, y, wheel, buttons) => vmmouse.absolute(x, y, wheel, buttons),
    };
    const onA20 = (enabled: boolean): void => {
      kbc.setA20(enabled);
      port92.setA20(enabled);
      space.setA20(enabled);
    };
    const onReset = (): void => wires.onReset();
    const kbc: I8042 = new I8042({
      keyboard: this.keyboard,
      mouse,
      keyboardIrq: this.irq(1),
      mouseIrq: this.irq(12),
      onA20,
      onReset,
    });
    const port92: Port92 = new Port92({ onA20, onReset });
    const dma = new I8237();
    this.serial = wires.serial
      ? new Ns16550({ clock, irq: this.irq(4), line: wires.serial }, { id: 'com1' })
      : undefined;
    this.debug = new DebugPort({ clock, line: wires.debug });
    const fwCfg = new FwCfg({ memory: space }, config.fwCfg);

    // --- I/O ports, ascending
    const { ports } = space;
    const isa = (port: number, count: number, device: PortIo): void =>
      void ports.map(port, count, device, true);
    isa(0x000, 16, dma.low);
    isa(0x020, 2, master);
    isa(0x040, 4, pit);
    isa(0x060, 1, kbc.data);
    isa(0x061, 1, pit.port61);
    isa(0x064, 1, kbc.command);
    isa(0x070, 2, this.rtc);
    isa(0x080, 16, dma.pages);
    isa(0x092, 1, port92);
    isa(0x0a0, 2, slave);
    isa(0x0b2, 2, this.powerManagement.apm);
    isa(0x0c0, 32, dma.high);
    isa(0x0e9, 1, this.debug);
    const [primary, secondary] = this.ide.channels;
    ports.map(0x170, 8, secondary.command);
    ports.map(DISPI_PORT_BASE, DISPI_PORT_COUNT, this.vga.dispiPorts);
    ports.map(0x1f0, 8, primary.command);
    ports.map(0x376, 1, secondary.controlBlock);
    ports.map(VGA_PORT_BASE, VGA_PORT_COUNT, this.vga.ports);
    ports.map(0x3f6, 1, primary.controlBlock);
    if (this.serial) isa(0x3f8, 8, this.serial);
    isa(0x4d0, 1, master.elcr);
    isa(0x4d1, 1, slave.elcr);
    ports.map(0x510, 2, fwCfg);
    ports.map(0x514, 8, fwCfg.dma);
    ports.map(0xcf8, 4, this.host.configAddressPort);
    ports.map(0xcf9, 1, this.isa.resetControl);
    ports.map(0xcfc, 4, this.host.configDataPort);
    ports.map(0x5658, 1, vmmouse);
    ports.map(GPE0_BASE, GPE0_BYTES, this.powerManagement.gpe0);

    // --- Memory-mapped registers
    space.mapMmio(VGA_WINDOW_BASE, VGA_WINDOW_BYTES, this.vga.window);
    space.mapMmio(IOAPIC_BASE, IOAPIC_BYTES, ioapic);
    space.mapMmio(HPET_BASE, HPET_BYTES, hpet);

    // The bus goes first: it sets the configuration spaces that the functions then act on.
    this.devices.push(
      slave,
      master,
      ioapic,
      this.localApic,
      pit,
      this.rtc,
      hpet,
      this.pci,
      this.isa,
      this.host,
      this.powerManagement,
      this.ide,
      this.vga,
    );
    this.devices.push(kbc, this.keyboard, mouse, vmmouse, port92, dma, this.debug, fwCfg);
    if (this.serial) this.devices.push(this.serial);
    this.devices.push(...cards.map(({ device }) => device));
  }

  /** A wire to ISA IRQ `irq`, shared with its other users. */
  irq(irq: number): IrqLine {
    const line = this.irqs[irq];
    assert(line, `no IRQ ${irq}`);
    return line.source();
  }

  private keep(drive: IdeDrive, { name }: PcAtaDrive): void {
    if (drive instanceof AtapiCdrom) this.cdroms.set(name, drive);
  }

  reset(kind: ResetKind): void {
    for (const device of this.devices) device.reset(kind);
    for (const [index, value] of this.config.cmos) this.rtc.setCmos(index, value);
  }

  /** Puts a firmware image below 4 GiB, its end also below 1 MiB. */
  mapRom(image: Uint8Array): void {
    const region = this.space.allocateRegion('firmware', image.length, true);
    const { length } = region.bytes;
    region.bytes.set(image, length - image.length);
    this.space.mapRegion(TOP_OF_MEMORY - length, region);
    const alias = Math.min(length, ROM_ALIAS_BYTES);
    this.space.mapPart(ROM_ALIAS_BASE + ROM_ALIAS_BYTES - alias, region, length - alias, alias);
  }

  save(): Record<string, object> {
    const state: Record<string, object> = Object.fromEntries(
      this.devices.map((device) => [device.id, device.save()]),
    );
    state[WIRES_ID] = { version: 1, irqs: this.irqs.map((irq) => irq.save()) };
    return state;
  }

  restore(state: Record<string, object>): void {
    const wires = state[WIRES_ID] as { version: 1; irqs: boolean[][] };
    this.irqs.forEach((irq, i) => irq.restore(wires.irqs[i]));
    for (const device of this.devices) {
      const saved = state[device.id];
      assert(saved, `the saved state has no device ${device.id}`);
      device.restore(saved);
    }
  }

  /** A wire from each PIRQ to each ISA IRQ, made at once so that their order in a saved state is fixed. */
  private pirqWires(): (pirq: number, irq: number) => IrqLine {
    const wires = Array.from({ length: 4 }, () => this.irqs.map((irq) => irq.source()));
    return (pirq, irq) => wires[pirq][irq];
  }

  private unmapLocalApic: () => void = () => {};
  private localApicAt: number | undefined;

  private mapLocalApic(address: number | undefined): void {
    if (address === this.localApicAt) return;
    this.unmapLocalApic();
    this.localApicAt = address;
    this.unmapLocalApic =
      address === undefined
        ? () => {}
        : this.space.mapMmio(address, LOCAL_APIC_BYTES, this.localApic);
  }

  private pmMapper(): (what: 'pm' | 'smbus', base: number | undefined) => void {
    const mapped = {
      pm: { at: undefined as number | undefined, unmap: () => {} },
      smbus: { at: undefined as number | undefined, unmap: () => {} },
    };
    return (what, base) => {
      const entry = mapped[what];
      if (entry.at === base) return;
      entry.unmap();
      entry.at = base;
      const [bytes, device] =
        what === 'pm'
          ? [PM_IO_BYTES, this.powerManagement.pm]
          : [SMBUS_IO_BYTES, this.powerManagement.smbus];
      entry.unmap = base === undefined ? () => {} : this.space.mapPorts(base, bytes, device);
    };
  }
}
