/**
 * The device side of an IDE cable: task file registers, status, data port and interrupt of one drive.
 * Document: T13/1532D ATA/ATAPI-7 Volume 2, clauses 7 (registers) and 9 (protocols).
 */
import type { AccessWidth } from '../../hw';
import {
  ATA_DEVICE,
  ATA_ERROR_FEATURES,
  ATA_LBA_HIGH,
  ATA_LBA_LOW,
  ATA_LBA_MID,
  ATA_SECTOR_COUNT,
  DEVICE_OBSOLETE,
  DIAGNOSTIC_PASSED,
  ERROR_ABRT,
  STATUS_BSY,
  STATUS_DRDY,
  STATUS_DRQ,
  STATUS_DSC,
  STATUS_ERR,
} from './ata-regs';
import type { DmaEngine } from './bus-master';

export interface DrivePortState {
  error: number;
  status: number;
  device: number;
  /** Features, sector count, LBA low, mid and high as last written; the bytes written before them (48-bit commands). */
  current: [number, number, number, number, number];
  previous: [number, number, number, number, number];
  /** The drive asserts INTRQ. */
  intrq: boolean;
  direction: 'in' | 'out';
  /** The data that goes through the data register, `position` to `end` of it in this DRQ block. */
  buffer: Uint8Array<ArrayBuffer>;
  position: number;
  end: number;
}

/** What a drive does about events on its cable. */
export interface DriveLogic {
  command(code: number): void;
  /** The host moved the last byte of a DRQ block. */
  transferred(): void;
  /** The bus master was started: a drive that wants DMA may move data. */
  dmaStarted(): void;
  /** The reset line, soft reset or diagnostic: forget the command at work. */
  cancel(hard: boolean): void;
}

/** What a device reports in LBA mid and high after reset (Vol. 1, 5.15 and table 28). */
export interface Signature {
  readonly lbaMid: number;
  readonly lbaHigh: number;
  /** Status after reset: PACKET devices come up with DRDY clear. */
  readonly status: number;
}

export const ATA_SIGNATURE: Signature = {
  lbaMid: 0x00,
  lbaHigh: 0x00,
  status: STATUS_DRDY | STATUS_DSC,
};
export const ATAPI_SIGNATURE: Signature = { lbaMid: 0x14, lbaHigh: 0xeb, status: 0 };

/** A private copy for a saved state. */
export function clonePort(s: DrivePortState): DrivePortState {
  return {
    ...s,
    current: [...s.current],
    previous: [...s.previous],
    buffer: new Uint8Array(s.buffer),
  };
}

const NO_DATA = new Uint8Array(0);

export class DrivePort {
  s: DrivePortState = {
    error: 0,
    status: 0,
    device: 0,
    current: [0, 0, 0, 0, 0],
    previous: [0, 0, 0, 0, 0],
    intrq: false,
    direction: 'in',
    buffer: NO_DATA,
    position: 0,
    end: 0,
  };
  /** Set by the channel: INTRQ changed. */
  onInterrupt: () => void = () => {};
  /** Set by the channel. */
  dma: DmaEngine | undefined;

  constructor(
    private readonly logic: DriveLogic,
    private readonly signature: Signature,
  ) {}

  // --- Host side

  readRegister(offset: number, highOrder: boolean): number {
    const s = this.s;
    switch (offset) {
      case ATA_ERROR_FEATURES:
        return s.error;
      case ATA_SECTOR_COUNT:
      case ATA_LBA_LOW:
      case ATA_LBA_MID:
      case ATA_LBA_HIGH:
        return (highOrder ? s.previous : s.current)[offset - 1] ?? 0;
      case ATA_DEVICE:
        return s.device | DEVICE_OBSOLETE;
      default:
        return s.status;
    }
  }

  writeRegister(offset: number, value: number): void {
    const s = this.s;
    if (s.status & STATUS_BSY) return;
    if (offset === ATA_DEVICE) {
      s.device = value;
      return;
    }
    const at = offset - 1;
    s.previous[at] = s.current[at] ?? 0;
    s.current[at] = value;
  }

  command(code: number): void {
    this.lowerInterrupt();
    this.s.error = 0;
    this.s.status &= ~STATUS_ERR;
    this.logic.command(code);
  }

  readData(width: AccessWidth): number {
    const s = this.s;
    if (!(s.status & STATUS_DRQ) || s.direction !== 'in') return 0;
    const { buffer, position } = s;
    let value: number;
    if (width === 4 && position + 4 <= s.end) {
      value =
        (buffer[position] |
          (buffer[position + 1] << 8) |
          (buffer[position + 2] << 16) |
          (buffer[position + 3] << 24)) >>>
        0;
      s.position = position + 4;
    } else {
      // The register is 16 bits wide: an odd last byte comes with a pad byte.
      value = buffer[position] | ((position + 1 < s.end ? buffer[position + 1] : 0) << 8);
      s.position = position + 2;
      if (width === 1) value &= 0xff;
    }
    if (s.position >= s.end) this.blockDone();
    else if (width === 4 && s.position === position + 2)
      value = (value | (this.readData(2) << 16)) >>> 0;
    return value;
  }

  writeData(width: AccessWidth, value: number): void {
    const s = this.s;
    if (!(s.status & STATUS_DRQ) || s.direction !== 'out') return;
    const bytes = Math.min(width === 1 ? 2 : width, s.end - s.position);
    for (let i = 0; i < bytes; i++) s.buffer[s.position + i] = value >>> (8 * i);
    s.position += bytes;
    if (s.position >= s.end) this.blockDone();
  }

  /** The host moved the rest of the DRQ block in one go, by way of `s.buffer`. */
  blockMoved(): void {
    this.s.position = this.s.end;
    this.blockDone();
  }

  /** Forgets the command at work and is ready again: what a host that gave up on it forces (AHCI PxCMD.CLO). */
  abandon(): void {
    this.logic.cancel(false);
    this.lowerInterrupt();
    this.complete();
  }

  /** Begin of a reset: busy until `finishReset`. */
  beginReset(): void {
    this.logic.cancel(false);
    this.lowerInterrupt();
    this.s.status = STATUS_BSY;
  }

  /** End of reset or diagnostic: the signature tells what kind of device this is. */
  finishReset(): void {
    const s = this.s;
    s.error = DIAGNOSTIC_PASSED;
    s.device = 0;
    s.previous = [0, 0, 0, 0, 0];
    s.current = [0, 1, 1, this.signature.lbaMid, this.signature.lbaHigh];
    s.status = this.signature.status;
    s.position = s.end = 0;
  }

  reset(): void {
    this.logic.cancel(true);
    this.lowerInterrupt();
    this.finishReset();
  }

  dmaStarted(): void {
    this.logic.dmaStarted();
  }

  // --- Drive side

  /** Busy with a command, no data on the bus. */
  busy(): void {
    this.s.status = STATUS_BSY | STATUS_DRDY | STATUS_DSC;
  }

  /** Offers or asks for `from` to `to` of `buffer` through the data port. */
  beginBlock(
    direction: 'in' | 'out',
    buffer: Uint8Array<ArrayBuffer>,
    from: number,
    to: number,
  ): void {
    const s = this.s;
    s.direction = direction;
    s.buffer = buffer;
    s.position = from;
    s.end = to;
    s.status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
  }

  raiseInterrupt(): void {
    if (this.s.intrq) return;
    this.s.intrq = true;
    this.onInterrupt();
  }

  lowerInterrupt(): void {
    if (!this.s.intrq) return;
    this.s.intrq = false;
    this.onInterrupt();
  }

  /** Ends a command without error. */
  complete(): void {
    this.s.status = STATUS_DRDY | STATUS_DSC;
    this.forgetData();
  }

  /** Ends a command with an error, and interrupts. */
  fail(error: number): void {
    this.s.error = error;
    this.s.status = STATUS_DRDY | STATUS_DSC | STATUS_ERR;
    this.forgetData();
    this.raiseInterrupt();
  }

  abort(): void {
    this.fail(ERROR_ABRT);
  }

  forgetData(): void {
    const s = this.s;
    s.buffer = NO_DATA;
    s.position = s.end = 0;
  }

  showSignature(): void {
    const { s } = this;
    s.current = [s.current[0], 1, 1, this.signature.lbaMid, this.signature.lbaHigh];
  }

  private blockDone(): void {
    this.s.status = (this.s.status & ~STATUS_DRQ) | STATUS_BSY;
    this.logic.transferred();
  }
}
