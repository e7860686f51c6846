import { describe, expect, it } from 'vitest';
import { FileError, type FileHost, type LockHost, type LockOwner, type OpenFile } from '../host';
import { MAX_DISK_BYTES, type ImageHost } from './image';
import { createRawImage, growRawImage, openRawImage } from './raw';

const OWNER: LockOwner = { pid: 1, name: 'domain a' };

/** Files in memory; `failSync` makes fdatasync fail as a full disk would. */
class MemoryFiles {
  readonly contents = new Map<string, Uint8Array<ArrayBuffer>>();
  failSync = false;
  open_ = 0;

  readonly host: Pick<FileHost, 'open' | 'remove'> = {
    open: async (path, mode) => {
      if (mode === 'create' && this.contents.has(path))
        throw new FileError('EEXIST', path, `${path}: it exists already`);
      if (mode === 'create') this.contents.set(path, new Uint8Array(0));
      const bytes = this.contents.get(path);
      if (!bytes) throw new FileError('ENOENT', path, `${path}: there is no such file`);
      this.open_++;
      return this.file(path, bytes.length);
    },
    remove: async (path) => void this.contents.delete(path),
  };

  private file(path: string, sizeBytes: number): OpenFile {
    const bytes = (): Uint8Array<ArrayBuffer> => this.contents.get(path) ?? new Uint8Array(0);
    return {
      path,
      info: { kind: 'file', sizeBytes, dev: '1', ino: path, readable: true, writable: true },
      read: async (offset, target) => {
        const part = bytes().subarray(offset, offset + target.length);
        target.set(part);
        return part.length;
      },
      write: async (offset, source) => {
        if (offset + source.length > bytes().length)
          await this.resize(path, offset + source.length);
        bytes().set(source, offset);
      },
      sync: async () => {
        if (this.failSync) throw new FileError('EIO', path, `${path}: the read or write failed`);
      },
      truncate: (size) => this.resize(path, size),
      close: async () => void this.open_--,
    };
  }

  private async resize(path: string, size: number): Promise<void> {
    const grown = new Uint8Array(size);
    grown.set((this.contents.get(path) ?? new Uint8Array(0)).subarray(0, size));
    this.contents.set(path, grown);
  }
}

/** Locks of one process. */
function memoryLocks(): LockHost & {
  held: Map<string, { mode: string; owner: LockOwner; count: number }>;
} {
  const held = new Map<string, { mode: string; owner: LockOwner; count: number }>();
  return {
    held,
    acquire: async (name, mode, owner) => {
      const now = held.get(name);
      if (now && (now.mode === 'exclusive' || mode === 'exclusive')) return { owner: now.owner };
      const entry = now ?? { mode, owner, count: 0 };
      entry.count++;
      held.set(name, entry);
      return {
        lock: {
          release: async () => {
            if (--entry.count === 0) held.delete(name);
          },
        },
      };
    },
  };
}

function setUp(size = 0): {
  files: MemoryFiles;
  locks: ReturnType<typeof memoryLocks>;
  host: ImageHost;
} {
  const files = new MemoryFiles();
  if (size > 0) files.contents.set('/d.img', new Uint8Array(size).fill(7));
  const locks = memoryLocks();
  return { files, locks, host: { files: files.host as FileHost, locks } };
}

describe('raw images', () => {
  it('read what was written, byte N of the file being byte N of the disk', async () => {
    const { files, host } = setUp(4096);
    const image = await openRawImage(host, { path: '/d.img', readOnly: false, owner: OWNER });
    await image.write(512, new Uint8Array(512).fill(9));
    expect((await image.read(512, 512)).every((byte) => byte === 9)).toBe(true);
    expect(files.contents.get('/d.img')?.[511]).toBe(7);
    expect(files.contents.get('/d.img')?.[512]).toBe(9);
    await image.close();
  });

  it('end at a whole sector, with zeros behind the end of the file', async () => {
    const { host } = setUp(1000);
    const image = await openRawImage(host, { path: '/d.img', readOnly: true, owner: OWNER });
    expect(image.sizeBytes).toBe(1024);
    const bytes = await image.read(512, 512);
    expect([bytes[487], bytes[488], bytes[511]]).toEqual([7, 0, 0]);
    await image.close();
  });

  it.each([
    [-512, 512],
    [4096, 512],
    [0, 8192],
    [2 ** 53, 512],
    [Number.NaN, 512],
  ])('refuse %d + %d, which lies outside', async (offset, length) => {
    const { host } = setUp(4096);
    const image = await openRawImage(host, { path: '/d.img', readOnly: false, owner: OWNER });
    await expect(image.read(offset, length)).rejects.toMatchObject({ code: 'BAD' });
    await image.close();
  });

  it('are written by one, read by many, and name who has them', async () => {
    const { host, locks } = setUp(4096);
    const writer = await openRawImage(host, {
      path: '/d.img',
      readOnly: false,
      owner: { pid: 42, name: 'domain debian' },
    });
    await expect(
      openRawImage(host, { path: '/d.img', readOnly: true, owner: OWNER }),
    ).rejects.toMatchObject({
      code: 'IN_USE',
      message:
        '/d.img is in use by domain debian (process 42); an image that is written to has one user at a time',
    });
    await writer.close();
    const readers = [
      await openRawImage(host, { path: '/d.img', readOnly: true, owner: OWNER }),
      await openRawImage(host, { path: '/d.img', readOnly: true, owner: OWNER }),
    ];
    await expect(
      openRawImage(host, { path: '/d.img', readOnly: false, owner: OWNER }),
    ).rejects.toMatchObject({ code: 'IN_USE' });
    for (const reader of readers) await reader.close();
    expect(locks.held.size).toBe(0);
  });

  it('take no more work after a flush failed: what it covered may be gone (reliability 2.5.8)', async () => {
    const { files, host } = setUp(4096);
    const image = await openRawImage(host, { path: '/d.img', readOnly: false, owner: OWNER });
    files.failSync = true;
    await expect(image.flush()).rejects.toMatchObject({ code: 'FAILED' });
    files.failSync = false;
    await expect(image.flush()).rejects.toMatchObject({ code: 'FAILED' });
    await expect(image.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'FAILED' });
    await image.close();
    expect(files.open_).toBe(0);
  });

  it('do not read as zeros what something else has cut off', async () => {
    const { files, host } = setUp(4096);
    const image = await openRawImage(host, { path: '/d.img', readOnly: false, owner: OWNER });
    files.contents.set('/d.img', new Uint8Array(1024).fill(7));
    expect((await image.read(512, 512)).every((byte) => byte === 7)).toBe(true);
    await expect(image.read(512, 1024)).rejects.toThrow(
      '/d.img: it has become shorter than it was: something else has cut it off',
    );
    await image.close();
  });

  it('read-only ones are not written', async () => {
    const { files, host } = setUp(4096);
    const image = await openRawImage(host, { path: '/d.img', readOnly: true, owner: OWNER });
    await expect(image.write(0, new Uint8Array(512))).rejects.toThrow('/d.img is open read-only');
    await image.close();
    expect(files.contents.get('/d.img')?.[0]).toBe(7);
  });

  it('are missed and found empty with a sentence, and leave no file open', async () => {
    const { files, host, locks } = setUp();
    await expect(
      openRawImage(host, { path: '/none.img', readOnly: true, owner: OWNER }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND', message: '/none.img: there is no such file' });
    files.contents.set('/e.img', new Uint8Array(0));
    await expect(
      openRawImage(host, { path: '/e.img', readOnly: true, owner: OWNER }),
    ).rejects.toThrow('/e.img is empty');
    expect(files.open_).toBe(0);
    expect(locks.held.size).toBe(0);
  });

  it('are created empty, never over something, and only grow', async () => {
    const { files, host } = setUp();
    await createRawImage(host.files, '/n.img', 1 << 20);
    expect(files.contents.get('/n.img')?.length).toBe(1 << 20);
    await expect(createRawImage(host.files, '/n.img', 1 << 20)).rejects.toThrow(
      '/n.img: it exists already',
    );
    await growRawImage(host, { path: '/n.img', sizeBytes: 2 << 20, owner: OWNER });
    expect(files.contents.get('/n.img')?.length).toBe(2 << 20);
    await expect(
      growRawImage(host, { path: '/n.img', sizeBytes: 1 << 20, owner: OWNER }),
    ).rejects.toThrow('a disk is never made smaller');
    expect(files.open_).toBe(0);
  });

  it.each([0, 100, 513, -512, MAX_DISK_BYTES + 512, 0.5])(
    'of %d bytes are refused',
    async (size) => {
      const { host } = setUp();
      await expect(createRawImage(host.files, '/n.img', size)).rejects.toMatchObject({
        code: 'BAD',
      });
    },
  );
});
