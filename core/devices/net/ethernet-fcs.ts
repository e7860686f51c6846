/** Frame check sequence: CRC-32 of IEEE 802.3 3.2.9, bits reflected. */

/** Row k: what a byte does to the sum k bytes later, so that four bytes are taken at once. */
const TABLE = Array.from({ length: 4 }, () => new Int32Array(256));
const [NOW, THEN, LATER, LAST] = TABLE;
for (let i = 0; i < 256; i++) {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  NOW[i] = crc;
}
for (let i = 0; i < 256; i++)
  for (let row = 1; row < 4; row++) {
    const before = TABLE[row - 1][i];
    TABLE[row][i] = NOW[before & 0xff] ^ (before >>> 8);
  }

export const FCS_BYTES = 4;
/** Shortest frame on the wire without FCS (802.3 4.2.3.3). */
export const MIN_FRAME_BYTES = 60;

/** A frame as it is on the wire: padded to the shortest length, FCS behind it. */
export function wireFrame(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = Math.max(frame.length, MIN_FRAME_BYTES);
  const wire = new Uint8Array(length + FCS_BYTES);
  wire.set(frame);
  let crc = -1;
  let i = 0;
  for (; i + 3 < length; i += 4) {
    crc ^= wire[i] | (wire[i + 1] << 8) | (wire[i + 2] << 16) | (wire[i + 3] << 24);
    crc =
      LAST[crc & 0xff] ^ LATER[(crc >>> 8) & 0xff] ^ THEN[(crc >>> 16) & 0xff] ^ NOW[crc >>> 24];
  }
  for (; i < length; i++) crc = NOW[(crc ^ wire[i]) & 0xff] ^ (crc >>> 8);
  new DataView(wire.buffer).setUint32(length, ~crc, true);
  return wire;
}
