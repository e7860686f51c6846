/** Ethernet addresses as network cards use them (IEEE 802.3 3.2.3). */

export const MAC_BYTES = 6;

/** `aa:bb:cc:dd:ee:ff` as bytes; anything else is a mistake of the configuration and gives zeros. */
export function macBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MAC_BYTES);
  text.split(':').forEach((part, i) => {
    if (i < MAC_BYTES) bytes[i] = Number.parseInt(part, 16) & 0xff;
  });
  return bytes;
}

/** The frame's destination is this address. */
export function isFor(frame: Uint8Array, mac: ArrayLike<number>, at = 0): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (frame[i] !== mac[at + i]) return false;
  return true;
}

export function isBroadcast(frame: Uint8Array): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (frame[i] !== 0xff) return false;
  return true;
}

/** Group addresses, broadcast among them. */
export function isMulticast(frame: Uint8Array): boolean {
  return (frame[0] & 1) !== 0;
}

const CRC32_POLYNOMIAL = 0x04c11db7;

/** CRC-32 of an address as Ethernet computes it, bits of each byte from the least significant: the hash of multicast filters takes its upper bits. */
export function addressCrc(address: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < MAC_BYTES; i++) {
    for (let bit = 0; bit < 8; bit++) {
      const carry = (crc >>> 31) ^ ((address[i] >> bit) & 1);
      crc = (crc << 1) ^ (carry ? CRC32_POLYNOMIAL : 0);
    }
  }
  return crc >>> 0;
}
