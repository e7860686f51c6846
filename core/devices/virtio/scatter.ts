/** Guest memory in pieces, as descriptor chains and descriptor tables name it. */
import type { GuestMemory } from '../../hw';
import { MemoryPieces } from '../memory-pieces';

/** A piece of guest memory. The address is whatever the guest wrote: `GuestMemory` checks it. */
export interface Segment {
  readonly gpa: number;
  readonly length: number;
}

/** Bytes in all pieces together. */
export function totalBytes(segments: readonly Segment[]): number {
  let sum = 0;
  for (const { length } of segments) sum += length;
  return sum;
}

/** Fills `target` from the pieces, beginning `skip` bytes into them; returns how many bytes there were. */
export function gather(
  memory: GuestMemory,
  segments: readonly Segment[],
  skip: number,
  target: Uint8Array,
): number {
  return walk(segments, skip, target.length, (gpa, at, length) => {
    memory.readInto(gpa, target.subarray(at, at + length));
  });
}

/** Spreads `source` over the pieces, beginning `skip` bytes into them; returns how many bytes found room. */
export function scatter(
  memory: GuestMemory,
  segments: readonly Segment[],
  skip: number,
  source: Uint8Array,
): number {
  return walk(segments, skip, source.length, (gpa, at, length) => {
    memory.write(gpa, source.subarray(at, at + length));
  });
}

/** The `length` bytes that lie `skip` bytes into the segments. */
export function piecesOf(
  memory: GuestMemory,
  segments: readonly Segment[],
  skip: number,
  length: number,
): MemoryPieces {
  const pieces = new MemoryPieces(memory);
  walk(segments, skip, length, (gpa, _at, bytes) => pieces.add(gpa, bytes));
  return pieces;
}

function walk(
  segments: readonly Segment[],
  skip: number,
  wanted: number,
  move: (gpa: number, at: number, length: number) => void,
): number {
  let left = skip;
  let done = 0;
  for (const { gpa, length } of segments) {
    if (left >= length) {
      left -= length;
      continue;
    }
    if (done === wanted) break;
    const bytes = Math.min(length - left, wanted - done);
    move(gpa + left, done, bytes);
    done += bytes;
    left = 0;
  }
  return done;
}
