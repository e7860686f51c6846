/**
 * Registers of the VGA, the names and bits of the IBM manual.
 * Document: IBM Personal System/2 Hardware Interface Technical Reference, Video Subsystem (1990).
 */

// Ports, offsets from 3B0h.
export const VGA_PORT_BASE = 0x3b0;
export const VGA_PORT_COUNT = 0x30;
export const CRTC_INDEX_MONO = 0x04;
export const CRTC_DATA_MONO = 0x05;
export const INPUT_STATUS_1_MONO = 0x0a;
export const ATTRIBUTE_INDEX = 0x10;
export const ATTRIBUTE_READ = 0x11;
export const MISC_WRITE = 0x12;
export const VGA_ENABLE = 0x13;
export const SEQUENCER_INDEX = 0x14;
export const SEQUENCER_DATA = 0x15;
export const DAC_MASK = 0x16;
export const DAC_READ_INDEX = 0x17;
export const DAC_WRITE_INDEX = 0x18;
export const DAC_DATA = 0x19;
export const FEATURE_READ = 0x1a;
export const MISC_READ = 0x1c;
export const GRAPHICS_INDEX = 0x1e;
export const GRAPHICS_DATA = 0x1f;
export const CRTC_INDEX_COLOR = 0x24;
export const CRTC_DATA_COLOR = 0x25;
export const INPUT_STATUS_1_COLOR = 0x2a;

// Miscellaneous output register.
/** I/O address select: CRTC and status at 3Dxh. */
export const MISC_IOAS = 0x01;
export const MISC_CLOCK_28_MHZ = 0x04;

// Sequencer.
export const SR_RESET = 0;
export const SR_CLOCKING = 1;
export const SR_MAP_MASK = 2;
export const SR_CHARACTER_MAP = 3;
export const SR_MEMORY_MODE = 4;
export const SR_COUNT = 5;
export const SR_CLOCKING_8_DOTS = 0x01;
/** Dot clock divided by two: every pixel twice as wide. */
export const SR_CLOCKING_DCLK_2 = 0x08;
export const SR_CLOCKING_SCREEN_OFF = 0x20;
export const SR_MEMORY_ODD_EVEN_OFF = 0x04;
export const SR_MEMORY_CHAIN_4 = 0x08;

// Graphics controller.
export const GR_SET_RESET = 0;
export const GR_ENABLE_SET_RESET = 1;
export const GR_COLOR_COMPARE = 2;
export const GR_DATA_ROTATE = 3;
export const GR_READ_MAP_SELECT = 4;
export const GR_MODE = 5;
export const GR_MISC = 6;
export const GR_COLOR_DONT_CARE = 7;
export const GR_BIT_MASK = 8;
export const GR_COUNT = 9;
export const GR_MODE_READ_COMPARE = 0x08;
export const GR_MODE_ODD_EVEN = 0x10;
export const GR_MODE_INTERLEAVE = 0x20;
export const GR_MODE_256_COLORS = 0x40;
export const GR_MISC_GRAPHICS = 0x01;

// CRT controller.
export const CR_H_TOTAL = 0x00;
export const CR_H_DISPLAY_END = 0x01;
export const CR_V_TOTAL = 0x06;
export const CR_OVERFLOW = 0x07;
export const CR_PRESET_ROW_SCAN = 0x08;
export const CR_MAX_SCAN_LINE = 0x09;
export const CR_CURSOR_START = 0x0a;
export const CR_CURSOR_END = 0x0b;
export const CR_START_HIGH = 0x0c;
export const CR_START_LOW = 0x0d;
export const CR_CURSOR_HIGH = 0x0e;
export const CR_CURSOR_LOW = 0x0f;
export const CR_V_RETRACE_START = 0x10;
export const CR_V_RETRACE_END = 0x11;
export const CR_V_DISPLAY_END = 0x12;
export const CR_OFFSET = 0x13;
export const CR_UNDERLINE = 0x14;
export const CR_MODE_CONTROL = 0x17;
export const CR_LINE_COMPARE = 0x18;
export const CR_COUNT = 0x19;
/** Write protection of CR00-CR07. */
export const CR_V_RETRACE_END_PROTECT = 0x80;
export const CR_MAX_SCAN_LINE_DOUBLE = 0x80;
export const CR_CURSOR_START_OFF = 0x20;
/** Compatibility mode support: row scan bit 0 takes the place of address bit 13; bit 1 that of bit 14. */
export const CR_MODE_CMS0 = 0x01;
export const CR_MODE_CMS1 = 0x02;
export const CR_MODE_BYTE = 0x40;

// Attribute controller.
export const AR_MODE = 0x10;
export const AR_OVERSCAN = 0x11;
export const AR_PLANE_ENABLE = 0x12;
export const AR_PEL_PANNING = 0x13;
export const AR_COLOR_SELECT = 0x14;
export const AR_COUNT = 0x15;
export const AR_INDEX_PALETTE_SOURCE = 0x20;
/** Enable line graphics: column 9 of C0h-DFh repeats column 8. */
export const AR_MODE_LINE_GRAPHICS = 0x04;
export const AR_MODE_BLINK = 0x08;
export const AR_MODE_PANNING_COMPATIBLE = 0x20;
/** Colour bits 4 and 5 come from the colour select register. */
export const AR_MODE_P54_SELECT = 0x80;

// Input status register 1.
/** Display is not being drawn: horizontal or vertical blanking. */
export const STATUS_1_BLANKING = 0x01;
export const STATUS_1_V_RETRACE = 0x08;

/** Bits of each register that exist. */
export const SR_MASKS: readonly number[] = [0x03, 0x3d, 0x0f, 0x3f, 0x0e];
export const GR_MASKS: readonly number[] = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff];

/** Guest-visible state of the VGA proper, apart from its memory. */
export interface VgaRegisters {
  misc: number;
  feature: number;
  enable: number;
  sequencerIndex: number;
  sequencer: Uint8Array<ArrayBuffer>;
  graphicsIndex: number;
  graphics: Uint8Array<ArrayBuffer>;
  crtcIndex: number;
  crtc: Uint8Array<ArrayBuffer>;
  attributeIndex: number;
  /** The next write to 3C0h is data. */
  attributeData: boolean;
  attribute: Uint8Array<ArrayBuffer>;
  dacMask: number;
  dacReadIndex: number;
  dacWriteIndex: number;
  /** Colour of the entry that is next: 0 red, 1 green, 2 blue. */
  dacComponent: number;
  /** The DAC was last told to read. */
  dacReading: boolean;
  dacEntry: [number, number, number];
  dac: Uint8Array<ArrayBuffer>;
  /** Four planes' bytes of the last read. */
  latch: number;
}

export function powerOnRegisters(): VgaRegisters {
  return {
    misc: 0,
    feature: 0,
    enable: 0,
    sequencerIndex: 0,
    sequencer: new Uint8Array(SR_COUNT),
    graphicsIndex: 0,
    graphics: new Uint8Array(GR_COUNT),
    crtcIndex: 0,
    crtc: new Uint8Array(CR_COUNT),
    attributeIndex: 0,
    attributeData: false,
    attribute: new Uint8Array(AR_COUNT),
    dacMask: 0xff,
    dacReadIndex: 0,
    dacWriteIndex: 0,
    dacComponent: 0,
    dacReading: false,
    dacEntry: [0, 0, 0],
    dac: new Uint8Array(768),
    latch: 0,
  };
}

// Values that are spread over several CRTC registers.

export function verticalDisplayEnd(crtc: Uint8Array): number {
  const overflow = crtc[CR_OVERFLOW];
  return crtc[CR_V_DISPLAY_END] | ((overflow & 0x02) << 7) | ((overflow & 0x40) << 3);
}

export function verticalTotal(crtc: Uint8Array): number {
  const overflow = crtc[CR_OVERFLOW];
  return (crtc[CR_V_TOTAL] | ((overflow & 0x01) << 8) | ((overflow & 0x20) << 4)) + 2;
}

export function verticalRetraceStart(crtc: Uint8Array): number {
  const overflow = crtc[CR_OVERFLOW];
  return crtc[CR_V_RETRACE_START] | ((overflow & 0x04) << 6) | ((overflow & 0x80) << 2);
}

export function lineCompare(crtc: Uint8Array): number {
  return (
    crtc[CR_LINE_COMPARE] |
    ((crtc[CR_OVERFLOW] & 0x10) << 4) |
    ((crtc[CR_MAX_SCAN_LINE] & 0x40) << 3)
  );
}

export function startAddress(crtc: Uint8Array): number {
  const bytePanning = (crtc[CR_PRESET_ROW_SCAN] >> 5) & 3;
  return ((crtc[CR_START_HIGH] << 8) | crtc[CR_START_LOW]) + bytePanning;
}

export function cursorAddress(crtc: Uint8Array): number {
  return (crtc[CR_CURSOR_HIGH] << 8) | crtc[CR_CURSOR_LOW];
}
