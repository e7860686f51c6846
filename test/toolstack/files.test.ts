import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeFiles } from '../../core/host-node/files';
import { createRawImage } from '../../core/storage';
import { temporaryDirectory } from './bundle';

let directory: ReturnType<typeof temporaryDirectory>;

beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.close());

describe('files of the host', () => {
  it('opens a FIFO at once and refuses it', async () => {
    const path = join(directory.path, 'fifo');
    execFileSync('mkfifo', [path]);
    const start = Date.now();
    await expect(nodeFiles.open(path, 'read')).rejects.toMatchObject({
      code: 'ENOTREG',
      message: `${path}: it is not a regular file`,
    });
    expect(Date.now() - start).toBeLessThan(1000);
  });

  it.each<[string, string, string]>([
    ['none', 'ENOENT', 'there is no such file'],
    ['dir', 'EISDIR', 'it is a directory'],
    ['/dev/null', 'ENOTREG', 'it is not a regular file'],
  ])('refuses %s with %s', async (name, code, sentence) => {
    mkdirSync(join(directory.path, 'dir'));
    const path = name.startsWith('/') ? name : join(directory.path, name);
    await expect(nodeFiles.open(path, 'read')).rejects.toMatchObject({
      code,
      message: `${path}: ${sentence}`,
    });
  });

  it('replaces a file as a whole, mode 0600, and leaves nothing beside it', async () => {
    const path = join(directory.path, 'state.json');
    writeFileSync(path, 'old');
    await nodeFiles.writeText(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory.path)).toEqual(['state.json']);
  });

  it('removes what killed processes have left of replacements, and nothing else', async () => {
    const names = [
      '.a.cfg',
      '.a.cfg.1.tmp',
      `.a.cfg.${process.pid}.0123abcd.tmp`,
      'a.1.0123abcd.tmp',
    ];
    for (const name of [...names, '.a.cfg.1.0123abcd.tmp'])
      writeFileSync(join(directory.path, name), '');
    await nodeFiles.removeLeftovers?.(directory.path);
    expect(readdirSync(directory.path).sort()).toEqual([...names].sort());
    await nodeFiles.removeLeftovers?.(join(directory.path, 'none'));
  });

  it('makes images that take no room until they are written', async () => {
    const path = join(directory.path, 'disk.img');
    await createRawImage(nodeFiles, path, 10 * 2 ** 30);
    const stats = statSync(path);
    expect(stats.size).toBe(10 * 2 ** 30);
    expect(stats.blocks).toBe(0);
    expect(stats.mode & 0o777).toBe(0o600);
  });

  it('reads short at the end of a file and writes all', async () => {
    const path = join(directory.path, 'f');
    const file = await nodeFiles.open(path, 'create');
    await file.write(0, new Uint8Array(3 << 20).fill(1));
    const target = new Uint8Array(100);
    expect(await file.read((3 << 20) - 40, target)).toBe(40);
    expect(target[39]).toBe(1);
    expect(target[40]).toBe(0);
    await file.sync();
    await file.close();
    await expect(nodeFiles.open(path, 'create')).rejects.toMatchObject({ code: 'EEXIST' });
  });

  it('does not read more text than asked for', async () => {
    const path = join(directory.path, 'big');
    writeFileSync(path, 'x'.repeat(1000));
    await expect(nodeFiles.readText(path, 999)).rejects.toThrow(
      'it has 1000 bytes, and at most 999 are read',
    );
  });
});
