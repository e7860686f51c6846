import { connect, type Socket } from 'node:net';
import { MessageChannelMain, type MessagePortMain, type WebFrameMain } from 'electron';
import { DomusError, VNC_PORT, type DomainInfo, type VncPortData } from '../../../core/api';
import type { IpcServer } from '../ipc/server';

/** How far the page may fall behind before the socket is stopped: two 32-bit frames of 1920 x 1080. */
const MAX_BEHIND_BYTES = 16 << 20;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_CONNECTIONS = 32;

/**
 * Carries RFB bytes between the page and the VNC server of a domain on 127.0.0.1. The page names a domain, never an
 * address, so it can reach no other port of the host.
 */
export class VncBridge {
  #next = 1;
  readonly #open = new Set<Socket>();

  constructor(private readonly domain: (name: string) => Promise<DomainInfo>) {}

  serve(ipc: IpcServer): void {
    ipc.handle('vnc/open', async ({ domain }, event) => {
      const frame = event.senderFrame;
      if (frame === null || frame === undefined)
        throw new DomusError('INTERNAL', 'The window is gone.');
      return { channel: await this.#connect(domain, frame) };
    });
  }

  closeAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async #connect(name: string, frame: WebFrameMain): Promise<string> {
    const info = await this.domain(name);
    if (info.vncPort === null) {
      throw new DomusError(
        'BAD_STATE',
        info.config.vnc
          ? `The screen of “${info.config.name}” is not there yet: it is ${info.state}.`
          : `“${info.config.name}” has no VNC server (vnc=0 in its configuration).`,
      );
    }
    if (this.#open.size >= MAX_CONNECTIONS)
      throw new DomusError('INTERNAL', 'Too many consoles are open at once.');
    const socket = await dial(info.vncPort, info.config.name);
    const { port1, port2 } = new MessageChannelMain();
    const channel = `vnc-${this.#next++}`;
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    pump(socket, port1);
    frame.postMessage(VNC_PORT, channel, [port2]);
    return channel;
  }
}

function dial(port: number, name: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const fail = (why: string): void => {
      socket.destroy();
      reject(
        new DomusError(
          'DOMAIN_DIED',
          `The VNC server of “${name}” on port ${port} does not answer: ${why}.`,
        ),
      );
    };
    const onError = (error: Error): void => fail(error.message);
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => fail('timed out'));
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', onError);
      resolve(socket);
    });
  });
}

function pump(socket: Socket, port: MessagePortMain): void {
  let behind = 0;
  let ended = false;
  const end = (why: string): void => {
    if (ended) return;
    ended = true;
    port.postMessage({ closed: why } satisfies VncPortData);
    port.close();
    socket.destroy();
  };
  socket.on('data', (chunk: Buffer) => {
    const copy = chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.byteLength);
    port.postMessage(copy);
    behind += chunk.byteLength;
    if (behind > MAX_BEHIND_BYTES) socket.pause();
  });
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('the domain closed the connection'));
  port.on('message', ({ data }: { data: unknown }) => {
    if (ended) return;
    if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
      socket.write(
        data instanceof ArrayBuffer
          ? new Uint8Array(data)
          : new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      );
      return;
    }
    const taken = (data as { taken?: unknown } | null)?.taken;
    if (typeof taken !== 'number' || !(taken >= 0)) return;
    behind = Math.max(0, behind - taken);
    if (behind <= MAX_BEHIND_BYTES / 2 && socket.isPaused()) socket.resume();
  });
  port.on('close', () => {
    ended = true;
    socket.destroy();
  });
  port.start();
}
