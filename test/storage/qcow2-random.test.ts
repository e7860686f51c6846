/** Random operations on qcow2 images against a disk in memory; qemu-img is the judge of the files. */
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createQcow2, type CreateQcow2Options, type DiskImage } from '../../core/storage';
import { contents, Directory, HOST, open, qemuImg } from './qemu';
import { Random } from './random';

let directory: Directory;
beforeEach(() => void (directory = new Directory()));
afterEach(() => directory.close());

const SECTOR = 512;

/** One random operation on both disks. */
async function step(random: Random, image: DiskImage, model: Buffer): Promise<void> {
  const sectors = model.length / SECTOR;
  const start = random.below(sectors);
  const most = random.pick([1, 8, 64, 512]);
  const length = (1 + random.below(Math.min(most, sectors - start))) * SECTOR;
  const offset = start * SECTOR;
  const what = random.below(100);
  if (what < 50) {
    const bytes = random.bytes(length);
    await image.write(offset, bytes);
    model.set(bytes, offset);
  } else if (what < 75) {
    const read = Buffer.from(await image.read(offset, length));
    expect(read.equals(model.subarray(offset, offset + length))).toBe(true);
  } else if (what < 85) {
    await image.writeZeroes(offset, length);
    model.fill(0, offset, offset + length);
  } else if (what < 95) {
    await image.discard(offset, length);
    // What a discard leaves alone is up to the image.
    model.set(await image.read(offset, length), offset);
  } else await image.flush();
}

const KINDS: readonly (Omit<CreateQcow2Options, 'path'> & { name: string })[] = [
  { name: '64 KiB', sizeBytes: 5 * 2 ** 20 + 512 },
  { name: '512 B', sizeBytes: 2 ** 20, clusterBytes: 512 },
  { name: '512 B, 64-bit counts', sizeBytes: 3 * 2 ** 20, clusterBytes: 512, refcountOrder: 6 },
  { name: '1 KiB, 1-bit counts', sizeBytes: 2 ** 20, clusterBytes: 1024, refcountOrder: 0 },
  { name: '4 KiB, version 2', sizeBytes: 4 * 2 ** 20, clusterBytes: 4096, version: 2 },
  { name: '4 KiB, 2-bit counts', sizeBytes: 4 * 2 ** 20, clusterBytes: 4096, refcountOrder: 1 },
  { name: '2 MiB', sizeBytes: 16 * 2 ** 20, clusterBytes: 2 ** 21, refcountOrder: 5 },
];

describe('random writes, zeros, discards and flushes', () => {
  it.each(KINDS)('on clusters of $name are what a disk does', async ({ name, ...kind }) => {
    const random = new Random(name.length * 7919);
    const path = directory.file('d.qcow2');
    await createQcow2(HOST.files, { path, ...kind });
    expect(qemuImg('check', '-f', 'qcow2', path)).toContain('No errors');
    const model = Buffer.alloc(kind.sizeBytes);
    for (let round = 0; round < 4; round++) {
      const image = await open(path, 'qcow2');
      for (let i = 0; i < 250; i++) await step(random, image, model);
      expect((await contents(image)).equals(model)).toBe(true);
      await image.close();
      expect(qemuImg('check', '-f', 'qcow2', path)).toContain('No errors');
    }
    writeFileSync(directory.file('model.raw'), model);
    qemuImg('compare', '-f', 'qcow2', '-F', 'raw', path, directory.file('model.raw'));
  });
});
