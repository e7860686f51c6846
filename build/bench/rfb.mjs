// A VNC client (RFC 6143) that looks and types: no password, raw encoding, 32 bits a pixel.
import { createHash } from 'node:crypto';
import { createConnection } from 'node:net';

// Client messages, RFC 6143 section 7.5.
const SET_PIXEL_FORMAT = 0;
const SET_ENCODINGS = 2;
const FRAMEBUFFER_UPDATE_REQUEST = 3;
const KEY_EVENT = 4;
// Server messages, section 7.6.
const FRAMEBUFFER_UPDATE = 0;
const SET_COLOUR_MAP = 1;
const BELL = 2;
const SERVER_CUT_TEXT = 3;
// Encodings, section 7.7 and 7.8.
const RAW = 0;
const DESKTOP_SIZE = -223;

const SECURITY_NONE = 1;
export const KEYSYM_RETURN = 0xff0d;

export class RfbScreen {
  width = 0;
  height = 0;
  /** Pixels as blue, green, red, unused. */
  pixels = Buffer.alloc(0);
  #socket;
  #bytes;

  static async connect(port, limitMs) {
    const deadline = performance.now() + limitMs;
    for (;;) {
      try {
        const screen = new RfbScreen();
        await screen.#open(port);
        return screen;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await new Promise((wake) => setTimeout(wake, 50));
      }
    }
  }

  async #open(port) {
    this.#socket = createConnection(port, '127.0.0.1');
    this.#bytes = this.#socket[Symbol.asyncIterator]();
    await this.#read(12);
    this.#socket.write('RFB 003.008\n');
    const [count] = await this.#read(1);
    const types = await this.#read(count);
    if (!types.includes(SECURITY_NONE)) throw new Error('the VNC server wants a password');
    this.#socket.write(Buffer.of(SECURITY_NONE));
    await this.#read(4);
    this.#socket.write(Buffer.of(1));
    const head = await this.#read(24);
    await this.#read(head.readUInt32BE(20));
    this.#resize(head.readUInt16BE(0), head.readUInt16BE(2));
    // 32 bits, depth 24, little-endian, true colour, 8 bits each at 16, 8, 0.
    this.#socket.write(
      Buffer.of(SET_PIXEL_FORMAT, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0),
    );
    const encodings = Buffer.alloc(12);
    encodings.writeUInt8(SET_ENCODINGS, 0);
    encodings.writeUInt16BE(2, 2);
    encodings.writeInt32BE(RAW, 4);
    encodings.writeInt32BE(DESKTOP_SIZE, 8);
    this.#socket.write(encodings);
  }

  #pending = Buffer.alloc(0);

  async #read(length) {
    const parts = [this.#pending];
    let have = this.#pending.length;
    while (have < length) {
      const { value, done } = await this.#bytes.next();
      if (done) throw new Error('the VNC server closed the connection');
      parts.push(value);
      have += value.length;
    }
    const all = Buffer.concat(parts);
    this.#pending = all.subarray(length);
    return all.subarray(0, length);
  }

  #resize(width, height) {
    this.width = width;
    this.height = height;
    this.pixels = Buffer.alloc(width * height * 4);
  }

  /** Asks for the whole picture and waits for it. */
  async look() {
    const request = Buffer.alloc(10);
    request.writeUInt8(FRAMEBUFFER_UPDATE_REQUEST, 0);
    request.writeUInt16BE(this.width, 6);
    request.writeUInt16BE(this.height, 8);
    this.#socket.write(request);
    for (;;) if (await this.#message()) return;
  }

  /** True when it was an update of the picture. */
  async #message() {
    const [type] = await this.#read(1);
    switch (type) {
      case FRAMEBUFFER_UPDATE:
        return this.#update();
      case SET_COLOUR_MAP:
        await this.#read((await this.#read(5)).readUInt16BE(3) * 6);
        return false;
      case BELL:
        return false;
      case SERVER_CUT_TEXT:
        await this.#read((await this.#read(7)).readUInt32BE(3));
        return false;
      default:
        throw new Error(`unknown VNC message ${type}`);
    }
  }

  async #update() {
    const count = (await this.#read(3)).readUInt16BE(1);
    for (let i = 0; i < count; i++) {
      const head = await this.#read(12);
      const [x, y, width, height] = [0, 2, 4, 6].map((at) => head.readUInt16BE(at));
      if (head.readInt32BE(8) === DESKTOP_SIZE) {
        this.#resize(width, height);
        continue;
      }
      const rows = await this.#read(width * height * 4);
      for (let row = 0; row < height; row++)
        rows.copy(
          this.pixels,
          ((y + row) * this.width + x) * 4,
          row * width * 4,
          (row + 1) * width * 4,
        );
    }
    return true;
  }

  key(keysym) {
    for (const down of [1, 0]) {
      const event = Buffer.alloc(8);
      event.writeUInt8(KEY_EVENT, 0);
      event.writeUInt8(down, 1);
      event.writeUInt32BE(keysym, 4);
      this.#socket.write(event);
    }
  }

  /** Part of the picture that has a colour, 0 to 1, judged by a sample of its pixels. */
  share(red, green, blue) {
    const { pixels } = this;
    const colour = (blue | (green << 8) | (red << 16)) >>> 0;
    let [count, seen] = [0, 0];
    // A prime: no column of the picture is seen more often than another.
    for (let at = 0; at < pixels.length; at += 4 * 13, seen++)
      if ((pixels.readUInt32LE(at) & 0xffffff) === colour) count++;
    return seen === 0 ? 0 : count / seen;
  }

  /** Fingerprint of the picture. */
  hash() {
    const hash = createHash('sha256').update(`${this.width}x${this.height}`);
    // The unused byte of a pixel is the server's business.
    const pixels = Buffer.from(this.pixels);
    for (let at = 3; at < pixels.length; at += 4) pixels[at] = 0;
    return hash.update(pixels).digest('hex').slice(0, 16);
  }

  close() {
    this.#socket.destroy();
  }
}
