/**
 * The gateway of a guest's network: a router, DHCP and name server whose way out are ordinary sockets of the host
 * (user-mode NAT). It needs no privilege. The guest is untrusted: whatever it sends, nothing here throws, and what it
 * may hold of the host is bounded (limits.ts).
 * Missing: ICMP errors from outside (traceroute), IGMP, IP options.
 */
import type { BoundPort, NetworkHost, TimerHost } from '../../host';
import { OFFLOAD_KIND, OFFLOAD_NONE, OFFLOAD_PARTIAL, type FrameOffload } from '../../hw';
import {
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  DNS_PORT,
  ETHERNET_HEADER,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  formatIp,
  formatMac,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  isAny,
  isGroupMac,
  parseArp,
  parseDhcp,
  parseIp,
  parseIpv4,
  parseIpv6,
  parseTcp,
  parseUdp,
  sameAddress,
  TCP_ACK,
  TCP_RST,
  TCP_SYN,
  TFTP_PORT,
  u16,
  type IpPacket,
  type TcpSegment,
  type UdpDatagram,
} from '../wire';
import { DhcpServer, type DhcpLease } from './dhcp-server';
import { DnsProxy, DnsTcpStream } from './dns-proxy';
import { EchoFlows } from './echo-flows';
import { EgressPolicy, type EgressDenial, type EgressOptions } from './egress';
import { Reassembler } from './fragments';
import { GatewayLink, type GatewayAddresses } from './gateway-link';
import { IcmpResponder } from './icmp-responder';
import { Ipv6Router } from './ipv6-router';
import { NEW_FLOWS_PER_SECOND, TICK_MS, TokenBucket } from './limits';
import { TcpFlows, type TcpFlowInfo } from './tcp-flows';
import { TftpServer, type TftpFolder } from './tftp-server';
import { UdpFlows } from './udp-flows';

export interface UserNatOptions {
  readonly addresses: GatewayAddresses;
  /** Host part of the first address DHCP gives: 15 for 10.0.2.15. */
  readonly firstHost: number;
  /** Host part of the last one; undefined: the end of the network. Where gateways of several guests share a network, each gives its own guest's address only. */
  readonly lastHost?: number;
  readonly domainName: string;
  /** The guest's name, told to it by DHCP. */
  readonly hostName: string;
  readonly egress: EgressOptions;
  /** Network boot: what the gateway's TFTP server gives, and what DHCP says of it. */
  readonly boot?: NatBoot;
}

/** Network boot of a guest. */
export interface NatBoot {
  /** The file that DHCP names, at most 127 ASCII characters; '' names none. */
  readonly fileName: string;
  readonly folder: TftpFolder;
}

export interface UserNatHost {
  readonly network: NetworkHost;
  readonly timers: TimerHost;
  /** 32 random bits that cannot be foreseen, for sequence numbers (RFC 6528). */
  random32(): number;
}

/** A port of the host whose traffic goes to the guest. */
export interface PortForward {
  readonly protocol: 'tcp' | 'udp';
  readonly hostAddress: string;
  /** 0: any free one. */
  readonly hostPort: number;
  /** Undefined: the address the guest has. */
  readonly guestAddress?: string;
  readonly guestPort: number;
}

export interface NatCounters {
  framesIn: number;
  framesOut: number;
  /** Malformed, foreign or beyond what is allowed. */
  dropped: number;
}

const TRACE_HOP_LIMIT = 1;

export class UserNat {
  readonly counters: NatCounters = { framesIn: 0, framesOut: 0, dropped: 0 };
  private readonly link: GatewayLink;
  private readonly policy: EgressPolicy;
  private readonly dhcp: DhcpServer;
  private readonly dns: DnsProxy;
  private readonly tftp: TftpServer | undefined;
  private readonly tcp: TcpFlows;
  private readonly udp: UdpFlows;
  private readonly icmp: IcmpResponder;
  private readonly echo: EchoFlows;
  private readonly router: Ipv6Router;
  private readonly fragments: Reassembler;
  private readonly newFlows = new TokenBucket(NEW_FLOWS_PER_SECOND);
  private readonly forwards = new Set<BoundPort>();
  private readonly now: () => number;
  private stopTick: (() => void) | undefined;
  private sender: Uint8Array = new Uint8Array(6);
  /** The frame at hand has no TCP checksum: its card left it to us. */
  private isPartial = false;

  constructor(
    private readonly host: UserNatHost,
    private readonly options: UserNatOptions,
    /** Copies a frame for the guest; false when there is no room: `roomAgain` must follow. */
    output: (frame: Uint8Array, offload: FrameOffload) => boolean,
    /** What the guest's card takes now, RECEIVE_*. */
    receiveOffloads: () => number = () => 0,
  ) {
    const { network, timers } = host;
    const now = (): number => timers.monotonicMs();
    const { addresses, egress } = options;
    this.now = now;
    this.link = new GatewayLink(
      addresses,
      (frame, offload) => {
        const sent = output(frame, offload);
        if (sent) this.counters.framesOut++;
        return sent;
      },
      now,
    );
    this.icmp = new IcmpResponder(this.link);
    this.policy = new EgressPolicy(egress, network, now);
    const { boot } = options;
    this.dhcp = new DhcpServer(
      {
        network: addresses.ipv4,
        server: addresses.gateway,
        router: egress.outside ? addresses.gateway : undefined,
        dns: egress.outside ? addresses.dns : undefined,
        domainName: options.domainName,
        firstHost: options.firstHost,
        lastHost: options.lastHost,
        hostName: options.hostName,
        bootFile: boot?.fileName ?? '',
      },
      now,
    );
    this.dns = new DnsProxy(network, this.policy, egress.outside, now);
    this.tcp = new TcpFlows({
      link: this.link,
      host: network,
      now,
      receiveOffloads,
      random32: () => host.random32(),
      unreachable: (packet, why) => this.icmp.unreachable(packet, why),
    });
    this.udp = new UdpFlows(this.link, network, now);
    this.tftp =
      boot &&
      new TftpServer(
        boot.folder,
        (server, port, guest, guestPort, bytes) =>
          this.udp.toGuest(server, port, guest, guestPort, bytes),
        now,
      );
    this.echo = new EchoFlows(this.link, network, now, (packet) => {
      this.policy.noPing(packet.destination);
      this.icmp.unreachable(packet, 'prohibited');
    });
    this.fragments = new Reassembler(now);
    this.router = new Ipv6Router(this.link, () => this.hasIpv6Route(), now);
    this.stopTick = timers.every(TICK_MS, () => this.tick());
  }

  get leases(): DhcpLease[] {
    return this.dhcp.leases;
  }

  get denials(): readonly EgressDenial[] {
    return this.policy.denials;
  }

  get connections(): TcpFlowInfo[] {
    return this.tcp.list;
  }

  get udpMappings(): number {
    return this.udp.size;
  }

  /** Datagrams and echo replies for the guest that found no room, and echo requests beyond what is allowed. */
  get undelivered(): number {
    return this.udp.dropped + this.echo.dropped;
  }

  /** Takes a frame from the guest, valid during the call. `flush` must follow a batch. */
  receive(frame: Uint8Array, offload: FrameOffload = OFFLOAD_NONE): void {
    this.counters.framesIn++;
    this.isPartial = (offload & OFFLOAD_KIND) === OFFLOAD_PARTIAL;
    if (frame.length < ETHERNET_HEADER) return this.drop();
    const destination = frame.subarray(0, 6);
    this.sender = frame.subarray(6, 12);
    const isOurs = isGroupMac(destination) || sameAddress(destination, this.options.addresses.mac);
    if (!isOurs || isGroupMac(this.sender)) return this.drop();
    const payload = frame.subarray(ETHERNET_HEADER);
    switch (u16(frame, 12)) {
      case ETHERTYPE_ARP: {
        const packet = parseArp(payload);
        return packet ? this.link.arp(packet) : this.drop();
      }
      case ETHERTYPE_IPV4:
        return this.receiveIp(parseIpv4(payload));
      case ETHERTYPE_IPV6:
        return this.options.addresses.ipv6 ? this.receiveIp(parseIpv6(payload)) : this.drop();
      default:
        return this.drop();
    }
  }

  /** The end of a batch of frames. */
  flush(): void {
    this.tcp.flush();
  }

  /** `output` takes frames again. */
  roomAgain(): void {
    this.tcp.resume();
  }

  /** Opens a port of the host. Rejects with a NetworkError. The result closes it. */
  async forward(rule: PortForward): Promise<BoundPort> {
    const fixed = rule.guestAddress === undefined ? undefined : parseIp(rule.guestAddress);
    const guest = (): Uint8Array => fixed ?? this.dhcp.guestAddress;
    const bound =
      rule.protocol === 'tcp'
        ? await this.tcp.forward(rule.hostAddress, rule.hostPort, guest, rule.guestPort)
        : await this.udp.forward(rule.hostAddress, rule.hostPort, guest, rule.guestPort);
    this.forwards.add(bound);
    return {
      port: bound.port,
      close: () => {
        this.forwards.delete(bound);
        bound.close();
      },
    };
  }

  /** The guest was reset: its connections are gone, forwards and leases stay. */
  reset(): void {
    this.tcp.clear();
    this.udp.clear();
    this.tftp?.clear();
    this.echo.clear();
    this.fragments.clear();
    this.link.forgetNeighbours();
  }

  /** Time stops and goes on with the guest: a paused guest's connections do not time out. */
  setPaused(paused: boolean): void {
    if (paused === (this.stopTick === undefined)) return;
    this.stopTick?.();
    this.stopTick = paused ? undefined : this.host.timers.every(TICK_MS, () => this.tick());
  }

  close(): void {
    this.stopTick?.();
    this.stopTick = undefined;
    for (const forward of this.forwards) forward.close();
    this.forwards.clear();
    this.reset();
  }

  private tick(): void {
    this.tcp.tick();
    this.udp.tick();
    this.tftp?.tick();
    this.echo.tick();
    this.router.tick();
    this.fragments.expire();
  }

  private drop(): void {
    this.counters.dropped++;
  }

  private hasIpv6Route(): boolean {
    // Global unicast 2000::/3, or a private network that the user opened.
    return (
      this.options.egress.outside &&
      this.host.network.interfaces().some(({ address, loopback }) => {
        const bytes = loopback ? undefined : parseIp(address);
        if (bytes?.length !== 16) return false;
        return (
          (bytes[0] & 0xe0) === 0x20 || (this.options.egress.lan && (bytes[0] & 0xfe) === 0xfc)
        );
      })
    );
  }

  private receiveIp(received: IpPacket | undefined): void {
    const packet = received?.fragment ? this.fragments.add(received) : received;
    if (!packet) return received ? undefined : this.drop();
    const { source, destination } = packet;
    const isDhcpClient = source.length === 4 && isAny(source) && packet.protocol === IPPROTO_UDP;
    if (packet.protocol === IPPROTO_ICMPV6 && source.length === 16)
      if (this.router.arrive(packet, this.sender)) return;
    if (!isDhcpClient && !this.link.isOnLink(source)) return this.drop();
    if (this.link.isGateway(source)) return this.drop();
    if (!isDhcpClient) this.link.learn(source, this.sender);
    const isHere = this.link.isGateway(destination);
    if (!isHere && packet.hopLimit <= TRACE_HOP_LIMIT && !this.isGroup(destination))
      return this.icmp.timeExceeded(packet);
    switch (packet.protocol) {
      case IPPROTO_TCP:
        return this.receiveTcp(packet, isHere);
      case IPPROTO_UDP:
        return this.receiveUdp(packet, isHere);
      case IPPROTO_ICMP:
        return source.length === 4 ? this.receiveEcho(packet, isHere) : this.drop();
      case IPPROTO_ICMPV6:
        return source.length === 16 ? this.receiveEcho(packet, isHere) : this.drop();
      default:
        return this.drop();
    }
  }

  private isGroup(address: Uint8Array): boolean {
    return address.length === 4
      ? address[0] >= 224 || this.link.isBroadcast(address)
      : address[0] === 0xff;
  }

  private receiveTcp(packet: IpPacket, isHere: boolean): void {
    const segment = parseTcp(packet, !this.isPartial);
    if (!segment) return this.drop();
    if (this.tcp.arrive(packet, segment)) return;
    if ((segment.flags & (TCP_SYN | TCP_ACK | TCP_RST)) !== TCP_SYN)
      return this.tcp.refuse(packet, segment);
    if (this.isGroup(packet.destination)) return this.drop();
    if (isHere) return this.openHere(packet, segment);
    if (this.link.isOnLink(packet.destination)) return this.icmp.unreachable(packet, 'host');
    const port = segment.destinationPort;
    if (this.policy.check('tcp', packet.destination, port) !== undefined)
      return this.icmp.unreachable(packet, 'prohibited');
    this.connect(packet, segment, formatIp(packet.destination));
  }

  /** Connections to the gateway itself: the name server, and what the user has opened of the host. */
  private openHere(packet: IpPacket, segment: TcpSegment): void {
    const { network, timers } = this.host;
    if (segment.destinationPort === DNS_PORT)
      return this.tcp.open(
        packet,
        segment,
        (events) => new DnsTcpStream(this.dns, events, (work) => void timers.after(0, work)),
      );
    if (this.policy.opensHostPort(segment.destinationPort))
      return this.tcp.open(packet, segment, (events) =>
        network.connectTcp('127.0.0.1', segment.destinationPort, events),
      );
    this.tcp.refuse(packet, segment);
  }

  private connect(packet: IpPacket, segment: TcpSegment, address: string): void {
    if (!this.newFlows.take(this.now())) return this.drop();
    this.tcp.open(packet, segment, (events) =>
      this.host.network.connectTcp(address, segment.destinationPort, events),
    );
  }

  private receiveUdp(packet: IpPacket, isHere: boolean): void {
    const datagram = parseUdp(packet);
    if (!datagram) return this.drop();
    const { destinationPort, sourcePort, payload } = datagram;
    const isToServer = isHere || this.isGroup(packet.destination);
    if (destinationPort === DHCP_SERVER_PORT && sourcePort === DHCP_CLIENT_PORT && isToServer)
      return this.receiveDhcp(packet, payload);
    if (isAny(packet.source) || this.isGroup(packet.destination)) return this.drop();
    if (isHere) {
      if (this.udp.answerForwarded(packet, datagram)) return;
      if (destinationPort === DNS_PORT) return this.receiveDns(packet, sourcePort, payload);
      if (this.receiveTftp(packet, datagram)) return;
      if (!this.policy.opensHostPort(destinationPort)) return this.icmp.unreachable(packet, 'port');
      return this.udp.send(packet, datagram, { address: '127.0.0.1', port: destinationPort });
    }
    if (this.link.isOnLink(packet.destination)) return this.icmp.unreachable(packet, 'host');
    if (destinationPort === 0) return this.drop();
    if (this.policy.check('udp', packet.destination, destinationPort) !== undefined)
      return this.icmp.unreachable(packet, 'prohibited');
    if (!this.udp.has(packet, datagram) && !this.newFlows.take(this.now())) return this.drop();
    const address = formatIp(packet.destination);
    this.udp.send(packet, datagram, { address, port: destinationPort });
  }

  private receiveDhcp(packet: IpPacket, payload: Uint8Array): void {
    const request = packet.source.length === 4 ? parseDhcp(payload) : undefined;
    // The lease is that of the card that asks.
    if (!request || !sameAddress(request.clientMac, this.sender)) return this.drop();
    const answer = this.dhcp.answer(request);
    if (!answer) return;
    const { gateway } = this.options.addresses;
    const { message, to, mac } = answer;
    this.udp.toGuest(gateway, DHCP_SERVER_PORT, to, DHCP_CLIENT_PORT, message, mac.slice());
  }

  private receiveTftp(packet: IpPacket, datagram: UdpDatagram): boolean {
    const { source, destination } = packet;
    const { destinationPort, sourcePort, payload } = datagram;
    if (!this.tftp || source.length !== 4) return false;
    if (destinationPort !== TFTP_PORT)
      return this.tftp.arrive(destinationPort, source, sourcePort, payload);
    this.tftp.request(destination, source, sourcePort, payload);
    return true;
  }

  private receiveDns(packet: IpPacket, port: number, query: Uint8Array): void {
    const guest = packet.source.slice();
    const server = packet.destination.slice();
    this.dns.overUdp(query, (answer) => this.udp.toGuest(server, DNS_PORT, guest, port, answer));
  }

  private receiveEcho(packet: IpPacket, isHere: boolean): void {
    const { destination } = packet;
    if (this.isGroup(destination) || !this.icmp.isEcho(packet)) return this.drop();
    if (isHere) return this.icmp.answer(packet);
    if (this.link.isOnLink(destination)) return this.icmp.unreachable(packet, 'host');
    if (this.policy.check('icmp', destination, 0) !== undefined)
      return this.icmp.unreachable(packet, 'prohibited');
    this.echo.send(packet);
  }

  /** For logs: who this gateway is. */
  toString(): string {
    return `${formatIp(this.options.addresses.gateway)} (${formatMac(this.options.addresses.mac)})`;
  }
}
