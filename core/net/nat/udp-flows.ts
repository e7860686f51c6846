/**
 * UDP through the NAT, RFC 4787: one host socket for each address and port of the guest (endpoint-independent
 * mapping), answers only from hosts the guest has sent to (address- and port-dependent filtering).
 */
import type { BoundPort, NetworkHost, UdpSocket } from '../../host';
import { buildUdp, formatIp, IPPROTO_UDP, parseIp, type IpPacket, type UdpDatagram } from '../wire';
import type { GatewayLink } from './gateway-link';
import { MAX_UDP_FLOWS, MAX_UDP_PEERS, UDP_EXPIRY_MS } from './limits';

interface UdpFlow {
  readonly guest: Uint8Array;
  readonly guestPort: number;
  readonly socket: UdpSocket;
  /** Who may answer: `address port` as the host writes it -> who the guest thinks it is. */
  readonly peers: Map<string, { address: Uint8Array; port: number }>;
  lastUsed: number;
}

/** Where a datagram really goes. */
export interface UdpTarget {
  readonly address: string;
  readonly port: number;
}

export class UdpFlows {
  private readonly flows = new Map<string, UdpFlow>();
  /** Forwarded: which guest port answers which outside peer. */
  private readonly forwarded = new Map<
    string,
    { socket: UdpSocket; address: string; port: number; lastUsed: number }
  >();

  /** Datagrams for the guest that found no room. */
  dropped = 0;

  constructor(
    private readonly link: GatewayLink,
    private readonly host: Pick<NetworkHost, 'openUdp' | 'bindUdp'>,
    private readonly now: () => number,
  ) {}

  get size(): number {
    return this.flows.size;
  }

  /** True when a mapping for the guest's port exists: no new one would be made. */
  has(packet: IpPacket, datagram: UdpDatagram): boolean {
    return this.flows.has(flowKey(packet.source, datagram.sourcePort));
  }

  /** Sends a guest's datagram on its way to `target`. */
  send(packet: IpPacket, datagram: UdpDatagram, target: UdpTarget): void {
    const flow = this.flowOf(packet.source, datagram.sourcePort);
    flow.lastUsed = this.now();
    const peer = `${target.address} ${target.port}`;
    if (!flow.peers.has(peer)) {
      if (flow.peers.size >= MAX_UDP_PEERS) {
        const [oldest] = flow.peers.keys();
        if (oldest !== undefined) flow.peers.delete(oldest);
      }
      const address = packet.destination.slice();
      flow.peers.set(peer, { address, port: datagram.destinationPort });
    }
    flow.socket.send(datagram.payload.slice(), target.address, target.port);
  }

  /** Takes a guest's datagram to a forwarded peer; false when it is not an answer to one. */
  answerForwarded(packet: IpPacket, datagram: UdpDatagram): boolean {
    const key = `${flowKey(packet.source, datagram.sourcePort)}>${datagram.destinationPort}`;
    const peer = this.forwarded.get(key);
    if (!peer) return false;
    peer.lastUsed = this.now();
    peer.socket.send(datagram.payload.slice(), peer.address, peer.port);
    return true;
  }

  /** Opens a host port whose datagrams go to the guest; rejects with a NetworkError. */
  async forward(
    address: string,
    port: number,
    guestAddress: () => Uint8Array,
    guestPort: number,
  ): Promise<BoundPort> {
    /** Outside peers by the port of the gateway that stands for them. */
    const ports = new Map<string, number>();
    let nextPort = 0;
    const socket = await this.host.bindUdp(address, port, {
      onMessage: (bytes, from, fromPort) => {
        const guest = guestAddress();
        const outside = `${from} ${fromPort}`;
        let gatewayPort = ports.get(outside);
        if (gatewayPort === undefined) {
          gatewayPort = 0xc000 + (nextPort++ & 0x3fff);
          ports.set(outside, gatewayPort);
          for (const oldest of ports.keys()) {
            if (ports.size <= MAX_UDP_PEERS) break;
            ports.delete(oldest);
          }
        }
        this.remember(`${flowKey(guest, guestPort)}>${gatewayPort}`, {
          socket,
          address: from,
          port: fromPort,
          lastUsed: this.now(),
        });
        this.toGuest(this.link.ownAddress(guest), gatewayPort, guest, guestPort, bytes);
      },
      onError: () => undefined,
    });
    return socket;
  }

  /** A datagram of the gateway's own. */
  toGuest(
    source: Uint8Array,
    sourcePort: number,
    guest: Uint8Array,
    guestPort: number,
    bytes: Uint8Array,
    mac?: Uint8Array,
  ): void {
    const payload = buildUdp(source, sourcePort, guest, guestPort, bytes);
    const header = { source, destination: guest, protocol: IPPROTO_UDP };
    if (!this.link.sendIp(header, payload, mac)) this.dropped++;
  }

  /** Closes mappings that were not used for long. */
  tick(): void {
    const oldest = this.now() - UDP_EXPIRY_MS;
    for (const [key, flow] of this.flows) if (flow.lastUsed < oldest) this.close(key, flow);
    for (const [key, peer] of this.forwarded)
      if (peer.lastUsed < oldest) this.forwarded.delete(key);
  }

  clear(): void {
    for (const [key, flow] of this.flows) this.close(key, flow);
    this.forwarded.clear();
  }

  private remember(
    key: string,
    peer: { socket: UdpSocket; address: string; port: number; lastUsed: number },
  ): void {
    this.forwarded.delete(key);
    this.forwarded.set(key, peer);
    for (const oldest of this.forwarded.keys()) {
      if (this.forwarded.size <= MAX_UDP_FLOWS) break;
      this.forwarded.delete(oldest);
    }
  }

  private flowOf(guest: Uint8Array, guestPort: number): UdpFlow {
    const key = flowKey(guest, guestPort);
    const known = this.flows.get(key);
    if (known) {
      // The map's order is that of last use.
      this.flows.delete(key);
      this.flows.set(key, known);
      return known;
    }
    for (const [oldest, flow] of this.flows) {
      if (this.flows.size < MAX_UDP_FLOWS) break;
      this.close(oldest, flow);
    }
    const peers = new Map<string, { address: Uint8Array; port: number }>();
    const flow: UdpFlow = {
      guest: guest.slice(),
      guestPort,
      peers,
      lastUsed: this.now(),
      socket: this.host.openUdp(guest.length === 4 ? 4 : 6, {
        onMessage: (bytes, address, port) => {
          const peer = peers.get(`${canonical(address)} ${port}`);
          if (!peer) return;
          flow.lastUsed = this.now();
          this.toGuest(peer.address, peer.port, flow.guest, flow.guestPort, bytes);
        },
        onError: () => {
          if (this.flows.get(key) === flow) this.close(key, flow);
        },
      }),
    };
    this.flows.set(key, flow);
    return flow;
  }

  private close(key: string, flow: UdpFlow): void {
    this.flows.delete(key);
    flow.socket.close();
  }
}

function flowKey(guest: Uint8Array, port: number): string {
  return `${guest.join('.')} ${port}`;
}

/** The text of an address as `formatIp` writes it: hosts spell IPv6 in more than one way. */
function canonical(address: string): string {
  if (!address.includes(':')) return address;
  const bytes = parseIp(address.replace(/%.*$/, ''));
  return bytes ? formatIp(bytes) : address;
}
