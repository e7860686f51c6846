/**
 * ATAPI CD/DVD-ROM drive.
 * Documents: T13/1532D ATA/ATAPI-7 (PACKET feature set), T10 MMC-3, SFF-8020i.
 * Scope: data discs of one track, PIO and DMA, medium change, tray and lock. Missing: audio, CSS, MODE SELECT,
 * overlapped commands. QUIRK: no unit attention after power-on, so that simple loaders need no retry.
 */
import type { BlockBackend } from '../../hw';
import * as ata from './ata-regs';
import {
  MODE_MULTIWORD_DMA,
  MODE_SINGLE_WORD_DMA,
  MODE_ULTRA_DMA,
  putAtaString,
  putTransferModes,
  sealIdentity,
} from './ata-identify';
import { PACKET_COMMANDS } from './atapi-commands';
import { BlockQueue } from './block-queue';
import { buildRawSector, RAW_SECTOR_BYTES } from './cd-sector';
import {
  ATAPI_SIGNATURE,
  clonePort,
  DrivePort,
  type DriveLogic,
  type DrivePortState,
} from './drive-port';
import type { IdeDrive } from './ide-channel';
import * as mmc from './mmc';

const { CD_SECTOR_BYTES } = mmc;
const PACKET_BYTES = 12;
/** Blocks read from the image at a time: bounds the buffer of a drive (1 MiB of user data). */
const CHUNK_BLOCKS = 512;
const MAX_BYTE_COUNT = 0xfffe;
/** `lba` of a read whose medium was taken out. */
const GONE = -1;

// Interrupt reason, in the sector count register (ATA/ATAPI-7 6.24.5).
const REASON_COMMAND = 0x01;
const REASON_TO_HOST = 0x02;
const FEATURE_DMA = 0x01;

interface Job {
  kind: 'none' | 'identify' | 'packet' | 'reply' | 'read';
  phase: 'bus' | 'image';
  dma: boolean;
  /** Most bytes a DRQ block. */
  limit: number;
  /** Next block to fetch from the image, and how many. */
  lba: number;
  left: number;
  /** Whole sectors with sync, header and ECC. */
  raw: boolean;
  /** Bytes in the buffer, and how many of them the host has. */
  filled: number;
  used: number;
}

const IDLE_JOB: Job = {
  kind: 'none',
  phase: 'bus',
  dma: false,
  limit: MAX_BYTE_COUNT,
  lba: 0,
  left: 0,
  raw: false,
  filled: 0,
  used: 0,
};

export interface AtapiCdromState {
  version: 1;
  port: DrivePortState;
  job: Job;
  buffer: Uint8Array<ArrayBuffer>;
  sense: mmc.Sense;
  unitAttention: boolean;
  event: mmc.MediaEvent;
  trayOpen: boolean;
  locked: boolean;
  transferMode: number;
}

export interface AtapiCdromConfig {
  readonly serial: string;
  readonly model?: string;
  readonly firmware?: string;
  /** The guest opened the tray. The medium lies in it until `changeMedium` takes it out or the tray is closed. */
  onEject?(): void;
}

export class AtapiCdrom implements IdeDrive, DriveLogic {
  readonly kind = 'atapi';
  readonly port = new DrivePort(this, ATAPI_SIGNATURE);
  readonly counters = { reads: 0, errors: 0 };
  private readonly requests = new BlockQueue();
  private backend: BlockBackend | undefined;
  private unit: 0 | 1 = 0;
  private job: Job = { ...IDLE_JOB };
  private buffer = new Uint8Array(0);
  private sense: mmc.Sense = mmc.NO_SENSE;
  private unitAttention = false;
  private event: mmc.MediaEvent = 'none';
  private trayOpen = false;
  private locked = false;
  private transferMode = 0;

  constructor(
    medium: BlockBackend | undefined,
    private readonly config: AtapiCdromConfig,
  ) {
    this.backend = medium;
  }

  setUnit(unit: 0 | 1): void {
    this.unit = unit;
  }

  // --- The front panel

  /** Puts a medium in (closing the tray), or takes it out. The guest learns of it by unit attention and media event. */
  changeMedium(medium: BlockBackend | undefined): void {
    this.abandonImage();
    this.backend = medium;
    this.trayOpen = false;
    this.unitAttention = medium !== undefined;
    this.event = medium ? 'new' : 'removal';
  }

  /** The eject button. False when the guest locked the drive: it is told of the wish. */
  pressEject(): boolean {
    if (this.locked) {
      this.event = 'eject-request';
      return false;
    }
    this.abandonImage();
    this.trayOpen = true;
    this.event = 'removal';
    return true;
  }

  get isLocked(): boolean {
    return this.locked;
  }

  get isTrayOpen(): boolean {
    return this.trayOpen;
  }

  // --- Cable

  save(): AtapiCdromState {
    const port = clonePort(this.port.s);
    if (this.job.kind === 'reply' || this.job.kind === 'read') port.buffer = new Uint8Array(0);
    return {
      version: 1,
      port,
      job: { ...this.job },
      buffer: this.buffer.slice(0, this.job.filled),
      sense: { ...this.sense },
      unitAttention: this.unitAttention,
      event: this.event,
      trayOpen: this.trayOpen,
      locked: this.locked,
      transferMode: this.transferMode,
    };
  }

  /** The medium itself comes with the configuration. A request that was on its way is made again. */
  restore(state: AtapiCdromState): void {
    this.requests.cancel();
    this.port.s = clonePort(state.port);
    this.job = { ...state.job };
    this.buffer = new Uint8Array(state.buffer);
    this.sense = { ...state.sense };
    this.unitAttention = state.unitAttention;
    this.event = state.event;
    this.trayOpen = state.trayOpen;
    this.locked = state.locked;
    this.transferMode = state.transferMode;
    const { kind, phase } = this.job;
    if (kind === 'reply' || kind === 'read') this.port.s.buffer = this.buffer;
    if (kind === 'packet') this.buffer = this.port.s.buffer;
    if (kind === 'read' && phase === 'image') this.fetch();
  }

  cancel(hard: boolean): void {
    if (this.requests.inFlight) this.buffer = new Uint8Array(0);
    this.requests.cancel();
    this.job = { ...IDLE_JOB };
    if (!hard) return;
    this.sense = mmc.NO_SENSE;
    this.unitAttention = false;
    this.locked = false;
    this.transferMode = 0;
  }

  command(code: number): void {
    switch (code) {
      case ata.PACKET:
        return this.startPacket();
      case ata.IDENTIFY_PACKET_DEVICE:
        return this.identify();
      case ata.DEVICE_RESET:
        this.port.beginReset();
        this.port.finishReset();
        this.port.s.device = this.unit ? ata.DEVICE_DEV : 0;
        return;
      case ata.SET_FEATURES:
        return this.setFeatures();
      case ata.IDENTIFY_DEVICE:
      case ata.READ_SECTORS:
        this.port.showSignature();
        return this.port.abort();
      case ata.CHECK_POWER_MODE:
        this.port.s.current[1] = 0xff;
        return this.done();
      case ata.IDLE_IMMEDIATE:
      case ata.STANDBY_IMMEDIATE:
      case ata.SLEEP:
      case ata.FLUSH_CACHE:
        return this.done();
      default:
        return this.port.abort();
    }
  }

  transferred(): void {
    const { job, port } = this;
    if (job.kind === 'packet') {
      const packet = this.buffer.slice(0, PACKET_BYTES);
      this.runPacket(packet);
    } else if (job.kind === 'reply' || job.kind === 'read') {
      job.used = port.s.position;
      this.giveMore();
    } else {
      this.job = { ...IDLE_JOB };
      port.complete();
    }
  }

  dmaStarted(): void {
    const { job } = this;
    if (job.dma && job.phase === 'bus' && job.filled > 0) this.giveMore();
  }

  // --- Packet commands, called from the table

  get medium(): mmc.Medium {
    const bytes = this.backend && !this.trayOpen ? this.backend.sizeBytes : 0;
    return {
      blocks: Math.ceil(bytes / CD_SECTOR_BYTES),
      trayOpen: this.trayOpen,
      locked: this.locked,
    };
  }

  /** Ends the packet command without data. */
  good(): void {
    this.job = { ...IDLE_JOB };
    this.port.complete();
    this.status();
  }

  /** CHECK CONDITION. */
  check(sense: mmc.Sense): void {
    this.sense = sense;
    this.counters.errors++;
    this.job = { ...IDLE_JOB };
    this.setReason(REASON_COMMAND | REASON_TO_HOST);
    this.port.fail((sense.key << 4) | (sense.key === 5 ? ata.ERROR_ABRT : 0));
  }

  /** Sends a reply, cut to the allocation length. */
  reply(data: mmc.Reply | undefined, allocation: number): void {
    if (!data) return this.check(mmc.INVALID_FIELD_IN_CDB);
    const length = Math.min(data.length, allocation);
    if (length === 0) return this.good();
    this.buffer = data;
    this.job.kind = 'reply';
    this.job.filled = length;
    this.job.used = 0;
    this.giveMore();
  }

  /** Sends blocks of the medium. */
  readBlocks(lba: number, count: number, raw = false): void {
    const { blocks } = this.medium;
    if (lba >= blocks || lba + count > blocks) return this.check(mmc.LBA_OUT_OF_RANGE);
    if (count === 0) return this.good();
    Object.assign(this.job, { kind: 'read', lba, left: count, raw, filled: 0, used: 0 });
    this.fetch();
  }

  requestSense(allocation: number): void {
    const sense = this.unitAttention ? mmc.MEDIUM_CHANGED : this.sense;
    this.unitAttention = false;
    this.sense = mmc.NO_SENSE;
    this.reply(mmc.senseData(sense), allocation);
  }

  inquiry(allocation: number): void {
    const { model = 'DOMUS DVD-ROM', firmware = '1.0' } = this.config;
    this.reply(mmc.inquiryData(model.replace(/^DOMUS /, ''), firmware), allocation);
  }

  eventStatus(classes: number, allocation: number): void {
    const { event } = this;
    if (classes & 0x10) this.event = 'none';
    this.reply(mmc.eventStatusData(classes, event, this.medium), allocation);
  }

  setLocked(locked: boolean): void {
    this.locked = locked;
    this.good();
  }

  /** START STOP UNIT with LoEj. */
  moveTray(open: boolean): void {
    if (open && this.locked) return this.check(mmc.MEDIUM_REMOVAL_PREVENTED);
    if (open !== this.trayOpen) {
      this.trayOpen = open;
      const isBack = !open && this.backend !== undefined;
      this.unitAttention = isBack;
      this.event = open ? 'removal' : isBack ? 'new' : 'none';
      if (open) this.config.onEject?.();
    }
    this.good();
  }

  // --- Protocol

  private startPacket(): void {
    const [features, , , mid, high] = this.port.s.current;
    const wish = mid | (high << 8);
    this.job = {
      ...IDLE_JOB,
      kind: 'packet',
      dma: (features & FEATURE_DMA) !== 0,
      // An odd limit is rounded down; none at all is as good as the largest.
      limit: wish === 0 || wish === 0xffff ? MAX_BYTE_COUNT : Math.max(2, wish & ~1),
    };
    this.buffer = new Uint8Array(PACKET_BYTES);
    this.setReason(REASON_COMMAND);
    this.port.beginBlock('out', this.buffer, 0, PACKET_BYTES);
  }

  private runPacket(packet: Uint8Array): void {
    const row = PACKET_COMMANDS.get(packet[0]);
    this.port.busy();
    if (!row) return this.check(mmc.INVALID_OPERATION_CODE);
    if (this.unitAttention && !row.duringAttention) {
      this.unitAttention = false;
      return this.check(mmc.MEDIUM_CHANGED);
    }
    if (row.needsMedium && this.medium.blocks === 0)
      return this.check(this.trayOpen ? mmc.NO_MEDIUM_TRAY_OPEN : mmc.NO_MEDIUM_TRAY_CLOSED);
    if (packet[0] !== mmc.REQUEST_SENSE) this.sense = mmc.NO_SENSE;
    row.run(this, packet);
  }

  /** Hands the rest of the buffer to the host, or fetches more, or ends the command. */
  private giveMore(): void {
    const { job, port } = this;
    if (job.dma && job.used < job.filled) {
      if (port.dma?.active) job.used += port.dma.toMemory(this.buffer, job.used, job.filled);
      if (job.used < job.filled) return;
    }
    if (job.used < job.filled) {
      const bytes = Math.min(job.limit, job.filled - job.used);
      port.beginBlock('in', this.buffer, job.used, job.used + bytes);
      this.setReason(REASON_TO_HOST);
      port.s.current[3] = bytes & 0xff;
      port.s.current[4] = bytes >> 8;
      port.raiseInterrupt();
    } else if (job.left > 0) {
      port.busy();
      this.fetch();
    } else this.good();
  }

  private fetch(): void {
    const { job, backend } = this;
    if (!backend || job.lba === GONE) return this.check(mmc.MEDIUM_CHANGED);
    const blocks = Math.min(job.left, CHUNK_BLOCKS);
    const bytes = blocks * CD_SECTOR_BYTES;
    const offset = job.lba * CD_SECTOR_BYTES;
    job.phase = 'image';
    if (this.buffer.length < bytes || job.filled === 0) this.buffer = new Uint8Array(bytes);
    // The last block of an image that is not a multiple of 2048 ends with zeros.
    const there = Math.min(bytes, backend.sizeBytes - offset);
    this.buffer.fill(0, there, bytes);
    this.requests.read(backend, offset, this.buffer.subarray(0, there), (error) => {
      if (error) return this.check(mmc.UNRECOVERED_READ_ERROR);
      this.counters.reads++;
      this.fetched(blocks);
    });
  }

  private fetched(blocks: number): void {
    const { job } = this;
    if (job.raw) {
      const sectors = new Uint8Array(blocks * RAW_SECTOR_BYTES);
      for (let i = 0; i < blocks; i++) {
        const data = this.buffer.subarray(i * CD_SECTOR_BYTES, (i + 1) * CD_SECTOR_BYTES);
        buildRawSector(sectors.subarray(i * RAW_SECTOR_BYTES), job.lba + i, data);
      }
      this.buffer = sectors;
    }
    job.filled = blocks * (job.raw ? RAW_SECTOR_BYTES : CD_SECTOR_BYTES);
    job.used = 0;
    job.lba += blocks;
    job.left -= blocks;
    job.phase = 'bus';
    this.giveMore();
  }

  /** The image goes away under a read: the command ends with an error. */
  private abandonImage(): void {
    if (this.job.phase !== 'image') {
      this.job.lba = GONE;
      return;
    }
    this.requests.cancel();
    this.buffer = new Uint8Array(0);
    this.check(mmc.MEDIUM_CHANGED);
  }

  private status(): void {
    this.setReason(REASON_COMMAND | REASON_TO_HOST);
    this.port.raiseInterrupt();
  }

  private setReason(reason: number): void {
    this.port.s.current[1] = reason;
  }

  // --- ATA commands

  private done(): void {
    this.port.complete();
    this.port.raiseInterrupt();
  }

  private identify(): void {
    const w = new Uint16Array(256);
    w[0] = 0x85c0; // ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets
    putAtaString(w, 10, 10, this.config.serial);
    putAtaString(w, 23, 4, this.config.firmware ?? '1.0');
    putAtaString(w, 27, 20, this.config.model ?? 'DOMUS DVD-ROM');
    w[48] = 0x0001;
    w[49] = 0x0f00; // IORDY, LBA, DMA
    w[50] = 0x4000;
    w[51] = 0x0200;
    w[53] = 0x0006;
    putTransferModes(w, this.transferMode);
    w[71] = 30;
    w[72] = 30;
    w[80] = 0x00f0;
    w[82] = 0x0210; // DEVICE RESET, PACKET
    w[83] = 0x4000;
    w[84] = 0x4000;
    w[85] = 0x0210;
    w[87] = 0x4000;
    w[93] = this.unit === 0 ? 0x600b : 0x6b00;
    this.job = { ...IDLE_JOB, kind: 'identify' };
    this.port.beginBlock('in', sealIdentity(w), 0, 512);
    this.port.raiseInterrupt();
  }

  private setFeatures(): void {
    const [feature, mode] = this.port.s.current;
    if (feature === ata.FEATURE_SET_TRANSFER_MODE) {
      const kind = mode & 0xf8;
      const number = mode & 7;
      const isDma =
        ((kind === MODE_MULTIWORD_DMA || kind === MODE_SINGLE_WORD_DMA) && number <= 2) ||
        (kind === MODE_ULTRA_DMA && number <= 5);
      const isPio = (kind === 0x00 && number <= 1) || (kind === 0x08 && number <= 4);
      if (!isDma && !isPio) return this.port.abort();
      if (isDma) this.transferMode = mode;
      return this.done();
    }
    const harmless =
      feature === ata.FEATURE_ENABLE_REVERT || feature === ata.FEATURE_DISABLE_REVERT;
    if (harmless) this.done();
    else this.port.abort();
  }
}
