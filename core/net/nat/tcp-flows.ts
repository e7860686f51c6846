/**
 * TCP through the NAT: each connection of the guest ends here and is carried on by a connection of the host. Bytes
 * flow under back-pressure both ways: a slow guest stops the host's reading, a slow host closes the guest's window.
 */
import type { BoundPort, NetworkErrorCode, NetworkHost, TcpEvents, TcpStream } from '../../host';
import {
  OFFLOAD_GOOD,
  OFFLOAD_PARTIAL,
  OFFLOAD_SHIFT,
  RECEIVE_PARTIAL,
  RECEIVE_TCPV4,
  RECEIVE_TCPV6,
} from '../../hw';
import { TcpConnection, type TcpOwner } from '../tcp';
import {
  IPPROTO_TCP,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  tcpHeaderBytes,
  writeTcpHeader,
  type IpPacket,
  type TcpHeader,
  type TcpSegment,
  type Unreachable,
} from '../wire';
import { type GatewayLink, LINK_MTU } from './gateway-link';
import { MAX_HALF_OPEN, TCP_EXPIRY_MS } from './limits';
import { TcpFlowTable, type TcpFlow } from './tcp-flow-table';

/** A host that neither accepts nor refuses; its own timeout is longer than a guest waits. */
const CONNECT_MS = 75_000;

/** Data of a frame with many segments: an IP packet has room for this much beside its longest headers. */
const LARGE_BYTES = 0xffff - 60 - 60;

/** Opens the host's side of a guest's connection. */
export type OpenStream = (events: TcpEvents) => TcpStream;

export interface TcpFlowsOptions {
  readonly link: GatewayLink;
  readonly host: Pick<NetworkHost, 'listenTcp'>;
  readonly now: () => number;
  /** What the guest's card takes now, RECEIVE_*. */
  receiveOffloads(): number;
  readonly random32: () => number;
  /** Tells the guest that its packet went nowhere. */
  unreachable(packet: IpPacket, why: Unreachable): void;
}

/** What a status page shows of a connection. */
export interface TcpFlowInfo {
  readonly guestPort: number;
  readonly remote: Uint8Array;
  readonly remotePort: number;
  readonly state: string;
}

export class TcpFlows implements TcpOwner {
  private readonly flows = new TcpFlowTable();
  private readonly byConnection = new Map<TcpConnection, TcpFlow>();
  /** Flows with bytes or acknowledgements to hand on at the end of the batch. */
  private readonly dirty = new Set<TcpFlow>();
  /** Flows that found no room on the link. */
  private readonly blocked = new Set<TcpFlow>();
  private halfOpen = 0;

  constructor(private readonly options: TcpFlowsOptions) {}

  get size(): number {
    return this.flows.size;
  }

  get list(): TcpFlowInfo[] {
    return this.flows.all.map(({ guestPort, remote, remotePort, connection }) => ({
      guestPort,
      remote,
      remotePort,
      state: connection?.phase ?? 'connecting',
    }));
  }

  /** Hands a segment to its connection; false when there is none. */
  arrive(packet: IpPacket, segment: TcpSegment): boolean {
    const flow = this.flows.find(packet, segment);
    if (!flow) return false;
    const { connection } = flow;
    if (connection?.phase === 'time-wait' && this.isNewSyn(segment)) {
      this.remove(flow);
      return false;
    }
    if (!connection) {
      // The host is still connecting: the guest's SYN comes again, or the guest gives up.
      if ((segment.flags & TCP_RST) !== 0) this.abort(flow);
      return true;
    }
    this.dirty.add(flow);
    connection.arrive(segment, this.options.now());
    return true;
  }

  /** Starts a connection for a guest's SYN. The caller has checked where it may go. */
  open(packet: IpPacket, syn: TcpSegment, openStream: OpenStream): void {
    if (this.halfOpen >= MAX_HALF_OPEN) return;
    if (!this.makeRoom()) return this.refuse(packet, syn);
    const copy = packet.bytes.slice();
    const flow = this.flows.add(
      packet.source.slice(),
      syn.sourcePort,
      packet.destination.slice(),
      syn.destinationPort,
    );
    const quoted = { ...packet, source: flow.guest, destination: flow.remote, bytes: copy };
    const empty = new Uint8Array();
    flow.pending = {
      syn: { ...syn, payload: empty },
      packet: { ...quoted, payload: empty },
      since: this.options.now(),
    };
    this.halfOpen++;
    flow.stream = openStream(this.eventsOf(flow));
  }

  /** Opens a host port whose connections go to the guest; rejects with a NetworkError. */
  forward(
    address: string,
    port: number,
    guestAddress: () => Uint8Array,
    guestPort: number,
  ): Promise<BoundPort> {
    const { host, link, now, random32 } = this.options;
    return host.listenTcp(address, port, (stream) => {
      if (this.halfOpen >= MAX_HALF_OPEN || !this.makeRoom()) return undefined;
      const guest = guestAddress();
      const remote = link.ownAddress(guest);
      const remotePort = this.flows.freePort(guest, guestPort, remote);
      const flow = this.flows.add(guest, guestPort, remote, remotePort);
      flow.stream = stream;
      flow.hostPaused = true;
      this.halfOpen++;
      flow.connection = this.track(flow, () =>
        TcpConnection.connect(this, random32(), this.mss(guest), now()),
      );
      return this.eventsOf(flow);
    });
  }

  /** Answers a segment that belongs to nothing with RST (RFC 9293 3.10.7.1). */
  refuse(packet: IpPacket, segment: TcpSegment): void {
    if ((segment.flags & TCP_RST) !== 0) return;
    const length =
      segment.payload.length +
      ((segment.flags & TCP_SYN) !== 0 ? 1 : 0) +
      ((segment.flags & TCP_FIN) !== 0 ? 1 : 0);
    const acknowledged = (segment.flags & TCP_ACK) !== 0;
    this.sendSegment(packet.destination, packet.source, {
      sourcePort: segment.destinationPort,
      destinationPort: segment.sourcePort,
      seq: acknowledged ? segment.ack : 0,
      ack: acknowledged ? 0 : (segment.seq + length) >>> 0,
      flags: acknowledged ? TCP_RST : TCP_RST | TCP_ACK,
      window: 0,
    });
  }

  /** The end of a batch of frames: bytes go to the host, acknowledgements to the guest. */
  flush(): void {
    for (const flow of this.dirty) {
      this.writeOut(flow);
      flow.connection?.flush();
    }
    this.dirty.clear();
  }

  /** The link has room again. */
  resume(): void {
    const waiting = [...this.blocked];
    this.blocked.clear();
    for (const flow of waiting) flow.connection?.resume(this.options.now());
  }

  tick(): void {
    const now = this.options.now();
    for (const flow of this.flows.all) {
      const { connection, pending } = flow;
      if (pending && now - pending.since > CONNECT_MS) this.abort(flow);
      if (!connection) continue;
      if (now >= connection.nextDeadline) connection.tick(now);
      if (flow.established && now - connection.lastHeard > TCP_EXPIRY_MS) this.abort(flow);
    }
  }

  /** Resets everything, as the guest is gone. */
  clear(): void {
    for (const flow of this.flows.all) this.drop(flow);
  }

  // --- TcpOwner

  transmit(
    connection: TcpConnection,
    header: Omit<TcpHeader, 'sourcePort' | 'destinationPort'>,
    position: number,
    length: number,
  ): boolean {
    const flow = this.byConnection.get(connection) ?? this.starting;
    if (!flow) return true;
    const { link } = this.options;
    const at = link.payloadAt(flow.guest) + tcpHeaderBytes(header.flags);
    if (length > 0) connection.sender.queue.copy(position, length, link.frame, at);
    const { seq, ack, flags, window, mss = 0, windowShift } = header;
    const { remotePort: sourcePort, guestPort: destinationPort } = flow;
    const full = { sourcePort, destinationPort, seq, ack, flags, window, mss, windowShift };
    const segmentBytes = length > connection.sender.mss ? connection.sender.mss : 0;
    const sent = this.sendSegment(flow.remote, flow.guest, full, length, segmentBytes);
    if (!sent) this.blocked.add(flow);
    return sent;
  }

  largest(connection: TcpConnection): number {
    const flow = this.byConnection.get(connection);
    const large = flow?.guest.length === 16 ? RECEIVE_TCPV6 : RECEIVE_TCPV4;
    const wanted = RECEIVE_PARTIAL | large;
    return (this.options.receiveOffloads() & wanted) === wanted ? LARGE_BYTES : 0;
  }

  deliver(connection: TcpConnection, bytes: Uint8Array): void {
    const flow = this.byConnection.get(connection);
    if (!flow) return;
    flow.outgoing.push(bytes.slice());
    flow.outgoingBytes += bytes.length;
    this.dirty.add(flow);
  }

  room(connection: TcpConnection): number {
    const flow = this.byConnection.get(connection) ?? this.starting;
    if (!flow) return 0;
    const queued = flow.outgoingBytes + (flow.stream?.queuedBytes ?? 0) + connection.heldBytes;
    return Math.max(0, this.flows.bufferBytes - queued);
  }

  acknowledged(connection: TcpConnection): void {
    const flow = this.byConnection.get(connection);
    if (!flow?.hostPaused || !flow.established) return;
    if (connection.sender.queue.cost > this.flows.bufferBytes / 2) return;
    flow.hostPaused = false;
    flow.stream?.resume();
  }

  established(connection: TcpConnection): void {
    const flow = this.byConnection.get(connection);
    if (!flow) return;
    this.settle(flow);
    flow.established = true;
    flow.hostPaused = false;
    flow.stream?.resume();
  }

  finished(connection: TcpConnection): void {
    const flow = this.byConnection.get(connection);
    if (!flow) return;
    this.writeOut(flow);
    flow.stream?.end();
  }

  closed(connection: TcpConnection, reset: boolean): void {
    const flow = this.byConnection.get(connection);
    if (!flow) return;
    if (reset) flow.stream?.reset();
    this.remove(flow);
  }

  // --- The host's side

  private eventsOf(flow: TcpFlow): TcpEvents {
    const { now } = this.options;
    return {
      onConnect: () => this.hostConnected(flow),
      onData: (bytes) => {
        const { connection } = flow;
        if (!connection) return;
        connection.send(bytes, now());
        if (flow.hostPaused || connection.sender.queue.cost < this.flows.bufferBytes) return;
        flow.hostPaused = true;
        flow.stream?.pause();
      },
      onEnd: () => flow.connection?.finish(now()),
      onDrain: () => flow.connection?.roomChanged(),
      onClose: (error) => this.hostClosed(flow, error),
    };
  }

  private hostConnected(flow: TcpFlow): void {
    const { pending } = flow;
    if (!pending || !this.flows.has(flow)) return;
    const { now, random32 } = this.options;
    flow.pending = undefined;
    flow.stream?.pause();
    flow.hostPaused = true;
    flow.connection = this.track(flow, () =>
      TcpConnection.accept(this, pending.syn, random32(), this.mss(flow.guest), now()),
    );
  }

  private hostClosed(flow: TcpFlow, error: NetworkErrorCode | undefined): void {
    flow.stream = undefined;
    if (!this.flows.has(flow)) return;
    const { pending, connection } = flow;
    if (pending) {
      if (error === 'UNREACHABLE' || error === 'TIMED_OUT')
        this.options.unreachable(pending.packet, 'host');
      else if (error === 'DENIED') this.options.unreachable(pending.packet, 'prohibited');
      else this.refuse(pending.packet, pending.syn);
      return this.remove(flow);
    }
    if (!connection) return;
    if (error !== undefined) {
      connection.reset();
      return this.remove(flow);
    }
    connection.finish(this.options.now());
    connection.abandon(this.options.now());
  }

  private writeOut(flow: TcpFlow): void {
    const { outgoing, stream } = flow;
    if (outgoing.length === 0) return;
    flow.outgoing = [];
    const total = flow.outgoingBytes;
    flow.outgoingBytes = 0;
    if (!stream) return;
    if (outgoing.length === 1) return stream.write(outgoing[0]);
    const joined = new Uint8Array(total);
    let at = 0;
    for (const part of outgoing) {
      joined.set(part, at);
      at += part.length;
    }
    stream.write(joined);
  }

  // --- The table

  /** The flow whose connection is being made: its first segment leaves before the constructor returns. */
  private starting: TcpFlow | undefined;

  private track(flow: TcpFlow, make: () => TcpConnection): TcpConnection {
    this.starting = flow;
    const connection = make();
    this.starting = undefined;
    this.byConnection.set(connection, flow);
    return connection;
  }

  private mss(guest: Uint8Array): number {
    return LINK_MTU - (guest.length === 4 ? 20 : 40) - 20;
  }

  /** A place in the table: the connection that has been idle longest gives way, if it has been for long. */
  private makeRoom(): boolean {
    if (!this.flows.isFull) return true;
    const idlest = this.flows.mostIdle(this.options.now());
    if (!idlest) return false;
    this.abort(idlest);
    return true;
  }

  private isNewSyn(segment: TcpSegment): boolean {
    return (segment.flags & (TCP_SYN | TCP_ACK | TCP_RST)) === TCP_SYN;
  }

  /** Ends a connection on both sides. */
  private abort(flow: TcpFlow): void {
    flow.connection?.reset();
    this.drop(flow);
  }

  private drop(flow: TcpFlow): void {
    flow.stream?.reset();
    this.remove(flow);
  }

  /** It counts as half open until it is established or gone. */
  private settle(flow: TcpFlow): void {
    if (flow.established) return;
    this.halfOpen--;
  }

  private remove(flow: TcpFlow): void {
    if (!this.flows.has(flow)) return;
    this.settle(flow);
    this.writeOut(flow);
    this.flows.delete(flow);
    if (flow.connection) this.byConnection.delete(flow.connection);
    this.blocked.delete(flow);
    this.dirty.delete(flow);
  }

  private sendSegment(
    source: Uint8Array,
    destination: Uint8Array,
    header: TcpHeader,
    length = 0,
    segmentBytes = 0,
  ): boolean {
    const { link } = this.options;
    const at = link.payloadAt(destination);
    const partial = segmentBytes > 0;
    writeTcpHeader(link.frame, at, header, length, source, destination, partial);
    const total = tcpHeaderBytes(header.flags) + length;
    const offload = partial ? OFFLOAD_PARTIAL | (segmentBytes << OFFLOAD_SHIFT) : OFFLOAD_GOOD;
    return link.sendPlaced(
      { source, destination, protocol: IPPROTO_TCP },
      total,
      undefined,
      offload,
    );
  }
}
