/**
 * Images with damage of every kind: a clear error or right behaviour, in bounded time and memory (reliability D4, D6).
 * DOMUS_HOSTILE_IMAGES sets how many random ones are tried.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkImage,
  createQcow2,
  describeImage,
  ImageError,
  openImage,
  type ImageFormat,
} from '../../core/storage';
import { CrashHost } from './crash-host';
import { Directory, HOST, OWNER, qemuImg, qemuIo } from './qemu';
import { Random } from './random';

const PATH = '/hostile';
const IMAGES = Number(process.env['DOMUS_HOSTILE_IMAGES'] ?? 800);
const LIMIT_MS = 2000;
const MAX_GROWTH_BYTES = 512 << 20;
const directory = new Directory();
const samples = new Map<string, { format: ImageFormat; bytes: Buffer }>();

beforeAll(async () => {
  const raw = directory.file('s.raw');
  const data = Buffer.alloc(600 << 10);
  data.set(new Random(2).bytes(100 << 10), 10 << 10);
  data.fill('text ', 200 << 10, 300 << 10);
  writeFileSync(raw, data);
  const add = (name: string, format: ImageFormat, file: string): void =>
    void samples.set(name, { format, bytes: readFileSync(file) });
  const rich = directory.file('rich.qcow2');
  qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', 'cluster_size=4k', raw, rich);
  qemuIo('qcow2', rich, 'write -P 5 100k 50k', 'write -z 300k 64k');
  qemuImg('snapshot', '-c', 'one', rich);
  qemuIo('qcow2', rich, 'write -P 6 120k 50k');
  qemuImg('bitmap', '-f', 'qcow2', '--add', rich, 'b');
  add('qcow2 with everything', 'qcow2', rich);
  const small = directory.file('small.qcow2');
  await createQcow2(HOST.files, { path: small, sizeBytes: 1 << 20, clusterBytes: 512 });
  qemuIo('qcow2', small, 'write -P 1 0 64k', 'write -P 2 900k 64k');
  add('qcow2 of small clusters', 'qcow2', small);
  for (const [name, format, ...options] of [
    ['dynamic VHD', 'vhd', '-O', 'vpc'],
    ['VMDK', 'vmdk', '-O', 'vmdk'],
    ['stream-optimised VMDK', 'vmdk', '-O', 'vmdk', '-o', 'subformat=streamOptimized'],
    ['VDI', 'vdi', '-O', 'vdi'],
  ] as const) {
    const file = directory.file(`s.${name}`);
    qemuImg('convert', '-f', 'raw', ...options, raw, file);
    add(name, format, file);
  }
});
afterAll(() => directory.close());

async function allowed(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (cause) {
    if (!(cause instanceof ImageError) || cause.code === 'FAILED') throw cause;
    expect(cause.message).toContain(PATH);
    expect(cause.message.length).toBeLessThan(400);
  }
}

/** Everything that is done with an image of unknown origin. */
async function use(bytes: Buffer, format: ImageFormat): Promise<void> {
  const fresh = (): CrashHost => new CrashHost({ [PATH]: bytes }, false);
  const task = { path: PATH, format, owner: OWNER };
  const { host } = fresh();
  await allowed(() => describeImage(host, PATH, format));
  await allowed(() => checkImage(host, task));
  await allowed(async () => {
    const image = await openImage(host, { ...task, readOnly: true });
    try {
      const end = image.sizeBytes;
      await allowed(() => image.read(0, Math.min(end, 1 << 20)));
      await allowed(() => image.read(Math.max(0, end - 4096), Math.min(end, 4096)));
      await allowed(() => image.extent(0, end));
    } finally {
      await image.close();
    }
  });
  if (format !== 'qcow2') return;
  await allowed(async () => {
    const image = await openImage(fresh().host, { ...task, readOnly: false });
    try {
      const end = image.sizeBytes;
      for (const offset of [0, 100 << 10, 130 << 10, end - 512])
        if (offset >= 0 && offset + 512 <= end)
          await allowed(() => image.write(offset, new Uint8Array(512).fill(7)));
      if (end >= 1 << 19) await allowed(() => image.discard(0, 1 << 19));
      await image.flush();
    } finally {
      await image.close();
    }
  });
  await allowed(() => checkImage(fresh().host, task, 'all'));
}

let slowest = 0;

async function tryOut(what: string, bytes: Buffer, format: ImageFormat): Promise<void> {
  const begin = performance.now();
  try {
    await use(bytes, format);
  } catch (cause) {
    throw new Error(`${what}: ${String(cause)}`, { cause });
  }
  const took = performance.now() - begin;
  slowest = Math.max(slowest, took);
  if (took > LIMIT_MS * 5) throw new Error(`${what} took ${took} ms`);
}

const EXTREMES = [0, 1, 0x1ff, 0x200, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffe00];

describe('damaged images', () => {
  it('with every field of the header at its extremes are refused or used rightly', async () => {
    const before = process.memoryUsage().rss;
    for (const [name, { format, bytes }] of samples) {
      const regions = format === 'vhd' ? [0, 512, bytes.length - 512] : [0];
      for (const region of regions)
        for (let at = region; at < region + (format === 'vdi' ? 0x188 : 112); at += 4)
          for (const value of EXTREMES) {
            const copy = Buffer.from(bytes);
            if (format === 'qcow2' || format === 'vhd') copy.writeUInt32BE(value, at);
            else copy.writeUInt32LE(value, at);
            await tryOut(`${name}, ${value} at ${at}`, copy, format);
          }
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it('with random damage anywhere, or cut off, are refused or used rightly', async () => {
    const before = process.memoryUsage().rss;
    const random = new Random(77);
    const names = [...samples.keys()];
    for (let i = 0; i < IMAGES; i++) {
      const name = i % 2 === 0 ? (names[0] ?? '') : random.pick(names);
      const sample = samples.get(name);
      if (!sample) throw new Error('no sample');
      let copy = Buffer.from(sample.bytes);
      const changes = 1 + random.below(4);
      for (let change = 0; change < changes; change++) {
        // Tables have values at multiples of 8; most bytes of a file are data, so the first clusters come more often.
        const limit = random.pick([512, 65536, copy.length]);
        const at = random.below(Math.min(limit, copy.length) >> 3) * 8;
        const how = random.below(4);
        if (how === 0) copy[at + random.below(8)] = random.below(256);
        else if (how === 1) copy.writeUInt32BE(random.pick(EXTREMES), at + random.pick([0, 4]));
        else if (how === 2) copy[at + random.below(8)] ^= 1 << random.below(8);
        else copy.copy(copy, at, random.below(copy.length >> 3) * 8, at);
      }
      if (random.below(10) === 0) copy = copy.subarray(0, random.below(copy.length));
      await tryOut(`${name}, number ${i}`, copy, sample.format);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it('take no more than 2 s each', () => {
    expect(slowest).toBeLessThan(LIMIT_MS);
  });
});

describe('compressed clusters', () => {
  it('that expand without end give one cluster and no more', async () => {
    const sample = samples.get('qcow2 with everything');
    if (!sample) throw new Error('no sample');
    const bomb = deflateRawSync(Buffer.alloc(64 << 20));
    const { bytes } = sample;
    // Every L2 entry of a compressed cluster leads to the bomb behind the file.
    const file = Buffer.concat([bytes, Buffer.alloc(4096 - (bytes.length % 4096)), bomb]);
    const at = file.length - bomb.length;
    const l1 = file.readUInt32BE(44);
    const l2 = file.readUInt32BE(l1 + 4);
    for (let entry = l2; entry < l2 + 4096; entry += 8)
      if (file[entry] & 0x40) {
        file.writeUInt32BE(0x40000000 | (7 << 26), entry);
        file.writeUInt32BE(at, entry + 4);
      }
    const before = process.memoryUsage().rss;
    const { host } = new CrashHost({ [PATH]: file });
    const image = await openImage(host, {
      path: PATH,
      format: 'qcow2',
      readOnly: true,
      owner: OWNER,
    });
    for (let i = 0; i < 50; i++)
      await expect(image.read(204 << 10, 512)).rejects.toThrow('the compressed cluster at');
    expect(process.memoryUsage().rss - before).toBeLessThan(32 << 20);
    await image.close();
  });
});
