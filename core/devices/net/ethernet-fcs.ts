/** Frame check sequence: CRC-32 of IEEE 802.3 3.2.9, bits reflected. */

const TABLE = new Uint32Array(256);
for (let i = 0; i < 256; i++) {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  TABLE[i] = crc;
}

export const FCS_BYTES = 4;
/** Shortest frame on the wire without FCS (802.3 4.2.3.3). */
export const MIN_FRAME_BYTES = 60;

/** A frame as it is on the wire: padded to the shortest length, FCS behind it. */
export function wireFrame(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = Math.max(frame.length, MIN_FRAME_BYTES);
  const wire = new Uint8Array(length + FCS_BYTES);
  wire.set(frame);
  let crc = 0xffffffff;
  for (let i = 0; i < length; i++) crc = TABLE[(crc ^ wire[i]) & 0xff] ^ (crc >>> 8);
  new DataView(wire.buffer).setUint32(length, ~crc, true);
  return wire;
}
