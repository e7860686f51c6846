import {
  existsSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { TrashEntry } from '../../core/api';
import { Domus, type Program } from './domus';

let domus: Domus;
let daemon: Program;

beforeEach(async () => {
  domus = new Domus();
  daemon = await domus.daemon();
});
afterEach(() => domus.close());

const says = async (...args: string[]): Promise<string> => (await domus.run(...args)).stderr;
const trash = async (): Promise<TrashEntry[]> =>
  JSON.parse(await domus.do('trash', 'list', '--json')) as TrashEntry[];
const hidden = (): string[] =>
  readdirSync(domus.path('')).filter((name) => name.startsWith('.domus-trash-'));

it('a domain comes back from the trash with its disk, also after the daemon was killed', async () => {
  await domus.do('define', domus.tiny('a'));
  const image = domus.path('a.img');
  const { config } = await domus.domain('a');
  const bytes = readFileSync(image);
  await domus.do('delete', '--disks', 'a');
  expect(existsSync(image)).toBe(false);
  expect(hidden()).toHaveLength(1);
  expect(await trash()).toMatchObject([
    {
      name: 'a',
      uuid: config.uuid,
      images: [{ vdev: 'hda', path: image, missing: false }],
      kept: [],
    },
  ]);
  expect(await domus.do('trash', 'list')).toMatch(
    /^a +\d:\d\d:\d\d +1 +\S+ \S+ {2}[0-9a-f-]{36}$/m,
  );

  daemon.child.kill('SIGKILL');
  await daemon.finished;
  daemon = await domus.daemon();
  expect(await says('undelete', 'b')).toBe('domus: there is no "b" in the trash\n');
  await domus.do('undelete', 'a');
  expect((await domus.domain('a')).config).toEqual(config);
  expect(readFileSync(image).equals(bytes)).toBe(true);
  expect(await trash()).toEqual([]);
  expect(hidden()).toEqual([]);
  await domus.do('start', 'a');
  expect((await domus.domain('a')).state).toBe('running');
  expect(await says('delete', '--disks', 'a')).toBe(
    'domus: a is running; shut it down or force it off first\n',
  );
});

it('nothing is written over: a taken name and a new file where the disk was', async () => {
  const file = domus.tiny('a');
  await domus.do('define', file);
  const image = domus.path('a.img');
  await domus.do('delete', '--disks', 'a');
  writeFileSync(image, 'another');
  await domus.do('define', domus.file('other.cfg', 'name = "a"\nmemory = 32\n'));
  expect(await says('undelete', 'a')).toContain(`there is another file at ${image}`);
  expect(readFileSync(image, 'utf8')).toBe('another');
  unlinkSync(image);
  expect(await says('undelete', 'a')).toContain('a domain with the name "a" exists already');
  await domus.do('undelete', 'a', '--name', 'b');
  expect((await domus.domain('b')).config.disk).toMatchObject([{ target: image }]);

  // Two of one name are told apart by their ids.
  await domus.do('delete', 'a');
  await domus.do('define', domus.file('other.cfg', 'name = "a"\nmemory = 32\n'));
  await domus.do('delete', 'a');
  expect(await says('undelete', 'a')).toContain('say which by its id');
  const [first] = await trash();
  await domus.do('undelete', first?.id ?? '');
  await domus.do('trash', 'delete', 'a');
  expect(await trash()).toEqual([]);
});

it('images that others need stay, by another path and below an overlay, too', async () => {
  await domus.do('define', domus.tiny('a'));
  const image = domus.path('a.img');
  const overlay = domus.path('overlay.qcow2');
  symlinkSync(image, domus.path('link.img'));
  const other = (disk: string): string =>
    domus.file('other.cfg', `name = "other"\nmemory = 32\ndisk = [ '${disk}' ]\n`);
  await domus.do('define', other(`${domus.path('link.img')},raw,hda,w`));
  expect(await says('delete', '--disks', 'a')).toBe(
    `domus: ${image} is needed by other too and is not deleted\n`,
  );
  await domus.do('delete', 'other', '--for-good');
  await domus.do('disk', 'create', overlay, '--overlay-of', image);
  await domus.do('define', other(`${overlay},qcow2,hda,w`));
  expect(await says('delete', '--disks', 'a')).toContain('is needed by other too');
  expect((await domus.domain('a')).state).toBe('shutoff');
  expect(await trash()).toEqual([]);
  unlinkSync(domus.path('link.img'));
  // Without its disk it may go.
  await domus.do('delete', 'a');
  expect(await trash()).toMatchObject([{ name: 'a', images: [], kept: [image] }]);
  expect(existsSync(image)).toBe(true);
});

it('an image that another process has open stays', async () => {
  const file = domus.tiny('a');
  await domus.do('define', file);
  const program = domus.start('run', file, 'name="elsewhere"');
  await program.printed('DOMUS GUEST READY');
  expect(await says('delete', '--disks', 'a')).toContain('in use');
  expect(await trash()).toEqual([]);
  expect(existsSync(domus.path('a.img'))).toBe(true);
  program.child.kill('SIGKILL');
  await program.finished;
});

it('for good is for good', async () => {
  await domus.do('define', domus.tiny('a'));
  await domus.do('delete', '--disks', 'a');
  await domus.do('define', domus.tiny('b'));
  await domus.do('delete', '--disks', '--for-good', 'b');
  expect(await trash()).toMatchObject([{ name: 'a' }]);
  expect(await says('trash', 'empty')).toMatch(/^domus: .* of this computer are free again\n$/);
  expect(await trash()).toEqual([]);
  expect(hidden()).toEqual([]);
  expect(readdirSync(domus.path('')).filter((name) => name.endsWith('.img'))).toEqual([]);
});
