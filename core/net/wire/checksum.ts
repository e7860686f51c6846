/** The Internet checksum, RFC 1071, and the pseudo header of TCP and UDP, RFC 9293 3.1, RFC 8200 8.1. */

/** Adds the 16-bit words of `bytes[start..end)` to a running sum; an odd last byte counts as the high one. */
export function addWords(sum: number, bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let total = sum;
  // Eight bytes a turn: this is where most of the time of a full frame goes.
  for (; at + 7 < end; at += 8)
    total +=
      ((bytes[at] + bytes[at + 2] + bytes[at + 4] + bytes[at + 6]) << 8) +
      (bytes[at + 1] + bytes[at + 3] + bytes[at + 5] + bytes[at + 7]);
  for (; at + 1 < end; at += 2) total += (bytes[at] << 8) | bytes[at + 1];
  if (at < end) total += bytes[at] << 8;
  return total;
}

/** Folds a running sum and returns its ones' complement: the checksum field. */
export function finishChecksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

/** Checksum of a range; 0 for a range that holds a right checksum itself. */
export function checksum(bytes: Uint8Array, start = 0, end = bytes.length): number {
  return finishChecksum(addWords(0, bytes, start, end));
}

/** Running sum of the pseudo header: addresses, protocol, length of what follows the IP header. */
export function pseudoHeader(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  length: number,
): number {
  const addresses = addWords(addWords(0, source, 0, source.length), destination, 0, source.length);
  return addresses + protocol + (length >>> 16) + (length & 0xffff);
}
