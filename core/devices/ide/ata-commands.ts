/** Commands of an ATA disk, one row each (T13/1532D Volume 1, clause 6; ATA8-ACS for TRIM and the log). */
import type { AtaDisk } from './ata-disk';
import * as ata from './ata-regs';

// Power modes as CHECK POWER MODE reports them (6.2).
export const POWER_ACTIVE = 0xff;
const POWER_IDLE = 0x80;
const POWER_STANDBY = 0x00;

const done = (disk: AtaDisk): void => disk.done();
const standby = (disk: AtaDisk): void => disk.setPower(POWER_STANDBY);
const idle = (disk: AtaDisk): void => disk.setPower(POWER_IDLE);

export const ATA_COMMANDS: ReadonlyMap<number, (disk: AtaDisk) => void> = new Map([
  [ata.DATA_SET_MANAGEMENT, (d) => d.trim()],
  [ata.RECALIBRATE, done],
  [ata.READ_SECTORS, (d) => d.transfer('read')],
  [ata.READ_SECTORS_NO_RETRY, (d) => d.transfer('read')],
  [ata.READ_SECTORS_EXT, (d) => d.transfer('read', { ext: true })],
  [ata.READ_DMA_EXT, (d) => d.transfer('read', { ext: true, dma: true })],
  [ata.READ_NATIVE_MAX_ADDRESS_EXT, (d) => d.nativeMax(true)],
  [ata.READ_MULTIPLE_EXT, (d) => d.transfer('read', { ext: true, multiple: true })],
  [ata.READ_LOG_EXT, (d) => d.readLog()],
  [ata.WRITE_SECTORS, (d) => d.transfer('write')],
  [ata.WRITE_SECTORS_NO_RETRY, (d) => d.transfer('write')],
  [ata.WRITE_SECTORS_EXT, (d) => d.transfer('write', { ext: true })],
  [ata.WRITE_DMA_EXT, (d) => d.transfer('write', { ext: true, dma: true })],
  [ata.WRITE_MULTIPLE_EXT, (d) => d.transfer('write', { ext: true, multiple: true })],
  [ata.WRITE_VERIFY, (d) => d.transfer('write', { durable: true })],
  [ata.WRITE_DMA_FUA_EXT, (d) => d.transfer('write', { ext: true, dma: true, durable: true })],
  [ata.READ_VERIFY_SECTORS, (d) => d.transfer('verify')],
  [ata.READ_VERIFY_SECTORS_NO_RETRY, (d) => d.transfer('verify')],
  [ata.READ_VERIFY_SECTORS_EXT, (d) => d.transfer('verify', { ext: true })],
  [ata.SEEK, (d) => d.seek()],
  [ata.INITIALIZE_DEVICE_PARAMETERS, (d) => d.initializeParameters()],
  [ata.STANDBY_IMMEDIATE_OLD, standby],
  [ata.IDLE_IMMEDIATE_OLD, idle],
  [ata.STANDBY_OLD, standby],
  [ata.IDLE_OLD, idle],
  [ata.CHECK_POWER_MODE_OLD, (d) => d.checkPower()],
  [ata.SLEEP_OLD, (d) => d.setPower(POWER_STANDBY, true)],
  [ata.SMART, (d) => d.runSmart()],
  [ata.READ_MULTIPLE, (d) => d.transfer('read', { multiple: true })],
  [ata.WRITE_MULTIPLE, (d) => d.transfer('write', { multiple: true })],
  [ata.SET_MULTIPLE_MODE, (d) => d.setMultiple()],
  [ata.READ_DMA, (d) => d.transfer('read', { dma: true })],
  [ata.READ_DMA_NO_RETRY, (d) => d.transfer('read', { dma: true })],
  [ata.WRITE_DMA, (d) => d.transfer('write', { dma: true })],
  [ata.WRITE_DMA_NO_RETRY, (d) => d.transfer('write', { dma: true })],
  [
    ata.WRITE_MULTIPLE_FUA_EXT,
    (d) => d.transfer('write', { ext: true, multiple: true, durable: true }),
  ],
  [ata.STANDBY_IMMEDIATE, standby],
  [ata.IDLE_IMMEDIATE, idle],
  [ata.STANDBY, standby],
  [ata.IDLE, idle],
  [ata.READ_BUFFER, (d) => d.readBuffer()],
  [ata.CHECK_POWER_MODE, (d) => d.checkPower()],
  [ata.SLEEP, (d) => d.setPower(POWER_STANDBY, true)],
  [ata.FLUSH_CACHE, (d) => d.flush()],
  [ata.WRITE_BUFFER, (d) => d.writeBuffer()],
  [ata.FLUSH_CACHE_EXT, (d) => d.flush()],
  [ata.IDENTIFY_DEVICE, (d) => d.identify()],
  [ata.SET_FEATURES, (d) => d.setFeatures()],
  [ata.READ_NATIVE_MAX_ADDRESS, (d) => d.nativeMax(false)],
] as const satisfies readonly (readonly [number, (disk: AtaDisk) => void])[]);
