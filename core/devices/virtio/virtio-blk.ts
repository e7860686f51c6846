/**
 * Virtio block device.
 * Document: VIRTIO 1.2, section 5.2. Scope: read, write, flush, discard, write zeroes, device ID, write cache switch,
 * many requests under way. Missing: several queues, secure erase, lifetime, zones.
 */
import type { BlockBackend, BlockError } from '../../hw';
import { BufferPool } from '../buffer-pool';
import { gather, piecesOf, scatter, totalBytes, type Segment } from './scatter';
import type { VirtioDevice, VirtioTransport } from './virtio-device';
import { VIRTIO_ID_BLOCK } from './virtio-regs';
import type { VirtChain } from './virtqueue';

const SECTOR_BYTES = 512;
const QUEUE_SIZE = 256;
/** Descriptors a request may have besides header and status. */
const SEG_MAX = QUEUE_SIZE - 2;
/** Requests under way at a time, and bytes of each in one go: bounds the buffers of a disk (64 MiB). */
const MAX_ACTIVE = 64;
const CHUNK_BYTES = 1 << 20;
/** Bytes discarded or zeroed in one call of the back end. */
const MAX_RANGE_BYTES = 1 << 30;
/** Ranges of one discard or write-zeroes request. */
const MAX_RANGES = 32;
const RANGE_BYTES = 16;
const WRITE_ZEROES_FLAG_UNMAP = 1;

// Feature bits, 5.2.3.
const VIRTIO_BLK_F_SEG_MAX = 2;
const VIRTIO_BLK_F_GEOMETRY = 4;
const VIRTIO_BLK_F_RO = 5;
const VIRTIO_BLK_F_BLK_SIZE = 6;
export const VIRTIO_BLK_F_FLUSH = 9;
const VIRTIO_BLK_F_TOPOLOGY = 10;
export const VIRTIO_BLK_F_CONFIG_WCE = 11;
export const VIRTIO_BLK_F_DISCARD = 13;
export const VIRTIO_BLK_F_WRITE_ZEROES = 14;

// Configuration space, 5.2.4.
const CONFIG_BYTES = 60;
const CONFIG_CAPACITY = 0;
const CONFIG_SEG_MAX = 12;
const CONFIG_CYLINDERS = 16;
const CONFIG_HEADS = 18;
const CONFIG_SECTORS = 19;
const CONFIG_BLK_SIZE = 20;
const CONFIG_PHYSICAL_BLOCK_EXP = 24;
const CONFIG_MIN_IO_SIZE = 26;
const CONFIG_WRITEBACK = 32;
const CONFIG_NUM_QUEUES = 34;
const CONFIG_MAX_DISCARD_SECTORS = 36;
const CONFIG_MAX_DISCARD_SEG = 40;
const CONFIG_DISCARD_ALIGNMENT = 44;
const CONFIG_MAX_WRITE_ZEROES_SECTORS = 48;
const CONFIG_MAX_WRITE_ZEROES_SEG = 52;
const CONFIG_WRITE_ZEROES_MAY_UNMAP = 56;

// Requests, 5.2.6.
const HEADER_BYTES = 16;
const VIRTIO_BLK_T_IN = 0;
const VIRTIO_BLK_T_OUT = 1;
const VIRTIO_BLK_T_FLUSH = 4;
const VIRTIO_BLK_T_GET_ID = 8;
const VIRTIO_BLK_T_DISCARD = 11;
const VIRTIO_BLK_T_WRITE_ZEROES = 13;
const VIRTIO_BLK_S_OK = 0;
const VIRTIO_BLK_S_IOERR = 1;
const VIRTIO_BLK_S_UNSUPP = 2;
const VIRTIO_BLK_ID_BYTES = 20;

export interface VirtioBlkConfig {
  /** At most 20 ASCII characters. */
  readonly serial: string;
}

export interface VirtioBlkState {
  version: 1;
  writeback: boolean;
  /** Heads of the chains that are under way. */
  active: number[];
}

/** A request at work. */
interface Request {
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
  /** Bytes that the device writes before the status byte. */
  readonly dataIn: number;
  readonly dataOut: number;
}

type Done = (error?: BlockError) => void;

export class VirtioBlk implements VirtioDevice {
  readonly deviceType = VIRTIO_ID_BLOCK;
  readonly pciClass = 0x010000;
  readonly queueSizes = [QUEUE_SIZE];
  readonly features: readonly number[];
  readonly config = new Uint8Array(CONFIG_BYTES);
  readonly counters = { reads: 0, writes: 0, flushes: 0, discards: 0, errors: 0 };
  private readonly view = new DataView(this.config.buffer);
  private transport: VirtioTransport | undefined;
  private readonly active = new Map<number, Request>();
  private readonly buffers = new BufferPool();
  /** Answers of the back end that are still to come for requests that a reset forgot: they go first. */
  private stale = 0;
  private calls = 0;
  private epoch = 0;

  constructor(
    private readonly backend: BlockBackend,
    private readonly settings: VirtioBlkConfig,
  ) {
    const features = [
      VIRTIO_BLK_F_SEG_MAX,
      VIRTIO_BLK_F_GEOMETRY,
      VIRTIO_BLK_F_BLK_SIZE,
      VIRTIO_BLK_F_FLUSH,
      VIRTIO_BLK_F_TOPOLOGY,
      VIRTIO_BLK_F_CONFIG_WCE,
    ];
    if (backend.readOnly) features.push(VIRTIO_BLK_F_RO);
    else {
      features.push(VIRTIO_BLK_F_WRITE_ZEROES);
      if (backend.discard) features.push(VIRTIO_BLK_F_DISCARD);
    }
    this.features = features;
    this.fillConfig();
  }

  attach(transport: VirtioTransport): void {
    this.transport = transport;
  }

  writeConfig(offset: number, _length: number, value: number): void {
    // Turning the cache off needs no flush here: the driver sends one (5.2.5.2), and later writes are durable.
    if (offset === CONFIG_WRITEBACK) this.config[CONFIG_WRITEBACK] = value & 1;
  }

  start(): void {}

  notify(): void {
    const { transport } = this;
    if (!transport) return;
    const queue = transport.queue(0);
    for (let i = 0; i < QUEUE_SIZE && this.stale === 0 && this.calls < MAX_ACTIVE; i++) {
      const chain = queue.pop();
      if (!chain) break;
      this.begin(chain);
    }
    transport.signal(0);
  }

  reset(): void {
    this.epoch++;
    this.stale += this.calls;
    this.calls = 0;
    this.active.clear();
    this.config[CONFIG_WRITEBACK] = 1;
  }

  save(): VirtioBlkState {
    return {
      version: 1,
      writeback: this.config[CONFIG_WRITEBACK] === 1,
      active: [...this.active.keys()],
    };
  }

  /** Requests that were under way are made again: their chains still lie in guest memory. */
  restore(state: VirtioBlkState): void {
    this.config[CONFIG_WRITEBACK] = state.writeback ? 1 : 0;
    for (const head of state.active) {
      const chain = this.transport?.queue(0).chain(head);
      if (chain) this.begin(chain);
    }
  }

  private fillConfig(): void {
    const { view, backend } = this;
    const sectors = Math.floor(backend.sizeBytes / SECTOR_BYTES);
    view.setBigUint64(CONFIG_CAPACITY, BigInt(sectors), true);
    view.setUint32(CONFIG_SEG_MAX, SEG_MAX, true);
    view.setUint16(CONFIG_CYLINDERS, Math.min(Math.floor(sectors / (16 * 63)), 65535), true);
    view.setUint8(CONFIG_HEADS, 16);
    view.setUint8(CONFIG_SECTORS, 63);
    view.setUint32(CONFIG_BLK_SIZE, SECTOR_BYTES, true);
    // Physical blocks of 4 KiB: guests align to the image's clusters and the host's pages.
    view.setUint8(CONFIG_PHYSICAL_BLOCK_EXP, 3);
    view.setUint16(CONFIG_MIN_IO_SIZE, 8, true);
    view.setUint8(CONFIG_WRITEBACK, 1);
    view.setUint16(CONFIG_NUM_QUEUES, 1, true);
    const most = MAX_RANGE_BYTES / SECTOR_BYTES;
    view.setUint32(CONFIG_MAX_DISCARD_SECTORS, most, true);
    view.setUint32(CONFIG_MAX_DISCARD_SEG, MAX_RANGES, true);
    view.setUint32(CONFIG_DISCARD_ALIGNMENT, 8, true);
    // Zeros that have to be written out are asked for in smaller pieces.
    const zeroes = backend.writeZeroes ? most : (16 * CHUNK_BYTES) / SECTOR_BYTES;
    view.setUint32(CONFIG_MAX_WRITE_ZEROES_SECTORS, zeroes, true);
    view.setUint32(CONFIG_MAX_WRITE_ZEROES_SEG, MAX_RANGES, true);
    view.setUint8(CONFIG_WRITE_ZEROES_MAY_UNMAP, backend.writeZeroes ? 1 : 0);
  }

  private begin(chain: VirtChain): void {
    const dataIn = totalBytes(chain.writable) - 1;
    const dataOut = totalBytes(chain.readable) - HEADER_BYTES;
    const { transport } = this;
    // Without header or status byte there is nothing to answer: the driver is broken (5.2.6.1).
    if (!transport || dataIn < 0 || dataOut < 0) {
      transport?.fail();
      return;
    }
    const header = new Uint8Array(HEADER_BYTES);
    gather(transport.memory, chain.readable, 0, header);
    const view = new DataView(header.buffer);
    const request: Request = { ...chain, dataIn, dataOut };
    this.active.set(chain.head, request);
    const sector = view.getUint32(8, true) + view.getUint32(12, true) * 0x1_0000_0000;
    this.run(request, view.getUint32(0, true), sector);
  }

  private run(request: Request, type: number, sector: number): void {
    switch (type) {
      case VIRTIO_BLK_T_IN:
        return this.read(request, sector);
      case VIRTIO_BLK_T_OUT:
        return this.write(request, sector);
      case VIRTIO_BLK_T_FLUSH:
        this.counters.flushes++;
        return this.flush(request);
      case VIRTIO_BLK_T_GET_ID:
        return this.identify(request);
      case VIRTIO_BLK_T_DISCARD:
      case VIRTIO_BLK_T_WRITE_ZEROES:
        return this.ranges(request, type === VIRTIO_BLK_T_DISCARD);
      default:
        return this.end(request, VIRTIO_BLK_S_UNSUPP, 0);
    }
  }

  private read(request: Request, sector: number): void {
    const { backend } = this;
    const bytes = request.dataIn;
    const offset = sector * SECTOR_BYTES;
    if (!this.isInside(offset, bytes)) return this.end(request, VIRTIO_BLK_S_IOERR, 0);
    this.counters.reads++;
    if (this.moveDirect(request, 'read', offset, bytes)) return;
    const buffer = this.buffers.take(Math.min(bytes, CHUNK_BYTES));
    const next = (at: number): void => {
      if (at === bytes) {
        this.buffers.give(buffer);
        return this.end(request, VIRTIO_BLK_S_OK, bytes);
      }
      const part = buffer.subarray(0, Math.min(bytes - at, CHUNK_BYTES));
      this.call(
        request,
        (done) => backend.read(offset + at, part, done),
        () => {
          if (this.transport) scatter(this.transport.memory, request.writable, at, part);
          next(at + part.length);
        },
      );
    };
    next(0);
  }

  private write(request: Request, sector: number): void {
    const { backend, transport } = this;
    const bytes = request.dataOut;
    const offset = sector * SECTOR_BYTES;
    if (!transport || backend.readOnly || !this.isInside(offset, bytes))
      return this.end(request, VIRTIO_BLK_S_IOERR, 0);
    this.counters.writes++;
    if (this.moveDirect(request, 'write', offset, bytes)) return;
    const next = (at: number): void => {
      if (at === bytes) return this.written(request);
      const part = this.buffers.take(Math.min(bytes - at, CHUNK_BYTES));
      gather(transport.memory, request.readable, HEADER_BYTES + at, part);
      this.call(
        request,
        (done) => backend.write(offset + at, part, done),
        () => {
          this.buffers.give(part);
          next(at + part.length);
        },
      );
    };
    next(0);
  }

  /** Reads into the request's memory, or writes from it, with no buffer between; false when that cannot be. */
  private moveDirect(
    request: Request,
    kind: 'read' | 'write',
    offset: number,
    bytes: number,
  ): boolean {
    const { backend, transport } = this;
    if (!transport || !backend.readPieces || !backend.writePieces) return false;
    const isRead = kind === 'read';
    const segments = isRead ? request.writable : request.readable;
    const pieces = piecesOf(transport.memory, segments, isRead ? 0 : HEADER_BYTES, bytes);
    const views = pieces.views();
    if (!views) return false;
    const taken = this.call(
      request,
      (done) =>
        isRead
          ? backend.readPieces?.(offset, views, done)
          : backend.writePieces?.(offset, views, done),
      () => (isRead ? this.end(request, VIRTIO_BLK_S_OK, bytes) : this.written(request)),
    );
    if (taken && isRead) pieces.overwritten();
    return taken;
  }

  /** With the write cache off, or a driver that knows no flush, a write ends when it is durable (5.2.6.2). */
  private written(request: Request): void {
    const cached = this.transport?.has(VIRTIO_BLK_F_FLUSH) && this.config[CONFIG_WRITEBACK] === 1;
    if (cached) this.end(request, VIRTIO_BLK_S_OK, 0);
    else this.flush(request);
  }

  private flush(request: Request): void {
    this.call(
      request,
      (done) => this.backend.flush(done),
      () => this.end(request, VIRTIO_BLK_S_OK, 0),
    );
  }

  private identify(request: Request): void {
    const id = new Uint8Array(VIRTIO_BLK_ID_BYTES);
    for (let i = 0; i < Math.min(this.settings.serial.length, id.length); i++)
      id[i] = this.settings.serial.charCodeAt(i) & 0x7f;
    const bytes = Math.min(request.dataIn, id.length);
    if (this.transport) scatter(this.transport.memory, request.writable, 0, id.subarray(0, bytes));
    this.end(request, VIRTIO_BLK_S_OK, bytes);
  }

  /** DISCARD and WRITE_ZEROES: a list of sector ranges (5.2.6.2). */
  private ranges(request: Request, isDiscard: boolean): void {
    const { backend, transport } = this;
    const count = request.dataOut / RANGE_BYTES;
    const isKnown = !isDiscard || backend.discard !== undefined;
    if (!transport || !isKnown) return this.end(request, VIRTIO_BLK_S_UNSUPP, 0);
    if (backend.readOnly || !Number.isInteger(count) || count < 1 || count > MAX_RANGES)
      return this.end(request, VIRTIO_BLK_S_IOERR, 0);
    const list = new Uint8Array(request.dataOut);
    gather(transport.memory, request.readable, HEADER_BYTES, list);
    const view = new DataView(list.buffer);
    const limit = this.view.getUint32(
      isDiscard ? CONFIG_MAX_DISCARD_SECTORS : CONFIG_MAX_WRITE_ZEROES_SECTORS,
      true,
    );
    for (let at = 0; at < list.length; at += RANGE_BYTES) {
      const sectors = view.getUint32(at + 8, true);
      const flags = view.getUint32(at + 12, true);
      if (flags & (isDiscard ? ~0 : ~WRITE_ZEROES_FLAG_UNMAP))
        return this.end(request, VIRTIO_BLK_S_UNSUPP, 0);
      if (sectors > limit || !this.isInside(rangeOffset(view, at), sectors * SECTOR_BYTES))
        return this.end(request, VIRTIO_BLK_S_IOERR, 0);
    }
    this.counters.discards++;
    const next = (at: number): void => {
      if (at === list.length) return this.written(request);
      const offset = rangeOffset(view, at);
      const bytes = view.getUint32(at + 8, true) * SECTOR_BYTES;
      const then = (): void => next(at + RANGE_BYTES);
      if (bytes === 0) return then();
      if (isDiscard) this.call(request, (done) => backend.discard?.(offset, bytes, done), then);
      else this.zero(request, offset, bytes, (view.getUint32(at + 12, true) & 1) !== 0, then);
    };
    next(0);
  }

  private zero(
    request: Request,
    offset: number,
    bytes: number,
    unmap: boolean,
    then: () => void,
  ): void {
    const { backend } = this;
    if (backend.writeZeroes) {
      this.call(request, (done) => backend.writeZeroes?.(offset, bytes, unmap, done), then);
      return;
    }
    const zeros = new Uint8Array(Math.min(bytes, CHUNK_BYTES));
    const next = (at: number): void => {
      if (at === bytes) return then();
      const part = zeros.subarray(0, Math.min(bytes - at, CHUNK_BYTES));
      this.call(
        request,
        (done) => backend.write(offset + at, part, done),
        () => next(at + part.length),
      );
    };
    next(0);
  }

  private isInside(offset: number, bytes: number): boolean {
    return bytes % SECTOR_BYTES === 0 && offset <= this.backend.sizeBytes - bytes;
  }

  /** Asks the back end for something on behalf of a request, which ends with an error if that fails. False when it declines. */
  private call(
    request: Request,
    start: (done: Done) => boolean | undefined | void,
    then: () => void,
  ): boolean {
    const { epoch } = this;
    this.calls++;
    const taken = start((error) => {
      if (epoch !== this.epoch) {
        this.stale--;
        if (this.stale === 0 && this.transport?.running) this.notify();
        return;
      }
      this.calls--;
      if (error) this.end(request, VIRTIO_BLK_S_IOERR, 0);
      else then();
      if (!this.active.has(request.head)) this.notify();
    });
    if (taken === false) this.calls--;
    return taken !== false;
  }

  private end(request: Request, status: number, bytes: number): void {
    const { transport } = this;
    if (!transport) return;
    if (status !== VIRTIO_BLK_S_OK) this.counters.errors++;
    this.active.delete(request.head);
    scatter(transport.memory, request.writable, request.dataIn, Uint8Array.of(status));
    transport.queue(0).push(request.head, bytes + 1);
  }
}

function rangeOffset(view: DataView, at: number): number {
  const sector = view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
  return sector * SECTOR_BYTES;
}
