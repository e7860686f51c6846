/** Deleting domains, and what was deleted, images too: `domus delete`, `undelete` and `trash`. */
import type { TrashEntry } from '../api';
import type { CliCommand } from './commands';
import { sizeText } from './disk-text';
import { EXIT_OK, printable } from './errors';
import { uptime } from './output';
import { withToolstack } from './session';

type Flags = Readonly<Record<string, unknown>>;

/** One line for each deleted domain or image: its name, how long ago, what its images take, and its id. */
export function trashTable(entries: readonly TrashEntry[], nowMs: number): string {
  const row = (name: string, age: string, images: string, takes: string, id: string): string =>
    `${name.padEnd(33)} ${age.padStart(17)} ${images.padStart(6)} ${takes.padStart(12)}  ${id}`;
  const rows = entries.map(({ name, deletedAtMs, images, id }) =>
    row(
      name,
      uptime(Math.max(0, nowMs - deletedAtMs) / 1000),
      String(images.length),
      sizeText(images.reduce((sum, { takesBytes }) => sum + takesBytes, 0)),
      id,
    ),
  );
  return `${[row('Name', 'Deleted before', 'Images', 'Takes', 'ID'), ...rows].map(printable).join('\n')}\n`;
}

async function remove([name = '']: readonly string[], flags: Flags): Promise<number> {
  return withToolstack(async (client) => {
    const { config } = await client.call('domain/get', { domain: name });
    const deleteDisks =
      flags['disks'] === true
        ? config.disk
            .filter((disk) => disk.access === 'w' && !disk.cdrom)
            .map((disk) => disk.target)
        : [];
    await client.call('domain/delete', {
      domain: config.uuid,
      deleteDisks,
      ...(flags['forGood'] === true ? { forGood: true } : {}),
    });
    return EXIT_OK;
  });
}

async function list(flags: Flags): Promise<number> {
  return withToolstack(async (client) => {
    const entries = await client.call('trash/list', {});
    process.stdout.write(
      flags['json'] === true
        ? `${JSON.stringify(entries, undefined, 2)}\n`
        : trashTable(entries, Date.now()),
    );
    return EXIT_OK;
  });
}

function tellFreed({ freedBytes }: { readonly freedBytes: number }): number {
  process.stderr.write(`domus: ${sizeText(freedBytes)} of this computer are free again\n`);
  return EXIT_OK;
}

export const DELETE_COMMAND: CliCommand = {
  name: 'delete',
  summary: 'Move a shut-off domain to the trash.',
  arguments: '<domain>',
  options: [
    ['--disks', 'with its writable disk images'],
    ['--for-good', 'remove it, not to the trash'],
  ],
  help: `
\`domus undelete NAME\` gives it back. Images wait in their folders, under hidden names, and are never copied.
An image that another domain needs is not deleted.
`,
  run: remove,
};

export const UNDELETE_COMMAND: CliCommand = {
  name: 'undelete',
  summary: 'Give a deleted domain back with the images that went with it, or a deleted image.',
  arguments: '<name-or-id>',
  options: [['-n, --name <name>', 'under another name (domains)']],
  run: ([entry = ''], flags) =>
    withToolstack(async (client) => {
      const { name } = flags;
      await client.call('trash/restore', {
        entry,
        ...(typeof name === 'string' ? { name } : {}),
      });
      return EXIT_OK;
    }),
};

export const TRASH_COMMANDS: readonly CliCommand[] = [
  {
    name: 'list',
    summary: 'List deleted domains and images.',
    arguments: '',
    options: [['--json', 'print JSON']],
    run: (_, flags) => list(flags),
  },
  {
    name: 'delete',
    summary: 'Remove a deleted domain with its images, or a deleted image, for good.',
    arguments: '<name-or-id>',
    options: [],
    run: ([entry = '']) =>
      withToolstack(async (client) => tellFreed(await client.call('trash/delete', { entry }))),
  },
  {
    name: 'empty',
    summary: 'Remove everything in the trash for good.',
    arguments: '',
    options: [],
    run: () => withToolstack(async (client) => tellFreed(await client.call('trash/empty', {}))),
  },
];
