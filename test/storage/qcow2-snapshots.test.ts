/** Snapshots, growth and repairs of qcow2 images; qemu-img is the judge. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  applyImageSnapshot,
  checkImage,
  convertImage,
  createImageSnapshot,
  createQcow2,
  deleteImageSnapshot,
  describeImage,
  growImage,
  type CreateQcow2Options,
} from '../../core/storage';
import { contents, Directory, HOST, open, OWNER, qemuImg, qemuIo, run } from './qemu';
import { Random } from './random';

const MIB = 2 ** 20;
let directory: Directory;
let path: string;
beforeEach(() => {
  directory = new Directory();
  path = directory.file('d.qcow2');
});
afterEach(() => directory.close());

function task(file = path) {
  return { path: file, format: 'qcow2', owner: OWNER } as const;
}

async function disk(): Promise<Buffer> {
  const image = await open(path, 'qcow2', { readOnly: true });
  const bytes = await contents(image);
  await image.close();
  return bytes;
}

function isClean(): void {
  expect(qemuImg('check', '-f', 'qcow2', path)).toContain('No errors');
}

const KINDS: readonly (Omit<CreateQcow2Options, 'path' | 'sizeBytes'> & { name: string })[] = [
  { name: '64 KiB clusters' },
  { name: '512 B clusters', clusterBytes: 512 },
  { name: '4 KiB clusters, 8-bit counts', clusterBytes: 4096, refcountOrder: 3 },
  { name: '4 KiB clusters, 64-bit counts', clusterBytes: 4096, refcountOrder: 6 },
];

describe('random writes with snapshots and growth', () => {
  it.each(KINDS)('on $name', async ({ name, ...kind }) => {
    const random = new Random(name.length);
    await createQcow2(HOST.files, { path, sizeBytes: MIB, ...kind });
    let model = Buffer.alloc(MIB);
    const kept = new Map<string, Buffer>();
    for (let round = 0; round < 24; round++) {
      const image = await open(path, 'qcow2');
      for (let i = 0; i < 30; i++) {
        const sectors = model.length / 512;
        const start = random.below(sectors);
        const length = (1 + random.below(Math.min(200, sectors - start))) * 512;
        if (random.below(4) === 0) {
          await image.writeZeroes(start * 512, length);
          model.fill(0, start * 512, start * 512 + length);
        } else {
          const bytes = random.bytes(length);
          await image.write(start * 512, bytes);
          model.set(bytes, start * 512);
        }
      }
      expect((await contents(image)).equals(model)).toBe(true);
      await image.close();
      const names = [...kept.keys()];
      const what = random.below(5);
      if (what < 2) {
        await createImageSnapshot(HOST, task(), { name: `s${round}`, takenAtMs: round * 1500 });
        kept.set(`s${round}`, Buffer.from(model));
      } else if (what === 2 && names.length > 0) {
        const chosen = random.pick(names);
        await applyImageSnapshot(HOST, task(), chosen);
        model = Buffer.from(kept.get(chosen) ?? model);
      } else if (what === 3 && names.length > 0) {
        const chosen = random.pick(names);
        await deleteImageSnapshot(HOST, task(), chosen);
        kept.delete(chosen);
      } else if (what === 4 && model.length < 3 * MIB) {
        const grown = Buffer.alloc(model.length + (1 + random.below(400)) * 512);
        grown.set(model);
        await growImage(HOST, task(), grown.length);
        model = grown;
      }
      isClean();
      expect((await disk()).equals(model)).toBe(true);
    }
    for (const [snapshot, bytes] of kept) {
      const file = directory.file('s.raw');
      qemuImg('convert', '-f', 'qcow2', '-l', `snapshot.name=${snapshot}`, '-O', 'raw', path, file);
      // QEMU gives the snapshot the size that the disk has now.
      const taken = readFileSync(file).subarray(0, bytes.length);
      expect(taken.equals(bytes.subarray(0, taken.length))).toBe(true);
    }
    const { snapshots } = await describeImage(HOST, path, 'qcow2');
    expect(snapshots.map((one) => one.name)).toEqual([...kept.keys()]);
    for (const chosen of [...kept.keys()]) await deleteImageSnapshot(HOST, task(), chosen);
    isClean();
    expect((await disk()).equals(model)).toBe(true);
  });
});

describe('snapshots', () => {
  it('that QEMU made are applied and deleted, and QEMU takes back ours', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', path, '4M');
    qemuIo('qcow2', path, 'write -P 1 0 1M');
    qemuImg('snapshot', '-c', 'one', path);
    qemuIo('qcow2', path, 'write -P 2 512k 1M');
    await createImageSnapshot(HOST, task(), { name: 'two', takenAtMs: 1000 });
    await applyImageSnapshot(HOST, task(), 'one');
    isClean();
    const bytes = await disk();
    expect([bytes[0], bytes[MIB - 1], bytes[MIB]]).toEqual([1, 1, 0]);
    qemuImg('snapshot', '-a', 'two', path);
    isClean();
    expect((await disk())[MIB]).toBe(2);
    await deleteImageSnapshot(HOST, task(), 'one');
    qemuImg('snapshot', '-d', 'two', path);
    isClean();
  });

  it('are refused when the reference counts are too narrow, and nothing is changed', async () => {
    await createQcow2(HOST.files, { path, sizeBytes: MIB, refcountOrder: 0 });
    const image = await open(path, 'qcow2');
    await image.write(0, new Uint8Array(65536).fill(5));
    await image.close();
    await expect(createImageSnapshot(HOST, task(), { name: 'a', takenAtMs: 0 })).rejects.toThrow(
      'too narrow for one more snapshot',
    );
    isClean();
    expect((await disk())[65535]).toBe(5);
  });

  it('have names of their own', async () => {
    await createQcow2(HOST.files, { path, sizeBytes: MIB });
    await createImageSnapshot(HOST, task(), { name: 'a', takenAtMs: 0 });
    await expect(createImageSnapshot(HOST, task(), { name: 'a', takenAtMs: 0 })).rejects.toThrow('has a snapshot "a" already'); // prettier-ignore
    await expect(applyImageSnapshot(HOST, task(), 'b')).rejects.toThrow('it has no snapshot "b"');
  });
});

describe('growth', () => {
  it('does not show what an image below has there', async () => {
    const below = directory.file('below.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', below, '4M');
    qemuIo('qcow2', below, 'write -P 9 0 4M');
    qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', below, path, '1M');
    const backing = { directories: [directory.path] };
    await growImage(HOST, { ...task(), backing }, 6 * MIB);
    const image = await open(path, 'qcow2', { backing });
    const bytes = await contents(image);
    await image.close();
    expect(bytes.subarray(0, MIB).every((byte) => byte === 9)).toBe(true);
    expect(bytes.subarray(MIB).every((byte) => byte === 0)).toBe(true);
    isClean();
  });

  it('is the only direction', async () => {
    await createQcow2(HOST.files, { path, sizeBytes: MIB });
    await expect(growImage(HOST, task(), 512)).rejects.toThrow('a disk is never made smaller');
  });
});

describe('conversion', () => {
  it('gives the same disk in either format, and takes no room for zeros', async () => {
    const raw = directory.file('a.raw');
    const model = Buffer.alloc(20 * MIB);
    model.set(new Random(1).bytes(MIB), 3 * MIB + 512);
    writeFileSync(raw, model);
    const shares: number[] = [];
    const from = { path: raw, format: 'raw', owner: OWNER } as const;
    await convertImage(HOST, from, { path, format: 'qcow2' }, (done) => shares.push(done));
    isClean();
    qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, path);
    expect(shares.at(-1)).toBe(1);
    expect((await describeImage(HOST, path, 'qcow2')).fileBytes).toBeLessThan(2 * MIB);
    const back = directory.file('b.raw');
    await convertImage(HOST, task(), { path: back, format: 'raw' });
    expect(readFileSync(back).equals(model)).toBe(true);
    expect((await describeImage(HOST, back, 'raw')).allocatedBytes).toBeLessThan(2 * MIB);
  });

  it('leaves nothing behind when it fails', async () => {
    const raw = directory.file('a.raw');
    writeFileSync(raw, new Random(1).bytes(8 * MIB));
    await expect(
      convertImage(HOST, { path: raw, format: 'raw', owner: OWNER }, { path, format: 'qcow2' }, (done) => {
        if (done > 0.3) throw new Error('cancelled');
      }),
    ).rejects.toThrow('cancelled'); // prettier-ignore
    expect(await HOST.files.stat(path)).toBeUndefined();
  });
});

describe('repair', () => {
  /** An image with data, and a hand in its file. */
  async function damaged(change: (bytes: Buffer) => void): Promise<Buffer> {
    await createQcow2(HOST.files, { path, sizeBytes: 4 * MIB });
    const image = await open(path, 'qcow2');
    await image.write(0, new Random(6).bytes(MIB));
    await image.close();
    const before = await disk();
    const bytes = readFileSync(path);
    change(bytes);
    writeFileSync(path, bytes);
    return before;
  }

  /** Where the first L2 table is: the L1 table is the cluster behind header, refcount table and block. */
  const l2 = (bytes: Buffer): number => bytes.readUInt32BE(3 * 65536 + 4);

  it('gives leaked clusters back, when it is opened for writing too', async () => {
    const before = await damaged((bytes) => bytes.writeUInt16BE(1, 2 * 65536 + 100 * 2));
    expect(await checkImage(HOST, task())).toMatchObject({ leakedClusters: 1, problemCount: 0 });
    const copy = readFileSync(path);
    expect(await checkImage(HOST, task(), 'leaks')).toMatchObject({
      leakedClusters: 0,
      repaired: { leakedClusters: 1 },
    });
    isClean();
    writeFileSync(path, copy);
    await (await open(path, 'qcow2')).close();
    isClean();
    expect((await disk()).equals(before)).toBe(true);
  });

  it('counts anew what has too few references, and until then nothing is written', async () => {
    const before = await damaged((bytes) => bytes.fill(0, 2 * 65536 + 8, 2 * 65536 + 20));
    await expect(open(path, 'qcow2')).rejects.toThrow('it is damaged (cluster 4 has 1 references');
    expect((await disk()).equals(before)).toBe(true);
    await checkImage(HOST, task(), 'all');
    isClean();
    expect((await disk()).equals(before)).toBe(true);
  });

  it('finishes what lazy reference counts left open', async () => {
    await createQcow2(HOST.files, { path, sizeBytes: 4 * MIB });
    qemuImg('amend', '-f', 'qcow2', '-o', 'lazy_refcounts=on', path);
    // An end without closing: QEMU's own abort command.
    run('qemu-io', '-f', 'qcow2', '-c', 'write -P 3 0 1M', '-c', 'flush', '-c', 'sigraise 9', path);
    expect(await checkImage(HOST, task())).toMatchObject({ dirty: true });
    const image = await open(path, 'qcow2');
    expect((await image.read(0, 512))[0]).toBe(3);
    await image.write(2 * MIB, new Uint8Array(512).fill(1));
    await image.close();
    isClean();
    expect(await checkImage(HOST, task())).toMatchObject({ dirty: false, problemCount: 0 });
  });

  it('makes zeros of entries that lead nowhere', async () => {
    await damaged((bytes) => bytes.writeUInt32BE(0x00ff0000, l2(bytes) + 3 * 8));
    expect((await checkImage(HOST, task())).problemCount).toBeGreaterThan(0);
    const report = await checkImage(HOST, task(), 'all');
    expect(report).toMatchObject({ problemCount: 0, repaired: { droppedEntries: 1 } });
    isClean();
    const bytes = await disk();
    expect(bytes.subarray(3 * 65536, 4 * 65536).every((byte) => byte === 0)).toBe(true);
  });
});

describe('what is not known', () => {
  it('dirty bitmaps stay, marked as outdated once the disk is written', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', path, '4M');
    qemuImg('bitmap', '-f', 'qcow2', '--add', path, 'backup');
    qemuImg('bitmap', '-f', 'qcow2', '--add', '--disable', path, 'still');
    await (await open(path, 'qcow2')).close();
    expect(qemuImg('info', path)).not.toContain('in-use');
    const image = await open(path, 'qcow2');
    await image.write(0, new Uint8Array(512).fill(1));
    await image.close();
    isClean();
    const { bitmaps } = (await describeImage(HOST, path, 'qcow2')).qcow2 ?? { bitmaps: [] };
    expect(bitmaps.map((one) => one.name)).toEqual(['backup', 'still']);
    const info = qemuImg('info', '--output=json', path);
    const flags = [...info.matchAll(/"flags": \[\s*([^\]]*?)\s*\]/g)].map((one) => one[1]);
    expect(flags[0]).toContain('in-use');
    expect(flags.length > 1 ? flags[1] : '').toBe('');
  });

  it('header extensions stay, autoclear bits go, incompatible bits refuse', async () => {
    await createQcow2(HOST.files, { path, sizeBytes: MIB });
    const bytes = readFileSync(path);
    // The feature name table becomes an extension that nobody knows; an autoclear bit that nobody knows is set.
    const at = bytes.indexOf(Buffer.from('6803f857', 'hex'));
    bytes.writeUInt32BE(0x12345678, at);
    bytes.writeUInt32BE(1 << 30, 92);
    writeFileSync(path, bytes);
    const image = await open(path, 'qcow2');
    await image.write(0, new Uint8Array(512).fill(1));
    await image.close();
    const after = readFileSync(path);
    expect(after.readUInt32BE(at)).toBe(0x12345678);
    expect(after.readUInt32BE(92)).toBe(0);
    after.writeUInt32BE(1 << 5, 76);
    writeFileSync(path, after);
    await expect(open(path, 'qcow2', { readOnly: true })).rejects.toThrow(
      'features of qcow2 that are not known',
    );
  });
});
