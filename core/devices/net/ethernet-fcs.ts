/** Frame check sequence: CRC-32 of IEEE 802.3 3.2.9, bits reflected. */

/** Entry 256 k + b: what byte b does to the sum k bytes later, so that eight bytes are taken at once. */
const TABLE = new Int32Array(8 * 256);
for (let i = 0; i < 256; i++) {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  TABLE[i] = crc;
}
for (let i = 256; i < TABLE.length; i++) {
  const before = TABLE[i - 256];
  TABLE[i] = TABLE[before & 0xff] ^ (before >>> 8);
}

export const FCS_BYTES = 4;
/** Shortest frame on the wire without FCS (802.3 4.2.3.3). */
export const MIN_FRAME_BYTES = 60;

/** A frame as it is on the wire: padded to the shortest length, FCS behind it; zeros there unless it `hasFcs`. */
export function wireFrame(frame: Uint8Array, hasFcs = true): Uint8Array<ArrayBuffer> {
  const length = Math.max(frame.length, MIN_FRAME_BYTES);
  const wire = new Uint8Array(length + FCS_BYTES);
  wire.set(frame);
  if (hasFcs) putFcs(wire, length);
  return wire;
}

/** Puts the FCS of the first `length` bytes behind them. */
function putFcs(wire: Uint8Array<ArrayBuffer>, length: number): void {
  let crc = -1;
  let i = 0;
  for (; i + 7 < length; i += 8) {
    crc ^= wire[i] | (wire[i + 1] << 8) | (wire[i + 2] << 16) | (wire[i + 3] << 24);
    crc =
      TABLE[0x700 | (crc & 0xff)] ^
      TABLE[0x600 | ((crc >>> 8) & 0xff)] ^
      TABLE[0x500 | ((crc >>> 16) & 0xff)] ^
      TABLE[0x400 | (crc >>> 24)] ^
      TABLE[0x300 | wire[i + 4]] ^
      TABLE[0x200 | wire[i + 5]] ^
      TABLE[0x100 | wire[i + 6]] ^
      TABLE[wire[i + 7]];
  }
  for (; i < length; i++) crc = TABLE[(crc ^ wire[i]) & 0xff] ^ (crc >>> 8);
  new DataView(wire.buffer).setUint32(length, ~crc, true);
}
