/**
 * One client of the RFB server: RFB 3.3, 3.7 and 3.8 (RFC 6143) with the pseudo-encodings DesktopSize and QEMU extended
 * key events, and QEMU's pointer motion change. A byte stream in and out; no sockets, no timers of its own.
 * Missing: compression by zlib (ZRLE, Tight), clipboard.
 */
import type { Keymap } from '../keymap';
import { concatenate, encodeHextile } from './hextile';
import { NATIVE_FORMAT, PixelConverter, readPixelFormat, writePixelFormat } from './pixel-format';

/** Where the bytes of a session go. */
export interface RfbTransport {
  write(bytes: Uint8Array): void;
  /** Bytes the client has not taken yet. */
  readonly queuedBytes: number;
  close(): void;
}

/** The picture as it is now. */
export interface RfbScreen {
  readonly width: number;
  readonly height: number;
  /** B, G, R, X. */
  readonly pixels: Uint8Array;
}

export interface RfbInput {
  key(scancode: number, pressed: boolean): void;
  /** Position in pixels of the screen, or a motion; buttons as RFC 6143 section 7.5.5 (bit 0 left ... 3 wheel up, 4 down). */
  pointer(x: number, y: number, buttons: number, relative: boolean): void;
}

export interface RfbOptions {
  readonly name: string;
  /** '' for no authentication. */
  readonly password: string;
  readonly screen: () => RfbScreen;
  readonly input: RfbInput;
  readonly keymap: Keymap;
  /** `length` unpredictable bytes. */
  random(length: number): Uint8Array;
  /** The DES response to a challenge (RFC 6143 section 7.2.2). */
  vncResponse(challenge: Uint8Array, password: string): Uint8Array;
  /** Somebody got the password wrong or right: for the server's delay. */
  onAuthentication(good: boolean): void;
  /** The client is in and wants frames. */
  onReady(): void;
}

export type Rectangle = readonly [x: number, y: number, width: number, height: number];

const SECURITY_NONE = 1;
const SECURITY_VNC = 2;
const RAW = 0;
const HEXTILE = 5;
const DESKTOP_SIZE = -223;
const POINTER_CHANGE = -257;
const EXTENDED_KEY = -258;

// Limits, reliability.md 2.7.
const MAX_PENDING_BEFORE_AUTH = 4096;
const MAX_ENCODINGS = 1024;
const MAX_CUT_TEXT = 256 * 1024;
const MAX_RECTANGLES = 64;
/** A frame waits while this much of the last is still to be taken. */
const MAX_QUEUED_BYTES = 64 * 1024;
const MAX_KEYS_HELD = 64;

type Phase = 'version' | 'security' | 'password' | 'init' | 'ready' | 'closed';

export class RfbSession {
  private phase: Phase = 'version';
  private pending = new Uint8Array(0);
  private minor = 8;
  private challenge = new Uint8Array(0);
  private converter = new PixelConverter(NATIVE_FORMAT);
  private hextile = false;
  private desktopSize = false;
  private extendedKeys = false;
  private pointerChange = false;
  private absolute = true;
  private announcedAbsolute: boolean | undefined;
  /** An update was asked for; the whole screen if `full`. */
  private wanted: 'none' | 'incremental' | 'full' = 'none';
  private dirty: Rectangle[] = [];
  private width = 0;
  private height = 0;
  private readonly held = new Set<number>();

  constructor(
    private readonly options: RfbOptions,
    private readonly transport: RfbTransport,
  ) {
    transport.write(ascii('RFB 003.008\n'));
  }

  get authenticated(): boolean {
    return this.phase === 'init' || this.phase === 'ready';
  }

  /** Bytes from the client, in any portions. Malformed input closes the session. */
  receive(bytes: Uint8Array): void {
    if (this.phase === 'closed') return;
    this.pending = concatenate([this.pending, bytes]) as Uint8Array<ArrayBuffer>;
    for (;;) {
      const used = this.message();
      if (used < 0) return this.close();
      if (used === 0) break;
      this.pending = this.pending.slice(used);
    }
    if (!this.authenticated && this.pending.length > MAX_PENDING_BEFORE_AUTH) this.close();
  }

  /** Parts of the screen changed. */
  changed(rectangles: readonly Rectangle[]): void {
    if (this.dirty.length + rectangles.length > MAX_RECTANGLES)
      this.dirty = [[0, 0, 0xffff, 0xffff]];
    else this.dirty.push(...rectangles);
    this.flush();
  }

  /** Sends an update if one is wanted, something changed and the client has taken the last one. */
  flush(): void {
    if (
      this.phase !== 'ready' ||
      this.wanted === 'none' ||
      this.transport.queuedBytes > MAX_QUEUED_BYTES
    )
      return;
    const screen = this.options.screen();
    if (this.resized(screen)) return;
    if (this.announce()) return;
    const areas =
      this.wanted === 'full'
        ? [[0, 0, screen.width, screen.height] as Rectangle]
        : clip(this.dirty, screen);
    if (areas.length === 0) return;
    this.dirty = [];
    this.wanted = 'none';
    const chunks = [update(areas.length)];
    for (const area of areas) chunks.push(this.rectangle(screen, area));
    this.transport.write(concatenate(chunks));
  }

  /** Whether the guest takes absolute positions: clients that can are told to send motions otherwise. */
  pointerMode(absolute: boolean): void {
    this.absolute = absolute;
    this.flush();
  }

  /** Releases what the client held down; the transport is closed. */
  close(): void {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    for (const scancode of this.held) this.options.input.key(scancode, false);
    this.held.clear();
    this.transport.close();
  }

  // --- messages: each returns the bytes it used, 0 for more, below 0 for a protocol error

  private message(): number {
    switch (this.phase) {
      case 'version':
        return this.version();
      case 'security':
        return this.security();
      case 'password':
        return this.password();
      case 'init':
        return this.init();
      case 'ready':
        return this.clientMessage();
      default:
        return 0;
    }
  }

  private version(): number {
    if (this.pending.length < 12) return 0;
    const text = String.fromCharCode(...this.pending.subarray(0, 12));
    const match = /^RFB 003\.(\d{3})\n$/.exec(text);
    if (!match) return -1;
    const minor = Number(match[1]);
    this.minor = minor >= 8 ? 8 : minor === 7 ? 7 : 3;
    const type = this.options.password === '' ? SECURITY_NONE : SECURITY_VNC;
    if (this.minor === 3) {
      this.transport.write(Uint8Array.of(0, 0, 0, type));
      if (type === SECURITY_VNC) this.sendChallenge();
      else this.phase = 'init';
    } else {
      this.transport.write(Uint8Array.of(1, type));
      this.phase = 'security';
    }
    return 12;
  }

  private security(): number {
    if (this.pending.length < 1) return 0;
    const offered = this.options.password === '' ? SECURITY_NONE : SECURITY_VNC;
    if (this.pending[0] !== offered) return -1;
    if (offered === SECURITY_VNC) this.sendChallenge();
    else {
      if (this.minor >= 8) this.transport.write(Uint8Array.of(0, 0, 0, 0));
      this.phase = 'init';
    }
    return 1;
  }

  private sendChallenge(): void {
    this.challenge = this.options.random(16) as Uint8Array<ArrayBuffer>;
    this.transport.write(this.challenge);
    this.phase = 'password';
  }

  private password(): number {
    if (this.pending.length < 16) return 0;
    const expected = this.options.vncResponse(this.challenge, this.options.password);
    let difference = 0;
    for (let i = 0; i < 16; i++) difference |= expected[i] ^ this.pending[i];
    const good = difference === 0;
    this.options.onAuthentication(good);
    if (!good) {
      this.transport.write(Uint8Array.of(0, 0, 0, 1));
      if (this.minor >= 8) this.transport.write(textMessage('Wrong password.'));
      return -1;
    }
    this.transport.write(Uint8Array.of(0, 0, 0, 0));
    this.phase = 'init';
    return 16;
  }

  private init(): number {
    if (this.pending.length < 1) return 0;
    const { width, height } = this.options.screen();
    this.width = width;
    this.height = height;
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint16(0, width);
    new DataView(head.buffer).setUint16(2, height);
    this.transport.write(
      concatenate([head, writePixelFormat(NATIVE_FORMAT), textMessage(this.options.name)]),
    );
    this.phase = 'ready';
    this.options.onReady();
    return 1;
  }

  private clientMessage(): number {
    const { pending } = this;
    if (pending.length < 1) return 0;
    const view = new DataView(pending.buffer, pending.byteOffset, pending.length);
    const has = (bytes: number): boolean => pending.length >= bytes;
    switch (pending[0]) {
      case 0: {
        if (!has(20)) return 0;
        const format = readPixelFormat(view, 4);
        if (!format) return -1;
        this.converter = new PixelConverter(format);
        return 20;
      }
      case 2: {
        if (!has(4)) return 0;
        const count = view.getUint16(2);
        if (count > MAX_ENCODINGS) return -1;
        if (!has(4 + count * 4)) return 0;
        this.encodings(Array.from({ length: count }, (_, i) => view.getInt32(4 + i * 4)));
        return 4 + count * 4;
      }
      case 3:
        if (!has(10)) return 0;
        if (pending[1] === 0) this.wanted = 'full';
        else if (this.wanted === 'none') this.wanted = 'incremental';
        this.flush();
        return 10;
      case 4: {
        if (!has(8)) return 0;
        const scancode = this.options.keymap.scancode(view.getUint32(4));
        if (scancode !== undefined) this.key(scancode, pending[1] !== 0);
        return 8;
      }
      case 5:
        if (!has(6)) return 0;
        this.pointer(view.getUint16(2), view.getUint16(4), pending[1]);
        return 6;
      case 6: {
        if (!has(8)) return 0;
        const length = view.getInt32(4);
        if (length < 0 || length > MAX_CUT_TEXT) return -1;
        return has(8 + length) ? 8 + length : 0;
      }
      case 255:
        return this.qemuMessage(view, has);
      default:
        return -1;
    }
  }

  /** QEMU extended key event: down flag, key symbol, scan code with bit 7 for extended keys. */
  private qemuMessage(view: DataView, has: (bytes: number) => boolean): number {
    if (!has(2)) return 0;
    if (view.getUint8(1) !== 0) return -1;
    if (!has(12)) return 0;
    const code = view.getUint32(8);
    const scancode = code > 0xff ? code & 0xffff : code & 0x80 ? 0xe000 | (code & 0x7f) : code;
    if (scancode !== 0) this.key(scancode, view.getUint16(2) !== 0);
    return 12;
  }

  /** A client that was told of relative motion sends it offset by 7FFFh (QEMU's pointer motion change). */
  private pointer(x: number, y: number, buttons: number): void {
    const relative = this.announcedAbsolute === false;
    const offset = relative ? 0x7fff : 0;
    this.options.input.pointer(x - offset, y - offset, buttons, relative);
  }

  private key(scancode: number, pressed: boolean): void {
    if (pressed) {
      if (this.held.size >= MAX_KEYS_HELD) return;
      this.held.add(scancode);
    } else this.held.delete(scancode);
    this.options.input.key(scancode, pressed);
  }

  private encodings(list: readonly number[]): void {
    this.hextile = list.includes(HEXTILE);
    this.desktopSize = list.includes(DESKTOP_SIZE);
    this.pointerChange = list.includes(POINTER_CHANGE);
    const extended = list.includes(EXTENDED_KEY);
    if (extended && !this.extendedKeys) this.announcedAbsolute = undefined;
    this.extendedKeys = extended;
    this.keysAnnounced = false;
  }

  private keysAnnounced = false;

  // --- updates

  /** Tells a new size; the update that was asked for is that. */
  private resized(screen: RfbScreen): boolean {
    if (screen.width === this.width && screen.height === this.height) return false;
    if (!this.desktopSize) {
      // The client can only be served by a new connection.
      this.close();
      return true;
    }
    this.width = screen.width;
    this.height = screen.height;
    this.dirty = [[0, 0, 0xffff, 0xffff]];
    this.wanted = 'none';
    this.transport.write(
      concatenate([update(1), rectangleHead([0, 0, screen.width, screen.height], DESKTOP_SIZE)]),
    );
    return true;
  }

  /** Pseudo-rectangles that tell what the server can do. */
  private announce(): boolean {
    const heads: Uint8Array[] = [];
    if (this.extendedKeys && !this.keysAnnounced) {
      heads.push(rectangleHead([0, 0, 0, 0], EXTENDED_KEY));
      this.keysAnnounced = true;
    }
    if (this.pointerChange && this.announcedAbsolute !== this.absolute) {
      heads.push(rectangleHead([this.absolute ? 1 : 0, 0, 0, 0], POINTER_CHANGE));
      this.announcedAbsolute = this.absolute;
    }
    if (heads.length === 0) return false;
    if (this.wanted === 'full') this.dirty = [[0, 0, 0xffff, 0xffff]];
    this.wanted = 'none';
    this.transport.write(concatenate([update(heads.length), ...heads]));
    return true;
  }

  private rectangle(screen: RfbScreen, area: Rectangle): Uint8Array {
    const [x, y, width, height] = area;
    if (this.hextile)
      return concatenate([
        rectangleHead(area, HEXTILE),
        encodeHextile(screen, x, y, width, height, this.converter),
      ]);
    const bytes = new Uint8Array(width * height * this.converter.bytes);
    for (let row = 0; row < height; row++) {
      this.converter.convert(
        screen.pixels,
        ((y + row) * screen.width + x) * 4,
        width,
        bytes,
        row * width * this.converter.bytes,
      );
    }
    return concatenate([rectangleHead(area, RAW), bytes]);
  }
}

function update(rectangles: number): Uint8Array {
  return Uint8Array.of(0, 0, rectangles >> 8, rectangles & 255);
}

function rectangleHead([x, y, width, height]: Rectangle, encoding: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, x);
  view.setUint16(2, y);
  view.setUint16(4, width);
  view.setUint16(6, height);
  view.setInt32(8, encoding);
  return bytes;
}

function textMessage(text: string): Uint8Array {
  const bytes = ascii(text);
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, bytes.length);
  return concatenate([head, bytes]);
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => (c.charCodeAt(0) < 0x80 ? c.charCodeAt(0) : 0x3f));
}

/** Rectangles cut to the screen; a list that covers much becomes one. */
function clip(rectangles: readonly Rectangle[], screen: RfbScreen): Rectangle[] {
  const cut: Rectangle[] = [];
  for (const [x, y, width, height] of rectangles) {
    const right = Math.min(x + width, screen.width);
    const bottom = Math.min(y + height, screen.height);
    if (x < right && y < bottom) cut.push([x, y, right - x, bottom - y]);
  }
  return cut.length > MAX_RECTANGLES ? [[0, 0, screen.width, screen.height]] : cut;
}
