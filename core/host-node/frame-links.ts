import { rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { FrameLink, FrameLinkEvents, FrameLinkHost, FrameSocket } from '../host';
import { checkPath, ensurePrivateDirectory } from './sockets';

const LENGTH_BYTES = 4;
const MAX_FRAME_BYTES = 1518;
/** Bytes that wait for a peer that does not read. */
const MAX_QUEUED_BYTES = 512 << 10;

class NodeFrameLink implements FrameLink {
  private readonly held = new Uint8Array(LENGTH_BYTES + MAX_FRAME_BYTES);
  private heldBytes = 0;
  private starved = false;
  private reason: string | undefined;
  private readonly events: FrameLinkEvents;

  constructor(
    private readonly socket: Socket,
    events: (link: FrameLink) => FrameLinkEvents,
  ) {
    this.events = events(this);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.events.onClose(this.reason));
  }

  send(frame: Uint8Array): boolean {
    const { socket } = this;
    if (socket.destroyed || frame.length > MAX_FRAME_BYTES) return true;
    if (socket.writableLength > MAX_QUEUED_BYTES) {
      this.starved = true;
      return false;
    }
    const bytes = Buffer.alloc(LENGTH_BYTES + frame.length);
    bytes.writeUInt32BE(frame.length);
    bytes.set(frame, LENGTH_BYTES);
    socket.write(bytes, () => this.taken());
    return true;
  }

  close(): void {
    this.socket.destroy();
  }

  private taken(): void {
    if (!this.starved || this.socket.writableLength > MAX_QUEUED_BYTES / 2) return;
    this.starved = false;
    this.events.onSpace();
  }

  private receive(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.socket.destroyed) {
      const wanted = this.heldBytes < LENGTH_BYTES ? LENGTH_BYTES : LENGTH_BYTES + this.length();
      const count = Math.min(wanted - this.heldBytes, chunk.length - at);
      this.held.set(chunk.subarray(at, at + count), this.heldBytes);
      this.heldBytes += count;
      at += count;
      if (this.heldBytes < LENGTH_BYTES) continue;
      const length = this.length();
      if (length > MAX_FRAME_BYTES) {
        this.reason = `a frame of ${length} bytes is longer than a frame can be`;
        this.socket.destroy();
        return;
      }
      if (this.heldBytes < LENGTH_BYTES + length) continue;
      this.heldBytes = 0;
      this.events.onFrame(this.held.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
    }
  }

  private length(): number {
    return new DataView(this.held.buffer).getUint32(0);
  }
}

async function listen(
  path: string,
  accept: (link: FrameLink) => FrameLinkEvents,
): Promise<FrameSocket> {
  checkPath(path);
  const isFile = process.platform !== 'win32';
  if (isFile) {
    ensurePrivateDirectory(dirname(path));
    rmSync(path, { force: true });
  }
  const server = createServer((socket) => {
    server.close();
    new NodeFrameLink(socket, accept);
  });
  server.maxConnections = 1;
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
  return { path, close: () => void server.close() };
}

function connect(path: string, events: FrameLinkEvents): Promise<FrameLink> {
  checkPath(path);
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new NodeFrameLink(socket, () => events));
    });
  });
}

/** Cables between processes through Node. */
export const nodeFrameLinks: FrameLinkHost = { listen, connect };
