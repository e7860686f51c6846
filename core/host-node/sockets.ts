import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import {
  SocketError,
  type LineConnection,
  type LineLimits,
  type LineServer,
  type SocketHost,
} from '../host';

/** sockaddr_un.sun_path is 108 bytes with its terminating zero; Node truncates a longer path without a word (reliability P25). */
const MAX_PATH_BYTES = 107;
const LINE_FEED = 0x0a;

class NodeLineConnection implements LineConnection {
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private lineTimer: NodeJS.Timeout | undefined;
  private lineListener: ((line: string) => void) | undefined;
  private closeListener: ((reason?: string) => void) | undefined;
  private reason: string | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly limits: LineLimits,
  ) {
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', (error) => (this.reason ??= error.message));
    socket.on('close', () => {
      clearTimeout(this.lineTimer);
      this.closeListener?.(this.reason);
    });
  }

  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  onLine(listener: (line: string) => void): void {
    this.lineListener = listener;
  }

  onClose(listener: (reason?: string) => void): void {
    this.closeListener = listener;
  }

  send(line: string): void {
    if (this.socket.destroyed) return;
    this.socket.write(`${line}\n`);
    if (this.socket.writableLength > this.limits.maxQueuedBytes)
      this.close('the peer does not read what it is sent');
  }

  close(reason?: string): void {
    if (reason !== undefined) {
      this.reason ??= reason;
      this.socket.destroy();
    } else {
      this.socket.end();
    }
  }

  private receive(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      this.append(chunk.subarray(start, end));
      start = end + 1;
      if (this.socket.destroyed) return;
      const line = Buffer.concat(this.pending).toString('utf8');
      this.pending = [];
      this.pendingBytes = 0;
      clearTimeout(this.lineTimer);
      this.lineTimer = undefined;
      this.lineListener?.(line);
    }
    if (start < chunk.length) this.append(chunk.subarray(start));
  }

  private append(part: Buffer): void {
    this.pendingBytes += part.length;
    if (this.pendingBytes > this.limits.maxLineBytes)
      return this.close(`a message is longer than ${this.limits.maxLineBytes} bytes`);
    if (part.length > 0) this.pending.push(part);
    this.lineTimer ??= setTimeout(
      () => this.close('a message was not finished in time'),
      this.limits.lineTimeoutMs,
    ).unref();
  }
}

/** @throws SocketError for a path that the system would cut. */
export function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (process.platform === 'win32' || bytes <= MAX_PATH_BYTES) return;
  throw new SocketError(
    'PATH_TOO_LONG',
    `the socket path ${path} has ${bytes} bytes, and the system allows ${MAX_PATH_BYTES}; set DOMUS_HOME or XDG_RUNTIME_DIR to a shorter directory`,
  );
}

/** The directory must be ours alone: not a symbolic link, our uid, no access for others. */
export function ensurePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const stats = lstatSync(path);
  if (!stats.isDirectory())
    throw new SocketError(
      'BAD_DIRECTORY',
      `${path} must be a directory, not a link or a file, to hold the control socket`,
    );
  const uid = process.getuid?.();
  if (uid !== undefined && stats.uid !== uid)
    throw new SocketError(
      'BAD_DIRECTORY',
      `${path} belongs to user ${stats.uid}; the control socket needs a directory of your own`,
    );
  if ((stats.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

function connectSocket(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Removes a socket nobody listens on; fails when somebody does. */
async function removeStale(path: string): Promise<void> {
  try {
    (await connectSocket(path)).destroy();
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return;
    if (code !== 'ECONNREFUSED' && code !== 'ENOTSOCK')
      throw new SocketError('FAILED', `${path} cannot be used as the control socket`, {
        cause: error,
      });
    if (!lstatSync(path).isSocket())
      throw new SocketError(
        'FAILED',
        `${path} is in the way of the control socket and is not a socket`,
      );
    return unlinkSync(path);
  }
  throw new SocketError('IN_USE', `another Domus serves ${path} already`);
}

async function listen(
  path: string,
  limits: LineLimits,
  onConnection: (connection: LineConnection) => void,
): Promise<LineServer> {
  checkPath(path);
  if (process.platform !== 'win32') {
    ensurePrivateDirectory(dirname(path));
    await removeStale(path);
  }
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    onConnection(new NodeLineConnection(socket, limits));
  });
  server.maxConnections = limits.maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => resolve());
    } finally {
      process.umask(mask);
    }
  });
  server.on('error', () => undefined);
  return {
    path,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

async function connect(path: string, limits: LineLimits): Promise<LineConnection> {
  checkPath(path);
  try {
    return new NodeLineConnection(await connectSocket(path), limits);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ECONNREFUSED')
      throw new SocketError('NOT_LISTENING', `nobody serves ${path}`, { cause: error });
    if (code === 'EACCES' || code === 'EPERM')
      throw new SocketError('DENIED', `permission to use ${path} is denied`, { cause: error });
    throw new SocketError('FAILED', `${path} cannot be reached`, { cause: error });
  }
}

/** Local sockets through Node. */
export const nodeSockets: SocketHost = { listen, connect };
