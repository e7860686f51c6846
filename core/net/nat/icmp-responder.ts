/**
 * ICMP and ICMPv6 of the gateway: echo of its own addresses and errors about packets that go nowhere (RFC 792, 1812,
 * 4443).
 */
import {
  buildTimeExceeded,
  buildUnreachable,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  icmpChecksumHolds,
  ICMPV6_ECHO,
  ICMPV6_ECHO_REPLY,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  sealIcmp,
  type IpPacket,
  type Unreachable,
} from '../wire';
import type { GatewayLink } from './gateway-link';

/** ICMPv6 types below are errors, RFC 4443 2.1. */
const FIRST_INFORMATIONAL = 128;

export class IcmpResponder {
  constructor(private readonly link: GatewayLink) {}

  /** Whether a packet is an echo request with a right checksum. */
  isEcho({ payload, source, destination }: IpPacket): boolean {
    const type = source.length === 16 ? ICMPV6_ECHO : ICMP_ECHO;
    return (
      payload.length >= 8 &&
      payload[0] === type &&
      payload[1] === 0 &&
      icmpChecksumHolds(payload, source, destination)
    );
  }

  /** Answers an echo request to one of the gateway's addresses. */
  answer({ payload, source, destination }: IpPacket): void {
    const reply = payload.slice();
    reply[0] = source.length === 16 ? ICMPV6_ECHO_REPLY : ICMP_ECHO_REPLY;
    this.send(destination, source, reply);
  }

  /** Tells the guest that its packet went nowhere; never about an error (RFC 1122 3.2.2). */
  unreachable(packet: IpPacket, why: Unreachable): void {
    const isIpv6 = packet.source.length === 16;
    if (isError(packet)) return;
    this.send(
      this.link.ownAddress(packet.source),
      packet.source,
      buildUnreachable(why, packet.bytes, isIpv6),
    );
  }

  /** Tells the guest that its packet's hop limit ended here. */
  timeExceeded(packet: IpPacket): void {
    const isIpv6 = packet.source.length === 16;
    if (isError(packet)) return;
    this.send(
      this.link.ownAddress(packet.source),
      packet.source,
      buildTimeExceeded(packet.bytes, isIpv6),
    );
  }

  private send(source: Uint8Array, destination: Uint8Array, message: Uint8Array): void {
    sealIcmp(message, source, destination);
    const protocol = source.length === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    this.link.sendIp({ source, destination, protocol }, message);
  }
}

/** ICMP that is no question: nothing is said about it. */
function isError({ protocol, payload }: IpPacket): boolean {
  if (protocol === IPPROTO_ICMP) return payload[0] !== ICMP_ECHO;
  return protocol === IPPROTO_ICMPV6 && payload[0] < FIRST_INFORMATIONAL;
}
