/**
 * Raw disk images and ISO files: byte N of the image is byte N of the file. The format is what the configuration
 * says and is never probed: a raw image that starts with another format's header stays raw (reliability 2.5.1).
 */
import { FileError, type FileHost, type HeldLock, type OpenFile } from '../host';
import {
  ImageError,
  SECTOR_BYTES,
  type DiskImage,
  type ImageErrorCode,
  type ImageHost,
  type OpenImageOptions,
} from './image';

/** Largest disk: 8 TiB, what ext4 and the 48-bit ATA commands both take with room to spare. */
export const MAX_DISK_BYTES = 8 * 2 ** 40;

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

async function guarded<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw asImageError(path, cause);
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}

class RawImage implements DiskImage {
  readonly sizeBytes: number;
  private broken: ImageError | undefined;

  constructor(
    readonly path: string,
    readonly readOnly: boolean,
    private readonly file: OpenFile,
    private readonly lock: HeldLock,
  ) {
    this.sizeBytes = roundUp(file.info.sizeBytes);
  }

  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    return guarded(this.path, async () => {
      this.check(offset, length);
      const bytes = new Uint8Array(length);
      await this.file.read(offset, bytes);
      return bytes;
    });
  }

  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return guarded(this.path, async () => {
      this.check(offset, bytes.length);
      if (this.readOnly)
        throw new ImageError('UNREADABLE', this.path, `${this.path} is open read-only`);
      await this.file.write(offset, bytes);
    });
  }

  async flush(): Promise<void> {
    if (this.broken) throw this.broken;
    if (this.readOnly) return;
    try {
      await this.file.sync();
    } catch (cause) {
      this.broken = new ImageError(
        'FAILED',
        this.path,
        `${this.path}: what was written could not be made durable; the image is closed to further writes`,
        { cause },
      );
      throw this.broken;
    }
  }

  async close(): Promise<void> {
    try {
      if (!this.broken) await this.flush();
    } finally {
      await this.file.close();
      await this.lock.release();
    }
  }

  private check(offset: number, length: number): void {
    if (this.broken) throw this.broken;
    const inside =
      Number.isSafeInteger(offset) &&
      Number.isSafeInteger(length) &&
      offset >= 0 &&
      length >= 0 &&
      length <= this.sizeBytes &&
      offset <= this.sizeBytes - length;
    if (!inside)
      throw new ImageError(
        'BAD',
        this.path,
        `${this.path}: ${length} bytes at ${offset} lie outside the image of ${this.sizeBytes} bytes`,
      );
  }
}

/** Opens an existing raw image or ISO file under its lock: one writer, or any number of readers. */
export function openRawImage(host: ImageHost, options: OpenImageOptions): Promise<DiskImage> {
  const { path, readOnly } = options;
  return guarded(path, async () => {
    const file = await host.files.open(path, readOnly ? 'read' : 'write');
    try {
      if (file.info.sizeBytes === 0) throw new ImageError('BAD', path, `${path} is empty`);
      if (file.info.sizeBytes > MAX_DISK_BYTES)
        throw new ImageError('BAD', path, `${path} is larger than ${MAX_DISK_BYTES / 2 ** 40} TiB`);
      return new RawImage(path, readOnly, file, await lockFile(host, file, options));
    } catch (cause) {
      await file.close();
      throw cause;
    }
  });
}

/** The lock of a file is named by device and inode, so that two paths to one file are one lock. */
async function lockFile(
  host: ImageHost,
  file: OpenFile,
  { path, readOnly, owner }: OpenImageOptions,
): Promise<HeldLock> {
  const result = await host.locks.acquire(
    `image.${file.info.dev}.${file.info.ino}`,
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

function checkSize(path: string, sizeBytes: number): void {
  const whole =
    Number.isSafeInteger(sizeBytes) &&
    sizeBytes >= SECTOR_BYTES &&
    sizeBytes <= MAX_DISK_BYTES &&
    sizeBytes % SECTOR_BYTES === 0;
  if (!whole)
    throw new ImageError(
      'BAD',
      path,
      `${path}: ${sizeBytes} bytes is not a disk size; it must be a multiple of 512 up to ${MAX_DISK_BYTES / 2 ** 40} TiB`,
    );
}

/** Creates a sparse raw image that reads as zeros; fails when the path exists. */
export function createRawImage(files: FileHost, path: string, sizeBytes: number): Promise<void> {
  return guarded(path, async () => {
    checkSize(path, sizeBytes);
    const file = await files.open(path, 'create');
    try {
      await file.truncate(sizeBytes);
      await file.sync();
    } catch (cause) {
      await files.remove(path);
      throw cause;
    } finally {
      await file.close();
    }
  });
}

/** Makes a raw image longer; the new part reads as zeros. Takes the writer's lock while it works. */
export function growRawImage(
  host: ImageHost,
  options: Omit<OpenImageOptions, 'readOnly'> & { sizeBytes: number },
): Promise<void> {
  const { path, sizeBytes } = options;
  return guarded(path, async () => {
    checkSize(path, sizeBytes);
    const file = await host.files.open(path, 'write');
    try {
      if (sizeBytes < file.info.sizeBytes)
        throw new ImageError(
          'BAD',
          path,
          `${path} has ${file.info.sizeBytes} bytes already; a disk is never made smaller`,
        );
      const lock = await lockFile(host, file, { ...options, readOnly: false });
      try {
        await file.truncate(sizeBytes);
        await file.sync();
      } finally {
        await lock.release();
      }
    } finally {
      await file.close();
    }
  });
}
