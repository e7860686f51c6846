/**
 * 82441FX PCI and memory controller (host bridge, 8086:1237 at 00:00.0).
 * Document: Intel 82441FX/82442FX (440FX PCIset) 290549-001.
 * Scope: configuration mechanism 1 (CF8h/CFCh), PAM shadow registers, SMRAM window while it is open.
 * Missing: system management mode itself, DRAM timing and error registers (they hold what is written).
 */
import type { AccessWidth, Device, PortIo, ResetKind } from '../../hw';
import { pciConfig, UNCONNECTED_IRQ, type PciBar, type PciFunction } from './pci-function';

const PAM0 = 0x59;
const PAM6 = 0x5f;
const SMRAM = 0x72;
const SMRAM_D_OPEN = 0x40;
const SMRAM_D_LCK = 0x10;
const SMRAM_G_SMRAME = 0x08;
const PAM_READ = 1;
const PAM_WRITE = 2;
const CONFIG_ENABLE = 0x80000000;

/** The PC's platform id of QEMU, which SeaBIOS requires before it uses fw_cfg. */
const SUBSYSTEM_VENDOR = 0x1af4;
const SUBSYSTEM = 0x1100;

export interface I440fxState {
  version: 1;
  configAddress: number;
}

export interface I440fxCapabilities {
  bus: {
    readConfig(devfn: number, offset: number, width: AccessWidth): number;
    writeConfig(devfn: number, offset: number, width: AccessWidth, value: number): void;
  };
  /** Says for a range below 1 MiB whether reads and writes go to RAM (true) or to what lies on the PCI/ISA bus. */
  shadow(gpa: number, length: number, readRam: boolean, writeRam: boolean): void;
}

export class PciHostI440fx implements Device<I440fxState>, PciFunction {
  readonly id = 'i440fx';
  readonly config: Uint8Array;
  readonly writeMask: Uint8Array;
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[] = [];
  irq = UNCONNECTED_IRQ;
  private configAddress = 0;

  constructor(private readonly wires: I440fxCapabilities) {
    const space = pciConfig({
      vendor: 0x8086,
      device: 0x1237,
      class: 0x060000,
      revision: 2,
      subsystemVendor: SUBSYSTEM_VENDOR,
      subsystem: SUBSYSTEM,
      command: 0x0006,
    });
    this.config = space.config;
    this.writeMask = space.writeMask;
    this.clearMask = space.clearMask;
    // 50h-58h controller and DRAM configuration, 60h-71h row boundaries and timing.
    this.writeMask.fill(0xff, 0x50, PAM0);
    this.writeMask.fill(0x33, PAM0, PAM6 + 1);
    this.writeMask[PAM0] = 0x30;
    this.writeMask.fill(0xff, 0x60, SMRAM);
    this.writeMask[SMRAM] = 0x78;
    this.config[SMRAM] = 0x02;
  }

  reset(_kind: ResetKind): void {
    this.configAddress = 0;
    this.applyShadow();
  }

  save(): I440fxState {
    return { version: 1, configAddress: this.configAddress };
  }

  restore(state: I440fxState): void {
    this.configAddress = state.configAddress;
    this.applyShadow();
  }

  onConfigWrite(offset: number, length: number): void {
    if (offset <= SMRAM && offset + length > SMRAM && this.config[SMRAM] & SMRAM_D_LCK) {
      // Locked: the window closes and the register becomes read-only until reset.
      this.config[SMRAM] &= ~SMRAM_D_OPEN;
    }
    if (offset + length > PAM0 && offset <= SMRAM) this.applyShadow();
  }

  /** Shadows all of C0000h-FFFFFh in RAM, as PC firmware does before it boots anything. */
  shadowAll(): void {
    this.config[PAM0] = 0x30;
    this.config.fill(0x33, PAM0 + 1, PAM6 + 1);
    this.applyShadow();
  }

  /** CONFADD, port CF8h: 32-bit accesses only (narrower ones belong to other devices). */
  readonly configAddressPort: PortIo = {
    readPort: (offset, width) =>
      offset === 0 && width === 4 ? this.configAddress : width === 1 ? 0xff : 0xffff,
    writePort: (offset, width, value) => {
      if (offset === 0 && width === 4) this.configAddress = (value & 0x80fffffc) >>> 0;
    },
  };

  /** CONFDATA, ports CFCh-CFFh. */
  readonly configDataPort: PortIo = {
    readPort: (offset, width) => {
      const at = this.target(offset);
      return at < 0
        ? width === 4
          ? 0xffffffff
          : (1 << (8 * width)) - 1
        : this.wires.bus.readConfig(at >> 8, at & 0xff, width);
    },
    writePort: (offset, width, value) => {
      const at = this.target(offset);
      if (at >= 0) this.wires.bus.writeConfig(at >> 8, at & 0xff, width, value);
    },
  };

  /** devfn << 8 | register, or -1 when no function of bus 0 is addressed. */
  private target(offset: number): number {
    const address = this.configAddress;
    if (!(address & CONFIG_ENABLE) || address & 0x00ff0000) return -1;
    return (address & 0xfffc) | (offset & 3);
  }

  private applyShadow(): void {
    const { config } = this;
    const apply = (gpa: number, length: number, bits: number): void => {
      this.wires.shadow(gpa, length, (bits & PAM_READ) !== 0, (bits & PAM_WRITE) !== 0);
    };
    apply(0xf0000, 0x10000, config[PAM0] >> 4);
    for (let i = 1; i <= 6; i++) {
      const pam = config[PAM0 + i];
      apply(0xc0000 + (i - 1) * 0x8000, 0x4000, pam);
      apply(0xc4000 + (i - 1) * 0x8000, 0x4000, pam >> 4);
    }
    const open =
      (config[SMRAM] & (SMRAM_D_OPEN | SMRAM_G_SMRAME)) === (SMRAM_D_OPEN | SMRAM_G_SMRAME);
    this.wires.shadow(0xa0000, 0x20000, open, open);
  }
}
