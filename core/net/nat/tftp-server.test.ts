import { beforeEach, describe, expect, it } from 'vitest';
import { put16, u16 } from '../wire';
import { TftpServer, tftpPath, type TftpFile } from './tftp-server';

const SERVER = Uint8Array.of(10, 0, 2, 2);
const CLIENT = Uint8Array.of(10, 0, 2, 15);
const OTHER = Uint8Array.of(10, 0, 2, 99);
const TID = 2070;

const RRQ = 1;
const WRQ = 2;
const DATA = 3;
const ACK = 4;
const ERROR = 5;
const OACK = 6;

interface Sent {
  readonly port: number;
  readonly to: string;
  readonly operation: number;
  readonly number: number;
  readonly body: Uint8Array;
}

/** A file whose bytes tell where they are. */
function pattern(sizeBytes: number): TftpFile & { closed: boolean } {
  const file = {
    sizeBytes,
    closed: false,
    read: async (offset: number, target: Uint8Array) => {
      const count = Math.max(0, Math.min(target.length, sizeBytes - offset));
      for (let i = 0; i < count; i++) target[i] = byteAt(offset + i);
      return count;
    },
    close: async () => {
      file.closed = true;
    },
  };
  return file;
}

function byteAt(offset: number): number {
  return (offset * 7 + (offset >>> 9)) & 0xff;
}

function request(operation: number, ...words: string[]): Uint8Array {
  const bytes = new Uint8Array([0, operation, ...Buffer.from(words.map((w) => `${w}\0`).join(''))]);
  return bytes;
}

function packet(operation: number, number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  put16(bytes, 0, operation);
  put16(bytes, 2, number);
  return bytes;
}

let now: number;
let sent: Sent[];
let asked: string[];
let files: Map<string, TftpFile>;
let server: TftpServer;

/** Lets what the server does with its files come to an end. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 4; i++) await Promise.resolve();
};

beforeEach(() => {
  now = 1000;
  sent = [];
  asked = [];
  files = new Map([['pxelinux.0', pattern(1000)]]);
  server = new TftpServer(
    {
      open: async (path) => {
        asked.push(path.join('/'));
        if (path[0] === 'secret') return 'denied';
        return files.get(path.join('/')) ?? 'not-found';
      },
    },
    (_, port, client, clientPort, bytes) =>
      sent.push({
        port,
        to: `${client.join('.')}:${clientPort}`,
        operation: u16(bytes, 0),
        number: u16(bytes, 2),
        body: bytes.slice(4),
      }),
    () => now,
  );
});

const read = async (...words: string[]): Promise<Sent | undefined> => {
  server.request(SERVER, CLIENT, TID, request(RRQ, ...words));
  await settle();
  return sent.at(-1);
};
const ack = async (port: number, number: number): Promise<void> => {
  server.arrive(port, CLIENT, TID, packet(ACK, number));
  await settle();
};
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

describe('TFTP (RFC 1350)', () => {
  it('gives a file in blocks of 512 bytes from a port of its own, until one is shorter', async () => {
    const first = await read('pxelinux.0', 'octet');
    expect(first).toMatchObject({ operation: DATA, number: 1, to: '10.0.2.15:2070' });
    expect(first!.body.length).toBe(512);
    expect(first!.port).not.toBe(69);
    await ack(first!.port, 1);
    expect(sent.at(-1)).toMatchObject({ operation: DATA, number: 2, port: first!.port });
    expect(sent.at(-1)!.body.length).toBe(488);
    expect(sent.at(-1)!.body[0]).toBe(byteAt(512));
    await ack(first!.port, 2);
    expect([sent.length, server.size]).toEqual([2, 0]);
    expect((files.get('pxelinux.0') as ReturnType<typeof pattern>).closed).toBe(true);
  });

  it('ends a file of whole blocks, and an empty one, with a block of no bytes', async () => {
    files.set('even', pattern(512));
    files.set('empty', pattern(0));
    const { port } = (await read('even', 'octet'))!;
    await ack(port, 1);
    expect(sent.at(-1)).toMatchObject({ operation: DATA, number: 2 });
    expect(sent.at(-1)!.body.length).toBe(0);
    await ack(port, 2);
    expect((await read('empty', 'octet'))!.body.length).toBe(0);
  });

  it('sends again what is not acknowledged, and gives up in the end', async () => {
    const { port } = (await read('pxelinux.0', 'octet'))!;
    now += 999;
    server.tick();
    expect(sent).toHaveLength(1);
    for (let i = 1; i <= 5; i++) {
      now += 1000;
      server.tick();
      expect(sent).toHaveLength(1 + i);
      expect(sent.at(-1)).toMatchObject({ operation: DATA, number: 1, port });
    }
    now += 1000;
    server.tick();
    expect([sent.length, server.size]).toEqual([6, 0]);
  });

  it('does not answer an old acknowledgement (RFC 1123 4.2.3.1)', async () => {
    const { port } = (await read('pxelinux.0', 'octet'))!;
    await ack(port, 1);
    await ack(port, 1);
    await ack(port, 0);
    expect(sent).toHaveLength(2);
  });

  it('tells a stranger that the transfer is not his, and goes on', async () => {
    const { port } = (await read('pxelinux.0', 'octet'))!;
    expect(server.arrive(port, OTHER, 7, packet(ACK, 1))).toBe(true);
    expect(sent.at(-1)).toMatchObject({ operation: ERROR, number: 5, to: '10.0.2.99:7' });
    expect(server.arrive(port, CLIENT, TID + 1, packet(ERROR, 0))).toBe(true);
    await ack(port, 1);
    expect(sent.at(-1)).toMatchObject({ operation: DATA, number: 2 });
    expect(server.arrive(12345, CLIENT, TID, packet(ACK, 1))).toBe(false);
  });

  it('answers a repeated request once more, and another one with its own file', async () => {
    files.set('b', pattern(3));
    const first = (await read('pxelinux.0', 'octet'))!;
    const again = (await read('pxelinux.0', 'octet'))!;
    expect(again).toEqual(first);
    const other = (await read('b', 'octet'))!;
    expect([other.port === first.port, other.body.length, server.size]).toEqual([false, 3, 1]);
  });

  it('stops when the client says so', async () => {
    const { port } = (await read('pxelinux.0', 'octet'))!;
    server.arrive(port, CLIENT, TID, packet(ERROR, 0));
    now += 10_000;
    server.tick();
    expect([sent.length, server.size]).toEqual([1, 0]);
  });

  it('refuses writing, unknown files, other modes and what is no request, in words', async () => {
    const refusal = async (bytes: Uint8Array): Promise<[number, string]> => {
      server.request(SERVER, CLIENT, TID, bytes);
      await settle();
      const last = sent.at(-1)!;
      expect(last.operation).toBe(ERROR);
      return [last.number, text(last.body).replace(/\0$/, '')];
    };
    expect(await refusal(request(WRQ, 'new', 'octet'))).toEqual([
      2,
      'this server does not take files',
    ]);
    expect(await refusal(request(RRQ, 'nothing', 'octet'))).toEqual([1, 'file not found']);
    expect(await refusal(request(RRQ, 'secret/key', 'octet'))).toEqual([2, 'access denied']);
    expect(await refusal(request(RRQ, 'pxelinux.0', 'netascii'))).toEqual([
      0,
      'only octet mode is served',
    ]);
    expect(await refusal(Uint8Array.of(0, RRQ, 0x61))).toEqual([4, 'the request is malformed']);
    expect(await refusal(request(RRQ, 'x'.repeat(600), 'octet'))).toEqual([
      4,
      'the request is malformed',
    ]);
    expect(server.size).toBe(0);
    const before = sent.length;
    server.request(SERVER, CLIENT, TID, packet(ERROR, 1));
    server.request(SERVER, CLIENT, TID, new Uint8Array(1));
    expect(sent).toHaveLength(before);
  });

  it('says when a file cannot be read or became shorter', async () => {
    files.set('bad', {
      sizeBytes: 9,
      read: () => Promise.reject(new Error('EIO')),
      close: async () => {},
    });
    files.set('cut', { sizeBytes: 9, read: async () => 4, close: async () => {} });
    expect(await read('bad', 'octet')).toMatchObject({ operation: ERROR, number: 0 });
    expect(text((await read('cut', 'octet'))!.body)).toContain('shorter');
  });

  it('serves a bounded number of transfers', async () => {
    for (let i = 0; i < 16; i++)
      server.request(SERVER, CLIENT, 3000 + i, request(RRQ, 'pxelinux.0', 'octet'));
    await settle();
    expect(server.size).toBe(16);
    expect(await read('pxelinux.0', 'octet')).toMatchObject({ operation: ERROR, number: 0 });
    server.clear();
    expect(server.size).toBe(0);
  });
});

describe('TFTP options (RFC 2347 to 2349)', () => {
  it('acknowledges what it takes, and begins at the acknowledgement of that', async () => {
    const options = ['tsize', '0', 'BLKSIZE', '1432', 'timeout', '3', 'multicast', ''];
    const first = (await read('pxelinux.0', 'octet', ...options))!;
    expect(first.operation).toBe(OACK);
    const words = text(Uint8Array.of(first.number >> 8, first.number & 0xff, ...first.body));
    expect(words).toBe('blksize\x001432\x00timeout\x003\x00tsize\x001000\x00');
    await ack(first.port, 0);
    expect(sent.at(-1)).toMatchObject({ operation: DATA, number: 1 });
    expect(sent.at(-1)!.body.length).toBe(1000);
    now += 2999;
    server.tick();
    expect(sent).toHaveLength(2);
    now += 1;
    server.tick();
    expect(sent).toHaveLength(3);
  });

  it('cuts a block to what fits a frame, and refuses one below 8', async () => {
    const big = (await read('pxelinux.0', 'octet', 'blksize', '65464'))!;
    expect(text(big.body)).toContain('ksize\x001468\x00');
    expect(await read('pxelinux.0', 'octet', 'blksize', '7')).toMatchObject({
      operation: ERROR,
      number: 8,
    });
  });

  it('goes on behind block 65535: 40 MiB in blocks of 512 bytes', async () => {
    files.set('big', pattern(40 << 20));
    const { port } = (await read('big', 'octet'))!;
    let wrong = 0;
    let bytes = 0;
    for (let block = 1; ; block++) {
      const { number, body } = sent.at(-1)!;
      if (number !== (block & 0xffff) || (body.length > 0 && body[0] !== byteAt(bytes))) wrong++;
      bytes += body.length;
      sent.length = 0;
      server.arrive(port, CLIENT, TID, packet(ACK, block & 0xffff));
      if (sent.length === 0) await settle();
      if (body.length < 512) break;
    }
    expect([bytes, wrong, server.size]).toEqual([40 << 20, 0, 0]);
  });
});

describe('a hostile client', () => {
  it('gets nothing to throw, and no more than its transfers', async () => {
    let seed = 7;
    const random = (below: number): number =>
      (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % below;
    const words = [
      'pxelinux.0',
      'octet',
      'blksize',
      'tsize',
      'timeout',
      '-1',
      '9e9',
      '',
      '%zz',
      '8',
    ];
    for (let i = 0; i < 5000; i++) {
      const parts = Array.from({ length: random(8) }, () => words[random(words.length)]);
      const bytes = request(random(8), ...parts);
      for (let n = random(4); n > 0; n--) bytes[random(bytes.length)] = random(256);
      const cut = bytes.subarray(0, random(bytes.length + 1));
      const client = Uint8Array.of(10, 0, 2, random(4));
      if (random(2) === 0) server.request(SERVER, client, random(40), cut);
      else server.arrive(49152 + random(64), client, random(40), cut);
      if (i % 50 === 0) {
        now += 700;
        server.tick();
        await settle();
      }
      expect(server.size).toBeLessThanOrEqual(16);
    }
  });
});

describe('names', () => {
  it.each([
    ['pxelinux.0', 'pxelinux.0'],
    ['/boot/./grub//core.0', 'boot/grub/core.0'],
    ['\\Boot\\x64\\bootmgr.exe', 'Boot/x64/bootmgr.exe'],
    ['a..b', 'a..b'],
  ])('%s is %s', (name, path) => expect(tftpPath(name)?.join('/')).toBe(path));

  it.each(['', '/', '..', '../etc/passwd', 'a/../../b', '\\..\\x', 'C:/x', 'a\nb', 'x:stream'])(
    '%j leads nowhere',
    (name) => expect(tftpPath(name)).toBeUndefined(),
  );

  it('are UTF-8', async () => {
    await read('grün', 'octet');
    expect(asked).toEqual(['grün']);
    server.request(SERVER, CLIENT, TID, Uint8Array.of(0, RRQ, 0xff, 0, 0x6f, 0));
    expect(sent.at(-1)).toMatchObject({ operation: ERROR, number: 4 });
  });
});
