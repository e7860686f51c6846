/**
 * INT 15h: system services.
 * Specs: IBM PS/2 and PC BIOS Interface Technical Reference (1991); ACPI 6.5 section 15 (E820h); Ralf Brown's Interrupt
 * List, release 61 (E801h, 24xxh).
 * Missing: APM (53xxh answers "not present"), joystick, entering protected mode (89h).
 */
import type { Clock, GuestMemory, SystemBus } from '../../../hw';
import { EBDA_BASE, type MemoryMapEntry } from '../../memory-map';
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import { DONE, SPIN, WAIT } from '../rom-code';
import type { Cmos } from './cmos';
import { STATUS_B } from './cmos';
import type { PointingDevice } from '../input/mouse';

const SMAP = 0x534d_4150;
const UNSUPPORTED = 0x86;
const FAST_A20 = 0x92;
const TICK_NS = 54_925_400;
const PERIODIC_INTERRUPT = 0x40;

export interface Int15State {
  /** Virtual time when INT 15h AH=86h ends; 0 when none runs. */
  waitUntilNs: number;
  /** AH=83h: when to set bit 7 of the byte at `eventAddress`; 0 when none is pending. */
  eventAtNs: number;
  eventAddress: number;
}

export class Int15 {
  state: Int15State = { waitUntilNs: 0, eventAtNs: 0, eventAddress: 0 };
  /** Where conventional memory ends: lower while network boot services lie below the EBDA. */
  conventionalEnd = EBDA_BASE;

  constructor(
    private readonly memory: GuestMemory,
    private readonly bus: SystemBus,
    private readonly clock: Clock,
    private readonly cmos: Cmos,
    private readonly mouse: PointingDevice,
    private readonly map: readonly MemoryMapEntry[],
    private readonly configurationTable: number,
  ) {}

  /** Returns the ROM's next action. `retry` is true when the ROM traps again after WAIT or SPIN. */
  handle(call: ServiceCall, retry: boolean): number {
    switch (call.ah) {
      case 0x24:
        this.a20(call);
        return DONE;
      case 0x4f:
        call.carry = true;
        return DONE;
      case 0x83:
        this.eventWait(call);
        return DONE;
      case 0x85:
      case 0x90:
      case 0x91:
        call.ah = 0;
        call.carry = false;
        return DONE;
      case 0x86:
        return this.wait(call, retry);
      case 0x87:
        this.blockMove(call);
        return DONE;
      case 0x88: {
        // Kept below 64 MiB: callers of this function take more as garbage.
        const kib = this.extendedKib();
        call.ax = kib > 0xffff ? 0xfc00 : kib;
        call.carry = false;
        return DONE;
      }
      case 0x8a: {
        const kib = this.extendedKib();
        call.dx = kib >>> 16;
        call.ax = kib;
        call.carry = false;
        return DONE;
      }
      case 0xc0:
        call.setSegment('es', 0xf000);
        call.bx = this.configurationTable;
        call.ah = 0;
        call.carry = false;
        return DONE;
      case 0xc1:
        call.setSegment('es', EBDA_BASE >> 4);
        call.carry = false;
        return DONE;
      case 0xc2:
        this.mouse.handle(call);
        return DONE;
      case 0xe8:
        this.memorySize(call);
        return DONE;
      default:
        this.unsupported(call);
        return DONE;
    }
  }

  private unsupported(call: ServiceCall): void {
    call.ah = UNSUPPORTED;
    call.carry = true;
  }

  private a20(call: ServiceCall): void {
    const port = this.bus.readPort(FAST_A20, 1);
    call.carry = false;
    switch (call.al) {
      case 0x00:
        this.bus.writePort(FAST_A20, 1, port & ~0x03);
        break;
      case 0x01:
        this.bus.writePort(FAST_A20, 1, (port & ~0x01) | 0x02);
        break;
      case 0x02:
        call.al = (port >> 1) & 1;
        break;
      case 0x03:
        call.bx = 0x0003;
        break;
      default:
        this.unsupported(call);
        return;
    }
    call.ah = 0;
  }

  /** KiB of RAM from 1 MiB up. */
  private extendedKib(): number {
    return this.map.find((e) => e.base === 0x10_0000)!.length / 1024;
  }

  /** AH=86h: CX:DX microseconds. Long waits sleep from interrupt to interrupt, the rest spins. */
  private wait(call: ServiceCall, retry: boolean): number {
    const { now } = this.clock;
    if (!retry) {
      if (this.state.waitUntilNs > now) {
        call.ah = 0x83;
        call.carry = true;
        return DONE;
      }
      this.state.waitUntilNs = now + (call.cx * 0x10000 + call.dx) * 1000;
    }
    const left = this.state.waitUntilNs - now;
    if (left > TICK_NS) return WAIT;
    if (left > 0) return SPIN;
    this.state.waitUntilNs = 0;
    call.carry = false;
    return DONE;
  }

  /** AH=83h: AL=0 sets bit 7 of ES:BX after CX:DX microseconds; AL=1 cancels. Driven by the RTC's periodic interrupt. */
  private eventWait(call: ServiceCall): void {
    if (call.al === 1) {
      this.endEvent();
      call.carry = false;
      return;
    }
    if (call.al !== 0) return this.unsupported(call);
    if (this.state.eventAtNs !== 0) {
      call.carry = true;
      return;
    }
    this.state.eventAddress = call.linear('es', call.bx);
    this.state.eventAtNs = this.clock.now + (call.cx * 0x10000 + call.dx) * 1000 + 1;
    this.memory.writeU8(bda.RTC_WAIT_FLAG, 1);
    this.cmos.write(STATUS_B, this.cmos.read(STATUS_B) | PERIODIC_INTERRUPT);
    this.bus.writePort(0xa1, 1, this.bus.readPort(0xa1, 1) & ~0x01);
    this.cmos.enableNmi();
    call.carry = false;
  }

  private endEvent(): void {
    this.state.eventAtNs = 0;
    this.memory.writeU8(bda.RTC_WAIT_FLAG, 0);
    this.cmos.write(STATUS_B, this.cmos.read(STATUS_B) & ~PERIODIC_INTERRUPT);
    this.cmos.enableNmi();
  }

  /** INT 70h with a periodic interrupt. */
  onPeriodic(): void {
    if (this.state.eventAtNs === 0 || this.clock.now < this.state.eventAtNs) return;
    this.memory.writeU8(
      this.state.eventAddress,
      this.memory.readU8(this.state.eventAddress) | 0x80,
    );
    this.endEvent();
  }

  /** AH=87h: CX words from the base of GDT descriptor 10h to that of 18h. */
  private blockMove(call: ServiceCall): void {
    const gdt = call.linear('es', call.si);
    const base = (descriptor: number): number => {
      const at = gdt + descriptor;
      return (
        (call.memory.readU8(at + 7) * 2 ** 24 + (call.memory.readU32(at + 2) & 0xff_ffff)) >>> 0
      );
    };
    const bytes = Math.min(call.cx, 0x8000) * 2;
    this.memory.write(base(0x18), this.memory.read(base(0x10), bytes));
    call.ah = 0;
    call.carry = false;
  }

  private memorySize(call: ServiceCall): void {
    const kib = this.extendedKib();
    const below16M = Math.min(kib, 0x3c00);
    const above16M = Math.max(0, Math.floor((kib - 0x3c00) / 64));
    switch (call.al) {
      case 0x01:
        call.ax = call.cx = below16M;
        call.bx = call.dx = above16M;
        call.carry = false;
        return;
      case 0x20:
        return this.systemMap(call);
      case 0x81:
        call.registers.set32('rax', below16M);
        call.registers.set32('rcx', below16M);
        call.registers.set32('rbx', above16M);
        call.registers.set32('rdx', above16M);
        call.carry = false;
        return;
      default:
        this.unsupported(call);
    }
  }

  private systemMap(call: ServiceCall): void {
    const { registers } = call;
    const index = registers.get32('rbx');
    const entry = this.map[index];
    if (registers.get32('rdx') !== SMAP || registers.get32('rcx') < 20 || !entry)
      return this.unsupported(call);
    const at = call.linear('es', call.di);
    const taken = EBDA_BASE - this.conventionalEnd;
    const base = entry.base === EBDA_BASE ? this.conventionalEnd : entry.base;
    const length =
      entry.length + (entry.base === 0 ? -taken : entry.base === EBDA_BASE ? taken : 0);
    call.memory.writeU32(at, base);
    call.memory.writeU32(at + 4, Math.floor(base / 2 ** 32));
    call.memory.writeU32(at + 8, length);
    call.memory.writeU32(at + 12, Math.floor(length / 2 ** 32));
    call.memory.writeU32(at + 16, entry.type);
    registers.set32('rbx', index + 1 < this.map.length ? index + 1 : 0);
    registers.set32('rax', SMAP);
    registers.set32('rcx', 20);
    call.carry = false;
  }
}
