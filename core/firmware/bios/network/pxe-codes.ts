/**
 * Numbers of the PXE API: functions, exit codes and status codes.
 * Spec: Preboot Execution Environment (PXE) 2.1, chapters 3 and 4, appendix A.
 */

export const START_UNDI = 0x0000;
export const UNDI_STARTUP = 0x0001;
export const UNDI_CLEANUP = 0x0002;
export const UNDI_INITIALIZE = 0x0003;
export const UNDI_RESET_ADAPTER = 0x0004;
export const UNDI_SHUTDOWN = 0x0005;
export const UNDI_OPEN = 0x0006;
export const UNDI_CLOSE = 0x0007;
export const UNDI_TRANSMIT = 0x0008;
export const UNDI_SET_MCAST_ADDRESS = 0x0009;
export const UNDI_SET_STATION_ADDRESS = 0x000a;
export const UNDI_SET_PACKET_FILTER = 0x000b;
export const UNDI_GET_INFORMATION = 0x000c;
export const UNDI_GET_STATISTICS = 0x000d;
export const UNDI_CLEAR_STATISTICS = 0x000e;
export const UNDI_INITIATE_DIAGS = 0x000f;
export const UNDI_FORCE_INTERRUPT = 0x0010;
export const UNDI_GET_MCAST_ADDRESS = 0x0011;
export const UNDI_GET_NIC_TYPE = 0x0012;
export const UNDI_GET_IFACE_INFO = 0x0013;
export const UNDI_ISR = 0x0014;
/** Also UNDI_GET_STATE, by a slip of the specification; loaders mean this one. */
export const STOP_UNDI = 0x0015;
export const TFTP_OPEN = 0x0020;
export const TFTP_CLOSE = 0x0021;
export const TFTP_READ = 0x0022;
export const TFTP_READ_FILE = 0x0023;
export const TFTP_GET_FSIZE = 0x0025;
export const UDP_OPEN = 0x0030;
export const UDP_CLOSE = 0x0031;
export const UDP_READ = 0x0032;
export const UDP_WRITE = 0x0033;
export const UNLOAD_STACK = 0x0070;
export const GET_CACHED_INFO = 0x0071;
export const START_BASE = 0x0075;
export const STOP_BASE = 0x0076;

export const EXIT_SUCCESS = 0;
export const EXIT_FAILURE = 1;

export const STATUS_SUCCESS = 0x00;
export const STATUS_FAILURE = 0x01;
export const STATUS_UNSUPPORTED = 0x03;
export const STATUS_OUT_OF_RESOURCES = 0x06;
export const STATUS_ARP_TIMEOUT = 0x11;
export const STATUS_UDP_CLOSED = 0x18;
export const STATUS_UDP_OPEN = 0x19;
export const STATUS_TFTP_CLOSED = 0x1a;
export const STATUS_TFTP_OPEN = 0x1b;
export const STATUS_TFTP_CANNOT_ARP_ADDRESS = 0x30;
export const STATUS_TFTP_OPEN_TIMEOUT = 0x32;
export const STATUS_TFTP_UNKNOWN_OPCODE = 0x33;
export const STATUS_TFTP_READ_TIMEOUT = 0x35;
export const STATUS_TFTP_ERROR_OPCODE = 0x36;
export const STATUS_TFTP_TOO_MANY_PACKAGES = 0x3a;
export const STATUS_TFTP_FILE_NOT_FOUND = 0x3b;
export const STATUS_TFTP_ACCESS_VIOLATION = 0x3c;
export const STATUS_TFTP_NO_FILESIZE = 0x3e;
export const STATUS_UNDI_INVALID_STATE = 0x6a;
export const STATUS_UNDI_TRANSMIT_ERROR = 0x6b;
