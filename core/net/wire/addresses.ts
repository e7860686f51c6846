/** Ethernet and IP addresses: bytes in network order inside, text outside. */
import ipaddr from 'ipaddr.js';
import { sameBytes } from './bytes';

export const BROADCAST_MAC: Uint8Array = new Uint8Array(6).fill(0xff);
export const ANY_IPV4: Uint8Array = new Uint8Array(4);
export const BROADCAST_IPV4: Uint8Array = new Uint8Array(4).fill(0xff);
export const ANY_IPV6: Uint8Array = new Uint8Array(16);

const MAC_TEXT = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i;

/** `00:16:3e:01:02:03` as bytes, or undefined when it is not a MAC address. */
export function parseMac(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!MAC_TEXT.test(text)) return undefined;
  return Uint8Array.from(text.split(':'), (part) => parseInt(part, 16));
}

export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** True for group addresses: multicast and broadcast (IEEE 802 I/G bit). */
export function isGroupMac(mac: Uint8Array): boolean {
  return (mac[0] & 1) === 1;
}

/** A numeric address (four decimal parts, or RFC 4291 text) as 4 or 16 bytes; undefined for anything else, names too. */
export function parseIp(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length > 45 || !/^[0-9a-f.:]+$/i.test(text)) return undefined;
  if (!text.includes(':') && !ipaddr.IPv4.isValidFourPartDecimal(text)) return undefined;
  return ipaddr.isValid(text) ? Uint8Array.from(ipaddr.parse(text).toByteArray()) : undefined;
}

/** Shortest usual text: dotted decimal, or RFC 5952. */
export function formatIp(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  return ipaddr.fromByteArray([...address]).toString();
}

/** A range of addresses of one family. */
export interface Prefix {
  readonly address: Uint8Array;
  /** Leading bits that count. */
  readonly bits: number;
}

/** `10.0.0.0/8`, `fd00::/8` or a single address; undefined when malformed. */
export function parsePrefix(text: string): Prefix | undefined {
  const [head, length, ...rest] = text.split('/');
  const address = parseIp(head ?? '');
  if (!address || rest.length > 0) return undefined;
  if (length === undefined) return { address, bits: address.length * 8 };
  if (!/^\d{1,3}$/.test(length) || Number(length) > address.length * 8) return undefined;
  return { address, bits: Number(length) };
}

export function inPrefix(address: Uint8Array, prefix: Prefix): boolean {
  if (address.length !== prefix.address.length) return false;
  const whole = prefix.bits >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== prefix.address[i]) return false;
  const rest = prefix.bits & 7;
  return rest === 0 || (address[whole] ^ prefix.address[whole]) >> (8 - rest) === 0;
}

/** The last address of a prefix: an IPv4 network's broadcast address. */
export function lastAddress(prefix: Prefix): Uint8Array<ArrayBuffer> {
  const result = Uint8Array.from(prefix.address);
  for (let bit = prefix.bits; bit < result.length * 8; bit++) result[bit >> 3] |= 0x80 >> (bit & 7);
  return result;
}

/** The network address plus `host`, for prefixes with at most 32 host bits that matter. */
export function hostAddress(prefix: Prefix, host: number): Uint8Array<ArrayBuffer> {
  const result = Uint8Array.from(prefix.address);
  for (let bit = prefix.bits; bit < result.length * 8; bit++)
    result[bit >> 3] &= ~(0x80 >> (bit & 7));
  for (let i = 0, rest = host; rest > 0; i++, rest = Math.floor(rest / 256))
    result[result.length - 1 - i] |= rest & 0xff;
  return result;
}

/** EUI-64 interface identifier of a MAC, RFC 4291 appendix A, behind a /64 prefix. */
export function eui64Address(prefix: Uint8Array, mac: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(16);
  result.set(prefix.subarray(0, 8));
  result.set([mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]], 8);
  return result;
}

/** Ethernet address of an IPv6 multicast group, RFC 2464 7. */
export function multicastMac(group: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(0x33, 0x33, group[12], group[13], group[14], group[15]);
}

/** Solicited-node group of an address, RFC 4291 2.7.1. */
export function solicitedNode(address: Uint8Array): Uint8Array<ArrayBuffer> {
  const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0);
  group.set(address.subarray(13, 16), 13);
  return group;
}

export function isAny(address: Uint8Array): boolean {
  return address.every((byte) => byte === 0);
}

export { sameBytes as sameAddress };
