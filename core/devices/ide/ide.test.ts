import { describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { ArrayMemory } from '../../../test/support/array-memory';
import { RecordingLine } from '../../../test/support/recording-line';
import type { BlockBackend, BlockError } from '../../hw';
import { AtaDisk } from './ata-disk';
import { AtapiCdrom } from './atapi-cdrom';
import { Piix3Ide } from './piix3-ide';

const MIB = 1 << 20;

const PATTERN = new Uint8Array(32 * MIB);
for (let i = 0; i < PATTERN.length; i++) PATTERN[i] = (i >> 9) * 7 + i;

/** An image whose requests wait until `run`. */
class SlowImage implements BlockBackend {
  readonly bytes: Uint8Array;
  readOnly = false;
  flushes = 0;
  requests = 0;
  fail: BlockError | undefined;
  private readonly waiting: (() => void)[] = [];

  constructor(readonly sizeBytes: number) {
    this.bytes = PATTERN.slice(0, sizeBytes);
  }
  private later(run: () => void, done: (error?: BlockError) => void): void {
    this.requests++;
    this.waiting.push(() => {
      if (!this.fail) run();
      done(this.fail);
    });
  }
  protected answer(done: () => void): void {
    this.waiting.push(done);
  }
  read(offset: number, target: Uint8Array, done: (error?: BlockError) => void): void {
    this.later(() => target.set(this.bytes.subarray(offset, offset + target.length)), done);
  }
  write(offset: number, source: Uint8Array, done: (error?: BlockError) => void): void {
    const copy = new Uint8Array(source);
    this.later(() => this.bytes.set(copy, offset), done);
  }
  flush(done: (error?: BlockError) => void): void {
    this.later(() => this.flushes++, done);
  }
  readNow(): Uint8Array {
    throw new Error('not for devices');
  }
  writeNow(): void {
    throw new Error('not for devices');
  }
  /** Answers everything. */
  run(): void {
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) next();
  }
}

/** An image whose bytes come and go at once, straight from memory and to it; only the answer waits. */
class DirectImage extends SlowImage {
  readonly moved: string[] = [];

  readPieces(offset: number, pieces: readonly Uint8Array[], done: () => void): boolean {
    let at = offset;
    for (const piece of pieces) {
      piece.set(this.bytes.subarray(at, at + piece.length));
      at += piece.length;
    }
    this.moved.push(`read ${offset} into ${pieces.length}`);
    this.answer(done);
    return true;
  }
  writePieces(offset: number, pieces: readonly Uint8Array[], done: () => void): boolean {
    let at = offset;
    for (const piece of pieces) {
      this.bytes.set(piece, at);
      at += piece.length;
    }
    this.moved.push(`write ${offset} from ${pieces.length}`);
    this.answer(done);
    return true;
  }
}

class Host {
  readonly memory = new ArrayMemory(4 * MIB);
  readonly irqs = [new RecordingLine(), new RecordingLine()] as const;
  readonly ide = new Piix3Ide({ memory: this.memory, irqs: this.irqs });
  readonly iso = new SlowImage(2 * MIB);
  readonly cdrom: AtapiCdrom | undefined;

  constructor(
    layout: { disk?: boolean; slave?: boolean; cd?: boolean } = { disk: true, cd: true },
    readonly disk = new SlowImage(32 * MIB),
  ) {
    if (layout.disk) this.ide.attach(0, 0, new AtaDisk(this.disk, { serial: 'QM00001' }));
    if (layout.slave) this.ide.attach(0, 1, new AtaDisk(this.iso, { serial: 'QM00002' }));
    if (layout.cd) {
      this.cdrom = new AtapiCdrom(this.iso, { serial: 'QM00003' });
      this.ide.attach(1, 0, this.cdrom);
    }
    this.decode(0x80, 0x80);
    this.ide.config[4] = 0x05;
  }
  decode(primary: number, secondary: number): void {
    this.ide.config[0x41] = primary;
    this.ide.config[0x43] = secondary;
    this.ide.onConfigWrite(0x40, 4);
  }
  in8(offset: number, channel: 0 | 1 = 0): number {
    return this.ide.channels[channel].command.readPort(offset, 1);
  }
  out8(offset: number, value: number, channel: 0 | 1 = 0): void {
    this.ide.channels[channel].command.writePort(offset, 1, value);
  }
  altStatus(channel: 0 | 1 = 0): number {
    return this.ide.channels[channel].controlBlock.readPort(0, 1);
  }
  control(value: number, channel: 0 | 1 = 0): void {
    this.ide.channels[channel].controlBlock.writePort(0, 1, value);
  }
  /** Writes features to device register and the command. */
  command(
    code: number,
    regs: Partial<Record<1 | 2 | 3 | 4 | 5 | 6, number>> = {},
    channel: 0 | 1 = 0,
  ): void {
    for (const at of [1, 2, 3, 4, 5, 6] as const)
      if (regs[at] !== undefined) this.out8(at, regs[at], channel);
    this.out8(7, code, channel);
  }
  insw(words: number, channel: 0 | 1 = 0): Uint8Array {
    const out = new Uint8Array(words * 2);
    for (let i = 0; i < words; i++) {
      const value = this.ide.channels[channel].command.readPort(0, 2);
      out[2 * i] = value;
      out[2 * i + 1] = value >> 8;
    }
    return out;
  }
  outsd(bytes: Uint8Array, channel: 0 | 1 = 0): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let i = 0; i < bytes.length; i += 4)
      this.ide.channels[channel].command.writePort(0, 4, view.getUint32(i, true));
  }
  lba28(lba: number, count: number): Partial<Record<2 | 3 | 4 | 5 | 6, number>> {
    return {
      2: count & 0xff,
      3: lba & 0xff,
      4: (lba >> 8) & 0xff,
      5: (lba >> 16) & 0xff,
      6: 0xe0 | (lba >> 24),
    };
  }
  bm(offset: number, width: 1 | 2 | 4, value?: number): number {
    const { handler } = this.ide.bars[0];
    if (!('readPort' in handler)) throw new Error('BMIBA is I/O');
    if (value !== undefined) handler.writePort(offset, width, value);
    return handler.readPort(offset, width);
  }
  prd(at: number, entries: readonly [gpa: number, bytes: number][]): void {
    entries.forEach(([gpa, bytes], i) => {
      this.memory.writeU32(at + 8 * i, gpa);
      const last = i === entries.length - 1 ? 0x80000000 : 0;
      this.memory.writeU32(at + 8 * i + 4, (bytes & 0xffff) + last);
    });
  }
  packet(bytes: readonly number[], { limit = 0xfffe, dma = false } = {}): void {
    this.command(0xa0, { 1: dma ? 1 : 0, 4: limit & 0xff, 5: limit >> 8, 6: 0xa0 }, 1);
    const packet = new Uint8Array(12);
    packet.set(bytes);
    for (let i = 0; i < 12; i += 2)
      this.ide.channels[1].command.writePort(0, 2, packet[i] | (packet[i + 1] << 8));
    this.iso.run();
  }
  /** Takes the whole data phase of a packet command. */
  dataIn(): Uint8Array {
    const out: number[] = [];
    while (this.altStatus(1) & 0x08) {
      expect(this.in8(2, 1)).toBe(2);
      const bytes = this.in8(4, 1) | (this.in8(5, 1) << 8);
      out.push(...this.insw(Math.ceil(bytes / 2), 1).subarray(0, bytes));
      this.iso.run();
    }
    return Uint8Array.from(out);
  }
  /** REQUEST SENSE: key, ASC, ASCQ. */
  sense(): number[] {
    this.packet([0x03, 0, 0, 0, 18]);
    const data = this.dataIn();
    return [data[2], data[12], data[13]];
  }
}

const word = (bytes: Uint8Array, n: number): number => bytes[2 * n] | (bytes[2 * n + 1] << 8);
const text = (bytes: Uint8Array, from: number, words: number): string =>
  Array.from({ length: words }, (_, i) => {
    const w = word(bytes, from + i);
    return String.fromCharCode(w >> 8, w & 0xff);
  })
    .join('')
    .trim();

deviceContract('PIIX3 IDE', () => {
  const host = new Host();
  return {
    device: host.ide,
    ports: [
      { io: host.ide.channels[0].command, count: 8 },
      { io: host.ide.channels[0].controlBlock, count: 1 },
      { io: host.ide.channels[1].command, count: 8 },
      { io: host.ide.channels[1].controlBlock, count: 1 },
      { io: host.ide.bars[0].handler as never, count: 16 },
    ],
  };
});

describe('IDE channel', () => {
  it('floats when it is empty or not decoded', () => {
    const host = new Host({ disk: true });
    expect(host.in8(7, 1)).toBe(0xff);
    expect(host.altStatus(1)).toBe(0xff);
    host.decode(0, 0);
    expect(host.in8(7)).toBe(0xff);
    host.decode(0x80, 0x80);
    expect(host.in8(7)).toBe(0x50);
  });

  it('finds device 0 and no device 1, as SeaBIOS and libata probe (write and read back 55h, AAh)', () => {
    const host = new Host();
    host.out8(6, 0xa0);
    host.out8(2, 0x55);
    host.out8(3, 0xaa);
    expect([host.in8(2), host.in8(3), host.in8(6)]).toEqual([0x55, 0xaa, 0xa0]);
    host.out8(6, 0xb0);
    host.out8(2, 0x55);
    host.out8(3, 0xaa);
    expect([host.in8(2), host.in8(3)]).toEqual([0, 0]);
    expect(host.in8(7)).toBe(0);
    host.command(0xec);
    expect(host.in8(7)).toBe(0);
  });

  it('shows signatures after a soft reset (ATA/ATAPI-7 Vol. 2, 9.2)', () => {
    const host = new Host();
    host.control(0x04);
    expect(host.altStatus()).toBe(0x80);
    host.control(0x00);
    expect([1, 2, 3, 4, 5, 7].map((r) => host.in8(r))).toEqual([1, 1, 1, 0, 0, 0x50]);
    host.control(0x04, 1);
    host.control(0x00, 1);
    expect([1, 2, 3, 4, 5, 7].map((r) => host.in8(r, 1))).toEqual([1, 1, 1, 0x14, 0xeb, 0]);
  });

  it('runs EXECUTE DEVICE DIAGNOSTIC on both devices, interrupt from device 0', () => {
    const host = new Host({ disk: true, slave: true });
    host.out8(6, 0xb0);
    host.out8(7, 0x90);
    expect(host.irqs[0].level).toBe(true);
    expect([host.in8(1), host.in8(6) & 0x10, host.in8(7)]).toEqual([1, 0, 0x50]);
    expect(host.irqs[0].level).toBe(false);
  });

  it('drives INTRQ for the selected device only, and not with nIEN', () => {
    const host = new Host({ disk: true, slave: true });
    host.command(0xec, { 6: 0xa0 });
    expect(host.irqs[0].level).toBe(true);
    host.out8(6, 0xb0);
    expect(host.irqs[0].level).toBe(false);
    host.out8(6, 0xa0);
    expect(host.irqs[0].level).toBe(true);
    host.control(0x02);
    expect(host.irqs[0].level).toBe(false);
    host.control(0x00);
    expect(host.irqs[0].level).toBe(true);
    host.altStatus();
    expect(host.irqs[0].level).toBe(true);
    host.in8(7);
    expect(host.irqs[0].level).toBe(false);
  });
});

describe('ATA disk', () => {
  it('identifies itself', () => {
    const host = new Host();
    host.command(0xec, { 6: 0xa0 });
    expect(host.altStatus()).toBe(0x58);
    const id = host.insw(256);
    expect(host.in8(7)).toBe(0x50);
    const sectors = (32 * MIB) / 512;
    expect(word(id, 0)).toBe(0x0040);
    expect([word(id, 1), word(id, 3), word(id, 6)]).toEqual([65, 16, 63]);
    expect(text(id, 10, 10)).toBe('QM00001');
    expect(text(id, 27, 20)).toBe('DOMUS HARDDISK');
    expect(word(id, 60) + word(id, 61) * 65536).toBe(sectors);
    expect(word(id, 100)).toBe(sectors & 0xffff);
    expect(word(id, 83) & 0xc000).toBe(0x4000);
    expect(word(id, 87) & 0xc000).toBe(0x4000);
    expect(id.reduce((a, b) => a + b, 0) & 0xff).toBe(0);
  });

  it('reads sectors by PIO: one interrupt a sector, none after the last', () => {
    const host = new Host();
    host.command(0x20, host.lba28(5, 3));
    expect(host.altStatus() & 0x80).toBe(0x80);
    expect(host.irqs[0].edges).toBe(0);
    host.disk.run();
    for (let i = 0; i < 3; i++) {
      expect(host.irqs[0].edges).toBe(i + 1);
      expect(host.in8(7)).toBe(0x58);
      expect(host.insw(256)).toEqual(host.disk.bytes.slice((5 + i) * 512, (6 + i) * 512));
    }
    expect(host.in8(7)).toBe(0x50);
    expect(host.irqs[0].edges).toBe(3);
  });

  it('reads 256 sectors for count 0, in blocks of the multiple setting', () => {
    const host = new Host();
    host.command(0xc6, { 2: 16, 6: 0xe0 });
    host.in8(7);
    const before = host.irqs[0].edges;
    host.command(0xc4, host.lba28(0, 0));
    host.disk.run();
    let read = 0;
    while (host.in8(7) & 0x08) {
      host.insw(256 * 16);
      read += 16;
    }
    expect(read).toBe(256);
    expect(host.irqs[0].edges - before).toBe(16);
    host.command(0xc6, { 2: 3 });
    expect([host.in8(7) & 1, host.in8(1)]).toEqual([1, 0x04]);
  });

  it('writes sectors by PIO with 32-bit stores, first DRQ without interrupt', () => {
    const host = new Host();
    const data = Uint8Array.from({ length: 1024 }, (_, i) => i * 3);
    host.command(0x30, host.lba28(100, 2));
    expect([host.altStatus(), host.irqs[0].edges]).toEqual([0x58, 0]);
    host.outsd(data.subarray(0, 512));
    expect([host.in8(7), host.irqs[0].edges]).toEqual([0x58, 1]);
    host.outsd(data.subarray(512));
    expect(host.altStatus() & 0x80).toBe(0x80);
    host.disk.run();
    expect([host.in8(7), host.irqs[0].edges]).toEqual([0x50, 2]);
    expect(host.disk.bytes.slice(100 * 512, 102 * 512)).toEqual(data);
    expect(host.disk.flushes).toBe(0);
  });

  it('addresses by CHS in the translation the host set', () => {
    const host = new Host();
    host.command(0x91, { 2: 17, 6: 0xa0 | 3 });
    // Cylinder 2, head 1, sector 5: (2 * 4 + 1) * 17 + 4.
    host.command(0x20, { 2: 1, 3: 5, 4: 2, 5: 0, 6: 0xa1 });
    host.disk.run();
    expect(host.insw(256)).toEqual(host.disk.bytes.slice(157 * 512, 158 * 512));
    host.command(0x20, { 2: 1, 3: 0, 4: 2, 5: 0, 6: 0xa1 });
    expect([host.in8(7) & 1, host.in8(1)]).toEqual([1, 0x10]);
  });

  it('takes 48-bit addresses from two writes a register, and shows both halves', () => {
    const host = new Host();
    const big: BlockBackend = {
      ...host.disk,
      sizeBytes: 2 ** 41,
      readOnly: false,
      read: (offset, target, done) => {
        target.fill(offset / 2 ** 33);
        done();
      },
      write: (_offset, _source, done) => done(),
      flush: (done) => done(),
      readNow: () => new Uint8Array(0),
      writeNow: () => {},
    };
    host.ide.attach(0, 0, new AtaDisk(big, { serial: 'X' }));
    host.out8(6, 0xe0);
    for (const [register, high, low] of [
      [2, 0, 1],
      [3, 3, 0],
      [4, 0, 0],
      [5, 0, 0],
    ] as const) {
      host.out8(register, high);
      host.out8(register, low);
    }
    host.control(0x80);
    expect(host.in8(3)).toBe(3);
    host.control(0x00);
    expect(host.in8(3)).toBe(0);
    host.out8(7, 0x24);
    expect(host.insw(256)[0]).toBe((3 * 2 ** 24 * 512) / 2 ** 33);
  });

  it('refuses sectors past the end with IDNF, and unknown commands with ABRT', () => {
    const host = new Host();
    host.command(0x20, host.lba28(65535, 2));
    expect([host.in8(7), host.in8(1)]).toEqual([0x51, 0x10]);
    host.command(0xff);
    expect([host.in8(7), host.in8(1)]).toEqual([0x51, 0x04]);
    host.command(0x00);
    expect(host.in8(1)).toBe(0x04);
    expect(host.disk.requests).toBe(0);
  });

  it('reports a medium error with UNC and the address', () => {
    const host = new Host();
    host.disk.fail = { code: 'EIO', message: 'bad' };
    host.command(0x20, host.lba28(0x12345 & 0xffff, 4));
    host.disk.run();
    expect([host.in8(7), host.in8(1)]).toEqual([0x51, 0x40]);
    expect([host.in8(3), host.in8(4), host.in8(5)]).toEqual([0x45, 0x23, 0x00]);
    host.disk.fail = undefined;
    host.command(0x20, host.lba28(0, 1));
    host.disk.run();
    expect(host.in8(7)).toBe(0x58);
  });

  it('flushes on FLUSH CACHE, and after every write when the cache is off', () => {
    const host = new Host();
    host.command(0xe7, { 6: 0xe0 });
    expect(host.altStatus() & 0x80).toBe(0x80);
    host.disk.run();
    expect([host.in8(7), host.disk.flushes]).toEqual([0x50, 1]);
    host.command(0xef, { 1: 0x82 });
    host.disk.run();
    host.in8(7);
    host.command(0x30, host.lba28(0, 1));
    host.outsd(new Uint8Array(512));
    host.disk.run();
    expect([host.in8(7), host.disk.flushes]).toEqual([0x50, 3]);
  });

  it('refuses writes to a read-only image', () => {
    const host = new Host();
    host.disk.readOnly = true;
    host.command(0x35, host.lba28(0, 1));
    expect([host.in8(7) & 1, host.in8(1)]).toEqual([1, 0x44]);
  });

  it('keeps the power mode and sleeps until reset', () => {
    const host = new Host();
    host.command(0xe5, { 6: 0xe0 });
    expect(host.in8(2)).toBe(0xff);
    host.command(0xe0);
    host.command(0xe5);
    expect(host.in8(2)).toBe(0x00);
    host.command(0xe6);
    host.command(0xec);
    expect(host.in8(7) & 0x08).toBe(0);
    host.control(4);
    host.control(0);
    host.command(0xec);
    expect(host.in8(7) & 0x08).toBe(0x08);
  });

  it('says that it is well: SMART RETURN STATUS keeps the key', () => {
    const host = new Host();
    host.command(0xb0, { 1: 0xda, 4: 0x4f, 5: 0xc2, 6: 0xa0 });
    expect([host.in8(7), host.in8(4), host.in8(5)]).toEqual([0x50, 0x4f, 0xc2]);
    host.command(0xb0, { 1: 0xd0, 4: 0x4f, 5: 0xc2, 6: 0xa0 });
    expect(host.insw(256).reduce((a, b) => a + b, 0) & 0xff).toBe(0);
    host.command(0xb0, { 1: 0xd0, 4: 0, 5: 0, 6: 0xa0 });
    expect(host.in8(7) & 1).toBe(1);
  });

  it('survives a reset with a request under way, and waits for it before the next', () => {
    const host = new Host();
    host.command(0x20, host.lba28(0, 1));
    host.control(4);
    host.control(0);
    expect(host.in8(7)).toBe(0x50);
    host.command(0x20, host.lba28(7, 1));
    expect(host.disk.requests).toBe(1);
    host.disk.run();
    expect(host.disk.requests).toBe(2);
    expect(host.insw(256)).toEqual(host.disk.bytes.slice(7 * 512, 8 * 512));
  });
});

describe('bus master', () => {
  const start = (host: Host, base: number, toMemory: boolean): void => {
    host.bm(base + 2, 1, 0x06);
    host.bm(base, 1, toMemory ? 0x08 : 0);
  };

  it('reads through scatter-gather, in libata order: table, direction, command, start', () => {
    const host = new Host();
    host.prd(0x1000, [
      [0x20000, 1024],
      [0x30002, 512],
      [0x40000, 512],
    ]);
    host.bm(4, 4, 0x1000);
    start(host, 0, true);
    host.command(0xc8, host.lba28(8, 4));
    host.bm(0, 1, 0x09);
    expect(host.bm(2, 1) & 1).toBe(1);
    host.disk.run();
    expect(host.irqs[0].level).toBe(true);
    expect(host.bm(2, 1) & 7).toBe(4);
    expect(host.in8(7)).toBe(0x50);
    const { bytes } = host.memory;
    const source = host.disk.bytes.subarray(8 * 512);
    expect(bytes.slice(0x20000, 0x20400)).toEqual(source.slice(0, 1024));
    expect(bytes.slice(0x30002, 0x30202)).toEqual(source.slice(1024, 1536));
    expect(bytes.slice(0x40000, 0x40200)).toEqual(source.slice(1536, 2048));
    host.bm(2, 1, 4);
    expect(host.bm(2, 1) & 7).toBe(0);
  });

  it('also when the engine is started before the command', () => {
    const host = new Host();
    host.prd(0x1000, [[0x20000, 512]]);
    host.bm(4, 4, 0x1000);
    host.bm(0, 1, 0x09);
    host.command(0xc8, host.lba28(1, 1));
    host.disk.run();
    expect(host.memory.bytes.slice(0x20000, 0x20200)).toEqual(host.disk.bytes.slice(512, 1024));
  });

  it('writes, with 64 KiB for byte count 0 and more than one chunk', () => {
    const host = new Host();
    const sectors = 4096;
    host.out8(6, 0xe0);
    for (const [register, high, low] of [
      [2, sectors >> 8, 0],
      [3, 0, 3],
      [4, 0, 0],
      [5, 0, 0],
    ] as const) {
      host.out8(register, high);
      host.out8(register, low);
    }
    for (let i = 0; i < 2 * MIB; i++) host.memory.bytes[MIB + i] = (i * 13) >> 3;
    host.prd(
      0x1000,
      Array.from({ length: 32 }, (_, i) => [MIB + i * 0x10000, 0]),
    );
    host.bm(4, 4, 0x1000);
    start(host, 0, false);
    host.out8(7, 0x35);
    host.bm(0, 1, 0x01);
    host.disk.run();
    expect(host.bm(2, 1) & 7).toBe(4);
    const written = host.disk.bytes.subarray(3 * 512, 3 * 512 + 2 * MIB);
    expect(written.every((byte, i) => byte === host.memory.bytes[MIB + i])).toBe(true);
  });

  it('stays active when the table is longer, hangs without interrupt when it is shorter', () => {
    const host = new Host();
    host.prd(0x1000, [[0x20000, 4096]]);
    host.bm(4, 4, 0x1000);
    start(host, 0, true);
    host.command(0xc8, host.lba28(0, 1));
    host.bm(0, 1, 0x09);
    host.disk.run();
    expect(host.bm(2, 1) & 7).toBe(5);
    host.bm(0, 1, 0x08);
    expect(host.bm(2, 1) & 7).toBe(4);
    host.in8(7);

    host.prd(0x1000, [[0x20000, 512]]);
    start(host, 0, true);
    host.command(0xc8, host.lba28(0, 2));
    host.bm(0, 1, 0x09);
    host.disk.run();
    expect([host.bm(2, 1) & 7, host.altStatus() & 0x80]).toEqual([0, 0x80]);
    host.control(4);
    host.control(0);
    expect(host.in8(7)).toBe(0x50);
  });

  it('moves nothing while the function may not master the bus', () => {
    const host = new Host();
    host.ide.config[4] = 0x01;
    host.prd(0x1000, [[0x20000, 512]]);
    host.bm(4, 4, 0x1000);
    host.command(0xc8, host.lba28(1, 1));
    host.bm(0, 1, 0x09);
    host.disk.run();
    expect(host.memory.bytes[0x20001]).toBe(0);
    host.ide.config[4] = 0x05;
    host.ide.onConfigWrite(4, 2);
    expect(host.memory.bytes.slice(0x20000, 0x20200)).toEqual(host.disk.bytes.slice(512, 1024));
  });

  describe('with an image that reads into memory and writes from it', () => {
    function direct() {
      const disk = new DirectImage(32 * MIB);
      const host = new Host({ disk: true }, disk);
      host.prd(0x1000, [
        [0x20000, 512],
        [0x20200, 512],
        [0x30000, 1024],
      ]);
      host.bm(4, 4, 0x1000);
      return { host, disk };
    }
    const expected = ({ disk }: Host): Uint8Array => disk.bytes.slice(8 * 512, 12 * 512);
    const found = ({ memory: { bytes } }: Host): Uint8Array =>
      Uint8Array.from([...bytes.slice(0x20000, 0x20400), ...bytes.slice(0x30000, 0x30400)]);

    it('waits for the bus master, and is active until the end', () => {
      const { host, disk } = direct();
      host.command(0xc8, host.lba28(8, 4));
      expect(disk.moved).toEqual([]);
      host.bm(0, 1, 0x09);
      expect(disk.moved).toEqual(['read 4096 into 2']);
      expect(host.bm(2, 1) & 7).toBe(1);
      expect(host.irqs[0].level).toBe(false);
      disk.run();
      expect(host.bm(2, 1) & 7).toBe(4);
      expect(host.in8(7)).toBe(0x50);
      expect(found(host)).toEqual(expected(host));
    });

    it('writes', () => {
      const { host, disk } = direct();
      host.memory.bytes.fill(0x44, 0x20000, 0x20400);
      host.memory.bytes.fill(0x55, 0x30000, 0x30400);
      host.command(0xca, host.lba28(8, 4));
      host.bm(0, 1, 0x01);
      disk.run();
      expect(disk.moved).toEqual(['write 4096 from 2']);
      expect(host.bm(2, 1) & 7).toBe(4);
      expect(expected(host)).toEqual(found(host));
      expect([disk.bytes[4096], disk.bytes[4096 + 2047]]).toEqual([0x44, 0x55]);
    });

    it('reads again when the host stopped the bus master meanwhile', () => {
      const { host, disk } = direct();
      host.command(0xc8, host.lba28(8, 4));
      host.bm(0, 1, 0x09);
      host.bm(0, 1, 0x08);
      disk.run();
      expect(host.altStatus() & 0x80).toBe(0x80);
      host.memory.bytes.fill(0, 0x20000, 0x40000);
      host.bm(0, 1, 0x09);
      disk.run();
      expect(host.in8(7)).toBe(0x50);
      expect(found(host)).toEqual(expected(host));
    });

    it('takes the buffer where the table is too short', () => {
      const { host, disk } = direct();
      host.command(0xc8, host.lba28(8, 5));
      host.bm(0, 1, 0x09);
      disk.run();
      expect(disk.moved).toEqual([]);
      expect([host.bm(2, 1) & 7, host.altStatus() & 0x80]).toEqual([0, 0x80]);
      expect(found(host)).toEqual(expected(host));
    });

    it.each([0xc8, 0xca])('command %s is made again after save and restore', (code) => {
      const { host: first } = direct();
      first.memory.bytes.fill(0x33, 0x20000, 0x40000);
      first.command(code, first.lba28(8, 4));
      first.bm(0, 1, code === 0xc8 ? 0x09 : 0x01);
      const { host: second, disk } = direct();
      second.memory.bytes.set(first.memory.bytes);
      if (code === 0xc8) second.memory.bytes.fill(0, 0x20000, 0x40000);
      second.ide.restore(structuredClone(first.ide.save()));
      disk.run();
      expect(second.in8(7)).toBe(0x50);
      expect(found(second)).toEqual(expected(second));
      expect(second.bm(2, 1) & 1).toBe(0);
    });
  });

  it('goes on after save and restore with a request under way', () => {
    const first = new Host();
    first.prd(0x1000, [[0x20000, 512]]);
    first.bm(4, 4, 0x1000);
    first.command(0xc8, first.lba28(9, 1));
    first.bm(0, 1, 0x09);
    const second = new Host();
    second.memory.bytes.set(first.memory.bytes);
    second.ide.restore(structuredClone(first.ide.save()));
    second.disk.run();
    expect(second.memory.bytes.slice(0x20000, 0x20200)).toEqual(
      second.disk.bytes.slice(9 * 512, 10 * 512),
    );
    expect(second.irqs[0].level).toBe(true);
  });
});

describe('ATAPI CD-ROM', () => {
  it('refuses IDENTIFY DEVICE with the packet signature and identifies as a packet device', () => {
    const host = new Host();
    host.command(0xec, { 6: 0xa0 }, 1);
    expect([host.in8(7, 1) & 1, host.in8(1, 1), host.in8(4, 1), host.in8(5, 1)]).toEqual([
      1, 4, 0x14, 0xeb,
    ]);
    host.command(0xa1, { 6: 0xa0 }, 1);
    const id = host.insw(256, 1);
    expect(word(id, 0)).toBe(0x85c0);
    expect(text(id, 27, 20)).toBe('DOMUS DVD-ROM');
    expect(id.reduce((a, b) => a + b, 0) & 0xff).toBe(0);
  });

  it('walks through the phases of a packet command (SFF-8020i 8.3)', () => {
    const host = new Host();
    host.command(0xa0, { 1: 0, 4: 0, 5: 8, 6: 0xa0 }, 1);
    expect([host.altStatus(1), host.in8(2, 1), host.irqs[1].edges]).toEqual([0x58, 1, 0]);
    const packet = [0x28, 0, 0, 0, 0, 16, 0, 0, 2, 0, 0, 0];
    for (let i = 0; i < 12; i += 2)
      host.ide.channels[1].command.writePort(0, 2, packet[i] | (packet[i + 1] << 8));
    expect(host.altStatus(1) & 0x80).toBe(0x80);
    host.iso.run();
    expect(host.dataIn()).toEqual(host.iso.bytes.slice(16 * 2048, 18 * 2048));
    expect([host.in8(7, 1), host.in8(2, 1)]).toEqual([0x50, 3]);
    // Two blocks of the 2048-byte limit and one interrupt for the status.
    expect(host.irqs[1].edges).toBeGreaterThanOrEqual(1);
  });

  it('cuts data into blocks of the byte count limit, odd last byte padded', () => {
    const host = new Host();
    host.packet([0x12, 0, 0, 0, 7], { limit: 4 });
    expect([host.in8(4, 1), host.in8(5, 1)]).toEqual([4, 0]);
    host.insw(2, 1);
    expect(host.in8(4, 1)).toBe(3);
    expect([...host.insw(2, 1)]).toEqual([31, 0, 0, 0]);
    expect(host.in8(7, 1)).toBe(0x50);
  });

  it('reads by DMA', () => {
    const host = new Host();
    host.prd(0x1000, [
      [0x20000, 2048],
      [0x30000, 2048],
    ]);
    host.bm(8 + 4, 4, 0x1000);
    host.bm(8, 1, 0x08);
    host.packet([0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 2], { dma: true });
    host.bm(8, 1, 0x09);
    host.iso.run();
    expect(host.memory.bytes.slice(0x20000, 0x20800)).toEqual(host.iso.bytes.slice(6144, 8192));
    expect(host.memory.bytes.slice(0x30000, 0x30800)).toEqual(host.iso.bytes.slice(8192, 10240));
    expect([host.in8(7, 1), host.in8(2, 1), host.bm(8 + 2, 1) & 7]).toEqual([0x50, 3, 4]);
  });

  it('reports capacity and table of contents', () => {
    const host = new Host();
    host.packet([0x25]);
    expect([...host.dataIn()]).toEqual([0, 0, 0x03, 0xff, 0, 0, 0x08, 0]);
    host.packet([0x43, 0, 0, 0, 0, 0, 0, 0, 20]);
    expect([...host.dataIn()]).toEqual([
      0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0x04, 0,
    ]);
    host.packet([0x43, 2, 1, 0, 0, 0, 0, 0, 12]);
    expect([...host.dataIn()]).toEqual([0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0]);
    host.packet([0x43, 0, 2, 0, 0, 0, 0, 0, 255]);
    expect(host.dataIn().length).toBe(4 + 4 * 11);
  });

  it('answers GET CONFIGURATION with its profile, MODE SENSE with page 2Ah', () => {
    const host = new Host();
    host.packet([0x46, 0, 0, 0, 0, 0, 0, 1, 0]);
    const configuration = host.dataIn();
    expect([...configuration.subarray(6, 8)]).toEqual([0, 8]);
    expect(configuration.length).toBe(4 + configuration[3] + configuration[2] * 256);
    host.packet([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128]);
    const page = host.dataIn();
    expect([page[1], page[2], page[8], page[9]]).toEqual([page.length - 2, 1, 0x2a, 18]);
    host.packet([0x5a, 0, 0x05, 0, 0, 0, 0, 0, 128]);
    expect(host.in8(7, 1) & 1).toBe(1);
    expect(host.sense()).toEqual([5, 0x24, 0]);
  });

  it('checks addresses and operation codes', () => {
    const host = new Host();
    host.packet([0x28, 0, 0, 0, 4, 0, 0, 0, 1]);
    expect([host.in8(7, 1), host.in8(1, 1), host.in8(2, 1)]).toEqual([0x51, 0x54, 3]);
    expect(host.sense()).toEqual([5, 0x21, 0]);
    host.packet([0xff]);
    expect(host.sense()).toEqual([5, 0x20, 0]);
    expect(host.sense()).toEqual([0, 0, 0]);
    host.packet([0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    expect(host.sense()).toEqual([5, 0x21, 0]);
  });

  it('tells of an empty drive, a new medium and its removal', () => {
    const host = new Host();
    const drive = host.cdrom!;
    drive.changeMedium(undefined);
    host.packet([0x00]);
    expect(host.sense()).toEqual([2, 0x3a, 1]);
    host.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]);
    expect([...host.dataIn()]).toEqual([0, 6, 4, 0x10, 3, 0, 0, 0]);
    drive.changeMedium(host.iso);
    host.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]);
    expect([...host.dataIn()]).toEqual([0, 6, 4, 0x10, 2, 2, 0, 0]);
    host.packet([0x00]);
    expect(host.sense()).toEqual([6, 0x28, 0]);
    host.packet([0x00]);
    expect(host.in8(7, 1)).toBe(0x50);
  });

  it('opens its tray unless it is locked', () => {
    const host = new Host();
    const drive = host.cdrom!;
    host.packet([0x1e, 0, 0, 0, 1]);
    host.packet([0x1b, 0, 0, 0, 2]);
    expect(host.sense()).toEqual([5, 0x53, 2]);
    expect(drive.pressEject()).toBe(false);
    host.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]);
    expect(host.dataIn()[4]).toBe(1);
    host.packet([0x1e, 0, 0, 0, 0]);
    host.packet([0x1b, 0, 0, 0, 2]);
    host.packet([0x00]);
    expect(host.sense()).toEqual([2, 0x3a, 2]);
    host.packet([0x1b, 0, 0, 0, 3]);
    host.packet([0x00]);
    expect(host.sense()).toEqual([6, 0x28, 0]);
  });

  it('gives raw sectors with EDC and ECC (ECMA-130)', () => {
    const host = new Host();
    host.packet([0xbe, 0, 0, 0, 0, 16, 0, 0, 1, 0xf8]);
    const sector = host.dataIn();
    expect(sector.length).toBe(2352);
    expect([...sector.subarray(0, 16)]).toEqual([
      0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0x00, 0x02, 0x16, 1,
    ]);
    expect(sector.subarray(16, 2064)).toEqual(host.iso.bytes.slice(16 * 2048, 17 * 2048));
    // The CRC over data and EDC is zero.
    let crc = 0;
    for (const byte of sector.subarray(0, 2068)) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xd8018001 : 0);
    }
    expect(crc).toBe(0);
  });

  it('ends a read when the medium is taken out under it', () => {
    const host = new Host();
    host.command(0xa0, { 1: 0, 4: 0, 5: 8, 6: 0xa0 }, 1);
    const packet = [0x28, 0, 0, 0, 0, 16, 0, 0, 2, 0, 0, 0];
    for (let i = 0; i < 12; i += 2)
      host.ide.channels[1].command.writePort(0, 2, packet[i] | (packet[i + 1] << 8));
    host.cdrom!.changeMedium(undefined);
    expect(host.in8(7, 1) & 0x81).toBe(1);
    host.iso.run();
    expect(host.in8(7, 1) & 0x81).toBe(1);
    expect(host.sense()).toEqual([6, 0x28, 0]);
  });

  it('answers DEVICE RESET at any time', () => {
    const host = new Host();
    host.packet([0x28, 0, 0, 0, 0, 16, 0, 0, 2]);
    expect(host.altStatus(1) & 8).toBe(8);
    host.out8(7, 0x08, 1);
    expect([host.in8(4, 1), host.in8(5, 1), host.in8(7, 1)]).toEqual([0x14, 0xeb, 0]);
    expect(host.irqs[1].level).toBe(false);
  });
});
