/** A guest's network stack in small, for tests: it speaks in frames and keeps what it hears. */
import {
  buildUdp,
  ETHERNET_HEADER,
  IPPROTO_TCP,
  IPPROTO_UDP,
  parseIpv4,
  parseIpv6,
  parseTcp,
  parseUdp,
  put16,
  seqDiff,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  tcpHeaderBytes,
  u16,
  writeIpHeader,
  writeTcpHeader,
  ipHeaderBytes,
  type IpPacket,
  type TcpSegment,
  type UdpDatagram,
} from '../../core/net/wire';

export const GUEST_MAC = Uint8Array.of(0x00, 0x16, 0x3e, 1, 2, 3);

/** An IP packet in an Ethernet frame. */
export function ipFrame(
  destinationMac: Uint8Array,
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  payload: Uint8Array,
  extra: { hopLimit?: number; id?: number; offset?: number; more?: boolean } = {},
): Uint8Array {
  const header = ipHeaderBytes(source);
  const frame = new Uint8Array(ETHERNET_HEADER + header + payload.length);
  frame.set(destinationMac, 0);
  frame.set(GUEST_MAC, 6);
  put16(frame, 12, source.length === 4 ? 0x0800 : 0x86dd);
  writeIpHeader(
    frame,
    ETHERNET_HEADER,
    { source, destination, protocol, ...extra },
    payload.length,
  );
  frame.set(payload, ETHERNET_HEADER + header);
  return frame;
}

export function udpFrame(
  mac: Uint8Array,
  source: Uint8Array,
  sourcePort: number,
  destination: Uint8Array,
  destinationPort: number,
  payload: Uint8Array,
): Uint8Array {
  const datagram = buildUdp(source, sourcePort, destination, destinationPort, payload);
  return ipFrame(mac, source, destination, IPPROTO_UDP, datagram);
}

/** A frame read back: its packet, and the transport where it has one. */
export interface Heard {
  readonly frame: Uint8Array;
  readonly type: number;
  readonly packet: IpPacket | undefined;
  readonly tcp: TcpSegment | undefined;
  readonly udp: UdpDatagram | undefined;
}

export function hear(frame: Uint8Array, checked = true): Heard {
  const copy = frame.slice();
  const type = u16(copy, 12);
  const body = copy.subarray(ETHERNET_HEADER);
  const packet = type === 0x0800 ? parseIpv4(body) : type === 0x86dd ? parseIpv6(body) : undefined;
  const whole = packet && !packet.fragment ? packet : undefined;
  return {
    frame: copy,
    type,
    packet,
    tcp: whole?.protocol === IPPROTO_TCP ? parseTcp(whole, checked) : undefined,
    udp: whole?.protocol === IPPROTO_UDP ? parseUdp(whole) : undefined,
  };
}

/** A simple TCP end point: go-back-N sender, in-order receiver. It is not the code under test. */
export class GuestTcp {
  state: 'closed' | 'syn-sent' | 'syn-received' | 'open' | 'reset' = 'closed';
  readonly received: Uint8Array[] = [];
  peerFin = false;
  /** Window it offers. */
  window = 0xffff;
  /** Data sent and acknowledged by the peer. */
  acknowledged = 0;
  private una: number;
  private rcv = 0;
  private out = new Uint8Array();
  private finAt: number | undefined;
  finAcknowledged = false;
  private peerWindow = 0;
  private peerShift = 0;
  lastFlags = 0;
  /** Behind the last byte ever sent. */
  private highest: number;

  constructor(
    private readonly transmit: (frame: Uint8Array) => void,
    private readonly gatewayMac: Uint8Array,
    readonly address: Uint8Array,
    readonly port: number,
    readonly remote: Uint8Array,
    readonly remotePort: number,
    private readonly options: { mss?: number; shift?: number | undefined; seq?: number } = {},
  ) {
    this.una = options.seq ?? 1000;
    this.highest = this.una;
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.received));
  }

  get sequence(): number {
    return this.una;
  }

  get expected(): number {
    return this.rcv;
  }

  connect(): void {
    this.state = 'syn-sent';
    this.segment(TCP_SYN, this.una);
  }

  /** Queues bytes; they leave with `pump`. */
  send(bytes: Uint8Array): void {
    this.out = Uint8Array.from(Buffer.concat([this.out, bytes]));
    this.pump();
  }

  close(): void {
    this.finAt = (this.una + this.out.length) >>> 0;
    this.pump();
  }

  reset(): void {
    this.segment(TCP_RST | TCP_ACK, this.una);
    this.state = 'reset';
  }

  /** Sends again all that is not acknowledged, as the window allows. */
  pump(): void {
    if (this.state !== 'open') {
      if (this.state === 'syn-sent') this.segment(TCP_SYN, this.una);
      return;
    }
    const mss = this.options.mss ?? 1460;
    const allowed = Math.min(this.out.length, this.peerWindow);
    for (let at = 0; at < allowed; at += mss)
      this.segment(TCP_ACK, this.una + at, this.out.subarray(at, Math.min(at + mss, allowed)));
    if (this.finAt !== undefined && !this.finAcknowledged && allowed === this.out.length)
      this.segment(TCP_FIN | TCP_ACK, this.finAt);
  }

  /** Sends what was never sent, as the window allows. */
  advance(): void {
    if (this.state !== 'open') return;
    const mss = this.options.mss ?? 1460;
    const allowed = Math.min(this.out.length, this.peerWindow);
    for (let at = seqDiff(this.highest, this.una); at < allowed; at += mss)
      this.segment(TCP_ACK, this.una + at, this.out.subarray(at, Math.min(at + mss, allowed)));
  }

  /** One segment, whatever it is. */
  segment(
    flags: number,
    seq: number,
    payload: Uint8Array = new Uint8Array(),
    ack = this.rcv,
  ): void {
    const counted = (flags & (TCP_SYN | TCP_FIN)) !== 0 ? 1 : 0;
    const after = (seq + payload.length + counted) >>> 0;
    if (seqDiff(after, this.highest) > 0) this.highest = after;
    const header = tcpHeaderBytes(flags);
    const bytes = new Uint8Array(header + payload.length);
    bytes.set(payload, header);
    const shift = this.options.shift;
    const scaled =
      (flags & TCP_SYN) === 0 && shift !== undefined ? this.window >> shift : this.window;
    writeTcpHeader(
      bytes,
      0,
      {
        sourcePort: this.port,
        destinationPort: this.remotePort,
        seq: seq >>> 0,
        ack,
        flags,
        window: Math.min(scaled, 0xffff),
        mss: this.options.mss ?? 1460,
        windowShift: shift,
      },
      payload.length,
      this.address,
      this.remote,
    );
    this.transmit(ipFrame(this.gatewayMac, this.address, this.remote, IPPROTO_TCP, bytes));
  }

  arrive(segment: TcpSegment): void {
    this.lastFlags = segment.flags;
    if ((segment.flags & TCP_RST) !== 0) {
      this.state = 'reset';
      return;
    }
    if ((segment.flags & TCP_SYN) !== 0) return this.arriveSyn(segment);
    if (this.state === 'syn-received' && segment.ack === (this.una + 1) >>> 0) {
      this.una = segment.ack;
      this.state = 'open';
    }
    this.peerWindow = segment.window << this.peerShift;
    const acknowledged = seqDiff(segment.ack, this.una);
    if (acknowledged > 0) {
      const data = Math.min(acknowledged, this.out.length);
      this.out = this.out.subarray(data);
      this.acknowledged += data;
      if (acknowledged > data) this.finAcknowledged = true;
      this.una = segment.ack;
    }
    const { payload, seq } = segment;
    const fin = (segment.flags & TCP_FIN) !== 0;
    if (payload.length === 0 && !fin) return;
    const known = seqDiff(this.rcv, seq);
    if (known >= 0 && known <= payload.length && this.window > 0) {
      const fresh = payload.subarray(known);
      if (fresh.length > 0) this.received.push(fresh.slice());
      this.rcv = (this.rcv + fresh.length) >>> 0;
      if (fin && !this.peerFin) {
        this.peerFin = true;
        this.rcv = (this.rcv + 1) >>> 0;
      }
    }
    this.segment(TCP_ACK, this.highest);
  }

  private arriveSyn(segment: TcpSegment): void {
    this.rcv = (segment.seq + 1) >>> 0;
    this.peerShift =
      this.options.shift !== undefined && segment.windowShift !== undefined
        ? segment.windowShift
        : 0;
    this.peerWindow = segment.window;
    if ((segment.flags & TCP_ACK) === 0) {
      this.state = 'syn-received';
      return this.segment(TCP_SYN | TCP_ACK, this.una);
    }
    if (this.state === 'syn-sent') {
      this.una = segment.ack;
      this.state = 'open';
    }
    this.segment(TCP_ACK, this.una);
  }
}
