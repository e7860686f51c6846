/**
 * Time of day: the tick of INT 08h, INT 70h, INT 1Ah AH=00h to 07h.
 * Spec: IBM PS/2 and PC BIOS Interface Technical Reference (1991); Motorola MC146818A.
 */
import type { GuestMemory, SystemBus } from '../../../hw';
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import { CENTURY, type Cmos, fromBcd, STATUS_A, STATUS_B, STATUS_C, toBcd } from './cmos';

/** Ticks of 1193182 / 65536 Hz in 24 hours. */
const TICKS_PER_DAY = 0x1800b0;
const UPDATE_IN_PROGRESS = 0x80;
const SET = 0x80;
const ALARM_INTERRUPT = 0x20;
const BINARY = 0x04;
const SECONDS = 0x00;
const MINUTES = 0x02;
const HOURS = 0x04;
const DAY = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;

export class TimeOfDay {
  constructor(
    private readonly memory: GuestMemory,
    private readonly bus: SystemBus,
    private readonly cmos: Cmos,
  ) {}

  /** Sets the tick count from the RTC, at POST. */
  initialize(): void {
    const seconds =
      fromBcd(this.readBcd(SECONDS)) +
      60 * fromBcd(this.readBcd(MINUTES)) +
      3600 * fromBcd(this.readBcd(HOURS));
    this.memory.writeU32(bda.TICKS, Math.floor((seconds * 1193182) / 65536) % TICKS_PER_DAY);
    this.memory.writeU8(bda.MIDNIGHT, 0);
  }

  /** INT 08h. */
  tick(): void {
    const ticks = this.memory.readU32(bda.TICKS) + 1;
    if (ticks >= TICKS_PER_DAY) {
      this.memory.writeU32(bda.TICKS, 0);
      this.memory.writeU8(bda.MIDNIGHT, Math.min(this.memory.readU8(bda.MIDNIGHT) + 1, 0xff));
    } else this.memory.writeU32(bda.TICKS, ticks);
  }

  /** INT 70h: returns the RTC's interrupt flags. */
  acknowledge(): number {
    const flags = this.cmos.read(STATUS_C);
    this.cmos.enableNmi();
    return flags;
  }

  /** A date or time register as BCD whatever the RTC's data mode is. */
  private readBcd(register: number): number {
    const value = this.cmos.read(register);
    return (this.cmos.read(STATUS_B) & BINARY) !== 0 ? toBcd(value) : value;
  }

  private writeBcd(register: number, value: number): void {
    this.cmos.write(register, (this.cmos.read(STATUS_B) & BINARY) !== 0 ? fromBcd(value) : value);
  }

  private get updating(): boolean {
    return (this.cmos.read(STATUS_A) & UPDATE_IN_PROGRESS) !== 0;
  }

  /** INT 1Ah except PCI; unknown functions return with carry set. */
  handle(call: ServiceCall): void {
    const { memory, cmos } = this;
    call.carry = false;
    switch (call.ah) {
      case 0x00: {
        const ticks = memory.readU32(bda.TICKS);
        call.dx = ticks;
        call.cx = ticks >>> 16;
        call.al = memory.readU8(bda.MIDNIGHT);
        memory.writeU8(bda.MIDNIGHT, 0);
        return;
      }
      case 0x01:
        memory.writeU32(bda.TICKS, ((call.cx << 16) | call.dx) >>> 0);
        memory.writeU8(bda.MIDNIGHT, 0);
        return;
      case 0x02:
        call.carry = this.updating;
        call.ch = this.readBcd(HOURS);
        call.cl = this.readBcd(MINUTES);
        call.dh = this.readBcd(SECONDS);
        call.dl = cmos.read(STATUS_B) & 1;
        break;
      case 0x03: {
        const b = cmos.read(STATUS_B);
        cmos.write(STATUS_B, b | SET);
        this.writeBcd(HOURS, call.ch);
        this.writeBcd(MINUTES, call.cl);
        this.writeBcd(SECONDS, call.dh);
        cmos.write(STATUS_B, (b & 0x7e) | (call.dl & 1));
        break;
      }
      case 0x04:
        call.carry = this.updating;
        call.ch = this.readBcd(CENTURY);
        call.cl = this.readBcd(YEAR);
        call.dh = this.readBcd(MONTH);
        call.dl = this.readBcd(DAY);
        break;
      case 0x05: {
        const b = cmos.read(STATUS_B);
        cmos.write(STATUS_B, b | SET);
        this.writeBcd(CENTURY, call.ch);
        this.writeBcd(YEAR, call.cl);
        this.writeBcd(MONTH, call.dh);
        this.writeBcd(DAY, call.dl);
        cmos.write(STATUS_B, b & 0x7f);
        break;
      }
      case 0x06: {
        const b = cmos.read(STATUS_B);
        if ((b & ALARM_INTERRUPT) !== 0) {
          call.carry = true;
          break;
        }
        this.writeBcd(HOURS + 1, call.ch);
        this.writeBcd(MINUTES + 1, call.cl);
        this.writeBcd(SECONDS + 1, call.dh);
        this.bus.writePort(0xa1, 1, this.bus.readPort(0xa1, 1) & ~0x01);
        cmos.write(STATUS_B, (b & 0x7f) | ALARM_INTERRUPT);
        break;
      }
      case 0x07:
        cmos.write(STATUS_B, cmos.read(STATUS_B) & ~ALARM_INTERRUPT);
        break;
      default:
        call.carry = true;
        return;
    }
    cmos.enableNmi();
  }
}
