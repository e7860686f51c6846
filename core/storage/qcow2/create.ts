/** New qcow2 images: header, reference counts and an empty L1 table. */
import type { FileHost } from '../../host';
import { encodeUtf8, roundUp, viewOf, writeU64 } from '../bytes';
import { badImage, checkSize } from '../image-file';
import { createFile } from '../raw';
import {
  EXT_BACKING_FORMAT,
  EXT_FEATURE_TABLE,
  l1EntriesFor,
  MAX_L1_BYTES,
  QCOW_MAGIC,
  V2_HEADER_BYTES,
} from './header';
import { countsPerBlock, writeCount } from './refcount-block';

/** With QEMU's further field of the compression type, rounded up to 8. */
const HEADER_BYTES = 112;

export interface CreateQcow2Options {
  readonly path: string;
  readonly sizeBytes: number;
  /** A power of two, 512 bytes to 2 MiB; 64 KiB when absent. */
  readonly clusterBytes?: number;
  /** 2 for programs that know no other; 3 when absent. */
  readonly version?: 2 | 3;
  /** Width of a reference count is `1 << refcountOrder` bits; 4 (16 bits) when absent. */
  readonly refcountOrder?: number;
  /** The image below this one: its name as it is to be stored, and its format, one of QEMU's names. */
  readonly backing?: { readonly name: string; readonly format: string };
}

/** Names of feature bits, for programs that do not know them: type (0 incompatible, 1 compatible, 2 autoclear), bit, name. */
const FEATURES: readonly (readonly [type: number, bit: number, name: string])[] = [
  [0, 0, 'dirty bit'],
  [0, 1, 'corrupt bit'],
  [0, 2, 'external data file'],
  [0, 3, 'compression type'],
  [0, 4, 'extended L2 entries'],
  [1, 0, 'lazy refcounts'],
  [2, 0, 'bitmaps'],
];

function featureTable(): Uint8Array {
  const bytes = new Uint8Array(FEATURES.length * 48);
  FEATURES.forEach(([type, bit, name], i) => {
    bytes[i * 48] = type;
    bytes[i * 48 + 1] = bit;
    bytes.set(encodeUtf8(name), i * 48 + 2);
  });
  return bytes;
}

/** Where things are in a new image, in clusters: header, refcount table, refcount blocks, L1 table. */
interface Layout {
  readonly tableClusters: number;
  readonly blocks: number;
  readonly l1Clusters: number;
  readonly clusters: number;
}

function layOut(l1Bytes: number, clusterBytes: number, perBlock: number): Layout {
  const l1Clusters = Math.max(1, Math.ceil(l1Bytes / clusterBytes));
  let blocks = 1;
  for (;;) {
    const tableClusters = Math.ceil((blocks * 8) / clusterBytes);
    const clusters = 1 + tableClusters + blocks + l1Clusters;
    const needed = Math.ceil(clusters / perBlock);
    if (needed <= blocks) return { tableClusters, blocks, l1Clusters, clusters };
    blocks = needed;
  }
}

/** Creates an empty qcow2 image; fails when the path exists. */
export async function createQcow2(files: FileHost, options: CreateQcow2Options): Promise<void> {
  const { path, sizeBytes, clusterBytes = 65536, version = 3, refcountOrder = 4 } = options;
  checkSize(path, sizeBytes);
  const clusterBits = Math.log2(clusterBytes);
  if (!Number.isInteger(clusterBits) || clusterBits < 9 || clusterBits > 21)
    throw badImage(
      path,
      `clusters of ${clusterBytes} bytes are not possible; qcow2 has 512 bytes to 2 MiB, by powers of two`,
    );
  if (refcountOrder < 0 || refcountOrder > 6 || (version === 2 && refcountOrder !== 4))
    throw badImage(path, 'reference counts of this width are not possible');
  const l1Entries = l1EntriesFor(sizeBytes, clusterBytes);
  if (l1Entries * 8 > MAX_L1_BYTES)
    throw badImage(
      path,
      `a disk of ${sizeBytes} bytes needs larger clusters than ${clusterBytes} bytes`,
    );
  const perBlock = countsPerBlock({ clusterBytes, refcountOrder });
  const layout = layOut(l1Entries * 8, clusterBytes, perBlock);
  const firstBlock = 1 + layout.tableClusters;
  const header = encodeHeader(options, {
    clusterBits,
    version,
    refcountOrder,
    l1Entries,
    l1Offset: (firstBlock + layout.blocks) * clusterBytes,
    reftableClusters: layout.tableClusters,
  });
  if (header.length > clusterBytes)
    throw badImage(
      path,
      `the name of the backing file does not fit a cluster of ${clusterBytes} bytes`,
    );
  await createFile(files, path, async (file) => {
    await file.truncate(layout.clusters * clusterBytes);
    const table = new Uint8Array(layout.tableClusters * clusterBytes);
    for (let i = 0; i < layout.blocks; i++) {
      writeU64(viewOf(table), i * 8, (firstBlock + i) * clusterBytes);
      const block = new Uint8Array(clusterBytes);
      const used = Math.min(perBlock, layout.clusters - i * perBlock);
      for (let at = 0; at < used; at++) writeCount(viewOf(block), at, refcountOrder, 1);
      await file.write((firstBlock + i) * clusterBytes, block);
    }
    await file.write(clusterBytes, table);
    await file.write(0, header);
  });
}

interface HeaderFields {
  readonly clusterBits: number;
  readonly version: 2 | 3;
  readonly refcountOrder: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly reftableClusters: number;
}

function encodeHeader(options: CreateQcow2Options, fields: HeaderFields): Uint8Array<ArrayBuffer> {
  const { backing } = options;
  const { version, clusterBits } = fields;
  const start = version === 3 ? HEADER_BYTES : V2_HEADER_BYTES;
  const extensions: [number, Uint8Array][] = [];
  if (backing) extensions.push([EXT_BACKING_FORMAT, encodeUtf8(backing.format)]);
  // The table is for information and is left out where a cluster has no room for it.
  if (version === 3 && clusterBits >= 12) extensions.push([EXT_FEATURE_TABLE, featureTable()]);
  const name = encodeUtf8(backing?.name ?? '');
  if (name.length > 1023) throw badImage(options.path, 'the name of the backing file is too long');
  const nameAt =
    start + extensions.reduce((sum, [, data]) => sum + 8 + roundUp(data.length, 8), 0) + 8;
  const bytes = new Uint8Array(roundUp(nameAt + name.length, 8));
  const view = viewOf(bytes);
  view.setUint32(0, QCOW_MAGIC);
  view.setUint32(4, version);
  if (backing) {
    writeU64(view, 8, nameAt);
    view.setUint32(16, name.length);
    bytes.set(name, nameAt);
  }
  view.setUint32(20, clusterBits);
  writeU64(view, 24, options.sizeBytes);
  view.setUint32(36, fields.l1Entries);
  writeU64(view, 40, fields.l1Offset);
  writeU64(view, 48, 2 ** clusterBits);
  view.setUint32(56, fields.reftableClusters);
  if (version === 3) {
    view.setUint32(96, fields.refcountOrder);
    view.setUint32(100, HEADER_BYTES);
  }
  let at = start;
  for (const [type, data] of extensions) {
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + roundUp(data.length, 8);
  }
  return bytes;
}
