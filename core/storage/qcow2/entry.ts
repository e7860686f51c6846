/** Entries of L1 and L2 tables, qcow2.rst "Cluster mapping". Two 32-bit halves each: bit 63 is in the high one. */
import type { Qcow2Header } from './header';

/** In the high half: the reference count is 1, so the cluster may be written in place. */
export const QCOW_OFLAG_COPIED = 0x80000000;
/** In the high half: the descriptor is that of compressed data. */
const QCOW_OFLAG_COMPRESSED = 0x40000000;
/** In the low half: reads as zeros (version 3). */
export const QCOW_OFLAG_ZERO = 1;

const L2E_OFFSET_HIGH = 0x00ffffff;
const L2E_OFFSET_LOW = 0xfffffe00;
const L2E_RESERVED_HIGH = 0x3f000000;
const L2E_RESERVED_LOW = 0x1fe;
const L1E_RESERVED_HIGH = 0x7f000000;
const L1E_RESERVED_LOW = 0x1ff;

/** What an L2 entry says of its cluster; `host` is an offset in the file. */
export type Mapping =
  | { readonly kind: 'data'; readonly host: number; readonly copied: boolean }
  /** Reads as zeros; `host` is a cluster kept for it, or 0. */
  | { readonly kind: 'zero'; readonly host: number; readonly copied: boolean }
  /** Not in this file. */
  | { readonly kind: 'hole' }
  | { readonly kind: 'compressed'; readonly host: number; readonly bytes: number }
  /** Nothing a well-formed image has. */
  | { readonly kind: 'bad' };

const HOLE: Mapping = { kind: 'hole' };
const BAD: Mapping = { kind: 'bad' };

/** Reads the L2 entry `index`. Offsets are checked for alignment and reserved bits, not against the length of the file. */
export function readMapping(view: DataView, index: number, header: Qcow2Header): Mapping {
  const high = view.getUint32(index * 8);
  const low = view.getUint32(index * 8 + 4);
  if (high === 0 && low === 0) return HOLE;
  if (high & QCOW_OFLAG_COMPRESSED) return readCompressed(high, low, header.clusterBits);
  const zero = (low & QCOW_OFLAG_ZERO) !== 0;
  if (high & L2E_RESERVED_HIGH || low & L2E_RESERVED_LOW || (zero && header.version < 3))
    return BAD;
  const host = (high & L2E_OFFSET_HIGH) * 2 ** 32 + ((low & L2E_OFFSET_LOW) >>> 0);
  if (host % header.clusterBytes !== 0) return BAD;
  const copied = (high & QCOW_OFLAG_COPIED) !== 0;
  if (zero) return { kind: 'zero', host, copied };
  return host === 0 ? HOLE : { kind: 'data', host, copied };
}

/** The offset takes the bits below `70 - clusterBits`, the number of further sectors those up to 61. */
function readCompressed(high: number, low: number, clusterBits: number): Mapping {
  if (high & QCOW_OFLAG_COPIED) return BAD;
  const offsetBits = 70 - clusterBits - 32;
  const host = (high & ((1 << offsetBits) - 1)) * 2 ** 32 + low;
  const sectors = ((high & 0x3fffffff) >>> offsetBits) + 1;
  return { kind: 'compressed', host, bytes: sectors * 512 - (host % 512) };
}

/** Writes an entry of a whole cluster; `flags` are those of the low half. */
export function writeEntry(
  view: DataView,
  index: number,
  host: number,
  copied: boolean,
  flags = 0,
): void {
  const high = Math.floor(host / 2 ** 32) | (copied ? QCOW_OFLAG_COPIED : 0);
  view.setUint32(index * 8, high >>> 0);
  view.setUint32(index * 8 + 4, ((host % 2 ** 32) | flags) >>> 0);
}

/** An L1 entry: where its L2 table is (0: nowhere) and whether that is this table's own. */
export interface L1Entry {
  readonly offset: number;
  readonly copied: boolean;
}

/** Undefined when the entry is none that a well-formed image has. */
export function readL1Entry(
  view: DataView,
  index: number,
  clusterBytes: number,
): L1Entry | undefined {
  const high = view.getUint32(index * 8);
  const low = view.getUint32(index * 8 + 4);
  if (high & L1E_RESERVED_HIGH || low & L1E_RESERVED_LOW) return undefined;
  const offset = (high & L2E_OFFSET_HIGH) * 2 ** 32 + low;
  if (offset % clusterBytes !== 0) return undefined;
  return { offset, copied: (high & QCOW_OFLAG_COPIED) !== 0 };
}
