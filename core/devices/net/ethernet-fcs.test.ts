import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../test/support/frames';
import { FCS_BYTES, MIN_FRAME_BYTES, wireFrame } from './ethernet-fcs';

/** CRC-32 of IEEE 802.3 3.2.9, a bit at a time. */
function slowCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('frames as they are on a wire', () => {
  it('are padded and have their check sequence, whatever their length', () => {
    for (const length of [14, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 1513, 1514, 1518]) {
      const frame = bytesOf(length, length);
      const padded = new Uint8Array(Math.max(length, MIN_FRAME_BYTES));
      padded.set(frame);
      const wire = wireFrame(frame);
      expect(wire.subarray(0, -FCS_BYTES)).toEqual(padded);
      expect(new DataView(wire.buffer).getUint32(padded.length, true)).toBe(slowCrc(padded));
    }
  });
});
