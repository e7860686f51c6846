/** UDP datagrams, RFC 768; over IPv6 the checksum is required, RFC 8200 8.1. */
import { addWords, finishChecksum, pseudoHeader } from './checksum';
import { put16, u16 } from './bytes';
import { IPPROTO_UDP, type IpPacket } from './ip';

export const UDP_HEADER = 8;

export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** Reads the datagram in an IP packet; undefined when length or checksum are wrong. */
export function parseUdp(packet: IpPacket): UdpDatagram | undefined {
  const bytes = packet.payload;
  if (bytes.length < UDP_HEADER) return undefined;
  const length = u16(bytes, 4);
  if (length < UDP_HEADER || length > bytes.length) return undefined;
  const sent = u16(bytes, 6);
  if (sent === 0 && packet.source.length === 16) return undefined;
  if (sent !== 0) {
    const pseudo = pseudoHeader(packet.source, packet.destination, IPPROTO_UDP, length);
    if (finishChecksum(addWords(pseudo, bytes, 0, length)) !== 0) return undefined;
  }
  return {
    sourcePort: u16(bytes, 0),
    destinationPort: u16(bytes, 2),
    payload: bytes.subarray(UDP_HEADER, length),
  };
}

/** A whole datagram with its checksum. */
export function buildUdp(
  source: Uint8Array,
  sourcePort: number,
  destination: Uint8Array,
  destinationPort: number,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(UDP_HEADER + payload.length);
  put16(bytes, 0, sourcePort);
  put16(bytes, 2, destinationPort);
  put16(bytes, 4, bytes.length);
  bytes.set(payload, UDP_HEADER);
  const pseudo = pseudoHeader(source, destination, IPPROTO_UDP, bytes.length);
  const sum = finishChecksum(addWords(pseudo, bytes, 0, bytes.length));
  put16(bytes, 6, sum === 0 ? 0xffff : sum);
  return bytes;
}
