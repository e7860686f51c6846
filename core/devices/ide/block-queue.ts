/** One drive's way to its image: one request at a time, and a cancelled one is waited for before the next starts. */
import type { BlockBackend, BlockError } from '../../hw';

type Done = (error?: BlockError) => void;

export class BlockQueue {
  private busy = false;
  private waiting: (() => void) | undefined;
  private ticket = 0;

  /** True while the back end may still touch a buffer it was given. */
  get inFlight(): boolean {
    return this.busy;
  }

  /** Forgets requests: their `done` is not called any more. */
  cancel(): void {
    this.ticket++;
    this.waiting = undefined;
  }

  submit(start: (done: Done) => void, done: Done): void {
    const ticket = this.ticket;
    const run = (): void => {
      this.busy = true;
      start(this.ended(ticket, done));
    };
    if (this.busy) this.waiting = run;
    else run();
  }

  /** Like `submit` for a request that is made now or not at all: `start` tells which. */
  submitNow(start: (done: Done) => boolean, done: Done): boolean {
    if (this.busy) return false;
    this.busy = start(this.ended(this.ticket, done));
    return this.busy;
  }

  /** Called when a request is over: the one that waited starts, or `done` hears of it. */
  private ended(ticket: number, done: Done): Done {
    return (error) => {
      this.busy = false;
      const next = this.waiting;
      this.waiting = undefined;
      if (next) next();
      else if (ticket === this.ticket) done(error);
    };
  }

  read(backend: BlockBackend, offset: number, target: Uint8Array, done: Done): void {
    this.submit((finish) => backend.read(offset, target, finish), done);
  }

  write(backend: BlockBackend, offset: number, source: Uint8Array, done: Done): void {
    this.submit((finish) => backend.write(offset, source, finish), done);
  }

  flush(backend: BlockBackend, done: Done): void {
    this.submit((finish) => backend.flush(finish), done);
  }
}
