/**
 * INT 09h (scan codes into the buffer of the BIOS data area) and INT 16h (keyboard services).
 * Spec: IBM PS/2 and PC BIOS Interface Technical Reference (1991).
 * Missing: Pause (the hold state), keyboard LEDs.
 */
import type { Clock, GuestMemory } from '../../../hw';
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import {
  KEY_BREAK,
  ROM_SEGMENT,
  KEY_PRINT_SCREEN,
  KEY_RESET,
  KEY_SYSTEM,
  DONE,
  WAIT,
} from '../rom-code';
import { EXTENDED_KEYS, KEYS } from './keys';

/** 40:17 */
const RIGHT_SHIFT = 0x01;
const LEFT_SHIFT = 0x02;
const CTRL = 0x04;
const ALT = 0x08;
const SCROLL = 0x10;
const NUM = 0x20;
const CAPS = 0x40;
const INSERT = 0x80;
/** 40:18 */
const LEFT_CTRL = 0x01;
const LEFT_ALT = 0x02;
const SYSTEM_DOWN = 0x04;
/** 40:96 */
const LAST_E1 = 0x01;
const LAST_E0 = 0x02;
const RIGHT_CTRL = 0x04;
const RIGHT_ALT = 0x08;
const ENHANCED_KEYBOARD = 0x10;

const KEYPAD_DIGITS: Readonly<Record<number, number>> = {
  0x47: 7,
  0x48: 8,
  0x49: 9,
  0x4b: 4,
  0x4c: 5,
  0x4d: 6,
  0x4f: 1,
  0x50: 2,
  0x51: 3,
  0x52: 0,
};

/** Polls of an empty keyboard in a row, and the longest time between two, that make a waiting loop. */
const IDLE_POLLS = 32;
const IDLE_GAP_NS = 2_000_000;
const FLAG_INTERRUPT = 0x0200;
const DOS_VECTOR = 0x21;

export class Keyboard {
  /** Empty polls in a row, with nothing but hardware interrupts between them. Timing only: not part of the saved state. */
  private polls = 0;
  private lastPollNs = 0;

  constructor(
    private readonly memory: GuestMemory,
    private readonly clock: Clock,
  ) {}

  /** Another service was called: the guest does not just wait for a key. */
  notIdle(): void {
    this.polls = 0;
  }

  /**
   * A program that does nothing but ask for a key is put to sleep until the next interrupt, at most one tick: boot
   * menus would keep a host processor busy otherwise. Never with interrupts off, and not under DOS (INT 21h), where
   * programs poll in the middle of their work.
   */
  private idles(call: ServiceCall): boolean {
    const { now } = this.clock;
    const close = now - this.lastPollNs < IDLE_GAP_NS;
    this.lastPollNs = now;
    this.polls = close ? this.polls + 1 : 0;
    return this.polls >= IDLE_POLLS && (call.flags & FLAG_INTERRUPT) !== 0 && !this.hasDos;
  }

  /** INT 21h no longer points at the ROM, as POST left it. */
  private get hasDos(): boolean {
    return this.memory.readU16(DOS_VECTOR * 4 + 2) !== ROM_SEGMENT;
  }

  /** BDA fields at POST. */
  initialize(): void {
    const { memory } = this;
    const offset = bda.KEY_BUFFER - bda.BDA;
    memory.writeU16(bda.KEY_HEAD, offset);
    memory.writeU16(bda.KEY_TAIL, offset);
    memory.writeU16(bda.KEY_BUFFER_START_POINTER, offset);
    memory.writeU16(bda.KEY_BUFFER_END_POINTER, bda.KEY_BUFFER_END - bda.BDA);
    memory.writeU8(bda.SHIFT_FLAGS, 0);
    memory.writeU8(bda.SHIFT_FLAGS_2, 0);
    memory.writeU8(bda.KEYBOARD_FLAGS_3, ENHANCED_KEYBOARD);
  }

  /** Buffer bounds from the BDA; the standard ones when a guest has broken them. */
  private bounds(): { start: number; end: number } {
    const start = this.memory.readU16(bda.KEY_BUFFER_START_POINTER);
    const end = this.memory.readU16(bda.KEY_BUFFER_END_POINTER);
    return end > start + 1 ? { start, end } : { start: 0x1e, end: 0x3e };
  }

  private next(pointer: number): number {
    const { start, end } = this.bounds();
    return pointer + 2 >= end ? start : pointer + 2;
  }

  get isEmpty(): boolean {
    return this.memory.readU16(bda.KEY_HEAD) === this.memory.readU16(bda.KEY_TAIL);
  }

  /** Puts a key code into the buffer; false when it is full. */
  enqueue(code: number): boolean {
    const tail = this.memory.readU16(bda.KEY_TAIL);
    const next = this.next(tail);
    if (next === this.memory.readU16(bda.KEY_HEAD)) return false;
    this.memory.writeU16(bda.BDA + tail, code);
    this.memory.writeU16(bda.KEY_TAIL, next);
    return true;
  }

  private peek(): number {
    return this.memory.readU16(bda.BDA + this.memory.readU16(bda.KEY_HEAD));
  }

  /** Takes the oldest key code out of the buffer; undefined when there is none. */
  take(): number | undefined {
    if (this.isEmpty) return undefined;
    const code = this.peek();
    this.discard();
    return code;
  }

  discard(): void {
    this.memory.writeU16(bda.KEY_HEAD, this.next(this.memory.readU16(bda.KEY_HEAD)));
  }

  private setFlag(address: number, mask: number, on: boolean): void {
    const flags = this.memory.readU8(address);
    this.memory.writeU8(address, on ? flags | mask : flags & ~mask);
  }

  private has(address: number, mask: number): boolean {
    return (this.memory.readU8(address) & mask) !== 0;
  }

  /** INT 09h: one scan code. Returns what the ROM shall do next. */
  scanCode(code: number): number {
    if (code === 0xe0 || code === 0xe1) {
      this.setFlag(bda.KEYBOARD_FLAGS_3, code === 0xe0 ? LAST_E0 : LAST_E1, true);
      return DONE;
    }
    const extended = this.has(bda.KEYBOARD_FLAGS_3, LAST_E0);
    const pause = this.has(bda.KEYBOARD_FLAGS_3, LAST_E1);
    const scan = code & 0x7f;
    const pressed = (code & 0x80) === 0;
    // The Pause sequence E1 1D 45 E1 9D C5 keeps its prefix over the first code.
    if (!(pause && scan === 0x1d)) this.setFlag(bda.KEYBOARD_FLAGS_3, LAST_E1, false);
    this.setFlag(bda.KEYBOARD_FLAGS_3, LAST_E0, false);
    if (pause) return DONE;
    return (
      this.modifier(scan, pressed, extended) ?? (pressed ? this.character(scan, extended) : DONE)
    );
  }

  /** Shift, lock and system keys; undefined when the key is none of them. */
  private modifier(scan: number, pressed: boolean, extended: boolean): number | undefined {
    switch (scan) {
      case 0x2a:
      case 0x36:
        // E0 2A and E0 36 are the keyboard's own fake shifts.
        if (!extended)
          this.setFlag(bda.SHIFT_FLAGS, scan === 0x2a ? LEFT_SHIFT : RIGHT_SHIFT, pressed);
        return DONE;
      case 0x1d:
        if (extended) this.setFlag(bda.KEYBOARD_FLAGS_3, RIGHT_CTRL, pressed);
        else this.setFlag(bda.SHIFT_FLAGS_2, LEFT_CTRL, pressed);
        this.setFlag(
          bda.SHIFT_FLAGS,
          CTRL,
          this.has(bda.KEYBOARD_FLAGS_3, RIGHT_CTRL) || this.has(bda.SHIFT_FLAGS_2, LEFT_CTRL),
        );
        return DONE;
      case 0x38:
        if (extended) this.setFlag(bda.KEYBOARD_FLAGS_3, RIGHT_ALT, pressed);
        else this.setFlag(bda.SHIFT_FLAGS_2, LEFT_ALT, pressed);
        this.setFlag(
          bda.SHIFT_FLAGS,
          ALT,
          this.has(bda.KEYBOARD_FLAGS_3, RIGHT_ALT) || this.has(bda.SHIFT_FLAGS_2, LEFT_ALT),
        );
        if (!pressed) this.finishAltKeypad();
        return DONE;
      case 0x3a:
        return this.lock(CAPS, pressed);
      case 0x45:
        return this.lock(NUM, pressed);
      case 0x46:
        if (pressed && (extended || this.has(bda.SHIFT_FLAGS, CTRL))) return this.controlBreak();
        return this.lock(SCROLL, pressed);
      case 0x54:
        if (this.has(bda.SHIFT_FLAGS_2, SYSTEM_DOWN) === pressed) return DONE;
        this.setFlag(bda.SHIFT_FLAGS_2, SYSTEM_DOWN, pressed);
        return KEY_SYSTEM;
      case 0x37:
        if (!extended) return undefined;
        if (!pressed) return DONE;
        if (!this.has(bda.SHIFT_FLAGS, CTRL)) return KEY_PRINT_SCREEN;
        this.enqueue(0x7200);
        return DONE;
      case 0x53:
        if (pressed && this.has(bda.SHIFT_FLAGS, CTRL) && this.has(bda.SHIFT_FLAGS, ALT)) {
          this.memory.writeU16(bda.WARM_BOOT, 0x1234);
          return KEY_RESET;
        }
        return undefined;
      default:
        return undefined;
    }
  }

  /** Lock keys toggle on press and keep their "down" bit in 40:18 at the same position. */
  private lock(mask: number, pressed: boolean): number {
    if (pressed && !this.has(bda.SHIFT_FLAGS_2, mask))
      this.setFlag(bda.SHIFT_FLAGS, mask, !this.has(bda.SHIFT_FLAGS, mask));
    this.setFlag(bda.SHIFT_FLAGS_2, mask, pressed);
    return DONE;
  }

  private controlBreak(): number {
    const { start } = this.bounds();
    this.memory.writeU16(bda.KEY_HEAD, start);
    this.memory.writeU16(bda.KEY_TAIL, start);
    this.memory.writeU8(bda.BREAK_FLAG, 0x80);
    this.enqueue(0);
    return KEY_BREAK;
  }

  private finishAltKeypad(): void {
    const value = this.memory.readU8(bda.ALT_KEYPAD);
    if (value === 0) return;
    this.memory.writeU8(bda.ALT_KEYPAD, 0);
    this.enqueue(value);
  }

  private character(scan: number, extended: boolean): number {
    const flags = this.memory.readU8(bda.SHIFT_FLAGS);
    const alt = (flags & ALT) !== 0;
    const digit = KEYPAD_DIGITS[scan];
    if (alt && !extended && digit !== undefined) {
      this.memory.writeU8(bda.ALT_KEYPAD, (this.memory.readU8(bda.ALT_KEYPAD) * 10 + digit) & 0xff);
      return DONE;
    }
    const row = extended ? EXTENDED_KEYS.get(scan) : KEYS.get(scan);
    if (!row) return DONE;
    if (scan === 0x52 && !alt)
      this.setFlag(bda.SHIFT_FLAGS, INSERT, !this.has(bda.SHIFT_FLAGS, INSERT));
    let shifted = (flags & (LEFT_SHIFT | RIGHT_SHIFT)) !== 0;
    if (
      (row.lock === 'caps' && (flags & CAPS) !== 0) ||
      (row.lock === 'num' && (flags & NUM) !== 0)
    )
      shifted = !shifted;
    const code = alt ? row.alt : (flags & CTRL) !== 0 ? row.ctrl : shifted ? row.shift : row.plain;
    if (code !== 0) this.enqueue(code);
    return DONE;
  }

  /** INT 16h. Returns the ROM's next action. */
  handle(call: ServiceCall, retry: boolean): number {
    const enhanced = (call.ah & 0xf0) === 0x10;
    switch (call.ah) {
      case 0x00:
      case 0x10: {
        const code = this.first(enhanced);
        if (code === undefined) return WAIT;
        call.ax = code;
        this.discard();
        return DONE;
      }
      case 0x01:
      case 0x11: {
        const code = this.first(enhanced);
        if (code === undefined && !retry && this.idles(call)) return WAIT;
        if (retry) this.lastPollNs = this.clock.now;
        call.zero = code === undefined;
        if (code !== undefined) {
          call.ax = code;
          this.polls = 0;
        }
        return DONE;
      }
      case 0x02:
        call.al = this.memory.readU8(bda.SHIFT_FLAGS);
        return DONE;
      case 0x12: {
        const second = this.memory.readU8(bda.SHIFT_FLAGS_2);
        const third = this.memory.readU8(bda.KEYBOARD_FLAGS_3);
        call.al = this.memory.readU8(bda.SHIFT_FLAGS);
        call.ah =
          (second & 0x73) | (third & (RIGHT_CTRL | RIGHT_ALT)) | ((second & SYSTEM_DOWN) << 5);
        return DONE;
      }
      case 0x03:
        return DONE;
      case 0x05:
        call.al = this.enqueue(call.cx) ? 0 : 1;
        return DONE;
      case 0x09:
        call.al = 0x30;
        return DONE;
      case 0x0a:
        call.bx = 0x83ab;
        return DONE;
      default:
        return DONE;
    }
  }

  /** The first key the caller can understand; keys unknown to the old functions are dropped. */
  private first(enhanced: boolean): number | undefined {
    while (!this.isEmpty) {
      const code = this.peek();
      const char = code & 0xff;
      const scan = code >> 8;
      if (enhanced) return char === 0xf0 && scan !== 0 ? scan << 8 : code;
      if (scan === 0xe0) return char === 0x2f ? 0x352f : 0x1c00 | char;
      if (char === 0xe0 && scan !== 0) return scan << 8;
      if (char !== 0xf0 && (scan < 0x85 || char !== 0)) return code;
      this.discard();
    }
    return undefined;
  }
}
