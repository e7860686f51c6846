/**
 * PS/2 mouse with the IntelliMouse (wheel) and IntelliMouse Explorer (five buttons) extensions.
 * Documents: IBM PS/2 Hardware Interface Technical Reference (1988), "Mouse"; Microsoft IntelliMouse protocol as
 * described in the PS/2 mouse section of Adam Chapweske's "The PS/2 Mouse Interface".
 * Scope: stream, remote and wrap modes, scaling, sample-rate knocks. Missing: pacing of packets by the sample rate
 * (a packet is made as soon as the last one was read, which is slower than any rate a guest chooses).
 */
import { cloneState } from '../../base';
import type { Device, ResetKind } from '../../hw';
import type { Ps2Device } from './i8042';

const ACK = 0xfa;
const ERROR = 0xfc;
const RESEND = 0xfe;
const BAT_OK = 0xaa;

const ID_STANDARD = 0;
const ID_WHEEL = 3;
const ID_EXPLORER = 4;

/** Accumulated motion is capped at this many pixels: the pointer left the screen long before. */
const MOTION_LIMIT = 0x4000;

export interface Ps2MouseState {
  version: 1;
  deviceId: number;
  reporting: boolean;
  remote: boolean;
  wrap: boolean;
  scaling2: boolean;
  resolution: number;
  sampleRate: number;
  /** The last sample rates, newest last: the knock that switches extensions on. */
  knock: number[];
  command: number;
  dx: number;
  dy: number;
  wheel: number;
  buttons: number;
  /** Buttons as last reported. */
  reported: number;
  replies: number[];
  packet: number[];
  lastSent: number;
}

export class Ps2Mouse implements Device<Ps2MouseState>, Ps2Device {
  readonly id = 'ps2-mouse';
  onData: () => void = () => {};
  private s: Ps2MouseState = powerOn();

  reset(_kind: ResetKind): void {
    this.s = powerOn();
  }

  save(): Ps2MouseState {
    return cloneState(this.s);
  }

  restore(state: Ps2MouseState): void {
    this.s = cloneState(state);
  }

  /** True when the guest wants stream packets: a driver is there. */
  get reporting(): boolean {
    return this.s.reporting;
  }

  /** Motion in screen direction (dy grows downward); buttons bit 0 left, 1 right, 2 middle, 3 and 4 extra; wheel +1 up. */
  move(dx: number, dy: number, wheel: number, buttons: number): void {
    const { s } = this;
    s.dx = clamp(s.dx + Math.trunc(dx), MOTION_LIMIT);
    s.dy = clamp(s.dy - Math.trunc(dy), MOTION_LIMIT);
    s.wheel = clamp(s.wheel - Math.trunc(wheel), 0x7f);
    s.buttons = buttons & 0x1f;
    if (!s.reporting) {
      s.dx = s.dy = s.wheel = 0;
      return;
    }
    this.onData();
  }

  /** Makes the guest's driver look: an empty movement packet (the vmmouse port then has the data). */
  poke(): void {
    const { s } = this;
    if (!s.reporting || s.remote || s.packet.length > 0) return;
    this.makePacket();
    this.onData();
  }

  hasData(): boolean {
    const { s } = this;
    return (
      s.replies.length > 0 || s.packet.length > 0 || (s.reporting && !s.remote && this.changed())
    );
  }

  transmit(): number {
    const { s } = this;
    let value = s.replies.shift();
    if (value === undefined) {
      if (s.packet.length === 0 && this.hasData()) this.makePacket();
      value = s.packet.shift() ?? -1;
    }
    if (value >= 0) s.lastSent = value;
    return value;
  }

  receive(value: number): void {
    const { s } = this;
    s.replies.length = 0;
    if (s.wrap && value !== 0xff && value !== 0xec) {
      s.replies.push(value);
    } else if (s.command !== 0) {
      const command = s.command;
      s.command = 0;
      this.parameter(command, value);
    } else {
      this.command(value);
    }
    this.onData();
  }

  private command(value: number): void {
    const { s } = this;
    // Any command ends a packet that was under way (IBM: "the mouse stops transmission").
    s.packet.length = 0;
    switch (value) {
      case 0xe6:
      case 0xe7:
        s.scaling2 = value === 0xe7;
        s.replies.push(ACK);
        break;
      case 0xe8:
      case 0xf3:
        s.command = value;
        s.replies.push(ACK);
        break;
      case 0xe9:
        s.replies.push(ACK, this.statusByte(), s.resolution, s.sampleRate);
        break;
      case 0xea:
        s.remote = false;
        s.replies.push(ACK);
        break;
      case 0xeb:
        this.makePacket();
        s.replies.push(ACK, ...s.packet);
        s.packet.length = 0;
        break;
      case 0xec:
      case 0xee:
        s.wrap = value === 0xee;
        s.replies.push(ACK);
        break;
      case 0xf0:
        s.remote = true;
        s.replies.push(ACK);
        break;
      case 0xf2:
        s.replies.push(ACK, s.deviceId);
        break;
      case 0xf4:
      case 0xf5:
        s.reporting = value === 0xf4;
        s.dx = s.dy = s.wheel = 0;
        s.reported = s.buttons;
        s.replies.push(ACK);
        break;
      case 0xf6:
        this.defaults();
        s.replies.push(ACK);
        break;
      case 0xfe:
        s.replies.push(s.lastSent);
        break;
      case 0xff:
        this.defaults();
        s.deviceId = ID_STANDARD;
        s.wrap = false;
        s.replies.push(ACK, BAT_OK, ID_STANDARD);
        break;
      default:
        s.replies.push(RESEND);
        break;
    }
  }

  private parameter(command: number, value: number): void {
    const { s } = this;
    if (command === 0xe8) {
      if (value > 3) {
        s.replies.push(ERROR);
        return;
      }
      s.resolution = value;
    } else {
      s.sampleRate = value;
      s.knock = [...s.knock.slice(-2), value];
      const knock = s.knock.join();
      if (knock === '200,100,80') s.deviceId = ID_WHEEL;
      else if (knock === '200,200,80' && s.deviceId === ID_WHEEL) s.deviceId = ID_EXPLORER;
    }
    s.replies.push(ACK);
  }

  private defaults(): void {
    const { s } = this;
    s.reporting = false;
    s.remote = false;
    s.scaling2 = false;
    s.resolution = 2;
    s.sampleRate = 100;
    s.knock = [];
    s.dx = s.dy = s.wheel = 0;
  }

  private statusByte(): number {
    const { s } = this;
    const buttons = (s.buttons & 1 ? 4 : 0) | (s.buttons & 4 ? 2 : 0) | (s.buttons & 2 ? 1 : 0);
    return (s.remote ? 0x40 : 0) | (s.reporting ? 0x20 : 0) | (s.scaling2 ? 0x10 : 0) | buttons;
  }

  private changed(): boolean {
    const { s } = this;
    const wheel = s.deviceId !== ID_STANDARD && s.wheel !== 0;
    const buttons = s.deviceId === ID_EXPLORER ? 0x1f : 0x07;
    return s.dx !== 0 || s.dy !== 0 || wheel || ((s.buttons ^ s.reported) & buttons) !== 0;
  }

  private makePacket(): void {
    const { s } = this;
    const dx = clamp(s.dx, 255);
    const dy = clamp(s.dy, 255);
    s.dx -= dx;
    s.dy -= dy;
    s.reported = s.buttons;
    const first = 0x08 | (s.buttons & 7) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0);
    s.packet.push(first, dx & 0xff, dy & 0xff);
    if (s.deviceId === ID_STANDARD) {
      s.wheel = 0;
      return;
    }
    const wheel = clamp(s.wheel, 7);
    s.wheel -= wheel;
    s.packet.push(
      s.deviceId === ID_EXPLORER ? (wheel & 0x0f) | ((s.buttons & 0x18) << 1) : wheel & 0xff,
    );
  }
}

function clamp(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value));
}

function powerOn(): Ps2MouseState {
  return {
    version: 1,
    deviceId: ID_STANDARD,
    reporting: false,
    remote: false,
    wrap: false,
    scaling2: false,
    resolution: 2,
    sampleRate: 100,
    knock: [],
    command: 0,
    dx: 0,
    dy: 0,
    wheel: 0,
    buttons: 0,
    reported: 0,
    replies: [],
    packet: [],
    lastSent: 0,
  };
}
