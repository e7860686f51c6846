/**
 * The router's side of IPv6 on the guest's link: Neighbor Discovery (RFC 4861), stateless address configuration
 * (RFC 4862), name server option (RFC 8106). Missing: DHCPv6, redirects, MLD state (the link has one listener).
 */
import {
  icmpChecksumHolds,
  IPPROTO_ICMPV6,
  isAny,
  put16,
  put32,
  sealIcmp,
  type IpPacket,
} from '../wire';
import type { GatewayLink } from './gateway-link';
import { LINK_MTU } from './gateway-link';

const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;
const NEIGHBOR_SOLICITATION = 135;
const NEIGHBOR_ADVERTISEMENT = 136;

const OPTION_SOURCE_LINK = 1;
const OPTION_TARGET_LINK = 2;
const OPTION_PREFIX = 3;
const OPTION_MTU = 5;
const OPTION_RDNSS = 25;

const NA_ROUTER = 0x80000000;
const NA_SOLICITED = 0x40000000;
const NA_OVERRIDE = 0x20000000;

const ROUTER_LIFETIME_S = 1800;
const VALID_LIFETIME_S = 86_400;
const PREFERRED_LIFETIME_S = 14_400;
const ADVERTISE_MS = 200_000;
const ALL_NODES = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/** The link-layer address in an option of a message whose options start at `start`. */
function linkOption(bytes: Uint8Array, start: number, wanted: number): Uint8Array | undefined {
  for (let at = start; at + 8 <= bytes.length;) {
    const length = bytes[at + 1] * 8;
    if (length === 0 || at + length > bytes.length) return undefined;
    if (bytes[at] === wanted) return bytes.subarray(at + 2, at + 8);
    at += length;
  }
  return undefined;
}

export class Ipv6Router {
  private advertisedAt = -Infinity;

  constructor(
    private readonly link: GatewayLink,
    /** Whether there is a way out over IPv6: else the guest gets an address but no default route. */
    private readonly hasRoute: () => boolean,
    private readonly now: () => number,
  ) {}

  /** Takes an ICMPv6 message of Neighbor Discovery; false when it is of another kind. */
  arrive(packet: IpPacket, mac: Uint8Array): boolean {
    const message = packet.payload;
    const type = message[0];
    if (type < ROUTER_SOLICITATION || type > NEIGHBOR_ADVERTISEMENT + 1) return false;
    // RFC 4861 6.1 and 7.1: only from this link (hop limit 255), code 0, right checksum.
    const isValid =
      packet.hopLimit === 255 &&
      message.length >= 8 &&
      message[1] === 0 &&
      icmpChecksumHolds(message, packet.source, packet.destination);
    if (!isValid) return true;
    if (type === ROUTER_SOLICITATION) this.advertise();
    else if (type === NEIGHBOR_SOLICITATION && message.length >= 24) this.answer(packet, mac);
    else if (type === NEIGHBOR_ADVERTISEMENT && message.length >= 24)
      this.link.learn(message.subarray(8, 24), linkOption(message, 24, OPTION_TARGET_LINK) ?? mac);
    return true;
  }

  /** Advertises now and then, so that lifetimes do not run out. */
  tick(): void {
    if (this.advertisedAt !== -Infinity && this.now() - this.advertisedAt > ADVERTISE_MS)
      this.advertise();
  }

  private answer(packet: IpPacket, mac: Uint8Array): void {
    const message = packet.payload;
    const target = message.subarray(8, 24);
    const detecting = isAny(packet.source);
    if (!detecting)
      this.link.learn(packet.source, linkOption(message, 24, OPTION_SOURCE_LINK) ?? mac);
    if (!this.link.isGateway(target)) return;
    const reply = new Uint8Array(32);
    reply[0] = NEIGHBOR_ADVERTISEMENT;
    put32(reply, 4, NA_ROUTER + NA_OVERRIDE + (detecting ? 0 : NA_SOLICITED));
    reply.set(target, 8);
    reply[24] = OPTION_TARGET_LINK;
    reply[25] = 1;
    reply.set(this.link.addresses.mac, 26);
    const destination = detecting ? ALL_NODES : packet.source.slice();
    this.send(target.slice(), destination, reply, detecting ? undefined : mac);
  }

  private advertise(): void {
    const { ipv6, mac } = this.link.addresses;
    if (!ipv6) return;
    this.advertisedAt = this.now();
    const message = new Uint8Array(16 + 8 + 8 + 32 + 24);
    message[0] = ROUTER_ADVERTISEMENT;
    message[4] = 64;
    put16(message, 6, this.hasRoute() ? ROUTER_LIFETIME_S : 0);
    message[16] = OPTION_SOURCE_LINK;
    message[17] = 1;
    message.set(mac, 18);
    message[24] = OPTION_MTU;
    message[25] = 1;
    put32(message, 28, LINK_MTU);
    message[32] = OPTION_PREFIX;
    message[33] = 4;
    message[34] = 64;
    // On-link and autonomous.
    message[35] = 0xc0;
    put32(message, 36, VALID_LIFETIME_S);
    put32(message, 40, PREFERRED_LIFETIME_S);
    message.set(ipv6.prefix.address.subarray(0, 8), 48);
    message[64] = OPTION_RDNSS;
    message[65] = 3;
    put32(message, 68, ROUTER_LIFETIME_S);
    message.set(ipv6.dns, 72);
    this.send(ipv6.linkLocal, ALL_NODES, message, undefined);
  }

  private send(
    source: Uint8Array,
    destination: Uint8Array,
    message: Uint8Array,
    mac: Uint8Array | undefined,
  ): void {
    sealIcmp(message, source, destination);
    const header = { source, destination, protocol: IPPROTO_ICMPV6, hopLimit: 255 };
    this.link.sendIp(header, message, mac);
  }
}
