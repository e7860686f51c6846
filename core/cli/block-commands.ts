/** Disks and CDs on the command line: xl's block-* and cd-* commands. */
import { resolve } from 'node:path';
import type { DiskConfig, DomainConfig } from '../api';
import { parseDiskSpec } from '../toolstack';
import type { CliCommand } from './commands';
import { EXIT_FAILED, EXIT_OK, ExitError, printable } from './errors';
import { withToolstack } from './session';

const FORCE_OPTION = ['-f, --force', 'even when the guest holds the disc'] as const;

/** One line for each disk, in columns as xl block-list prints them as far as they mean something here. */
export function blockTable(disks: readonly DiskConfig[]): string {
  const row = (...cells: readonly string[]): string =>
    [5, 3, 6, 7, 7].map((width, i) => (cells[i] ?? '').padEnd(width)).join('') + (cells[5] ?? '');
  const rows = disks.map(({ vdev, cdrom, access, format, target }) =>
    row(vdev, '0', cdrom ? 'cdrom' : 'disk', access === 'w' ? 'rw' : 'ro', format, target || '-'),
  );
  return `${[row('Vdev', 'BE', 'type', 'access', 'format', 'target'), ...rows].map(printable).join('\n')}\n`;
}

async function list(names: readonly string[], json: boolean): Promise<number> {
  return withToolstack(async (client) => {
    for (const name of names) {
      const { config, machine } = await client.call('domain/get', { domain: name });
      const { disk } = machine ?? config;
      process.stdout.write(json ? `${JSON.stringify(disk, undefined, 2)}\n` : blockTable(disk));
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
  const disk = parseDiskSpec(words.join(','), place, (_, text) =>
    process.stderr.write(`domus: ${text}\n`),
  );
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
