import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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

function hiddenIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('.domus-'));
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
    expect(hiddenIn(images)).toEqual([]);

    // What was left when an earlier one was killed is in nobody's way, and a link stays a link.
    writeFileSync(join(images, '.domus-compact-7e9dd6ee-0d4b-4a8c-8f67-1c1d5be0ac9b'), 'half');
    const link = join(images, 'link.qcow2');
    symlinkSync(full, link);
    await client.call('image/compact', { path: link, format: 'qcow2' });
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(hiddenIn(images)).toEqual([]);

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

  it('go to the trash and come back; what a machine needs stays, also below an overlay', async () => {
    const images = join(domus.home, 'images');
    mkdirSync(images);
    const base = join(images, 'base.qcow2');
    const overlay = domus.path('overlay.qcow2');
    const link = join(images, 'link.qcow2');
    await domus.do('disk', 'create', base, '1M');
    await domus.do('disk', 'create', overlay, '--overlay-of', base);
    symlinkSync(overlay, link);
    const disk = `format=qcow2, vdev=hda, access=rw, backing=${images}, target=${overlay}`;
    await domus.do(
      'define',
      domus.file('a.cfg', `name = "a"\nmemory = 32\ndisk = [ '${disk}' ]\n`),
    );
    for (const path of [base, overlay, link])
      await expect(client.call('image/delete', { path })).rejects.toMatchObject({
        code: 'IMAGE_IN_USE',
        message: `${path} is needed by a and is not deleted`,
      });

    const orphan = join(images, 'orphan.img');
    writeFileSync(orphan, 'bytes');
    expect(await client.call('image/delete', { path: orphan })).toMatchObject({
      name: 'orphan.img',
      uuid: null,
      images: [{ path: orphan, missing: false }],
      kept: [],
    });
    expect(hiddenIn(images)).toHaveLength(1);
    // What waits in the trash is no image of the folder.
    const listed = (await client.call('storage/list', {})).images.map(({ path }) => path);
    expect(listed.sort()).toEqual([base, link, overlay].sort());
    expect(await domus.do('trash', 'list')).toMatch(/^orphan\.img +\d:\d\d:\d\d +1 /m);
    const named = await domus.run('undelete', 'orphan.img', '--name', 'other.img');
    expect(named.stderr).toBe('domus: orphan.img is an image and gets the name that it had\n');
    await domus.do('undelete', 'orphan.img');
    expect(readFileSync(orphan, 'utf8')).toBe('bytes');
    expect(await client.call('trash/list', {})).toEqual([]);

    // Files that cannot be opened as images are deleted as well.
    writeFileSync(orphan, '');
    chmodSync(orphan, 0o444);
    await client.call('image/delete', { path: orphan });
    expect(existsSync(orphan)).toBe(false);
    await domus.do('trash', 'delete', 'orphan.img');
    expect(await client.call('trash/list', {})).toEqual([]);
  });

  it('say when the image below them is missing, and no machine starts with them', async () => {
    const base = domus.path('base.qcow2');
    const overlay = domus.path('overlay.qcow2');
    await domus.do('disk', 'create', base, '1M');
    await domus.do('disk', 'create', overlay, '--overlay-of', base);
    const disk = `format=qcow2, vdev=hda, access=rw, backing=${domus.path('')}, target=${overlay}`;
    const config = `name = "a"\nmemory = 32\ndisk = [ '${disk}' ]\n`;
    await domus.do('define', domus.file('a.cfg', config));
    expect((await image(overlay))?.problem).toBe('');
    renameSync(base, domus.path('elsewhere.qcow2'));
    expect((await image(overlay))?.problem).toBe(
      'the image below it, base.qcow2, is not there or cannot be used',
    );
    expect((await domus.run('start', 'a')).stderr).toBe(
      `domus: ${overlay}: the image below it, ${base}, cannot be opened; without it the disk is not complete\n`,
    );
    expect((await domus.domain('a')).state).toBe('shutoff');
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
