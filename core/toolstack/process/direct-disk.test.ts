import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BlockError } from '../../hw';
import { BLOCK_SLOTS_BYTES } from './block-slots';
import { DirectDisk } from './direct-disk';
import { BlockClient, WorkerBlockBackend } from './worker-block';
import type { FromWorker } from './worker-messages';
import { WorkerPort } from './worker-port';

const SIZE = 64 << 10;
let folder = '';
let path = '';
let descriptor = -1;
let nowMs = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'domus-direct-'));
  path = join(folder, 'disk.img');
  writeFileSync(
    path,
    Uint8Array.from({ length: SIZE }, (_, i) => i >> 9),
  );
  descriptor = openSync(path, 'r+');
  nowMs = 1000;
});

afterEach(() => {
  closeSync(descriptor);
  rmSync(folder, { recursive: true });
});

describe('a plain file read and written by the thread of the vCPU', () => {
  const disk = (stepMs: number, readOnly = false): DirectDisk =>
    new DirectDisk({ descriptor, sizeBytes: SIZE }, readOnly, () => (nowMs += stepMs));

  it('moves bytes at offsets', () => {
    const direct = disk(0);
    const target = new Uint8Array(1024);
    expect(direct.read(5 * 512, target)).toBe(true);
    expect([target[0], target[512]]).toEqual([5, 6]);
    expect(direct.write(SIZE - 512, new Uint8Array(512).fill(0xee))).toBe(true);
    expect(readFileSync(path).subarray(-513)).toEqual(
      Buffer.from([(SIZE - 513) >> 9, ...new Uint8Array(512).fill(0xee)]),
    );
  });

  it('leaves to the event loop what ends behind the file, writes to a read-only disk, and all when the image failed', () => {
    expect(disk(0).read(SIZE - 512, new Uint8Array(1024))).toBe(false);
    expect(disk(0).write(SIZE, new Uint8Array(512))).toBe(false);
    expect(disk(0, true).write(0, new Uint8Array(512))).toBe(false);
    expect(readFileSync(path)).toHaveLength(SIZE);
    const direct = disk(0);
    direct.close();
    expect(direct.read(0, new Uint8Array(512))).toBe(false);
  });

  it('does not read a file that has become shorter', () => {
    writeFileSync(path, new Uint8Array(512));
    expect(disk(0).read(0, new Uint8Array(1024))).toBe(false);
  });

  it('rests in one direction after waits for the host, and tries again later', () => {
    const direct = disk(10);
    expect(direct.read(0, new Uint8Array(512))).toBe(true);
    // Once may be chance.
    expect(direct.read(0, new Uint8Array(512))).toBe(true);
    expect(direct.read(0, new Uint8Array(512))).toBe(false);
    expect(direct.write(0, new Uint8Array(512))).toBe(true);
    nowMs += 32 * 10;
    expect(direct.read(0, new Uint8Array(512))).toBe(true);
  });
});

describe('the back end of a disk with a plain file', () => {
  function parts(): {
    client: BlockClient;
    backend: WorkerBlockBackend;
    posted: FromWorker[];
    waits: number[];
    kicks: () => number;
  } {
    const posted: FromWorker[] = [];
    const { port1, port2 } = new MessageChannel();
    port1.close();
    const port = new WorkerPort(port2, new Int32Array(new SharedArrayBuffer(32)), (message) => {
      posted.push(message);
    });
    const client = new BlockClient(port, new SharedArrayBuffer(BLOCK_SLOTS_BYTES), () => nowMs);
    let kicks = 0;
    client.onFinished = () => kicks++;
    const waits: number[] = [];
    client.onGathering = (ms) => waits.push(Math.round(ms * 1000));
    const backend = new WorkerBlockBackend(client, 0, {
      vdev: 'vda',
      cdrom: false,
      sizeBytes: SIZE,
      readOnly: false,
      present: true,
      plain: { descriptor, sizeBytes: SIZE },
    });
    return { client, backend, posted, waits, kicks: () => kicks };
  }

  it('tells the end of a request outside the call, and of those that follow from it', () => {
    const { client, backend, posted, kicks } = parts();
    const target = new Uint8Array(512);
    const ends: string[] = [];
    backend.read(512, target, (error) => {
      ends.push(error ? error.message : 'read');
      backend.write(1024, target, () => ends.push('write'));
    });
    expect(ends).toEqual([]);
    expect(kicks()).toBe(1);
    expect(client.finish(true)).toBe(true);
    expect(ends).toEqual(['read', 'write']);
    expect(client.finish(true)).toBe(false);
    expect(readFileSync(path)[1024]).toBe(1);
    expect(client.direct).toEqual({ readBytes: 512, writtenBytes: 512 });
    expect(posted).toEqual([]);
    expect(backend.readNow(1024, 512)[0]).toBe(1);
  });

  it('reads into pieces and writes from them, unless it must ask the event loop', () => {
    const { client, backend, posted } = parts();
    let ends = 0;
    const done = (): void => void ends++;
    const pieces = [new Uint8Array(512), new Uint8Array(1024)];
    expect(backend.readPieces(512, pieces, done)).toBe(true);
    expect(pieces.map((piece) => [...new Set(piece)])).toEqual([[1], [2, 3]]);
    expect(backend.writePieces(SIZE - 1536, pieces, done)).toBe(true);
    expect(ends).toBe(0);
    client.finish(true);
    expect(ends).toBe(2);
    expect([...readFileSync(path).subarray(SIZE - 1536, SIZE - 1023)].at(-1)).toBe(2);
    expect(client.direct).toEqual({ readBytes: 1536, writtenBytes: 1536 });
    expect(backend.readPieces(SIZE - 1024, pieces, done)).toBe(false);
    expect([client.finish(true), ends, posted.length]).toEqual([false, 2, 0]);
  });

  it('gathers the ends of requests to a disk that takes many, for a moment or until the guest waits', () => {
    const { client, backend, waits, kicks } = parts();
    const target = new Uint8Array(512);
    let ends = 0;
    const read = (): void => backend.read(0, target, () => ends++);
    backend.manyAtOnce = true;
    nowMs = 1000;
    read();
    nowMs += 0.03;
    read();
    expect(waits).toEqual([40, 40]);
    nowMs += 0.03;
    expect(client.finish(false)).toBe(false);
    nowMs += 0.02;
    expect(client.finish(false)).toBe(true);
    expect(ends).toBe(2);
    read();
    expect(client.finish(true)).toBe(true);
    // Never for longer than a quarter of a millisecond.
    for (let i = 0; i < 9; i++, nowMs += 0.03) read();
    expect(waits.at(-1)).toBe(10);
    expect(client.finish(false)).toBe(true);
    expect(kicks()).toBe(0);
  });

  it('gathers no longer once it has many, or the end of a request that cannot wait', () => {
    const { client, backend, kicks } = parts();
    const target = new Uint8Array(512);
    backend.manyAtOnce = true;
    for (let i = 0; i < 31; i++) backend.read(0, target, () => undefined);
    expect(kicks()).toBe(0);
    backend.read(0, target, () => undefined);
    expect(kicks()).toBe(1);
    expect(client.finish(false)).toBe(true);
    backend.read(0, target, () => undefined);
    backend.manyAtOnce = false;
    backend.read(0, target, () => undefined);
    backend.read(0, target, () => undefined);
    expect(kicks()).toBe(2);
    expect(client.finish(false)).toBe(true);
  });

  it('asks the event loop for a flush, and for everything once a flush failed', () => {
    const { client, backend, posted } = parts();
    const error: BlockError = { code: 'EIO', message: 'the disk is gone' };
    const answers: (BlockError | undefined)[] = [];
    backend.flush((answer) => answers.push(answer));
    expect(posted).toHaveLength(1);
    client.complete([{ id: 1, error }]);
    expect(answers).toEqual([error]);
    backend.write(0, new Uint8Array(512), () => undefined);
    expect(client.finish(true)).toBe(false);
    expect(posted).toHaveLength(2);
    expect(readFileSync(path)[512]).toBe(1);
  });
});
