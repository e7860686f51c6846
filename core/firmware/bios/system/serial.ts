/**
 * INT 14h: serial ports. INT 17h answers for printers that do not exist.
 * Specs: IBM PS/2 and PC BIOS Interface Technical Reference (1991); National NS16550A (1995).
 */
import type { Clock, GuestMemory, SystemBus } from '../../../hw';
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import { DONE, SPIN } from '../rom-code';

export const COM_BASES = [0x3f8, 0x2f8, 0x3e8, 0x2e8] as const;
const BAUD_DIVISORS = [1047, 768, 384, 192, 96, 48, 24, 12] as const;
const LCR_DLAB = 0x80;
const LSR_DATA_READY = 0x01;
const LSR_THR_EMPTY = 0x20;
const TIMEOUT = 0x80;
const TIMEOUT_NS = 1_000_000_000;

export class SerialServices {
  /** Virtual time when the running send or receive gives up; 0 when none runs. */
  deadlineNs = 0;

  constructor(
    private readonly memory: GuestMemory,
    private readonly bus: SystemBus,
    private readonly clock: Clock,
  ) {}

  /** Fills the port table of the BDA; returns how many there are. */
  initialize(ports: readonly number[]): number {
    const bases = ports.map((port) => COM_BASES[port - 1]).filter((base) => base !== undefined);
    bases.forEach((base, i) => {
      this.memory.writeU16(bda.COM_PORTS + i * 2, base);
      this.memory.writeU8(bda.COM_TIMEOUTS + i, 1);
    });
    return bases.length;
  }

  handle(call: ServiceCall, retry: boolean): number {
    const base = call.dx < 4 ? this.memory.readU16(bda.COM_PORTS + call.dx * 2) : 0;
    if (base === 0) return DONE;
    const read = (register: number): number => this.bus.readPort(base + register, 1) & 0xff;
    const write = (register: number, value: number): void =>
      this.bus.writePort(base + register, 1, value & 0xff);
    if (!retry) this.deadlineNs = this.clock.now + TIMEOUT_NS;
    switch (call.ah) {
      case 0x00: {
        const divisor = BAUD_DIVISORS[call.al >> 5];
        write(3, LCR_DLAB);
        write(0, divisor);
        write(1, divisor >> 8);
        write(3, call.al & 0x1f);
        write(1, 0);
        break;
      }
      case 0x01:
        write(4, 0x03);
        if ((read(5) & LSR_THR_EMPTY) === 0) {
          if (this.clock.now < this.deadlineNs) return SPIN;
          call.ah = read(5) | TIMEOUT;
          return DONE;
        }
        write(0, call.al);
        call.ah = read(5);
        return DONE;
      case 0x02:
        write(4, 0x03);
        if ((read(5) & LSR_DATA_READY) === 0) {
          if (this.clock.now < this.deadlineNs) return SPIN;
          call.ah = TIMEOUT;
          return DONE;
        }
        call.al = read(0);
        call.ah = read(5) & 0x1e;
        return DONE;
      case 0x03:
        break;
      default:
        return DONE;
    }
    call.ah = read(5);
    call.al = read(6);
    return DONE;
  }
}

/** INT 17h: no printer answers. */
export function printer(call: ServiceCall): void {
  if (call.ah <= 2) call.ah = 0x01;
}
