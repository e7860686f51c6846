/**
 * General purpose logs of a Serial ATA disk.
 * Document: Serial ATA 3.0, section 13.7; ATA8-ACS annex A (directory).
 */
import type { QueuedError } from './ata-queue';
import { STATUS_DRDY, STATUS_DSC, STATUS_ERR } from './ata-regs';

const LOG_BYTES = 512;
const LOG_DIRECTORY = 0x00;
const LOG_QUEUED_ERROR = 0x10;
/** NQ: the error is not one of a queued command. */
const NOT_QUEUED = 0x80;

/** The log at an address, undefined when there is none. */
export function queuedErrorLog(
  address: number,
  error: QueuedError | undefined,
): Uint8Array<ArrayBuffer> | undefined {
  const log = new Uint8Array(LOG_BYTES);
  if (address === LOG_DIRECTORY) {
    log[0] = 1;
    log[2 * LOG_QUEUED_ERROR] = 1;
    return log;
  }
  if (address !== LOG_QUEUED_ERROR) return undefined;
  const lba = (n: number): number => Math.floor((error?.lba ?? 0) / 2 ** (8 * n)) & 0xff;
  log[0] = error ? error.tag : NOT_QUEUED;
  log[2] = STATUS_DRDY | STATUS_DSC | (error ? STATUS_ERR : 0);
  log[3] = error?.error ?? 0;
  log.set([lba(0), lba(1), lba(2), 0x40, lba(3), lba(4), lba(5)], 4);
  log[LOG_BYTES - 1] = -log.reduce((sum, byte) => sum + byte, 0);
  return log;
}
