import { beforeEach, describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { MockClock } from '../../../test/support/mock-clock';
import { STANDARD_MODES } from '../../firmware/bios/video/modes';
import { VgaHardware } from '../../firmware/bios/video/vga';
import type { DisplayBackend, SystemBus } from '../../hw';
import { CP437, vgaFonts } from './font';
import { Vga, VRAM_BYTES } from './vga';

/** A display that remembers. */
class Picture implements DisplayBackend {
  width = 0;
  height = 0;
  bytes = new Uint8Array(0);
  resizes = 0;
  rectangles: [x: number, y: number, width: number, height: number][] = [];
  rows: readonly string[] | undefined;
  cursor: { x: number; y: number } | undefined;

  resize(width: number, height: number): Uint8Array {
    this.resizes++;
    this.width = width;
    this.height = height;
    this.bytes = new Uint8Array(width * height * 4);
    return this.bytes;
  }
  dirty(x: number, y: number, width: number, height: number): void {
    this.rectangles.push([x, y, width, height]);
  }
  text(rows: readonly string[] | undefined, cursor?: { x: number; y: number }): void {
    this.rows = rows;
    this.cursor = cursor;
  }
  /** RRGGBB. */
  pixel(x: number, y: number): string {
    const at = (y * this.width + x) * 4;
    const [b, g, r] = this.bytes.subarray(at, at + 3);
    return [r, g, b].map((n) => n.toString(16).padStart(2, '0')).join('');
  }
}

const makeVram = () => ({ name: 'vram', bytes: new Uint8Array(VRAM_BYTES) });

class Bench implements SystemBus {
  readonly clock = new MockClock();
  readonly picture = new Picture();
  readonly vram = makeVram();
  readonly vga = new Vga({ clock: this.clock, vram: this.vram, display: this.picture });
  readonly hardware = new VgaHardware(this, vgaFonts());

  readPort(port: number, width: 1 | 2 | 4): number {
    if (port >= 0x1ce && port <= 0x1d0) return this.vga.dispiPorts.readPort(port - 0x1ce, width);
    return this.vga.ports.readPort(port - 0x3b0, width);
  }
  writePort(port: number, width: 1 | 2 | 4, value: number): void {
    if (port >= 0x1ce && port <= 0x1d0) this.vga.dispiPorts.writePort(port - 0x1ce, width, value);
    else this.vga.ports.writePort(port - 0x3b0, width, value);
  }
  readMmio(gpa: number, width: 1 | 2 | 4): number {
    return this.vga.window.readMmio(gpa - 0xa0000, width);
  }
  writeMmio(gpa: number, width: 1 | 2 | 4, value: number): void {
    this.vga.window.writeMmio(gpa - 0xa0000, width, value);
  }
  mode(number: number): void {
    const mode = STANDARD_MODES.get(number)!;
    this.hardware.programMode(mode, false);
    this.hardware.clear(mode);
    if (mode.kind === 'text') this.hardware.loadFont(vgaFonts().font8x16, 16, 0, 256, 0);
  }
  dispi(width: number, height: number, bits: number, flags = 0x41): void {
    this.hardware.dispiWrite(4, 0);
    this.hardware.dispiWrite(1, width);
    this.hardware.dispiWrite(2, height);
    this.hardware.dispiWrite(3, bits);
    this.hardware.dispiWrite(4, flags);
  }
  print(column: number, row: number, text: string, attribute = 7): void {
    [...text].forEach((c, i) => {
      const code = CP437.indexOf(c, 1);
      this.hardware.write16(0xb8000 + (row * 80 + column + i) * 2, (attribute << 8) | code);
    });
  }
  /** Refreshes and gives what became dirty. */
  refresh(force = false): [number, number, number, number][] {
    this.picture.rectangles = [];
    this.vga.refresh(force);
    return this.picture.rectangles;
  }
}

let bench: Bench;
let picture: Picture;
beforeEach(() => {
  bench = new Bench();
  picture = bench.picture;
});

deviceContract('VGA', () => {
  const { vga } = new Bench();
  const bar = vga.bars.find((b) => b.kind === 'mmio')!;
  return {
    device: vga,
    ports: [
      { io: vga.ports, count: 0x30 },
      { io: { ...vga.dispiPorts, readPort: (o, w) => vga.dispiPorts.readPort(o, w) }, count: 3 },
    ],
    mmio: [
      { io: vga.window, bytes: 0x20000 },
      { io: bar.handler, bytes: 0x1000 },
    ],
  };
});

describe('VGA registers', () => {
  it('has the attribute flip-flop, reset by reading input status 1', () => {
    bench.mode(3);
    bench.readPort(0x3da, 1);
    bench.writePort(0x3c0, 1, 0x11);
    bench.writePort(0x3c0, 1, 0x2a);
    bench.writePort(0x3c0, 1, 0x11);
    expect(bench.readPort(0x3c1, 1)).toBe(0x2a);
    bench.readPort(0x3da, 1);
    bench.writePort(0x3c0, 1, 0x31);
    expect(bench.readPort(0x3c0, 1)).toBe(0x31);
  });

  it('protects CR00-CR07 but for line compare bit 8', () => {
    bench.mode(3);
    const { hardware } = bench;
    hardware.writeIndexed(0x3d4, 0x11, 0x8e);
    hardware.writeIndexed(0x3d4, 0x00, 0x12);
    expect(hardware.readIndexed(0x3d4, 0x00)).toBe(0x5f);
    hardware.writeIndexed(0x3d4, 0x07, 0x00);
    expect(hardware.readIndexed(0x3d4, 0x07)).toBe(0x0f);
  });

  it('moves the CRTC to 3B4h with monochrome emulation', () => {
    bench.mode(3);
    bench.writePort(0x3c2, 1, 0x66);
    bench.writePort(0x3b4, 1, 0x0f);
    bench.writePort(0x3b5, 1, 0x77);
    expect([bench.readPort(0x3b5, 1), bench.readPort(0x3d5, 1)]).toEqual([0x77, 0xff]);
  });

  it('steps through the DAC by three, entry by entry, with 6-bit values', () => {
    for (const value of [0x3f, 0xff, 0x01, 0x10, 0x20, 0x30]) {
      if (value === 0x3f) bench.writePort(0x3c8, 1, 5);
      bench.writePort(0x3c9, 1, value);
    }
    bench.writePort(0x3c7, 1, 5);
    expect(bench.readPort(0x3c7, 1)).toBe(3);
    const read = Array.from({ length: 6 }, () => bench.readPort(0x3c9, 1));
    expect(read).toEqual([0x3f, 0x3f, 0x01, 0x10, 0x20, 0x30]);
  });

  it('shows retrace about 70 times a second in mode 3', () => {
    bench.mode(3);
    let edges = 0;
    let before = 0;
    let blanked = 0;
    const steps = 20_000;
    for (let i = 0; i < steps; i++) {
      const status = bench.readPort(0x3da, 1);
      if (status & 8 && !(before & 8)) edges++;
      if (status & 1) blanked++;
      before = status;
      bench.clock.advance(1e9 / steps);
    }
    expect(edges).toBeGreaterThan(66);
    expect(edges).toBeLessThan(74);
    expect(blanked / steps).toBeGreaterThan(0.2);
    expect(blanked / steps).toBeLessThan(0.4);
  });
});

describe('VGA memory', () => {
  const planar = (): void => bench.mode(0x12);

  it('write mode 0: rotate, set/reset, function and bit mask', () => {
    planar();
    const { hardware } = bench;
    hardware.write8(0xa0000, 0xff);
    hardware.read8(0xa0000);
    hardware.writeIndexed(0x3ce, 8, 0x0f);
    hardware.writeIndexed(0x3ce, 1, 0x0f);
    hardware.writeIndexed(0x3ce, 0, 0x05);
    hardware.write8(0xa0000, 0x00);
    expect([...bench.vram.bytes.subarray(0, 4)]).toEqual([0xff, 0xf0, 0xff, 0xf0]);
    hardware.writeIndexed(0x3ce, 1, 0x00);
    hardware.writeIndexed(0x3ce, 8, 0xff);
    hardware.writeIndexed(0x3ce, 3, 0x19);
    hardware.read8(0xa0000);
    hardware.write8(0xa0000, 0x03);
    expect([...bench.vram.bytes.subarray(0, 4)]).toEqual([0x7e, 0x71, 0x7e, 0x71]);
  });

  it('write mode 1 copies latches, mode 2 a colour, mode 3 through a mask', () => {
    planar();
    const { hardware } = bench;
    bench.vram.bytes.set([1, 2, 3, 4], 40);
    hardware.writeIndexed(0x3ce, 5, 1);
    hardware.read8(0xa0000 + 10);
    hardware.write8(0xa0000 + 20, 0xee);
    expect([...bench.vram.bytes.subarray(80, 84)]).toEqual([1, 2, 3, 4]);
    hardware.writeIndexed(0x3ce, 5, 2);
    hardware.write8(0xa0000 + 21, 0x0a);
    expect([...bench.vram.bytes.subarray(84, 88)]).toEqual([0, 0xff, 0, 0xff]);
    hardware.writeIndexed(0x3ce, 5, 3);
    hardware.writeIndexed(0x3ce, 0, 0x0f);
    hardware.read8(0xa0000 + 20);
    hardware.write8(0xa0000 + 20, 0xf0);
    expect([...bench.vram.bytes.subarray(80, 84)]).toEqual([0xf1, 0xf2, 0xf3, 0xf4]);
  });

  it('reads a plane or compares colours', () => {
    planar();
    const { hardware } = bench;
    bench.vram.bytes.set([0x0f, 0x33, 0x55, 0x00], 0);
    hardware.writeIndexed(0x3ce, 4, 1);
    expect(hardware.read8(0xa0000)).toBe(0x33);
    hardware.writeIndexed(0x3ce, 5, 8);
    hardware.writeIndexed(0x3ce, 2, 0x03);
    hardware.writeIndexed(0x3ce, 7, 0x0f);
    // Planes 0 and 1 set, 2 and 3 clear: bits of 0f & 33 & ~55.
    expect(hardware.read8(0xa0000)).toBe(0x0f & 0x33 & ~0x55);
  });

  it('keeps to the map mask', () => {
    planar();
    bench.hardware.writeIndexed(0x3c4, 2, 0x06);
    bench.hardware.write8(0xa0000, 0xaa);
    expect([...bench.vram.bytes.subarray(0, 4)]).toEqual([0, 0xaa, 0xaa, 0]);
  });

  it('puts text characters in plane 0 and attributes in plane 1', () => {
    bench.mode(3);
    bench.hardware.write16(0xb8000, 0x1e41);
    expect([...bench.vram.bytes.subarray(0, 2)]).toEqual([0x41, 0x1e]);
    expect(bench.hardware.read16(0xb8000)).toBe(0x1e41);
    expect(bench.hardware.read8(0xa0000)).toBe(0xff);
  });
});

describe('text mode', () => {
  it('shows characters with the font the guest loaded, and tells the text', () => {
    bench.mode(3);
    bench.print(0, 0, 'Hello, ░▒▓ wörld');
    bench.hardware.writeIndexed(0x3d4, 0x0a, 0x20);
    bench.print(2, 24, 'C:\\>', 0x1f);
    bench.refresh();
    expect([picture.width, picture.height]).toEqual([720, 400]);
    expect(picture.rows).toHaveLength(25);
    expect(picture.rows![0]).toBe('Hello, ░▒▓ wörld');
    expect(picture.rows![24]).toBe('  C:\\>');
    // 'H' is the glyph's rows in grey on black; the ninth column is background.
    const { font8x16 } = vgaFonts();
    for (let y = 0; y < 16; y++) {
      const row = font8x16[0x48 * 16 + y];
      for (let x = 0; x < 8; x++)
        expect(picture.pixel(x, y)).toBe(row & (0x80 >> x) ? 'aaaaaa' : '000000');
      expect(picture.pixel(8, y)).toBe('000000');
    }
    // White on blue.
    expect(picture.pixel(18, 24 * 16)).toBe('0000aa');
  });

  it('redraws only what changes', () => {
    bench.mode(3);
    bench.refresh();
    expect(bench.refresh()).toEqual([]);
    bench.print(10, 5, 'x');
    expect(bench.refresh()).toEqual([[90, 80, 9, 16]]);
    bench.hardware.writeDac(0, 0, 0, 0);
    expect(bench.refresh()).toEqual([]);
    bench.hardware.writeDac(7, 63, 63, 0);
    expect(bench.refresh()).toHaveLength(25);
    expect(bench.refresh(true)).toHaveLength(25);
  });

  it('joins line graphics over the ninth column', () => {
    bench.mode(3);
    bench.print(0, 0, '═A');
    bench.refresh();
    const { font8x16 } = vgaFonts();
    const code = CP437.indexOf('═');
    const line = [...font8x16.subarray(code * 16, code * 16 + 16)].findIndex((row) => row === 0xff);
    expect(picture.pixel(8, line)).toBe('aaaaaa');
  });

  it('blinks the cursor and shows where it is', () => {
    bench.mode(3);
    bench.hardware.writeIndexed(0x3d4, 0x0e, 0);
    bench.hardware.writeIndexed(0x3d4, 0x0f, 83);
    bench.refresh();
    expect(picture.cursor).toEqual({ x: 3, y: 1 });
    expect(picture.pixel(27, 16 + 14)).toBe('aaaaaa');
    bench.clock.advance(230_000_000);
    expect(bench.refresh()).toEqual([[27, 16, 9, 16]]);
    expect(picture.pixel(27, 16 + 14)).toBe('000000');
    bench.hardware.writeIndexed(0x3d4, 0x0a, 0x2d);
    bench.refresh();
    expect(picture.cursor).toBeUndefined();
  });

  it('blinks attributes, or shows 16 backgrounds when AR10 says so', () => {
    bench.mode(3);
    bench.print(0, 0, '█', 0x87);
    bench.refresh();
    expect(picture.pixel(0, 0)).toBe('aaaaaa');
    bench.clock.advance(2 * 228_000_000);
    bench.refresh();
    expect(picture.pixel(0, 0)).toBe('000000');
    bench.hardware.writeAttribute(0x10, 0x04);
    bench.print(0, 0, ' ', 0x87);
    bench.refresh();
    expect(picture.pixel(0, 0)).toBe('555555');
  });

  it('follows the start address', () => {
    bench.mode(3);
    bench.print(0, 1, 'second');
    bench.hardware.writeIndexed(0x3d4, 0x0d, 80);
    bench.refresh();
    expect(picture.rows![0]).toBe('second');
  });

  it('goes black when the screen is off, without a change of size', () => {
    bench.mode(3);
    bench.print(0, 0, '█');
    bench.refresh();
    bench.hardware.writeIndexed(0x3c4, 1, 0x20);
    expect(bench.refresh()).toEqual([]);
    bench.clock.advance(200_000_000);
    expect(bench.refresh()).toEqual([[0, 0, 720, 400]]);
    expect(picture.pixel(0, 0)).toBe('000000');
    bench.hardware.writeIndexed(0x3c4, 1, 0x00);
    bench.refresh();
    expect(picture.pixel(0, 0)).toBe('aaaaaa');
    expect(picture.resizes).toBe(1);
  });
});

describe('graphics modes', () => {
  it('mode 13h: 320x200 pixels, every one twice as wide and high', () => {
    bench.mode(0x13);
    bench.hardware.write8(0xa0000 + 320 * 10 + 5, 4);
    bench.refresh();
    expect([picture.width, picture.height]).toEqual([640, 400]);
    for (const [x, y] of [
      [10, 20],
      [11, 20],
      [10, 21],
      [11, 21],
    ] as const)
      expect(picture.pixel(x, y)).toBe('aa0000');
    expect(picture.pixel(12, 20)).toBe('000000');
    expect(picture.rows).toBeUndefined();
    bench.hardware.write8(0xa0000, 15);
    expect(bench.refresh().every(([, y, , height]) => y + height <= 2)).toBe(true);
  });

  it('unchained 256 colours (mode X) with page flipping', () => {
    bench.mode(0x13);
    const { hardware } = bench;
    hardware.writeIndexed(0x3c4, 4, 0x06);
    hardware.writeIndexed(0x3d4, 0x14, 0x00);
    hardware.writeIndexed(0x3d4, 0x17, 0xe3);
    hardware.writeIndexed(0x3c4, 2, 0x02);
    hardware.write8(0xa0000 + 16000 + 2, 2);
    hardware.writeIndexed(0x3d4, 0x0c, 16000 >> 8);
    hardware.writeIndexed(0x3d4, 0x0d, 16000 & 0xff);
    bench.refresh();
    expect(picture.pixel(2 * 9, 0)).toBe('00aa00');
  });

  it('mode 12h: sixteen colours in four planes', () => {
    bench.mode(0x12);
    const { hardware } = bench;
    hardware.writeIndexed(0x3c4, 2, 0x0c);
    hardware.write8(0xa0000 + 80 * 479 + 79, 0x01);
    bench.refresh();
    expect([picture.width, picture.height]).toEqual([640, 480]);
    expect(picture.pixel(639, 479)).toBe('ff5555');
    expect(picture.pixel(638, 479)).toBe('000000');
    hardware.write8(0xa0000 + 80 * 100 + 40, 0x80);
    expect(bench.refresh()).toEqual([[320, 100, 8, 1]]);
  });

  it('mode 4: CGA colours, odd lines in the second bank', () => {
    bench.mode(4);
    bench.hardware.write8(0xb8000 + 1, 0b01_10_11_00);
    bench.hardware.write8(0xba000, 0xc0);
    bench.refresh();
    expect([picture.width, picture.height]).toEqual([640, 400]);
    const colors = [8, 10, 12, 14].map((x) => picture.pixel(x, 0));
    expect(new Set(colors).size).toBe(4);
    expect(picture.pixel(0, 2)).toBe(colors[2]);
    expect(picture.pixel(0, 0)).toBe('000000');
  });

  it('mode 6: two colours at 640 dots', () => {
    bench.mode(6);
    bench.hardware.write8(0xb8000, 0xa0);
    bench.hardware.write8(0xba000 + 79, 0x01);
    bench.refresh();
    expect([0, 1, 2, 3].map((x) => picture.pixel(x, 0))).toEqual([
      'ffffff', '000000', 'ffffff', '000000',
    ]); // prettier-ignore
    expect(picture.pixel(639, 2)).toBe('ffffff');
  });

  it('splits the screen at line compare and pans by pixels', () => {
    bench.mode(0x12);
    const { hardware } = bench;
    hardware.write8(0xa0000, 0x80);
    hardware.writeIndexed(0x3d4, 0x0d, 80);
    hardware.writeIndexed(0x3d4, 0x18, 99);
    hardware.writeIndexed(0x3d4, 0x07, 0x2e);
    hardware.writeIndexed(0x3d4, 0x09, 0x00);
    bench.refresh();
    expect(picture.pixel(0, 0)).toBe('000000');
    expect(picture.pixel(0, 100)).toBe('ffffff');
    hardware.write8(0xa0000 + 80, 0x08);
    hardware.writeAttribute(0x13, 4);
    bench.refresh();
    expect(picture.pixel(0, 0)).toBe('ffffff');
  });
});

describe('Bochs VBE', () => {
  it('has the identification, memory size and largest mode', () => {
    const { hardware } = bench;
    expect(hardware.dispiRead(0)).toBe(0xb0c5);
    hardware.dispiWrite(0, 0xb0c0);
    expect(hardware.dispiRead(0)).toBe(0xb0c0);
    hardware.dispiWrite(0, 0x1234);
    expect(hardware.dispiRead(0)).toBe(0xb0c0);
    expect(hardware.dispiRead(10)).toBe(256);
    hardware.dispiWrite(4, 2);
    expect([1, 2, 3].map((i) => hardware.dispiRead(i))).toEqual([2560, 1600, 32]);
  });

  it.each([
    [32, [0x40, 0x80, 0xc0, 0], 'c08040'],
    [24, [0x40, 0x80, 0xc0], 'c08040'],
    [16, [0x1f, 0x04], '0082ff'],
    [15, [0x1f, 0x7c], 'ff00ff'],
  ] as const)('draws %i bits a pixel from the linear framebuffer', (bits, bytes, color) => {
    bench.dispi(800, 600, bits);
    bench.refresh();
    bench.vram.bytes.set(bytes, (10 * 800 + 20) * bytes.length);
    expect(bench.refresh()).toHaveLength(1);
    expect([picture.width, picture.height]).toEqual([800, 600]);
    expect(picture.pixel(20, 10)).toBe(color);
  });

  it('draws 8 bits through the palette, 8-bit DAC too, and through banks', () => {
    bench.dispi(640, 480, 8, 0x61);
    bench.hardware.writeDac(200, 0x12, 0x34, 0x56);
    bench.hardware.dispiWrite(5, 2);
    bench.hardware.write8(0xa0000 + 5, 200);
    bench.refresh();
    const at = 2 * 65536 + 5;
    expect(picture.pixel(at % 640, Math.floor(at / 640))).toBe('123456');
  });

  it('pans in a virtual screen, and refuses to leave the memory', () => {
    const { hardware } = bench;
    bench.dispi(640, 480, 32);
    hardware.dispiWrite(6, 1024);
    expect([hardware.dispiRead(6), hardware.dispiRead(7)]).toEqual([1024, 4096]);
    hardware.dispiWrite(8, 100);
    hardware.dispiWrite(9, 50);
    bench.vram.bytes.set([1, 2, 3, 0], (50 * 1024 + 100) * 4);
    bench.refresh();
    expect(picture.pixel(0, 0)).toBe('030201');
    hardware.dispiWrite(9, 4000);
    expect(hardware.dispiRead(9)).toBe(50);
  });

  it('clears memory unless told not to, and goes back to VGA', () => {
    bench.mode(3);
    bench.print(0, 0, 'DOS');
    bench.dispi(640, 480, 32, 0xc1);
    expect(bench.vram.bytes[0]).toBe(0x44);
    bench.dispi(640, 480, 32, 0x41);
    expect(bench.vram.bytes[0]).toBe(0);
    bench.refresh();
    expect(picture.width).toBe(640);
    bench.hardware.dispiWrite(4, 0);
    bench.mode(3);
    bench.refresh();
    expect([picture.width, picture.rows?.length]).toEqual([720, 25]);
  });

  it('refuses modes that the memory does not hold', () => {
    bench.dispi(2560, 1600, 32);
    expect(bench.hardware.dispiRead(4) & 1).toBe(1);
    bench.dispi(5000, 1600, 32);
    bench.refresh();
    expect(picture.width).toBe(2560);
  });

  it('joins changed lines to one rectangle', () => {
    bench.dispi(640, 480, 32);
    bench.refresh();
    for (let y = 100; y < 110; y++)
      bench.vram.bytes.fill(0xff, (y * 640 + 50) * 4, (y * 640 + 60) * 4);
    expect(bench.refresh()).toEqual([[50, 100, 10, 10]]);
  });

  it('has EDID, VGA and DISPI registers in BAR 2 (QEMU standard-vga)', () => {
    const bar = bench.vga.bars[1].handler as {
      readMmio(o: number, w: number): number;
      writeMmio(o: number, w: number, v: number): void;
    };
    const edid = Array.from({ length: 128 }, (_, i) => bar.readMmio(i, 1));
    expect(edid.slice(0, 8)).toEqual([0, 255, 255, 255, 255, 255, 255, 0]);
    expect(edid.reduce((a, b) => a + b, 0) & 0xff).toBe(0);
    expect(edid[54] | (edid[55] << 8)).toBe(6500);
    expect(bar.readMmio(0x500, 2)).toBe(0xb0c5);
    bar.writeMmio(0x502, 2, 1024);
    expect(bench.hardware.dispiRead(1)).toBe(1024);
    bar.writeMmio(0x400 + 0x04, 2, 0x0f02);
    expect(bench.hardware.readIndexed(0x3c4, 2)).toBe(0x0f);
    expect(bar.readMmio(0x600, 4)).toBe(8);
    expect(bar.readMmio(0x604, 4)).toBe(0x1e1e1e1e);
  });

  it('is 1234:1111, class 0300, with 16 MiB in BAR 0', () => {
    const view = new DataView(bench.vga.config.buffer);
    expect([view.getUint16(0, true), view.getUint16(2, true), view.getUint16(10, true)]).toEqual([
      0x1234, 0x1111, 0x0300,
    ]);
    expect(bench.vga.bars[0]).toMatchObject({ index: 0, kind: 'region', size: 16 << 20 });
  });
});
