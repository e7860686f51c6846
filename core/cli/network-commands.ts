/** Network cards and networks on the command line: xl's network-* commands, and what is Domus's own. */
import { resolve } from 'node:path';
import type { DomainInfo, NetworkConfig, ToolstackClient, VifConfig, VifInfo } from '../api';
import { defaultMac, parseVifSpec } from '../toolstack';
import type { CliCommand } from './commands';
import { EXIT_FAILED, EXIT_OK, ExitError } from './errors';
import { withToolstack } from './session';

const JSON_OPTION = ['--json', 'print JSON'] as const;

function print(lines: readonly string[]): number {
  process.stdout.write(`${lines.join('\n')}\n`);
  return EXIT_OK;
}

/** xl network-list's first columns; then what a card here has instead of rings and event channels. */
export function networkTable(cards: readonly VifInfo[]): string[] {
  const row = (...cells: string[]): string =>
    [4, 3, 18, 7, 6, 11, 11, 16]
      .map((width, i) => (cells[i] ?? '').padEnd(width))
      .join('')
      .trimEnd();
  return [
    row('Idx', 'BE', 'Mac Addr.', 'handle', 'state', 'model', 'network', 'address'),
    ...cards.map((card) =>
      row(
        String(card.devid),
        '0',
        card.mac,
        String(card.devid),
        card.link ? '4' : '6',
        card.model,
        card.bridge,
        card.leases.map((lease) => lease.address).join(' ') || '-',
      ),
    ),
  ];
}

/** Cards of a domain that is off, as far as its configuration tells. */
function configured(config: DomainInfo['config']): VifInfo[] {
  return config.vif.map((vif, devid) => ({
    devid,
    mac: vif.mac,
    model: vif.model,
    bridge: vif.bridge,
    link: vif.link,
    leases: [],
    forwards: [],
    connections: 0,
    udpMappings: 0,
    rxBytes: 0,
    txBytes: 0,
    rxFrames: 0,
    txFrames: 0,
    dropped: 0,
    denials: [],
    capture: '',
  }));
}

async function list([name = '']: readonly string[], json: boolean): Promise<number> {
  return withToolstack(async (client) => {
    const { config, domid } = await client.call('domain/get', { domain: name });
    const cards =
      domid === null
        ? configured(config)
        : await client.call('domain/networks', { domain: config.uuid });
    return print(json ? [JSON.stringify(cards, undefined, 2)] : networkTable(cards));
  });
}

async function change(
  client: ToolstackClient,
  name: string,
  cards: (config: DomainInfo['config']) => VifConfig[],
): Promise<number> {
  const { config, domid } = await client.call('domain/get', { domain: name });
  const vif = cards(config);
  await client.call('domain/redefine', { domain: config.uuid, config: { ...config, vif } });
  if (domid !== null)
    process.stderr.write(
      `domus: ${config.name} is running; its network cards change at its next start\n`,
    );
  return EXIT_OK;
}

async function attach([name = '', ...words]: readonly string[]): Promise<number> {
  return withToolstack((client) =>
    change(client, name, (config) => {
      const place = { file: 'network-attach', line: 1, column: 1 };
      let index = config.vif.length;
      while (config.vif.some((vif) => vif.mac === defaultMac(config.name, index))) index++;
      const card = parseVifSpec(words.join(','), place, defaultMac(config.name, index), (_, text) =>
        process.stderr.write(`domus: ${text}\n`),
      );
      return [...config.vif, card];
    }),
  );
}

/** The place of a card among a domain's, by number or MAC address. */
function indexOf({ name, vif }: DomainInfo['config'], key: string): number {
  const index = vif.findIndex((card, i) => card.mac === key.toLowerCase() || String(i) === key);
  if (index < 0)
    throw new ExitError(EXIT_FAILED, `domus: ${name} has no network card ${JSON.stringify(key)}`);
  return index;
}

async function detach([name = '', key = '']: readonly string[]): Promise<number> {
  return withToolstack((client) =>
    change(client, name, (config) => {
      const index = indexOf(config, key);
      return config.vif.filter((_, i) => i !== index);
    }),
  );
}

async function link([name = '', key = '', state = '']: readonly string[]): Promise<number> {
  if (state !== 'up' && state !== 'down')
    throw new ExitError(EXIT_FAILED, `domus: the link is up or down, not ${JSON.stringify(state)}`);
  return withToolstack(async (client) => {
    const { config } = await client.call('domain/get', { domain: name });
    const devid = indexOf(config, key);
    await client.call('domain/setLink', { domain: config.uuid, devid, up: state === 'up' });
    return EXIT_OK;
  });
}

async function capture([name = '', key = '', file]: readonly string[]): Promise<number> {
  return withToolstack(async (client) => {
    const { config } = await client.call('domain/get', { domain: name });
    const devid = indexOf(config, key);
    const path = file === undefined ? '' : resolve(file);
    await client.call('domain/capture', { domain: config.uuid, devid, path });
    return EXIT_OK;
  });
}

function networkRow(network: NetworkConfig): string {
  const { name, mode, shared, subnet, subnet6, lan, boot: from } = network;
  const start = from ? `boot=${from.folder}${from.file === '' ? '' : ` ${from.file}`}` : '';
  const notes = [shared ? 'shared' : '', lan ? 'lan' : '', subnet6, start].filter(
    (note) => note !== '',
  );
  return `${name.padEnd(16)} ${mode.padEnd(10)} ${subnet.padEnd(18)} ${notes.join(' ')}`.trimEnd();
}

async function networks(json: boolean): Promise<number> {
  return withToolstack(async (client) => {
    const all = await client.call('network/list', {});
    if (json) return print([JSON.stringify(all, undefined, 2)]);
    return print(['Name             Mode       Subnet             Notes', ...all.map(networkRow)]);
  });
}

async function boot([name = '', folder, file = '']: readonly string[]): Promise<number> {
  return withToolstack(async (client) => {
    const all = await client.call('network/list', {});
    const network = all.find((candidate) => candidate.name === name);
    if (!network)
      throw new ExitError(EXIT_FAILED, `domus: there is no network ${JSON.stringify(name)}`);
    const { boot: _, ...rest } = network;
    const changed =
      folder === undefined ? rest : { ...rest, boot: { folder: resolve(folder), file } };
    await client.call('network/define', { network: changed });
    return EXIT_OK;
  });
}

/** The rows of this file. */
export const NETWORK_COMMANDS: readonly CliCommand[] = [
  {
    name: 'network-attach',
    summary: 'Add a network card to a domain: mac=, bridge=, model=, hostfwd=.',
    arguments: '<domain> [words...]',
    options: [],
    run: attach,
  },
  {
    name: 'network-list',
    summary: 'List the network cards of a domain.',
    arguments: '<domain>',
    options: [JSON_OPTION],
    run: (args, flags) => list(args, flags['json'] === true),
  },
  {
    name: 'network-detach',
    summary: 'Remove a network card from a domain, by number or MAC address.',
    arguments: '<domain> <card>',
    options: [],
    run: detach,
  },
  {
    name: 'network-link',
    summary: "Plug a network card's cable in or pull it: up or down.",
    arguments: '<domain> <card> <state>',
    options: [],
    run: link,
  },
  {
    name: 'network-capture',
    summary: 'Write the frames of a network card to a pcapng file; without a file, stop.',
    arguments: '<domain> <card> [file]',
    options: [],
    run: capture,
  },
  {
    name: 'network-boot',
    summary:
      'Let the guests of a network boot from a folder: its files by TFTP, and the file DHCP names (NAME.pxe of each domain when left out); without a folder, end that.',
    arguments: '<network> [folder] [file]',
    options: [],
    run: boot,
  },
  {
    name: 'networks',
    summary: 'List the networks that cards can be plugged into.',
    arguments: '',
    options: [JSON_OPTION],
    run: (_, flags) => networks(flags['json'] === true),
  },
];
