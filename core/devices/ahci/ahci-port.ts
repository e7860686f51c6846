/**
 * One AHCI port: command list, received FISes, task file commands, native command queuing, resets.
 * Documents: AHCI 1.3.1, sections 3.3, 5 and 6; Serial ATA 3.0, sections 10 and 13.6.
 * Missing: port multipliers, power states, hot-plug of whole drives.
 */
import type { GuestMemory } from '../../hw';
import {
  ATA_DEVICE,
  ATA_ERROR_FEATURES,
  ATA_LBA_HIGH,
  ATA_LBA_LOW,
  ATA_LBA_MID,
  ATA_SECTOR_COUNT,
  CONTROL_SRST,
  ERROR_ABRT,
  EXECUTE_DEVICE_DIAGNOSTIC,
  READ_FPDMA_QUEUED,
  STATUS_BSY,
  STATUS_DRDY,
  STATUS_DRQ,
  STATUS_DSC,
  STATUS_ERR,
  WRITE_FPDMA_QUEUED,
} from '../ide/ata-regs';
import type { IdeDrive } from '../ide';
import * as r from './ahci-regs';
import { PrdTable, type PrdState } from './prd-table';

const FIS_BYTES = 20;
const SDB_BYTES = 8;
const PACKET_BYTES = 12;
const DEVICE_FUA = 0x80;

export interface AhciPortState {
  /** PxCLB, PxCLBU, PxFB, PxFBU. */
  clb: [number, number];
  fb: [number, number];
  is: number;
  ie: number;
  cmd: number;
  sig: number;
  sctl: number;
  serr: number;
  sact: number;
  ci: number;
  /** Slot whose command is at work, -1 none; last one that was. */
  slot: number;
  lastSlot: number;
  /** An error stopped the port until ST is cleared (6.2.2). */
  halted: boolean;
  /** The device wants to tell its signature, and the host does not receive FISes yet. */
  signatureDue: boolean;
  /** The command is PACKET and its packet has not been sent. */
  packetDue: boolean;
  prd: PrdState;
  prdActive: boolean;
  drive: object | null;
}

export interface AhciPortWires {
  readonly memory: GuestMemory;
  /** PxIS or PxIE changed. */
  onInterrupt(): void;
}

export class AhciPort {
  readonly counters = { commands: 0, queued: 0, errors: 0 };
  private s = powerOn();
  private readonly prd: PrdTable;
  private drive: IdeDrive | undefined;
  private pumping = false;
  /** Slots whose queued commands the drive has. */
  private flying = 0;

  constructor(private readonly wires: AhciPortWires) {
    this.prd = new PrdTable(wires.memory);
    this.prd.onStarved = () => {
      if (!this.pumping) this.pump(() => undefined);
    };
  }

  attach(drive: IdeDrive): void {
    this.drive = drive;
    drive.setUnit(0);
    drive.port.dma = this.prd;
    drive.port.onInterrupt = () => this.driveInterrupt();
    this.reset();
  }

  /** HBA reset and power-on. */
  reset(): void {
    this.s = powerOn();
    this.prd.end();
    if (this.drive) this.resetDrive();
    this.s.serr = 0;
    this.wires.onInterrupt();
  }

  /** PxIS and PxIE: the port wants an interrupt. */
  get pending(): boolean {
    return (this.interruptStatus & this.s.ie) !== 0;
  }

  save(): AhciPortState {
    const { clb, fb } = this.s;
    return {
      ...this.s,
      clb: [...clb],
      fb: [...fb],
      prd: { ...this.prd.s },
      prdActive: this.prd.active,
      drive: this.drive?.save() ?? null,
    };
  }

  /** Queued commands that were under way are made again. */
  restore(state: AhciPortState): void {
    const { prd, prdActive, drive, ...registers } = state;
    this.s = { ...registers, clb: [...registers.clb], fb: [...registers.fb] };
    this.prd.s = { ...prd };
    this.prd.active = prdActive;
    if (drive) this.drive?.restore(drive);
    this.flying = 0;
    const { sact, ci } = this.s;
    for (let slot = 0; slot < r.SLOTS; slot++)
      if (sact & ~ci & (1 << slot)) this.queued(slot, this.readFis(slot));
  }

  // --- Registers

  read(offset: number): number {
    const { s } = this;
    switch (offset) {
      case r.PXCLB:
      case r.PXCLBU:
        return s.clb[(offset - r.PXCLB) >> 2];
      case r.PXFB:
      case r.PXFBU:
        return s.fb[(offset - r.PXFB) >> 2];
      case r.PXIS:
        return this.interruptStatus;
      case r.PXIE:
        return s.ie;
      case r.PXCMD:
        return this.command;
      case r.PXTFD: {
        const port = this.drive?.port.s;
        return port ? (port.error << 8) | port.status : r.TFD_NONE;
      }
      case r.PXSIG:
        return s.sig;
      case r.PXSSTS:
        return this.status;
      case r.PXSCTL:
        return s.sctl;
      case r.PXSERR:
        return s.serr;
      case r.PXSACT:
        return s.sact >>> 0;
      case r.PXCI:
        return s.ci >>> 0;
      default:
        return 0;
    }
  }

  write(offset: number, value: number): void {
    const { s } = this;
    switch (offset) {
      case r.PXCLB:
        s.clb[0] = (value & ~0x3ff) >>> 0;
        return;
      case r.PXCLBU:
        s.clb[1] = value;
        return;
      case r.PXFB:
        s.fb[0] = (value & ~0xff) >>> 0;
        return;
      case r.PXFBU:
        s.fb[1] = value;
        return;
      case r.PXIS:
        s.is = (s.is & ~value) >>> 0;
        return this.wires.onInterrupt();
      case r.PXIE:
        s.ie = (value & r.PXIE_MASK) >>> 0;
        return this.wires.onInterrupt();
      case r.PXCMD:
        return this.writeCommand(value);
      case r.PXSCTL:
        return this.writeControl(value);
      case r.PXSERR:
        s.serr = (s.serr & ~value) >>> 0;
        return this.wires.onInterrupt();
      case r.PXSACT:
        if (s.cmd & r.PXCMD_ST) s.sact |= value;
        return;
      case r.PXCI:
        if (!(s.cmd & r.PXCMD_ST)) return;
        s.ci |= value;
        return this.issue();
    }
  }

  private get interruptStatus(): number {
    const { is, serr } = this.s;
    const pcs = serr & r.SERR_DIAG_X ? r.PXIS_PCS : 0;
    const prcs = serr & r.SERR_DIAG_N ? r.PXIS_PRCS : 0;
    return (is | pcs | prcs) >>> 0;
  }

  private get command(): number {
    const { cmd, slot } = this.s;
    const running = (cmd & r.PXCMD_ST ? r.PXCMD_CR : 0) | (cmd & r.PXCMD_FRE ? r.PXCMD_FR : 0);
    return (cmd | running | (slot >= 0 ? slot << 8 : 0) | r.PXCMD_SUD | r.PXCMD_POD) >>> 0;
  }

  private get status(): number {
    if ((this.s.sctl & r.SCTL_DET) === r.SCTL_DET_OFFLINE) return r.SSTS_OFFLINE;
    return this.drive && (this.s.sctl & r.SCTL_DET) === 0 ? r.SSTS_UP : 0;
  }

  private writeCommand(value: number): void {
    const { s } = this;
    const before = s.cmd;
    s.cmd = (value & r.PXCMD_WRITABLE) >>> 0;
    if (before & ~s.cmd & r.PXCMD_ST) {
      // Clearing ST forgets all commands (3.3.14); one at work goes on in the device until a reset.
      s.ci = s.sact = 0;
      s.slot = -1;
      s.halted = false;
      this.prd.end();
    }
    if (value & r.PXCMD_CLO) {
      this.drive?.port.abandon();
      this.flying = 0;
    }
    if (s.cmd & r.PXCMD_FRE && s.signatureDue) this.postSignature();
    if (s.cmd & ~before & r.PXCMD_ST) this.issue();
  }

  /** COMRESET: DET 1 and back to 0 (10.4.2). */
  private writeControl(value: number): void {
    const before = this.s.sctl & r.SCTL_DET;
    this.s.sctl = value & 0xfff;
    if (!this.drive || before !== r.SCTL_DET_COMRESET || value & r.SCTL_DET) return;
    this.s.slot = -1;
    this.s.ci = this.s.sact = 0;
    this.prd.end();
    this.resetDrive();
  }

  private resetDrive(): void {
    this.drive?.port.reset();
    this.flying = 0;
    this.s.halted = false;
    this.s.serr |= r.SERR_DIAG_X;
    this.postSignature();
    this.wires.onInterrupt();
  }

  /** After a reset the device tells what it is with a D2H FIS (9.1 of the AHCI, 5.3.8.2). */
  private postSignature(): void {
    const { s, drive } = this;
    if (!drive) return;
    s.sig = drive.kind === 'ata' ? r.SIG_ATA : r.SIG_ATAPI;
    s.signatureDue = (s.cmd & r.PXCMD_FRE) === 0;
    if (!s.signatureDue) this.postFis(r.RFIS_D2H, this.registerFis(0));
  }

  // --- Commands

  private get isBusy(): boolean {
    const status = this.drive?.port.s.status ?? STATUS_BSY;
    return this.s.slot >= 0 || (status & (STATUS_BSY | STATUS_DRQ)) !== 0;
  }

  /** Starts commands as long as the device takes them. */
  private issue(): void {
    const { s } = this;
    // A command that ends at once makes room for the next: no more of them than slots in a go.
    for (let i = 0; i < r.SLOTS; i++) {
      if (s.ci === 0 || s.halted || !(s.cmd & r.PXCMD_ST) || !this.drive || this.isBusy) return;
      let slot = s.lastSlot;
      do slot = (slot + 1) % r.SLOTS;
      while (!(s.ci & (1 << slot)));
      s.lastSlot = slot;
      this.start(slot);
    }
  }

  private header(slot: number): number {
    return this.s.clb[0] + this.s.clb[1] * 0x1_0000_0000 + slot * r.HEADER_BYTES;
  }

  private table(slot: number): number {
    const { memory } = this.wires;
    const header = this.header(slot);
    return (
      ((memory.readU32(header + 8) & ~0x7f) >>> 0) + memory.readU32(header + 12) * 0x1_0000_0000
    );
  }

  private readFis(slot: number): Uint8Array {
    return this.wires.memory.read(this.table(slot), FIS_BYTES);
  }

  private start(slot: number): void {
    const { s, drive } = this;
    if (!drive) return;
    const fis = this.readFis(slot);
    if (fis[0] !== r.FIS_H2D) return this.refuse(slot);
    if (!(fis[1] & r.FIS_COMMAND)) return this.control(slot, fis);
    if (fis[2] === READ_FPDMA_QUEUED || fis[2] === WRITE_FPDMA_QUEUED) {
      s.ci &= ~(1 << slot);
      return this.queued(slot, fis);
    }
    this.counters.commands++;
    const length = this.wires.memory.readU32(this.header(slot)) >>> 16;
    this.prd.begin(this.table(slot), length);
    s.slot = slot;
    s.packetDue = drive.kind === 'atapi';
    loadTaskFile(drive, fis);
    this.pump(() => {
      if (fis[2] !== EXECUTE_DEVICE_DIAGNOSTIC) return drive.port.command(fis[2]);
      drive.port.beginReset();
      drive.port.finishReset();
    });
  }

  /** A FIS that is none: the port stops as for a fatal error. */
  private refuse(slot: number): void {
    const { drive } = this;
    if (!drive) return;
    this.s.slot = slot;
    this.abort(drive);
    this.finish();
  }

  /** The error of a command that the port ends, not the drive. */
  private abort({ port }: IdeDrive): void {
    this.pumping = true;
    port.fail(ERROR_ABRT);
    port.lowerInterrupt();
    this.pumping = false;
  }

  /** The control register: soft reset (Serial ATA 11.4). */
  private control(slot: number, fis: Uint8Array): void {
    const { s, drive } = this;
    s.ci &= ~(1 << slot);
    if (!drive) return;
    if (fis[15] & CONTROL_SRST) {
      drive.port.beginReset();
      this.flying = 0;
      // The HBA has been told to take the device as ready (C of the header): the second FIS follows.
      drive.port.s.status &= ~STATUS_BSY;
      return;
    }
    drive.port.finishReset();
    this.postSignature();
    this.raise(r.PXIS_DHRS);
  }

  /** INTRQ of the drive: data is wanted or there, or the command is over. */
  private driveInterrupt(): void {
    if (!this.drive?.port.s.intrq || this.pumping) return;
    this.pump(() => undefined);
    this.issue();
  }

  /** Runs the drive until it is busy with its image or done. */
  private pump(first: () => void): void {
    const { drive } = this;
    if (!drive) return;
    const { port } = drive;
    this.pumping = true;
    first();
    port.lowerInterrupt();
    // Every round moves a DRQ block of the command.
    while (this.s.slot >= 0 && port.s.status & STATUS_DRQ) {
      if (!this.moveBlock(drive)) break;
      port.lowerInterrupt();
    }
    this.pumping = false;
    if (this.s.slot < 0) return;
    if (this.prd.s.starved) {
      // A write whose table is too short can never end.
      port.abandon();
      this.abort(drive);
    }
    if (!(port.s.status & (STATUS_BSY | STATUS_DRQ))) this.finish();
  }

  private moveBlock(drive: IdeDrive): boolean {
    const { prd, s } = this;
    const { port } = drive;
    const { buffer, position, end, direction } = port.s;
    if (direction === 'in') {
      prd.toMemory(buffer, position, end);
      this.postPioSetup(drive, end - position);
    } else if (s.packetDue) {
      s.packetDue = false;
      const packet = this.wires.memory.read(this.table(s.slot) + r.TABLE_ACMD, PACKET_BYTES);
      buffer.set(packet.subarray(0, end - position), position);
    } else if (prd.fromMemory(buffer, position, end) < end - position) return false;
    port.blockMoved();
    return true;
  }

  /** The command is over: byte count, FIS, interrupt; an error stops the port (6.2.2.1). */
  private finish(): void {
    const { s, drive, prd } = this;
    if (!drive) return;
    const { slot } = s;
    const { status } = drive.port.s;
    this.wires.memory.writeU32(this.header(slot) + r.HEADER_PRDBC, prd.s.moved);
    prd.end();
    s.slot = -1;
    let causes = (prd.s.overflow ? r.PXIS_OFS : 0) | (prd.s.interrupt ? r.PXIS_DPS : 0);
    const isError = (status & STATUS_ERR) !== 0;
    if (isError) {
      this.counters.errors++;
      s.halted = true;
      causes |= r.PXIS_TFES;
    } else s.ci &= ~(1 << slot);
    // PIO to the host ends with its last PIO Setup FIS, everything else with a D2H FIS.
    const isPioIn = drive.kind === 'ata' && this.pioIn && !isError;
    this.pioIn = false;
    if (!isPioIn) {
      this.postFis(r.RFIS_D2H, this.registerFis(r.FIS_INTERRUPT));
      causes |= r.PXIS_DHRS;
    } else causes |= r.PXIS_PSS;
    this.raise(causes);
  }

  /** The command has sent data by PIO. */
  private pioIn = false;

  // --- Native command queuing

  private queued(slot: number, fis: Uint8Array): void {
    const { drive, s } = this;
    const tag = fis[12] >> 3;
    const bit = 1 << slot;
    if (!drive?.queue || tag !== slot || !(s.sact & bit) || this.flying & bit)
      return this.refuse(slot);
    this.flying |= bit;
    this.counters.queued++;
    const prd = new PrdTable(this.wires.memory);
    prd.begin(this.table(slot), this.wires.memory.readU32(this.header(slot)) >>> 16);
    const lba =
      fis[4] +
      fis[5] * 0x100 +
      fis[6] * 0x1_0000 +
      fis[8] * 0x100_0000 +
      (fis[9] + fis[10] * 0x100) * 0x1_0000_0000;
    drive.queue({
      tag,
      write: fis[2] === WRITE_FPDMA_QUEUED,
      durable: (fis[7] & DEVICE_FUA) !== 0,
      lba,
      sectors: fis[3] | (fis[11] << 8) || 0x10000,
      pieces: (bytes) => prd.pieces(bytes),
      moved: (bytes) => void prd.skip(bytes),
      toHost: (data) => void prd.toMemory(data, 0, data.length),
      fromHost: (target) => prd.fromMemory(target, 0, target.length) === target.length,
      done: (error) => this.queuedDone(slot, prd, error),
    });
  }

  /** Set Device Bits FIS: which queued commands are over (Serial ATA 10.3.5). */
  private queuedDone(slot: number, prd: PrdTable, error: number): void {
    const { s, drive } = this;
    // An error ends the whole queue.
    this.flying = error ? 0 : this.flying & ~(1 << slot);
    if (!drive || !(s.sact & (1 << slot))) return;
    this.wires.memory.writeU32(this.header(slot) + r.HEADER_PRDBC, prd.s.moved);
    const { port } = drive;
    port.s.status = STATUS_DRDY | STATUS_DSC | (error ? STATUS_ERR : 0);
    port.s.error = error;
    const done = error ? 0 : 1 << slot;
    s.sact &= ~done;
    const fis = new Uint8Array(SDB_BYTES);
    fis.set([r.FIS_SDB, r.FIS_INTERRUPT, port.s.status & 0x77, error]);
    new DataView(fis.buffer).setInt32(4, done, true);
    this.postFis(r.RFIS_SDB, fis);
    if (error) {
      this.counters.errors++;
      s.halted = true;
    }
    this.raise(r.PXIS_SDBS | (error ? r.PXIS_TFES : 0) | (prd.s.overflow ? r.PXIS_OFS : 0));
  }

  // --- FISes and interrupts

  private raise(causes: number): void {
    this.s.is = (this.s.is | causes) >>> 0;
    this.wires.onInterrupt();
  }

  private postFis(offset: number, fis: Uint8Array): void {
    const { fb, cmd } = this.s;
    if (!(cmd & r.PXCMD_FRE)) return;
    this.wires.memory.write(fb[0] + fb[1] * 0x1_0000_0000 + offset, fis);
  }

  private registerFis(flags: number): Uint8Array {
    const fis = new Uint8Array(FIS_BYTES);
    const port = this.drive?.port.s;
    if (!port) return fis;
    const [, count, low, mid, high] = port.current;
    const [, countUpper, lowUpper, midUpper, highUpper] = port.previous;
    fis.set([r.FIS_D2H, flags, port.status, port.error, low, mid, high, port.device]);
    fis.set([lowUpper, midUpper, highUpper, 0, count, countUpper], 8);
    return fis;
  }

  private postPioSetup(drive: IdeDrive, bytes: number): void {
    this.pioIn = true;
    const { port } = drive;
    const fis = this.registerFis(r.FIS_TO_HOST | r.FIS_INTERRUPT);
    fis[0] = r.FIS_PIO_SETUP;
    // E_STATUS: the status once the block has been moved.
    fis[15] = port.s.status & ~STATUS_DRQ;
    fis[16] = bytes & 0xff;
    fis[17] = bytes >> 8;
    this.postFis(r.RFIS_PIO_SETUP, fis);
  }
}

/** The task file as two writes of each register make it: the upper bytes of 48-bit commands first. */
function loadTaskFile(drive: IdeDrive, fis: Uint8Array): void {
  const { port } = drive;
  const registers: readonly (readonly [register: number, upper: number, lower: number])[] = [
    [ATA_ERROR_FEATURES, 11, 3],
    [ATA_SECTOR_COUNT, 13, 12],
    [ATA_LBA_LOW, 8, 4],
    [ATA_LBA_MID, 9, 5],
    [ATA_LBA_HIGH, 10, 6],
  ];
  for (const [register, upper, lower] of registers) {
    port.writeRegister(register, fis[upper]);
    port.writeRegister(register, fis[lower]);
  }
  port.writeRegister(ATA_DEVICE, fis[7]);
}

function powerOn(): Omit<AhciPortState, 'prd' | 'prdActive' | 'drive'> {
  return {
    clb: [0, 0],
    fb: [0, 0],
    is: 0,
    ie: 0,
    cmd: 0,
    sig: r.SIG_NONE,
    sctl: 0,
    serr: 0,
    sact: 0,
    ci: 0,
    slot: -1,
    lastSlot: r.SLOTS - 1,
    halted: false,
    signatureDue: false,
    packetDue: false,
  };
}
