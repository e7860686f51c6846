/**
 * One client of the RFB server: RFB 3.3, 3.7 and 3.8 (RFC 6143) with the encodings Raw, CopyRect and Hextile, the
 * pseudo-encodings DesktopSize and ExtendedDesktopSize, QEMU's extended key events and pointer motion change.
 * A byte stream in and out; no sockets, no timers of its own. Malformed input closes the session.
 * Missing: ZRLE and Tight (clients are on this host, where compression only costs time), the server's clipboard, cursor
 * pseudo-encodings, audio.
 */
import type { Rectangle } from '../dirty-region';
import { KeyTranslator } from '../key-translator';
import type { Keymap } from '../keymap';
import { ByteWriter } from './byte-writer';
import { Handshake, type HandshakeOptions } from './handshake';
import { InputBuffer } from './input-buffer';
import {
  COLOR_MAP_FORMAT,
  NATIVE_FORMAT,
  readPixelFormat,
  writeColorMap,
  writePixelFormat,
} from './pixel-format';
import type { RfbScreen } from './tile';
import { UpdateSender } from './update-sender';

/** Where the bytes of a session go. */
export interface RfbTransport {
  write(bytes: Uint8Array): void;
  /** Bytes the client has not taken yet. */
  readonly queuedBytes: number;
  close(): void;
}

export interface RfbInput {
  key(scancode: number, pressed: boolean): void;
  /** Position in pixels of the screen, or a motion; buttons as RFC 6143 section 7.5.5 (bit 0 left ... 3 wheel up, 4 down). */
  pointer(x: number, y: number, buttons: number, relative: boolean): void;
}

export interface RfbOptions extends HandshakeOptions {
  readonly name: string;
  readonly screen: () => RfbScreen;
  readonly input: RfbInput;
  readonly keymap: Keymap;
  /** A clock that never steps back, milliseconds; with it key events are limited to `KEYS_A_SECOND`. */
  monotonicMs?(): number;
  /** Text the client put on its clipboard (Latin-1). */
  onCutText?(text: string): void;
  /** The client is in and wants frames. */
  onReady(): void;
}

// Client messages, RFC 6143 section 7.5; 251 and 255 are extensions.
const SET_PIXEL_FORMAT = 0;
const SET_ENCODINGS = 2;
const FRAMEBUFFER_UPDATE_REQUEST = 3;
const KEY_EVENT = 4;
const POINTER_EVENT = 5;
const CLIENT_CUT_TEXT = 6;
const SET_DESKTOP_SIZE = 251;
const QEMU_CLIENT_MESSAGE = 255;
const QEMU_EXTENDED_KEY_EVENT = 0;

// Limits, reliability.md 2.7.
const MAX_PENDING_BEFORE_AUTH = 4096;
const MAX_ENCODINGS = 1024;
const MAX_CUT_TEXT = 256 * 1024;
const KEYS_A_SECOND = 500;
const KEY_BURST = 2000;
/** Middle of the range in which a client sends relative motion. */
const RELATIVE_ORIGIN = 0x7fff;

const REFUSED = -1;
const INCOMPLETE = 0;

export class RfbSession {
  private phase: 'handshake' | 'init' | 'ready' | 'closed' = 'handshake';
  private readonly input = new InputBuffer();
  private readonly handshake: Handshake;
  private readonly updates: UpdateSender;
  private readonly keys: KeyTranslator;
  private keyTokens = KEY_BURST;
  private keyTimeMs = 0;

  constructor(
    private readonly options: RfbOptions,
    private readonly transport: RfbTransport,
  ) {
    const write = (bytes: Uint8Array): void => transport.write(bytes);
    this.updates = new UpdateSender({
      screen: () => options.screen(),
      write,
      queuedBytes: () => transport.queuedBytes,
    });
    this.keys = new KeyTranslator(options.keymap, (scancode, pressed) =>
      options.input.key(scancode, pressed),
    );
    this.handshake = new Handshake(options, write);
  }

  get authenticated(): boolean {
    return this.phase === 'init' || this.phase === 'ready';
  }

  /** Bytes from the client, in any portions. */
  receive(bytes: Uint8Array): void {
    if (this.phase === 'closed') return;
    if (!this.authenticated && this.input.length + bytes.length > MAX_PENDING_BEFORE_AUTH)
      return this.close();
    this.input.push(bytes);
    while (this.input.length > 0) {
      const used = this.message();
      if (used < 0) return this.close();
      if (used === INCOMPLETE) return;
      this.input.skip(used);
    }
  }

  /** Parts of the screen changed. */
  changed(rectangles: readonly Rectangle[]): void {
    if (this.phase === 'ready') this.updates.changed(rectangles);
  }

  /** The client has taken bytes: sends what waited for that. */
  flush(): void {
    if (this.phase === 'ready') this.updates.flush();
  }

  /** Whether the guest takes absolute positions: clients that can are told to send motions otherwise. */
  pointerMode(absolute: boolean): void {
    this.updates.setAbsolute(absolute);
  }

  /** Releases what the client held down; the transport is closed. */
  close(): void {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    this.keys.releaseAll();
    this.updates.close();
    this.transport.close();
  }

  /** Takes a message from the front: bytes used, 0 for more, below 0 for a protocol error. */
  private message(): number {
    if (this.phase === 'ready') return this.clientMessage();
    if (this.phase === 'init') return this.clientInit();
    const step = this.handshake.step(this.input);
    if (step === 'refused') return REFUSED;
    if (this.handshake.isDone) this.phase = 'init';
    return step;
  }

  /** The shared flag is not looked at: clients never turn each other out. */
  private clientInit(): number {
    const { width, height } = this.updates.begin();
    const out = new ByteWriter(64).u16(width).u16(height);
    writePixelFormat(out, NATIVE_FORMAT);
    this.transport.write(out.string(this.options.name).take());
    this.phase = 'ready';
    this.options.onReady();
    return 1;
  }

  private clientMessage(): number {
    const { input } = this;
    switch (input.u8(0)) {
      case SET_PIXEL_FORMAT:
        return input.length < 20 ? INCOMPLETE : this.setPixelFormat();
      case SET_ENCODINGS:
        return input.length < 4 ? INCOMPLETE : this.setEncodings();
      case FRAMEBUFFER_UPDATE_REQUEST:
        if (input.length < 10) return INCOMPLETE;
        this.updates.ask(input.u8(1) !== 0, [
          input.u16(2),
          input.u16(4),
          input.u16(6),
          input.u16(8),
        ]);
        return 10;
      case KEY_EVENT:
        if (input.length < 8) return INCOMPLETE;
        if (this.mayKey(input.u8(1) !== 0)) this.keys.keysym(input.u32(4), input.u8(1) !== 0);
        return 8;
      case POINTER_EVENT:
        if (input.length < 6) return INCOMPLETE;
        this.pointer(input.u16(2), input.u16(4), input.u8(1));
        return 6;
      case CLIENT_CUT_TEXT:
        return input.length < 8 ? INCOMPLETE : this.cutText();
      case SET_DESKTOP_SIZE: {
        const length = input.length < 8 ? Infinity : 8 + 16 * input.u8(6);
        if (input.length < length) return INCOMPLETE;
        this.updates.refuseSize();
        return length;
      }
      case QEMU_CLIENT_MESSAGE:
        if (input.length < 2) return INCOMPLETE;
        if (input.u8(1) !== QEMU_EXTENDED_KEY_EVENT) return REFUSED;
        return input.length < 12 ? INCOMPLETE : this.extendedKey();
      default:
        return REFUSED;
    }
  }

  private setPixelFormat(): number {
    const format = readPixelFormat(this.input, 4);
    if (!format) return REFUSED;
    if (format === 'color-map') {
      const out = new ByteWriter(2048);
      writeColorMap(out);
      this.transport.write(out.take());
    }
    this.updates.setPixelFormat(format === 'color-map' ? COLOR_MAP_FORMAT : format);
    return 20;
  }

  private setEncodings(): number {
    const { input } = this;
    const count = input.u16(2);
    if (count > MAX_ENCODINGS) return REFUSED;
    const length = 4 + 4 * count;
    if (input.length < length) return INCOMPLETE;
    this.updates.setEncodings(Array.from({ length: count }, (_, i) => input.i32(4 + 4 * i)));
    return length;
  }

  /** A negative length is the extended clipboard, which was not offered. */
  private cutText(): number {
    const { input } = this;
    const length = input.i32(4);
    if (length < 0 || length > MAX_CUT_TEXT) return REFUSED;
    if (input.length < 8 + length) return INCOMPLETE;
    if (this.options.onCutText) {
      let text = '';
      for (let i = 0; i < length; i++) text += String.fromCharCode(input.u8(8 + i));
      this.options.onCutText(text);
    }
    return 8 + length;
  }

  /** QEMU extended key event: down flag, key symbol, and a scan code with bit 7 for extended keys. */
  private extendedKey(): number {
    const { input } = this;
    const pressed = input.u16(2) !== 0;
    const code = input.u32(8);
    if (!this.mayKey(pressed)) return 12;
    if (code === 0) this.keys.keysym(input.u32(4), pressed);
    else if (code <= 0xff) this.keys.scancode(code & 0x80 ? 0xe000 | (code & 0x7f) : code, pressed);
    else if (code >>> 8 === 0xe0) this.keys.scancode(code, pressed);
    return 12;
  }

  private pointer(x: number, y: number, buttons: number): void {
    const relative = this.updates.isRelative;
    const origin = relative ? RELATIVE_ORIGIN : 0;
    this.options.input.pointer(x - origin, y - origin, buttons, relative);
  }

  /** Releases always pass, so that no key is left down. */
  private mayKey(pressed: boolean): boolean {
    const now = this.options.monotonicMs?.();
    if (now === undefined || !pressed) return true;
    const elapsed = now - this.keyTimeMs;
    this.keyTimeMs = now;
    this.keyTokens = Math.min(KEY_BURST, this.keyTokens + (elapsed * KEYS_A_SECOND) / 1000);
    if (this.keyTokens < 1) return false;
    this.keyTokens--;
    return true;
  }
}
