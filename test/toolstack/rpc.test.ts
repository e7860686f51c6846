import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Domus, type Program } from './domus';

let domus: Domus;
let daemon: Program;
const sockets: Socket[] = [];

beforeEach(async () => {
  domus = new Domus();
  daemon = await domus.daemon();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await domus.close();
});

/** A raw connection to the control socket and the lines it answers with. */
async function connect(): Promise<{ socket: Socket; lines: string[]; closed: () => boolean }> {
  const socket = createConnection(join(domus.home, 'run', 'domus.sock'));
  sockets.push(socket);
  let text = '';
  let ended = false;
  const lines: string[] = [];
  socket.on('error', () => undefined);
  socket.on('close', () => (ended = true));
  socket.on('data', (chunk) => {
    text += chunk.toString();
    const parts = text.split('\n');
    text = parts.pop() ?? '';
    lines.push(...parts);
  });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return { socket, lines, closed: () => ended };
}

const residentMiB = (): number => {
  const status = readFileSync(`/proc/${daemon.child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
};

async function listTime(): Promise<number> {
  const { socket, lines } = await connect();
  const start = performance.now();
  socket.write('{"jsonrpc":"2.0","id":1,"method":"domain/list","params":{}}\n');
  await expect.poll(() => lines.length, { interval: 1 }).toBe(1);
  return performance.now() - start;
}

describe('the control socket', () => {
  it.each<[string, string]>([
    [
      'not json',
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the message is not JSON, or nests too deep"}}',
    ],
    [
      '['.repeat(5000),
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the message is not JSON, or nests too deep"}}',
    ],
    [
      '{"jsonrpc":"2.0","method":"x"}',
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the message is not a JSON-RPC 2.0 request"}}',
    ],
    [
      '{"jsonrpc":"2.0","id":7,"method":"__proto__","params":{}}',
      '{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"there is no command \\"__proto__\\"","data":{"code":"INTERNAL"}}}',
    ],
    [
      '{"jsonrpc":"2.0","id":7,"method":"domain/get","params":{"domain":"x","more":1}}',
      '{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"domain/get: Unrecognized key: \\"more\\"","data":{"code":"INVALID_CONFIG"}}}',
    ],
    [
      '{"jsonrpc":"2.0","id":7,"method":"domain/get","params":{"domain":"x"}}',
      '{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"there is no domain \\"x\\"","data":{"code":"NO_SUCH_DOMAIN"}}}',
    ],
    [
      '{"jsonrpc":"2.0","id":7,"method":"iso/inspect","params":{"path":"relative"}}',
      '{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"iso/inspect: path: must be an absolute path","data":{"code":"INVALID_CONFIG"}}}',
    ],
  ])('answers bad message %# with an error', async (message, answer) => {
    const { socket, lines } = await connect();
    socket.write(`${message}\n`);
    await expect.poll(() => lines).toEqual([answer]);
  });

  it('holds out against floods, slow senders and endless lines', async () => {
    await listTime();
    const before = residentMiB();
    const flood = await connect();
    for (let i = 0; i < 2000; i++)
      flood.socket.write(
        `{"jsonrpc":"2.0","id":${i},"method":"domain/define","params":{"config":${i}}}\n`,
      );
    const slow = await Promise.all(Array.from({ length: 40 }, connect));
    for (const { socket } of slow) socket.write('{"jsonrpc"');
    const endless = await connect();
    for (let i = 0; i < 8; i++) endless.socket.write('x'.repeat(1 << 20));
    await expect.poll(endless.closed).toBe(true);
    expect(await listTime()).toBeLessThan(200);
    expect(residentMiB() - before).toBeLessThan(48);
    expect(daemon.child.exitCode).toBeNull();
  });
});
