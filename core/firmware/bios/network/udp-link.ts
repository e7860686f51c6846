/**
 * UDP over IPv4 and Ethernet for the network boot services: one address, a router, a few neighbours.
 * Specs: RFC 768, 791, 826. Missing: fragments both ways, ICMP, multicast.
 */
import type { BiosNetworkCard } from '../platform-api';
import {
  ARP_REPLY,
  ARP_REQUEST,
  BROADCAST_IPV4,
  BROADCAST_MAC,
  buildArp,
  buildUdp,
  ETHERNET_HEADER,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  IPPROTO_UDP,
  IPV4_HEADER,
  isAny,
  isGroupMac,
  parseArp,
  parseIpv4,
  parseUdp,
  put16,
  sameAddress,
  u16,
  writeIpHeader,
} from '../../../net';

/** Longest datagram that needs no fragments. */
export const MAX_PAYLOAD_BYTES = 1472;
const MIN_FRAME_BYTES = 60;
const MAX_NEIGHBOURS = 16;
const ARP_INTERVAL_NS = 500_000_000;

/** Where the machine is on its network; zeros before DHCP has said so. */
export interface LinkState {
  address: Uint8Array;
  mask: Uint8Array;
  router: Uint8Array;
  /** Addresses in dotted decimal to MAC addresses. */
  neighbours: [string, Uint8Array][];
}

export interface Datagram {
  readonly source: Uint8Array;
  readonly sourcePort: number;
  readonly destination: Uint8Array;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

export function emptyLink(): LinkState {
  return {
    address: new Uint8Array(4),
    mask: new Uint8Array(4),
    router: new Uint8Array(4),
    neighbours: [],
  };
}

export class UdpLink {
  state: LinkState = emptyLink();
  /** Who was asked for last, and when: requests do not go out faster than this. */
  private asked = '';
  private askedAtNs = -Infinity;

  constructor(
    readonly card: BiosNetworkCard,
    private readonly now: () => number,
  ) {}

  /** The next datagram for us; answers ARP on the way. Undefined when nothing has come. */
  next(): Datagram | undefined {
    for (let frame = this.card.receive(); frame; frame = this.card.receive()) {
      const datagram = this.take(frame);
      if (datagram) return datagram;
    }
    return undefined;
  }

  /**
   * Sends a datagram. False when the MAC address of the next hop is not known yet: it was asked for, try again later.
   * `router` replaces the one of DHCP unless it is zero.
   */
  send(
    sourcePort: number,
    destination: Uint8Array,
    destinationPort: number,
    payload: Uint8Array,
    router: Uint8Array = this.state.router,
  ): boolean {
    if (payload.length > MAX_PAYLOAD_BYTES) return true;
    const mac = this.nextHop(destination, isAny(router) ? this.state.router : router);
    if (!mac) return false;
    const source = this.state.address;
    const datagram = buildUdp(source, sourcePort, destination, destinationPort, payload);
    const frame = new Uint8Array(
      Math.max(MIN_FRAME_BYTES, ETHERNET_HEADER + IPV4_HEADER + datagram.length),
    );
    const header = { source, destination, protocol: IPPROTO_UDP };
    writeIpHeader(frame, ETHERNET_HEADER, header, datagram.length);
    frame.set(datagram, ETHERNET_HEADER + IPV4_HEADER);
    this.transmit(frame, mac, ETHERTYPE_IPV4);
    return true;
  }

  private nextHop(destination: Uint8Array, router: Uint8Array): Uint8Array | undefined {
    const { address, mask, neighbours } = this.state;
    const isBroadcast =
      sameAddress(destination, BROADCAST_IPV4) ||
      (!isAny(mask) && destination.every((byte, i) => byte === (address[i] | (~mask[i] & 0xff))));
    if (isBroadcast) return BROADCAST_MAC;
    const isOnLink = destination.every((byte, i) => ((byte ^ address[i]) & mask[i]) === 0);
    const hop = isOnLink || isAny(router) ? destination : router;
    const key = hop.join('.');
    const known = neighbours.find(([of]) => of === key);
    if (known) return known[1];
    if (this.asked !== key || this.now() - this.askedAtNs >= ARP_INTERVAL_NS) {
      this.asked = key;
      this.askedAtNs = this.now();
      this.sendArp(ARP_REQUEST, BROADCAST_MAC, new Uint8Array(6), hop);
    }
    return undefined;
  }

  private sendArp(
    operation: number,
    to: Uint8Array,
    targetMac: Uint8Array,
    targetIp: Uint8Array,
  ): void {
    const { mac } = this.card;
    const packet = buildArp({
      operation,
      senderMac: mac,
      senderIp: this.state.address,
      targetMac,
      targetIp,
    });
    const frame = new Uint8Array(MIN_FRAME_BYTES);
    frame.set(packet, ETHERNET_HEADER);
    this.transmit(frame, to, ETHERTYPE_ARP);
  }

  private transmit(frame: Uint8Array, to: Uint8Array, type: number): void {
    frame.set(to, 0);
    frame.set(this.card.mac, 6);
    put16(frame, 12, type);
    this.card.send(frame);
  }

  private take(frame: Uint8Array): Datagram | undefined {
    if (frame.length < ETHERNET_HEADER) return undefined;
    const to = frame.subarray(0, 6);
    if (!sameAddress(to, this.card.mac) && !sameAddress(to, BROADCAST_MAC)) return undefined;
    const payload = frame.subarray(ETHERNET_HEADER);
    const type = u16(frame, 12);
    if (type === ETHERTYPE_ARP) {
      this.takeArp(payload);
      return undefined;
    }
    const packet = type === ETHERTYPE_IPV4 ? parseIpv4(payload) : undefined;
    if (!packet || packet.fragment || packet.protocol !== IPPROTO_UDP) return undefined;
    const datagram = parseUdp(packet);
    return datagram && { ...datagram, source: packet.source, destination: packet.destination };
  }

  private takeArp(payload: Uint8Array): void {
    const packet = parseArp(payload);
    const { address } = this.state;
    if (!packet || isAny(address) || !sameAddress(packet.targetIp, address)) return;
    this.learn(packet.senderIp, packet.senderMac);
    if (packet.operation === ARP_REQUEST)
      this.sendArp(ARP_REPLY, packet.senderMac, packet.senderMac, packet.senderIp);
  }

  private learn(address: Uint8Array, mac: Uint8Array): void {
    if (isAny(address) || isGroupMac(mac)) return;
    const key = address.join('.');
    const others = this.state.neighbours.filter(([of]) => of !== key);
    this.state.neighbours = [...others.slice(-(MAX_NEIGHBOURS - 1)), [key, mac.slice()]];
  }
}
