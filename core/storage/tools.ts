/** Work on whole images that no domain uses: convert, grow, check, repair, snapshots. Each takes the image's lock. */
import type { LockOwner } from '../host';
import { isZero } from './bytes';
import { ImageError, SECTOR_BYTES, type DiskImage, type ImageHost } from './image';
import { badImage, ImageFile } from './image-file';
import {
  layoutOf,
  openImage,
  openQcow2Image,
  type BackingPolicy,
  type ImageFormat,
} from './open-image';
import { createQcow2, type CreateQcow2Options } from './qcow2/create';
import { checkQcow2, type RepairKind } from './qcow2/mend';
import { growQcow2 } from './qcow2/resize';
import * as snapshots from './qcow2/snapshots';
import { createRawImage, growRawImage } from './raw';

/** Keeps everybody else from opening a file as an image, whatever is in it, until it is closed. */
export function holdImage(
  host: ImageHost,
  options: { readonly path: string; readonly owner: LockOwner },
): Promise<{ close(): Promise<void> }> {
  return ImageFile.hold(host, options);
}

/** Called now and then with the share that is done, 0..1. An exception from it ends the work. */
export type OnProgress = (done: number) => void;

export interface ImageTask {
  readonly path: string;
  readonly format: ImageFormat;
  readonly owner: LockOwner;
  /** Where images below an overlay may lie. */
  readonly backing?: BackingPolicy;
}

export interface ConvertTarget extends Pick<CreateQcow2Options, 'clusterBytes' | 'version'> {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
}

/** Copies are made in pieces of this size. */
const COPY_BYTES = 2 << 20;
/** Stretches of zeros from this size on are left out of the copy. */
const ZERO_GRAIN_BYTES = 64 << 10;
/** Problems of a foreign image that are told, and after how many the check ends. */
const MAX_TOLD = 50;
const MAX_PROBLEMS = 1000;

/** Creates an empty image of any format that can be written. */
export async function createImage(
  host: ImageHost,
  options: CreateQcow2Options & { readonly format: 'raw' | 'qcow2' },
): Promise<void> {
  if (options.format === 'qcow2') await createQcow2(host.files, options);
  else await createRawImage(host.files, options.path, options.sizeBytes);
}

/** Copies a disk into a new image; zeros take no room there. The new file is removed when the copy fails. */
export async function convertImage(
  host: ImageHost,
  source: ImageTask,
  target: ConvertTarget,
  onProgress: OnProgress = () => undefined,
): Promise<void> {
  const from = await openImage(host, { ...source, readOnly: true });
  try {
    await createImage(host, { ...target, sizeBytes: from.sizeBytes });
    try {
      const to = await openImage(host, { ...target, readOnly: false, owner: source.owner });
      try {
        await copy(from, to, onProgress);
        await to.flush();
      } finally {
        await to.close();
      }
    } catch (cause) {
      await host.files.remove(target.path);
      throw cause;
    }
  } finally {
    await from.close();
  }
}

async function copy(from: DiskImage, to: DiskImage, onProgress: OnProgress): Promise<void> {
  for (let at = 0; at < from.sizeBytes;) {
    onProgress(at / from.sizeBytes);
    const { length, zero } = await from.extent(at, from.sizeBytes - at);
    if (zero) {
      at += length;
      continue;
    }
    const piece = Math.min(length, COPY_BYTES - (at % COPY_BYTES));
    await writeNonZero(to, at, await from.read(at, piece));
    at += piece;
  }
  onProgress(1);
}

/** Writes what is not zeros, in stretches as long as they are. */
async function writeNonZero(
  to: DiskImage,
  offset: number,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  let start = -1;
  for (let at = 0; at < bytes.length; at += ZERO_GRAIN_BYTES) {
    const grain = bytes.subarray(at, at + ZERO_GRAIN_BYTES);
    const empty = isZero(grain);
    if (!empty && start < 0) start = at;
    if (empty && start >= 0) {
      await to.write(offset + start, bytes.subarray(start, at));
      start = -1;
    }
  }
  if (start >= 0) await to.write(offset + start, bytes.subarray(start));
}

/** Makes a disk larger. */
export async function growImage(
  host: ImageHost,
  task: ImageTask,
  sizeBytes: number,
): Promise<void> {
  if (task.format === 'raw') return growRawImage(host, { ...task, sizeBytes });
  if (task.format !== 'qcow2')
    throw new ImageError(
      'UNREADABLE',
      task.path,
      `${task.path}: ${task.format} images are only read; convert it first`,
    );
  return withQcow2(host, task, (image) => growQcow2(image, sizeBytes));
}

async function withQcow2<T>(
  host: ImageHost,
  task: ImageTask,
  act: (image: Awaited<ReturnType<typeof openQcow2Image>>) => Promise<T>,
): Promise<T> {
  if (task.format !== 'qcow2')
    throw badImage(task.path, `only qcow2 images have snapshots, and this one is ${task.format}`);
  const image = await openQcow2Image(host, { ...task, readOnly: false });
  try {
    return await act(image);
  } finally {
    await image.close();
  }
}

/** Takes a snapshot inside the image; resolves to its id. */
export function createImageSnapshot(
  host: ImageHost,
  task: ImageTask,
  snapshot: snapshots.NewSnapshot,
): Promise<string> {
  return withQcow2(host, task, (image) => snapshots.createSnapshot(image, snapshot));
}

/** Makes the disk what it was when a snapshot was taken; `key` is its id or name. */
export function applyImageSnapshot(host: ImageHost, task: ImageTask, key: string): Promise<void> {
  return withQcow2(host, task, (image) => snapshots.applySnapshot(image, key));
}

export function deleteImageSnapshot(host: ImageHost, task: ImageTask, key: string): Promise<void> {
  return withQcow2(host, task, (image) => snapshots.deleteSnapshot(image, key));
}

export interface CheckReport {
  readonly path: string;
  readonly format: ImageFormat;
  /** Sentences about the first problems; `problemCount` counts them all. */
  readonly problems: readonly string[];
  readonly problemCount: number;
  /** Clusters that are taken and used for nothing. */
  readonly leakedClusters: number;
  /** Marked as in need of repair by whoever used it last. */
  readonly dirty: boolean;
  readonly corrupt: boolean;
  /** What a repair has mended; null without one. */
  readonly repaired: {
    readonly problems: number;
    readonly leakedClusters: number;
    /** Entries that led nowhere and read as zeros now. */
    readonly droppedEntries: number;
  } | null;
  /** Guest data in this file, in clusters; null for formats without. */
  readonly dataClusters: number | null;
  readonly compressedClusters: number | null;
  /** Bytes of the file up to the last one in use. */
  readonly endBytes: number;
}

/** Checks an image, and repairs it if wanted; writes nothing without `repair`. */
export async function checkImage(
  host: ImageHost,
  task: ImageTask,
  repair?: RepairKind,
): Promise<CheckReport> {
  const { path, format, owner } = task;
  if (repair !== undefined && format !== 'qcow2')
    throw badImage(path, `only qcow2 images can be repaired, and this one is ${format}`);
  const file = await ImageFile.open(host, { path, readOnly: repair === undefined, owner });
  try {
    if (format === 'qcow2') return await reportQcow2(file, repair);
    return await reportForeign(host, file, format);
  } finally {
    await file.close();
  }
}

async function reportQcow2(file: ImageFile, repair: RepairKind | undefined): Promise<CheckReport> {
  const { before, after, droppedEntries, header } = await checkQcow2(file, repair);
  return {
    path: file.path,
    format: 'qcow2',
    problems: after.problems.told,
    problemCount: after.problems.count,
    leakedClusters: after.leakedClusters,
    dirty: header.dirty,
    corrupt: header.corrupt,
    repaired:
      repair === undefined
        ? null
        : {
            problems: before.problems.count - after.problems.count,
            leakedClusters: before.leakedClusters - after.leakedClusters,
            droppedEntries,
          },
    dataClusters: after.dataClusters,
    compressedClusters: after.compressedClusters,
    endBytes: after.endCluster * header.clusterBytes,
  };
}

/** Formats that are only read: every block has to be where its table says. */
async function reportForeign(
  host: ImageHost,
  file: ImageFile,
  format: Exclude<ImageFormat, 'qcow2'>,
): Promise<CheckReport> {
  const problems: string[] = [];
  let problemCount = 0;
  let dataClusters = 0;
  if (format !== 'raw') {
    const { sizeBytes, blockBytes, locate, absentRun } = await layoutOf(host, file, format);
    const tell = (message: string): void => {
      if (++problemCount <= MAX_TOLD) problems.push(message);
    };
    for (let block = 0; block * blockBytes < sizeBytes && problemCount < MAX_PROBLEMS;) {
      const absent = absentRun?.(block) ?? 0;
      block += absent;
      if (absent > 0) continue;
      try {
        const place = await locate(block);
        if (place.kind !== 'zero') dataClusters++;
        if (place.kind === 'packed') await place.read();
      } catch (cause) {
        if (!(cause instanceof ImageError) || cause.code !== 'BAD') throw cause;
        tell(cause.message);
      }
      block++;
      if (dataClusters * SECTOR_BYTES <= file.end) continue;
      tell(`${file.path}: it has more blocks than the file has room for`);
      break;
    }
  }
  return {
    path: file.path,
    format,
    problems,
    problemCount,
    leakedClusters: 0,
    dirty: false,
    corrupt: false,
    repaired: null,
    dataClusters: format === 'raw' ? null : dataClusters,
    compressedClusters: null,
    endBytes: file.end,
  };
}
