import type { FileHost, LockHost, LockOwner } from '../host';

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
  /** A private buffer of exactly `length` bytes, zeros behind the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Completes when everything written before is durable. After a failure the image refuses all further work. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface OpenImageOptions {
  readonly path: string;
  readonly readOnly: boolean;
  /** Told to whoever wants the image meanwhile. */
  readonly owner: LockOwner;
}

/** The host services images stand on. */
export interface ImageHost {
  readonly files: FileHost;
  readonly locks: LockHost;
}

export const SECTOR_BYTES = 512;
