/**
 * One TCP connection between a guest and us, as an end point: RFC 9293, RFC 5961 (blind resets), RFC 7323 (window
 * scale only). Missing: urgent data (delivered in line, RFC 6093), SACK, timestamps.
 */
import {
  seqDiff,
  TCP_ACK,
  TCP_FIN,
  TCP_PSH,
  TCP_RST,
  TCP_SYN,
  type TcpHeader,
  type TcpSegment,
} from '../wire';
import { TcpReceiver } from './receiver';
import { TcpSender } from './sender';

/** Our window scale: windows up to 8 MiB, in steps of 128 bytes. */
const WINDOW_SHIFT = 7;
/** RFC 9293 3.7.1, when the peer names no maximum segment size. */
const DEFAULT_MSS = 536;
const MIN_MSS = 64;
const SYN_RTO_MS = 1000;
const SYN_RETRIES = 5;
/** Shorter than 2 MSL: nothing stays under way for long between a guest and its gateway. */
const TIME_WAIT_MS = 3000;
/** A peer that does not finish after our FIN was acknowledged and our user is gone (RFC 9293 leaves it open). */
const FIN_WAIT_MS = 60_000;

type HeaderFields = Pick<TcpHeader, 'seq' | 'ack' | 'flags' | 'window' | 'mss' | 'windowShift'>;

export interface TcpOwner {
  /** Sends a segment with `length` bytes of `connection.sender.queue` from `position`; false when there is no room now. */
  transmit(
    connection: TcpConnection,
    header: HeaderFields,
    position: number,
    length: number,
  ): boolean;
  /** Most bytes that may go out at once, to be cut into segments by the guest's card; less than two segments: it does not. */
  largest(connection: TcpConnection): number;
  /** In-order bytes from the guest, valid during the call. */
  deliver(connection: TcpConnection, bytes: Uint8Array): void;
  /** Bytes that can be taken from the guest now. */
  room(connection: TcpConnection): number;
  /** The guest acknowledged bytes: there is room in the send queue. */
  acknowledged(connection: TcpConnection): void;
  established(connection: TcpConnection): void;
  /** The guest sent FIN: no more bytes come. */
  finished(connection: TcpConnection): void;
  /** Over. `reset`: by a reset or by silence, not in order. */
  closed(connection: TcpConnection, reset: boolean): void;
}

export type TcpPhase = 'connecting' | 'established' | 'closing' | 'time-wait' | 'closed';

export class TcpConnection {
  readonly sender: TcpSender;
  private receiver: TcpReceiver;
  phase: TcpPhase = 'connecting';
  private peerSyn: boolean;
  private sendShift = 0;
  private receiveShift = 0;
  private scaling: boolean;
  /** Right edge of the window we told: it never moves back (RFC 9293 3.8.6.2.2). */
  private windowEnd = 0;
  private acknowledgeSoon = false;
  private synRetries = 0;
  private synRto = SYN_RTO_MS;
  /** Handshake, TIME-WAIT and FIN-WAIT-2 timer, ms. */
  private deadline = Infinity;
  /** Last time the guest was heard of, ms. */
  lastHeard: number;

  private constructor(
    private readonly owner: TcpOwner,
    private readonly initial: number,
    private readonly ourMss: number,
    syn: TcpSegment | undefined,
    now: number,
  ) {
    this.lastHeard = now;
    this.peerSyn = syn !== undefined;
    this.scaling = syn === undefined || syn.windowShift !== undefined;
    this.receiver = new TcpReceiver(0);
    this.sender = this.makeSender(ourMss);
    if (syn) this.takeSyn(syn);
    this.deadline = now + this.synRto;
  }

  /** Answers a guest's SYN with SYN-ACK. */
  static accept(
    owner: TcpOwner,
    syn: TcpSegment,
    initial: number,
    mss: number,
    now: number,
  ): TcpConnection {
    const connection = new TcpConnection(owner, initial, mss, syn, now);
    connection.sendSyn();
    return connection;
  }

  /** Sends a SYN to the guest. */
  static connect(owner: TcpOwner, initial: number, mss: number, now: number): TcpConnection {
    const connection = new TcpConnection(owner, initial, mss, undefined, now);
    connection.sendSyn();
    return connection;
  }

  get receivedFin(): boolean {
    return this.receiver.finished;
  }

  /** Bytes kept that came out of order. */
  get heldBytes(): number {
    return this.receiver.heldBytes;
  }

  /** When `tick` is due, ms. */
  get nextDeadline(): number {
    return Math.min(this.deadline, this.phase === 'connecting' ? Infinity : this.sender.deadline);
  }

  /** Queues bytes for the guest and sends what its window takes. */
  send(bytes: Uint8Array, now: number): void {
    this.sender.append(bytes);
    this.pump(now);
  }

  /** No more bytes for the guest: FIN behind what is queued. */
  finish(now: number): void {
    if (this.sender.finishing) return;
    this.sender.finish();
    if (this.phase === 'established') this.phase = 'closing';
    this.pump(now);
  }

  /** Our user is gone and nobody reads what the guest still sends: do not wait for its FIN for ever. */
  abandon(now: number): void {
    if (this.phase !== 'closed' && this.phase !== 'time-wait' && this.deadline === Infinity)
      this.deadline = now + FIN_WAIT_MS;
  }

  /** Sends RST and ends. */
  reset(): void {
    if (this.phase === 'closed') return;
    const flags = this.peerSyn ? TCP_RST | TCP_ACK : TCP_RST;
    this.transmit(flags, this.sender.next, 0, 0);
    this.phase = 'closed';
  }

  /** The user took bytes: tells the guest if its window opened by much (RFC 9293 3.8.6.2.2). */
  roomChanged(): void {
    if (this.phase === 'connecting' || this.phase === 'closed') return;
    const told = seqDiff(this.windowEnd, this.receiver.next);
    const gain = this.owner.room(this) - told;
    if (gain >= 2 * this.ourMss || (gain > 0 && told < this.ourMss)) this.sendAck();
  }

  /** Sends the acknowledgement that incoming segments have left due. */
  flush(): void {
    if (this.acknowledgeSoon && this.phase !== 'closed') this.sendAck();
  }

  /** The link has room again after it refused a segment. */
  resume(now: number): void {
    this.pump(now);
    this.flush();
  }

  tick(now: number): void {
    if (now >= this.deadline) this.ownTimer(now);
    if (this.phase === 'connecting' || this.phase === 'closed') return;
    if (now >= this.sender.deadline && !this.sender.timeout(now)) this.die();
  }

  private ownTimer(now: number): void {
    this.deadline = Infinity;
    if (this.phase === 'time-wait') return this.end(false);
    if (this.phase !== 'connecting') return this.die();
    if (++this.synRetries > SYN_RETRIES) return this.die();
    this.synRto *= 2;
    this.deadline = now + this.synRto;
    this.sendSyn();
  }

  /** Takes a segment of this connection. */
  arrive(segment: TcpSegment, now: number): void {
    if (this.phase === 'closed') return;
    this.lastHeard = now;
    if (!this.peerSyn) return this.arriveSynSent(segment, now);
    if (!this.isAcceptable(segment)) {
      if ((segment.flags & TCP_RST) === 0) this.answerUnacceptable(segment);
      return;
    }
    if ((segment.flags & TCP_RST) !== 0) {
      if (segment.seq === this.receiver.next) return this.end(true);
      return this.sendAck();
    }
    if ((segment.flags & TCP_SYN) !== 0) {
      if (this.phase === 'connecting') this.sendSyn();
      else this.sendAck();
      return;
    }
    if ((segment.flags & TCP_ACK) === 0) return;
    if (this.phase === 'connecting' && !this.completeHandshake(segment)) return;
    if (this.sender.isBeyond(segment.ack)) return this.sendAck();
    this.takeAck(segment, now);
    this.takeData(segment, now);
    this.progress(now);
  }

  private makeSender(mss: number): TcpSender {
    return new TcpSender(
      (this.initial + 1) >>> 0,
      mss,
      (seq, position, length, fin) => {
        const last = position + length === this.sender.queue.length;
        const flags = TCP_ACK | (fin ? TCP_FIN : 0) | (last && length > 0 ? TCP_PSH : 0);
        return this.transmit(flags, seq, position, length);
      },
      () => this.owner.largest(this),
    );
  }

  private takeSyn(syn: TcpSegment): void {
    this.sender.limitMss(Math.max(MIN_MSS, syn.mss ?? DEFAULT_MSS));
    this.receiver.next = (syn.seq + 1) >>> 0;
    this.windowEnd = this.receiver.next;
    this.scaling = this.scaling && syn.windowShift !== undefined;
    this.sendShift = this.scaling ? (syn.windowShift ?? 0) : 0;
    this.receiveShift = this.scaling ? WINDOW_SHIFT : 0;
    this.sender.updateWindow(syn.seq, 0, syn.window);
  }

  private arriveSynSent(segment: TcpSegment, now: number): void {
    const { flags, ack } = segment;
    const acknowledges = (flags & TCP_ACK) !== 0;
    const right = acknowledges && ack === (this.initial + 1) >>> 0;
    if (acknowledges && !right) {
      if ((flags & TCP_RST) === 0) this.transmit(TCP_RST, ack, 0, 0);
      return;
    }
    if ((flags & TCP_RST) !== 0) return right ? this.end(true) : undefined;
    if ((flags & TCP_SYN) === 0) return;
    this.peerSyn = true;
    this.takeSyn(segment);
    if (!right) return this.sendSyn();
    this.establish();
    this.sendAck();
    this.pump(now);
  }

  /** RFC 9293 3.10.7.4, first: sequence numbers. */
  private isAcceptable(segment: TcpSegment): boolean {
    const window = Math.max(0, seqDiff(this.windowEnd, this.receiver.next));
    const { flags, payload, seq } = segment;
    const length =
      payload.length + ((flags & TCP_SYN) !== 0 ? 1 : 0) + ((flags & TCP_FIN) !== 0 ? 1 : 0);
    const start = seqDiff(seq, this.receiver.next);
    if (window === 0) return start === 0;
    if (start >= 0 && start < window) return true;
    if (start === window && length === 0) return true;
    return length > 0 && start < 0 && start + length > 0;
  }

  private answerUnacceptable(segment: TcpSegment): void {
    const isSynAgain =
      (segment.flags & TCP_SYN) !== 0 && (segment.seq + 1) >>> 0 === this.receiver.next;
    if (this.phase === 'connecting') return isSynAgain ? this.sendSyn() : undefined;
    this.sendAck();
  }

  private completeHandshake(segment: TcpSegment): boolean {
    if (segment.ack !== (this.initial + 1) >>> 0) {
      this.transmit(TCP_RST, segment.ack, 0, 0);
      return false;
    }
    this.establish();
    return true;
  }

  private establish(): void {
    this.phase = this.sender.finishing ? 'closing' : 'established';
    this.deadline = Infinity;
    this.owner.established(this);
  }

  private takeAck(segment: TcpSegment, now: number): void {
    const window = segment.window << this.sendShift;
    const pure =
      segment.payload.length === 0 &&
      (segment.flags & TCP_FIN) === 0 &&
      window === this.sender.window;
    this.sender.updateWindow(segment.seq, segment.ack, window);
    if (this.sender.acknowledge(segment.ack, pure, now) > 0) this.owner.acknowledged(this);
  }

  private takeData(segment: TcpSegment, now: number): void {
    const fin = (segment.flags & TCP_FIN) !== 0;
    if (segment.payload.length === 0 && !fin) return;
    const before = this.receiver.finished;
    // A zero window takes no data, but its acknowledgement and a FIN at its edge count.
    const urgent = this.receiver.accept(
      segment.seq,
      segment.payload,
      fin,
      this.windowEnd,
      (bytes) => this.owner.deliver(this, bytes),
    );
    this.acknowledgeSoon = true;
    if (this.receiver.finished && !before) {
      this.owner.finished(this);
      if (this.phase === 'established') this.phase = 'closing';
      if (this.sender.finAcknowledged) this.deadline = now + TIME_WAIT_MS;
    }
    if (urgent && this.phase !== 'closed') this.sendAck();
  }

  /** What follows from what came: the end, or more to send. */
  private progress(now: number): void {
    if (this.phase === 'closed') return;
    if (this.receiver.finished && this.sender.finAcknowledged) {
      this.flush();
      // Who closed second needs no TIME-WAIT; who closed first waits for a FIN that comes again.
      if (this.phase !== 'time-wait' && this.deadline === Infinity) return this.end(false);
      this.phase = 'time-wait';
      return;
    }
    this.pump(now);
  }

  private pump(now: number): void {
    if (this.phase === 'established' || this.phase === 'closing') this.sender.pump(now);
  }

  /** The guest does not answer any more. */
  private die(): void {
    this.transmit(TCP_RST | TCP_ACK, this.sender.next, 0, 0);
    this.end(true);
  }

  private end(reset: boolean): void {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    this.owner.closed(this, reset);
  }

  private sendSyn(): void {
    this.transmit(TCP_SYN | (this.peerSyn ? TCP_ACK : 0), this.initial, 0, 0);
  }

  private sendAck(): void {
    this.transmit(TCP_ACK, this.sender.next, 0, 0);
  }

  private transmit(flags: number, seq: number, position: number, length: number): boolean {
    const acknowledges = (flags & TCP_ACK) !== 0;
    const syn = (flags & TCP_SYN) !== 0;
    const shift = syn ? 0 : this.receiveShift;
    const room = Math.max(0, this.owner.room(this));
    const told = Math.max(0, seqDiff(this.windowEnd, this.receiver.next));
    const window = Math.min(0xffff, Math.floor(Math.max(room, told) / 2 ** shift));
    const sent = this.owner.transmit(
      this,
      {
        seq,
        ack: acknowledges ? this.receiver.next : 0,
        flags,
        window,
        mss: this.ourMss,
        windowShift: this.scaling ? WINDOW_SHIFT : undefined,
      },
      position,
      length,
    );
    if (sent && acknowledges) {
      this.acknowledgeSoon = false;
      const end = (this.receiver.next + window * 2 ** shift) >>> 0;
      if (seqDiff(end, this.windowEnd) > 0) this.windowEnd = end;
    } else if (acknowledges) {
      this.acknowledgeSoon = true;
    }
    return sent;
  }
}
