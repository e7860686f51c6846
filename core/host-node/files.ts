import { constants } from 'node:fs';
import * as fs from 'node:fs';
import {
  access,
  mkdir,
  readdir,
  realpath,
  rename,
  stat as statPath,
  unlink,
} from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import {
  FileError,
  type FileErrorCode,
  type FileHost,
  type FileInfo,
  type OpenFile,
  type OpenMode,
} from '../host';
import { punchHole } from './holes';

const open = promisify(fs.open);
const close = promisify(fs.close);
const fstat = promisify(fs.fstat);
const fdatasync = promisify(fs.fdatasync);
const fsync = promisify(fs.fsync);
const ftruncate = promisify(fs.ftruncate);
const read = promisify(fs.read);
const write = promisify(fs.write);

/** Largest piece given to one read or write call: keeps a slow disk from holding a pool thread for long (reliability P12, P15). */
const CHUNK_BYTES = 1 << 20;

const CODES: Readonly<Record<string, FileErrorCode>> = {
  ENOENT: 'ENOENT',
  ENOTDIR: 'ENOENT',
  EACCES: 'EACCES',
  EPERM: 'EACCES',
  EISDIR: 'EISDIR',
  EEXIST: 'EEXIST',
  ENOSPC: 'ENOSPC',
  EDQUOT: 'ENOSPC',
  EFBIG: 'ENOSPC',
  EROFS: 'EROFS',
  EINVAL: 'EINVAL',
  ENAMETOOLONG: 'EINVAL',
  ENXIO: 'ENOTREG',
};

const SENTENCES: Readonly<Record<FileErrorCode, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission is denied',
  EISDIR: 'it is a directory',
  ENOTREG: 'it is not a regular file',
  EEXIST: 'it exists already',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
  EIO: 'the read or write failed',
  EINVAL: 'the name or size is not valid',
};

function failure(path: string, cause: unknown): FileError {
  if (cause instanceof FileError) return cause;
  const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const code = CODES[errno] ?? 'EIO';
  return new FileError(code, path, `${path}: ${SENTENCES[code]}`, { cause });
}

async function guarded<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw failure(path, cause);
  }
}

function kindOf(stats: fs.BigIntStats): FileInfo['kind'] {
  if (stats.isFile()) return 'file';
  return stats.isDirectory() ? 'directory' : 'other';
}

function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

async function infoOf(path: string, stats: fs.BigIntStats): Promise<FileInfo> {
  return {
    kind: kindOf(stats),
    sizeBytes: Number(stats.size),
    // POSIX leaves the unit open; it is 512 bytes wherever Node runs. Windows tells nothing.
    ...(process.platform === 'win32' ? {} : { allocatedBytes: Number(stats.blocks) * 512 }),
    dev: stats.dev.toString(),
    ino: stats.ino.toString(),
    readable: await may(path, constants.R_OK),
    writable: await may(path, constants.W_OK),
  };
}

class NodeFile implements OpenFile {
  constructor(
    readonly path: string,
    readonly info: FileInfo,
    private readonly fd: number,
  ) {}

  get descriptor(): number {
    return this.fd;
  }

  read(offset: number, target: Uint8Array<ArrayBuffer>): Promise<number> {
    return guarded(this.path, async () => {
      let done = 0;
      while (done < target.length) {
        const { bytesRead } = await read(
          this.fd,
          target,
          done,
          Math.min(CHUNK_BYTES, target.length - done),
          offset + done,
        );
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    });
  }

  write(offset: number, source: Uint8Array<ArrayBuffer>): Promise<void> {
    return guarded(this.path, async () => {
      let done = 0;
      while (done < source.length) {
        const { bytesWritten } = await write(
          this.fd,
          source,
          done,
          Math.min(CHUNK_BYTES, source.length - done),
          offset + done,
        );
        done += bytesWritten;
      }
    });
  }

  sync(): Promise<void> {
    return guarded(this.path, () => fdatasync(this.fd));
  }

  truncate(sizeBytes: number): Promise<void> {
    return guarded(this.path, () => ftruncate(this.fd, sizeBytes));
  }

  punchHole(offset: number, length: number): Promise<boolean> {
    return punchHole(this.fd, offset, length);
  }

  close(): Promise<void> {
    return guarded(this.path, () => close(this.fd));
  }
}

const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};

/** O_NONBLOCK so that opening a FIFO cannot take a pool thread for ever (reliability 2.5.3, P8). Windows has none. */
const NONBLOCK = constants.O_NONBLOCK ?? 0;

async function openRegular(path: string, mode: OpenMode): Promise<OpenFile> {
  const fd = await open(path, OPEN_FLAGS[mode] | NONBLOCK, 0o600);
  try {
    const stats = await fstat(fd, { bigint: true });
    if (stats.isDirectory()) throw new FileError('EISDIR', path, `${path}: ${SENTENCES.EISDIR}`);
    if (!stats.isFile()) throw new FileError('ENOTREG', path, `${path}: ${SENTENCES.ENOTREG}`);
    return new NodeFile(path, await infoOf(path, stats), fd);
  } catch (cause) {
    await close(fd);
    throw cause;
  }
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const fd = await open(path, constants.O_RDONLY);
  try {
    await fsync(fd);
  } finally {
    await close(fd);
  }
}

/** The names of files that are to take the place of others: `.NAME.PID.RANDOM.tmp`. */
const TEMPORARY = /^\..+\.(\d+)\.[0-9a-f]{8}\.tmp$/;

async function removeLeftovers(directory: string): Promise<void> {
  for (const name of (await unlessMissing(() => readdir(directory))) ?? []) {
    const pid = TEMPORARY.exec(name)?.[1];
    if (pid === undefined || Number(pid) === process.pid) continue;
    await unlessMissing(() => unlink(join(directory, name)));
  }
}

/** Temp file, fsync, rename, fsync of the directory: a crash leaves the old or the new text (reliability P13). */
async function replaceText(path: string, text: string): Promise<void> {
  const temporary = join(
    dirname(path),
    `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`,
  );
  const fd = await open(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
    0o600,
  );
  try {
    try {
      const bytes = Buffer.from(text, 'utf8');
      for (let done = 0; done < bytes.length;)
        done += (await write(fd, bytes, done, bytes.length - done, done)).bytesWritten;
      await fsync(fd);
    } finally {
      await close(fd);
    }
    await rename(temporary, path);
  } catch (cause) {
    await unlink(temporary).catch(() => undefined);
    throw cause;
  }
  await syncDirectory(dirname(path));
}

async function readAll(path: string, maxBytes: number): Promise<string> {
  const file = await openRegular(path, 'read');
  try {
    if (file.info.sizeBytes > maxBytes)
      throw new FileError(
        'EINVAL',
        path,
        `${path}: it has ${file.info.sizeBytes} bytes, and at most ${maxBytes} are read`,
      );
    const bytes = Buffer.alloc(file.info.sizeBytes);
    const count = await file.read(0, bytes);
    return bytes.toString('utf8', 0, count);
  } finally {
    await file.close();
  }
}

/** Runs `action`; undefined when the path does not exist. */
async function unlessMissing<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (cause) {
    if (
      cause instanceof Error &&
      'code' in cause &&
      (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
    )
      return undefined;
    throw cause;
  }
}

/** The host's files through Node. */
export const nodeFiles: FileHost = {
  open: (path, mode) => guarded(path, () => openRegular(path, mode)),
  stat: (path) =>
    guarded(path, () =>
      unlessMissing(async () => infoOf(path, await statPath(path, { bigint: true }))),
    ),
  readText: (path, maxBytes) => guarded(path, () => readAll(path, maxBytes)),
  writeText: (path, text) => guarded(path, () => replaceText(path, text)),
  removeLeftovers: (path) => guarded(path, () => removeLeftovers(path)),
  remove: (path) => guarded(path, async () => void (await unlessMissing(() => unlink(path)))),
  realPath: (path) => guarded(path, () => realpath(path)),
  rename: (from, to) =>
    guarded(from, async () => {
      await rename(from, to);
      await syncDirectory(dirname(to));
    }),
  list: (path) =>
    guarded(path, async () => ((await unlessMissing(() => readdir(path))) ?? []).sort()),
  makeDirectory: (path) =>
    guarded(path, async () => void (await mkdir(path, { recursive: true, mode: 0o700 }))),
};
