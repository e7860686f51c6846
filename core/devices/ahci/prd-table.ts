/**
 * The physical region descriptors of one AHCI command.
 * Document: AHCI 1.3.1, section 4.2.3.3.
 */
import type { GuestMemory } from '../../hw';
import type { DmaEngine } from '../ide';
import { MemoryPieces } from '../memory-pieces';
import { PRD_BYTES, PRD_COUNT_MASK, PRD_INTERRUPT, TABLE_PRDT } from './ahci-regs';

export interface PrdState {
  /** Command table, and how many descriptors it has; no table: 0 of them. */
  table: number;
  length: number;
  /** Descriptor at work, bytes of it that are done, and all bytes moved. */
  index: number;
  offset: number;
  moved: number;
  /** There was more data than descriptors. */
  overflow: boolean;
  /** There was less data in the descriptors than the device wants. */
  starved: boolean;
  /** A descriptor that is done has its interrupt bit set. */
  interrupt: boolean;
}

/** Moves data between a drive's buffer and guest memory. Every descriptor is at least one byte long, so that the walk is bounded by the transfer. */
export class PrdTable implements DmaEngine {
  s: PrdState = idle();
  /** A command is at work. */
  active = false;
  /** Set by the port: the device wants more than the descriptors have. */
  onStarved: () => void = () => {};

  constructor(private readonly memory: GuestMemory) {}

  begin(table: number, length: number): void {
    this.s = { ...idle(), table, length };
    this.active = true;
  }

  end(): void {
    this.active = false;
  }

  /** What finds no room is lost, and the port reports an overflow (PxIS.OFS). */
  toMemory(buffer: Uint8Array, from: number, to: number): number {
    const moved = this.walk(from, to, (gpa, at, length) => {
      this.memory.write(gpa, buffer.subarray(at, at + length));
    });
    if (moved < to - from) this.s.overflow = true;
    return to - from;
  }

  fromMemory(buffer: Uint8Array, from: number, to: number): number {
    const moved = this.walk(from, to, (gpa, at, length) => {
      this.memory.readInto(gpa, buffer.subarray(at, at + length));
    });
    if (moved < to - from) {
      this.s.starved = true;
      this.onStarved();
    }
    return moved;
  }

  pieces(bytes: number): MemoryPieces | undefined {
    const before = { ...this.s };
    const pieces = new MemoryPieces(this.memory);
    const found = this.walk(0, bytes, (gpa, _at, length) => pieces.add(gpa, length));
    this.s = before;
    return found === bytes ? pieces : undefined;
  }

  skip(bytes: number): boolean {
    if (!this.active) return false;
    const before = { ...this.s };
    if (this.walk(0, bytes, () => undefined) === bytes) return true;
    this.s = before;
    return false;
  }

  private walk(
    from: number,
    to: number,
    move: (gpa: number, at: number, length: number) => void,
  ): number {
    const { s, memory } = this;
    let at = from;
    while (at < to && s.index < s.length) {
      const entry = s.table + TABLE_PRDT + s.index * PRD_BYTES;
      const base = (memory.readU32(entry) & ~1) >>> 0;
      const gpa = base + memory.readU32(entry + 4) * 0x1_0000_0000;
      const count = memory.readU32(entry + 12);
      const size = (count & PRD_COUNT_MASK) + 1;
      // The guest may shrink a descriptor under our hands.
      const length = Math.min(Math.max(size - s.offset, 0), to - at);
      move(gpa + s.offset, at, length);
      at += length;
      s.offset += length;
      s.moved += length;
      if (s.offset < size) continue;
      if (count & PRD_INTERRUPT) s.interrupt = true;
      s.index++;
      s.offset = 0;
    }
    return at - from;
  }
}

function idle(): PrdState {
  return {
    table: 0,
    length: 0,
    index: 0,
    offset: 0,
    moved: 0,
    overflow: false,
    starved: false,
    interrupt: false,
  };
}
