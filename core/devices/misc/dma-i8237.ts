/**
 * Two cascaded 8237A DMA controllers with the PC's page registers.
 * Documents: Intel 8237A 231466-005; 82371SB (PIIX3) 290550-002 section 2.5.1 (registers and page ports).
 * Scope: register model only, for firmware and kernels that probe and programme it: addresses, counts, modes, masks,
 * flip-flop, status, page registers. Missing: transfers; no device on this board requests any.
 */
import { cloneState } from '../../base';
import type { AccessWidth, Device, PortIo, ResetKind } from '../../hw';

const STATUS_COMMAND = 8;
const REQUEST = 9;
const SINGLE_MASK = 10;
const MODE = 11;
const CLEAR_FLIP_FLOP = 12;
const MASTER_CLEAR = 13;
const CLEAR_MASK = 14;
const ALL_MASK = 15;

interface ControllerState {
  /** Address and count of each channel, current values. */
  address: number[];
  count: number[];
  mode: number[];
  command: number;
  status: number;
  request: number;
  mask: number;
  highByte: boolean;
}

export interface I8237State {
  version: 1;
  controllers: [ControllerState, ControllerState];
  pages: Uint8Array;
}

export class I8237 implements Device<I8237State> {
  readonly id = 'i8237';
  private s: I8237State = powerOn();

  reset(_kind: ResetKind): void {
    this.s = powerOn();
  }

  save(): I8237State {
    return cloneState(this.s);
  }

  restore(state: I8237State): void {
    this.s = cloneState(state);
  }

  /** Channels 0-3: ports 00h-0Fh, one apart. */
  readonly low: PortIo = this.ports(0, 0);
  /** Channels 4-7: ports C0h-DFh, two apart. */
  readonly high: PortIo = this.ports(1, 1);

  /** Page registers: ports 80h-8Fh. Unused ones hold a byte, as BIOS diagnostics expect of port 80h. */
  readonly pages: PortIo = {
    readPort: (offset) => this.s.pages[offset & 15],
    writePort: (offset: number, _width: AccessWidth, value: number) => {
      this.s.pages[offset & 15] = value;
    },
  };

  private ports(controller: 0 | 1, shift: number): PortIo {
    return {
      readPort: (offset) => this.read(this.s.controllers[controller], (offset >> shift) & 15),
      writePort: (offset: number, _width: AccessWidth, value: number) =>
        this.write(this.s.controllers[controller], (offset >> shift) & 15, value & 0xff),
    };
  }

  private read(c: ControllerState, register: number): number {
    if (register < 8) {
      const value = (register & 1 ? c.count : c.address)[register >> 1];
      c.highByte = !c.highByte;
      return c.highByte ? value & 0xff : value >> 8;
    }
    if (register === STATUS_COMMAND) {
      const status = c.status;
      c.status &= 0xf0;
      return status;
    }
    return register === ALL_MASK ? 0xf0 | c.mask : 0;
  }

  private write(c: ControllerState, register: number, value: number): void {
    if (register < 8) {
      const bank = register & 1 ? c.count : c.address;
      const channel = register >> 1;
      bank[channel] = c.highByte
        ? (bank[channel] & 0x00ff) | (value << 8)
        : (bank[channel] & 0xff00) | value;
      c.highByte = !c.highByte;
      return;
    }
    const bit = 1 << (value & 3);
    switch (register) {
      case STATUS_COMMAND:
        c.command = value;
        break;
      case REQUEST:
        c.request = value & 4 ? c.request | bit : c.request & ~bit;
        break;
      case SINGLE_MASK:
        c.mask = value & 4 ? c.mask | bit : c.mask & ~bit;
        break;
      case MODE:
        c.mode[value & 3] = value;
        break;
      case CLEAR_FLIP_FLOP:
        c.highByte = false;
        break;
      case MASTER_CLEAR:
        Object.assign(c, { command: 0, status: 0, request: 0, mask: 0x0f, highByte: false });
        break;
      case CLEAR_MASK:
        c.mask = 0;
        break;
      default:
        c.mask = value & 0x0f;
        break;
    }
  }
}

function powerOn(): I8237State {
  const controller = (): ControllerState => ({
    address: [0, 0, 0, 0],
    count: [0, 0, 0, 0],
    mode: [0, 0, 0, 0],
    command: 0,
    status: 0,
    request: 0,
    mask: 0x0f,
    highByte: false,
  });
  return { version: 1, controllers: [controller(), controller()], pages: new Uint8Array(16) };
}
