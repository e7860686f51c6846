import { describe, expect, it } from 'vitest';
import { arrayBackend, BiosBench, bootableIso } from '../../../test/support/bios-board';

const WAIT = 1;

function bootSector(bytes: number, fill = 0x90): Uint8Array {
  const disk = new Uint8Array(bytes).fill(fill, 0, 510);
  disk.set([0x55, 0xaa], 510);
  return disk;
}

const hdd = (bytes: Uint8Array) =>
  ({ kind: 'hdd', name: 'hda', backend: arrayBackend(bytes), channel: 0, unit: 0 }) as const;
const cd = (bytes: Uint8Array | undefined) =>
  ({
    kind: 'cdrom',
    name: 'hdc',
    backend: bytes && arrayBackend(bytes, true),
    channel: 1,
    unit: 0,
  }) as const;
const floppy = (bytes: Uint8Array) =>
  ({ kind: 'floppy', name: 'fda', backend: arrayBackend(bytes, true) }) as const;
const screen = (bench: BiosBench): string => bench.text().join('\n');

describe('boot (INT 19h, INT 18h)', () => {
  it('loads the first sector of a hard disk to 0000:7C00 with the drive in DL', () => {
    const bench = new BiosBench([hdd(bootSector(1 << 20))], { bootOrder: 'c' });
    const { returnTo, action } = bench.call(0x19);
    expect([returnTo, action]).toEqual([{ segment: 0, offset: 0x7c00 }, 0]);
    expect(bench.dx).toBe(0x80);
    expect(bench.memory.readU16(0x7dfe)).toBe(0xaa55);
    expect(screen(bench)).toContain('Booting from hard disk (hda)...');
  });

  it('says what it tries, what failed and why, in the boot order', () => {
    const bench = new BiosBench(
      [
        hdd(new Uint8Array(1 << 20)),
        cd(bootableIso({ bootable: false })),
        floppy(new Uint8Array(1474560).fill(1)),
      ],
      {
        bootOrder: 'dcan',
      },
    );
    expect(bench.call(0x19).action).toBe(WAIT);
    const text = screen(bench);
    expect(text).toContain('Booting from CD-ROM (hdc)... not bootable: no El Torito boot record');
    expect(text).toContain('Booting from hard disk (hda)... not bootable: it is blank');
    expect(text).toContain(
      'Booting from floppy (fda)... not bootable: no boot signature in its first sector',
    );
    expect(text).toContain(
      'Booting from network... not bootable: this machine has no network card',
    );
    expect(text).toContain('No bootable device found.');
    expect(text.indexOf('CD-ROM')).toBeLessThan(text.indexOf('hard disk'));
  });

  it('sleeps after all failed and tries again at a key', () => {
    const bench = new BiosBench([cd(undefined)], { bootOrder: 'd' });
    expect(bench.call(0x19).action).toBe(WAIT);
    expect(screen(bench)).toContain('not bootable: no medium in the drive');
    expect(bench.call(0x19, {}, true).action).toBe(WAIT);
    bench.call(0x16, { rax: 0x0500, rcx: 0x1c0d });
    const again = new BiosBench([cd(undefined)], { bootOrder: 'd' });
    again.bios.restore(bench.bios.save());
    bench.call(0x19);
    bench.memory.writeU8(0x8001, WAIT);
    bench.call(0x16, { rax: 0x0500, rcx: 0x1c0d });
    bench.memory.writeU16(0x8000, 0x19 | (WAIT << 8));
    expect(bench.call(0x19, {}, true).action).toBe(WAIT);
    expect(screen(bench).match(/Booting from CD-ROM/g)!.length).toBeGreaterThan(2);
  });

  it('goes on with the next device at INT 18h', () => {
    const bench = new BiosBench([hdd(bootSector(1 << 20)), floppy(bootSector(1474560))], {
      bootOrder: 'ca',
    });
    bench.call(0x19);
    expect(bench.dx).toBe(0x80);
    expect(bench.call(0x18).returnTo).toEqual({ segment: 0, offset: 0x7c00 });
    expect(bench.dx).toBe(0x00);
    expect(bench.call(0x18).action).toBe(WAIT);
  });

  it('boots El Torito without emulation: sectors loaded, CD drive in DL, status by AH=4Bh', () => {
    const image = new Uint8Array(4096).map((_, i) => i >> 9);
    const bench = new BiosBench([cd(bootableIso({ image, sectorCount: 6 }))], { bootOrder: 'd' });
    expect(bench.call(0x19).returnTo).toEqual({ segment: 0, offset: 0x7c00 });
    expect(bench.dx).toBe(0xe0);
    expect(bench.memory.readU8(0x7c00 + 5 * 512)).toBe(5);
    expect(bench.memory.readU8(0x7c00 + 6 * 512)).toBe(0);
    bench.segment('ds', 0x2000);
    expect(bench.call(0x13, { rax: 0x4b01, rsi: 0, rdx: 0xe0 }).carry).toBe(false);
    expect([...bench.memory.read(0x20000, 8)]).toEqual([0x13, 0, 0xe0, 1, 20, 0, 0, 0]);
    expect(bench.memory.readU16(0x2000e)).toBe(6);
  });

  it('emulates a 1.44 MB diskette from the CD, ahead of real ones, until told to stop', () => {
    const image = bootSector(1474560);
    image[3 * 512] = 0x77;
    const bench = new BiosBench(
      [cd(bootableIso({ image, mediaType: 2, sectorCount: 1 })), floppy(bootSector(1474560, 0x11))],
      { bootOrder: 'd' },
    );
    bench.call(0x19);
    expect(bench.dx).toBe(0);
    bench.segment('es', 0x1000);
    bench.call(0x13, { rax: 0x0201, rbx: 0, rcx: 0x0004, rdx: 0 });
    expect(bench.memory.readU8(0x10000)).toBe(0x77);
    bench.call(0x13, { rax: 0x0800, rdx: 0 });
    expect([bench.cx, bench.dx]).toEqual([0x4f12, 0x0102]);
    expect(bench.call(0x13, { rax: 0x0301, rbx: 0, rcx: 1, rdx: 0 }).carry).toBe(true);
    // AH=08h has pointed ES at the diskette parameters.
    bench.segment('es', 0x1000);
    bench.call(0x13, { rax: 0x0201, rbx: 0, rcx: 1, rdx: 1 });
    expect(bench.memory.readU8(0x10000)).toBe(0x11);
    bench.segment('ds', 0x2000);
    bench.call(0x13, { rax: 0x4b00, rsi: 0, rdx: 0 });
    bench.call(0x13, { rax: 0x0201, rbx: 0, rcx: 1, rdx: 0 });
    expect(bench.memory.readU8(0x10000)).toBe(0x11);
  });

  it('emulates a hard disk from the CD with the geometry of its partition table', () => {
    const image = bootSector(2 * 16 * 32 * 512);
    image.fill(0, 0x1be, 0x1fe);
    image.set([0x80, 0, 1, 0, 6, 15, 32, 1], 0x1be);
    const bench = new BiosBench(
      [cd(bootableIso({ image, mediaType: 4, sectorCount: 1 })), hdd(bootSector(1 << 20))],
      { bootOrder: 'd' },
    );
    bench.call(0x19);
    expect(bench.dx).toBe(0x80);
    bench.call(0x13, { rax: 0x0800, rdx: 0x80 });
    expect([bench.cx, bench.dx]).toEqual([0x0120, 0x0f02]);
  });

  it('tells broken CDs apart', () => {
    const reason = (iso: Uint8Array): string => {
      const bench = new BiosBench([cd(iso)], { bootOrder: 'd' });
      bench.call(0x19);
      // A long reason wraps at the screen's edge.
      const rows = bench
        .text()
        .map((row) => row.padEnd(80))
        .join('');
      return /not bootable: (.*?)  /.exec(rows)?.[1] ?? '';
    };
    expect(reason(new Uint8Array(1 << 20))).toBe('no ISO 9660 file system');
    expect(reason(new Uint8Array(4096))).toBe('the image is too short to be a CD');
    const damaged = bootableIso();
    damaged[19 * 2048 + 4] = 1;
    expect(reason(damaged)).toBe('the El Torito boot catalog is damaged');
    expect(reason(bootableIso({ platform: 0xef }))).toBe(
      'its boot catalog has no entry for PC BIOS',
    );
    expect(reason(bootableIso().subarray(0, 19 * 2048))).toContain('ends before its boot catalog');
    expect(reason(bootableIso().subarray(0, 20 * 2048))).toContain('ends before its boot file');
    expect(reason(bootableIso({ mediaType: 9 }))).toContain('unknown media type');
    expect(reason(bootableIso({ loadSegment: 0xa000 }))).toContain('outside of memory');
  });

  it('saves and restores where it is', () => {
    const make = (): BiosBench =>
      new BiosBench([cd(bootableIso({ image: bootSector(1474560), mediaType: 2 }))], {
        bootOrder: 'd',
      });
    const bench = make();
    bench.call(0x19);
    const state = bench.bios.save();
    const other = make();
    other.bios.restore(structuredClone(state));
    expect(other.bios.save()).toEqual(state);
    other.call(0x13, { rax: 0x0800, rdx: 0 });
    expect(other.dx).toBe(0x0101);
  });
});
