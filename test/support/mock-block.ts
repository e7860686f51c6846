import type { BlockBackend, BlockError } from '../../core/hw';

type Done = (error?: BlockError) => void;

/** A disk in an array that answers when it is told to, in any order. */
export class MockBlock implements BlockBackend {
  readonly bytes: Uint8Array;
  readonly log: string[] = [];
  failing: BlockError | undefined;
  private queue: (() => void)[] = [];

  constructor(
    sectors: number,
    readonly readOnly = false,
  ) {
    this.bytes = new Uint8Array(sectors * 512);
    for (let i = 0; i < this.bytes.length; i += 512) this.bytes[i] = (i / 512) & 0xff;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  get waiting(): number {
    return this.queue.length;
  }

  read(offset: number, target: Uint8Array, done: Done): void {
    this.later(`read ${offset} ${target.length}`, done, () => {
      target.set(this.bytes.subarray(offset, offset + target.length));
    });
  }

  write(offset: number, source: Uint8Array, done: Done): void {
    this.later(`write ${offset} ${source.length}`, done, () => this.bytes.set(source, offset));
  }

  flush(done: Done): void {
    this.later('flush', done, () => undefined);
  }

  discard(offset: number, length: number, done: Done): void {
    this.later(`discard ${offset} ${length}`, done, () => undefined);
  }

  writeZeroes(offset: number, length: number, unmap: boolean, done: Done): void {
    this.later(`zero ${offset} ${length}${unmap ? ' unmap' : ''}`, done, () => {
      this.bytes.fill(0, offset, offset + length);
    });
  }

  readNow(offset: number, length: number): Uint8Array {
    return this.bytes.slice(offset, offset + length);
  }

  writeNow(offset: number, source: Uint8Array): void {
    this.bytes.set(source, offset);
  }

  /** Answers everything that waits, and what is asked meanwhile. */
  finish(): void {
    while (this.queue.length > 0) this.finishOne(0);
  }

  finishOne(index: number): void {
    const [run] = this.queue.splice(index, 1);
    run();
  }

  protected answer(what: string, done: Done): void {
    this.later(what, done, () => undefined);
  }

  private later(what: string, done: Done, act: () => void): void {
    this.log.push(what);
    const { failing } = this;
    this.queue.push(() => {
      if (!failing) act();
      done(failing);
    });
  }
}

/** One whose bytes come and go at once, with no buffer between; only the answer waits. */
export class DirectBlock extends MockBlock {
  /** Turns the way without buffer off. */
  declines = false;

  readPieces(offset: number, pieces: readonly Uint8Array[], done: Done): boolean {
    if (this.declines) return false;
    let at = offset;
    for (const piece of pieces) {
      piece.set(this.bytes.subarray(at, at + piece.length));
      at += piece.length;
    }
    this.answer(`read ${offset} into ${pieces.length}`, done);
    return true;
  }

  writePieces(offset: number, pieces: readonly Uint8Array[], done: Done): boolean {
    if (this.declines) return false;
    let at = offset;
    for (const piece of pieces) {
      this.bytes.set(piece, at);
      at += piece.length;
    }
    this.answer(`write ${offset} from ${pieces.length}`, done);
    return true;
  }
}
