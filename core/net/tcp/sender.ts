/**
 * The send side of a connection: RFC 9293 3.8 (windows, persist timer, silly window), RFC 6298 (retransmission
 * timer), RFC 5681 and RFC 6582 (congestion control, NewReno). Missing: SACK, timestamps; a user-mode link loses
 * little, and what it loses is found by duplicate acknowledgements.
 */
import { seqDiff } from '../wire';
import { ByteQueue } from './byte-queue';

/** RFC 6298 2.1: before the first measurement. */
const INITIAL_RTO_MS = 1000;
/** A guest that is not scheduled for a while must not look like loss; Linux uses 200. */
const MIN_RTO_MS = 300;
const MAX_RTO_MS = 30_000;
/** RFC 6298's clock granularity G: the tick of the flow table. */
const GRANULARITY_MS = 50;
/** RFC 6928. */
const INITIAL_WINDOW_SEGMENTS = 10;
const DUPLICATE_ACKS = 3;
/** Retransmissions of one segment until the peer counts as gone; about two minutes (RFC 9293 3.8.3, R2). */
const MAX_RETRIES = 10;

/** Sends `length` queued bytes from `position` with sequence number `seq`; false when the link has no room. */
export type EmitSegment = (seq: number, position: number, length: number, fin: boolean) => boolean;

export class TcpSender {
  readonly queue = new ByteQueue();
  /** Oldest unacknowledged sequence number, SND.UNA. Data starts here once the SYN is acknowledged. */
  una: number;
  /** Next to send, SND.NXT. */
  next: number;
  /** Highest sent so far: `next` goes back after a timeout. */
  private highest: number;
  /** The peer's window in bytes. */
  window = 0;
  private windowSeq = 0;
  private windowAck = 0;
  private largestWindow = 0;
  private congestionWindow: number;
  private threshold = Infinity;
  private duplicates = 0;
  /** End of fast recovery (RFC 6582), while in it. */
  private recover: number | undefined;
  private finQueued = false;
  finAcknowledged = false;

  /** Undefined until the first measurement. */
  private smoothed: number | undefined;
  private variation = 0;
  private rto = INITIAL_RTO_MS;
  private timedSeq: number | undefined;
  private timedAt = 0;
  /** When the retransmission or persist timer fires, ms; Infinity when neither runs. */
  deadline = Infinity;
  private retries = 0;

  constructor(
    /** Sequence number of the first data byte. */
    first: number,
    public mss: number,
    private readonly emit: EmitSegment,
    /** Most bytes that `emit` takes at once where that is more than a segment. */
    private readonly largest: () => number = () => 0,
  ) {
    this.una = first;
    this.next = first;
    this.highest = first;
    this.congestionWindow = INITIAL_WINDOW_SEGMENTS * mss;
  }

  /** The peer takes no larger segments. */
  limitMss(mss: number): void {
    this.mss = Math.min(this.mss, mss);
    this.congestionWindow = INITIAL_WINDOW_SEGMENTS * this.mss;
  }

  /** Takes bytes to send; they must not change any more. */
  append(bytes: Uint8Array): void {
    this.queue.append(bytes);
  }

  /** FIN goes out behind what is queued. */
  finish(): void {
    this.finQueued = true;
  }

  get finishing(): boolean {
    return this.finQueued;
  }

  /** Sequence number behind everything there is to send, FIN included. */
  private get end(): number {
    return (this.una + this.queue.length + (this.finQueued && !this.finAcknowledged ? 1 : 0)) >>> 0;
  }

  get inFlight(): number {
    return seqDiff(this.next, this.una);
  }

  /** Whether an acknowledgement number speaks of something never sent. */
  isBeyond(ack: number): boolean {
    return seqDiff(ack, this.highest) > 0;
  }

  /** RFC 9293 3.10.7.4: the peer's window from a segment that is not older than the last one used. */
  updateWindow(seq: number, ack: number, window: number): void {
    const newer = seqDiff(seq, this.windowSeq);
    if (this.largestWindow > 0 && (newer < 0 || (newer === 0 && seqDiff(ack, this.windowAck) < 0)))
      return;
    if (this.window === 0 && window > 0 && this.largestWindow > 0) this.leaveProbing();
    this.window = window;
    this.windowSeq = seq;
    this.windowAck = ack;
    if (window > this.largestWindow) this.largestWindow = window;
  }

  /** Takes an acceptable acknowledgement. `pure`: the segment had no data and did not change the window. Returns how many bytes it freed. */
  acknowledge(ack: number, pure: boolean, now: number): number {
    const count = seqDiff(ack, this.una);
    if (count <= 0) {
      if (this.window === 0) this.retries = 0;
      else if (count === 0 && pure && this.inFlight > 0) this.duplicate(now);
      return 0;
    }
    const data = Math.min(count, this.queue.length);
    this.queue.drop(data);
    if (count > data && this.finQueued) this.finAcknowledged = true;
    this.una = ack;
    if (seqDiff(this.next, ack) < 0) this.next = ack;
    if (this.timedSeq !== undefined && seqDiff(ack, this.timedSeq) > 0) this.measure(now);
    this.grow(count, ack, now);
    this.retries = 0;
    // Progress ends the back-off, as in Linux; RFC 6298 would wait for a measurement, which Karn's rule withholds.
    this.rto = this.measuredRto();
    this.deadline = this.inFlight > 0 ? now + this.rto : Infinity;
    return data;
  }

  /** Sends what windows allow. Returns false when the link had no room: call again when it has. */
  pump(now: number): boolean {
    const most = Math.max(this.mss, this.largest());
    for (;;) {
      const sent = this.inFlight;
      const left = seqDiff(this.end, this.next);
      if (left <= 0) break;
      const allowed = Math.min(this.window, this.congestionWindow) - sent;
      const data = Math.max(0, this.queue.length - sent);
      let length = Math.min(data, allowed, most);
      // Whole segments, but for the last.
      if (length < data && length > this.mss) length -= length % this.mss;
      const fin = this.finQueued && sent + length === this.queue.length && !this.finAcknowledged;
      if (length < Math.min(data, this.mss) && !this.worthSending(length)) break;
      if (length <= 0 && !fin) break;
      if (!this.send(this.next, sent, Math.max(0, length), fin, now)) return false;
    }
    if (this.deadline === Infinity && seqDiff(this.end, this.next) > 0) {
      // Nothing is under way and the window is closed: the persist timer asks for it (RFC 9293 3.8.6.1).
      this.deadline = now + this.rto;
    }
    return true;
  }

  /** The timer's turn, at or after `deadline`. Returns false when the peer counts as gone. */
  timeout(now: number): boolean {
    this.deadline = Infinity;
    if (seqDiff(this.end, this.una) <= 0) return true;
    if (this.inFlight > 0 && ++this.retries > MAX_RETRIES) return false;
    const probing = this.inFlight === 0 || this.window === 0;
    if (probing) {
      // A closed window is not a dead peer: probes go on as long as they are answered (RFC 9293 3.8.6.1).
      this.probe(now);
    } else {
      this.threshold = Math.max(Math.floor(this.inFlight / 2), 2 * this.mss);
      this.congestionWindow = this.mss;
      this.next = this.una;
      this.recover = undefined;
      this.duplicates = 0;
      this.timedSeq = undefined;
      this.pump(now);
    }
    this.rto = Math.min(this.rto * 2, MAX_RTO_MS);
    this.deadline = now + this.rto;
    return true;
  }

  /** The window opens: what was sent to ask for it counts as not sent. */
  private leaveProbing(): void {
    this.next = this.una;
    this.timedSeq = undefined;
    this.deadline = Infinity;
    this.retries = 0;
    this.rto = this.measuredRto();
  }

  private probe(now: number): void {
    const data = Math.min(this.queue.length, Math.max(1, Math.min(this.window, this.mss)));
    const fin = this.finQueued && data === this.queue.length;
    this.next = this.una;
    this.send(this.una, 0, data, fin, now);
    this.timedSeq = undefined;
  }

  /** Sender's silly window avoidance, RFC 9293 3.8.6.2.1. */
  private worthSending(length: number): boolean {
    return length >= this.mss || (length > 0 && length * 2 >= this.largestWindow);
  }

  private send(seq: number, position: number, length: number, fin: boolean, now: number): boolean {
    if (!this.emit(seq, position, length, fin)) return false;
    const after = (seq + length + (fin ? 1 : 0)) >>> 0;
    const fresh = seqDiff(after, this.highest) > 0;
    // Karn: only what was sent once is timed.
    if (fresh && this.timedSeq === undefined && seqDiff(seq, this.highest) >= 0) {
      this.timedSeq = seq;
      this.timedAt = now;
    }
    if (fresh) this.highest = after;
    if (seqDiff(after, this.next) > 0) this.next = after;
    if (this.deadline === Infinity) this.deadline = now + this.rto;
    return true;
  }

  private resendFirst(now: number): void {
    const length = Math.min(this.queue.length, this.mss);
    const fin = this.finQueued && !this.finAcknowledged && length === this.queue.length;
    this.timedSeq = undefined;
    this.send(this.una, 0, length, fin, now);
  }

  private duplicate(now: number): void {
    this.duplicates++;
    if (this.recover !== undefined) {
      this.congestionWindow += this.mss;
    } else if (this.duplicates === DUPLICATE_ACKS) {
      this.threshold = Math.max(Math.floor(this.inFlight / 2), 2 * this.mss);
      this.recover = this.highest;
      this.congestionWindow = this.threshold + DUPLICATE_ACKS * this.mss;
      this.resendFirst(now);
    }
  }

  private grow(count: number, ack: number, now: number): void {
    this.duplicates = 0;
    if (this.recover !== undefined) {
      if (seqDiff(ack, this.recover) >= 0) {
        this.recover = undefined;
        this.congestionWindow = this.threshold;
      } else {
        this.resendFirst(now);
        this.congestionWindow = Math.max(this.congestionWindow - count, 0) + this.mss;
      }
    } else if (this.congestionWindow < this.threshold) {
      this.congestionWindow += count;
    } else {
      this.congestionWindow += Math.max(1, Math.floor((this.mss * count) / this.congestionWindow));
    }
    this.congestionWindow = Math.min(this.congestionWindow, 1 << 30);
  }

  private measure(now: number): void {
    const sample = now - this.timedAt;
    this.timedSeq = undefined;
    if (this.smoothed === undefined) {
      this.smoothed = sample;
      this.variation = sample / 2;
    } else {
      this.variation = 0.75 * this.variation + 0.25 * Math.abs(this.smoothed - sample);
      this.smoothed = 0.875 * this.smoothed + 0.125 * sample;
    }
  }

  private measuredRto(): number {
    if (this.smoothed === undefined) return INITIAL_RTO_MS;
    const rto = this.smoothed + Math.max(GRANULARITY_MS, 4 * this.variation);
    return Math.min(Math.max(rto, MIN_RTO_MS), MAX_RTO_MS);
  }
}
