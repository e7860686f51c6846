import type { BlockBackend, BlockError } from '../../hw';
import { BlockSlots } from './block-slots';
import { DirectDisk } from './direct-disk';
import type { BlockOperation, BlockReply, BlockRequest, WorkerDisk } from './worker-messages';
import type { WorkerPort } from './worker-port';

type Done = (error?: BlockError) => void;

/** Largest single request to the event loop: bounds the private buffers that are in flight. */
const MAX_REQUEST_BYTES = 16 << 20;

interface Waiting {
  readonly done: Done;
  /** Where read data goes. */
  readonly target: Uint8Array | null;
  readonly slot: number | undefined;
}

/** Ends of requests that may be gathered are told when no further one comes for this long, */
const GATHER_MS = 0.04;
/** and after this long at the latest, */
const MAX_GATHER_MS = 0.25;
/** or when there are this many. */
const MAX_GATHERED = 32;

/** A failed request as an exception, for calls that answer at once. */
class BlockFailure extends Error implements BlockError {
  override readonly name = 'BlockFailure';
  constructor(
    readonly code: BlockError['code'],
    message: string,
  ) {
    super(message);
  }
}

/**
 * Block requests of all drives. Those that a plain file answers at once are done here, and their ends told between two
 * slices (`finish`): a guest that has many requests to make gets on with them and hears of their ends together,
 * instead of one by one as if each had taken no time. The others go through the event loop. The first of several goes at once, the others
 * together when the slice is over (`flush`). Data goes through shared memory, or with the messages when that is full.
 */
export class BlockClient {
  /** Bytes that were read and written without the event loop. */
  readonly direct = { readBytes: 0, writtenBytes: 0 };
  /** Called when there is something for `finish`: the slice should end. */
  onFinished?: () => void;
  /** Called when there will be something for `finish` in so many milliseconds: the slice should end then. */
  onGathering?: (ms: number) => void;
  private finished: (() => void)[] = [];
  /** When the first of `finished` was added, and when all of them are to be told. */
  private firstMs = 0;
  private dueMs = 0;
  private nextId = 1;
  private readonly waiting = new Map<number, Waiting>();
  private readonly slots: BlockSlots;
  private unsent: BlockRequest[] = [];
  private transfer: ArrayBuffer[] = [];

  constructor(
    private readonly port: WorkerPort,
    memory: SharedArrayBuffer,
    readonly monotonicMs: () => number,
  ) {
    this.slots = new BlockSlots(memory);
  }

  /** Requests that the event loop has not answered. */
  get inFlight(): number {
    return this.waiting.size;
  }

  /** Will tell the end of a request that is done already: never from inside the device's call. `gather`: it may wait for others. */
  finishLater(done: Done, gather = false): void {
    const isFirst = this.finished.push(done) === 1;
    if (!gather || this.finished.length === MAX_GATHERED) {
      const wasDue = !isFirst && this.dueMs === 0;
      this.dueMs = 0;
      if (!wasDue) this.onFinished?.();
      return;
    }
    if (!isFirst && this.dueMs === 0) return;
    const now = this.monotonicMs();
    if (isFirst) this.firstMs = now;
    this.dueMs = Math.min(now + GATHER_MS, this.firstMs + MAX_GATHER_MS);
    this.onGathering?.(this.dueMs - now);
  }

  /**
   * Tells the ends of requests that were done at once, and of those that follow from them; false when there were none.
   * `all`: the guest waits for them, nothing more is gathered.
   */
  finish(all: boolean): boolean {
    if (this.finished.length === 0 || (!all && this.isGathering)) return false;
    while (this.finished.length > 0) {
      const ends = this.finished;
      this.finished = [];
      for (const done of ends) done();
    }
    return true;
  }

  private get isGathering(): boolean {
    return this.dueMs > 0 && this.monotonicMs() < this.dueMs;
  }

  submit(
    disk: number,
    operation: BlockOperation,
    offset: number,
    length: number,
    source: Uint8Array | null,
    target: Uint8Array | null,
    done: Done,
  ): void {
    const isFirst = this.waiting.size === 0;
    const slot = source || target ? this.slots.take(length) : undefined;
    const id = this.nextId++;
    this.waiting.set(id, { done, target, slot });
    this.put({ id, disk, operation, offset, length }, slot, source);
    if (isFirst) this.flush();
  }

  /** Sends a request and sleeps until it is answered; for firmware services. Returns a private copy of what was read. */
  submitNow(
    disk: number,
    operation: BlockOperation,
    offset: number,
    length: number,
    source: Uint8Array | null,
  ): BlockReply {
    const id = this.nextId++;
    this.put({ id, disk, operation, offset, length }, undefined, source);
    this.flush();
    const isIt = (reply: BlockReply): boolean => reply.id === id;
    const { replies } = this.port.waitFor('block-done', (message) => message.replies.some(isIt));
    const others = replies.filter((reply) => reply.id !== id);
    if (others.length > 0) this.port.defer({ type: 'block-done', replies: others });
    return replies.find(isIt) ?? { id };
  }

  /** Sends what has been submitted since the last time. */
  flush(): void {
    if (this.unsent.length === 0) return;
    const requests = this.unsent;
    const { transfer } = this;
    this.unsent = [];
    this.transfer = [];
    this.port.post({ type: 'block', requests }, transfer);
  }

  complete(replies: readonly BlockReply[]): void {
    for (const { id, data, error } of replies) {
      const request = this.waiting.get(id);
      if (!request) continue;
      const { slot, target, done } = request;
      this.waiting.delete(id);
      if (target && !error) {
        const bytes = slot === undefined ? data : this.slots.view(slot, target.length);
        if (bytes) target.set(bytes);
      }
      if (slot !== undefined) this.slots.give(slot);
      done(error);
    }
  }

  private put(request: BlockRequest, slot: number | undefined, source: Uint8Array | null): void {
    if (slot !== undefined) {
      if (source) this.slots.view(slot, source.length).set(source);
      this.unsent.push({ ...request, slot });
      return;
    }
    if (!source) {
      this.unsent.push(request);
      return;
    }
    const data = new Uint8Array(source);
    this.transfer.push(data.buffer);
    this.unsent.push({ ...request, data });
  }
}

/** One drive's image, as device models in the worker use it. */
export class WorkerBlockBackend implements BlockBackend {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  manyAtOnce = false;
  private readonly direct: DirectDisk | undefined;

  constructor(
    private readonly client: BlockClient,
    private readonly index: number,
    private readonly disk: WorkerDisk,
  ) {
    this.sizeBytes = disk.sizeBytes;
    this.readOnly = disk.readOnly;
    if (disk.plain) this.direct = new DirectDisk(disk.plain, disk.readOnly, client.monotonicMs);
  }

  read(offset: number, target: Uint8Array, done: Done): void {
    if (this.readDirect(offset, target)) return this.client.finishLater(done, this.manyAtOnce);
    this.client.submit(this.index, 'read', offset, target.length, null, target, done);
  }

  write(offset: number, source: Uint8Array, done: Done): void {
    if (this.writeDirect(offset, source)) return this.client.finishLater(done, this.manyAtOnce);
    this.client.submit(this.index, 'write', offset, source.length, source, null, done);
  }

  readPieces(offset: number, pieces: readonly Uint8Array[], done: Done): boolean {
    const length = totalLength(pieces);
    if (!this.direct?.readPieces(offset, pieces, length)) return false;
    this.client.direct.readBytes += length;
    this.client.finishLater(done, this.manyAtOnce);
    return true;
  }

  writePieces(offset: number, pieces: readonly Uint8Array[], done: Done): boolean {
    const length = totalLength(pieces);
    if (!this.direct?.writePieces(offset, pieces, length)) return false;
    this.client.direct.writtenBytes += length;
    this.client.finishLater(done, this.manyAtOnce);
    return true;
  }

  flush(done: Done): void {
    this.client.submit(this.index, 'flush', 0, 0, null, null, (error) => {
      if (error) this.direct?.close();
      done(error);
    });
  }

  discard(offset: number, length: number, done: Done): void {
    this.client.submit(this.index, 'discard', offset, length, null, null, done);
  }

  writeZeroes(offset: number, length: number, _unmap: boolean, done: Done): void {
    this.client.submit(this.index, 'zero', offset, length, null, null, done);
  }

  readNow(offset: number, length: number): Uint8Array {
    if (length > MAX_REQUEST_BYTES)
      throw new BlockFailure('EINVAL', `${this.disk.vdev}: ${length} bytes at once are too many`);
    const bytes = new Uint8Array(length);
    if (this.readDirect(offset, bytes)) return bytes;
    const answer = this.client.submitNow(this.index, 'read', offset, length, null);
    if (answer.error) throw new BlockFailure(answer.error.code, answer.error.message);
    return answer.data ?? bytes.fill(0);
  }

  writeNow(offset: number, source: Uint8Array): void {
    if (this.writeDirect(offset, source)) return;
    const answer = this.client.submitNow(this.index, 'write', offset, source.length, source);
    if (answer.error) throw new BlockFailure(answer.error.code, answer.error.message);
  }

  private readDirect(offset: number, target: Uint8Array): boolean {
    if (!this.direct?.read(offset, target)) return false;
    this.client.direct.readBytes += target.length;
    return true;
  }

  private writeDirect(offset: number, source: Uint8Array): boolean {
    if (!this.direct?.write(offset, source)) return false;
    this.client.direct.writtenBytes += source.length;
    return true;
  }
}

function totalLength(pieces: readonly Uint8Array[]): number {
  let sum = 0;
  for (const { length } of pieces) sum += length;
  return sum;
}
