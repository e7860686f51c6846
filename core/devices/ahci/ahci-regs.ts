/** Registers and structures of Serial ATA AHCI 1.3.1: sections 3 (registers) and 4 (memory); names as there. */

// Generic host control, 3.1.
export const CAP = 0x00;
export const GHC = 0x04;
export const IS = 0x08;
export const PI = 0x0c;
export const VS = 0x10;
export const PORT_BASE = 0x100;
export const PORT_BYTES = 0x80;

export const PORTS = 6;
export const SLOTS = 32;
/** 64-bit addresses, NCQ, command list override, 3 Gb/s, AHCI only, 32 slots, 6 ports. */
export const CAP_VALUE = (0xc124_0000 | ((SLOTS - 1) << 8) | (PORTS - 1)) >>> 0;
export const VS_1_3 = 0x0001_0300;
export const GHC_HR = 0x0000_0001;
export const GHC_IE = 0x0000_0002;
export const GHC_AE = 0x8000_0000;

// Port registers, 3.3.
export const PXCLB = 0x00;
export const PXCLBU = 0x04;
export const PXFB = 0x08;
export const PXFBU = 0x0c;
export const PXIS = 0x10;
export const PXIE = 0x14;
export const PXCMD = 0x18;
export const PXTFD = 0x20;
export const PXSIG = 0x24;
export const PXSSTS = 0x28;
export const PXSCTL = 0x2c;
export const PXSERR = 0x30;
export const PXSACT = 0x34;
export const PXCI = 0x38;

export const PXIS_DHRS = 0x0000_0001;
export const PXIS_PSS = 0x0000_0002;
export const PXIS_SDBS = 0x0000_0008;
export const PXIS_DPS = 0x0000_0020;
export const PXIS_PCS = 0x0000_0040;
export const PXIS_PRCS = 0x0040_0000;
export const PXIS_OFS = 0x0100_0000;
export const PXIS_TFES = 0x4000_0000;
export const PXIE_MASK = 0xfdc0_00ff;

export const PXCMD_ST = 0x0000_0001;
export const PXCMD_SUD = 0x0000_0002;
export const PXCMD_POD = 0x0000_0004;
export const PXCMD_CLO = 0x0000_0008;
export const PXCMD_FRE = 0x0000_0010;
export const PXCMD_FR = 0x0000_4000;
export const PXCMD_CR = 0x0000_8000;
/** ST, FRE, ATAPI, DLAE, ALPE, ASP. */
export const PXCMD_WRITABLE = 0x0f00_0011;

export const SIG_ATA = 0x0000_0101;
export const SIG_ATAPI = 0xeb14_0101;
export const SIG_NONE = 0xffff_ffff;
/** Device present, 3 Gb/s, active. */
export const SSTS_UP = 0x123;
export const SSTS_OFFLINE = 0x004;
export const SCTL_DET = 0x0f;
export const SCTL_DET_COMRESET = 1;
export const SCTL_DET_OFFLINE = 4;
export const SERR_DIAG_N = 0x0001_0000;
export const SERR_DIAG_X = 0x0400_0000;
/** PxTFD of a port without a device. */
export const TFD_NONE = 0x7f;

// Received FIS area, 4.2.1.
export const RFIS_PIO_SETUP = 0x20;
export const RFIS_D2H = 0x40;
export const RFIS_SDB = 0x58;

// Command list and table, 4.2.2 and 4.2.3.
export const HEADER_BYTES = 32;
export const HEADER_PRDBC = 4;
export const TABLE_ACMD = 0x40;
export const TABLE_PRDT = 0x80;
export const PRD_BYTES = 16;
export const PRD_COUNT_MASK = 0x3f_ffff;
export const PRD_INTERRUPT = 0x8000_0000;

// Frame information structures, Serial ATA 3.0 section 10.3.
export const FIS_H2D = 0x27;
export const FIS_D2H = 0x34;
export const FIS_PIO_SETUP = 0x5f;
export const FIS_SDB = 0xa1;
export const FIS_INTERRUPT = 0x40;
export const FIS_TO_HOST = 0x20;
/** H2D: the command register was written, rather than the control register. */
export const FIS_COMMAND = 0x80;
