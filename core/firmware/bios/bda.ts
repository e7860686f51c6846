/**
 * BIOS data area (segment 40h) and our extended BIOS data area: addresses as GPAs.
 * Spec: IBM PS/2 and PC BIOS Interface Technical Reference (1991), section 3; layout of the EBDA above 22h is our own.
 */
import { EBDA_BASE } from '../memory-map';

export const BDA = 0x400;
export const COM_PORTS = 0x400;
export const LPT_PORTS = 0x408;
export const EBDA_SEGMENT = 0x40e;
export const EQUIPMENT = 0x410;
export const MEMORY_KIB = 0x413;
export const SHIFT_FLAGS = 0x417;
export const SHIFT_FLAGS_2 = 0x418;
export const ALT_KEYPAD = 0x419;
export const KEY_HEAD = 0x41a;
export const KEY_TAIL = 0x41c;
export const KEY_BUFFER = 0x41e;
export const KEY_BUFFER_END = 0x43e;
export const DISKETTE_STATUS = 0x441;
export const VIDEO_MODE = 0x449;
export const VIDEO_COLUMNS = 0x44a;
export const PAGE_BYTES = 0x44c;
export const PAGE_START = 0x44e;
export const CURSOR_POSITIONS = 0x450;
export const CURSOR_SHAPE = 0x460;
export const ACTIVE_PAGE = 0x462;
export const CRTC_PORT = 0x463;
export const CGA_MODE_CONTROL = 0x465;
export const CGA_PALETTE = 0x466;
export const RESET_VECTOR = 0x467;
export const TICKS = 0x46c;
export const MIDNIGHT = 0x470;
export const BREAK_FLAG = 0x471;
export const WARM_BOOT = 0x472;
export const DISK_STATUS = 0x474;
export const DISK_COUNT = 0x475;
export const LPT_TIMEOUTS = 0x478;
export const COM_TIMEOUTS = 0x47c;
export const KEY_BUFFER_START_POINTER = 0x480;
export const KEY_BUFFER_END_POINTER = 0x482;
export const VIDEO_ROWS = 0x484;
export const CHAR_HEIGHT = 0x485;
export const VIDEO_CONTROL = 0x487;
export const VIDEO_SWITCHES = 0x488;
export const VIDEO_FLAGS = 0x489;
export const DISPLAY_COMBINATION = 0x48a;
export const KEYBOARD_FLAGS_3 = 0x496;
export const KEYBOARD_LEDS = 0x497;
export const USER_WAIT_FLAG = 0x498;
export const USER_WAIT_COUNT = 0x49c;
export const RTC_WAIT_FLAG = 0x4a0;
export const VIDEO_SAVE_POINTER = 0x4a8;

/** EBDA: size in KiB at 0; pointing device data at 22h as on the PS/2. */
export const EBDA_SIZE = EBDA_BASE;
export const MOUSE_HANDLER = EBDA_BASE + 0x22;
export const MOUSE_FLAGS_1 = EBDA_BASE + 0x26;
export const MOUSE_FLAGS_2 = EBDA_BASE + 0x27;
export const MOUSE_PACKET = EBDA_BASE + 0x28;
/** Words that the INT 74h stub pushes for the pointing device handler: status, x, y, z. */
export const MOUSE_CALL = EBDA_BASE + 0x30;
/** Fixed disk parameter tables for INT 41h and 46h, 16 bytes each. */
export const FIXED_DISK_TABLES = EBDA_BASE + 0x40;
/** Device parameter table extensions for EDD, 16 bytes for each of 8 drives. */
export const DPTE = EBDA_BASE + 0x100;
