/** D9: kill -9 of the toolstack while it stores definitions and settings (reliability.md, section 3): each file is old or new. */
import { readdirSync, readFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, it } from 'vitest';
import type { DomainConfig, NetworkConfig, ToolstackClient } from '../../core/api';
import { nodeSockets } from '../../core/host-node';
import {
  BUILT_IN_NETWORKS,
  connectToolstack,
  networkSchema,
  parseConfig,
} from '../../core/toolstack';
import { Random } from '../storage/random';
import { Domus } from '../toolstack/domus';
import { judge, secondsSince } from './bar';

const KILLS = 150;
const MAX_MS = 60;
const FIRST_VALUE = 63;

let domus: Domus;
beforeEach(() => (domus = new Domus()));
afterEach(() => domus.close());

/** Something stored as one of two values in turn, over and over, until the daemon is gone. */
class Setting {
  /** What was acknowledged, and what was last asked for. */
  acknowledged = 0;
  asked = 0;

  constructor(
    readonly name: string,
    private readonly store: (client: ToolstackClient, value: number) => Promise<unknown>,
    /** Tells whether the file has a value; throws when it cannot be read. */
    private readonly read: () => (value: number) => boolean,
  ) {}

  async begin(client: ToolstackClient): Promise<void> {
    this.asked = this.acknowledged = FIRST_VALUE;
    await this.store(client, FIRST_VALUE);
  }

  async turn(client: ToolstackClient): Promise<void> {
    try {
      for (;;) {
        this.asked++;
        await this.store(client, this.asked);
        this.acknowledged = this.asked;
      }
    } catch {
      // The daemon is gone: what was asked last is there or is not.
    }
  }

  /** What is wrong with it; goes on from what is there. */
  look(): string[] {
    try {
      const found = [this.asked, this.acknowledged].find(this.read());
      if (found === undefined)
        return [`${this.name} is neither ${this.acknowledged} nor ${this.asked}`];
      this.acknowledged = this.asked = found;
      return [];
    } catch (cause) {
      return [`${this.name} cannot be read: ${String(cause)}`];
    }
  }
}

function domainSetting(config: DomainConfig): Setting {
  const file = join(domus.home, 'domains', `${config.uuid}.cfg`);
  return new Setting(
    file,
    (client, value) =>
      client.call('domain/redefine', { domain: config.name, config: { ...config, memory: value } }),
    () => {
      const text = readFileSync(file, 'utf8');
      const parsed = parseConfig(text, { file, directory: '/', newUuid: () => config.uuid });
      return (value) => parsed.config.memory === value;
    },
  );
}

function networkSetting(network: NetworkConfig): Setting {
  const file = join(domus.home, 'networks', `${network.name}.json`);
  return new Setting(
    file,
    (client, value) =>
      client.call('network/define', {
        network: { ...network, rules: [{ action: 'allow', to: '127.0.0.1', ports: [1, value] }] },
      }),
    () => {
      const [rule] = networkSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).rules;
      return (value) => rule?.ports?.[1] === value;
    },
  );
}

function folderSetting(): Setting {
  const file = join(domus.home, 'storage.json');
  const folder = domus.path('folder');
  mkdirSync(folder);
  return new Setting(
    file,
    (client, value) =>
      client.call(value % 2 === 1 ? 'storage/addFolder' : 'storage/removeFolder', { path: folder }),
    () => {
      const { folders } = JSON.parse(readFileSync(file, 'utf8')) as { folders: string[] };
      return (value) => folders.includes(folder) === (value % 2 === 1);
    },
  );
}

async function connect(): Promise<ToolstackClient> {
  return connectToolstack(nodeSockets, join(domus.home, 'run', 'domus.sock'));
}

it(`D9: ${KILLS} times kill -9 of the toolstack`, async () => {
  const begin = performance.now();
  const random = new Random(9);
  const misses: string[] = [];
  let daemon = await domus.daemon();
  let client = await connect();
  for (const name of ['a', 'b']) await domus.do('define', domus.tiny(name));
  const [nat] = BUILT_IN_NETWORKS;
  if (!nat) throw new Error('there is no network');
  const network = { ...nat, name: 'home', subnet: '10.0.9.0/24', subnet6: '' };
  const settings = [
    domainSetting((await domus.domain('a')).config),
    domainSetting((await domus.domain('b')).config),
    networkSetting(network),
    folderSetting(),
  ];
  for (const setting of settings) await setting.begin(client);
  let stores = 0;
  for (let i = 0; i < KILLS; i++) {
    const before = settings.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
    const turns = settings.map((setting) => setting.turn(client));
    await new Promise((wake) => setTimeout(wake, random.below(MAX_MS)));
    daemon.child.kill('SIGKILL');
    await daemon.finished;
    client.close();
    await Promise.all(turns);
    stores += settings.reduce((sum, { acknowledged }) => sum + acknowledged, 0) - before;
    misses.push(...settings.flatMap((setting) => setting.look()).map((miss) => `${i}: ${miss}`));
    daemon = await domus.daemon();
    client = await connect();
    if (/cannot be used|problem/.test(daemon.stderr)) misses.push(`${i}: ${daemon.stderr}`);
    const names = (await client.call('domain/list', {})).map(({ config }) => config.name).sort();
    if (names.join() !== 'a,b') misses.push(`${i}: the domains are ${names.join()}`);
  }
  client.close();
  const left = readdirSync(domus.home, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.tmp'),
  );
  if (left.length > settings.length) misses.push(`${left.length} temporary files are left`);
  judge({
    bar: 'D9',
    ours: `${misses.length} broken or mixed files after ${KILLS} kills amid ${stores} stores, ${left.length} temporary files left, ${secondsSince(begin)}`,
    anchor: 'plain writeFile 47/150 broken; temp, fsync, rename, fsync of the directory 0/150',
    misses: misses.slice(0, 20),
  });
});
