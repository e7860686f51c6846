/**
 * Register values of the standard VGA modes 00h-13h.
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem" (1992), register tables of the BIOS modes.

 */

export type ModeKind = 'text' | 'cga4' | 'cga2' | 'planar' | 'linear8';
export type PaletteKind = 'ega64' | 'cga16' | 'mono' | 'vga256';

export interface VideoMode {
  readonly kind: ModeKind;
  readonly columns: number;
  readonly rows: number;
  readonly charHeight: 8 | 14 | 16;
  /** Pixels; for text modes those of the characters. */
  readonly width: number;
  readonly height: number;
  readonly segment: number;
  readonly pageBytes: number;
  readonly palette: PaletteKind;
  /** CGA mode control byte kept at 40:65. */
  readonly cga: number;
  readonly misc: number;
  readonly sequencer: readonly number[];
  readonly crtc: readonly number[];
  readonly attribute: readonly number[];
  readonly graphics: readonly number[];
}

const hex = (text: string): readonly number[] => text.split(' ').map((byte) => parseInt(byte, 16));

const ATTRIBUTE_EGA = '00 01 02 03 04 05 14 07 38 39 3a 3b 3c 3d 3e 3f';
const ATTRIBUTE_CGA = '00 01 02 03 04 05 06 07 10 11 12 13 14 15 16 17';
const CRTC_80 = '5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 1f 96 b9 a3 ff';
const CRTC_40 = '2d 27 28 90 2b a0 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 14 1f 96 b9 a3 ff';
const CRTC_350 = '5f 4f 50 82 54 80 bf 1f 00 40 00 00 00 00 00 00 83 85 5d 28 0f 63 ba e3 ff';
const CRTC_480 = '5f 4f 50 82 54 80 0b 3e 00 40 00 00 00 00 00 00 ea 8c df 28 00 e7 04 e3 ff';

// prettier-ignore
const text40: VideoMode = {
  kind: 'text', columns: 40, rows: 25, charHeight: 16, width: 360, height: 400, segment: 0xb800, pageBytes: 0x800, palette: 'ega64', cga: 0x2c,
  misc: 0x67, sequencer: [0x08, 0x03, 0x00, 0x02], crtc: hex(CRTC_40), attribute: hex(`${ATTRIBUTE_EGA} 0c 00 0f 08 00`), graphics: hex('00 00 00 00 00 10 0e 00 ff'),
};
const text80: VideoMode = {
  ...text40,
  columns: 80,
  width: 720,
  pageBytes: 0x1000,
  cga: 0x2d,
  sequencer: [0x00, 0x03, 0x00, 0x02],
  crtc: hex(CRTC_80),
};
// prettier-ignore
const cga320: VideoMode = {
  kind: 'cga4', columns: 40, rows: 25, charHeight: 8, width: 320, height: 200, segment: 0xb800, pageBytes: 0x4000, palette: 'cga16', cga: 0x2a,
  misc: 0x63, sequencer: [0x09, 0x03, 0x00, 0x02], crtc: hex('2d 27 28 90 2b 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 a2 ff'),
  attribute: hex('00 13 15 17 02 04 06 07 10 11 12 13 14 15 16 17 01 00 03 00 00'), graphics: hex('00 00 00 00 00 30 0f 0f ff'),
};
// prettier-ignore
const ega320: VideoMode = {
  kind: 'planar', columns: 40, rows: 25, charHeight: 8, width: 320, height: 200, segment: 0xa000, pageBytes: 0x2000, palette: 'cga16', cga: 0x29,
  misc: 0x63, sequencer: [0x09, 0x0f, 0x00, 0x06], crtc: hex('2d 27 28 90 2b 80 bf 1f 00 c0 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 e3 ff'),
  attribute: hex(`${ATTRIBUTE_CGA} 01 00 0f 00 00`), graphics: hex('00 00 00 00 00 00 05 0f ff'),
};
// prettier-ignore
const ega350: VideoMode = {
  ...ega320, columns: 80, charHeight: 14, width: 640, height: 350, pageBytes: 0x8000, palette: 'ega64',
  misc: 0xa3, sequencer: [0x01, 0x0f, 0x00, 0x06], crtc: hex(CRTC_350), attribute: hex(`${ATTRIBUTE_EGA} 01 00 0f 00 00`),
};
const vga640: VideoMode = {
  ...ega350,
  rows: 30,
  charHeight: 16,
  height: 480,
  pageBytes: 0xa000,
  misc: 0xe3,
  crtc: hex(CRTC_480),
};

/** By mode number. */
// prettier-ignore
export const STANDARD_MODES: ReadonlyMap<number, VideoMode> = new Map<number, VideoMode>([
  [0x00, text40],
  [0x01, { ...text40, cga: 0x28 }],
  [0x02, text80],
  [0x03, { ...text80, cga: 0x29 }],
  [0x04, cga320],
  [0x05, { ...cga320, cga: 0x2e }],
  [0x06, {
    ...cga320, kind: 'cga2', columns: 80, width: 640, cga: 0x1e, sequencer: [0x01, 0x01, 0x00, 0x06],
    crtc: hex('5f 4f 50 82 54 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 28 00 96 b9 c2 ff'),
    attribute: hex('00 17 17 17 17 17 17 17 17 17 17 17 17 17 17 17 01 00 01 00 00'), graphics: hex('00 00 00 00 00 00 0d 0f ff'),
  }],
  [0x07, {
    ...text80, segment: 0xb000, palette: 'mono', misc: 0x66, crtc: hex('5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 0f 96 b9 a3 ff'),
    attribute: hex('00 08 08 08 08 08 08 08 10 18 18 18 18 18 18 18 0e 00 0f 08 00'), graphics: hex('00 00 00 00 00 10 0a 00 ff'),
  }],
  [0x0d, ega320],
  [0x0e, {
    ...ega320, columns: 80, width: 640, pageBytes: 0x4000, sequencer: [0x01, 0x0f, 0x00, 0x06],
    crtc: hex('5f 4f 50 82 54 80 bf 1f 00 c0 00 00 00 00 00 00 9c 8e 8f 28 00 96 b9 e3 ff'),
  }],
  [0x0f, {
    ...ega350, palette: 'mono', misc: 0xa2, attribute: hex('00 08 00 00 18 18 00 00 00 08 00 00 00 18 00 00 0b 00 05 00 00'), graphics: hex('00 00 00 00 00 00 05 05 ff'),
  }],
  [0x10, ega350],
  [0x11, {
    ...vga640, crtc: hex(CRTC_480.replace('e3 ff', 'c3 ff')), attribute: hex('00 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 01 00 0f 00 00'), graphics: hex('00 00 00 00 00 00 05 01 ff'),
  }],
  [0x12, vga640],
  [0x13, {
    ...ega320, kind: 'linear8', pageBytes: 0x10000, palette: 'vga256', sequencer: [0x01, 0x0f, 0x00, 0x0e],
    crtc: hex('5f 4f 50 82 54 80 bf 1f 00 41 00 00 00 00 00 00 9c 8e 8f 28 40 96 b9 a3 ff'),
    attribute: hex('00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 41 00 0f 00 00'), graphics: hex('00 00 00 00 00 40 05 0f ff'),
  }],
]);
