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

/** CRC-32 of IEEE 802.3 3.2.9, bits reflected, as an unsigned number. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  let i = 0;
  for (; i + 7 < bytes.length; i += 8) {
    crc ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    crc =
      TABLE[0x700 | (crc & 0xff)] ^
      TABLE[0x600 | ((crc >>> 8) & 0xff)] ^
      TABLE[0x500 | ((crc >>> 16) & 0xff)] ^
      TABLE[0x400 | (crc >>> 24)] ^
      TABLE[0x300 | bytes[i + 4]] ^
      TABLE[0x200 | bytes[i + 5]] ^
      TABLE[0x100 | bytes[i + 6]] ^
      TABLE[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}
