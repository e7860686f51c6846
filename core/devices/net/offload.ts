/**
 * What network cards do for their drivers: checksums and TCP segmentation.
 * Documents: RFC 1071, RFC 791, RFC 8200 (8.1 pseudo-header), RFC 9293; Large Send as Intel 317453 (8254x) 3.5 words it.
 * Missing: IPv6 extension headers on the receive side, UDP fragmentation.
 */

export const ETHER_TYPE_IPV4 = 0x0800;
export const ETHER_TYPE_IPV6 = 0x86dd;
export const ETHER_TYPE_VLAN = 0x8100;
const IP_PROTOCOL_TCP = 6;
const IP_PROTOCOL_UDP = 17;
const TCP_FIN = 0x01;
const TCP_PSH = 0x08;
const TCP_CWR = 0x80;
const TCP_MIN_HEADER = 20;
const UDP_HEADER = 8;

const u16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1];

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Sum of 16-bit big-endian words, not yet folded; a last odd byte is padded with zero. */
export function sumWords(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  let at = from;
  // Eight bytes a turn: all of a received frame goes through here.
  for (; at + 7 < to; at += 8)
    sum +=
      ((bytes[at] + bytes[at + 2] + bytes[at + 4] + bytes[at + 6]) << 8) +
      (bytes[at + 1] + bytes[at + 3] + bytes[at + 5] + bytes[at + 7]);
  for (; at + 1 < to; at += 2) sum += (bytes[at] << 8) | bytes[at + 1];
  return at < to ? sum + (bytes[at] << 8) : sum;
}

/** Folds a sum to 16 bits in ones' complement arithmetic. */
export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return folded;
}

/** Where things lie in a frame. */
export interface FrameLayout {
  /** EtherType behind VLAN tags. */
  readonly etherType: number;
  /** Offset of the network header. */
  readonly network: number;
}

/** Skips at most two VLAN tags. */
export function frameLayout(frame: Uint8Array): FrameLayout {
  let at = 12;
  for (let tags = 0; tags < 2 && u16(frame, at) === ETHER_TYPE_VLAN; tags++) at += 4;
  return { etherType: u16(frame, at), network: at + 2 };
}

/** Length of the IP header at `network`: what its IHL says, without IPv6's extensions. */
function ipHeaderBytes(frame: Uint8Array, network: number, isIpv6: boolean): number {
  return isIpv6 ? 40 : (frame[network] & 0x0f) * 4;
}

/** The sum of an IP pseudo-header whose header begins at `network`. */
function pseudoHeader(
  frame: Uint8Array,
  network: number,
  isIpv6: boolean,
  protocol: number,
  length: number,
): number {
  const addresses = isIpv6
    ? sumWords(frame, network + 8, network + 40)
    : sumWords(frame, network + 12, network + 20);
  return addresses + protocol + (length >>> 16) + (length & 0xffff);
}

/** `sumWords` from an even offset of its headers to the end of a frame of TCP over IP that ends with its packet and has right checksums: the data's sum follows from them. */
export function sumOfGoodTcp(frame: Uint8Array, from: number): number {
  const { etherType, network } = frameLayout(frame);
  const isIpv6 = etherType === ETHER_TYPE_IPV6;
  const transport = network + ipHeaderBytes(frame, network, isIpv6);
  const length = frame.length - transport;
  const pseudo = pseudoHeader(frame, network, isIpv6, IP_PROTOCOL_TCP, length);
  return sumWords(frame, from, transport) + (~foldSum(pseudo) & 0xffff);
}

/** Puts the checksum of `start` to the end at `field`: a "partial checksum", whose field holds the pseudo-header's sum (VIRTIO 5.1.6.2.1, Intel TUCSS/TUCSO). Out of range: nothing is done. */
export function completeChecksum(
  frame: Uint8Array,
  start: number,
  field: number,
  end = frame.length,
): void {
  if (start >= end || field < start || field + 2 > end) return;
  const checksum = ~foldSum(sumWords(frame, start, end)) & 0xffff;
  // A UDP checksum of zero would mean none; 0xFFFF is the same number.
  putU16(frame, field, checksum === 0 ? 0xffff : checksum);
}

/** Puts an IPv4 header's checksum in. */
export function putIpv4Checksum(frame: Uint8Array, network: number): void {
  const end = network + ipHeaderBytes(frame, network, false);
  putU16(frame, network + 10, 0);
  putU16(frame, network + 10, ~foldSum(sumWords(frame, network, Math.min(end, frame.length))));
}

export interface Segmentation {
  /** Offsets of the IP and of the TCP header, and of the data. */
  readonly network: number;
  readonly transport: number;
  readonly payload: number;
  /** Bytes of data in each segment but the last. */
  readonly mss: number;
}

/** Layout of a TCP frame whose TCP header begins at `transport`, or undefined when it is none. */
export function tcpSegmentation(
  frame: Uint8Array,
  transport: number,
  mss: number,
): Segmentation | undefined {
  const { etherType, network } = frameLayout(frame);
  const isIp = etherType === ETHER_TYPE_IPV4 || etherType === ETHER_TYPE_IPV6;
  if (!isIp || mss === 0 || transport < network + 20) return undefined;
  if (transport + TCP_MIN_HEADER > frame.length) return undefined;
  const payload = transport + (frame[transport + 12] >> 4) * 4;
  if (payload < transport + TCP_MIN_HEADER || payload > frame.length) return undefined;
  return { network, transport, payload, mss };
}

/** Length and checksum of the IP header of a large TCP segment that stays in one piece: drivers may leave them out for the card to make. */
export function sealLarge(frame: Uint8Array, { network }: Segmentation): void {
  if (frame[network] >> 4 === 6) return putU16(frame, network + 4, frame.length - network - 40);
  putU16(frame, network + 2, frame.length - network);
  putIpv4Checksum(frame, network);
}

/** Cuts a large TCP segment into frames: lengths, IPv4 identification, sequence numbers, flags and checksums are those of each piece. `emit` gets a buffer that is used again. */
export function segmentTcp(
  frame: Uint8Array,
  layout: Segmentation,
  emit: (segment: Uint8Array) => void,
): void {
  const { network, transport, payload, mss } = layout;
  const isIpv6 = frame[network] >> 4 === 6;
  const total = frame.length - payload;
  const piece = new Uint8Array(payload + Math.min(mss, total));
  const view = new DataView(piece.buffer);
  piece.set(frame.subarray(0, payload));
  const sequence = view.getUint32(transport + 4);
  const identification = u16(frame, network + 4);
  const flags = frame[transport + 13];
  for (let at = 0, count = 0; at < total || at === 0; at += mss, count++) {
    const bytes = Math.min(mss, total - at);
    const isLast = at + mss >= total;
    const segment = piece.subarray(0, payload + bytes);
    segment.set(frame.subarray(payload + at, payload + at + bytes), payload);
    view.setUint32(transport + 4, (sequence + at) >>> 0);
    piece[transport + 13] =
      flags & ~(isLast ? 0 : TCP_FIN | TCP_PSH) & ~(count === 0 ? 0 : TCP_CWR);
    if (isIpv6) putU16(piece, network + 4, segment.length - network - 40);
    else {
      putU16(piece, network + 2, segment.length - network);
      putU16(piece, network + 4, identification + count);
      putIpv4Checksum(piece, network);
    }
    const length = segment.length - transport;
    const pseudo = pseudoHeader(piece, network, isIpv6, IP_PROTOCOL_TCP, length);
    putU16(piece, transport + 16, foldSum(pseudo));
    completeChecksum(segment, transport, transport + 16);
    emit(segment);
  }
}

/** What a card can tell of the checksums of a frame. */
export interface ChecksumReport {
  /** The frame has an IPv4 header; whether its checksum is right. */
  readonly ip: 'none' | 'good' | 'bad';
  /** TCP or UDP in an unfragmented packet. */
  readonly transport: 'none' | 'good' | 'bad';
  readonly isUdp: boolean;
}

const NO_CHECKSUMS: ChecksumReport = { ip: 'none', transport: 'none', isUdp: false };

/** Checks the IPv4 header's and the TCP or UDP checksum of a frame. */
export function checkChecksums(frame: Uint8Array): ChecksumReport {
  const { etherType, network } = frameLayout(frame);
  const isIpv6 = etherType === ETHER_TYPE_IPV6;
  if (etherType !== ETHER_TYPE_IPV4 && !isIpv6) return NO_CHECKSUMS;
  if (frame.length < network + (isIpv6 ? 40 : 20)) return NO_CHECKSUMS;
  const header = ipHeaderBytes(frame, network, isIpv6);
  const transport = network + header;
  const total = isIpv6 ? 40 + u16(frame, network + 4) : u16(frame, network + 2);
  const end = network + total;
  if (header < 20 || end > frame.length || transport > end) return NO_CHECKSUMS;
  const ip = isIpv6
    ? 'none'
    : foldSum(sumWords(frame, network, transport)) === 0xffff
      ? 'good'
      : 'bad';
  const protocol = isIpv6 ? frame[network + 6] : frame[network + 9];
  const isFragment = !isIpv6 && (u16(frame, network + 6) & 0x3fff) !== 0;
  const isUdp = protocol === IP_PROTOCOL_UDP;
  const least = isUdp ? UDP_HEADER : TCP_MIN_HEADER;
  const isChecked = (isUdp || protocol === IP_PROTOCOL_TCP) && !isFragment;
  if (!isChecked || end - transport < least) return { ip, transport: 'none', isUdp: false };
  if (isUdp && u16(frame, transport + 6) === 0) return { ip, transport: 'none', isUdp };
  const pseudo = pseudoHeader(frame, network, isIpv6, protocol, end - transport);
  const isGood = foldSum(pseudo + sumWords(frame, transport, end)) === 0xffff;
  return { ip, transport: isGood ? 'good' : 'bad', isUdp };
}
