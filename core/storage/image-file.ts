/** What all image formats share: the file under its lock, checks of ranges and sizes, errors as sentences. */
import {
  FileError,
  identityOf,
  type FileHost,
  type HeldLock,
  type LockOwner,
  type OpenFile,
} from '../host';
import {
  ImageError,
  MAX_DISK_BYTES,
  SECTOR_BYTES,
  type ImageErrorCode,
  type ImageHost,
  type OpenImageOptions,
} from './image';

const CODES: Readonly<Record<FileError['code'], ImageErrorCode>> = {
  ENOENT: 'NOT_FOUND',
  EACCES: 'UNREADABLE',
  EISDIR: 'NOT_A_FILE',
  ENOTREG: 'NOT_A_FILE',
  EEXIST: 'BAD',
  ENOSPC: 'NO_SPACE',
  EROFS: 'UNREADABLE',
  EIO: 'FAILED',
  EINVAL: 'BAD',
};

/** Turns a host error about `path` into an `ImageError`; other errors stay as they are. */
export function asImageError(path: string, cause: unknown): unknown {
  return cause instanceof FileError
    ? new ImageError(CODES[cause.code], path, cause.message, { cause })
    : cause;
}

export async function guarded<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw asImageError(path, cause);
  }
}

/** The image is not what its format says; `what` completes "PATH: ...". */
export function badImage(path: string, what: string): ImageError {
  return new ImageError('BAD', path, `${path}: ${what}`);
}

/** Refuses sizes that no disk has. */
export function checkSize(path: string, sizeBytes: number): void {
  const whole =
    Number.isSafeInteger(sizeBytes) &&
    sizeBytes >= SECTOR_BYTES &&
    sizeBytes <= MAX_DISK_BYTES &&
    sizeBytes % SECTOR_BYTES === 0;
  if (!whole)
    throw badImage(
      path,
      `${sizeBytes} bytes is not a disk size; it must be a multiple of 512 up to ${MAX_DISK_BYTES / 2 ** 40} TiB`,
    );
}

/** Refuses what does not lie inside a disk of `sizeBytes`. */
export function checkRange(path: string, sizeBytes: number, offset: number, length: number): void {
  const inside =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    length <= sizeBytes &&
    offset <= sizeBytes - length;
  if (!inside)
    throw badImage(
      path,
      `${length} bytes at ${offset} lie outside the image of ${sizeBytes} bytes`,
    );
}

/** The lock of a file is named by device and inode, so that two paths to one file are one lock. */
async function lockFile(
  host: ImageHost,
  file: OpenFile,
  path: string,
  readOnly: boolean,
  owner: LockOwner,
): Promise<HeldLock> {
  const result = await host.locks.acquire(
    `image.${identityOf(file.info)}`,
    readOnly ? 'shared' : 'exclusive',
    owner,
  );
  if ('lock' in result) return result.lock;
  const who = result.owner
    ? `${result.owner.name} (process ${result.owner.pid})`
    : 'another process';
  throw new ImageError(
    'IN_USE',
    path,
    `${path} is in use by ${who}; an image that is written to has one user at a time`,
  );
}

/** An image's file under its lock. A failed sync is final: nobody knows what reached the disk (reliability 2.5.8). */
export class ImageFile {
  /** Length of the file in bytes, as far as it was written. */
  end: number;
  /** Bytes from here on are zeros: nothing was written there, not even by a write that failed on its way. */
  private touched: number;
  private broken: ImageError | undefined;

  private constructor(
    readonly path: string,
    readonly readOnly: boolean,
    private readonly file: OpenFile,
    private readonly lock: HeldLock,
  ) {
    this.touched = this.end = file.info.sizeBytes;
  }

  /** Opens an existing regular file: one writer, or any number of readers. */
  static open(host: ImageHost, { path, readOnly, owner }: OpenImageOptions): Promise<ImageFile> {
    return guarded(path, async () => {
      const file = await host.files.open(path, readOnly ? 'read' : 'write');
      try {
        const lock = await lockFile(host, file, path, readOnly, owner);
        return new ImageFile(path, readOnly, file, lock);
      } catch (cause) {
        await file.close();
        throw cause;
      }
    });
  }

  /** Takes the writer's lock of a file that is only to be read or moved. */
  static hold(
    host: ImageHost,
    { path, owner }: Pick<OpenImageOptions, 'path' | 'owner'>,
  ): Promise<ImageFile> {
    return guarded(path, async () => {
      const file = await host.files.open(path, 'read');
      try {
        const lock = await lockFile(host, file, path, false, owner);
        return new ImageFile(path, true, file, lock);
      } catch (cause) {
        await file.close();
        throw cause;
      }
    });
  }

  /** Opens a file to look at it while others may use it: what is read may be changing. */
  static peek(files: FileHost, path: string): Promise<ImageFile> {
    const lock: HeldLock = { release: () => Promise.resolve() };
    return guarded(
      path,
      async () => new ImageFile(path, true, await files.open(path, 'read'), lock),
    );
  }

  /** What the file takes on the host's disk; undefined where the host does not tell. */
  get allocatedBytes(): number | undefined {
    return this.file.info.allocatedBytes;
  }

  /** The open file's number at the operating system; undefined where the host tells none. */
  get descriptor(): number | undefined {
    return this.file.descriptor;
  }

  /** Names the file whatever its path. */
  get identity(): string {
    return identityOf(this.file.info);
  }

  /** True when nothing was ever written at `offset` or behind it. */
  isUntouched(offset: number): boolean {
    return offset >= this.touched;
  }

  /** True when `punchHole` gives room back to the host. */
  get canPunch(): boolean {
    return this.file.punchHole !== undefined;
  }

  get isBroken(): boolean {
    return this.broken !== undefined;
  }

  /** Throws when an earlier failure has ended all work. */
  check(): void {
    if (this.broken) throw this.broken;
  }

  /** Ends all further work on this image. */
  breakOff(what: string, cause: unknown): ImageError {
    this.broken ??= new ImageError(
      'FAILED',
      this.path,
      `${this.path}: ${what}; the image is closed to further writes`,
      { cause },
    );
    return this.broken;
  }

  /** Fills `target`; zeros behind the end of the file. */
  readInto(offset: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    return guarded(this.path, async () => {
      this.check();
      const there = Math.min(target.length, this.end - offset);
      const count = await this.file.read(offset, target);
      if (count < there)
        throw new ImageError(
          'FAILED',
          this.path,
          `${this.path}: it has become shorter than it was: something else has cut it off`,
        );
      target.fill(0, count);
    });
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    await this.readInto(offset, bytes);
    return bytes;
  }

  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return guarded(this.path, async () => {
      this.check();
      if (this.readOnly)
        throw new ImageError('UNREADABLE', this.path, `${this.path} is open read-only`);
      this.touched = Math.max(this.touched, offset + bytes.length);
      await this.file.write(offset, bytes);
      this.end = Math.max(this.end, offset + bytes.length);
    });
  }

  /** Gives a range back to the host; it reads as zeros. False when the host cannot. */
  punchHole(offset: number, length: number): Promise<boolean> {
    return guarded(this.path, async () => {
      this.check();
      const inside = Math.min(length, this.touched - offset);
      if (!this.file.punchHole) return false;
      return inside <= 0 || this.file.punchHole(offset, inside);
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return guarded(this.path, async () => {
      this.check();
      await this.file.truncate(sizeBytes);
      this.touched = this.end = sizeBytes;
    });
  }

  async sync(): Promise<void> {
    this.check();
    if (this.readOnly) return;
    try {
      await this.file.sync();
    } catch (cause) {
      throw this.breakOff('what was written could not be made durable', cause);
    }
  }

  async close(): Promise<void> {
    try {
      await guarded(this.path, () => this.file.close());
    } finally {
      await this.lock.release();
    }
  }
}
