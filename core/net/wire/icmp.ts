/** ICMP (RFC 792, RFC 1812 5.2.7) and ICMPv6 (RFC 4443) messages that a gateway reads and sends. */
import { addWords, checksum, finishChecksum, pseudoHeader } from './checksum';
import { put16, put32 } from './bytes';
import { IPPROTO_ICMPV6 } from './ip';

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMPV6_UNREACHABLE = 1;
export const ICMPV6_TIME_EXCEEDED = 3;
export const ICMPV6_ECHO = 128;
export const ICMPV6_ECHO_REPLY = 129;

/** Why a packet goes nowhere, in both families' codes. */
export type Unreachable = 'network' | 'host' | 'port' | 'prohibited';
const UNREACHABLE_V4: Readonly<Record<Unreachable, number>> = {
  network: 0,
  host: 1,
  port: 3,
  prohibited: 13,
};
/** RFC 4443 3.1: no route, address unreachable, port unreachable, administratively prohibited. */
const UNREACHABLE_V6: Readonly<Record<Unreachable, number>> = {
  network: 0,
  host: 3,
  port: 4,
  prohibited: 1,
};

/** RFC 1812 4.3.2.3: quote as much as fits in 576 bytes; RFC 4443 allows up to 1280. */
const MAX_QUOTE_V4 = 548;
const MAX_QUOTE_V6 = 1232;

/** Sets the checksum of a message; ICMPv6 covers the pseudo header. */
export function sealIcmp(message: Uint8Array, source: Uint8Array, destination: Uint8Array): void {
  put16(message, 2, 0);
  if (source.length === 4) return put16(message, 2, checksum(message));
  const pseudo = pseudoHeader(source, destination, IPPROTO_ICMPV6, message.length);
  put16(message, 2, finishChecksum(addWords(pseudo, message, 0, message.length)));
}

export function icmpChecksumHolds(
  message: Uint8Array,
  source: Uint8Array,
  destination: Uint8Array,
): boolean {
  if (source.length === 4) return checksum(message) === 0;
  const pseudo = pseudoHeader(source, destination, IPPROTO_ICMPV6, message.length);
  return finishChecksum(addWords(pseudo, message, 0, message.length)) === 0;
}

function errorMessage(
  type: number,
  code: number,
  quoted: Uint8Array,
  limit: number,
): Uint8Array<ArrayBuffer> {
  const quote = quoted.subarray(0, limit);
  const message = new Uint8Array(8 + quote.length);
  message[0] = type;
  message[1] = code;
  put32(message, 4, 0);
  message.set(quote, 8);
  return message;
}

/** A destination-unreachable message about `packet`, not sealed. */
export function buildUnreachable(
  why: Unreachable,
  packet: Uint8Array,
  ipv6: boolean,
): Uint8Array<ArrayBuffer> {
  return ipv6
    ? errorMessage(ICMPV6_UNREACHABLE, UNREACHABLE_V6[why], packet, MAX_QUOTE_V6)
    : errorMessage(ICMP_UNREACHABLE, UNREACHABLE_V4[why], packet, MAX_QUOTE_V4);
}

/** A time-exceeded message (hop limit reached in transit), not sealed. */
export function buildTimeExceeded(packet: Uint8Array, ipv6: boolean): Uint8Array<ArrayBuffer> {
  return ipv6
    ? errorMessage(ICMPV6_TIME_EXCEEDED, 0, packet, MAX_QUOTE_V6)
    : errorMessage(ICMP_TIME_EXCEEDED, 0, packet, MAX_QUOTE_V4);
}
