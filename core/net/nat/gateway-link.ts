/**
 * Our end of the guest's wire: addresses, neighbours (RFC 826, RFC 4861), and packets out. Frames out are built in one
 * scratch buffer, as the output copies them.
 */
import {
  ARP_REPLY,
  ARP_REQUEST,
  BROADCAST_MAC,
  buildArp,
  ETHERNET_HEADER,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  hostAddress,
  inPrefix,
  IPPROTO_FRAGMENT,
  IPPROTO_ICMPV6,
  IPV4_HEADER,
  IPV6_FRAGMENT_HEADER,
  ipHeaderBytes,
  isGroupMac,
  lastAddress,
  multicastMac,
  put16,
  sameAddress,
  sealIcmp,
  solicitedNode,
  u32,
  writeFragmentHeader,
  writeIpHeader,
  type ArpPacket,
  type IpHeader,
  type Prefix,
} from '../wire';
import { MAX_LARGE_FRAME_BYTES, OFFLOAD_NONE, type FrameOffload } from '../../hw';
import { MAX_NEIGHBOURS, MAX_PENDING_PACKETS } from './limits';

/** Largest IP packet on the guest's wire. */
export const LINK_MTU = 1500;
const WIRE_BYTES = ETHERNET_HEADER + LINK_MTU;
const PROBE_INTERVAL_MS = 1000;
const NEIGHBOR_SOLICITATION = 135;

/** The gateway's addresses on the guest's network. */
export interface GatewayAddresses {
  readonly mac: Uint8Array;
  readonly ipv4: Prefix;
  readonly gateway: Uint8Array;
  readonly dns: Uint8Array;
  /** A /64, with the gateway's global and link-local address and the DNS proxy's; undefined: no IPv6. */
  readonly ipv6:
    | {
        readonly prefix: Prefix;
        readonly gateway: Uint8Array;
        readonly linkLocal: Uint8Array;
        readonly dns: Uint8Array;
      }
    | undefined;
}

/** IPv4 addresses as numbers, IPv6 as text: a look-up for each packet. */
function keyOf(address: Uint8Array): string | number {
  return address.length === 4 ? u32(address, 0) : String.fromCharCode(...address);
}

interface Neighbour {
  mac: Uint8Array | undefined;
  probedAt: number;
  pending: { header: IpHeader; payload: Uint8Array }[];
}

export class GatewayLink {
  /** Where frames are built. */
  readonly frame = new Uint8Array(MAX_LARGE_FRAME_BYTES);
  private readonly neighbours = new Map<string | number, Neighbour>();
  private readonly broadcast: Uint8Array;
  private readonly network: Uint8Array;
  private nextId = 1;

  constructor(
    readonly addresses: GatewayAddresses,
    /** Copies the frame to the guest; false when there is no room. */
    private readonly output: (frame: Uint8Array, offload: FrameOffload) => boolean,
    private readonly now: () => number,
  ) {
    this.broadcast = lastAddress(addresses.ipv4);
    this.network = hostAddress(addresses.ipv4, 0);
  }

  /** One of the gateway's own addresses. */
  isGateway(address: Uint8Array): boolean {
    const { gateway, dns, ipv6 } = this.addresses;
    if (address.length === 4) return sameAddress(address, gateway) || sameAddress(address, dns);
    return (
      ipv6 !== undefined &&
      (sameAddress(address, ipv6.gateway) ||
        sameAddress(address, ipv6.linkLocal) ||
        sameAddress(address, ipv6.dns))
    );
  }

  /** Where the DNS proxy answers. */
  isDns(address: Uint8Array): boolean {
    return this.isGateway(address);
  }

  /** The gateway's own address that speaks to `peer`. */
  ownAddress(peer: Uint8Array): Uint8Array {
    const { gateway, ipv6 } = this.addresses;
    if (peer.length === 4 || !ipv6) return gateway;
    return peer[0] === 0xfe ? ipv6.linkLocal : ipv6.gateway;
  }

  /** On the guest's network; group addresses and the network's own are not. */
  isOnLink(address: Uint8Array): boolean {
    const { ipv4, ipv6 } = this.addresses;
    if (address.length === 16)
      return (
        ipv6 !== undefined &&
        (inPrefix(address, ipv6.prefix) || (address[0] === 0xfe && (address[1] & 0xc0) === 0x80))
      );
    return (
      inPrefix(address, ipv4) &&
      !sameAddress(address, this.broadcast) &&
      !sameAddress(address, this.network)
    );
  }

  isBroadcast(address: Uint8Array): boolean {
    return (
      address.length === 4 &&
      (sameAddress(address, this.broadcast) || address.every((byte) => byte === 255))
    );
  }

  /** Remembers who has an address on the link. */
  learn(address: Uint8Array, mac: Uint8Array): void {
    const known = this.neighbours.get(keyOf(address));
    if (known?.mac && sameAddress(known.mac, mac)) return;
    if (isGroupMac(mac) || this.isGateway(address) || !this.isOnLink(address)) return;
    const neighbour = this.entry(address);
    neighbour.mac = mac.slice();
    for (const { header, payload } of neighbour.pending.splice(0)) this.sendIp(header, payload);
  }

  forgetNeighbours(): void {
    this.neighbours.clear();
  }

  /** Offset in `frame` at which the payload of a packet to `address` starts. */
  payloadAt(address: Uint8Array): number {
    return ETHERNET_HEADER + ipHeaderBytes(address);
  }

  /** Sends a packet whose payload of `length` bytes lies in `frame` at `payloadAt`. False: no room. A packet for a neighbour that is not known yet is kept until it answers; one that is larger than the wire's is lost. */
  sendPlaced(
    header: IpHeader,
    length: number,
    mac?: Uint8Array,
    offload: FrameOffload = OFFLOAD_NONE,
  ): boolean {
    const target = mac ?? this.resolve(header);
    const at = this.payloadAt(header.destination);
    if (!target) return at + length > WIRE_BYTES || this.keep(header, length);
    writeIpHeader(this.frame, ETHERNET_HEADER, header, length);
    const type = header.source.length === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
    return this.sendFrame(target, type, at + length - ETHERNET_HEADER, offload);
  }

  /** Sends a packet of any size up to 64 KiB, in fragments when it must be. */
  sendIp(header: IpHeader, payload: Uint8Array, mac?: Uint8Array): boolean {
    const at = this.payloadAt(header.destination);
    const room = WIRE_BYTES - at;
    if (payload.length <= room) {
      this.frame.set(payload, at);
      return this.sendPlaced(header, payload.length, mac);
    }
    this.nextId = (this.nextId + 1) & 0xffff;
    return header.source.length === 4
      ? this.sendFragments(header, payload, room & ~7)
      : this.sendFragments6(header, payload, (room - IPV6_FRAGMENT_HEADER) & ~7);
  }

  /** Answers an ARP request for one of our addresses and learns from what it sees. */
  arp(packet: ArpPacket): void {
    const { gateway, dns } = this.addresses;
    // A sender address of zero is a probe (RFC 5227): it claims nothing.
    this.learn(packet.senderIp, packet.senderMac);
    if (packet.operation !== ARP_REQUEST) return;
    if (!sameAddress(packet.targetIp, gateway) && !sameAddress(packet.targetIp, dns)) return;
    this.sendArp(packet.senderMac, {
      operation: ARP_REPLY,
      senderMac: this.addresses.mac,
      senderIp: packet.targetIp,
      targetMac: packet.senderMac,
      targetIp: packet.senderIp,
    });
  }

  private sendArp(mac: Uint8Array, packet: ArpPacket): void {
    const bytes = buildArp(packet);
    this.frame.set(bytes, ETHERNET_HEADER);
    this.sendFrame(mac, ETHERTYPE_ARP, bytes.length);
  }

  private sendFrame(
    mac: Uint8Array,
    type: number,
    length: number,
    offload: FrameOffload = OFFLOAD_NONE,
  ): boolean {
    this.frame.set(mac, 0);
    this.frame.set(this.addresses.mac, 6);
    put16(this.frame, 12, type);
    return this.output(this.frame.subarray(0, ETHERNET_HEADER + length), offload);
  }

  private resolve({ destination }: IpHeader): Uint8Array | undefined {
    if (this.isBroadcast(destination)) return BROADCAST_MAC;
    if (destination.length === 16 && destination[0] === 0xff) return multicastMac(destination);
    return this.neighbours.get(keyOf(destination))?.mac;
  }

  private entry(address: Uint8Array): Neighbour {
    const key = keyOf(address);
    const known = this.neighbours.get(key);
    if (known) return known;
    for (const oldest of this.neighbours.keys()) {
      if (this.neighbours.size < MAX_NEIGHBOURS) break;
      this.neighbours.delete(oldest);
    }
    const neighbour: Neighbour = { mac: undefined, probedAt: -Infinity, pending: [] };
    this.neighbours.set(key, neighbour);
    return neighbour;
  }

  /** Holds a packet for a neighbour and asks for its address. */
  private keep(header: IpHeader, length: number): boolean {
    if (!this.isOnLink(header.destination)) return true;
    const neighbour = this.entry(header.destination);
    const at = this.payloadAt(header.destination);
    const payload = this.frame.slice(at, at + length);
    const source = header.source.slice();
    const destination = header.destination.slice();
    neighbour.pending.push({ header: { ...header, source, destination }, payload });
    if (neighbour.pending.length > MAX_PENDING_PACKETS) neighbour.pending.shift();
    if (this.now() - neighbour.probedAt < PROBE_INTERVAL_MS) return true;
    neighbour.probedAt = this.now();
    this.ask(destination);
    return true;
  }

  private ask(address: Uint8Array): void {
    const { mac, gateway, ipv6 } = this.addresses;
    if (address.length === 4)
      return this.sendArp(BROADCAST_MAC, {
        operation: ARP_REQUEST,
        senderMac: mac,
        senderIp: gateway,
        targetMac: new Uint8Array(6),
        targetIp: address,
      });
    if (!ipv6) return;
    // Neighbor Solicitation with our link-layer address, RFC 4861 4.3.
    const message = new Uint8Array(32);
    message[0] = NEIGHBOR_SOLICITATION;
    message.set(address, 8);
    message[24] = 1;
    message[25] = 1;
    message.set(mac, 26);
    const source = this.ownAddress(address);
    const destination = solicitedNode(address);
    sealIcmp(message, source, destination);
    this.sendIp({ source, destination, protocol: IPPROTO_ICMPV6, hopLimit: 255 }, message);
  }

  private sendFragments(header: IpHeader, payload: Uint8Array, piece: number): boolean {
    const id = this.nextId;
    for (let offset = 0; offset < payload.length; offset += piece) {
      const part = payload.subarray(offset, offset + piece);
      const more = offset + piece < payload.length;
      this.frame.set(part, ETHERNET_HEADER + IPV4_HEADER);
      if (!this.sendPlaced({ ...header, id, offset, more }, part.length)) return false;
    }
    return true;
  }

  private sendFragments6(header: IpHeader, payload: Uint8Array, piece: number): boolean {
    const at = this.payloadAt(header.destination);
    for (let offset = 0; offset < payload.length; offset += piece) {
      const part = payload.subarray(offset, offset + piece);
      const more = offset + piece < payload.length;
      writeFragmentHeader(this.frame, at, header.protocol, offset, more, this.nextId);
      this.frame.set(part, at + IPV6_FRAGMENT_HEADER);
      const length = IPV6_FRAGMENT_HEADER + part.length;
      if (!this.sendPlaced({ ...header, protocol: IPPROTO_FRAGMENT }, length)) return false;
    }
    return true;
  }
}
