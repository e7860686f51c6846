/**
 * Echo (ping) through the NAT, RFC 5508: one ping socket of the host for each address and identifier of the guest;
 * replies only from hosts that the guest has asked. Missing: ICMP errors of the way there (traceroute).
 */
import type { EchoSocket, NetworkHost } from '../../host';
import {
  formatIp,
  ICMP_ECHO_REPLY,
  ICMPV6_ECHO_REPLY,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  put16,
  sealIcmp,
  u16,
  type IpPacket,
} from '../wire';
import type { GatewayLink } from './gateway-link';
import {
  ECHO_EXPIRY_MS,
  ECHOES_PER_SECOND,
  MAX_ECHO_FLOWS,
  MAX_UDP_PEERS,
  TokenBucket,
} from './limits';

const HEADER = 8;

interface EchoFlow {
  readonly guest: Uint8Array;
  readonly id: number;
  /** Undefined where the host permits no ping sockets. */
  readonly socket: Promise<EchoSocket | undefined>;
  /** Who may answer: address as the host writes it -> as the guest does. */
  readonly peers: Map<string, Uint8Array>;
  lastUsed: number;
}

export class EchoFlows {
  private readonly flows = new Map<string, EchoFlow>();
  private readonly rate = new TokenBucket(ECHOES_PER_SECOND);
  /** Requests beyond the limit and replies that found no room. */
  dropped = 0;

  constructor(
    private readonly link: GatewayLink,
    private readonly host: Pick<NetworkHost, 'openEcho'>,
    private readonly now: () => number,
    /** The host permits no ping sockets: `packet` went nowhere. */
    private readonly refuse: (packet: IpPacket) => void,
  ) {}

  get size(): number {
    return this.flows.size;
  }

  /** Sends a guest's echo request, which was checked, to where it says. */
  send(packet: IpPacket): void {
    if (!this.host.openEcho) return this.refuse(packet);
    if (!this.rate.take(this.now())) {
      this.dropped++;
      return;
    }
    const flow = this.flowOf(packet);
    flow.lastUsed = this.now();
    const { payload, hopLimit } = packet;
    const to = formatIp(packet.destination);
    if (flow.peers.size >= MAX_UDP_PEERS && !flow.peers.has(to)) {
      const [oldest] = flow.peers.keys();
      if (oldest !== undefined) flow.peers.delete(oldest);
    }
    flow.peers.set(to, packet.destination.slice());
    const sequence = u16(payload, 6);
    const data = payload.slice(HEADER);
    const bytes = packet.bytes.slice();
    const quoted: IpPacket = {
      ...packet,
      source: flow.guest,
      destination: packet.destination.slice(),
      payload: bytes.subarray(bytes.length - payload.length),
      bytes,
    };
    void flow.socket.then((socket) => {
      if (!socket) this.refuse(quoted);
      else if (this.isOpen(flow)) socket.send(to, sequence, data, hopLimit - 1);
    });
  }

  /** Closes what was not used for long. */
  tick(): void {
    const oldest = this.now() - ECHO_EXPIRY_MS;
    for (const [key, flow] of this.flows) if (flow.lastUsed < oldest) this.close(key, flow);
  }

  clear(): void {
    for (const [key, flow] of this.flows) this.close(key, flow);
  }

  private flowOf({ source, payload }: IpPacket): EchoFlow {
    const id = u16(payload, 4);
    const key = flowKey(source, id);
    const known = this.flows.get(key);
    // The map's order is that of last use.
    this.flows.delete(key);
    const flow = known ?? this.open(source.slice(), id);
    this.flows.set(key, flow);
    for (const [oldest, victim] of this.flows) {
      if (this.flows.size <= MAX_ECHO_FLOWS) break;
      this.close(oldest, victim);
    }
    return flow;
  }

  private open(guest: Uint8Array, id: number): EchoFlow {
    const peers = new Map<string, Uint8Array>();
    const opened = this.host.openEcho?.(guest.length === 4 ? 4 : 6, {
      onReply: (from, sequence, data) => {
        const peer = peers.get(from);
        if (peer) this.reply(flow, peer, sequence, data);
      },
    });
    const flow: EchoFlow = {
      guest,
      id,
      peers,
      lastUsed: this.now(),
      socket: opened ?? Promise.resolve(undefined),
    };
    return flow;
  }

  private reply(flow: EchoFlow, source: Uint8Array, sequence: number, data: Uint8Array): void {
    if (!this.isOpen(flow)) return;
    const { guest } = flow;
    const message = new Uint8Array(HEADER + data.length);
    message[0] = guest.length === 4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
    put16(message, 4, flow.id);
    put16(message, 6, sequence);
    message.set(data, HEADER);
    sealIcmp(message, source, guest);
    const protocol = guest.length === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    if (!this.link.sendIp({ source, destination: guest, protocol }, message)) this.dropped++;
  }

  private isOpen(flow: EchoFlow): boolean {
    return this.flows.get(flowKey(flow.guest, flow.id)) === flow;
  }

  private close(key: string, flow: EchoFlow): void {
    this.flows.delete(key);
    void flow.socket.then((socket) => socket?.close());
  }
}

function flowKey(guest: Uint8Array, id: number): string {
  return `${guest.join('.')} ${id}`;
}
