/** `domus disk`: image files by themselves, without the app or the daemon. */
import { basename, dirname, extname, resolve } from 'node:path';
import { realpath } from 'node:fs/promises';
import { nodeHost } from '../host-node';
import {
  applyImageSnapshot,
  checkImage,
  convertImage,
  createImage,
  createImageSnapshot,
  deleteImageSnapshot,
  describeImage,
  DISK_FORMATS,
  growImage,
  guessFormat,
  ImageError,
  type ImageFormat,
  type ImageTask,
  type OnProgress,
} from '../storage';
import type { CliCommand } from './commands';
import { checkLines, infoLines, parseSize } from './disk-text';
import { EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, ExitError, printable } from './errors';

type Flags = Readonly<Record<string, unknown>>;

const JSON_OPTION = ['--json', 'print JSON'] as const;
const FORMAT_OPTION = [
  '-f, --format <format>',
  `its format: ${DISK_FORMATS.join(', ')} (default: what the name of the file ends with)`,
] as const;
const BACKING_OPTION = [
  '--backing <directory>',
  'the images that an overlay lies on may be opened when they are in this directory',
] as const;
const CLUSTER_OPTION = [
  '--cluster-size <size>',
  'clusters of a qcow2 image, 512 to 2M (default: 64K)',
] as const;

const EXTENSIONS: Readonly<Record<string, ImageFormat>> = {
  '.qcow2': 'qcow2',
  '.vhd': 'vhd',
  '.vpc': 'vhd',
  '.vmdk': 'vmdk',
  '.vdi': 'vdi',
  '.img': 'raw',
  '.raw': 'raw',
  '.iso': 'raw',
  '.bin': 'raw',
};

function usage(message: string): ExitError {
  return new ExitError(EXIT_USAGE, `domus disk: ${message}`);
}

function text(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === 'string' ? value : undefined;
}

function isFormat(name: string): name is ImageFormat {
  return (DISK_FORMATS as readonly string[]).includes(name);
}

/** What the user says, or what the name of the file ends with; never what the file contains. */
function formatOf(file: string, stated: string | undefined, option = '--format'): ImageFormat {
  if (stated !== undefined) {
    if (isFormat(stated)) return stated;
    throw usage(
      `the format ${JSON.stringify(stated)} is not known; it is one of ${DISK_FORMATS.join(', ')}`,
    );
  }
  const format = EXTENSIONS[extname(file).toLowerCase()];
  if (format) return format;
  throw usage(`the name of ${file} does not say its format; state it with ${option}`);
}

function writable(format: ImageFormat): 'raw' | 'qcow2' {
  if (format === 'raw' || format === 'qcow2') return format;
  throw usage(`${format} images are only read; what can be written is raw and qcow2`);
}

function size(words: string): number {
  const bytes = parseSize(words);
  if (bytes !== undefined) return bytes;
  throw usage(`${JSON.stringify(words)} is not a size; write 20G, 512M or a number of bytes`);
}

async function task(file: string, flags: Flags, option?: string): Promise<ImageTask> {
  const directory = text(flags, 'backing');
  return {
    path: resolve(file),
    format: formatOf(file, text(flags, option ?? 'format'), `--${option ?? 'format'}`),
    owner: { pid: process.pid, name: 'domus disk' },
    ...(directory === undefined ? {} : { backing: { directories: [await realpath(directory)] } }),
  };
}

/** Runs an action; a problem of an image is a sentence and a status, with --json an object. */
async function report(flags: Flags, act: () => Promise<unknown>): Promise<number> {
  try {
    const result = await act();
    if (flags['json'] === true) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    return EXIT_OK;
  } catch (cause) {
    if (!(cause instanceof ImageError)) throw cause;
    if (flags['json'] === true) {
      const { code, path, message } = cause;
      process.stdout.write(`${JSON.stringify({ error: { code, path, message } }, undefined, 2)}\n`);
    }
    throw new ExitError(EXIT_FAILED, `domus: ${printable(cause.message)}`);
  }
}

/** Shows the share that is done on a terminal; Ctrl+C ends the work and what it has made goes away. */
async function withProgress<T>(
  what: string,
  act: (onProgress: OnProgress) => Promise<T>,
): Promise<T> {
  let interrupted = false;
  let shown = -1;
  const onSignal = (): void => void (interrupted = true);
  process.on('SIGINT', onSignal);
  const { stderr } = process;
  try {
    return await act((done) => {
      if (interrupted) throw new ExitError(EXIT_INTERRUPTED, `domus: ${what} was ended`);
      const percent = Math.floor(done * 100);
      if (percent === shown || !stderr.isTTY) return;
      shown = percent;
      stderr.write(`\r${what}: ${percent} %`);
    });
  } finally {
    process.off('SIGINT', onSignal);
    if (shown >= 0) stderr.write('\n');
  }
}

async function create([file = '', wanted]: readonly string[], flags: Flags): Promise<number> {
  const format = writable(formatOf(file, text(flags, 'format')));
  const clusters = text(flags, 'clusterSize');
  const lower = text(flags, 'overlayOf');
  return report(flags, async () => {
    const path = resolve(file);
    const backing = lower === undefined ? undefined : await overlay(path, lower, flags);
    if (backing && format !== 'qcow2') throw usage('only qcow2 images can be overlays');
    if (wanted === undefined && !backing) throw usage('the size of the new disk is missing');
    const sizeBytes = wanted === undefined ? (backing?.sizeBytes ?? 0) : size(wanted);
    await createImage(nodeHost, {
      path,
      format,
      sizeBytes,
      ...(clusters === undefined ? {} : { clusterBytes: size(clusters) }),
      ...(backing ? { backing: { name: backing.name, format: backing.format } } : {}),
    });
    return describeImage(nodeHost, path, format);
  });
}

/** QEMU's names of formats, which images have in them. */
function formatInside(format: ImageFormat): string {
  return format === 'vhd' ? 'vpc' : format;
}

/** The image below a new one; one in the same directory goes by its name, so that both can be moved together. */
async function overlay(
  path: string,
  lower: string,
  flags: Flags,
): Promise<{ name: string; format: string; sizeBytes: number }> {
  const format = formatOf(lower, text(flags, 'overlayFormat'), '--overlay-format');
  const below = resolve(lower);
  const { sizeBytes } = await describeImage(nodeHost, below, format);
  return {
    name: dirname(below) === dirname(path) ? basename(below) : below,
    format: formatInside(format),
    sizeBytes: Math.ceil(sizeBytes / 512) * 512,
  };
}

async function info([file = '']: readonly string[], flags: Flags): Promise<number> {
  return report(flags, async () => {
    const path = resolve(file);
    const found = await describeImage(nodeHost, path, formatOf(file, text(flags, 'format')));
    const guess = await guessFormat(nodeHost, path);
    if (flags['json'] !== true) process.stdout.write(infoLines(found, guess));
    return { ...found, looksLike: guess };
  });
}

async function convert(
  [source = '', target = '']: readonly string[],
  flags: Flags,
): Promise<number> {
  const from = await task(source, flags, 'from');
  const format = writable(formatOf(target, text(flags, 'to'), '--to'));
  const clusters = text(flags, 'clusterSize');
  return report(flags, async () => {
    const path = resolve(target);
    await withProgress('converting', (onProgress) =>
      convertImage(
        nodeHost,
        from,
        { path, format, ...(clusters === undefined ? {} : { clusterBytes: size(clusters) }) },
        onProgress,
      ),
    );
    const { snapshots } = await describeImage(nodeHost, from.path, from.format);
    if (snapshots.length > 0)
      process.stderr.write(
        `domus: the copy has the disk as it is now; the snapshots (${snapshots.length}) stay in ${printable(source)}\n`,
      );
    return describeImage(nodeHost, path, format);
  });
}

async function resize([file = '', wanted = '']: readonly string[], flags: Flags): Promise<number> {
  const image = await task(file, flags);
  return report(flags, async () => {
    const relative = wanted.startsWith('+');
    const bytes = size(relative ? wanted.slice(1) : wanted);
    const now = relative ? (await describeImage(nodeHost, image.path, image.format)).sizeBytes : 0;
    await growImage(nodeHost, image, now + bytes);
    return describeImage(nodeHost, image.path, image.format);
  });
}

async function check([file = '']: readonly string[], flags: Flags): Promise<number> {
  const image = await task(file, flags);
  const wanted = flags['repair'];
  const repair = wanted === undefined ? undefined : wanted === 'leaks' ? 'leaks' : 'all';
  if (typeof wanted === 'string' && wanted !== 'leaks' && wanted !== 'all')
    throw usage(`--repair is leaks or all, not ${JSON.stringify(wanted)}`);
  let clean = true;
  const status = await report(flags, async () => {
    const found = await checkImage(nodeHost, image, repair);
    clean =
      found.problemCount === 0 && found.leakedClusters === 0 && !found.dirty && !found.corrupt;
    if (flags['json'] !== true) process.stdout.write(checkLines(found));
    return found;
  });
  return clean ? status : EXIT_FAILED;
}

async function snapshot([file = '', name]: readonly string[], flags: Flags): Promise<number> {
  const image = await task(file, flags);
  return report(flags, async () => {
    if (flags['delete'] === true && flags['apply'] === true)
      throw usage('--apply and --delete exclude each other');
    if (name !== undefined && flags['apply'] === true)
      await applyImageSnapshot(nodeHost, image, name);
    else if (name !== undefined && flags['delete'] === true)
      await deleteImageSnapshot(nodeHost, image, name);
    else if (name !== undefined)
      await createImageSnapshot(nodeHost, image, { name, takenAtMs: Date.now() });
    else if (flags['apply'] === true || flags['delete'] === true)
      throw usage('which snapshot? Give its name or its number');
    const { snapshots } = await describeImage(nodeHost, image.path, image.format);
    if (flags['json'] !== true && name === undefined)
      for (const one of snapshots)
        process.stdout.write(
          `${one.id}\t${new Date(one.takenAtMs).toISOString()}\t${printable(one.name)}\n`,
        );
    return snapshots;
  });
}

const SIZE_HELP =
  '\nA size is a number of bytes, or a number with K, M, G or T behind it (1K is 1024 bytes).\n';

export const DISK_COMMANDS: readonly CliCommand[] = [
  {
    name: 'create',
    summary: 'Create an image; it takes room as it is written.',
    arguments: '<file> [size]',
    options: [
      FORMAT_OPTION,
      CLUSTER_OPTION,
      ['-b, --overlay-of <file>', 'an image below the new one, which only keeps what differs'],
      ['--overlay-format <format>', 'the format of the image below'],
      JSON_OPTION,
    ],
    help: SIZE_HELP,
    run: create,
  },
  {
    name: 'info',
    summary: 'Show what an image is; it may be in use.',
    arguments: '<file>',
    options: [FORMAT_OPTION, JSON_OPTION],
    run: info,
  },
  {
    name: 'convert',
    summary: 'Copy an image into a new raw or qcow2 image.',
    arguments: '<source> <target>',
    options: [
      ['--from <format>', `the format of the source: ${DISK_FORMATS.join(', ')}`],
      ['--to <format>', 'the format of the target: raw, qcow2'],
      CLUSTER_OPTION,
      BACKING_OPTION,
      JSON_OPTION,
    ],
    run: convert,
  },
  {
    name: 'resize',
    summary: 'Make a disk larger; the guest enlarges its partitions itself.',
    arguments: '<file> <size>',
    options: [FORMAT_OPTION, BACKING_OPTION, JSON_OPTION],
    help: `${SIZE_HELP}+10G adds to the size the disk has.\n`,
    run: resize,
  },
  {
    name: 'check',
    summary: 'Check the tables of an image; the exit status is 1 when something is wrong.',
    arguments: '<file>',
    options: [
      FORMAT_OPTION,
      [
        '--repair [what]',
        'leaks: give lost room back; all: mend everything, giving up what cannot be',
      ],
      JSON_OPTION,
    ],
    run: check,
  },
  {
    name: 'snapshot',
    summary: 'List the snapshots inside a qcow2 image, or take one.',
    arguments: '<file> [name]',
    options: [
      FORMAT_OPTION,
      BACKING_OPTION,
      ['--apply', 'make the disk what it was when the snapshot was taken'],
      ['--delete', 'give the snapshot up'],
      JSON_OPTION,
    ],
    run: snapshot,
  },
];
