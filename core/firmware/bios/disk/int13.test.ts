import { describe, expect, it } from 'vitest';
import { arrayBackend, BiosBench, bootableIso } from '../../../../test/support/bios-board';
import { floppyGeometry, translateGeometry } from './drives';

/** A disk whose sectors begin with their number. */
function numbered(sectors: number): Uint8Array {
  const bytes = new Uint8Array(sectors * 512);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < sectors; i++) view.setUint32(i * 512, i, true);
  return bytes;
}

const GEOMETRY = { cylinders: 20, heads: 16, sectors: 63 };
const SECTORS = 20 * 16 * 63;

function bench(): { bench: BiosBench; disk: Uint8Array } {
  const disk = numbered(SECTORS);
  const machine = new BiosBench([
    {
      kind: 'hdd',
      name: 'hda',
      backend: arrayBackend(disk),
      geometry: GEOMETRY,
      channel: 0,
      unit: 0,
    },
    { kind: 'cdrom', name: 'hdc', backend: arrayBackend(bootableIso(), true), channel: 1, unit: 0 },
    { kind: 'floppy', name: 'fda', backend: arrayBackend(numbered(2880), true) },
  ]);
  machine.segment('es', 0x1000);
  machine.segment('ds', 0x2000);
  return { bench: machine, disk };
}

describe('geometry', () => {
  it('keeps a small disk as it is and doubles heads of larger ones (LBA assist)', () => {
    expect(translateGeometry(SECTORS, GEOMETRY)).toEqual(GEOMETRY);
    expect(translateGeometry(1024 * 16 * 63)).toEqual({ cylinders: 1024, heads: 16, sectors: 63 });
    expect(translateGeometry(4 * 1024 * 1024 * 2)).toEqual({
      cylinders: 522,
      heads: 255,
      sectors: 63,
    });
    expect(translateGeometry(2 ** 32).cylinders).toBe(1024);
    expect(floppyGeometry(2880)).toEqual({ cylinders: 80, heads: 2, sectors: 18 });
  });
});

describe('INT 13h', () => {
  it('reads by CHS into ES:BX', () => {
    const { bench: b } = bench();
    // Cylinder 1, head 2, sector 3: (1 * 16 + 2) * 63 + 2.
    const { carry } = b.call(0x13, { rax: 0x0202, rbx: 0x100, rcx: 0x0103, rdx: 0x0280 });
    expect([carry, b.ax]).toEqual([false, 0x0002]);
    expect(b.memory.readU32(0x10100)).toBe(18 * 63 + 2);
    expect(b.memory.readU32(0x10300)).toBe(18 * 63 + 3);
    expect(b.memory.readU8(0x474)).toBe(0);
  });

  it('writes by CHS, and refuses on a write-protected diskette with status 03h', () => {
    const { bench: b, disk } = bench();
    b.memory.writeU32(0x10000, 0xdeadbeef);
    expect(b.call(0x13, { rax: 0x0301, rbx: 0, rcx: 0x0001, rdx: 0x0080 }).carry).toBe(false);
    expect(new DataView(disk.buffer).getUint32(0, true)).toBe(0xdeadbeef);
    expect(b.call(0x13, { rax: 0x0301, rbx: 0, rcx: 0x0001, rdx: 0 }).carry).toBe(true);
    expect(b.ax >> 8).toBe(0x03);
    // AH=01h repeats the status.
    b.call(0x13, { rax: 0x0100, rdx: 0 });
    expect(b.ax >> 8).toBe(0x03);
  });

  it('refuses sectors that do not exist with 04h and drives that do not exist with 01h', () => {
    const { bench: b } = bench();
    expect(b.call(0x13, { rax: 0x0201, rcx: 0xffff, rdx: 0xff80 }).carry).toBe(true);
    expect(b.ax).toBe(0x0400);
    b.call(0x13, { rax: 0x0201, rcx: 0x0100, rdx: 0x0080 });
    expect(b.ax >> 8).toBe(0x04);
    expect(b.call(0x13, { rax: 0x0201, rcx: 1, rdx: 0x0081 }).carry).toBe(true);
    expect(b.ax >> 8).toBe(0x01);
  });

  it('reports parameters of disks and diskettes (AH=08h) and their kinds (AH=15h)', () => {
    const { bench: b } = bench();
    b.call(0x13, { rax: 0x0800, rdx: 0x80 });
    expect([b.ax, b.cx, b.dx]).toEqual([0, 0x133f, 0x0f01]);
    b.call(0x13, { rax: 0x0800, rdx: 0x00 });
    expect([b.cx, b.dx, b.bx]).toEqual([0x4f12, 0x0101, 4]);
    b.call(0x13, { rax: 0x1500, rdx: 0x80 });
    expect([b.ax >> 8, b.cx * 0x10000 + b.dx]).toEqual([3, SECTORS]);
    b.call(0x13, { rax: 0x1500, rdx: 0x01 });
    expect(b.ax >> 8).toBe(0);
  });

  it('passes the medium errors of the back end on as 20h', () => {
    const broken = arrayBackend(new Uint8Array(SECTORS * 512));
    broken.readNow = () => {
      throw Object.assign(new Error('bad sector'), { code: 'EIO' });
    };
    const b = new BiosBench([{ kind: 'hdd', name: 'hda', backend: broken }]);
    expect(b.call(0x13, { rax: 0x0201, rbx: 0, rcx: 1, rdx: 0x80 }).carry).toBe(true);
    expect(b.ax).toBe(0x2000);
  });

  const packet = (b: BiosBench, count: number, buffer: number, lba: bigint, size = 16): void => {
    b.memory.write(0x20000, new Uint8Array(32));
    b.memory.writeU8(0x20000, size);
    b.memory.writeU16(0x20002, count);
    b.memory.writeU32(0x20004, buffer);
    b.memory.writeU64(0x20008, lba);
  };

  it('has EDD 3.0 with disk address packets (T13 1572D)', () => {
    const { bench: b } = bench();
    expect(b.call(0x13, { rax: 0x4100, rbx: 0x55aa, rdx: 0x80 }).carry).toBe(false);
    expect([b.ax >> 8, b.bx, b.cx]).toEqual([0x30, 0xaa55, 7]);
    packet(b, 3, 0x30000000, 1000n);
    expect(b.call(0x13, { rax: 0x4200, rsi: 0, rdx: 0x80 }).carry).toBe(false);
    expect(b.memory.readU32(0x30000 + 1024)).toBe(1002);
    // A flat buffer address in a 24-byte packet.
    packet(b, 1, 0xffffffff, 7n, 24);
    b.memory.writeU64(0x20010, 0x150000n);
    b.call(0x13, { rax: 0x4200, rsi: 0, rdx: 0x80 });
    expect(b.memory.readU32(0x150000)).toBe(7);
  });

  it('refuses packets beyond the end, even at the top of 64 bits, and says that nothing was moved', () => {
    const { bench: b } = bench();
    packet(b, 2, 0x30000000, BigInt(SECTORS - 1));
    expect(b.call(0x13, { rax: 0x4200, rsi: 0, rdx: 0x80 }).carry).toBe(true);
    expect([b.ax >> 8, b.memory.readU16(0x20002)]).toEqual([0x04, 0]);
    packet(b, 1, 0x30000000, 0xffffffffffffffffn);
    b.call(0x13, { rax: 0x4200, rsi: 0, rdx: 0x80 });
    expect(b.ax >> 8).toBe(0x04);
  });

  it('describes drives with their ATA channel (AH=48h)', () => {
    const { bench: b } = bench();
    b.memory.writeU16(0x20000, 66);
    b.call(0x13, { rax: 0x4800, rsi: 0, rdx: 0x80 });
    expect([
      b.memory.readU32(0x20004),
      b.memory.readU32(0x20008),
      b.memory.readU32(0x2000c),
    ]).toEqual([20, 16, 63]);
    expect(Number(b.memory.readU64(0x20010))).toBe(SECTORS);
    expect(b.memory.readU16(0x20018)).toBe(512);
    expect(String.fromCharCode(...b.memory.read(0x20024, 8))).toBe('PCI ATA ');
    expect(b.memory.read(0x2001e, 36).reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
    const dpte = b.memory.readU16(0x2001c) * 16 + b.memory.readU16(0x2001a);
    expect([b.memory.readU16(dpte), b.memory.readU16(dpte + 2)]).toEqual([0x1f0, 0x3f6]);
    b.memory.writeU16(0x20000, 26);
    b.call(0x13, { rax: 0x4800, rsi: 0, rdx: 0xe0 });
    expect(b.memory.readU16(0x20018)).toBe(2048);
  });

  it('describes SATA drives by slot and port (EDD-4), VirtIO disks without a path', () => {
    const b = new BiosBench([
      {
        kind: 'hdd',
        name: 'sdb',
        backend: arrayBackend(numbered(SECTORS)),
        sata: { slot: 11, port: 1 },
      },
      { kind: 'hdd', name: 'vda', backend: arrayBackend(numbered(SECTORS)) },
    ]);
    const parameters = (drive: number): Uint8Array => {
      b.memory.writeU16(0x20000, 74);
      b.call(0x13, { rax: 0x4800, rsi: 0, rdx: drive });
      return b.memory.read(0x20000, 66);
    };
    b.segment('ds', 0x2000);
    const sata = parameters(0x80);
    expect(sata[0]).toBe(66);
    expect(String.fromCharCode(...sata.subarray(36, 48))).toBe('PCI SATA    ');
    expect([...sata.subarray(48, 51), sata[56]]).toEqual([0, 11, 0, 1]);
    expect(sata.subarray(30).reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
    const virtio = parameters(0x81);
    expect(virtio[0]).toBe(30);
    // No device parameter table extension for either: they have no ATA ports.
    expect([...sata.subarray(26, 30), ...virtio.subarray(26, 30)]).toEqual(Array(8).fill(255));
  });

  it('reads CDs in sectors of 2048 bytes', () => {
    const { bench: b } = bench();
    packet(b, 1, 0x30000000, 16n);
    expect(b.call(0x13, { rax: 0x4200, rsi: 0, rdx: 0xe0 }).carry).toBe(false);
    expect(String.fromCharCode(...b.memory.read(0x30001, 5))).toBe('CD001');
    expect(b.call(0x13, { rax: 0x0201, rcx: 1, rdx: 0xe0 }).carry).toBe(true);
  });

  it('keeps its drive number when INT 13h has no function of that number', () => {
    const { bench: b } = bench();
    expect(b.call(0x13, { rax: 0xff00, rdx: 0x80 }).carry).toBe(true);
    expect([b.ax >> 8, b.dx]).toEqual([1, 0x80]);
  });
});
