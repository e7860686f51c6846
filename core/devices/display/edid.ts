/**
 * EDID 1.3 block of the monitor behind the adapter, which guest drivers read from the register BAR.
 * Document: VESA Enhanced EDID Standard, Release A, Revision 1 (February 2000).
 */

interface Timing {
  readonly clockKHz: number;
  /** Visible, blanking, sync offset, sync width. */
  readonly h: readonly [number, number, number, number];
  readonly v: readonly [number, number, number, number];
}

/** VESA DMT 1024x768 at 60 Hz. */
const PREFERRED: Timing = { clockKHz: 65_000, h: [1024, 320, 24, 136], v: [768, 38, 3, 6] };
/** Size of the picture, millimetres: 96 dots an inch. */
const WIDTH_MM = 271;
const HEIGHT_MM = 203;

function detailed({ clockKHz, h, v }: Timing): number[] {
  const [hActive, hBlank, hOffset, hWidth] = h;
  const [vActive, vBlank, vOffset, vWidth] = v;
  const clock = clockKHz / 10;
  return [
    clock & 0xff,
    clock >> 8,
    hActive & 0xff,
    hBlank & 0xff,
    ((hActive >> 8) << 4) | (hBlank >> 8),
    vActive & 0xff,
    vBlank & 0xff,
    ((vActive >> 8) << 4) | (vBlank >> 8),
    hOffset & 0xff,
    hWidth & 0xff,
    ((vOffset & 15) << 4) | (vWidth & 15),
    ((hOffset >> 8) << 6) | ((hWidth >> 8) << 4) | ((vOffset >> 4) << 2) | (vWidth >> 4),
    WIDTH_MM & 0xff,
    HEIGHT_MM & 0xff,
    ((WIDTH_MM >> 8) << 4) | (HEIGHT_MM >> 8),
    0,
    0,
    0x18, // digital separate sync
  ];
}

/** Display descriptor with text, ended by a line feed and blanks. */
function textDescriptor(tag: number, text: string): number[] {
  const padded = `${text}\n`.padEnd(13).slice(0, 13);
  return [0, 0, 0, tag, 0, ...Array.from(padded, (c) => c.charCodeAt(0))];
}

/** Standard timing: 60 Hz, aspect 0 16:10, 1 4:3, 2 5:4, 3 16:9. */
const standard = (width: number, aspect: number): number[] => [width / 8 - 31, aspect << 6];

export function edidBlock(): Uint8Array<ArrayBuffer> {
  const block = Uint8Array.from([
    ...[0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00],
    ...[0x11, 0xed, 0x01, 0x00, 1, 0, 0, 0], // maker "DOM", product 1
    ...[1, 36, 1, 3], // week 1 of 2026, EDID 1.3
    ...[0x80, WIDTH_MM / 10, HEIGHT_MM / 10, 120, 0x0a], // digital, gamma 2.2, RGB, preferred timing
    ...[0xee, 0x95, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54], // sRGB chromaticity
    ...[0x21, 0x08, 0x00], // 640x480, 800x600, 1024x768
    ...standard(1280, 2),
    ...standard(1280, 0),
    ...standard(1440, 0),
    ...standard(1600, 1),
    ...standard(1680, 0),
    ...standard(1920, 3),
    ...standard(1920, 0),
    ...standard(1152, 1),
    ...detailed(PREFERRED),
    ...textDescriptor(0xfc, 'Domus'),
    ...[0, 0, 0, 0xfd, 0, 50, 75, 30, 100, 30, 0, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20], // range limits
    ...textDescriptor(0xff, '1'),
    0,
    0,
  ]);
  let sum = 0;
  for (const byte of block) sum += byte;
  block[127] = -sum;
  return block;
}
