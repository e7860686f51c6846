/**
 * struct boot_params and the setup header of the Linux/x86 boot protocol
 * (Documentation/arch/x86/boot.rst and zero-page.rst of Linux 6.1). Offsets in bytes.
 */

/** boot_params (zero page). */
export const ORIG_X = 0x00;
export const ORIG_Y = 0x01;
export const ORIG_VIDEO_MODE = 0x06;
export const ORIG_VIDEO_COLS = 0x07;
export const ORIG_VIDEO_LINES = 0x0e;
export const ORIG_VIDEO_ISVGA = 0x0f;
export const ORIG_VIDEO_POINTS = 0x10;
export const ACPI_RSDP_ADDR = 0x070;
export const ALT_MEM_K = 0x1e0;
export const E820_ENTRIES = 0x1e8;
export const E820_TABLE = 0x2d0;
export const E820_ENTRY_BYTES = 20;
export const BOOT_PARAMS_BYTES = 4096;

/** Setup header: the same offsets in the kernel file and in boot_params. */
export const SETUP_SECTS = 0x1f1;
export const BOOT_FLAG = 0x1fe;
export const JUMP = 0x200;
export const HEADER = 0x202;
export const VERSION = 0x206;
export const TYPE_OF_LOADER = 0x210;
export const LOADFLAGS = 0x211;
export const CODE32_START = 0x214;
export const RAMDISK_IMAGE = 0x218;
export const RAMDISK_SIZE = 0x21c;
export const CMD_LINE_PTR = 0x228;
export const INITRD_ADDR_MAX = 0x22c;
export const KERNEL_ALIGNMENT = 0x230;
export const RELOCATABLE_KERNEL = 0x234;
export const CMDLINE_SIZE = 0x238;
/** From protocol 2.08 on: the compressed kernel, bytes from the end of the setup code. */
export const PAYLOAD_OFFSET = 0x248;
export const PAYLOAD_LENGTH = 0x24c;
export const PAYLOAD_VERSION = 0x208;
export const SETUP_DATA = 0x250;
export const PREF_ADDRESS = 0x258;
export const INIT_SIZE = 0x260;

export const HDRS_MAGIC = 0x5372_6448;
export const LOADED_HIGH = 0x01;
/** Set by the decompressor for the kernel proper: addresses are to be random. */
export const KASLR_FLAG = 0x02;
export const TYPE_OF_LOADER_UNDEFINED = 0xff;
