/**
 * PS/2 keyboard (101/102 keys).
 * Document: IBM PS/2 Hardware Interface Technical Reference (1988), "101- and 102-Key Keyboards".
 * Scope: scan code sets 1, 2 and 3, all commands, make/break modes of set 3, 16-byte buffer with overrun.
 * Missing: typematic repeat of its own (viewers repeat held keys themselves); rate and delay only hold their value.
 */
import { cloneState } from '../../base';
import type { Device, KeyboardSink, ResetKind } from '../../hw';
import type { Ps2Device } from './i8042';
import { SET_1_TO_2, SET_1_TO_3 } from './scancodes';

const ACK = 0xfa;
const RESEND = 0xfe;
const BAT_OK = 0xaa;
const ECHO = 0xee;
/** The reference keyboard buffers 16 bytes; room for a few whole sequences more costs nothing and loses fewer keys. */
const BUFFER_BYTES = 64;

const KEY_TYPEMATIC = 0;
const KEY_MAKE_BREAK = 1;
const KEY_MAKE = 2;

export interface Ps2KeyboardState {
  version: 1;
  set: number;
  enabled: boolean;
  leds: number;
  typematic: number;
  /** Command waiting for its parameter, or 0. */
  command: number;
  /** Answers to commands: sent before key codes. */
  replies: number[];
  buffer: number[];
  overrun: boolean;
  lastSent: number;
  /** Set 3: how each code reports, by code. */
  keyModes: Uint8Array;
}

export interface Ps2KeyboardCapabilities {
  /** LED state of the guest: bit 0 scroll, 1 num, 2 caps. */
  onLeds?(leds: number): void;
}

export class Ps2Keyboard implements Device<Ps2KeyboardState>, Ps2Device, KeyboardSink {
  readonly id = 'ps2-keyboard';
  onData: () => void = () => {};
  private s: Ps2KeyboardState = powerOn();

  constructor(private readonly wires: Ps2KeyboardCapabilities = {}) {}

  reset(_kind: ResetKind): void {
    this.s = powerOn();
    this.wires.onLeds?.(0);
  }

  save(): Ps2KeyboardState {
    return cloneState(this.s);
  }

  restore(state: Ps2KeyboardState): void {
    this.s = cloneState(state);
    this.wires.onLeds?.(this.s.leds);
  }

  hasData(): boolean {
    return this.s.replies.length > 0 || this.s.buffer.length > 0;
  }

  transmit(): number {
    const value = this.s.replies.shift() ?? this.s.buffer.shift() ?? -1;
    if (value >= 0) this.s.lastSent = value;
    if (this.s.buffer.length === 0) this.s.overrun = false;
    return value;
  }

  key(scancode: number, pressed: boolean): void {
    const { s } = this;
    if (!s.enabled) return;
    const bytes =
      s.set === 3
        ? this.set3(scancode, pressed)
        : s.set === 1
          ? set1(scancode, pressed)
          : set2(scancode, pressed);
    if (bytes.length === 0 || s.overrun) return;
    if (s.buffer.length + bytes.length > BUFFER_BYTES) {
      // Overrun code: FFh in set 1, 00h in sets 2 and 3; nothing more until the buffer has drained.
      s.overrun = true;
      s.buffer.push(s.set === 1 ? 0xff : 0x00);
    } else {
      s.buffer.push(...bytes);
    }
    this.onData();
  }

  receive(value: number): void {
    const { s } = this;
    const command = s.command;
    s.command = 0;
    // A new command drops what was not yet said about the old one.
    s.replies.length = 0;
    if (command !== 0 && value < 0xed) this.parameter(command, value);
    else this.command(value);
    this.onData();
  }

  private command(value: number): void {
    const { s } = this;
    switch (value) {
      case 0xed:
      case 0xf0:
      case 0xf3:
      case 0xfb:
      case 0xfc:
      case 0xfd:
        s.command = value;
        s.replies.push(ACK);
        if (value >= 0xfb) s.enabled = false;
        break;
      case 0xee:
        s.replies.push(ECHO);
        break;
      case 0xf2:
        s.replies.push(ACK, 0xab, 0x83);
        break;
      case 0xf4:
        s.buffer.length = 0;
        s.enabled = true;
        s.replies.push(ACK);
        break;
      case 0xf5:
      case 0xf6:
        this.defaults();
        s.enabled = value === 0xf6;
        s.replies.push(ACK);
        break;
      case 0xf7:
      case 0xf8:
      case 0xf9:
      case 0xfa:
        s.keyModes.fill(
          value === 0xf7 || value === 0xfa
            ? KEY_TYPEMATIC
            : value === 0xf8
              ? KEY_MAKE_BREAK
              : KEY_MAKE,
        );
        s.replies.push(ACK);
        break;
      case 0xfe:
        s.replies.push(s.lastSent);
        break;
      case 0xff:
        this.defaults();
        s.set = 2;
        s.enabled = true;
        s.replies.push(ACK, BAT_OK);
        break;
      default:
        s.replies.push(RESEND);
        break;
    }
  }

  private parameter(command: number, value: number): void {
    const { s } = this;
    switch (command) {
      case 0xed:
        s.leds = value & 7;
        this.wires.onLeds?.(s.leds);
        s.replies.push(ACK);
        break;
      case 0xf0:
        if (value > 3) {
          s.replies.push(RESEND);
          break;
        }
        s.replies.push(ACK);
        if (value === 0) s.replies.push(s.set);
        else s.set = value;
        s.buffer.length = 0;
        break;
      case 0xf3:
        s.typematic = value & 0x7f;
        s.replies.push(ACK);
        break;
      default:
        // FBh-FDh take a list of set 3 codes until the next command.
        s.keyModes[value] =
          command === 0xfb ? KEY_TYPEMATIC : command === 0xfc ? KEY_MAKE_BREAK : KEY_MAKE;
        s.command = command;
        s.replies.push(ACK);
        break;
    }
  }

  private defaults(): void {
    const { s } = this;
    s.leds = 0;
    s.typematic = 0x2b;
    s.buffer.length = 0;
    s.overrun = false;
    s.keyModes.fill(KEY_TYPEMATIC);
    this.wires.onLeds?.(0);
  }

  private set3(scancode: number, pressed: boolean): number[] {
    const code = SET_1_TO_3.get(isPause(scancode) ? 0xe046 : scancode);
    if (code === undefined) return [];
    if (pressed) return [code];
    // Fully typematic and make/break keys report release; "make only" keys do not.
    return this.s.keyModes[code] === KEY_MAKE ? [] : [0xf0, code];
  }
}

function isPause(scancode: number): boolean {
  return scancode === 0xe046 || scancode === 0xe11d || scancode === 0xe11d45;
}

function set1(scancode: number, pressed: boolean): number[] {
  if (isPause(scancode)) return pressed ? [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5] : [];
  const code = scancode & 0x7f;
  if (scancode === 0xe037) return pressed ? [0xe0, 0x2a, 0xe0, 0x37] : [0xe0, 0xb7, 0xe0, 0xaa];
  const last = pressed ? code : code | 0x80;
  return scancode >= 0xe000 ? [0xe0, last] : [last];
}

function set2(scancode: number, pressed: boolean): number[] {
  if (isPause(scancode)) return pressed ? [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77] : [];
  if (scancode === 0xe037)
    return pressed ? [0xe0, 0x12, 0xe0, 0x7c] : [0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12];
  const code = SET_1_TO_2[scancode & 0x7f];
  if (code === 0) return [];
  const body = pressed ? [code] : [0xf0, code];
  return scancode >= 0xe000 ? [0xe0, ...body] : body;
}

function powerOn(): Ps2KeyboardState {
  return {
    version: 1,
    set: 2,
    enabled: true,
    leds: 0,
    typematic: 0x2b,
    command: 0,
    replies: [],
    buffer: [],
    overrun: false,
    lastSent: 0,
    keyModes: new Uint8Array(256),
  };
}
