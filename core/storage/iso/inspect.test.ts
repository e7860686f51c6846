import { describe, expect, it } from 'vitest';
import { FileError, type FileHost } from '../../host';
import { inspectIso } from './inspect';

const SECTOR = 2048;

function put(image: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) image[at + i] = text.charCodeAt(i);
}

function put32(image: Uint8Array, at: number, value: number): void {
  new DataView(image.buffer).setUint32(at, value, true);
}

/** A directory record, ECMA-119 9.1, with a Rock Ridge NM entry when `rock` is given. */
function record(
  image: Uint8Array,
  at: number,
  entry: {
    name: string;
    lba: number;
    size: number;
    directory?: boolean;
    rock?: string;
    sp?: boolean;
  },
): number {
  const nameLength = entry.name.length;
  let length = 33 + nameLength + (nameLength % 2 === 0 ? 1 : 0);
  const systemUse = at + length;
  if (entry.sp) {
    put(image, systemUse, 'SP\x07\x01\xbe\xef\x00');
    length += 7;
  }
  if (entry.rock !== undefined) {
    put(image, systemUse, `NM${String.fromCharCode(5 + entry.rock.length)}\x01\x00${entry.rock}`);
    length += 5 + entry.rock.length;
  }
  length += length % 2;
  image[at] = length;
  put32(image, at + 2, entry.lba);
  put32(image, at + 10, entry.size);
  image[at + 25] = entry.directory ? 2 : 0;
  image[at + 32] = nameLength;
  put(image, at + 33, entry.name);
  return at + length;
}

interface Parts {
  volumeId?: string;
  sectors?: number;
  info?: string;
  boot?: 'bios' | 'efi' | 'damaged' | 'none';
  /** The root directory's records point at themselves. */
  loop?: boolean;
}

/** An ISO 9660 image: 16 PVD, 17 boot record, 18 end, 19 catalog, 20 boot image, 21 root, 22 `.disk`, 23 `info`. */
function iso({
  volumeId = 'TEST',
  sectors = 30,
  info,
  boot = 'bios',
  loop = false,
}: Parts = {}): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(30 * SECTOR);
  const pvd = 16 * SECTOR;
  image[pvd] = 1;
  put(image, pvd + 1, 'CD001\x01');
  put(image, pvd + 40, volumeId.padEnd(32));
  put32(image, pvd + 80, sectors);
  record(image, pvd + 156, { name: '\0', lba: 21, size: SECTOR, directory: true });
  let next = 17 * SECTOR;
  if (boot !== 'none') {
    put(image, next + 1, 'CD001\x01EL TORITO SPECIFICATION');
    put32(image, next + 0x47, 19);
    next += SECTOR;
  }
  image[next] = 255;
  put(image, next + 1, 'CD001\x01');
  const catalog = 19 * SECTOR;
  image[catalog] = 1;
  image[catalog + 1] = boot === 'efi' ? 0xef : 0;
  image[catalog + 0x1e] = 0x55;
  image[catalog + 0x1f] = 0xaa;
  const view = new DataView(image.buffer);
  let sum = 0;
  for (let at = 0; at < 32; at += 2) sum = (sum + view.getUint16(catalog + at, true)) & 0xffff;
  view.setUint16(catalog + 0x1c, (0x10000 - sum + (boot === 'damaged' ? 1 : 0)) & 0xffff, true);
  image[catalog + 32] = 0x88;
  put32(image, catalog + 40, 20);
  let at = record(image, 21 * SECTOR, {
    name: '\0',
    lba: 21,
    size: SECTOR,
    directory: true,
    sp: true,
  });
  at = record(image, at, { name: '\x01', lba: 21, size: SECTOR, directory: true });
  if (info !== undefined) {
    record(image, at, {
      name: '_DISK',
      rock: '.disk',
      lba: loop ? 21 : 22,
      size: SECTOR,
      directory: true,
    });
    record(image, 22 * SECTOR, { name: 'INFO.;1', rock: 'info', lba: 23, size: info.length });
    put(image, 23 * SECTOR, info);
  }
  return image;
}

/** A file system with one file. */
function files(bytes: Uint8Array<ArrayBuffer> | FileError): FileHost {
  return {
    open: async (path: string) => {
      if (bytes instanceof FileError) throw bytes;
      return {
        path,
        info: {
          kind: 'file',
          sizeBytes: bytes.length,
          dev: '1',
          ino: '1',
          readable: true,
          writable: true,
        },
        read: async (offset: number, target: Uint8Array) => {
          const part = bytes.subarray(offset, offset + target.length);
          target.set(part);
          return part.length;
        },
        close: async () => undefined,
      };
    },
  } as unknown as FileHost;
}

describe('inspectIso', () => {
  it('knows Debian by .disk/info and says so', async () => {
    const report = await inspectIso(
      files(
        iso({
          volumeId: 'Debian 12.5.0 amd64 n',
          info: 'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST\n',
        }),
      ),
      '/d.iso',
    );
    expect(report).toEqual({
      path: '/d.iso',
      sizeBytes: 30 * SECTOR,
      volumeId: 'Debian 12.5.0 amd64 n',
      osId: 'debian12',
      osName: 'Debian GNU/Linux 12 (bookworm)',
      evidence: [
        '.disk/info: “Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST”',
        'volume id: “Debian 12.5.0 amd64 n”',
        'boots with BIOS (El Torito, no emulation)',
      ],
      bootable: 'el-torito',
      suggested: { name: 'debian12', memory: 1024, vcpus: 1, diskGiB: 20 },
    });
  });

  it.each([
    ['Fedora-E-dvd-x86_64-39', 'fedora39', 'Fedora 39'],
    ['ARCH_202311', 'archlinux', 'Arch Linux 202311'],
    ['14_0_RELEASE_AMD64_CD', 'freebsd14', 'FreeBSD 14.0'],
    ['alpine-std 3.18.4 x86_64', 'alpinelinux3.18', 'Alpine Linux 3.18 (std)'],
    ['SOMETHING', 'generic', 'Unknown operating system'],
  ])('knows the volume %s', async (volumeId, osId, osName) => {
    expect(await inspectIso(files(iso({ volumeId })), '/x.iso')).toMatchObject({ osId, osName });
  });

  it.each<[Parts, string]>([
    [{ boot: 'none' }, 'it is not bootable: it has no El Torito boot record'],
    [{ boot: 'damaged' }, 'it is not bootable: its boot catalog is damaged'],
    [{ boot: 'efi' }, 'it starts with UEFI only, and this computer has a BIOS'],
    [
      { sectors: 100_000 },
      'it is truncated: it should have 204.8 MB and has 0.1 MB; copy or download it again',
    ],
  ])('says what is wrong with %j', async (parts, problem) => {
    expect((await inspectIso(files(iso(parts)), '/x.iso')).problem).toBe(problem);
  });

  it.each<[string, Uint8Array<ArrayBuffer> | FileError, string]>([
    ['an empty file', new Uint8Array(0), 'it is empty'],
    ['text', new Uint8Array(5000).fill(65), 'it is not a CD image: it has no ISO 9660 volume'],
    [
      'qcow2',
      Uint8Array.from([0x51, 0x46, 0x49, 0xfb, ...new Array<number>(600).fill(0)]),
      'it is a qcow2 disk image, not a CD image',
    ],
    ['nothing', new FileError('ENOENT', '/x', 'gone'), 'it does not exist'],
    ['a directory', new FileError('EISDIR', '/x', 'dir'), 'it is a directory'],
    [
      'no permission',
      new FileError('EACCES', '/x', 'denied'),
      'it cannot be read: permission is denied',
    ],
  ])('reports %s', async (_, content, problem) => {
    expect(await inspectIso(files(content), '/x.iso')).toMatchObject({
      problem,
      bootable: 'none',
      osId: 'generic',
    });
  });

  it('ends on directories that loop', async () => {
    expect((await inspectIso(files(iso({ info: 'x', loop: true })), '/x.iso')).osId).toBe(
      'generic',
    );
  });

  it('survives any damage of a sector with a report', async () => {
    const image = iso({ info: 'Debian GNU/Linux 12\n' });
    let seed = 1;
    for (let round = 0; round < 200; round++) {
      const copy = image.slice();
      for (let i = 0; i < 20; i++) {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        copy[16 * SECTOR + (seed % (8 * SECTOR))] = seed >>> 24;
      }
      expect((await inspectIso(files(copy), '/x.iso')).sizeBytes).toBe(copy.length);
    }
  });
});
