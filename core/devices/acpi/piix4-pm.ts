/**
 * PIIX4 power management (PCI function 8086:7113): ACPI fixed hardware, PM timer, general-purpose events, APM ports.
 * Documents: Intel 82371AB (PIIX4) 290562-001 chapter 7; ACPI 6.5 section 4.8 (fixed hardware registers).
 * Scope: PM1a status/enable/control, 24-bit PM timer at 3.579545 MHz, SCI, power button, S5 (soft off), GPE0,
 * APM control and status (B2h, B3h) with ACPI enable and disable done directly instead of by SMI.
 * Missing: SMI, sleep states S1-S4 (a write that asks for them does nothing), throttling. The SMBus host controller
 * has an empty bus: every transaction ends with a device error.
 */
import { cloneState } from '../../base';
import type { AccessWidth, Clock, Device, IrqLine, PortIo, ResetKind, Timer } from '../../hw';
import { pciConfig, UNCONNECTED_IRQ, type PciBar, type PciFunction } from '../pci/pci-function';

export const PM_TIMER_HZ = 3_579_545;
export const PM_IO_BYTES = 0x40;
export const SMBUS_IO_BYTES = 0x10;
export const GPE0_BYTES = 4;

// Configuration registers, PIIX4 7.1.
const PMBA = 0x40;
const DEVACTB = 0x58;
const PMREGMISC = 0x80;
const SMBBA = 0x90;
const SMBHSTCFG = 0xd2;
/** DEVACTB.APMC_EN: with it set at reset, firmware knows that nobody waits for its SMI handler. */
const DEVACTB_APMC_EN_BYTE = 0x5b;

// Registers at PMBA, PIIX4 7.2.
const PMSTS = 0x00;
const PMEN = 0x02;
const PMCNTRL = 0x04;
const PMTMR = 0x08;

const TMROF_STS = 0x0001;
const GBL_STS = 0x0020;
const PWRBTN_STS = 0x0100;
const RTC_STS = 0x0400;
const WAK_STS = 0x8000;
const PM_STS_BITS = TMROF_STS | 0x0010 | GBL_STS | PWRBTN_STS | RTC_STS | WAK_STS;
const PM_EN_BITS = TMROF_STS | GBL_STS | PWRBTN_STS | RTC_STS;
const SCI_EN = 0x0001;
const SUS_TYP_SHIFT = 10;
const SUS_EN = 0x2000;
/** SUS_TYP 0 is soft off (S5), PIIX4 7.2.3. */
const SUS_TYP_S5 = 0;

// SMBus host controller: status, control; a transaction nobody answers ends with a device error.
const SMBHSTSTS = 0x00;
const SMBHSTCNT = 0x02;
const SMB_START = 0x40;
const SMB_DEV_ERR = 0x04;

const APMC_ACPI_ENABLE = 0xf1;
const APMC_ACPI_DISABLE = 0xf0;

export interface Piix4PmState {
  version: 1;
  status: number;
  enable: number;
  control: number;
  apmControl: number;
  apmStatus: number;
  gpeStatus: number;
  gpeEnable: number;
  /** Overflow periods of the PM timer already seen (bit 23 changes every half range). */
  halfRanges: number;
  smbus: Uint8Array;
}

export interface Piix4PmCapabilities {
  clock: Clock;
  /** SCI, level triggered (IRQ 9). */
  sci: IrqLine;
  onPowerOff(): void;
  /** Maps `pm` or `smbus` at port `base` (undefined: nowhere). */
  mapPorts(what: 'pm' | 'smbus', base: number | undefined): void;
}

export class Piix4Pm implements Device<Piix4PmState>, PciFunction {
  readonly id = 'piix4-pm';
  readonly config: Uint8Array;
  readonly writeMask: Uint8Array;
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[] = [];
  irq: IrqLine = UNCONNECTED_IRQ;
  private s: Piix4PmState = powerOn();
  private readonly timer: Timer;

  constructor(private readonly wires: Piix4PmCapabilities) {
    const space = pciConfig({
      vendor: 0x8086,
      device: 0x7113,
      class: 0x068000,
      revision: 3,
      interruptPin: 1,
    });
    this.config = space.config;
    this.writeMask = space.writeMask;
    this.clearMask = space.clearMask;
    this.config[PMBA] = 1;
    this.config[SMBBA] = 1;
    this.config[DEVACTB_APMC_EN_BYTE] = 0x02;
    // PMBA bits 15-6, SMBBA bits 15-4; DEVRESx and DEVACT registers hold what is written.
    this.writeMask.set([0xc0, 0xff], PMBA);
    this.writeMask.fill(0xff, 0x44, DEVACTB + 4);
    this.writeMask.fill(0xff, 0x5c, PMREGMISC);
    this.writeMask[PMREGMISC] = 0x01;
    this.writeMask.set([0xf0, 0xff], SMBBA);
    this.writeMask[SMBHSTCFG] = 0x0f;
    this.timer = wires.clock.timer(() => this.timerHalfRange());
  }

  reset(_kind: ResetKind): void {
    this.s = powerOn();
    this.config.set([1, 0, 0, 0], PMBA);
    this.config.set([1, 0, 0, 0], SMBBA);
    this.config.fill(0, 0x44, PMREGMISC + 1);
    this.config[DEVACTB_APMC_EN_BYTE] = 0x02;
    this.config[SMBHSTCFG] = 0;
    this.remap();
    this.update();
  }

  save(): Piix4PmState {
    return cloneState(this.s);
  }

  restore(state: Piix4PmState): void {
    this.s = cloneState(state);
    this.remap();
    this.update();
  }

  onConfigWrite(_offset: number, _length: number): void {
    this.remap();
  }

  /** The user pressed the power button: PWRBTN_STS, SCI when enabled. Returns false when the guest does not listen. */
  pressPowerButton(): boolean {
    this.s.status |= PWRBTN_STS;
    this.update();
    return (this.s.control & SCI_EN) !== 0 && (this.s.enable & PWRBTN_STS) !== 0;
  }

  /** The registers at PMBA. */
  readonly pm: PortIo = {
    readPort: (offset, width) =>
      offset === PMTMR && width === 4
        ? this.timerTicks() % 0x1000000
        : readWide(offset, width, (at) => this.readPmByte(at)),
    writePort: (offset, width, value) => this.writePm(offset, width, value),
  };

  /** SMBus host controller registers (PIIX4 7.3). */
  readonly smbus: PortIo = {
    readPort: (offset) => this.s.smbus[offset & 15],
    writePort: (offset, _width, value) => this.writeSmbus(offset & 15, value & 0xff),
  };

  /** GPE0_STS (2 bytes) and GPE0_EN (2 bytes). */
  readonly gpe0: PortIo = {
    readPort: (offset, width) =>
      readWide(
        offset,
        width,
        (at) => ((at < 2 ? this.s.gpeStatus : this.s.gpeEnable) >> ((at & 1) * 8)) & 0xff,
      ),
    writePort: (offset, width, value) => {
      for (let i = 0; i < width && offset + i < GPE0_BYTES; i++) {
        const byte = (value >>> (i * 8)) & 0xff;
        const shift = ((offset + i) & 1) * 8;
        if (offset + i < 2) this.s.gpeStatus &= ~(byte << shift);
        else this.s.gpeEnable = (this.s.gpeEnable & ~(0xff << shift)) | (byte << shift);
      }
      this.update();
    },
  };

  /** APMC (B2h) and APMS (B3h). */
  readonly apm: PortIo = {
    readPort: (offset) => (offset === 0 ? this.s.apmControl : this.s.apmStatus),
    writePort: (offset, _width, value) => {
      if (offset !== 0) {
        this.s.apmStatus = value & 0xff;
        return;
      }
      this.s.apmControl = value & 0xff;
      if (this.s.apmControl === APMC_ACPI_ENABLE) this.s.control |= SCI_EN;
      else if (this.s.apmControl === APMC_ACPI_DISABLE) this.s.control &= ~SCI_EN;
      this.update();
    },
  };

  /** PM timer value now: 24 bits. */
  private timerTicks(): number {
    const now = this.wires.clock.now;
    const seconds = Math.floor(now / 1e9);
    return seconds * PM_TIMER_HZ + Math.floor(((now - seconds * 1e9) * PM_TIMER_HZ) / 1e9);
  }

  /** TMROF_STS is set whenever bit 23 changes (PIIX4 7.2.1). */
  private catchUpTimer(): void {
    const halfRanges = Math.floor(this.timerTicks() / 0x800000);
    if (halfRanges !== this.s.halfRanges) {
      this.s.halfRanges = halfRanges;
      this.s.status |= TMROF_STS;
    }
  }

  private timerHalfRange(): void {
    this.update();
  }

  private readPmByte(offset: number): number {
    switch (offset & ~3) {
      case PMSTS: {
        this.catchUpTimer();
        const value = this.s.status | (this.s.enable << 16);
        return (value >>> ((offset & 3) * 8)) & 0xff;
      }
      case PMCNTRL:
        return (this.s.control >>> ((offset & 3) * 8)) & 0xff;
      case PMTMR:
        return ((this.timerTicks() % 0x1000000) >>> ((offset & 3) * 8)) & 0xff;
      default:
        return 0;
    }
  }

  private writePm(offset: number, width: AccessWidth, value: number): void {
    let { enable, control } = this.s;
    for (let i = 0; i < width; i++) {
      const byte = (value >>> (i * 8)) & 0xff;
      const at = offset + i;
      const shift = (at & 1) * 8;
      if (at < PMEN) {
        this.catchUpTimer();
        this.s.status &= ~((byte << shift) & PM_STS_BITS);
      } else if (at < PMCNTRL) {
        enable = (enable & ~(0xff << shift)) | (byte << shift);
      } else if (at < PMCNTRL + 2) {
        control = (control & ~(0xff << shift)) | (byte << shift);
      }
    }
    this.s.enable = enable & PM_EN_BITS;
    this.s.control = control & ~SUS_EN;
    if (control & SUS_EN && ((control >> SUS_TYP_SHIFT) & 7) === SUS_TYP_S5)
      this.wires.onPowerOff();
    this.update();
  }

  private writeSmbus(offset: number, value: number): void {
    const { smbus } = this.s;
    if (offset === SMBHSTSTS) {
      smbus[SMBHSTSTS] &= ~value;
      return;
    }
    smbus[offset] = offset === SMBHSTCNT ? value & ~SMB_START : value;
    if (offset === SMBHSTCNT && value & SMB_START) smbus[SMBHSTSTS] |= SMB_DEV_ERR;
  }

  private update(): void {
    const { s } = this;
    this.catchUpTimer();
    const raised = (s.status & s.enable & PM_EN_BITS) !== 0 || (s.gpeStatus & s.gpeEnable) !== 0;
    this.wires.sci.set(raised && (s.control & SCI_EN) !== 0);
    if (s.enable & TMROF_STS && !(s.status & TMROF_STS))
      this.timer.arm(Math.ceil(((s.halfRanges + 1) * 0x800000 * 1e9) / PM_TIMER_HZ) + 1);
    else this.timer.cancel();
  }

  private remap(): void {
    const { config } = this;
    const pm = (config[PMBA] & 0xc0) | (config[PMBA + 1] << 8);
    this.wires.mapPorts('pm', config[PMREGMISC] & 1 && pm ? pm : undefined);
    const smbus = (config[SMBBA] & 0xf0) | (config[SMBBA + 1] << 8);
    this.wires.mapPorts('smbus', config[SMBHSTCFG] & 1 && smbus ? smbus : undefined);
  }
}

function readWide(
  offset: number,
  width: AccessWidth,
  readByte: (offset: number) => number,
): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = (value << 8) | readByte(offset + i);
  return value >>> 0;
}

function powerOn(): Piix4PmState {
  return {
    version: 1,
    status: 0,
    enable: 0,
    control: 0,
    apmControl: 0,
    apmStatus: 0,
    gpeStatus: 0,
    gpeEnable: 0,
    halfRanges: 0,
    smbus: new Uint8Array(SMBUS_IO_BYTES),
  };
}
