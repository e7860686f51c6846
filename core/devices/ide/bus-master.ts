/**
 * IDE bus master of one channel: physical region descriptors, scatter-gather.
 * Document: Intel 82371SB (PIIX3) 290550-002, sections 2.6 and 3.5; "Programming Interface for Bus Master IDE
 * Controller" revision 1.0. Scope: BMIC, BMIS, BMIDTP. Missing: timing of the transfers.
 */
import type { GuestMemory } from '../../hw';
import { MemoryPieces } from '../memory-pieces';

// Registers, offsets in the 8 ports of a channel.
const BMIC = 0;
const BMIS = 2;
const BMIDTP = 4;
export const BUS_MASTER_PORTS = 8;

/** Start/stop bus master. */
const BMIC_SSBM = 0x01;
/** Direction: 1 moves data to memory. */
const BMIC_RWCON = 0x08;
const BMIS_ACTIVE = 0x01;
const BMIS_ERROR = 0x02;
const BMIS_INTERRUPT = 0x04;
const BMIS_DRIVE_BITS = 0x60;

const PRD_BYTES = 8;
const PRD_EOT = 0x8000_0000;
/** Byte count 0 stands for 64 KiB. */
const PRD_MAX_BYTES = 0x10000;

export interface BusMasterState {
  command: number;
  status: number;
  table: number;
  /** Next descriptor to fetch. */
  next: number;
  address: number;
  left: number;
  last: boolean;
}

/** The bus master as a drive sees it. */
export interface DmaEngine {
  /** The host started it and descriptors are left. */
  readonly active: boolean;
  /** Moves `from` to `to` of the buffer to memory; returns how many bytes the descriptors took. */
  toMemory(buffer: Uint8Array, from: number, to: number): number;
  /** Fills `from` to `to` of the buffer from memory; returns how many bytes the descriptors gave. */
  fromMemory(buffer: Uint8Array, from: number, to: number): number;
  /** Where the next `bytes` lie, which are not moved by that; undefined when the descriptors have not as many. */
  pieces(bytes: number): MemoryPieces | undefined;
  /** The next `bytes` were moved by way of `pieces`. False, and nothing is skipped: the descriptors have not as many, or the host stopped it. */
  skip(bytes: number): boolean;
}

export interface BusMasterWires {
  memory: GuestMemory;
  /** PCI command register, bus master enable. */
  enabled(): boolean;
  onStart(): void;
}

export class BusMaster implements DmaEngine {
  private s: BusMasterState = powerOn();

  constructor(private readonly wires: BusMasterWires) {}

  reset(): void {
    this.s = powerOn();
  }

  save(): BusMasterState {
    return { ...this.s };
  }

  restore(state: BusMasterState): void {
    this.s = { ...state };
  }

  readByte(offset: number): number {
    switch (offset) {
      case BMIC:
        return this.s.command;
      case BMIS:
        return this.s.status;
      default:
        return offset >= BMIDTP ? (this.s.table >>> (8 * (offset - BMIDTP))) & 0xff : 0;
    }
  }

  writeByte(offset: number, value: number): void {
    const s = this.s;
    if (offset === BMIC) this.writeCommand(value & (BMIC_SSBM | BMIC_RWCON));
    else if (offset === BMIS) {
      const cleared = value & (BMIS_ERROR | BMIS_INTERRUPT);
      s.status = (s.status & ~cleared & ~BMIS_DRIVE_BITS) | (value & BMIS_DRIVE_BITS);
    } else if (offset >= BMIDTP) {
      const shift = 8 * (offset - BMIDTP);
      s.table = (s.table & ~(0xff << shift)) | ((value & 0xff) << shift);
      s.table = (s.table & ~3) >>> 0;
    }
  }

  /** IDEINTS: set by the rising edge of the channel's interrupt (PIIX3 2.6.2). */
  interruptRose(): void {
    this.s.status |= BMIS_INTERRUPT;
  }

  get active(): boolean {
    return (this.s.status & BMIS_ACTIVE) !== 0 && this.wires.enabled();
  }

  toMemory(buffer: Uint8Array, from: number, to: number): number {
    return this.move(from, to, (gpa, at, length) => {
      this.wires.memory.write(gpa, buffer.subarray(at, at + length));
    });
  }

  fromMemory(buffer: Uint8Array, from: number, to: number): number {
    return this.move(from, to, (gpa, at, length) => {
      this.wires.memory.readInto(gpa, buffer.subarray(at, at + length));
    });
  }

  pieces(bytes: number): MemoryPieces | undefined {
    const before = { ...this.s };
    const pieces = new MemoryPieces(this.wires.memory);
    const found = this.move(0, bytes, (gpa, _at, length) => pieces.add(gpa, length));
    this.s = before;
    return found === bytes ? pieces : undefined;
  }

  skip(bytes: number): boolean {
    const before = { ...this.s };
    if (this.move(0, bytes, () => undefined) === bytes) return true;
    this.s = before;
    return false;
  }

  private writeCommand(value: number): void {
    const s = this.s;
    const started = (value & ~s.command & BMIC_SSBM) !== 0;
    s.command = value;
    if (started) {
      s.status |= BMIS_ACTIVE;
      s.next = s.table;
      s.left = 0;
      s.last = false;
      this.wires.onStart();
    } else if (!(value & BMIC_SSBM)) s.status &= ~BMIS_ACTIVE;
  }

  /** Walks the descriptors. Every descriptor moves at least two bytes, so that the walk is bounded by the transfer. */
  private move(
    from: number,
    to: number,
    copy: (gpa: number, at: number, length: number) => void,
  ): number {
    const s = this.s;
    let at = from;
    while (at < to && this.active) {
      if (s.left === 0 && !this.fetch()) break;
      const length = Math.min(s.left, to - at);
      copy(s.address, at, length);
      at += length;
      s.address = (s.address + length) >>> 0;
      s.left -= length;
    }
    if (s.left === 0 && s.last) s.status &= ~BMIS_ACTIVE;
    return at - from;
  }

  private fetch(): boolean {
    const s = this.s;
    if (s.last) {
      s.status &= ~BMIS_ACTIVE;
      return false;
    }
    const { memory } = this.wires;
    s.address = (memory.readU32(s.next) & ~1) >>> 0;
    const count = memory.readU32(s.next + 4);
    s.left = count & 0xfffe || PRD_MAX_BYTES;
    s.last = (count & PRD_EOT) !== 0;
    s.next = (s.next + PRD_BYTES) >>> 0;
    return true;
  }
}

function powerOn(): BusMasterState {
  return { command: 0, status: 0, table: 0, next: 0, address: 0, left: 0, last: false };
}
