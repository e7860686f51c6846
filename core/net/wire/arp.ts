/** ARP for IPv4 over Ethernet, RFC 826. */
import { put16, u16 } from './bytes';

export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;
const ARP_BYTES = 28;
const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;

export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: Uint8Array;
  readonly senderIp: Uint8Array;
  readonly targetMac: Uint8Array;
  readonly targetIp: Uint8Array;
}

export function parseArp(bytes: Uint8Array): ArpPacket | undefined {
  if (bytes.length < ARP_BYTES) return undefined;
  if (u16(bytes, 0) !== HARDWARE_ETHERNET || u16(bytes, 2) !== PROTOCOL_IPV4) return undefined;
  if (bytes[4] !== 6 || bytes[5] !== 4) return undefined;
  return {
    operation: u16(bytes, 6),
    senderMac: bytes.subarray(8, 14),
    senderIp: bytes.subarray(14, 18),
    targetMac: bytes.subarray(18, 24),
    targetIp: bytes.subarray(24, 28),
  };
}

export function buildArp(packet: ArpPacket): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(ARP_BYTES);
  put16(bytes, 0, HARDWARE_ETHERNET);
  put16(bytes, 2, PROTOCOL_IPV4);
  bytes[4] = 6;
  bytes[5] = 4;
  put16(bytes, 6, packet.operation);
  bytes.set(packet.senderMac, 8);
  bytes.set(packet.senderIp, 14);
  bytes.set(packet.targetMac, 18);
  bytes.set(packet.targetIp, 24);
  return bytes;
}
