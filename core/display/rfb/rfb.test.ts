import { describe, expect, it, vi } from 'vitest';
import { Keymap } from '../keymap';
import { RfbSession, type RfbOptions } from './session';

const u16 = (n: number): number[] => [n >> 8, n & 0xff];
const u32 = (n: number): number[] => [...u16(n >>> 16), ...u16(n & 0xffff)];
const encodings = (...list: number[]): number[] => [
  2,
  0,
  ...u16(list.length),
  ...list.flatMap(u32),
];
const request = (incremental: boolean, width: number, height: number): number[] => [
  3, incremental ? 1 : 0, 0, 0, 0, 0, ...u16(width), ...u16(height),
]; // prettier-ignore
const FORMAT_565 = [16, 16, 0, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0];
const FORMAT_BGR_BE = [32, 24, 1, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0];
const FORMAT_332 = [8, 8, 0, 1, 0, 7, 0, 7, 0, 3, 0, 3, 6, 0, 0, 0];

const keymap = new Keymap('en-us');

/** A server session and what a client sees of it. */
class Bench {
  screen = { width: 200, height: 100, pixels: new Uint8Array(200 * 100 * 4) };
  received: number[] = [];
  queued = 0;
  closed = false;
  readonly keys: [number, boolean][] = [];
  readonly pointers: [number, number, number, boolean][] = [];
  readonly good: boolean[] = [];
  ready = 0;
  readonly session: RfbSession;

  constructor(options: Partial<RfbOptions> = {}) {
    this.session = new RfbSession(
      {
        name: 'guest',
        password: '',
        screen: () => this.screen,
        input: {
          key: (scancode, pressed) => void this.keys.push([scancode, pressed]),
          pointer: (x, y, buttons, relative) => void this.pointers.push([x, y, buttons, relative]),
        },
        keymap,
        random: (length) => Uint8Array.from({ length }, (_, i) => i * 7),
        vncResponse: (challenge, password) =>
          challenge.map((byte, i) => byte ^ password.charCodeAt(i % password.length)),
        onAuthentication: (good) => void this.good.push(good),
        onReady: () => this.ready++,
        ...options,
      },
      {
        write: (bytes) => {
          for (const byte of bytes) this.received.push(byte);
        },
        get queuedBytes() {
          return bench.queued;
        },
        close: () => {
          this.closed = true;
        },
      },
    );
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    const bench = this;
  }

  send(...bytes: number[]): void {
    this.session.receive(Uint8Array.from(bytes));
  }
  sendText(text: string): void {
    this.send(...Array.from(text, (c) => c.charCodeAt(0)));
  }
  /** Takes `count` bytes that arrived. */
  take(count = this.received.length): number[] {
    return this.received.splice(0, count);
  }
  text(count: number): string {
    return String.fromCharCode(...this.take(count));
  }
  number(bytes: 1 | 2 | 4): number {
    return this.take(bytes).reduce((value, byte) => value * 256 + byte, 0);
  }
  login(): this {
    this.take(12);
    this.sendText('RFB 003.008\n');
    this.take(2);
    this.send(1);
    this.take(4);
    this.send(1);
    this.take();
    return this;
  }
  paint(x: number, y: number, rgb: number): void {
    this.screen.pixels.set(
      [rgb & 0xff, (rgb >> 8) & 0xff, rgb >> 16, 0xff],
      (y * this.screen.width + x) * 4,
    );
  }
}

/** Decodes updates as a client does, into RRGGBB numbers. */
class Viewer {
  pixels: Uint32Array;
  readonly pseudo: [encoding: number, x: number, y: number, width: number, height: number][] = [];
  /** Of all rectangles so far. */
  readonly encodings: number[] = [];

  constructor(
    private readonly bench: Bench,
    public width: number,
    public height: number,
    private readonly format: {
      bytes: number;
      color(bytes: number[]): number;
    } = {
      bytes: 4,
      color: ([b, g, r]) => (r << 16) | (g << 8) | b,
    },
  ) {
    this.pixels = new Uint32Array(width * height);
  }

  async update(): Promise<number> {
    await vi.waitUntil(() => this.bench.received.length > 0);
    const { bench } = this;
    expect(bench.number(1)).toBe(0);
    bench.number(1);
    const count = bench.number(2);
    for (let i = 0; i < count; i++) {
      const [x, y, w, h] = [bench.number(2), bench.number(2), bench.number(2), bench.number(2)];
      const encoding = bench.number(4) | 0;
      this.encodings.push(encoding);
      if (encoding === 0) this.raw(x, y, w, h);
      else if (encoding === 1) this.copy(x, y, w, h, bench.number(2), bench.number(2));
      else if (encoding === 5) this.hextile(x, y, w, h);
      else {
        this.pseudo.push([encoding, x, y, w, h]);
        if (encoding === -308) bench.take(4 + 16 * bench.received[0]);
      }
    }
    expect(bench.received).toHaveLength(0);
    return count;
  }

  private color(): number {
    return this.format.color(this.bench.take(this.format.bytes));
  }
  private fill(x: number, y: number, w: number, h: number, color: number): void {
    for (let row = y; row < y + h; row++)
      this.pixels.fill(color, row * this.width + x, row * this.width + x + w);
  }
  private copy(x: number, y: number, w: number, h: number, fromX: number, fromY: number): void {
    const before = this.pixels.slice();
    for (let row = 0; row < h; row++) {
      const from = (fromY + row) * this.width + fromX;
      this.pixels.set(before.subarray(from, from + w), (y + row) * this.width + x);
    }
  }
  private raw(x: number, y: number, w: number, h: number): void {
    for (let row = 0; row < h; row++)
      for (let column = 0; column < w; column++) this.fill(x + column, y + row, 1, 1, this.color());
  }
  private hextile(x: number, y: number, w: number, h: number): void {
    let background = -1;
    let foreground = -1;
    for (let ty = y; ty < y + h; ty += 16)
      for (let tx = x; tx < x + w; tx += 16) {
        const tw = Math.min(16, x + w - tx);
        const th = Math.min(16, y + h - ty);
        const flags = this.bench.number(1);
        if (flags & 1) {
          this.raw(tx, ty, tw, th);
          background = foreground = -1;
          continue;
        }
        if (flags & 2) background = this.color();
        expect(background).toBeGreaterThanOrEqual(0);
        this.fill(tx, ty, tw, th, background);
        if (flags & 4) foreground = this.color();
        if (!(flags & 8)) continue;
        for (let n = this.bench.number(1); n > 0; n--) {
          const color = flags & 16 ? this.color() : foreground;
          expect(color).toBeGreaterThanOrEqual(0);
          const xy = this.bench.number(1);
          const wh = this.bench.number(1);
          this.fill(tx + (xy >> 4), ty + (xy & 15), (wh >> 4) + 1, (wh & 15) + 1, color);
        }
        if (flags & 16) foreground = -1;
      }
  }
}

/** Text-like, photo-like and drawing-like areas beside each other. */
function painting(bench: Bench): Uint32Array {
  const { width, height } = bench.screen;
  const expected = new Uint32Array(width * height);
  let seed = 1;
  const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let rgb = 0x000080;
      if (x < 70) rgb = random() & 1 ? 0xaaaaaa : 0x000000;
      else if (x < 130 && y < 60) rgb = random() & 0xffffff;
      else if (x < 160) rgb = (Math.floor(x / 7) * 0x111111) & 0xf0f0f0;
      else if (y > 80) rgb = ((x * y) % 40) * 0x010203;
      bench.paint(x, y, rgb);
      expected[y * width + x] = rgb;
    }
  return expected;
}

describe('RFB handshake', () => {
  it('offers 3.8 and no authentication without a password', () => {
    const bench = new Bench();
    expect(bench.text(12)).toBe('RFB 003.008\n');
    bench.sendText('RFB 003.008\n');
    expect(bench.take()).toEqual([1, 1]);
    bench.send(1);
    expect(bench.take()).toEqual([0, 0, 0, 0]);
    bench.send(1);
    expect([bench.number(2), bench.number(2)]).toEqual([200, 100]);
    expect(bench.take(16)).toEqual([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
    expect(bench.number(4)).toBe(5);
    expect(bench.text(5)).toBe('guest');
    expect(bench.ready).toBe(1);
  });

  it('speaks 3.3 and 3.7', () => {
    const old = new Bench();
    old.take();
    old.sendText('RFB 003.003\n');
    expect(old.take()).toEqual([0, 0, 0, 1]);
    old.send(1);
    expect(old.number(2)).toBe(200);
    const middle = new Bench();
    middle.take();
    middle.sendText('RFB 003.007\n');
    middle.take();
    middle.send(1);
    expect(middle.take()).toEqual([]);
    middle.send(0);
    expect(middle.number(2)).toBe(200);
  });

  it('asks for the password and takes the right one only, in constant pieces', () => {
    const bench = new Bench({ password: 'secret' });
    bench.take();
    bench.sendText('RFB 003.008\n');
    expect(bench.take()).toEqual([1, 2]);
    bench.send(2);
    const challenge = bench.take();
    expect(challenge).toHaveLength(16);
    for (const [i, byte] of challenge.entries()) bench.send(byte ^ 'secret'.charCodeAt(i % 6));
    expect(bench.take()).toEqual([0, 0, 0, 0]);
    expect(bench.good).toEqual([true]);
    expect(bench.session.authenticated).toBe(true);
  });

  it('refuses a wrong password, and any while locked', () => {
    for (const locked of [false, true]) {
      const bench = new Bench({ password: 'secret', isLocked: () => locked });
      bench.take();
      bench.sendText('RFB 003.008\n');
      bench.take();
      bench.send(2);
      const challenge = bench.take();
      const word = locked ? 'secret' : 'Secret';
      bench.send(...challenge.map((byte, i) => byte ^ word.charCodeAt(i % 6)));
      expect(bench.number(4)).toBe(1);
      expect(bench.text(bench.number(4))).toBe('Wrong password.');
      expect([bench.closed, bench.good]).toEqual([true, [false]]);
    }
  });

  it('lets nobody in by a security type that was not offered', () => {
    for (let type = 0; type < 256; type++) {
      if (type === 2) continue;
      const bench = new Bench({ password: 'secret' });
      bench.sendText('RFB 003.008\n');
      bench.send(type, 1, ...request(false, 1, 1));
      expect(bench.session.authenticated).toBe(false);
      expect(bench.closed).toBe(true);
    }
  });

  it('keeps no more than 4 KiB of a client that is not in', () => {
    const bench = new Bench({ password: 'secret' });
    bench.session.receive(new Uint8Array(5000));
    expect(bench.closed).toBe(true);
  });
});

describe('RFB updates', () => {
  it.each([
    ['raw', 0],
    ['hextile', 5],
  ])('%s shows the picture as it is', async (_name, encoding) => {
    const bench = new Bench().login();
    const expected = painting(bench);
    const viewer = new Viewer(bench, 200, 100);
    bench.send(...encodings(encoding, 0), ...request(false, 200, 100));
    await viewer.update();
    expect(Buffer.from(viewer.pixels.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    // And again, changes only.
    bench.paint(5, 5, 0x123456);
    bench.paint(199, 99, 0x654321);
    bench.send(...request(true, 200, 100));
    expect(bench.received).toHaveLength(0);
    bench.session.changed([
      [5, 5, 1, 1],
      [199, 99, 50, 50],
    ]);
    expect(await viewer.update()).toBe(2);
    expect([viewer.pixels[5 * 200 + 5], viewer.pixels[99 * 200 + 199]]).toEqual([
      0x123456, 0x654321,
    ]);
  });

  it.each([0, 5])('tells a console that scrolled as a move, with encoding %d', async (code) => {
    const bench = new Bench().login();
    painting(bench);
    const viewer = new Viewer(bench, 200, 100);
    bench.send(...encodings(code, 1), ...request(false, 200, 100));
    await viewer.update();
    const shown = (): number[] =>
      Array.from({ length: 200 * 100 }, (_, i) => {
        const [b = 0, g = 0, r = 0] = bench.screen.pixels.subarray(i * 4, i * 4 + 3);
        return (r << 16) | (g << 8) | b;
      });
    for (const [from, to] of [
      [16, 0],
      [0, 12],
    ] as const) {
      const rows = 100 - Math.max(from, to);
      bench.screen.pixels.copyWithin(to * 800, from * 800, (from + rows) * 800);
      for (let x = 0; x < 200; x++) bench.paint(x, to > 0 ? x % to : 99 - (x % from), 0x0f0f0f);
      viewer.encodings.length = 0;
      bench.session.changed([[0, 0, 200, 100]]);
      bench.send(...request(true, 200, 100));
      await viewer.update();
      expect(viewer.encodings).toEqual([1, code]);
      expect([...viewer.pixels]).toEqual(shown());
    }
    // Of a screen that changed otherwise nothing is copied, nor for a client that wants all of it again.
    bench.screen.pixels.fill(7, 0, 80 * 800);
    bench.session.changed([[0, 0, 200, 100]]);
    bench.send(...request(true, 200, 100));
    await viewer.update();
    bench.screen.pixels.copyWithin(0, 4 * 800);
    bench.send(...request(false, 200, 100));
    await viewer.update();
    expect(viewer.encodings.slice(2)).toEqual([code, code]);
    expect([...viewer.pixels]).toEqual(shown());
  });

  it.each([
    ['16 bits', FORMAT_565, 2, ([a, b]: number[]) => a | (b << 8), 0xf81f],
    ['8 bits', FORMAT_332, 1, ([a]: number[]) => a, 0b11_000_111],
    [
      'big endian BGR',
      FORMAT_BGR_BE,
      4,
      ([, a, b, c]: number[]) => (a << 16) | (b << 8) | c,
      0xff00ff,
    ],
  ] as const)('in %s', async (_name, format, bytes, color, magenta) => {
    for (const encoding of [0, 5]) {
      const bench = new Bench().login();
      const viewer = new Viewer(bench, 200, 100, { bytes, color });
      bench.paint(3, 4, 0xff00ff);
      bench.send(0, 0, 0, 0, ...format, ...encodings(encoding), ...request(false, 200, 100));
      await viewer.update();
      expect([viewer.pixels[4 * 200 + 3], viewer.pixels[0]]).toEqual([magenta, 0]);
    }
  });

  it('gives a colour map to a client that wants one', async () => {
    const bench = new Bench().login();
    bench.send(0, 0, 0, 0, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    expect(bench.take(6)).toEqual([1, 0, 0, 0, 1, 0]);
    const map = bench.take(256 * 6);
    expect(map.slice(6 * 0b11_000_111, 6 * 0b11_000_111 + 6)).toEqual([255, 255, 0, 0, 255, 255]);
  });

  it('has one frame on its way, and joins what changes meanwhile', async () => {
    const bench = new Bench().login();
    const viewer = new Viewer(bench, 200, 100);
    bench.send(...request(false, 200, 100));
    await viewer.update();
    bench.queued = 1 << 20;
    bench.send(...request(true, 200, 100));
    for (let y = 0; y < 50; y++) bench.session.changed([[0, y, 10, 1]]);
    expect(bench.received).toHaveLength(0);
    bench.queued = 0;
    bench.session.flush();
    expect(await viewer.update()).toBe(1);
    bench.session.changed([[0, 0, 10, 10]]);
    expect(bench.received).toHaveLength(0);
  });

  it('tells a new size, extended if the client knows that', async () => {
    for (const code of [-223, -308]) {
      const bench = new Bench().login();
      const viewer = new Viewer(bench, 200, 100);
      bench.send(...encodings(0, code), ...request(false, 200, 100));
      await viewer.update();
      viewer.pseudo.length = 0;
      bench.screen = { width: 64, height: 32, pixels: new Uint8Array(64 * 32 * 4).fill(0xff) };
      bench.send(...request(true, 200, 100));
      bench.take();
      bench.session.changed([[0, 0, 64, 32]]);
      bench.send(...request(true, 200, 100));
      const second = new Viewer(bench, 64, 32);
      await vi.waitUntil(() => bench.received.length > 0);
      await second.update();
      expect(second.pixels.every((pixel) => pixel === 0xffffff)).toBe(true);
    }
  });

  it('shows what fits to a client that cannot change its size', async () => {
    const bench = new Bench().login();
    const viewer = new Viewer(bench, 200, 100);
    bench.screen.pixels.fill(0x55);
    bench.send(...encodings(5), ...request(false, 200, 100));
    await viewer.update();
    bench.screen = { width: 300, height: 50, pixels: new Uint8Array(300 * 50 * 4).fill(0xee) };
    bench.send(...request(true, 200, 100));
    await viewer.update();
    expect([viewer.pixels[0], viewer.pixels[49 * 200 + 199], viewer.pixels[50 * 200]]).toEqual([
      0xeeeeee, 0xeeeeee, 0,
    ]);
    expect(bench.closed).toBe(false);
  });

  it('refuses SetDesktopSize', async () => {
    const bench = new Bench().login();
    const viewer = new Viewer(bench, 200, 100);
    bench.send(...encodings(0, -308), ...request(true, 200, 100));
    await viewer.update();
    expect(viewer.pseudo.pop()).toEqual([-308, 0, 0, 200, 100]);
    bench.send(...request(true, 200, 100));
    bench.send(251, 0, ...u16(640), ...u16(480), 1, 0, ...new Array<number>(16).fill(0));
    await viewer.update();
    expect(viewer.pseudo.pop()).toEqual([-308, 1, 1, 200, 100]);
  });
});

describe('RFB input', () => {
  it('maps key symbols, and scan codes of QEMU clients', async () => {
    const bench = new Bench().login();
    const viewer = new Viewer(bench, 200, 100);
    bench.send(4, 1, 0, 0, ...u32(0x61), 4, 0, 0, 0, ...u32(0x61));
    expect(bench.keys.splice(0)).toEqual([[0x1e, true], [0x1e, false]]); // prettier-ignore
    bench.send(...encodings(0, -258), ...request(false, 200, 100));
    await viewer.update();
    expect(viewer.pseudo).toEqual([[-258, 0, 0, 0, 0]]);
    bench.send(
      255,
      0,
      0,
      1,
      ...u32(0xff51),
      ...u32(0xcb),
      255,
      0,
      0,
      0,
      ...u32(0xff51),
      ...u32(0xcb),
    );
    expect(bench.keys.splice(0)).toEqual([[0xe04b, true], [0xe04b, false]]); // prettier-ignore
    bench.send(255, 0, 0, 1, ...u32(0x61), ...u32(0), 255, 0, 0, 1, ...u32(0), ...u32(0x12345678));
    expect(bench.keys.splice(0)).toEqual([[0x1e, true]]);
  });

  it('releases what was held when the client goes', () => {
    const bench = new Bench().login();
    bench.send(4, 1, 0, 0, ...u32(0xffe3), 4, 1, 0, 0, ...u32(0x63));
    bench.keys.length = 0;
    bench.session.close();
    expect(bench.keys).toEqual([[0x1d, false], [0x2e, false]]); // prettier-ignore
  });

  it('limits key presses a second, never releases', () => {
    let now = 0;
    const bench = new Bench({ monotonicMs: () => now }).login();
    for (let i = 0; i < 5000; i++) bench.send(4, 1, 0, 0, ...u32(0x61), 4, 0, 0, 0, ...u32(0x61));
    expect(bench.keys.filter(([, pressed]) => pressed)).toHaveLength(2000);
    now = 1000;
    bench.send(4, 1, 0, 0, ...u32(0x61));
    expect(bench.keys.at(-1)).toEqual([0x1e, true]);
  });

  it('passes positions, and motions once the client was told', async () => {
    const bench = new Bench().login();
    const viewer = new Viewer(bench, 200, 100);
    bench.send(5, 1, ...u16(10), ...u16(20));
    bench.session.pointerMode(false);
    bench.send(...encodings(0, -257), ...request(true, 200, 100));
    await viewer.update();
    expect(viewer.pseudo).toEqual([[-257, 0, 0, 200, 100]]);
    bench.send(5, 4, ...u16(0x7fff + 3), ...u16(0x7fff - 4));
    expect(bench.pointers).toEqual([[10, 20, 1, false], [3, -4, 4, true]]); // prettier-ignore
  });

  it('takes the clipboard up to 256 KiB', () => {
    const texts: string[] = [];
    const bench = new Bench({ onCutText: (text) => void texts.push(text) }).login();
    bench.send(6, 0, 0, 0, ...u32(3), 0x61, 0xe4, 0x63);
    expect(texts).toEqual(['aäc']);
    bench.send(6, 0, 0, 0, ...u32(256 * 1024 + 1));
    expect(bench.closed).toBe(true);
  });
});

describe('malformed RFB', () => {
  it.each([
    ['unknown message', [99]],
    ['too many encodings', [2, 0, 0xff, 0xff]],
    ['negative clipboard length', [6, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]],
    ['24-bit pixels', [0, 0, 0, 0, 24, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]],
    ['zero maximum', [0, 0, 0, 0, 32, 24, 0, 1, 0, 0, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]],
    ['shift out of the pixel', [0, 0, 0, 0, 16, 16, 0, 1, 0, 31, 0, 63, 0, 31, 200, 5, 0, 0, 0, 0]],
    ['unknown QEMU message', [255, 1, 0, 0]],
  ])('closes on %s', (_name, bytes) => {
    const bench = new Bench().login();
    bench.send(...bytes);
    expect(bench.closed).toBe(true);
    bench.send(...request(false, 10, 10));
    expect(bench.received).toEqual([]);
  });

  it('survives ten thousand connections of noise, cut anywhere', () => {
    let seed = 20240229;
    const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 9;
    const good = new Bench().login();
    const lengths = [0, 1, 255, 0x7fff, 0xffff];
    for (let n = 0; n < 10_000; n++) {
      const bench = new Bench({ password: n % 3 ? '' : 'pw' });
      if (n % 3 && n % 5) bench.login();
      else if (n % 2) bench.sendText('RFB 003.008\n');
      for (let m = 0; m < 3; m++) {
        const type = [0, 2, 3, 4, 5, 6, 251, 255, random()][random() % 9];
        const length = lengths[random() % 5] % 64;
        bench.send(
          type & 255,
          ...Array.from({ length }, () => (random() % 4 ? 0 : random() & 255)),
        );
      }
      bench.session.changed([[0, 0, 70000, 70000]]);
      bench.session.close();
    }
    good.send(...request(false, 1, 1));
    expect(good.received.length).toBe(4 + 12 + 4);
  });

  it('takes a flood of small messages in one piece without copying it again and again', () => {
    const bench = new Bench().login();
    const event = [5, 0, 0, 1, 0, 1];
    const flood = new Uint8Array(6 * 200_000);
    for (let i = 0; i < flood.length; i++) flood[i] = event[i % 6]!;
    const started = performance.now();
    bench.session.receive(flood);
    expect(bench.pointers).toHaveLength(200_000);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
