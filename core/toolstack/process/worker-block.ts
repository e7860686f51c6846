import type { BlockBackend, BlockError } from '../../hw';
import type { BlockOperation, FromWorker, ToWorker, WorkerDisk } from './worker-messages';
import type { WorkerPort } from './worker-port';

type Done = (error?: BlockError) => void;
type BlockDone = Extract<ToWorker, { type: 'block-done' }>;

/** Largest single request to the event loop: bounds the private buffers that are in flight. */
const MAX_REQUEST_BYTES = 16 << 20;

interface Waiting {
  readonly done: Done;
  /** Where read data goes. */
  readonly target: Uint8Array | null;
}

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

/** Block requests of all drives on their way through the event loop. Every request carries its own private copy of the data. */
export class BlockClient {
  private nextId = 1;
  private readonly waiting = new Map<number, Waiting>();

  constructor(private readonly port: WorkerPort) {}

  /** Requests that the event loop has not answered. */
  get inFlight(): number {
    return this.waiting.size;
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
    const id = this.nextId++;
    this.waiting.set(id, { done, target });
    this.post(id, disk, operation, offset, length, source);
  }

  /** Sends a request and sleeps until it is answered; for firmware services. */
  submitNow(
    disk: number,
    operation: BlockOperation,
    offset: number,
    length: number,
    source: Uint8Array | null,
  ): BlockDone {
    const id = this.nextId++;
    this.post(id, disk, operation, offset, length, source);
    const message = this.port.waitFor(
      (candidate) => candidate.type === 'block-done' && candidate.id === id,
    );
    return message as BlockDone;
  }

  complete(message: BlockDone): void {
    const request = this.waiting.get(message.id);
    if (!request) return;
    this.waiting.delete(message.id);
    if (message.error) return request.done(message.error);
    if (request.target && message.data) request.target.set(message.data);
    request.done();
  }

  private post(
    id: number,
    disk: number,
    operation: BlockOperation,
    offset: number,
    length: number,
    source: Uint8Array | null,
  ): void {
    const message: FromWorker = { type: 'block', id, disk, operation, offset, length };
    if (!source) return this.port.post(message);
    const data = new Uint8Array(source);
    this.port.post({ ...message, data }, [data.buffer]);
  }
}

/** One drive's image, as device models in the worker use it. */
export class WorkerBlockBackend implements BlockBackend {
  readonly sizeBytes: number;
  readonly readOnly: boolean;

  constructor(
    private readonly client: BlockClient,
    private readonly index: number,
    private readonly disk: WorkerDisk,
  ) {
    this.sizeBytes = disk.sizeBytes;
    this.readOnly = disk.readOnly;
  }

  read(offset: number, target: Uint8Array, done: Done): void {
    this.client.submit(this.index, 'read', offset, target.length, null, target, done);
  }

  write(offset: number, source: Uint8Array, done: Done): void {
    this.client.submit(this.index, 'write', offset, source.length, source, null, done);
  }

  flush(done: Done): void {
    this.client.submit(this.index, 'flush', 0, 0, null, null, done);
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
    const answer = this.client.submitNow(this.index, 'read', offset, length, null);
    if (answer.error) throw new BlockFailure(answer.error.code, answer.error.message);
    return answer.data ?? new Uint8Array(length);
  }

  writeNow(offset: number, source: Uint8Array): void {
    const answer = this.client.submitNow(this.index, 'write', offset, source.length, source);
    if (answer.error) throw new BlockFailure(answer.error.code, answer.error.message);
  }
}
