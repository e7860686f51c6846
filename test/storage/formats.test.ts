/** Images that QEMU made, read by Domus: every format, compressed clusters, chains of images. */
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenDiskOptions } from '../../core/storage';
import { contents, Directory, open, qemuImg, qemuIo } from './qemu';
import { Random } from './random';

const MIB = 2 ** 20;
const directory = new Directory();
const raw = directory.file('source.raw');
let source: Buffer;

/** Data, zeros, and a compressible stretch; the length is none of a whole block. */
beforeAll(() => {
  const random = new Random(4);
  source = Buffer.alloc(9 * MIB + 17 * 512);
  source.set(random.bytes(MIB), 300 * 512);
  source.fill('compressible ', 3 * MIB, 5 * MIB);
  source.set(random.bytes(8192), 7 * MIB + 512);
  source.set(random.bytes(512), source.length - 512);
  writeFileSync(raw, source);
});
afterAll(() => directory.close());

async function bytesOf(
  path: string,
  format: OpenDiskOptions['format'],
  options: Partial<OpenDiskOptions> = {},
): Promise<Buffer> {
  const image = await open(path, format, { readOnly: true, ...options });
  try {
    return await contents(image);
  } finally {
    await image.close();
  }
}

type Row = readonly [name: string, format: OpenDiskOptions['format'], ...qemu: string[]];
const ROWS: readonly Row[] = [
  ['dynamic VHD', 'vhd', '-O', 'vpc', '-o', 'subformat=dynamic,force_size=on'],
  ['fixed VHD', 'vhd', '-O', 'vpc', '-o', 'subformat=fixed,force_size=on'],
  ['monolithic sparse VMDK', 'vmdk', '-O', 'vmdk', '-o', 'subformat=monolithicSparse'],
  ['VMDK with zeroed grains', 'vmdk', '-O', 'vmdk', '-o', 'zeroed_grain=on'],
  ['stream-optimised VMDK', 'vmdk', '-O', 'vmdk', '-o', 'subformat=streamOptimized'],
  ['dynamic VDI', 'vdi', '-O', 'vdi'],
  ['static VDI', 'vdi', '-O', 'vdi', '-o', 'static=on'],
  ['qcow2 version 2', 'qcow2', '-O', 'qcow2', '-o', 'compat=0.10'],
  ['qcow2 of 512 B clusters', 'qcow2', '-O', 'qcow2', '-o', 'cluster_size=512'],
  ['qcow2 of 2 MiB clusters', 'qcow2', '-O', 'qcow2', '-o', 'cluster_size=2M'],
  ['preallocated qcow2', 'qcow2', '-O', 'qcow2', '-o', 'preallocation=metadata'],
  ['compressed qcow2 (zlib)', 'qcow2', '-c', '-O', 'qcow2'],
  ['compressed qcow2 of small clusters', 'qcow2', '-c', '-O', 'qcow2', '-o', 'cluster_size=4k'],
  ['compressed qcow2 (zstd)', 'qcow2', '-c', '-O', 'qcow2', '-o', 'compression_type=zstd'],
  [
    'compressed qcow2 of large clusters (zstd)',
    'qcow2',
    '-c',
    '-O',
    'qcow2',
    '-o',
    'compression_type=zstd,cluster_size=2M',
  ],
];

describe('images that qemu-img made', () => {
  it.each(ROWS.map((row) => [row[0], row] as const))('read right: %s', async (_, row) => {
    const [name, format, ...options] = row;
    const path = directory.file(`${name}.${format}`);
    qemuImg('convert', '-f', 'raw', ...options, raw, path);
    const bytes = await bytesOf(path, format);
    expect(bytes.length).toBeGreaterThanOrEqual(source.length);
    expect(bytes.subarray(0, source.length).equals(source)).toBe(true);
    expect(bytes.subarray(source.length).every((byte) => byte === 0)).toBe(true);
  });

  it('of other programs are not written to', async () => {
    const path = directory.file('w.vdi');
    qemuImg('create', '-q', '-f', 'vdi', path, '1M');
    await expect(open(path, 'vdi')).rejects.toThrow('vdi images are only read');
  });

  it('are what the configuration says, whatever they start with', async () => {
    const path = directory.file('inner.raw');
    qemuImg('create', '-q', '-f', 'qcow2', path, '1M');
    const inner = readFileSync(path);
    expect((await bytesOf(path, 'raw')).subarray(0, inner.length).equals(inner)).toBe(true);
    await expect(open(raw, 'qcow2')).rejects.toThrow('it is not a qcow2 image');
    await expect(open(path, 'vmdk', { readOnly: true })).rejects.toThrow('not a VMDK image');
  });

  it('compressed or shared clusters are copied when they are written', async () => {
    const path = directory.file('cow.qcow2');
    qemuImg('convert', '-f', 'raw', '-c', '-O', 'qcow2', raw, path);
    const image = await open(path, 'qcow2');
    const model = Buffer.from(source);
    const random = new Random(9);
    for (let i = 0; i < 60; i++) {
      const offset = random.below(source.length / 512 - 8) * 512;
      const bytes = random.bytes(4096);
      await image.write(offset, bytes);
      model.set(bytes, offset);
    }
    await image.discard(4 * MIB, MIB);
    model.fill(0, 4 * MIB, 5 * MIB);
    expect((await contents(image)).equals(model)).toBe(true);
    await image.close();
    expect(qemuImg('check', '-f', 'qcow2', path)).toContain('No errors');
    writeFileSync(directory.file('cow.raw'), model);
    qemuImg('compare', '-f', 'qcow2', '-F', 'raw', path, directory.file('cow.raw'));
  });
});

describe('chains of images', () => {
  const backing = { directories: [directory.path] };

  it('read and write through, and stop where the lower image ends', async () => {
    const middle = directory.file('middle.qcow2');
    const top = directory.file('top.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', 'source.raw', middle, '12M');
    qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', middle, top, '16M');
    qemuIo('qcow2', middle, 'write -P 7 1M 1M', 'write -P 8 11M 64k');
    const image = await open(top, 'qcow2', { backing });
    const model = Buffer.alloc(16 * MIB);
    model.set(source);
    model.fill(7, MIB, 2 * MIB);
    model.fill(8, 11 * MIB, 11 * MIB + 65536);
    expect((await contents(image)).equals(model)).toBe(true);
    const bytes = new Random(3).bytes(1536);
    for (const offset of [MIB + 512, 9 * MIB + 16 * 512, 15 * MIB]) {
      await image.write(offset, bytes);
      model.set(bytes, offset);
    }
    await image.writeZeroes(3 * MIB + 512, MIB);
    model.fill(0, 3 * MIB + 512, 4 * MIB + 512);
    await image.discard(0, MIB);
    model.set(await image.read(0, MIB), 0);
    expect((await contents(image)).equals(model)).toBe(true);
    await image.close();
    expect(readFileSync(raw).equals(source)).toBe(true);
    expect(qemuImg('check', '-f', 'qcow2', top)).toContain('No errors');
    writeFileSync(directory.file('chain.raw'), model);
    qemuImg('compare', '-f', 'qcow2', '-F', 'raw', top, directory.file('chain.raw'));
  });

  it('are refused unless they are allowed, and outside of the directories', async () => {
    const path = directory.file('plain.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', raw, path);
    await expect(open(path, 'qcow2')).rejects.toThrow(`it is an overlay of ${raw} (raw)`);
    await expect(open(path, 'qcow2', { backing: { directories: ['/nowhere'] } })).rejects.toThrow(
      'which is not in /nowhere',
    );
  });

  it('do not follow a link out of the directory', async () => {
    symlinkSync('/etc/hostname', directory.file('link.raw'));
    const path = directory.file('linked.qcow2');
    qemuImg('create', '-q', '-u', '-f', 'qcow2', '-F', 'raw', '-b', 'link.raw', path, '1M');
    await expect(open(path, 'qcow2', { backing })).rejects.toThrow('/etc/hostname, which is not');
  });

  it.each(['json:{"driver":"raw"}', 'nbd://127.0.0.1/x', 'file:/etc/hostname', 'fat:rw:/tmp'])(
    'do not go to %s',
    async (name) => {
      const path = directory.file('scheme.qcow2');
      qemuImg('create', '-q', '-u', '-f', 'qcow2', '-F', 'raw', '-b', name, path, '1M');
      await expect(open(path, 'qcow2', { backing })).rejects.toThrow('is not the path of a file');
    },
  );

  it('need the format of every image to be stated', async () => {
    const path = directory.file('unstated.qcow2');
    qemuImg('create', '-q', '-u', '-f', 'qcow2', '-F', 'raw', '-b', raw, path, '1M');
    const bytes = readFileSync(path);
    // The header extension of the format becomes one that nobody knows.
    bytes.writeUInt32BE(0x12345678, bytes.indexOf(Buffer.from('e2792aca', 'hex')));
    writeFileSync(path, bytes);
    await expect(open(path, 'qcow2', { backing })).rejects.toThrow('does not say what format');
  });

  it('end after ten images, and are no ring', async () => {
    const name = (i: number): string => directory.file(`chain${i}.qcow2`);
    for (let i = 0; i < 11; i++)
      qemuImg('create', '-q', '-u', '-f', 'qcow2', '-F', i === 0 ? 'raw' : 'qcow2', '-b', i === 0 ? raw : name(i - 1), name(i), '1M'); // prettier-ignore
    await expect(open(name(10), 'qcow2', { backing })).rejects.toThrow('more than 10 images');
    await (await open(name(8), 'qcow2', { backing })).close();
    qemuImg('rebase', '-u', '-f', 'qcow2', '-b', name(3), '-F', 'qcow2', name(0));
    await expect(open(name(3), 'qcow2', { backing })).rejects.toThrow(
      'is an overlay of it in turn',
    );
  });
});
