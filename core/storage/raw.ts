/**
 * Raw disk images and ISO files: byte N of the image is byte N of the file. The format is what the configuration
 * says and is never probed: a raw image that starts with another format's header stays raw (reliability 2.5.1).
 */
import type { FileHost } from '../host';
import { isZero, roundUp, zeros } from './bytes';
import {
  ImageError,
  MAX_DISK_BYTES,
  SECTOR_BYTES,
  type DiskImage,
  type ImageExtent,
  type ImageHost,
  type OpenImageOptions,
  type PlainFile,
} from './image';
import { checkRange, checkSize, guarded, ImageFile } from './image-file';

/** Stretches of a raw image are looked at in pieces of this size. */
const EXTENT_BYTES = 1 << 20;

class RawImage implements DiskImage {
  readonly sizeBytes: number;
  readonly plain: PlainFile | undefined;

  constructor(private readonly file: ImageFile) {
    const { end, descriptor } = file;
    this.sizeBytes = roundUp(end, SECTOR_BYTES);
    if (descriptor !== undefined) this.plain = { descriptor, sizeBytes: end };
  }

  get path(): string {
    return this.file.path;
  }

  get readOnly(): boolean {
    return this.file.readOnly;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    this.check(offset, length);
    return this.file.read(offset, length);
  }

  async readInto(offset: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    this.check(offset, target.length);
    await this.file.readInto(offset, target);
  }

  async write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.check(offset, bytes.length);
    await this.file.write(offset, bytes);
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    this.check(offset, length);
    if (!this.readOnly && (await this.file.punchHole(offset, length))) return;
    for (let done = 0; done < length;) {
      const piece = zeros(length - done);
      await this.file.write(offset + done, piece);
      done += piece.length;
    }
  }

  async discard(offset: number, length: number): Promise<void> {
    this.check(offset, length);
    if (!this.readOnly) await this.file.punchHole(offset, length);
  }

  async extent(offset: number, length: number): Promise<ImageExtent> {
    const piece = Math.min(length, EXTENT_BYTES, this.sizeBytes - offset);
    return { length: piece, zero: isZero(await this.read(offset, piece)) };
  }

  async flush(): Promise<void> {
    await this.file.sync();
  }

  async close(): Promise<void> {
    try {
      if (!this.file.isBroken) await this.flush();
    } finally {
      await this.file.close();
    }
  }

  private check(offset: number, length: number): void {
    this.file.check();
    checkRange(this.path, this.sizeBytes, offset, length);
  }
}

/** Opens an existing raw image or ISO file under its lock: one writer, or any number of readers. */
export async function openRawImage(host: ImageHost, options: OpenImageOptions): Promise<DiskImage> {
  const { path } = options;
  const file = await ImageFile.open(host, options);
  if (file.end > 0 && file.end <= MAX_DISK_BYTES) return new RawImage(file);
  await file.close();
  const what = file.end === 0 ? 'empty' : `larger than ${MAX_DISK_BYTES / 2 ** 40} TiB`;
  throw new ImageError('BAD', path, `${path} is ${what}`);
}

/** Makes a new file by `fill`; fails when the path exists, and leaves nothing when `fill` fails. */
export function createFile(
  files: FileHost,
  path: string,
  fill: (file: Awaited<ReturnType<FileHost['open']>>) => Promise<void>,
): Promise<void> {
  return guarded(path, async () => {
    const file = await files.open(path, 'create');
    try {
      await fill(file);
      await file.sync();
    } catch (cause) {
      await files.remove(path);
      throw cause;
    } finally {
      await file.close();
    }
  });
}

/** Creates a sparse raw image that reads as zeros; fails when the path exists. */
export async function createRawImage(
  files: FileHost,
  path: string,
  sizeBytes: number,
): Promise<void> {
  checkSize(path, sizeBytes);
  await createFile(files, path, (file) => file.truncate(sizeBytes));
}

/** Makes a raw image longer; the new part reads as zeros. Takes the writer's lock while it works. */
export async function growRawImage(
  host: ImageHost,
  options: Omit<OpenImageOptions, 'readOnly'> & { sizeBytes: number },
): Promise<void> {
  const { path, sizeBytes } = options;
  checkSize(path, sizeBytes);
  const file = await ImageFile.open(host, { ...options, readOnly: false });
  try {
    if (sizeBytes < file.end)
      throw new ImageError(
        'BAD',
        path,
        `${path} has ${file.end} bytes already; a disk is never made smaller`,
      );
    await file.truncate(sizeBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
