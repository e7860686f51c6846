/**
 * ATA disk drive.
 * Document: T13/1532D ATA/ATAPI-7 Volume 1 (commands), Volume 2 clause 9 (protocols).
 * Scope: CHS, LBA28 and LBA48; PIO, MULTIPLE and DMA transfers; write cache, power management, SMART status; TRIM
 * (ATA8-ACS 7.10) where the image takes it; native command queuing of Serial ATA disks.
 * Missing: security, host protected area, TCQ, media locking; standby timers never run out.
 */
import type { BlockBackend, BlockError } from '../../hw';
import * as ata from './ata-regs';
import {
  identifyAta,
  MAX_MULTIPLE,
  MAX_TRIM_BLOCKS,
  nativeGeometry,
  type Geometry,
} from './ata-identify';
import { ATA_COMMANDS, POWER_ACTIVE } from './ata-commands';
import { queuedErrorLog } from './ata-log';
import { AtaQueue, type QueuedCommand, type QueuedError } from './ata-queue';
import * as smart from './ata-smart';
import { BlockQueue } from './block-queue';
import {
  ATA_SIGNATURE,
  clonePort,
  DrivePort,
  type DriveLogic,
  type DrivePortState,
} from './drive-port';
import type { IdeDrive } from './ide-channel';

const { SECTOR_BYTES } = ata;

/** Sectors read or written in one request to the image: bounds the buffer of a drive (1 MiB). */
const CHUNK_SECTORS = 2048;

/** A range of TRIM: 48 bits of address, 16 of length. */
const TRIM_ENTRY_BYTES = 8;

/** A command at work. `bus` is the time in which the buffer goes to or comes from the host. */
interface Job {
  kind: 'none' | 'data' | 'scratch' | 'read' | 'write' | 'verify' | 'flush' | 'trim';
  phase: 'bus' | 'image';
  dma: boolean;
  /** 48-bit registers take the address of an error. */
  ext: boolean;
  /** Data must be durable before the command ends. */
  durable: boolean;
  /** First sector of the buffer. */
  lba: number;
  /** Sectors from `lba` on that are still to do. */
  left: number;
  /** Sectors that the buffer holds (read) or will hold (write). */
  chunk: number;
  /** Bytes of them that the host has had (read) or given (write). */
  used: number;
  /** Sectors a DRQ block. */
  block: number;
  /** The image is at work on the host's own memory, not on the buffer. */
  direct?: boolean;
}

export interface AtaDiskState {
  version: 1;
  port: DrivePortState;
  job: Job;
  buffer: Uint8Array<ArrayBuffer>;
  /** READ BUFFER and WRITE BUFFER. */
  scratch: Uint8Array<ArrayBuffer>;
  logical: Geometry;
  multiple: number;
  transferMode: number;
  writeCache: boolean;
  lookAhead: boolean;
  smart: boolean;
  /** SET FEATURES 66h: a soft reset keeps the settings. */
  keepSettings: boolean;
  power: number;
  asleep: boolean;
  readErrors: number;
  queuedError: QueuedError | null;
}

export interface AtaDiskConfig {
  readonly serial: string;
  readonly model?: string;
  readonly firmware?: string;
  /** A Serial ATA disk: with native command queuing. */
  readonly sata?: boolean;
}

const IDLE_JOB: Job = {
  kind: 'none',
  phase: 'bus',
  dma: false,
  ext: false,
  durable: false,
  lba: 0,
  left: 0,
  chunk: 0,
  used: 0,
  block: 1,
};

export class AtaDisk implements IdeDrive, DriveLogic {
  readonly kind = 'ata';
  readonly port = new DrivePort(this, ATA_SIGNATURE);
  readonly totalSectors: number;
  readonly counters = { reads: 0, writes: 0, errors: 0 };
  private readonly native: Geometry;
  private readonly requests = new BlockQueue();
  private readonly ncq: AtaQueue;
  private unit: 0 | 1 = 0;
  private job: Job = { ...IDLE_JOB };
  private buffer = new Uint8Array(0);
  private scratch = new Uint8Array(SECTOR_BYTES);
  private logical: Geometry;
  private multiple = MAX_MULTIPLE;
  private transferMode = 0;
  private writeCache = true;
  private lookAhead = true;
  private smart = true;
  private keepSettings = false;
  private power = POWER_ACTIVE;
  private asleep = false;
  private readErrors = 0;

  constructor(
    private readonly backend: BlockBackend,
    private readonly config: AtaDiskConfig,
  ) {
    this.totalSectors = Math.floor(backend.sizeBytes / SECTOR_BYTES);
    this.native = nativeGeometry(this.totalSectors);
    this.logical = { ...this.native };
    this.ncq = new AtaQueue(backend, this.totalSectors);
  }

  setUnit(unit: 0 | 1): void {
    this.unit = unit;
  }

  save(): AtaDiskState {
    const port = clonePort(this.port.s);
    // The drive's own buffers are saved once, below.
    if (this.job.kind !== 'data') port.buffer = new Uint8Array(0);
    return {
      version: 1,
      port,
      job: { ...this.job },
      buffer: this.buffer.slice(0, this.job.chunk * SECTOR_BYTES),
      scratch: new Uint8Array(this.scratch),
      logical: { ...this.logical },
      multiple: this.multiple,
      transferMode: this.transferMode,
      writeCache: this.writeCache,
      lookAhead: this.lookAhead,
      smart: this.smart,
      keepSettings: this.keepSettings,
      power: this.power,
      asleep: this.asleep,
      readErrors: this.readErrors,
      queuedError: this.ncq.lastError ? { ...this.ncq.lastError } : null,
    };
  }

  /** A request that was on its way to the image is made again. */
  restore(state: AtaDiskState): void {
    this.requests.cancel();
    const { job, port } = state;
    this.job = { ...job };
    this.port.s = clonePort(port);
    this.scratch = new Uint8Array(state.scratch);
    this.logical = { ...state.logical };
    this.multiple = state.multiple;
    this.transferMode = state.transferMode;
    this.writeCache = state.writeCache;
    this.lookAhead = state.lookAhead;
    this.smart = state.smart;
    this.keepSettings = state.keepSettings;
    this.power = state.power;
    this.asleep = state.asleep;
    this.readErrors = state.readErrors;
    this.ncq.cancel();
    this.ncq.lastError = state.queuedError ? { ...state.queuedError } : undefined;
    this.buffer = new Uint8Array(Math.min(job.chunk, CHUNK_SECTORS) * SECTOR_BYTES);
    this.buffer.set(state.buffer.subarray(0, this.buffer.length));
    const onBus = (job.kind === 'read' || job.kind === 'write') && job.phase === 'bus';
    if (onBus && !job.dma) this.port.s.buffer = this.buffer;
    if (job.kind === 'scratch') this.port.s.buffer = this.scratch;
    if (job.direct) this.moveAgain();
    else if (job.kind !== 'none' && job.phase === 'image') this.startImage();
  }

  cancel(hard: boolean): void {
    if (this.requests.inFlight) this.buffer = new Uint8Array(0);
    this.requests.cancel();
    this.ncq.cancel();
    this.job = { ...IDLE_JOB };
    this.asleep = false;
    this.power = POWER_ACTIVE;
    if (hard || !this.keepSettings) this.defaultSettings(hard);
  }

  command(code: number): void {
    if (this.asleep) return;
    // RECALIBRATE and SEEK have sixteen codes each.
    const run = ATA_COMMANDS.get(code >> 4 === 1 || code >> 4 === 7 ? code & 0xf0 : code);
    if (!run) {
      this.port.abort();
      return;
    }
    run(this);
  }

  // --- Commands, called from the table

  identify(): void {
    this.giveData(
      identifyAta({
        serial: this.config.serial,
        model: this.config.model ?? 'DOMUS HARDDISK',
        firmware: this.config.firmware ?? '1.0',
        totalSectors: this.totalSectors,
        native: this.native,
        logical: this.logical,
        multiple: this.multiple,
        transferMode: this.transferMode,
        writeCache: this.writeCache,
        lookAhead: this.lookAhead,
        smart: this.smart,
        unit: this.unit,
        sata: this.config.sata ?? false,
        trim: this.canTrim,
      }),
    );
  }

  private get canTrim(): boolean {
    return this.backend.discard !== undefined && !this.backend.readOnly;
  }

  /** READ and WRITE FPDMA QUEUED. The host adapter keeps what `done` tells in the task file. */
  queue(command: QueuedCommand): void {
    this.counters[command.write ? 'writes' : 'reads']++;
    this.power = POWER_ACTIVE;
    this.ncq.submit({
      ...command,
      durable: command.durable || !this.writeCache,
      done: (error) => {
        if (error) this.counters.errors++;
        if (error & ata.ERROR_UNC) this.readErrors++;
        command.done(error);
      },
    });
  }

  /** READ LOG EXT: the directory, and what stopped the queue (page 10h). */
  readLog(): void {
    const [, count, page] = this.port.s.current;
    const log =
      this.config.sata && count === 1 ? queuedErrorLog(page, this.ncq.lastError) : undefined;
    if (log) this.giveData(log);
    else this.port.abort();
  }

  /** DATA SET MANAGEMENT, which is TRIM: takes blocks of sector ranges (ATA8-ACS 7.10). */
  trim(): void {
    const { current, previous } = this.port.s;
    const blocks = current[1] | (previous[1] << 8);
    const isTrim = (current[0] & 1) !== 0;
    if (!isTrim || !this.canTrim || blocks === 0 || blocks > MAX_TRIM_BLOCKS)
      return this.port.abort();
    this.job = { ...IDLE_JOB, kind: 'trim', dma: true, ext: true, left: blocks };
    this.port.busy();
    this.takeChunk(false);
  }

  /** Discards the ranges of the buffer from byte `at` on. */
  private trimFrom(at: number): void {
    const view = new DataView(this.buffer.buffer);
    for (let entry = at; entry < this.job.chunk * SECTOR_BYTES; entry += TRIM_ENTRY_BYTES) {
      const lba = view.getUint32(entry, true) + view.getUint16(entry + 4, true) * 0x1_0000_0000;
      const sectors = view.getUint16(entry + 6, true);
      if (sectors === 0) continue;
      if (lba + sectors > this.totalSectors) {
        this.job.lba = lba;
        return this.failed(ata.ERROR_IDNF);
      }
      this.requests.submit(
        (done) => this.backend.discard?.(lba * SECTOR_BYTES, sectors * SECTOR_BYTES, done),
        (error) => {
          if (error) this.refused(error, ata.ERROR_ABRT);
          else this.trimFrom(entry + TRIM_ENTRY_BYTES);
        },
      );
      return;
    }
    this.job = { ...IDLE_JOB };
    this.done();
  }

  done(): void {
    this.power = POWER_ACTIVE;
    this.port.complete();
    this.port.raiseInterrupt();
  }

  setPower(mode: number, sleep = false): void {
    this.done();
    this.power = mode;
    this.asleep = sleep;
  }

  checkPower(): void {
    this.port.s.current[1] = this.power;
    this.port.complete();
    this.port.raiseInterrupt();
  }

  /** READ, WRITE and VERIFY in all their forms. */
  transfer(
    kind: 'read' | 'write' | 'verify',
    options: { ext?: boolean; multiple?: boolean; dma?: boolean; durable?: boolean } = {},
  ): void {
    const { ext = false, multiple = false, dma = false, durable = false } = options;
    this.power = POWER_ACTIVE;
    if (multiple && this.multiple === 0) return this.port.abort();
    if (kind === 'write' && this.backend.readOnly)
      return this.port.fail(ata.ERROR_ABRT | ata.ERROR_WP);
    const [, low, , ,] = this.port.s.current;
    const count = ext ? (this.port.s.previous[1] << 8) | low : low;
    const left = count || (ext ? 0x10000 : 0x100);
    const lba = this.address(ext);
    if (lba < 0 || lba + left > this.totalSectors) {
      this.counters.errors++;
      return this.port.fail(ata.ERROR_IDNF);
    }
    this.job = {
      kind,
      phase: 'bus',
      dma,
      ext,
      durable: durable || !this.writeCache,
      lba,
      left,
      chunk: 0,
      used: 0,
      block: multiple ? this.multiple : 1,
    };
    this.port.busy();
    if (kind === 'write') this.takeChunk(false);
    else this.fetchChunk();
  }

  flush(): void {
    this.job = { ...IDLE_JOB, kind: 'flush', phase: 'image' };
    this.port.busy();
    this.startImage();
  }

  seek(): void {
    const lba = this.address(false);
    if (lba < 0 || lba >= this.totalSectors) this.port.fail(ata.ERROR_IDNF);
    else this.done();
  }

  readBuffer(): void {
    this.giveData(new Uint8Array(this.scratch));
  }

  writeBuffer(): void {
    this.job = { ...IDLE_JOB, kind: 'scratch' };
    this.port.beginBlock('out', this.scratch, 0, SECTOR_BYTES);
  }

  setMultiple(): void {
    const count = this.port.s.current[1];
    if (count > MAX_MULTIPLE || (count & (count - 1)) !== 0) return this.port.abort();
    this.multiple = count;
    this.done();
  }

  /** INITIALIZE DEVICE PARAMETERS: sets the CHS translation (ATA-4 8.16). */
  initializeParameters(): void {
    const sectors = this.port.s.current[1];
    const heads = (this.port.s.device & 0x0f) + 1;
    if (sectors === 0) return this.port.abort();
    const cylinders = Math.floor(this.totalSectors / (heads * sectors));
    this.logical = { cylinders: Math.max(1, Math.min(cylinders, 65535)), heads, sectors };
    this.done();
  }

  setFeatures(): void {
    const [feature, count] = this.port.s.current;
    switch (feature) {
      case ata.FEATURE_ENABLE_WRITE_CACHE:
        this.writeCache = true;
        return this.done();
      case ata.FEATURE_DISABLE_WRITE_CACHE:
        // What is in the cache goes to the medium first.
        this.writeCache = false;
        return this.flush();
      case ata.FEATURE_SET_TRANSFER_MODE:
        return this.setTransferMode(count);
      case ata.FEATURE_ENABLE_LOOK_AHEAD:
      case ata.FEATURE_DISABLE_LOOK_AHEAD:
        this.lookAhead = feature === ata.FEATURE_ENABLE_LOOK_AHEAD;
        return this.done();
      case ata.FEATURE_ENABLE_REVERT:
      case ata.FEATURE_DISABLE_REVERT:
        this.keepSettings = feature === ata.FEATURE_DISABLE_REVERT;
        return this.done();
      default:
        return this.port.abort();
    }
  }

  /** READ NATIVE MAX ADDRESS: the last sector, since there is no host protected area. */
  nativeMax(ext: boolean): void {
    this.putAddress(
      ext ? this.totalSectors - 1 : Math.min(this.totalSectors, 0x0fff_ffff) - 1,
      ext,
    );
    this.done();
  }

  runSmart(): void {
    const [feature, , , lbaMid, lbaHigh] = this.port.s.current;
    const keyed = lbaMid === smart.SMART_LBA_MID && lbaHigh === smart.SMART_LBA_HIGH;
    if (!keyed || (!this.smart && feature !== smart.SMART_ENABLE)) return this.port.abort();
    switch (feature) {
      case smart.SMART_READ_DATA:
        return this.giveData(smart.smartData(this.readErrors));
      case smart.SMART_READ_THRESHOLDS:
        return this.giveData(smart.smartThresholds());
      case smart.SMART_ENABLE:
      case smart.SMART_DISABLE:
        this.smart = feature === smart.SMART_ENABLE;
        return this.done();
      case smart.SMART_AUTOSAVE:
      case smart.SMART_RETURN_STATUS:
        // LBA mid and high stay as they are: no threshold is exceeded.
        return this.done();
      default:
        return this.port.abort();
    }
  }

  // --- Protocols

  /** The host moved a DRQ block. */
  transferred(): void {
    const { job, port } = this;
    switch (job.kind) {
      case 'read':
        job.used = port.s.position;
        if (job.used < job.chunk * SECTOR_BYTES) return this.offerBlock();
        return this.chunkGiven();
      case 'write':
        job.used = port.s.position;
        if (job.used < job.chunk * SECTOR_BYTES) return this.askBlock(true);
        return this.chunkTaken();
      case 'scratch':
        this.job = { ...IDLE_JOB };
        return this.done();
      default:
        this.job = { ...IDLE_JOB };
        port.complete();
    }
  }

  dmaStarted(): void {
    const { job } = this;
    if (!job.dma || job.phase !== 'bus') return;
    if (job.kind === 'read' && job.chunk === 0) this.fetchChunk();
    else this.moveDma();
  }

  private moveDma(): void {
    const { job, port } = this;
    const { dma } = port;
    if (!dma?.active) return;
    if (job.kind === 'write' && job.used === 0 && this.moveDirect()) return;
    const end = job.chunk * SECTOR_BYTES;
    job.used +=
      job.kind === 'read'
        ? dma.toMemory(this.buffer, job.used, end)
        : dma.fromMemory(this.buffer, job.used, end);
    // With too few descriptors the drive goes on asking and the host sees no interrupt (BMIDE table 1).
    if (job.used < end) return;
    if (job.kind === 'read') this.chunkGiven();
    else this.chunkTaken();
  }

  private fetchChunk(): void {
    const { job } = this;
    job.used = 0;
    if (job.kind === 'read' && job.dma && this.backend.readPieces && !this.port.dma?.active) {
      // Where it goes is known when the host starts the bus master.
      job.chunk = 0;
      job.phase = 'bus';
      return;
    }
    job.chunk = Math.min(job.left, CHUNK_SECTORS);
    if (job.kind === 'read' && job.dma && this.moveDirect()) return;
    job.phase = 'image';
    this.startImage();
  }

  /** Has the image read a chunk into the host's memory, or write it from there; false when it goes by the buffer. */
  private moveDirect(): boolean {
    const { job, backend } = this;
    const isRead = job.kind === 'read';
    const pieces = backend.readPieces && this.port.dma?.pieces(job.chunk * SECTOR_BYTES);
    const views = pieces?.views();
    if (!pieces || !views) return false;
    const offset = job.lba * SECTOR_BYTES;
    const taken = this.requests.submitNow(
      (done) =>
        (isRead
          ? backend.readPieces?.(offset, views, done)
          : backend.writePieces?.(offset, views, done)) ?? false,
      (error) => {
        job.direct = false;
        if (error) this.refused(error, isRead ? ata.ERROR_UNC : ata.ERROR_ABRT);
        else this.movedDirect();
      },
    );
    if (!taken) return false;
    if (isRead) pieces.overwritten();
    job.phase = 'image';
    job.direct = true;
    return true;
  }

  private movedDirect(): void {
    const { job } = this;
    const isMoved = this.port.dma?.skip(job.chunk * SECTOR_BYTES) ?? false;
    if (job.kind === 'write') return this.chunkWritten();
    this.counters.reads++;
    if (isMoved) return this.chunkGiven();
    // The host stopped the bus master: it is read once more when that goes on.
    job.chunk = 0;
    job.phase = 'bus';
  }

  /** After a restore: what was under way without the buffer. */
  private moveAgain(): void {
    const { job } = this;
    job.direct = false;
    job.phase = 'bus';
    if (job.kind === 'read') this.fetchChunk();
    else this.moveDma();
  }

  private chunkFetched(): void {
    const { job } = this;
    this.counters.reads++;
    if (job.kind === 'verify') return this.chunkGiven();
    job.phase = 'bus';
    if (job.dma) this.moveDma();
    else this.offerBlock();
  }

  private offerBlock(): void {
    const { job } = this;
    const end = Math.min(job.used + job.block * SECTOR_BYTES, job.chunk * SECTOR_BYTES);
    this.port.beginBlock('in', this.buffer, job.used, end);
    this.port.raiseInterrupt();
  }

  /** The host has all of the buffer. PIO reads end without another interrupt. */
  private chunkGiven(): void {
    const { job, port } = this;
    job.lba += job.chunk;
    job.left -= job.chunk;
    if (job.left > 0) {
      port.busy();
      return this.fetchChunk();
    }
    this.job = { ...IDLE_JOB };
    port.complete();
    if (job.dma || job.kind === 'verify') port.raiseInterrupt();
  }

  /** Gets data from the host; a PIO write's first block is asked for without interrupt. */
  private takeChunk(interrupt: boolean): void {
    const { job } = this;
    job.chunk = Math.min(job.left, CHUNK_SECTORS);
    job.used = 0;
    job.phase = 'bus';
    this.ensureBuffer();
    if (job.dma) this.moveDma();
    else this.askBlock(interrupt);
  }

  private askBlock(interrupt: boolean): void {
    const { job } = this;
    const end = Math.min(job.used + job.block * SECTOR_BYTES, job.chunk * SECTOR_BYTES);
    this.port.beginBlock('out', this.buffer, job.used, end);
    if (interrupt) this.port.raiseInterrupt();
  }

  private chunkTaken(): void {
    this.port.busy();
    this.job.phase = 'image';
    this.startImage();
  }

  private chunkWritten(): void {
    const { job, port } = this;
    this.counters.writes++;
    job.lba += job.chunk;
    job.left -= job.chunk;
    if (job.left > 0) return this.takeChunk(true);
    if (job.durable) return this.flush();
    this.job = { ...IDLE_JOB };
    port.complete();
    port.raiseInterrupt();
  }

  /** Makes the request to the image that the job waits for. */
  private startImage(): void {
    const { job, backend } = this;
    const offset = job.lba * SECTOR_BYTES;
    if (job.kind === 'flush') {
      return this.requests.flush(backend, (error) => {
        this.job = { ...IDLE_JOB };
        if (error) return this.refused(error, ata.ERROR_ABRT);
        this.done();
      });
    }
    this.ensureBuffer();
    if (job.kind === 'trim') return this.trimFrom(0);
    const data = this.buffer.subarray(0, job.chunk * SECTOR_BYTES);
    if (job.kind === 'write')
      this.requests.write(backend, offset, data, (error) => {
        if (error) this.refused(error, ata.ERROR_ABRT);
        else this.chunkWritten();
      });
    else
      this.requests.read(backend, offset, data, (error) => {
        if (error) this.refused(error, ata.ERROR_UNC);
        else this.chunkFetched();
      });
  }

  private refused(_error: BlockError, bits: number): void {
    this.failed(bits);
  }

  private failed(bits: number): void {
    const { job } = this;
    this.counters.errors++;
    if (bits === ata.ERROR_UNC) this.readErrors++;
    this.putAddress(job.lba, job.ext);
    this.job = { ...IDLE_JOB };
    this.port.fail(bits);
  }

  private ensureBuffer(): void {
    const bytes = this.job.chunk * SECTOR_BYTES;
    if (this.buffer.length < bytes) this.buffer = new Uint8Array(bytes);
  }

  private giveData(data: Uint8Array<ArrayBuffer>): void {
    this.job = { ...IDLE_JOB, kind: 'data' };
    this.port.beginBlock('in', data, 0, data.length);
    this.port.raiseInterrupt();
  }

  // --- Addresses and settings

  /** The sector the task file names, -1 when there is none such. */
  private address(ext: boolean): number {
    const { current, previous, device } = this.port.s;
    const [, , low, mid, high] = current;
    if (ext) {
      const upper = previous[2] + previous[3] * 0x100 + previous[4] * 0x10000;
      return upper * 0x100_0000 + low + mid * 0x100 + high * 0x10000;
    }
    const head = device & 0x0f;
    if (device & ata.DEVICE_LBA) return head * 0x100_0000 + high * 0x10000 + mid * 0x100 + low;
    const { heads, sectors } = this.logical;
    if (low === 0 || low > sectors || head >= heads) return -1;
    return ((high * 0x100 + mid) * heads + head) * sectors + low - 1;
  }

  private putAddress(lba: number, ext: boolean): void {
    const { s } = this.port;
    const byte = (n: number): number => Math.floor(lba / 2 ** (8 * n)) & 0xff;
    if (!ext && !(s.device & ata.DEVICE_LBA)) {
      const { heads, sectors } = this.logical;
      const track = Math.floor(lba / sectors);
      const cylinder = Math.floor(track / heads);
      s.current = [
        s.current[0],
        s.current[1],
        (lba % sectors) + 1,
        cylinder & 0xff,
        (cylinder >> 8) & 0xff,
      ];
      s.device = (s.device & 0xf0) | (track % heads);
      return;
    }
    s.current = [s.current[0], s.current[1], byte(0), byte(1), byte(2)];
    if (ext) s.previous = [s.previous[0], s.previous[1], byte(3), byte(4), byte(5)];
    else s.device = (s.device & 0xf0) | (byte(3) & 0x0f);
  }

  /** PIO default, flow control modes 0-4, single-word, multiword and Ultra DMA (6.47.5). */
  private setTransferMode(mode: number): void {
    const kind = mode & 0xf8;
    const number = mode & 7;
    const limit = kind === 0x00 ? 1 : kind === 0x08 ? 4 : kind === 0x40 ? 5 : 2;
    const known = kind === 0x00 || kind === 0x08 || kind === 0x10 || kind === 0x20 || kind === 0x40;
    if (!known || number > limit) return this.port.abort();
    if (kind >= 0x10) this.transferMode = mode;
    this.done();
  }

  private defaultSettings(hard: boolean): void {
    this.multiple = MAX_MULTIPLE;
    this.writeCache = true;
    this.lookAhead = true;
    if (!hard) return;
    this.logical = { ...this.native };
    this.transferMode = 0;
    this.smart = true;
    this.keepSettings = false;
    this.scratch = new Uint8Array(SECTOR_BYTES);
  }
}
