import type { CompressionHost, FileHost, LockHost, LockOwner } from '../host';

/** What is wrong with an image file; `FAILED` is an I/O error while it is in use. */
export type ImageErrorCode =
  'NOT_FOUND' | 'UNREADABLE' | 'NOT_A_FILE' | 'BAD' | 'IN_USE' | 'NO_SPACE' | 'FAILED';

/** A problem with one image, as a sentence that names it. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  constructor(
    readonly code: ImageErrorCode,
    readonly path: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** An open disk or CD image, held by a lock until it is closed. Offsets and lengths are multiples of 512. */
export interface DiskImage {
  readonly path: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Present when byte N of the image is byte N of a file that other threads may use as well. */
  readonly plain?: PlainFile | undefined;
  /** A private buffer of exactly `length` bytes, zeros behind the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The same into a buffer that is there; absent where the format has nothing to gain by it. */
  readInto?(offset: number, target: Uint8Array<ArrayBuffer>): Promise<void>;
  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** From now on the range reads as zeros; takes as little room as the format can do with. */
  writeZeroes(offset: number, length: number): Promise<void>;
  /** The guest does not need the range any more: parts of it read as zeros afterwards, the others as before. */
  discard(offset: number, length: number): Promise<void>;
  /**
   * The length of the stretch at `offset`, at most `length`, that is of one kind: `zero` is known to read as zeros
   * without reading it. For copies that skip what is not there.
   */
  extent(offset: number, length: number): Promise<ImageExtent>;
  /** Completes when everything written before is durable. After a failure the image refuses all further work. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** The file of an image without a format of its own. */
export interface PlainFile {
  /** `OpenFile.descriptor`, until the image is closed. */
  readonly descriptor: number;
  /** What lies in the file: requests that end behind it go through the image. */
  readonly sizeBytes: number;
}

export interface ImageExtent {
  readonly length: number;
  readonly zero: boolean;
}

export interface OpenImageOptions {
  readonly path: string;
  readonly readOnly: boolean;
  /** Told to whoever wants the image meanwhile. */
  readonly owner: LockOwner;
}

/** The host services images stand on. Without `compression` compressed clusters cannot be read. */
export interface ImageHost {
  readonly files: FileHost;
  readonly locks: LockHost;
  readonly compression?: CompressionHost;
}

export const SECTOR_BYTES = 512;

/** Largest disk: 8 TiB, what ext4 and the 48-bit ATA commands both take with room to spare. */
export const MAX_DISK_BYTES = 8 * 2 ** 40;
