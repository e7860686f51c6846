/**
 * One IDE cable: command and control block ports, device select, soft reset, interrupt.
 * Document: T13/1532D ATA/ATAPI-7 Volume 2, clauses 5 to 9 (9.16 for single-device configurations).
 */
import type { AccessWidth, IrqLine, PortIo } from '../../hw';
import {
  ATA_DATA,
  ATA_DEVICE,
  ATA_STATUS_COMMAND,
  CONTROL_HOB,
  CONTROL_NIEN,
  CONTROL_SRST,
  DEVICE_DEV,
  DEVICE_OBSOLETE,
  DEVICE_RESET,
  EXECUTE_DEVICE_DIAGNOSTIC,
  STATUS_BSY,
  STATUS_DRQ,
} from './ata-regs';
import type { QueuedCommand } from './ata-queue';
import type { DrivePort } from './drive-port';
import type { BusMaster } from './bus-master';

/** Nobody drives the data lines. */
const FLOATING = [0, 0xff, 0xffff, 0, 0xffff_ffff] as const;

/** A drive on the cable: a disk or a CD-ROM. */
export interface IdeDrive {
  readonly kind: 'ata' | 'atapi';
  readonly port: DrivePort;
  /** The drive learns whether it is device 0 or 1. */
  setUnit(unit: 0 | 1): void;
  /** Native command queuing, if the drive has it. */
  queue?(command: QueuedCommand): void;
  save(): object;
  restore(state: object): void;
}

export interface IdeChannelState {
  select: 0 | 1;
  control: number;
  drives: [object | null, object | null];
}

export class IdeChannel {
  private readonly drives: [IdeDrive | undefined, IdeDrive | undefined] = [undefined, undefined];
  private select: 0 | 1 = 0;
  private control = 0;
  private line = false;
  /** The controller decodes this channel's ports. */
  enabled = true;

  constructor(
    private readonly irq: IrqLine,
    private readonly busMaster: BusMaster,
  ) {}

  attach(unit: 0 | 1, drive: IdeDrive): void {
    this.drives[unit] = drive;
    drive.setUnit(unit);
    drive.port.dma = this.busMaster;
    drive.port.onInterrupt = () => this.updateInterrupt();
    drive.port.reset();
  }

  drive(unit: 0 | 1): IdeDrive | undefined {
    return this.drives[unit];
  }

  reset(): void {
    this.select = 0;
    this.control = 0;
    for (const drive of this.drives) drive?.port.reset();
    this.updateInterrupt();
  }

  /** The bus master was started. */
  dmaStarted(): void {
    this.selected?.dmaStarted();
  }

  save(): IdeChannelState {
    const [first, second] = this.drives;
    return {
      select: this.select,
      control: this.control,
      drives: [first?.save() ?? null, second?.save() ?? null],
    };
  }

  restore(state: IdeChannelState): void {
    this.select = state.select;
    this.control = state.control;
    for (const unit of [0, 1] as const) {
      const saved = state.drives[unit];
      if (saved) this.drives[unit]?.restore(saved);
    }
    this.line = this.level;
  }

  /** Command block, 8 ports. */
  readonly command: PortIo = {
    readPort: (offset, width) => this.readCommandBlock(offset, width),
    writePort: (offset, width, value) => this.writeCommandBlock(offset, width, value),
  };

  /** Control block, the one port 3F6h or 376h. */
  readonly controlBlock: PortIo = {
    readPort: (offset, width) => {
      if (!this.present || offset !== 0) return FLOATING[width];
      return ((FLOATING[width] & ~0xff) | this.readStatus()) >>> 0;
    },
    writePort: (offset, _width, value) => {
      if (this.enabled && offset === 0) this.writeControl(value & 0xff);
    },
  };

  private get present(): boolean {
    return this.enabled && (this.drives[0] !== undefined || this.drives[1] !== undefined);
  }

  private get selected(): DrivePort | undefined {
    return this.drives[this.select]?.port;
  }

  private readCommandBlock(offset: number, width: AccessWidth): number {
    if (!this.present) return FLOATING[width];
    if (offset === ATA_DATA) return this.selected?.readData(width) ?? 0;
    let value = 0;
    for (let i = width - 1; i >= 0; i--)
      value = value * 256 + (offset + i < 8 ? this.readRegister(offset + i) : 0xff);
    return value;
  }

  private readRegister(offset: number): number {
    const port = this.selected;
    if (!port) {
      // Device 0 answers for an absent device 1 with zeros (9.16.2).
      return offset === ATA_DEVICE ? DEVICE_OBSOLETE | (this.select ? DEVICE_DEV : 0) : 0;
    }
    if (offset === ATA_STATUS_COMMAND) {
      const status = this.readStatus();
      port.lowerInterrupt();
      return status;
    }
    return port.readRegister(offset, (this.control & CONTROL_HOB) !== 0);
  }

  private readStatus(): number {
    return this.selected?.s.status ?? 0;
  }

  private writeCommandBlock(offset: number, width: AccessWidth, value: number): void {
    if (!this.enabled) return;
    if (offset === ATA_DATA) {
      this.selected?.writeData(width, value);
      return;
    }
    for (let i = 0; i < width && offset + i < 8; i++)
      this.writeRegister(offset + i, (value >>> (8 * i)) & 0xff);
  }

  private writeRegister(offset: number, value: number): void {
    this.control &= ~CONTROL_HOB;
    if (this.control & CONTROL_SRST) return;
    if (offset === ATA_STATUS_COMMAND) {
      this.writeCommandRegister(value);
      return;
    }
    // Both devices on the cable take what is written to the task file.
    for (const drive of this.drives) drive?.port.writeRegister(offset, value);
    if (offset !== ATA_DEVICE) return;
    this.select = value & DEVICE_DEV ? 1 : 0;
    this.updateInterrupt();
  }

  private writeCommandRegister(code: number): void {
    if (code === EXECUTE_DEVICE_DIAGNOSTIC) {
      this.diagnose();
      return;
    }
    const drive = this.drives[this.select];
    if (!drive) return;
    const { status } = drive.port.s;
    const resets = code === DEVICE_RESET && drive.kind === 'atapi';
    if (status & (STATUS_BSY | STATUS_DRQ) && !resets) return;
    drive.port.command(code);
  }

  /** Both devices run it, whichever is selected; device 0 interrupts (6.12). */
  private diagnose(): void {
    for (const drive of this.drives) {
      drive?.port.beginReset();
      drive?.port.finishReset();
    }
    this.select = 0;
    this.drives[0]?.port.raiseInterrupt();
    this.updateInterrupt();
  }

  private writeControl(value: number): void {
    const before = this.control;
    this.control = value;
    if (value & ~before & CONTROL_SRST) {
      for (const drive of this.drives) drive?.port.beginReset();
    } else if (before & ~value & CONTROL_SRST) {
      for (const drive of this.drives) drive?.port.finishReset();
      this.select = 0;
    }
    this.updateInterrupt();
  }

  private get level(): boolean {
    return (this.control & CONTROL_NIEN) === 0 && (this.selected?.s.intrq ?? false);
  }

  private updateInterrupt(): void {
    const level = this.level;
    if (level === this.line) return;
    this.line = level;
    if (level) this.busMaster.interruptRose();
    this.irq.set(level);
  }
}
