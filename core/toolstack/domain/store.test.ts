import { describe, expect, it } from 'vitest';
import type { FileHost } from '../../host';
import { parseConfig } from '../config';
import { DomainStore } from './store';

const UUID = '4f2032f2-e9c0-4449-8f66-22317e0c423b';
const { config } = parseConfig('name="a"\nmemory=64', {
  file: 'f',
  directory: '/',
  newUuid: () => UUID,
});
const STATE = { version: 1, state: 'running', reason: '', definedAtMs: 5 } as const;

/** Text files in memory. */
function setUp(): {
  store: DomainStore;
  texts: Map<string, string>;
  problems: string[];
  load: () => ReturnType<DomainStore['load']>;
} {
  const texts = new Map<string, string>();
  const files = {
    makeDirectory: async () => undefined,
    list: async (path: string) =>
      [...texts.keys()]
        .filter((name) => name.startsWith(`${path}/`))
        .map((name) => name.slice(path.length + 1)),
    readText: async (path: string) => texts.get(path) ?? '',
    writeText: async (path: string, text: string) => void texts.set(path, text),
    remove: async (path: string) => void texts.delete(path),
    stat: async (path: string) => (texts.has(path) ? {} : undefined),
  } as unknown as FileHost;
  const store = new DomainStore(files, '/data');
  const problems: string[] = [];
  return { store, texts, problems, load: () => store.load((message) => problems.push(message)) };
}

describe('DomainStore', () => {
  it('gives back what was saved', async () => {
    const { store, load, problems } = setUp();
    await store.save(config, STATE);
    expect(await load()).toEqual([{ config, state: STATE }]);
    expect(problems).toEqual([]);
    await store.remove(UUID);
    expect(await load()).toEqual([]);
  });

  it('does without a state file that is lost or broken', async () => {
    const { store, texts, load } = setUp();
    await store.save(config, STATE);
    for (const text of ['{', '[]', '{"version":2}', '']) {
      texts.set(`/data/domains/${UUID}.json`, text);
      expect((await load())[0]?.state).toMatchObject({ state: 'shutoff' });
    }
  });

  it('leaves a definition it cannot read alone and says where it is wrong', async () => {
    const { store, texts, load, problems } = setUp();
    await store.save(config, STATE);
    texts.set(`/data/domains/${UUID}.cfg`, 'name = "a"\nmemory = lots\n');
    expect(await load()).toEqual([]);
    expect(problems).toEqual([
      `a stored domain cannot be used: /data/domains/${UUID}.cfg:2:10: unexpected "lots"; put text in quotes`,
    ]);
    expect(texts.size).toBe(2);
  });

  it('passes over files that are not its own', async () => {
    const { texts, load, problems } = setUp();
    for (const name of ['notes.txt', 'x.cfg', '.tmp', `${UUID}.cfg.bak`])
      texts.set(`/data/domains/${name}`, 'junk');
    expect(await load()).toEqual([]);
    expect(problems).toEqual([]);
  });
});
