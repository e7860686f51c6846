/** `domus install` beside the installations of test/boot: what it makes, and that it makes nothing when it is refused. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Domus } from './domus';

let domus: Domus;
beforeEach(async () => {
  domus = new Domus();
  await domus.daemon();
});
afterEach(() => domus.close());

const made = (): string[] => {
  const folder = join(domus.home, 'install');
  return existsSync(folder) ? readdirSync(folder) : [];
};

it('an image with cloud-init gets its answers from a CD of its own', async () => {
  domus.tiny('a');
  const words = ['install', '--memory', '32', '--network', 'none', '--noautoconsole'];
  const disk = ['--disk', `path=${domus.path('a.img')},format=raw`];
  const seed = ['--cloud-init', `admin-password-file=${domus.file('secret', 'x')}`];
  await domus.do(...words, '--name', 'a', ...disk, ...seed);
  const { state, config } = await domus.domain('a');
  expect(state).toBe('running');
  expect(made()).toEqual([`${config.uuid}-seed.iso`]);
  expect(config.disk.filter(({ cdrom }) => cdrom)).toMatchObject([
    { target: join(domus.home, 'install', `${config.uuid}-seed.iso`) },
  ]);
  // The name is taken: nothing is made, not even the disk.
  const again = await domus.run(...words, '--name', 'a', '--disk', 'size=0.01', ...seed);
  expect(again.stderr).toContain('a domain with the name "a" exists already');
  expect(made()).toEqual([`${config.uuid}-seed.iso`]);
  expect(existsSync(join(domus.home, 'images', 'a.qcow2'))).toBe(false);
});

it('what the toolstack would not take from the app it does not take from here either', async () => {
  const file = domus.file('my file.cfg', '');
  const words = ['install', '--name', 'b', '--disk', 'size=0.01', '--initrd-inject', file];
  expect((await domus.run(...words)).stderr).toBe(
    'domus: domain/install: seed.files.0.name: must be the name of a file\n',
  );
  expect(made()).toEqual([]);
  expect(existsSync(join(domus.home, 'images'))).toBe(false);
});
