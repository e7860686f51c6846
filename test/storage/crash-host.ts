import { FileError, type FileHost, type LockHost, type OpenFile } from '../../core/host';
import type { ImageHost } from '../../core/storage';
import { nodeCompression } from '../../core/host-node';
import type { Random } from './random';

const SECTOR = 512;

/** A change of a file that no sync has made durable. */
interface Change {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What a test does at each call of the image: take a crash state, fail it. */
export type OnCall = (kind: 'write' | 'sync', path: string) => void;

/** One file in memory: what is on the disk, and what is only in the page cache. */
class CrashFile {
  durable = Buffer.alloc(0);
  current = Buffer.alloc(0);
  pending: Change[] = [];

  write(offset: number, bytes: Uint8Array): void {
    this.resize(Math.max(this.current.length, offset + bytes.length));
    this.current.set(bytes, offset);
    this.pending.push({ offset, bytes: bytes.slice() });
  }

  /** A hole, which reads as zeros and is lost like a write. */
  punch(offset: number, length: number): void {
    const inside = Math.min(length, this.current.length - offset);
    if (inside > 0) this.write(offset, new Uint8Array(inside));
  }

  resize(length: number): void {
    if (length === this.current.length) return;
    const resized = Buffer.alloc(length);
    resized.set(this.current.subarray(0, length));
    this.current = resized;
  }

  sync(): void {
    this.durable = Buffer.from(this.current);
    this.pending = [];
  }

  /** The file after a power cut: of what was not synced, any sectors, with the probability `share`. */
  cut(random: Random, share: number): Buffer {
    const parts: Change[] = [];
    for (const { offset, bytes } of this.pending)
      for (let at = 0; at < bytes.length;) {
        const length = Math.min(SECTOR - ((offset + at) % SECTOR), bytes.length - at);
        if (random.below(1000) < share * 1000)
          parts.push({ offset: offset + at, bytes: bytes.subarray(at, at + length) });
        at += length;
      }
    const end = parts.reduce((most, part) => Math.max(most, part.offset + part.bytes.length), 0);
    const file = Buffer.alloc(Math.max(this.durable.length, end));
    file.set(this.durable);
    for (const part of parts) file.set(part.bytes, part.offset);
    return file;
  }
}

/** Files in memory that lose what was not synced, and fail when they are told to. */
export class CrashHost {
  readonly files = new Map<string, CrashFile>();
  onCall: OnCall = () => undefined;

  constructor(
    contents: Readonly<Record<string, Buffer>> = {},
    /** Whether each call takes a turn of the event loop, as on a real host. */
    private readonly turns = true,
  ) {
    for (const [path, bytes] of Object.entries(contents)) {
      const file = this.file(path);
      file.current = Buffer.from(bytes);
      file.sync();
    }
  }

  file(path: string): CrashFile {
    let file = this.files.get(path);
    if (!file) this.files.set(path, (file = new CrashFile()));
    return file;
  }

  get host(): ImageHost {
    const files: Pick<FileHost, 'open' | 'remove'> = {
      open: async (path, mode) => {
        if (mode !== 'create' && !this.files.has(path))
          throw new FileError('ENOENT', path, `${path}: there is no such file`);
        return this.open(path);
      },
      remove: async (path) => void this.files.delete(path),
    };
    const locks: LockHost = { acquire: async () => ({ lock: { release: async () => undefined } }) };
    return { files: files as FileHost, locks, compression: nodeCompression };
  }

  private open(path: string): OpenFile {
    const file = this.file(path);
    // A turn of the event loop each, so that requests come between each other as they do on a real host.
    const { turns } = this;
    const turn = (): Promise<void> =>
      turns ? new Promise((resolve) => setImmediate(resolve)) : Promise.resolve();
    return {
      path,
      info: {
        kind: 'file',
        sizeBytes: file.current.length,
        dev: '1',
        ino: path,
        readable: true,
        writable: true,
      },
      read: async (offset, target) => {
        await turn();
        const part = file.current.subarray(offset, offset + target.length);
        target.set(part);
        return part.length;
      },
      write: async (offset, source) => {
        await turn();
        try {
          this.onCall('write', path);
        } catch (cause) {
          // A part of it is there, as on a disk that became full.
          file.write(offset, source.subarray(0, source.length >> 1));
          throw cause;
        }
        file.write(offset, source);
      },
      sync: async () => {
        // What is written while the disk works is not covered.
        await turn();
        this.onCall('sync', path);
        file.sync();
        await turn();
      },
      truncate: async (size) => file.resize(size),
      punchHole: async (offset, length) => {
        await turn();
        file.punch(offset, length);
        return true;
      },
      close: async () => undefined,
    };
  }
}
