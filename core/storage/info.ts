/** What an image file is, without opening it for use. */
import { roundUp } from './bytes';
import type { ImageHost } from './image';
import { ImageFile } from './image-file';
import { layoutOf, resolveBacking, type ImageFormat } from './open-image';
import { readBitmaps } from './qcow2/bitmap-directory';
import { readHeader } from './qcow2/open';
import { readSnapshots } from './qcow2/snapshot-table';

export interface SnapshotInfo {
  readonly id: string;
  readonly name: string;
  readonly takenAtMs: number;
  readonly sizeBytes: number;
  readonly vmStateBytes: number;
}

export interface ImageInfo {
  readonly path: string;
  readonly format: ImageFormat;
  /** Size of the disk that the guest sees. */
  readonly sizeBytes: number;
  readonly fileBytes: number;
  /** What the file takes on the host's disk; null where the host does not tell. */
  readonly allocatedBytes: number | null;
  /** Clusters, grains or blocks; null for raw images. */
  readonly blockBytes: number | null;
  readonly snapshots: readonly SnapshotInfo[];
  readonly qcow2: {
    readonly version: 2 | 3;
    readonly compression: 'zlib' | 'zstd';
    readonly refcountBits: number;
    readonly lazyRefcounts: boolean;
    readonly dirty: boolean;
    readonly corrupt: boolean;
    /** The image below, as this one names it, and where that is; null when it is not there or must not be opened. */
    readonly backing: {
      readonly name: string;
      readonly format: string | null;
      readonly path: string | null;
    } | null;
    readonly bitmaps: readonly { readonly name: string; readonly granularityBytes: number }[];
  } | null;
}

/** Describes an image. It may be in use: what is being changed meanwhile may be told as it was or as it will be. */
export async function describeImage(
  host: ImageHost,
  path: string,
  format: ImageFormat,
): Promise<ImageInfo> {
  const file = await ImageFile.peek(host.files, path);
  try {
    const common = {
      path,
      format,
      fileBytes: file.end,
      allocatedBytes: file.allocatedBytes ?? null,
      snapshots: [],
      qcow2: null,
    };
    if (format === 'raw') return { ...common, sizeBytes: roundUp(file.end, 512), blockBytes: null };
    if (format !== 'qcow2') {
      const { sizeBytes, blockBytes } = await layoutOf(host, file, format);
      return { ...common, sizeBytes, blockBytes };
    }
    return { ...common, ...(await describeQcow2(host, file)) };
  } finally {
    await file.close();
  }
}

async function describeQcow2(
  host: ImageHost,
  file: ImageFile,
): Promise<Pick<ImageInfo, 'sizeBytes' | 'blockBytes' | 'snapshots' | 'qcow2'>> {
  const header = await readHeader(file);
  const { snapshots } = await readSnapshots(file, header);
  const bitmaps = await readBitmaps(file, header);
  const name = header.backingFile;
  const below =
    name === undefined
      ? undefined
      : await resolveBacking(host, file.path, header).catch(() => undefined);
  return {
    sizeBytes: header.sizeBytes,
    blockBytes: header.clusterBytes,
    snapshots: snapshots.map((one) => ({
      id: one.id,
      name: one.name,
      takenAtMs: one.takenAt * 1000 + Math.floor(one.takenAtNs / 1_000_000),
      sizeBytes: one.sizeBytes ?? header.sizeBytes,
      vmStateBytes: one.vmStateBytes,
    })),
    qcow2: {
      version: header.version,
      compression: header.compression,
      refcountBits: 1 << header.refcountOrder,
      lazyRefcounts: header.lazyRefcounts,
      dirty: header.dirty,
      corrupt: header.corrupt,
      backing:
        name === undefined
          ? null
          : { name, format: header.backingFormat ?? null, path: below?.path ?? null },
      bitmaps: bitmaps.map((one) => ({ name: one.name, granularityBytes: one.granularityBytes })),
    },
  };
}

const MAGICS: readonly (readonly [format: ImageFormat, offset: number, hex: string])[] = [
  ['qcow2', 0, '514649fb'],
  ['vmdk', 0, '4b444d56'],
  ['vhd', 0, '636f6e6563746978'],
  ['vdi', 0x40, '7f10dabe'],
];

/**
 * What a file seems to be by its first bytes, for advice to a person who imports it. Never to be opened by: a guest
 * writes what it likes to a raw disk (reliability 2.5.1).
 */
export async function guessFormat(host: ImageHost, path: string): Promise<ImageFormat> {
  const file = await ImageFile.peek(host.files, path);
  try {
    const bytes = await file.read(0, 512);
    const hex = (at: number, length: number): string =>
      [...bytes.subarray(at, at + length)]
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join('');
    const found = MAGICS.find(([, at, magic]) => hex(at, magic.length / 2) === magic);
    return found?.[0] ?? 'raw';
  } finally {
    await file.close();
  }
}
