/**
 * EDID 1.3 block of the virtual monitor, for VBE/DDC.
 * Spec: VESA E-EDID Standard, EDID structure 1 revision 3.
 */
import { ByteBuilder, checksum } from '../../bytes';

export function buildEdid(): Uint8Array<ArrayBuffer> {
  // Preferred timing 1024x768 at 60 Hz: 65 MHz, total 1344 x 806 (VESA DMT 10h).
  const detailed = [
    0x64, 0x19, 0x00, 0x40, 0x41, 0x00, 0x26, 0x30, 0x18, 0x88, 0x36, 0x00, 0x54, 0x0e, 0x11, 0x00,
    0x00, 0x18,
  ];
  const descriptor = (tag: number, text: string): number[] => [
    0,
    0,
    0,
    tag,
    0,
    ...Array.from({ length: 13 }, (_, i) =>
      i < text.length ? text.charCodeAt(i) : i === text.length ? 0x0a : 0x20,
    ),
  ];
  const block = new ByteBuilder()
    .raw([0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0])
    .u8(0x11, 0xed) // manufacturer "DOM"
    .u16(1)
    .u32(1)
    .u8(1, 36) // week 1 of 2026
    .u8(1, 3)
    .u8(0x0e, 34, 27, 120, 0x0a) // analog, 34 x 27 cm, gamma 2.2, RGB, preferred timing given
    .u8(0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54)
    .u8(0x21, 0x08, 0x00) // 640x480, 800x600, 1024x768 at 60 Hz
    .u8(
      0x81,
      0x80,
      0x81,
      0x00,
      0x95,
      0x00,
      0xa9,
      0x40,
      0xd1,
      0xc0,
      0x01,
      0x01,
      0x01,
      0x01,
      0x01,
      0x01,
    )
    .raw(detailed)
    .raw([0, 0, 0, 0xfd, 0, 50, 85, 30, 100, 30, 0, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20])
    .raw(descriptor(0xfc, 'Domus display'.slice(0, 13)))
    .raw(descriptor(0xff, '1'))
    .u8(0, 0)
    .build();
  block[127] = checksum(block);
  return block;
}
