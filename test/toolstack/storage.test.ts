import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredImage, ToolstackClient } from '../../core/api';
import { nodeSockets } from '../../core/host-node';
import { connectToolstack } from '../../core/toolstack';
import { Domus } from './domus';

const MIB = 1 << 20;

let domus: Domus;
let client: ToolstackClient;

beforeEach(async () => {
  domus = new Domus();
  await domus.daemon();
  client = await connectToolstack(nodeSockets, join(domus.home, 'run', 'domus.sock'));
});
afterEach(async () => {
  client.close();
  await domus.close();
});

async function image(path: string): Promise<StoredImage | undefined> {
  return (await client.call('storage/list', {})).images.find((each) => each.path === path);
}

describe('images of the toolstack', () => {
  it('are those of its machines, of its own folder and of folders that were added', async () => {
    await domus.do('define', domus.tiny('a'));
    const folder = domus.path('isos');
    mkdirSync(folder);
    writeFileSync(join(folder, 'x.iso'), Buffer.alloc(64 << 10, 1));
    writeFileSync(join(folder, 'notes.txt'), 'no image');
    await client.call('storage/addFolder', { path: folder });
    const { folders, images } = await client.call('storage/list', {});
    expect(folders.map(({ path, kind }) => [path, kind])).toEqual([
      [join(domus.home, 'images'), 'own'],
      [folder, 'added'],
      [domus.path(''), 'used'].map((part) => part.replace(/\/$/, '')),
    ]);
    expect(images.map(({ path, kind }) => [path, kind])).toEqual([
      [domus.path('a.img'), 'disk'],
      [join(folder, 'x.iso'), 'cd'],
    ]);
    expect(images[0]?.usedBy).toMatchObject([{ name: 'a', vdev: 'hda', running: false }]);
    expect(images[0]?.sizeBytes).toBe(MIB);
    await client.call('storage/removeFolder', { path: folder });
    expect((await client.call('storage/list', {})).images).toHaveLength(1);
    await expect(
      client.call('storage/addFolder', { path: domus.path('a.img') }),
    ).rejects.toMatchObject({ code: 'IMAGE_BAD' });
  });

  it('are compacted without losing a byte, but not when a copy would lose snapshots', async () => {
    const images = join(domus.home, 'images');
    mkdirSync(images, { recursive: true });
    const path = join(images, 'a.qcow2');
    await domus.do('disk', 'create', path, '8M');
    await domus.do(
      'disk',
      'convert',
      domus.file('full.img', Buffer.alloc(4 * MIB, 7)),
      `${path}.2`,
      '--to',
      'qcow2',
    );
    const full = `${path}.2`;
    const { freedBytes } = await client.call('image/compact', { path: full, format: 'qcow2' });
    expect(freedBytes).toBeGreaterThanOrEqual(0);
    await domus.do('disk', 'convert', full, 'back.img', '--from', 'qcow2');
    expect(readFileSync(domus.path('back.img')).every((byte) => byte === 7)).toBe(true);
    expect(existsSync(`${full}.compact`)).toBe(false);

    await domus.do('disk', 'snapshot', path, 'before');
    await expect(client.call('image/compact', { path, format: 'qcow2' })).rejects.toMatchObject({
      code: 'BAD_STATE',
    });
    expect((await image(path))?.snapshots).toBe(1);
    await client.call('image/grow', { path, format: 'qcow2', sizeBytes: 16 * MIB });
    expect((await image(path))?.sizeBytes).toBe(16 * MIB);
    expect(await client.call('image/check', { path, format: 'qcow2' })).toMatchObject({
      problemCount: 0,
      repaired: false,
    });
  });

  it('are left alone while a machine has them', async () => {
    await domus.do('create', domus.tiny('a'));
    const path = domus.path('a.img');
    const acts = [
      client.call('image/grow', { path, format: 'raw', sizeBytes: 2 * MIB }),
      client.call('image/compact', { path, format: 'raw' }),
      client.call('image/delete', { path }),
    ];
    for (const act of await Promise.allSettled(acts))
      expect(act).toMatchObject({ status: 'rejected', reason: { code: 'IMAGE_IN_USE' } });
    expect(statSync(path).size).toBe(MIB);
    await expect(
      client.call('image/delete', { path: domus.file('a.txt', 'not an image') }),
    ).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
  });

  it('are made with a configuration, or neither is', async () => {
    await domus.do('define', domus.tiny('a'));
    const { config } = await domus.domain('a');
    const target = join(domus.home, 'images', 'a-hdb.qcow2');
    const disk = { vdev: 'hdb', target, format: 'qcow2', access: 'w', cdrom: false } as const;
    const wanted = { ...config, disk: [...config.disk, disk] };
    await expect(
      client.call('domain/redefine', {
        domain: 'a',
        config: { ...wanted, uuid: config.uuid.replace(/^./, (x) => (x === '0' ? '1' : '0')) },
        createDiskBytes: { hdb: MIB },
      }),
    ).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    expect(existsSync(target)).toBe(false);
    await client.call('domain/redefine', {
      domain: 'a',
      config: wanted,
      createDiskBytes: { hdb: MIB },
    });
    expect((await image(target))?.sizeBytes).toBe(MIB);
  });
});
