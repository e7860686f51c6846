/** What the host says a path is. */
export interface FileInfo {
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  /** Device and inode as decimal text (they exceed 2^53 on some file systems): together they name the file whatever its path. */
  readonly dev: string;
  readonly ino: string;
  /** What the file takes on the disk, where the host tells: less than `sizeBytes` when there are holes. */
  readonly allocatedBytes?: number;
  /** May this process read and write it. */
  readonly readable: boolean;
  readonly writable: boolean;
}

/** Names a file whatever its path. */
export function identityOf({ dev, ino }: Pick<FileInfo, 'dev' | 'ino'>): string {
  return `${dev}.${ino}`;
}

/** Why a file operation failed: a POSIX error name; `ENOTREG` stands for "not a regular file". */
export type FileErrorCode =
  'ENOENT' | 'EACCES' | 'EISDIR' | 'ENOTREG' | 'EEXIST' | 'ENOSPC' | 'EROFS' | 'EIO' | 'EINVAL';

export class FileError extends Error {
  override readonly name = 'FileError';
  constructor(
    readonly code: FileErrorCode,
    readonly path: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** `read` an existing file, `write` an existing file too, `create` a new empty one (fails with EEXIST). */
export type OpenMode = 'read' | 'write' | 'create';

/** An open regular file. Offsets and lengths are integers in bytes below 2^53. */
export interface OpenFile {
  readonly path: string;
  readonly info: FileInfo;
  /** The operating system's number of the open file: any thread of the process may use it until `close`. Absent where the host has none. */
  readonly descriptor?: number;
  /** Fills `target` as far as the file goes and returns the count; the rest of `target` is left alone. */
  read(offset: number, target: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Writes all of `source`. */
  write(offset: number, source: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Completes when what was written is durable (fdatasync). A failure is final: the data may be gone. */
  sync(): Promise<void>;
  /** Sets the length; growing makes a hole. */
  truncate(sizeBytes: number): Promise<void>;
  /** Makes a hole that reads as zeros and keeps the length; false when the file system cannot. Absent where the host cannot. */
  punchHole?(offset: number, length: number): Promise<boolean>;
  close(): Promise<void>;
}

/** The host's files. Nothing here blocks the calling thread. */
export interface FileHost {
  /** Opens without blocking on FIFOs; fails with ENOTREG, EISDIR for what is not a regular file. */
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  /** undefined when there is nothing at `path`. */
  stat(path: string): Promise<FileInfo | undefined>;
  /** UTF-8 text of a regular file; fails with EINVAL above `maxBytes`. */
  readText(path: string, maxBytes: number): Promise<string>;
  /** Replaces the file with mode 0600 so that a crash leaves the old or the new text, never a mixture. */
  writeText(path: string, text: string): Promise<void>;
  /** Removes what `writeText` of other processes has left in a directory as they were killed. */
  removeLeftovers?(directory: string): Promise<void>;
  /** Removes a file; no error when it is not there. */
  remove(path: string): Promise<void>;
  /** The path without links, absolute; fails with ENOENT. */
  realPath?(path: string): Promise<string>;
  /** Gives a file another name in its directory, durably; what has that name is replaced. */
  rename?(from: string, to: string): Promise<void>;
  /** Names in a directory, sorted; empty when it does not exist. */
  list(path: string): Promise<string[]>;
  /** Makes a directory and its parents, mode 0700. */
  makeDirectory(path: string): Promise<void>;
}

/** `identityOf` what is at `path` now; undefined when there is nothing. Rejects with a FileError. */
export async function identityAt(
  files: Pick<FileHost, 'stat'>,
  path: string,
): Promise<string | undefined> {
  const info = await files.stat(path);
  return info && identityOf(info);
}
