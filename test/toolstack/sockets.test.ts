import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LineConnection, LineLimits, LineServer } from '../../core/host';
import { nodeSockets } from '../../core/host-node/sockets';
import { temporaryDirectory } from './bundle';

const LIMITS: LineLimits = {
  maxLineBytes: 1000,
  lineTimeoutMs: 200,
  maxQueuedBytes: 100_000,
  maxConnections: 2,
};

let directory: ReturnType<typeof temporaryDirectory>;
let servers: LineServer[] = [];
const mask = process.umask();

beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  process.umask(mask);
  for (const server of servers) await server.close();
  servers = [];
  directory.close();
});

async function listen(
  path: string,
  onConnection: (connection: LineConnection) => void = () => undefined,
): Promise<LineServer> {
  const server = await nodeSockets.listen(path, LIMITS, onConnection);
  servers.push(server);
  return server;
}

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('the control socket', () => {
  it.each([0o000, 0o002, 0o022])('is 0600 in a directory of 0700 under umask %o', async (umask) => {
    process.umask(umask);
    const path = join(directory.path, 'run', 'domus.sock');
    await listen(path);
    expect([mode(path), mode(join(directory.path, 'run'))]).toEqual(['600', '700']);
    expect(process.umask()).toBe(umask);
  });

  it('closes a directory that others could enter', async () => {
    const run = join(directory.path, 'run');
    mkdirSync(run);
    chmodSync(run, 0o755);
    await listen(join(run, 's'));
    expect(mode(run)).toBe('700');
  });

  it('refuses a path that the system would cut off', async () => {
    const path = join(directory.path, 'x'.repeat(120), 's');
    await expect(listen(path)).rejects.toThrow(
      `the socket path ${path} has ${Buffer.byteLength(path)} bytes, and the system allows 107; set DOMUS_HOME or XDG_RUNTIME_DIR to a shorter directory`,
    );
  });

  it('refuses a directory that is a link', async () => {
    mkdirSync(join(directory.path, 'real'));
    symlinkSync(join(directory.path, 'real'), join(directory.path, 'link'));
    await expect(listen(join(directory.path, 'link', 's'))).rejects.toMatchObject({
      code: 'BAD_DIRECTORY',
    });
  });

  it('refuses to remove a file that is not a socket', async () => {
    const path = join(directory.path, 'file');
    writeFileSync(path, 'precious');
    await expect(listen(path)).rejects.toMatchObject({ code: 'FAILED' });
    expect(statSync(path).size).toBe(8);
  });

  it('replaces a stale socket and leaves a living one alone', async () => {
    const path = join(directory.path, 's');
    // A server that dies without closing leaves its file: bind one, then rename it away from its server's hands.
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(`${path}.old`, resolve));
    const { renameSync } = await import('node:fs');
    renameSync(`${path}.old`, path);
    await new Promise<void>((resolve) => dead.close(() => resolve()));
    expect(statSync(path).isSocket()).toBe(true);
    await listen(path);
    await expect(listen(path)).rejects.toMatchObject({ code: 'IN_USE' });
  });

  it('passes lines on, split and joined as they come', async () => {
    const got: string[] = [];
    const path = join(directory.path, 's');
    await listen(path, (connection) =>
      connection.onLine((line) => {
        got.push(line);
        connection.send(`echo ${line}`);
      }),
    );
    const client = await nodeSockets.connect(path, LIMITS);
    const answers: string[] = [];
    client.onLine((line) => answers.push(line));
    client.send('één');
    client.send('two');
    await expect.poll(() => answers).toEqual(['echo één', 'echo two']);
    expect(got).toEqual(['één', 'two']);
    client.close();
  });

  it.each<[string, string, string]>([
    ['longer than allowed', 'x'.repeat(2000), 'a message is longer than 1000 bytes'],
    ['that never ends', 'x', 'a message was not finished in time'],
  ])('cuts a connection with a line %s', async (_, bytes, expected) => {
    let reason: string | undefined;
    const path = join(directory.path, 's');
    await listen(path, (connection) => connection.onClose((why) => (reason = why)));
    const socket = createConnection(path);
    socket.on('error', () => undefined);
    socket.write(bytes);
    await expect.poll(() => reason, { timeout: 2000 }).toBe(expected);
    socket.destroy();
  });

  it('cuts a peer that does not read', async () => {
    let reason: string | undefined;
    const path = join(directory.path, 's');
    let server: LineConnection | undefined;
    await listen(path, (connection) => {
      server = connection;
      connection.onClose((why) => (reason = why));
    });
    const socket = createConnection(path);
    socket.pause();
    await expect.poll(() => server).toBeDefined();
    for (let i = 0; i < 2000 && reason === undefined; i++) server?.send('y'.repeat(1000));
    await expect.poll(() => reason).toBe('the peer does not read what it is sent');
    socket.destroy();
  });

  it('says that nobody listens', async () => {
    await expect(nodeSockets.connect(join(directory.path, 'none'), LIMITS)).rejects.toMatchObject({
      code: 'NOT_LISTENING',
    });
  });
});
