import { randomBytes } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LifelineHost } from '../host';

function address(): string {
  const label = `domus.life.${process.pid}.${randomBytes(8).toString('hex')}`;
  if (process.platform === 'linux') return `\0${label}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${label}` : join(tmpdir(), label);
}

/** Lifelines through Node: nothing is ever sent, only the end of the connection counts. */
export const nodeLifeline: LifelineHost = {
  open() {
    const path = address();
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => sockets.delete(socket));
      socket.resume();
      socket.unref();
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        server.unref();
        resolve({
          address: path,
          close: () =>
            new Promise((done) => {
              server.close(() => done());
              for (const socket of sockets) socket.destroy();
            }),
        });
      });
    });
  },
};
