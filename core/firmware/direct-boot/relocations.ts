/**
 * The relocation tables that Kbuild puts behind a kernel that can run elsewhere than where it was linked.
 * Spec: arch/x86/boot/compressed/misc.c of Linux 6.1, handle_relocations: from the end of the file backwards words that
 * are to grow by the distance, up to a zero; then, for x86-64, words that are to shrink by it (none at all from Linux 6.15
 * on, which ends per-CPU data at zero) and 64-bit words that are to grow. An entry is the linked virtual address of the
 * word, whose upper half is all ones.
 */
import { UnpackError } from '../../xz';

/** A part of a kernel, and where it lies when the kernel is put where it was linked. */
export interface LinkedSegment {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

/** Linked GPAs of what depends on the distance. */
export interface Relocations {
  readonly growing32: Uint32Array;
  readonly shrinking32: Uint32Array;
  readonly growing64: Uint32Array;
}

const NONE = new Uint32Array(0);

/** The tables between `start` and the end of the file, last one first; undefined when they do not fill it. */
function readTables(file: Uint8Array, start: number): Uint32Array[] | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const tables: Uint32Array[] = [];
  let entries: number[] = [];
  let at = file.length;
  while (at - 4 >= start) {
    at -= 4;
    const entry = view.getUint32(at, true);
    if (entry !== 0) entries.push(entry);
    else {
      tables.push(Uint32Array.from(entries));
      entries = [];
    }
  }
  return at === start && entries.length === 0 ? tables : undefined;
}

/**
 * The relocations of a kernel whose ELF file ends at `start`; `linkedBase` is what its virtual addresses have more than
 * its physical ones, modulo 2^32. Undefined for a kernel without.
 * @throws UnpackError when they lie outside of the kernel.
 */
export function findRelocations(
  file: Uint8Array,
  start: number,
  long: boolean,
  linkedBase: number,
  segments: readonly LinkedSegment[],
): Relocations | undefined {
  const tables = readTables(file, start);
  if (tables === undefined || tables.length === 0) return undefined;
  for (const table of tables) {
    for (let i = 0; i < table.length; i++) table[i] -= linkedBase;
  }
  let found: Relocations | undefined;
  if (!long && tables.length === 1)
    found = { growing32: tables[0], shrinking32: NONE, growing64: NONE };
  if (long && tables.length === 2)
    found = { growing32: tables[0], shrinking32: NONE, growing64: tables[1] };
  if (long && tables.length === 3)
    found = { growing32: tables[0], shrinking32: tables[1], growing64: tables[2] };
  if (found === undefined) throw new UnpackError('has relocations of a kind not known here');
  const fits = (table: Uint32Array, width: number): boolean =>
    table.every((gpa) => segmentAt(segments, gpa, width) !== undefined);
  if (!fits(found.growing32, 4) || !fits(found.shrinking32, 4) || !fits(found.growing64, 8))
    throw new UnpackError('relocates what is not in it');
  return found;
}

/** The segment that has all of a word. */
function segmentAt<S extends LinkedSegment>(
  segments: readonly S[],
  gpa: number,
  width: number,
): S | undefined {
  return segments.find((each) => gpa >= each.gpa && gpa + width <= each.gpa + each.bytes.length);
}

/** Changes the segments' bytes for a kernel that runs `distance` bytes above where it was linked. */
export function relocate(
  segments: readonly LinkedSegment[],
  { growing32, shrinking32, growing64 }: Relocations,
  distance: number,
): void {
  const viewed = segments.map(({ gpa, bytes }) => ({
    gpa,
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  }));
  const change = (
    table: Uint32Array,
    width: number,
    word: (view: DataView, at: number) => void,
  ): void => {
    for (const gpa of table) {
      const segment = segmentAt(viewed, gpa, width);
      if (segment) word(segment.view, gpa - segment.gpa);
    }
  };
  change(growing32, 4, (view, at) => view.setUint32(at, view.getUint32(at, true) + distance, true));
  change(shrinking32, 4, (view, at) =>
    view.setUint32(at, view.getUint32(at, true) - distance, true),
  );
  // In halves: BigInts take ten times as long.
  change(growing64, 8, (view, at) => {
    const low = view.getUint32(at, true) + distance;
    view.setUint32(at, low, true);
    if (low >= 2 ** 32) view.setUint32(at + 4, view.getUint32(at + 4, true) + 1, true);
  });
}
