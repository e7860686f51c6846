import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeFiles } from '../../host-node';
import { bootFileOf, bootFolder } from './boot-folder';

let directory: string;
let folder: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domus-boot-'));
  folder = join(directory, 'tftp');
  mkdirSync(join(folder, 'grub'), { recursive: true });
  mkdirSync(join(directory, 'tftp-private'));
  writeFileSync(join(directory, 'tftp-private/key'), 'secret');
  writeFileSync(join(folder, 'grub/core.0'), 'loader');
});
afterEach(() => rmSync(directory, { recursive: true }));

async function content(...path: string[]): Promise<string> {
  const file = await bootFolder(nodeFiles, folder).open(path);
  if (typeof file === 'string') return file;
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(0, bytes);
  await file.close();
  return Buffer.from(bytes).toString();
}

describe('a folder to boot from', () => {
  it('gives the regular files below it, through links that stay inside', async () => {
    expect(await content('grub', 'core.0')).toBe('loader');
    symlinkSync('grub/core.0', join(folder, 'default.pxe'));
    symlinkSync('grub', join(folder, 'pxe'));
    expect(await content('default.pxe')).toBe('loader');
    expect(await content('pxe', 'core.0')).toBe('loader');
    symlinkSync(folder, join(directory, 'srv'));
    const file = await bootFolder(nodeFiles, join(directory, 'srv')).open(['grub', 'core.0']);
    expect(typeof file).toBe('object');
    if (typeof file === 'object') await file.close();
  });

  it('gives nothing from outside, whatever links say', async () => {
    symlinkSync('../tftp-private/key', join(folder, 'key'));
    symlinkSync(join(directory, 'tftp-private'), join(folder, 'up'));
    expect(await content('key')).toBe('denied');
    expect(await content('up', 'key')).toBe('denied');
    // A name that begins like the folder's own.
    expect(await content('..', 'tftp-private', 'key')).toBe('denied');
  });

  it('tells what is not there from what is no file', async () => {
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    expect(await content('nothing')).toBe('not-found');
    expect(await content('grub', 'core.0', 'x')).toBe('not-found');
    expect(await content('grub')).toBe('denied');
    expect(await content('fifo')).toBe('denied');
  });

  it('is asked for NAME.pxe unless the network names a file', () => {
    expect(bootFileOf({ folder, file: '' }, 'lab-1')).toBe('lab-1.pxe');
    expect(bootFileOf({ folder, file: 'pxelinux.0' }, 'lab-1')).toBe('pxelinux.0');
  });
});
