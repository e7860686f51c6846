/** Disks and CDs on the command line: xl's block-* and cd-* commands. */
import { resolve } from 'node:path';
import { busOf, type DiskConfig, type DomainConfig } from '../api';
import { parseDiskSpec } from '../toolstack';
import type { CliCommand } from './commands';
import { EXIT_FAILED, EXIT_OK, ExitError, printable } from './errors';
import { withToolstack } from './session';

const FORCE_OPTION = ['-f, --force', 'even when the guest holds the disc'] as const;

const WIDTHS = [5, 3, 7, 6, 7, 7];

/** One line for each disk, in columns as xl block-list prints them as far as they mean something here. */
export function blockTable(disks: readonly DiskConfig[]): string {
  const row = (...cells: readonly string[]): string =>
    WIDTHS.map((width, i) => (cells[i] ?? '').padEnd(width)).join('') +
    (cells[WIDTHS.length] ?? '');
  const rows = disks.map(({ vdev, cdrom, access, format, target }) => {
    const type = cdrom ? 'cdrom' : 'disk';
    const bus = busOf(vdev)?.bus ?? '';
    return row(vdev, '0', bus, type, access === 'w' ? 'rw' : 'ro', format, target || '-');
  });
  const head = row('Vdev', 'BE', 'bus', 'type', 'access', 'format', 'target');
  return `${[head, ...rows].map(printable).join('\n')}\n`;
}

/** A disk as --json prints it. */
function withBus(disk: DiskConfig): DiskConfig & { bus: string } {
  return { ...disk, bus: busOf(disk.vdev)?.bus ?? '' };
}

async function list(names: readonly string[], json: boolean): Promise<number> {
  return withToolstack(async (client) => {
    for (const name of names) {
      const { config, machine } = await client.call('domain/get', { domain: name });
      const { disk } = machine ?? config;
      process.stdout.write(
        json ? `${JSON.stringify(disk.map(withBus), undefined, 2)}\n` : blockTable(disk),
      );
    }
    return EXIT_OK;
  });
}

async function changeDisks(
  name: string,
  disks: (config: DomainConfig) => DiskConfig[],
): Promise<number> {
  return withToolstack(async (client) => {
    const { config, domid } = await client.call('domain/get', { domain: name });
    const disk = disks(config);
    await client.call('domain/redefine', { domain: config.uuid, config: { ...config, disk } });
    if (domid !== null)
      process.stderr.write(
        `domus: ${config.name} is running; its disks change at its next start\n`,
      );
    return EXIT_OK;
  });
}

async function attach([name = '', ...words]: readonly string[]): Promise<number> {
  const place = { file: 'block-attach', line: 1, column: 1 };
  const warn = (_: unknown, text: string): void => void process.stderr.write(`domus: ${text}\n`);
  const disk = parseDiskSpec(words.join(','), place, { warn });
  const target = disk.target === '' ? '' : resolve(disk.target);
  return changeDisks(name, (config) => [...config.disk, { ...disk, target }]);
}

async function detach([name = '', vdev = '']: readonly string[]): Promise<number> {
  return changeDisks(name, (config) => {
    const disk = config.disk.filter((each) => each.vdev !== vdev);
    if (disk.length === config.disk.length)
      throw new ExitError(EXIT_FAILED, `domus: ${config.name} has no disk ${JSON.stringify(vdev)}`);
    return disk;
  });
}

/** The rows of this file. */
export const BLOCK_COMMANDS: readonly CliCommand[] = [
  {
    name: 'block-attach',
    summary: 'Add a disk to a domain, in the words of disk= in a configuration.',
    arguments: '<domain> <words...>',
    options: [],
    run: attach,
  },
  {
    name: 'block-list',
    summary: 'List the disks of domains.',
    arguments: '<domains...>',
    options: [['--json', 'print JSON']],
    run: (names, flags) => list(names, flags['json'] === true),
  },
  {
    name: 'block-detach',
    summary: 'Remove a disk from a domain; its image stays.',
    arguments: '<domain> <vdev>',
    options: [],
    run: detach,
  },
  {
    name: 'cd-insert',
    summary: 'Put a CD image into a drive, while the domain runs or not.',
    arguments: '<domain> <vdev> <file>',
    options: [FORCE_OPTION],
    run: ([domain = '', vdev = '', file = ''], flags) =>
      withToolstack(async (client) => {
        const force = flags['force'] === true;
        await client.call('domain/cdInsert', { domain, vdev, path: resolve(file), force });
        return EXIT_OK;
      }),
  },
  {
    name: 'cd-eject',
    summary: 'Empty a CD-ROM drive, while the domain runs or not.',
    arguments: '<domain> <vdev>',
    options: [FORCE_OPTION],
    run: ([domain = '', vdev = ''], flags) =>
      withToolstack(async (client) => {
        await client.call('domain/cdEject', { domain, vdev, force: flags['force'] === true });
        return EXIT_OK;
      }),
  },
];
