/** Reference counts in their blocks, 1 to 64 bits wide, qcow2.rst "Host cluster management". */
import { readU64, writeU64 } from '../bytes';

/** Count `index` of a refcount block whose counts are `1 << order` bits wide. */
export function readCount(view: DataView, index: number, order: number): number {
  if (order === 4) return view.getUint16(index * 2);
  if (order < 3) {
    const bits = 1 << order;
    const perByte = 8 >> order;
    const shift = (index % perByte) * bits;
    return (view.getUint8(Math.floor(index / perByte)) >> shift) & ((1 << bits) - 1);
  }
  if (order === 3) return view.getUint8(index);
  return order === 5 ? view.getUint32(index * 4) : readU64(view, index * 8);
}

export function writeCount(view: DataView, index: number, order: number, count: number): void {
  if (order === 4) return view.setUint16(index * 2, count);
  if (order === 3) return view.setUint8(index, count);
  if (order === 5) return view.setUint32(index * 4, count);
  if (order === 6) return writeU64(view, index * 8, count);
  const bits = 1 << order;
  const perByte = 8 >> order;
  const shift = (index % perByte) * bits;
  const at = Math.floor(index / perByte);
  const mask = ((1 << bits) - 1) << shift;
  view.setUint8(at, (view.getUint8(at) & ~mask) | (count << shift));
}

export function maxCount(order: number): number {
  return order === 6 ? Number.MAX_SAFE_INTEGER : 2 ** (1 << order) - 1;
}

/** Counts in one refcount block. */
export function countsPerBlock(header: {
  readonly clusterBytes: number;
  readonly refcountOrder: number;
}): number {
  return (header.clusterBytes * 8) >> header.refcountOrder;
}
