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
    const backend = new WorkerBlockBackend(client, 0, {
      vdev: 'vda',
      cdrom: false,
      sizeBytes: SIZE,
      readOnly: false,
      present: true,
      plain: { descriptor, sizeBytes: SIZE },
    });
    return { client, backend, posted, kicks: () => kicks };
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
    expect(client.finish()).toBe(true);
    expect(ends).toEqual(['read', 'write']);
    expect(client.finish()).toBe(false);
    expect(readFileSync(path)[1024]).toBe(1);
    expect(client.direct).toEqual({ readBytes: 512, writtenBytes: 512 });
    expect(posted).toEqual([]);
    expect(backend.readNow(1024, 512)[0]).toBe(1);
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
    expect(client.finish()).toBe(false);
    expect(posted).toHaveLength(2);
    expect(readFileSync(path)[512]).toBe(1);
  });
});
