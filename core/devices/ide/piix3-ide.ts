/**
 * PIIX3 IDE controller (8086:7010): two channels in compatibility mode with bus master.
 * Document: Intel 82371SB (PIIX3) 290550-002, sections 2.4 (configuration) and 2.6 (bus master registers).
 * Scope: IDETIM decode enables, BMIBA, both channels. Missing: PIO and DMA timing (the timing registers hold what is
 * written).
 */
import type { Device, GuestMemory, IrqLine, PortIo, ResetKind } from '../../hw';
import {
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
  pciConfig,
  UNCONNECTED_IRQ,
  type PciBar,
  type PciFunction,
} from '../pci';
import { BUS_MASTER_PORTS, BusMaster, type BusMasterState } from './bus-master';
import { IdeChannel, type IdeChannelState, type IdeDrive } from './ide-channel';

/** IDE timing registers, one a channel, and slave timing. */
const IDETIM = 0x40;
const SIDETIM = 0x44;
/** IDETIM bit 15, in its high byte. */
const IDETIM_DECODE_ENABLE = 0x80;
const BMIBA = 4;

export interface Piix3IdeState {
  version: 1;
  channels: [IdeChannelState, IdeChannelState];
  busMasters: [BusMasterState, BusMasterState];
}

export interface Piix3IdeCapabilities {
  memory: GuestMemory;
  /** IRQ 14 and IRQ 15. */
  irqs: readonly [IrqLine, IrqLine];
}

export class Piix3Ide implements Device<Piix3IdeState>, PciFunction {
  readonly id = 'piix3-ide';
  readonly config: Uint8Array;
  readonly writeMask: Uint8Array;
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[];
  irq = UNCONNECTED_IRQ;
  /** Primary (1F0h, 3F6h) and secondary (170h, 376h). */
  readonly channels: readonly [IdeChannel, IdeChannel];
  private readonly busMasters: readonly [BusMaster, BusMaster];

  constructor(wires: Piix3IdeCapabilities) {
    const space = pciConfig({ vendor: 0x8086, device: 0x7010, class: 0x010180 });
    this.config = space.config;
    this.writeMask = space.writeMask;
    this.clearMask = space.clearMask;
    this.writeMask.fill(0xff, IDETIM, SIDETIM + 1);
    const master = (n: 0 | 1): BusMaster =>
      new BusMaster({
        memory: wires.memory,
        enabled: () => (this.config[PCI_COMMAND] & PCI_COMMAND_MASTER) !== 0,
        onStart: () => this.channels[n].dmaStarted(),
      });
    this.busMasters = [master(0), master(1)];
    this.channels = [
      new IdeChannel(wires.irqs[0], this.busMasters[0]),
      new IdeChannel(wires.irqs[1], this.busMasters[1]),
    ];
    this.bars = [
      { index: BMIBA, kind: 'io', size: 2 * BUS_MASTER_PORTS, handler: this.busMasterPorts },
    ];
    this.decode();
  }

  /** Connects a drive: channel 0 is primary, unit 0 is device 0 (master). */
  attach(channel: 0 | 1, unit: 0 | 1, drive: IdeDrive): void {
    this.channels[channel].attach(unit, drive);
  }

  reset(_kind: ResetKind): void {
    for (const master of this.busMasters) master.reset();
    for (const channel of this.channels) channel.reset();
  }

  save(): Piix3IdeState {
    const [primary, secondary] = this.channels;
    const [first, second] = this.busMasters;
    return {
      version: 1,
      channels: [primary.save(), secondary.save()],
      busMasters: [first.save(), second.save()],
    };
  }

  restore(state: Piix3IdeState): void {
    // Bus masters first: a drive that goes on with DMA finds its descriptors.
    for (const n of [0, 1] as const) this.busMasters[n].restore(state.busMasters[n]);
    for (const n of [0, 1] as const) this.channels[n].restore(state.channels[n]);
  }

  onConfigWrite(offset: number, length: number): void {
    if (offset < SIDETIM && offset + length > IDETIM) this.decode();
    // A transfer that waited for the bus master enable goes on.
    if (offset <= PCI_COMMAND && offset + length > PCI_COMMAND)
      for (const channel of this.channels) channel.dmaStarted();
  }

  private decode(): void {
    for (const n of [0, 1] as const)
      this.channels[n].enabled = (this.config[IDETIM + 2 * n + 1] & IDETIM_DECODE_ENABLE) !== 0;
  }

  private readonly busMasterPorts: PortIo = {
    readPort: (offset, width) => {
      let value = 0;
      for (let i = width - 1; i >= 0; i--) value = value * 256 + this.readBusMaster(offset + i);
      return value;
    },
    writePort: (offset, width, value) => {
      for (let i = 0; i < width; i++)
        this.busMasters[((offset + i) >> 3) & 1].writeByte(
          (offset + i) & 7,
          (value >>> (8 * i)) & 0xff,
        );
    },
  };

  private readBusMaster(offset: number): number {
    return this.busMasters[(offset >> 3) & 1].readByte(offset & 7);
  }
}
