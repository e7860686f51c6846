/**
 * Registers, status bits and command codes of ATA devices.
 * Document: T13/1532D ATA/ATAPI-7 Volume 1 (clauses 5.14 task file, 6 commands) and Volume 2 (clause 7 register interface).
 */

// Command block, offsets from 1F0h or 170h (Vol. 2, table 5).
export const ATA_DATA = 0;
export const ATA_ERROR_FEATURES = 1;
export const ATA_SECTOR_COUNT = 2;
export const ATA_LBA_LOW = 3;
export const ATA_LBA_MID = 4;
export const ATA_LBA_HIGH = 5;
export const ATA_DEVICE = 6;
export const ATA_STATUS_COMMAND = 7;

// Status register.
export const STATUS_ERR = 0x01;
export const STATUS_DRQ = 0x08;
/** Device seek complete; service for overlapped commands. */
export const STATUS_DSC = 0x10;
/** Device fault. */
export const STATUS_DF = 0x20;
export const STATUS_DRDY = 0x40;
export const STATUS_BSY = 0x80;

// Error register.
export const ERROR_ABRT = 0x04;
export const ERROR_IDNF = 0x10;
export const ERROR_UNC = 0x40;
/** Write protected. */
export const ERROR_WP = 0x40;
/** Diagnostic code: device passed (6.12, table 28). */
export const DIAGNOSTIC_PASSED = 0x01;

// Device register.
export const DEVICE_DEV = 0x10;
export const DEVICE_LBA = 0x40;
/** Bits 7 and 5 were once fixed at one; software reads them back. */
export const DEVICE_OBSOLETE = 0xa0;

// Device control register (3F6h or 376h).
export const CONTROL_NIEN = 0x02;
export const CONTROL_SRST = 0x04;
export const CONTROL_HOB = 0x80;

// Commands.
export const NOP = 0x00;
export const DATA_SET_MANAGEMENT = 0x06;
export const DEVICE_RESET = 0x08;
export const RECALIBRATE = 0x10;
export const READ_SECTORS = 0x20;
export const READ_SECTORS_NO_RETRY = 0x21;
export const READ_SECTORS_EXT = 0x24;
export const READ_DMA_EXT = 0x25;
export const READ_NATIVE_MAX_ADDRESS_EXT = 0x27;
export const READ_MULTIPLE_EXT = 0x29;
export const READ_LOG_EXT = 0x2f;
export const WRITE_SECTORS = 0x30;
export const WRITE_SECTORS_NO_RETRY = 0x31;
export const WRITE_SECTORS_EXT = 0x34;
export const WRITE_DMA_EXT = 0x35;
export const WRITE_MULTIPLE_EXT = 0x39;
export const WRITE_VERIFY = 0x3c;
export const WRITE_DMA_FUA_EXT = 0x3d;
export const READ_VERIFY_SECTORS = 0x40;
export const READ_VERIFY_SECTORS_NO_RETRY = 0x41;
export const READ_VERIFY_SECTORS_EXT = 0x42;
export const READ_FPDMA_QUEUED = 0x60;
export const WRITE_FPDMA_QUEUED = 0x61;
export const SEEK = 0x70;
export const EXECUTE_DEVICE_DIAGNOSTIC = 0x90;
export const INITIALIZE_DEVICE_PARAMETERS = 0x91;
export const STANDBY_IMMEDIATE_OLD = 0x94;
export const IDLE_IMMEDIATE_OLD = 0x95;
export const STANDBY_OLD = 0x96;
export const IDLE_OLD = 0x97;
export const CHECK_POWER_MODE_OLD = 0x98;
export const SLEEP_OLD = 0x99;
export const PACKET = 0xa0;
export const IDENTIFY_PACKET_DEVICE = 0xa1;
export const SMART = 0xb0;
export const READ_MULTIPLE = 0xc4;
export const WRITE_MULTIPLE = 0xc5;
export const SET_MULTIPLE_MODE = 0xc6;
export const READ_DMA = 0xc8;
export const READ_DMA_NO_RETRY = 0xc9;
export const WRITE_DMA = 0xca;
export const WRITE_DMA_NO_RETRY = 0xcb;
export const WRITE_MULTIPLE_FUA_EXT = 0xce;
export const STANDBY_IMMEDIATE = 0xe0;
export const IDLE_IMMEDIATE = 0xe1;
export const STANDBY = 0xe2;
export const IDLE = 0xe3;
export const READ_BUFFER = 0xe4;
export const CHECK_POWER_MODE = 0xe5;
export const SLEEP = 0xe6;
export const FLUSH_CACHE = 0xe7;
export const WRITE_BUFFER = 0xe8;
export const FLUSH_CACHE_EXT = 0xea;
export const IDENTIFY_DEVICE = 0xec;
export const SET_FEATURES = 0xef;
export const READ_NATIVE_MAX_ADDRESS = 0xf8;

// SET FEATURES subcommands (6.47, table 44).
export const FEATURE_ENABLE_WRITE_CACHE = 0x02;
export const FEATURE_SET_TRANSFER_MODE = 0x03;
export const FEATURE_DISABLE_LOOK_AHEAD = 0x55;
export const FEATURE_DISABLE_REVERT = 0x66;
export const FEATURE_DISABLE_WRITE_CACHE = 0x82;
export const FEATURE_ENABLE_LOOK_AHEAD = 0xaa;
export const FEATURE_ENABLE_REVERT = 0xcc;

export const SECTOR_BYTES = 512;
