/**
 * Memory as a BIOS service sees it: linear addresses of the interrupted program, with the bus between 640 KiB and 1 MiB.
 * With paging on (virtual-8086 mode under a memory manager) addresses go through 32-bit or PAE page tables
 * (SDM 3A 4.3 and 4.4); an address that is not mapped reads as all ones and ignores writes.
 */
import type { GuestMemory, RegisterAccess, SystemBus } from '../../hw';

const CR0_PG = 1n << 31n;
const CR4_PSE = 1n << 4n;
const CR4_PAE = 1n << 5n;
const PRESENT = 1;
const LARGE = 0x80;
/** VGA memory, option ROMs and the shadowed system ROM: what answers there is the bus's business. */
const BUS_START = 0xa0000;
const BUS_END = 0x100000;

function isBus(gpa: number): boolean {
  return gpa >= BUS_START && gpa < BUS_END;
}

export class BiosMemory {
  constructor(
    readonly physical: GuestMemory,
    private readonly bus: SystemBus,
    private readonly registers: RegisterAccess,
  ) {}

  /** The physical address of a linear one, or -1. */
  private translate(linear: number): number {
    if ((this.registers.cr0 & CR0_PG) === 0n) return linear;
    const { physical, registers } = this;
    if ((registers.cr4 & CR4_PAE) !== 0n) {
      let entry = physical.readU64(Number(registers.cr3 & 0xffff_ffe0n) + (linear >>> 30) * 8);
      if ((entry & 1n) === 0n) return -1;
      entry = physical.readU64(frame(entry) + ((linear >>> 21) & 0x1ff) * 8);
      if ((entry & 1n) === 0n) return -1;
      if ((entry & 0x80n) !== 0n) return (frame(entry) & ~0x1fffff) + (linear & 0x1fffff);
      entry = physical.readU64(frame(entry) + ((linear >>> 12) & 0x1ff) * 8);
      return (entry & 1n) === 0n ? -1 : frame(entry) + (linear & 0xfff);
    }
    const directory = physical.readU32(Number(registers.cr3 & 0xffff_f000n) + (linear >>> 22) * 4);
    if ((directory & PRESENT) === 0) return -1;
    if ((directory & LARGE) !== 0 && (registers.cr4 & CR4_PSE) !== 0n)
      return (directory & 0xffc0_0000) + (linear & 0x3f_ffff);
    const table = physical.readU32(
      ((directory & 0xffff_f000) >>> 0) + ((linear >>> 12) & 0x3ff) * 4,
    );
    return (table & PRESENT) === 0 ? -1 : ((table & 0xffff_f000) >>> 0) + (linear & 0xfff);
  }

  readU8(linear: number): number {
    const gpa = this.translate(linear);
    if (gpa < 0) return 0xff;
    return isBus(gpa) ? this.bus.readMmio(gpa, 1) & 0xff : this.physical.readU8(gpa);
  }

  writeU8(linear: number, value: number): void {
    const gpa = this.translate(linear);
    if (gpa < 0) return;
    if (isBus(gpa)) this.bus.writeMmio(gpa, 1, value & 0xff);
    else this.physical.writeU8(gpa, value & 0xff);
  }

  readU16(linear: number): number {
    return this.readU8(linear) | (this.readU8(linear + 1) << 8);
  }

  writeU16(linear: number, value: number): void {
    this.writeU8(linear, value);
    this.writeU8(linear + 1, value >>> 8);
  }

  readU32(linear: number): number {
    return (this.readU16(linear) | (this.readU16(linear + 2) << 16)) >>> 0;
  }

  writeU32(linear: number, value: number): void {
    this.writeU16(linear, value);
    this.writeU16(linear + 2, value >>> 16);
  }

  read(linear: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    this.chunks(linear, length, (gpa, offset, count) => {
      if (gpa < 0) bytes.fill(0xff, offset, offset + count);
      else if (isBus(gpa))
        for (let i = 0; i < count; i++) bytes[offset + i] = this.bus.readMmio(gpa + i, 1);
      else bytes.set(this.physical.read(gpa, count), offset);
    });
    return bytes;
  }

  write(linear: number, bytes: Uint8Array): void {
    this.chunks(linear, bytes.length, (gpa, offset, count) => {
      if (gpa < 0) return;
      if (isBus(gpa))
        for (let i = 0; i < count; i++) this.bus.writeMmio(gpa + i, 1, bytes[offset + i]);
      else this.physical.write(gpa, bytes.subarray(offset, offset + count));
    });
  }

  /** Cuts a range at page borders. */
  private chunks(
    linear: number,
    length: number,
    visit: (gpa: number, offset: number, count: number) => void,
  ): void {
    for (let offset = 0; offset < length;) {
      const count = Math.min(length - offset, 0x1000 - ((linear + offset) & 0xfff));
      visit(this.translate((linear + offset) >>> 0), offset, count);
      offset += count;
    }
  }
}

function frame(entry: bigint): number {
  return Number(entry & 0xffff_ffff_f000n);
}
