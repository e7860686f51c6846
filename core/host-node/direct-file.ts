import { readSync, readvSync, writeSync, writevSync } from 'node:fs';

/** True when a call moved all `length` bytes. */
function moves(length: number, call: () => number): boolean {
  try {
    return call() === length;
  } catch {
    return false;
  }
}

/** A file that another thread of the process holds open, read and written without leaving the calling thread, which waits. */
export class DirectFile {
  /** `descriptor` is `OpenFile.descriptor`; nobody may use this object once that file is closed. */
  constructor(private readonly descriptor: number) {}

  /** Fills `target`; false when not all of it could be read. */
  read(offset: number, target: Uint8Array): boolean {
    return moves(target.length, () => readSync(this.descriptor, target, 0, target.length, offset));
  }

  /** Fills all of `pieces`, which are `length` bytes; false when not all of it could be read. */
  readPieces(offset: number, pieces: readonly Uint8Array[], length: number): boolean {
    const [only] = pieces;
    if (pieces.length === 1 && only) return this.read(offset, only);
    return moves(length, () => readvSync(this.descriptor, pieces, offset));
  }

  /** Writes all of `pieces`, which are `length` bytes; false when not all of it could be written. */
  writePieces(offset: number, pieces: readonly Uint8Array[], length: number): boolean {
    const [only] = pieces;
    if (pieces.length === 1 && only) return this.write(offset, only);
    return moves(length, () => writevSync(this.descriptor, pieces, offset));
  }

  /** Writes `source`; false when not all of it could be written. */
  write(offset: number, source: Uint8Array): boolean {
    return moves(source.length, () => writeSync(this.descriptor, source, 0, source.length, offset));
  }
}
