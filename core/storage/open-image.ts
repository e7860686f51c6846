/** Opening an image by the format its configuration names. The format is never guessed (reliability 2.5.1). */
import { identityOf } from '../host';
import { ImageError, type DiskImage, type ImageHost, type OpenImageOptions } from './image';
import { BlockImage, type BlockLayout } from './foreign/block-image';
import { readVdi } from './foreign/vdi';
import { readVhd } from './foreign/vhd';
import { readVmdk } from './foreign/vmdk';
import { badImage, guarded, ImageFile } from './image-file';
import type { Qcow2Header } from './qcow2/header';
import type { Qcow2Image } from './qcow2/image';
import { openQcow2 } from './qcow2/open';
import { openRawImage } from './raw';

export const DISK_FORMATS = ['raw', 'qcow2', 'vhd', 'vmdk', 'vdi'] as const;
export type ImageFormat = (typeof DISK_FORMATS)[number];

/** Where files that an image names as the ones below it may lie. */
export interface BackingPolicy {
  /** Absolute paths without links; what lies in them or below may be opened, for reading. */
  readonly directories: readonly string[];
}

export interface OpenDiskOptions extends OpenImageOptions {
  readonly format: ImageFormat;
  /** Absent: an image that needs another file is refused. */
  readonly backing?: BackingPolicy;
}

/** Longest chain of images: one and nine below it. */
const MAX_CHAIN = 10;
/** QEMU's names of formats, as images have them for the file below. */
const BACKING_FORMATS: Readonly<Record<string, ImageFormat>> = {
  raw: 'raw',
  file: 'raw',
  qcow2: 'qcow2',
  vpc: 'vhd',
  vmdk: 'vmdk',
  vdi: 'vdi',
};

/** Formats that are only read. */
export type ForeignFormat = Exclude<ImageFormat, 'raw' | 'qcow2'>;

const READERS: Readonly<
  Record<ForeignFormat, (file: ImageFile, host: ImageHost) => Promise<BlockLayout>>
> = {
  vhd: readVhd,
  vmdk: (file, host) => readVmdk(file, host.compression),
  vdi: readVdi,
};

/** Opens a disk image under its lock. */
export function openImage(host: ImageHost, options: OpenDiskOptions): Promise<DiskImage> {
  return openInChain(host, options, []);
}

/** `above`: what names the files over this one. */
async function openInChain(
  host: ImageHost,
  options: OpenDiskOptions,
  above: readonly string[],
): Promise<DiskImage> {
  const { format } = options;
  if (format === 'raw') return openRawImage(host, options);
  if (format !== 'qcow2') return openForeign(host, options, format);
  return openQcow2(host, options, (header, file) =>
    openBacking(host, options, header, file, above),
  );
}

/** Opens a qcow2 image for what only qcow2 can: snapshots. */
export function openQcow2Image(
  host: ImageHost,
  options: Omit<OpenDiskOptions, 'format'>,
): Promise<Qcow2Image> {
  const whole = { ...options, format: 'qcow2' } as const;
  return openQcow2(host, whole, (header, file) => openBacking(host, whole, header, file, []));
}

/** Reads the tables of an image of a format that is only read. */
export function layoutOf(
  host: ImageHost,
  file: ImageFile,
  format: ForeignFormat,
): Promise<BlockLayout> {
  return READERS[format](file, host);
}

async function openForeign(
  host: ImageHost,
  options: OpenDiskOptions,
  format: ForeignFormat,
): Promise<DiskImage> {
  const { path, readOnly } = options;
  if (!readOnly)
    throw new ImageError(
      'UNREADABLE',
      path,
      `${path}: ${format} images are only read; make one that can be written: domus disk convert ${path} NEW.qcow2`,
    );
  const file = await ImageFile.open(host, options);
  try {
    return new BlockImage(file, await layoutOf(host, file, format));
  } catch (cause) {
    await file.close();
    throw cause;
  }
}

/** The file an image names as the one below it: its absolute path without links, and its format. */
export interface BackingFile {
  readonly path: string;
  readonly format: ImageFormat;
}

/** Finds out which file that is; `undefined` without one. Refuses names that are no plain paths, and unstated formats. */
export async function resolveBacking(
  host: ImageHost,
  path: string,
  header: Qcow2Header,
): Promise<BackingFile | undefined> {
  const { backingFile: name, backingFormat } = header;
  if (name === undefined) return undefined;
  const shown = JSON.stringify(name);
  if (/^[a-z][a-z0-9+.-]+:/i.test(name) || /[\0-\x1f]/.test(name))
    throw badImage(path, `the image below it is named ${shown}, which is not the path of a file`);
  if (backingFormat === undefined)
    throw badImage(
      path,
      `it does not say what format the image below it has (${shown}); state it: qemu-img rebase -u -b FILE -F FORMAT ${path}`,
    );
  const format = BACKING_FORMATS[backingFormat];
  if (!format)
    throw badImage(
      path,
      `the image below it (${shown}) has the format ${JSON.stringify(backingFormat)}, which cannot be used`,
    );
  const { files } = host;
  if (!files.realPath)
    throw badImage(path, `it needs another image (${shown}), which cannot be had here`);
  const real = await files.realPath(path);
  const isAbsolute = /^([/\\]|[a-z]:[/\\])/i.test(name);
  const full = isAbsolute ? name : `${real.replace(/[^/\\]*$/, '')}${name}`;
  try {
    return { path: await files.realPath(full), format };
  } catch (cause) {
    throw new ImageError(
      'NOT_FOUND',
      path,
      `${path}: the image below it, ${full}, cannot be opened; without it the disk is not complete`,
      { cause },
    );
  }
}

function isInside(path: string, directory: string): boolean {
  const prefix = /[/\\]$/.test(directory) ? directory : `${directory}/`;
  return path.startsWith(prefix) || path.startsWith(prefix.replace(/\//g, '\\'));
}

async function openBacking(
  host: ImageHost,
  options: OpenDiskOptions,
  header: Qcow2Header,
  file: ImageFile,
  above: readonly string[],
): Promise<DiskImage | null> {
  const { path, backing: policy } = options;
  const below = await guarded(path, () => resolveBacking(host, path, header));
  if (!below) return null;
  if (!policy)
    throw badImage(
      path,
      `it is an overlay of ${below.path} (${below.format}), and that is not opened unless it is allowed`,
    );
  if (!policy.directories.some((directory) => isInside(below.path, directory)))
    throw badImage(
      path,
      `it is an overlay of ${below.path}, which is not in ${policy.directories.join(' or ')}`,
    );
  const chain = [...above, file.identity];
  if (chain.length >= MAX_CHAIN)
    throw badImage(path, `more than ${MAX_CHAIN} images lie upon each other`);
  const info = await guarded(below.path, () => host.files.stat(below.path));
  if (info && chain.includes(identityOf(info)))
    throw badImage(path, `it is an overlay of ${below.path}, which is an overlay of it in turn`);
  return openInChain(host, { ...options, ...below, readOnly: true }, chain);
}
