/**
 * IP packets: IPv4 (RFC 791, RFC 1122 3.2.1) and IPv6 (RFC 8200), both ways.
 * Missing: IPv4 and IPv6 options beyond being walked over; jumbograms.
 */
import { checksum } from './checksum';
import { put16, put32, u16, u32 } from './bytes';

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;
export const ETHERNET_HEADER = 14;

export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_ICMPV6 = 58;
const IPPROTO_HOPOPTS = 0;
const IPPROTO_ROUTING = 43;
const IPPROTO_FRAGMENT = 44;
const IPPROTO_DSTOPTS = 60;

export const IPV4_HEADER = 20;
export const IPV6_HEADER = 40;
const IPV4_DF = 0x4000;
const IPV4_MF = 0x2000;
/** More extension headers than any honest stack sends. */
const MAX_EXTENSIONS = 8;

/** A piece of a bigger packet. */
export interface FragmentInfo {
  readonly id: number;
  /** Bytes from the start of the packet's payload. */
  readonly offset: number;
  readonly more: boolean;
}

export interface IpPacket {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** The transport protocol: the last next-header of IPv6. */
  readonly protocol: number;
  readonly hopLimit: number;
  readonly payload: Uint8Array;
  /** The packet from its first byte, as ICMP errors quote it. */
  readonly bytes: Uint8Array;
  readonly fragment?: FragmentInfo;
}

/** Reads an IPv4 packet; undefined when a header field is wrong. `bytes` may have padding behind the packet. */
export function parseIpv4(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < IPV4_HEADER || bytes[0] >> 4 !== 4) return undefined;
  const header = (bytes[0] & 15) * 4;
  const total = u16(bytes, 2);
  if (header < IPV4_HEADER || total < header || total > bytes.length) return undefined;
  if (checksum(bytes, 0, header) !== 0) return undefined;
  const flags = u16(bytes, 6);
  const offset = (flags & 0x1fff) * 8;
  const more = (flags & IPV4_MF) !== 0;
  if (offset + total - header > 0xffff) return undefined;
  const packet: IpPacket = {
    source: bytes.subarray(12, 16),
    destination: bytes.subarray(16, 20),
    protocol: bytes[9],
    hopLimit: bytes[8],
    payload: bytes.subarray(header, total),
    bytes: bytes.subarray(0, total),
  };
  if (offset === 0 && !more) return packet;
  return { ...packet, fragment: { id: u16(bytes, 4), offset, more } };
}

/** Reads an IPv6 packet and walks its extension headers; undefined when one of them is wrong. */
export function parseIpv6(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < IPV6_HEADER || bytes[0] >> 4 !== 6) return undefined;
  const end = IPV6_HEADER + u16(bytes, 4);
  if (end > bytes.length) return undefined;
  let protocol = bytes[6];
  let at = IPV6_HEADER;
  let fragment: FragmentInfo | undefined;
  for (let i = 0; ; i++) {
    const isOptions =
      (protocol === IPPROTO_HOPOPTS && i === 0) ||
      protocol === IPPROTO_ROUTING ||
      protocol === IPPROTO_DSTOPTS;
    const isFragment: boolean = protocol === IPPROTO_FRAGMENT && !fragment;
    if (!isOptions && !isFragment) break;
    if (i === MAX_EXTENSIONS || at + 8 > end) return undefined;
    // RFC 5095: type 0 routing headers are not honoured; RFC 8200 4.4: segments left must be zero here.
    if (protocol === IPPROTO_ROUTING && bytes[at + 3] !== 0) return undefined;
    protocol = bytes[at];
    if (isFragment) {
      const field = u16(bytes, at + 2);
      fragment = { id: u32(bytes, at + 4), offset: field & 0xfff8, more: (field & 1) !== 0 };
      at += 8;
      if (fragment.offset > 0) break;
    } else {
      at += (bytes[at + 1] + 1) * 8;
      if (at > end) return undefined;
    }
  }
  if (fragment && fragment.offset + end - at > 0xffff) return undefined;
  const packet: IpPacket = {
    source: bytes.subarray(8, 24),
    destination: bytes.subarray(24, 40),
    protocol,
    hopLimit: bytes[7],
    payload: bytes.subarray(at, end),
    bytes: bytes.subarray(0, end),
  };
  if (!fragment || (fragment.offset === 0 && !fragment.more)) return packet;
  return { ...packet, fragment };
}

/** What goes into an IP header that is sent. */
export interface IpHeader {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly hopLimit?: number;
  /** IPv4 identification and fragment offset in bytes. */
  readonly id?: number;
  readonly offset?: number;
  readonly more?: boolean;
}

export function ipHeaderBytes(address: Uint8Array): number {
  return address.length === 4 ? IPV4_HEADER : IPV6_HEADER;
}

/** Writes an IPv4 or IPv6 header, by the length of its addresses, in front of `payloadLength` bytes. Fragments are IPv4 only. */
export function writeIpHeader(
  frame: Uint8Array,
  at: number,
  header: IpHeader,
  payloadLength: number,
): void {
  const hopLimit = header.hopLimit ?? 64;
  if (header.source.length === 16) {
    put32(frame, at, 0x60000000);
    put16(frame, at + 4, payloadLength);
    frame[at + 6] = header.protocol;
    frame[at + 7] = hopLimit;
    frame.set(header.source, at + 8);
    frame.set(header.destination, at + 24);
    return;
  }
  const offset = header.offset ?? 0;
  const whole = offset === 0 && header.more !== true;
  frame[at] = 0x45;
  frame[at + 1] = 0;
  put16(frame, at + 2, IPV4_HEADER + payloadLength);
  put16(frame, at + 4, header.id ?? 0);
  put16(frame, at + 6, whole ? IPV4_DF : (header.more ? IPV4_MF : 0) | (offset >> 3));
  frame[at + 8] = hopLimit;
  frame[at + 9] = header.protocol;
  put16(frame, at + 10, 0);
  frame.set(header.source, at + 12);
  frame.set(header.destination, at + 16);
  put16(frame, at + 10, checksum(frame, at, at + IPV4_HEADER));
}

/** IPv6 fragment header (RFC 8200 4.5), for the rare reply larger than the link. */
export const IPV6_FRAGMENT_HEADER = 8;
export function writeFragmentHeader(
  frame: Uint8Array,
  at: number,
  next: number,
  offset: number,
  more: boolean,
  id: number,
): void {
  frame[at] = next;
  frame[at + 1] = 0;
  put16(frame, at + 2, offset | (more ? 1 : 0));
  put32(frame, at + 4, id);
}
export { IPPROTO_FRAGMENT };
