/**
 * Images with damage of every kind: a clear error or right behaviour, in bounded time and memory. Bars D4 and D6
 * (test/hard) try more of them.
 */
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openImage } from '../../core/storage';
import { CrashHost } from './crash-host';
import {
  damaged,
  EXTREMES,
  makeIsoSample,
  makeSamples,
  useImage,
  type Sample,
  type SampleFormat,
} from './damage';
import { Directory, OWNER } from './qemu';
import { Random } from './random';

const PATH = '/hostile';
const IMAGES = 800;
const LIMIT_MS = 2000;
const MAX_GROWTH_BYTES = 512 << 20;
const directory = new Directory();
let samples: Sample[] = [];

beforeAll(async () => {
  samples = await makeSamples(directory);
  samples.push(makeIsoSample(directory));
});
afterAll(() => directory.close());

let slowest = 0;

async function tryOut(what: string, bytes: Buffer, format: SampleFormat): Promise<void> {
  const begin = performance.now();
  try {
    await useImage(() => new CrashHost({ [PATH]: bytes }, false).host, PATH, format);
  } catch (cause) {
    throw new Error(`${what}: ${String(cause)}`, { cause });
  }
  const took = performance.now() - begin;
  slowest = Math.max(slowest, took);
  if (took > LIMIT_MS * 5) throw new Error(`${what} took ${took} ms`);
}

describe('damaged images', () => {
  it('with every field of the header at its extremes are refused or used rightly', async () => {
    const before = process.memoryUsage().rss;
    for (const { name, format, bytes } of samples) {
      const tail = bytes.length - 512;
      const regions = format === 'vhd' ? [0, 512, tail] : format === 'iso' ? [16 * 2048] : [0];
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
    for (let i = 0; i < IMAGES; i++) {
      const sample = i % 2 === 0 ? samples[0] : random.pick(samples);
      if (!sample) throw new Error('no sample');
      await tryOut(`${sample.name}, number ${i}`, damaged(random, sample), sample.format);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it('take no more than 2 s each', () => {
    expect(slowest).toBeLessThan(LIMIT_MS);
  });
});

describe('compressed clusters', () => {
  it('that expand without end give one cluster and no more', async () => {
    const sample = samples[0];
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
