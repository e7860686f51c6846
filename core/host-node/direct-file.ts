import { readSync, readvSync, writeSync, writevSync } from 'node:fs';

/** A file that another thread of the process holds open, read and written without leaving the calling thread, which waits. */
export class DirectFile {
  /** `descriptor` is `OpenFile.descriptor`; nobody may use this object once that file is closed. */
  constructor(private readonly descriptor: number) {}

  /** Fills `target`; false when not all of it could be read. */
  read(offset: number, target: Uint8Array): boolean {
    try {
      return readSync(this.descriptor, target, 0, target.length, offset) === target.length;
    } catch {
      return false;
    }
  }

  /** Fills all of `pieces`, which are `length` bytes; false when not all of it could be read. */
  readPieces(offset: number, pieces: readonly Uint8Array[], length: number): boolean {
    const [only] = pieces;
    if (pieces.length === 1 && only) return this.read(offset, only);
    try {
      return readvSync(this.descriptor, pieces, offset) === length;
    } catch {
      return false;
    }
  }

  /** Writes all of `pieces`, which are `length` bytes; false when not all of it could be written. */
  writePieces(offset: number, pieces: readonly Uint8Array[], length: number): boolean {
    const [only] = pieces;
    if (pieces.length === 1 && only) return this.write(offset, only);
    try {
      return writevSync(this.descriptor, pieces, offset) === length;
    } catch {
      return false;
    }
  }

  /** Writes `source`; false when not all of it could be written. */
  write(offset: number, source: Uint8Array): boolean {
    try {
      return writeSync(this.descriptor, source, 0, source.length, offset) === source.length;
    } catch {
      return false;
    }
  }
}
