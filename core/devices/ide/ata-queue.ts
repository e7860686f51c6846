/**
 * Native command queuing of a SATA disk: many reads and writes under way.
 * Document: Serial ATA 3.0, section 13.6 (READ and WRITE FPDMA QUEUED, queued error log).
 */
import type { BlockBackend, BlockError } from '../../hw';
import { BufferPool } from '../buffer-pool';
import type { MemoryPieces } from '../memory-pieces';
import { ERROR_ABRT, ERROR_IDNF, ERROR_UNC, ERROR_WP, SECTOR_BYTES } from './ata-regs';

/** Bytes of a command moved in one request to the image: bounds the buffers of a disk (32 commands). */
const CHUNK_BYTES = 1 << 20;

/** A queued command. Data goes in order, in pieces. */
export interface QueuedCommand {
  readonly tag: number;
  readonly write: boolean;
  /** Forced unit access, or the write cache is off: ends when the data is durable. */
  readonly durable: boolean;
  readonly lba: number;
  readonly sectors: number;
  /** Where all of it lies or goes; undefined where the host has not as much memory for it. */
  pieces(bytes: number): MemoryPieces | undefined;
  /** So many bytes of the pieces were moved. */
  moved(bytes: number): void;
  toHost(data: Uint8Array): void;
  /** False when the host has no data for all of `target`. */
  fromHost(target: Uint8Array): boolean;
  /** Called once, unless the queue is cancelled: bits of the error register, 0 for none. */
  done(error: number): void;
}

/** What log page 10h tells of the command that stopped the queue. */
export interface QueuedError {
  tag: number;
  error: number;
  lba: number;
}

type Done = (error?: BlockError) => void;

export class AtaQueue {
  lastError: QueuedError | undefined;
  private readonly waiting: QueuedCommand[] = [];
  private readonly buffers = new BufferPool();
  private epoch = 0;
  /** Requests to the image under way, and those of them that were cancelled: these go first. */
  private calls = 0;
  private stale = 0;

  constructor(
    private readonly backend: BlockBackend,
    private readonly totalSectors: number,
  ) {}

  submit(command: QueuedCommand): void {
    this.backend.manyAtOnce = true;
    if (this.stale > 0) this.waiting.push(command);
    else this.start(command);
  }

  /** Forgets all commands. */
  cancel(): void {
    this.epoch++;
    this.stale += this.calls;
    this.calls = 0;
    this.waiting.length = 0;
  }

  private start(command: QueuedCommand): void {
    const { lba, sectors, write } = command;
    if (lba + sectors > this.totalSectors) return this.fail(command, ERROR_IDNF);
    if (write && this.backend.readOnly) return this.fail(command, ERROR_ABRT | ERROR_WP);
    if (this.moveDirect(command)) return;
    if (write) this.write(command, 0);
    else this.read(command, 0);
  }

  /** Moves all data between image and memory with no buffer between; false when that cannot be. */
  private moveDirect(command: QueuedCommand): boolean {
    const { backend } = this;
    const { lba, sectors, write } = command;
    if (!backend.readPieces || !backend.writePieces) return false;
    const bytes = sectors * SECTOR_BYTES;
    const pieces = command.pieces(bytes);
    const views = pieces?.views();
    if (!pieces || !views) return false;
    const offset = lba * SECTOR_BYTES;
    const taken = this.call(
      command,
      write ? ERROR_ABRT : ERROR_UNC,
      (done) =>
        write
          ? backend.writePieces?.(offset, views, done)
          : backend.readPieces?.(offset, views, done),
      () => {
        if (write && command.durable) this.flush(command);
        else command.done(0);
      },
    );
    if (!taken) return false;
    command.moved(bytes);
    if (!write) pieces.overwritten();
    return true;
  }

  private read(command: QueuedCommand, at: number): void {
    const bytes = command.sectors * SECTOR_BYTES;
    const part = this.buffers.take(Math.min(bytes - at, CHUNK_BYTES));
    const offset = command.lba * SECTOR_BYTES + at;
    this.call(
      command,
      ERROR_UNC,
      (done) => this.backend.read(offset, part, done),
      () => {
        command.toHost(part);
        this.buffers.give(part);
        if (at + part.length < bytes) this.read(command, at + part.length);
        else command.done(0);
      },
    );
  }

  private write(command: QueuedCommand, at: number): void {
    const bytes = command.sectors * SECTOR_BYTES;
    const part = this.buffers.take(Math.min(bytes - at, CHUNK_BYTES));
    if (!command.fromHost(part)) return this.fail(command, ERROR_ABRT);
    const offset = command.lba * SECTOR_BYTES + at;
    this.call(
      command,
      ERROR_ABRT,
      (done) => this.backend.write(offset, part, done),
      () => {
        this.buffers.give(part);
        if (at + part.length < bytes) this.write(command, at + part.length);
        else if (command.durable) this.flush(command);
        else command.done(0);
      },
    );
  }

  private flush(command: QueuedCommand): void {
    this.call(
      command,
      ERROR_ABRT,
      (done) => this.backend.flush(done),
      () => command.done(0),
    );
  }

  /** False when the back end declines. */
  private call(
    command: QueuedCommand,
    code: number,
    start: (done: Done) => boolean | undefined | void,
    then: () => void,
  ): boolean {
    const { epoch } = this;
    this.calls++;
    const taken = start((error) => {
      if (epoch !== this.epoch) {
        this.stale--;
        if (this.stale === 0) for (const next of this.waiting.splice(0)) this.start(next);
        return;
      }
      this.calls--;
      if (error) this.fail(command, code);
      else then();
    });
    if (taken === false) this.calls--;
    return taken !== false;
  }

  /** An error ends all commands of the queue; the host reads the log and starts over (13.6.4). */
  private fail(command: QueuedCommand, error: number): void {
    this.cancel();
    this.lastError = { tag: command.tag, error, lba: command.lba };
    command.done(error);
  }
}
