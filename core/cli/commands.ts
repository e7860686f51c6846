/** The commands of `domus`, as rows; names and habits are xl's. */
import { writeFile } from 'node:fs/promises';
import { release, version as kernelVersion, machine } from 'node:os';
import { resolve } from 'node:path';
import type { DomainConfig, DomainInfo, ToolstackClient } from '../api';
import { nodeSystem } from '../host-node';
import { formatConfig } from '../toolstack';
import { BLOCK_COMMANDS } from './block-commands';
import { readConfigFile } from './config-file';
import { attachConsole } from './console';
import { runDaemon } from './daemon';
import { DISK_COMMANDS } from './disk';
import { EXIT_FAILED, EXIT_OK, ExitError } from './errors';
import { INSTALL_COMMAND } from './install';
import { NETWORK_COMMANDS } from './network-commands';
import { domainRow, domainZeroRow, infoTable, listTable, uptime } from './output';
import { PERF_COMMAND } from './perf-command';
import { runInForeground } from './run';
import { waitForDomain, withToolstack } from './session';
import { DELETE_COMMAND, TRASH_COMMANDS, UNDELETE_COMMAND } from './trash-commands';

type Flags = Readonly<Record<string, unknown>>;

/** A command as commander and the manual page read it. `run` resolves to the exit status. */
export interface CliCommand {
  readonly name: string;
  readonly summary: string;
  /** Arguments in commander's spelling: `<required>`, `[optional]`, `[many...]`. */
  readonly arguments: string;
  readonly options: readonly (readonly [flags: string, description: string])[];
  /** Longer help, printed behind the options. */
  readonly help?: string;
  readonly run: (args: readonly string[], flags: Flags) => Promise<number>;
}

/** A word in front of commands: `domus disk create`. */
export interface CliGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly CliCommand[];
}

export const CLI_GROUPS: readonly CliGroup[] = [
  {
    name: 'disk',
    summary: 'Create, inspect, convert and check disk images.',
    commands: DISK_COMMANDS,
  },
  { name: 'trash', summary: 'List and remove deleted domains.', commands: TRASH_COMMANDS },
];

const MIB = 2 ** 20;
const CONSOLE_OPTION = ['-c, --console', 'attach to its console'] as const;
const PAUSED_OPTION = ['-p, --paused', 'leave it paused'] as const;
const WAIT_OPTION = ['-w, --wait', 'wait until it has ended'] as const;
const JSON_OPTION = ['--json', 'print JSON'] as const;

function print(text: string): number {
  process.stdout.write(text);
  return EXIT_OK;
}

function printJson(value: unknown): number {
  return print(`${JSON.stringify(value, undefined, 2)}\n`);
}

type DomainVerb =
  | 'domain/pause'
  | 'domain/unpause'
  | 'domain/shutdown'
  | 'domain/reboot'
  | 'domain/reset'
  | 'domain/destroy';

/** A command that is one call for one domain. */
function verb(name: string, command: DomainVerb, summary: string): CliCommand {
  return {
    name,
    summary,
    arguments: '<domain>',
    options: command === 'domain/shutdown' ? [WAIT_OPTION] : [],
    run: ([domain = ''], flags) =>
      withToolstack(async (client) => {
        const { config } = await client.call(command, { domain });
        if (flags['wait'] === true)
          await waitForDomain(client, config.uuid, (info) => info.domid === null);
        return EXIT_OK;
      }),
  };
}

async function list(names: readonly string[], flags: Flags): Promise<number> {
  return withToolstack(async (client) => {
    const all = await client.call('domain/list', {});
    const chosen =
      names.length === 0
        ? all
        : await Promise.all(
            names
              .filter((name) => !isDomainZero(name))
              .map((domain) => client.call('domain/get', { domain })),
          );
    if (flags['json'] === true) return printJson(chosen);
    const rows = chosen.map(domainRow);
    if (names.length === 0 || names.some(isDomainZero))
      rows.unshift(
        domainZeroRow(await client.call('host/info', {}), nodeSystem.sample().cpuSeconds, all),
      );
    return print(listTable(rows));
  });
}

function isDomainZero(name: string): boolean {
  return name === '0' || name === 'Domain-0';
}

async function info(flags: Flags): Promise<number> {
  return withToolstack(async (client) => {
    const host = await client.call('host/info', {});
    if (flags['json'] === true) return printJson(host);
    return print(
      infoTable([
        ['host', host.hostname],
        ['release', release()],
        ['version', kernelVersion()],
        ['machine', machine()],
        ['nr_cpus', host.cpus],
        ['cpu_model', host.cpuModel],
        ['cpu_percent', (host.cpu * 100).toFixed(1)],
        ['total_memory', Math.floor(host.memoryBytes / MIB)],
        ['free_memory', Math.floor(host.memoryFreeBytes / MIB)],
        ['domus_version', host.version],
        ['xend_config_format', 4],
      ]),
    );
  });
}

function withoutUuid(config: DomainConfig): string {
  return JSON.stringify({ ...config, uuid: '' });
}

/** Stores what a file says. The same file again is no change; another one under a taken name needs --replace. */
async function store(
  client: ToolstackClient,
  config: DomainConfig,
  replace: boolean,
): Promise<DomainInfo> {
  const existing = (await client.call('domain/list', {})).find(
    (domain) => domain.config.name === config.name,
  );
  if (!existing) return client.call('domain/define', { config });
  const same = withoutUuid(existing.config) === withoutUuid(config);
  if (same) return existing;
  if (!replace && existing.config.uuid !== config.uuid) {
    throw new ExitError(
      EXIT_FAILED,
      `domus: a domain with the name ${JSON.stringify(config.name)} exists already and is configured otherwise; choose another name, or use --replace to give it the configuration of this file`,
    );
  }
  return client.call('domain/redefine', {
    domain: existing.config.uuid,
    config: { ...config, uuid: existing.config.uuid },
  });
}

async function create([file = '', ...overrides]: readonly string[], flags: Flags): Promise<number> {
  const { config } = await readConfigFile(file, overrides);
  if (flags['dryrun'] === true) return printJson(config);
  return withToolstack(async (client, ended) => {
    const known = (await client.call('domain/list', {})).map((domain) => domain.config.uuid);
    const { config: stored } = await store(client, config, flags['replace'] === true);
    const paused = flags['paused'] === true;
    const domain = await client
      .call('domain/start', { domain: stored.uuid, paused })
      .catch(async (cause: unknown) => {
        // As with xl, a domain that could not be created is not there.
        if (!known.includes(stored.uuid))
          await client.call('domain/delete', { domain: stored.uuid, forGood: true });
        throw cause;
      });
    return flags['console'] === true ? attachConsole(client, domain, ended) : EXIT_OK;
  });
}

async function start([name = '']: readonly string[], flags: Flags): Promise<number> {
  return withToolstack(async (client, ended) => {
    const domain = await client.call('domain/start', {
      domain: name,
      paused: flags['paused'] === true,
    });
    return flags['console'] === true ? attachConsole(client, domain, ended) : EXIT_OK;
  });
}

async function screenshot([name = '', file = '']: readonly string[]): Promise<number> {
  return withToolstack(async (client) => {
    const { png } = await client.call('domain/screenshot', { domain: name });
    await writeFile(resolve(file), Buffer.from(png, 'base64'));
    return EXIT_OK;
  });
}

async function typeText([name = '', ...words]: readonly string[], flags: Flags): Promise<number> {
  return withToolstack(async (client) => {
    const text = `${words.join(' ')}${flags['enter'] === true ? '\n' : ''}`;
    const { skipped } = await client.call('domain/typeText', { domain: name, text });
    if (skipped.length > 0)
      throw new ExitError(
        EXIT_FAILED,
        `domus: the keyboard of ${name} has no key for ${skipped.map((character) => JSON.stringify(character)).join(' ')}`,
      );
    return EXIT_OK;
  });
}

async function uptimes(names: readonly string[]): Promise<number> {
  return withToolstack(async (client) => {
    const domains = (await client.call('domain/list', {})).filter(
      ({ domid, config }) =>
        domid !== null &&
        (names.length === 0 || names.includes(config.name) || names.includes(String(domid))),
    );
    const rows = domains.map(
      ({ config, domid, startedAtMs }) =>
        `${config.name.padEnd(33)} ${String(domid).padStart(4)} ${uptime((Date.now() - (startedAtMs ?? Date.now())) / 1000)}`,
    );
    return print(`${['Name                                ID Uptime', ...rows].join('\n')}\n`);
  });
}

const RUN_HELP = `
The guest's serial port is standard input and output. On a terminal, Ctrl+] forces the guest off and leaves.
Exit status: 0 the guest powered off, 1 it could not be started, 2 wrong usage, 3 the guest crashed,
4 it rebooted and on_reboot is not "restart", 5 its process died, 130 it was forced off.`;

/** All commands, in the order of the help. */
export const CLI_COMMANDS: readonly CliCommand[] = [
  {
    name: 'run',
    summary: 'Run one domain in the foreground, without the app.',
    arguments: '<file> [settings...]',
    options: [['--vnc', 'serve the screen to VNC clients on this computer'], PAUSED_OPTION],
    help: RUN_HELP,
    run: ([file = '', ...overrides], flags) =>
      runInForeground(file, overrides, {
        vnc: flags['vnc'] === true,
        paused: flags['paused'] === true,
      }),
  },
  {
    name: 'daemon',
    summary: 'Serve the other commands without the app, until it is ended.',
    arguments: '',
    options: [],
    run: () => runDaemon(),
  },
  {
    name: 'list',
    summary: 'List information about all or some domains.',
    arguments: '[domains...]',
    options: [JSON_OPTION],
    run: list,
  },
  {
    name: 'create',
    summary: 'Create a domain from a file and start it.',
    arguments: '<file> [settings...]',
    options: [
      CONSOLE_OPTION,
      PAUSED_OPTION,
      ['-n, --dryrun', 'print the resulting configuration as JSON and do nothing'],
      ['--replace', 'give a domain of that name the configuration of the file'],
    ],
    run: create,
  },
  {
    name: 'define',
    summary: 'Create a domain from a file without starting it.',
    arguments: '<file> [settings...]',
    options: [['--replace', 'give a domain of that name the configuration of the file']],
    run: async ([file = '', ...overrides], flags) => {
      const { config } = await readConfigFile(file, overrides);
      return withToolstack(async (client) => {
        await store(client, config, flags['replace'] === true);
        return EXIT_OK;
      });
    },
  },
  {
    name: 'start',
    summary: 'Start a domain.',
    arguments: '<domain>',
    options: [CONSOLE_OPTION, PAUSED_OPTION],
    run: start,
  },
  {
    name: 'console',
    summary: "Attach to a domain's serial console; Ctrl+] leaves it.",
    arguments: '<domain>',
    options: [],
    run: ([domain = '']) =>
      withToolstack(async (client, ended) =>
        attachConsole(client, await client.call('domain/get', { domain }), ended),
      ),
  },
  verb('pause', 'domain/pause', 'Pause a domain.'),
  verb('unpause', 'domain/unpause', 'Unpause a paused domain.'),
  verb('shutdown', 'domain/shutdown', 'Press the power button of a domain (ACPI).'),
  verb('reboot', 'domain/reboot', 'Press the power button of a domain and start it again.'),
  verb('reset', 'domain/reset', 'Press the reset button of a domain.'),
  verb('destroy', 'domain/destroy', 'Force a domain off at once.'),
  DELETE_COMMAND,
  UNDELETE_COMMAND,
  {
    name: 'screenshot',
    summary: 'Write the screen of a domain to a PNG file.',
    arguments: '<domain> <file>',
    options: [],
    run: screenshot,
  },
  {
    name: 'type',
    summary: "Type text on a domain's keyboard.",
    arguments: '<domain> <text...>',
    options: [['-e, --enter', 'press Enter behind it']],
    run: typeText,
  },
  {
    name: 'config',
    summary: 'Print the configuration of a domain as xl.cfg.',
    arguments: '<domain>',
    options: [JSON_OPTION],
    run: ([domain = ''], flags) =>
      withToolstack(async (client) => {
        const { config } = await client.call('domain/get', { domain });
        return flags['json'] === true ? printJson(config) : print(formatConfig(config));
      }),
  },
  {
    name: 'info',
    summary: 'Print information about this computer.',
    arguments: '',
    options: [JSON_OPTION],
    run: (_, flags) => info(flags),
  },
  {
    name: 'uptime',
    summary: 'Print the uptime of all or some running domains.',
    arguments: '[domains...]',
    options: [],
    run: uptimes,
  },
  {
    name: 'domid',
    summary: 'Convert a domain name to a domain id.',
    arguments: '<domain>',
    options: [],
    run: ([domain = '']) =>
      withToolstack(async (client) =>
        print(`${runningId(await client.call('domain/get', { domain }))}\n`),
      ),
  },
  {
    name: 'domname',
    summary: 'Convert a domain id to a domain name.',
    arguments: '<domid>',
    options: [],
    run: ([domain = '']) =>
      withToolstack(async (client) =>
        print(`${(await client.call('domain/get', { domain })).config.name}\n`),
      ),
  },
  INSTALL_COMMAND,
  PERF_COMMAND,
  ...BLOCK_COMMANDS,
  ...NETWORK_COMMANDS,
];

function runningId({ domid, config }: DomainInfo): number {
  if (domid === null)
    throw new ExitError(EXIT_FAILED, `domus: ${config.name} is not running and has no domid`);
  return domid;
}
