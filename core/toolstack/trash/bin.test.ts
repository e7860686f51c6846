import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DomainConfig } from '../../api';
import { FileError, type FileHost } from '../../host';
import { nodeFiles } from '../../host-node';
import { parseConfig } from '../config';
import { DomainStore } from '../domain/store';
import { TrashBin } from './bin';

const UUID = '4f2032f2-e9c0-4449-8f66-22317e0c423b';
const ID = '0b5a8d5e-6f5e-4c39-8a5d-2d8a4a5d1c11';

let directory: string;
let images: { vdev: string; path: string }[];
/** What is deleted is an image without a domain. */
let alone = false;
beforeEach(() => {
  alone = false;
  directory = mkdtempSync(join(tmpdir(), 'domus-trash-'));
  mkdirSync(join(directory, 'images'));
  images = ['hda', 'hdb'].map((vdev) => ({ vdev, path: join(directory, 'images', `${vdev}.img`) }));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function config(): DomainConfig | null {
  if (alone) return null;
  const disk = images.map(({ vdev, path }) => `'${path},raw,${vdev},w'`).join(', ');
  const text = `name = "a"\nmemory = 64\ndisk = [ ${disk} ]`;
  return parseConfig(text, { file: 'f', directory: '/', newUuid: () => UUID }).config;
}

const definition = (): string => join(directory, 'domains', `${UUID}.cfg`);

async function define(): Promise<void> {
  mkdirSync(join(directory, 'domains'), { recursive: true });
  const state = { version: 1, state: 'shutoff', reason: '', definedAtMs: 0 } as const;
  const defined = config();
  if (defined) await new DomainStore(nodeFiles, directory).save(defined, state);
  for (const { vdev, path } of images) writeFileSync(path, vdev);
}

type Where = 'defined' | 'trashed' | 'gone';
/** The definition, the images, how many of them are hidden, what the trash says. */
const STATES: Readonly<Record<string, Where>> = {
  'true true,true 0 ': 'defined',
  'false false,false 2 trashed': 'trashed',
  'false false,false 0 ': 'gone',
};
const STATES_ALONE: Readonly<Record<string, Where>> = {
  'false true 0 ': 'defined',
  'false false 1 trashed': 'trashed',
  'false false 0 ': 'gone',
};

/** Where the domain or image is; throws when it is neither here nor there. */
function whereabouts(bin: TrashBin): Where {
  const here = images.map(({ path }) => existsSync(path));
  const left = readdirSync(join(directory, 'images')).filter((name) => name.startsWith('.domus'));
  const state = `${existsSync(definition())} ${here.join()} ${left.length} ${bin.all.map(({ phase }) => phase).join()}`;
  const where = (alone ? STATES_ALONE : STATES)[state];
  if (where === undefined) throw new Error(`half: ${state}`);
  return where;
}

/** Files of a computer that stops at a change; `once`: only that one fails. */
class Stopping {
  changes = 0;
  constructor(
    private readonly at: number,
    private readonly once = false,
  ) {}

  get files(): FileHost {
    const change = <A extends unknown[]>(act: (...args: A) => Promise<void>) => {
      return async (...args: A): Promise<void> => {
        const number = this.changes++;
        if (this.once ? number === this.at : number >= this.at) throw new Error('stopped');
        await act(...args);
      };
    };
    const { writeText, remove, rename } = nodeFiles;
    if (!rename) throw new Error('no rename');
    return {
      ...nodeFiles,
      writeText: change(writeText),
      remove: change(remove),
      rename: change(rename),
    };
  }
}

async function reopen(files: FileHost = nodeFiles): Promise<TrashBin> {
  const bin = new TrashBin(files, directory);
  const problems: string[] = [];
  await bin.recover((message) => problems.push(message));
  expect(problems).toEqual([]);
  return bin;
}

describe('the trash', () => {
  it('takes a definition and its images, by renaming only, and gives them back', async () => {
    await define();
    const before = readFileSync(definition(), 'utf8');
    const bin = await reopen();
    const record = await bin.put(ID, config(), images, 5);
    expect(whereabouts(bin)).toBe('trashed');
    expect(readdirSync(join(directory, 'images'))).toEqual([
      `.domus-trash-${ID}-hda-hda.img`,
      `.domus-trash-${ID}-hdb-hdb.img`,
    ]);
    expect((await reopen()).all).toEqual([record]);
    await bin.takeOut(record, config());
    expect(whereabouts(bin)).toBe('defined');
    expect(readFileSync(definition(), 'utf8')).toBe(before);
    expect(images.map(({ path }) => readFileSync(path, 'utf8'))).toEqual(['hda', 'hdb']);
  });

  it('replaces no file that was put where an image was', async () => {
    await define();
    const bin = await reopen();
    const record = await bin.put(ID, config(), images, 5);
    writeFileSync(images[1]?.path ?? '', 'new');
    await expect(bin.takeOut(record, config())).rejects.toThrow('there is another file at');
    expect(readFileSync(images[1]?.path ?? '', 'utf8')).toBe('new');
    expect(existsSync(images[0]?.path ?? '')).toBe(false);
    expect(existsSync(definition())).toBe(false);
    expect(bin.all.map(({ phase }) => phase)).toEqual(['trashed']);
    rmSync(images[1]?.path ?? '');
    await bin.takeOut(bin.all[0] ?? record, config());
    expect(whereabouts(bin)).toBe('defined');
  });

  it('can be emptied on a full disk', async () => {
    await define();
    const record = await (await reopen()).put(ID, config(), images, 5);
    const full: FileHost = {
      ...nodeFiles,
      writeText: (path) => Promise.reject(new FileError('ENOSPC', path, 'the disk is full')),
    };
    const bin = await reopen(full);
    await bin.purge(record);
    expect(whereabouts(bin)).toBe('gone');
    expect((await reopen()).all).toEqual([]);
  });

  it('reports a record that cannot be read and leaves it alone', async () => {
    mkdirSync(join(directory, 'trash'));
    const path = join(directory, 'trash', `${ID}.json`);
    writeFileSync(path, '{"version":1}');
    const problems: string[] = [];
    const bin = new TrashBin(nodeFiles, directory);
    await bin.recover((message) => problems.push(message));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(path);
    expect(existsSync(path)).toBe(true);
  });
});

type Act = 'put' | 'takeOut' | 'purge';
async function begin(act: Act): Promise<void> {
  await define();
  if (act !== 'put') await (await reopen()).put(ID, config(), images, 5);
}
async function perform(bin: TrashBin, act: Act): Promise<void> {
  if (act === 'put') return void (await bin.put(ID, config(), images, 5));
  const [record] = bin.all;
  if (!record) throw new Error('nothing in the trash');
  return act === 'purge' ? bin.purge(record) : bin.takeOut(record, config());
}

describe('a computer that stops anywhere in between', () => {
  const ENDS: Readonly<Record<Act, readonly [string, string]>> = {
    put: ['defined', 'trashed'],
    takeOut: ['trashed', 'defined'],
    purge: ['trashed', 'gone'],
  };

  const ACTS = ['put', 'takeOut', 'purge'] as const;
  it.each([
    ...ACTS.map((act) => [act, false] as const),
    ...ACTS.map((act) => [act, true] as const),
  ])('%s is done or not done; of an image alone: %s', async (act, withoutDomain) => {
    alone = withoutDomain;
    if (alone) images = images.slice(0, 1);
    const seen = new Set<string>();
    for (let at = 0; ; at++) {
      rmSync(directory, { recursive: true, force: true });
      mkdirSync(join(directory, 'images'), { recursive: true });
      await begin(act);
      const stopping = new Stopping(at);
      const bin = await reopen(stopping.files);
      const done = await perform(bin, act).then(
        () => true,
        () => false,
      );
      const where = whereabouts(await reopen());
      seen.add(where);
      expect(ENDS[act]).toContain(where);
      // And once more: recovering is no change of what is whole.
      expect(whereabouts(await reopen())).toBe(where);
      if (done) break;
    }
    expect([...seen].sort()).toEqual([...ENDS[act]].sort());
  });

  it.each(['put', 'takeOut'] as const)('%s that fails is taken back', async (act) => {
    for (let at = 0; ; at++) {
      rmSync(directory, { recursive: true, force: true });
      mkdirSync(join(directory, 'images'), { recursive: true });
      await begin(act);
      const bin = await reopen(new Stopping(at, true).files);
      const done = await perform(bin, act).then(
        () => true,
        () => false,
      );
      const [before, after] = ENDS[act];
      const where = whereabouts(await reopen());
      if (done) return void expect(where).toBe(after);
      // The last step of taking out is forgetting the record: what it fails at is done.
      expect([before, after]).toContain(where);
    }
  });
});
