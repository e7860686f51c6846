/**
 * AHCI host bus adapter with six ports, as in the ICH9 (8086:2922).
 * Documents: AHCI 1.3.1; Intel 316972 (ICH9), section 15 for identity.
 * Missing: legacy IDE mode, command completion coalescing, enclosure management.
 */
import type { AccessWidth, ApicBus, Device, GuestMemory, Mmio, ResetKind } from '../../hw';
import type { IdeDrive } from '../ide';
import { addCapability, Msi, PCI_CAP_ID_SATA, pciConfig, UNCONNECTED_IRQ } from '../pci';
import type { PciBar, PciFunction } from '../pci';
import { AhciPort, type AhciPortState } from './ahci-port';
import * as r from './ahci-regs';

const WINDOW_BYTES = 0x1000;
const ABAR = 5;
const CAP_MSI = 0x80;
const CAP_SATA = 0xa8;

export interface AhciHbaState {
  version: 1;
  interruptEnable: boolean;
  /** IS: ports that have asked for an interrupt. */
  status: number;
  ports: AhciPortState[];
}

export interface AhciCapabilities {
  memory: GuestMemory;
  bus: ApicBus;
}

export class AhciHba implements Device<AhciHbaState>, PciFunction {
  readonly id = 'ahci';
  readonly config: Uint8Array;
  readonly writeMask: Uint8Array;
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[];
  irq = UNCONNECTED_IRQ;
  readonly ports: readonly AhciPort[];
  private readonly msi: Msi;
  private interruptEnable = false;
  private status = 0;

  constructor({ memory, bus }: AhciCapabilities) {
    const space = pciConfig({
      vendor: 0x8086,
      device: 0x2922,
      class: 0x010601,
      revision: 2,
      interruptPin: 1,
      status: 0x0200,
    });
    this.config = space.config;
    this.writeMask = space.writeMask;
    this.clearMask = space.clearMask;
    // SATA capability revision 1.0, no index and data ports (ICH9 15.1.34).
    addCapability(this, CAP_SATA, PCI_CAP_ID_SATA, [0x10, 0x00]);
    this.msi = new Msi(this, bus, CAP_MSI);
    this.bars = [{ index: ABAR, kind: 'mmio', size: WINDOW_BYTES, handler: this.window }];
    this.ports = Array.from(
      { length: r.PORTS },
      (_, n) => new AhciPort({ memory, onInterrupt: () => this.update(n) }),
    );
  }

  attach(port: number, drive: IdeDrive): void {
    this.ports[port].attach(drive);
  }

  reset(_kind: ResetKind): void {
    this.interruptEnable = false;
    for (const port of this.ports) port.reset();
    this.status = 0;
    this.irq.set(false);
  }

  save(): AhciHbaState {
    return {
      version: 1,
      interruptEnable: this.interruptEnable,
      status: this.status,
      ports: this.ports.map((port) => port.save()),
    };
  }

  restore(state: AhciHbaState): void {
    this.interruptEnable = state.interruptEnable;
    this.status = state.status;
    this.ports.forEach((port, n) => port.restore(state.ports[n]));
  }

  private readonly window: Mmio = {
    readMmio: (offset, width) => {
      const value = this.readRegister(offset & ~3) >>> (8 * (offset & 3));
      return width === 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff);
    },
    writeMmio: (offset, width, value) => this.writeNarrow(offset, width, value),
  };

  /** Registers are dwords; a narrower write leaves the other bytes as they read, or zero where a 1 acts. */
  private writeNarrow(offset: number, width: AccessWidth, value: number): void {
    const at = offset & ~3;
    if (width === 4) return this.writeRegister(at, value >>> 0);
    const shift = 8 * (offset & 3);
    const mask = ((width === 2 ? 0xffff : 0xff) << shift) >>> 0;
    const kept = isActive(at) ? 0 : this.readRegister(at) & ~mask;
    this.writeRegister(at, (kept | ((value << shift) & mask)) >>> 0);
  }

  private readRegister(at: number): number {
    if (at >= r.PORT_BASE) {
      const port = this.ports.at((at - r.PORT_BASE) / r.PORT_BYTES);
      const isPort = at < r.PORT_BASE + r.PORTS * r.PORT_BYTES;
      return isPort && port ? port.read((at - r.PORT_BASE) % r.PORT_BYTES) : 0;
    }
    switch (at) {
      case r.CAP:
        return r.CAP_VALUE;
      case r.GHC:
        return (r.GHC_AE | (this.interruptEnable ? r.GHC_IE : 0)) >>> 0;
      case r.IS:
        return this.status;
      case r.PI:
        return (1 << r.PORTS) - 1;
      case r.VS:
        return r.VS_1_3;
      default:
        return 0;
    }
  }

  private writeRegister(at: number, value: number): void {
    if (at >= r.PORT_BASE) {
      if (at >= r.PORT_BASE + r.PORTS * r.PORT_BYTES) return;
      const port = this.ports[Math.floor((at - r.PORT_BASE) / r.PORT_BYTES)];
      return port.write((at - r.PORT_BASE) % r.PORT_BYTES, value);
    }
    if (at === r.GHC) {
      if (value & r.GHC_HR) return this.reset('warm');
      this.interruptEnable = (value & r.GHC_IE) !== 0;
      this.drive(this.status !== 0);
    } else if (at === r.IS) {
      this.status &= ~value;
      // A port whose causes are not cleared asks again at once (5.5.3).
      for (let n = 0; n < r.PORTS; n++) if (this.ports[n].pending) this.status |= 1 << n;
      this.drive(this.status !== 0);
    }
  }

  private update(n: number): void {
    if (!this.ports[n].pending || this.status & (1 << n)) return;
    this.status |= 1 << n;
    this.drive(true);
  }

  private drive(wanted: boolean): void {
    const level = wanted && this.interruptEnable;
    if (!this.msi.enabled) this.irq.set(level);
    else if (level) this.msi.signal();
  }
}

/** Registers whose ones act or clear. */
function isActive(at: number): boolean {
  if (at === r.IS) return true;
  const register = (at - r.PORT_BASE) % r.PORT_BYTES;
  return (
    at >= r.PORT_BASE && [r.PXIS, r.PXSERR, r.PXSACT, r.PXCI].some((active) => active === register)
  );
}
