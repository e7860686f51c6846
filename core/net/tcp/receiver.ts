import { seqDiff } from '../wire';

/** Segments and bytes kept that came ahead of their turn. */
const MAX_HELD_SEGMENTS = 64;
const MAX_HELD_BYTES = 64 << 10;

interface Held {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/** The receive side of a connection: puts segments in order (RFC 9293 3.10.7.4, fourth and following steps). */
export class TcpReceiver {
  private held: Held[] = [];
  /** Sequence number of the peer's FIN, once it is known. */
  private finSeq: number | undefined;
  heldBytes = 0;

  /** @param next the next sequence number expected, RCV.NXT. */
  constructor(public next: number) {}

  /** True when everything up to and including FIN was taken. */
  finished = false;

  /**
   * Takes a segment whose sequence number is `seq`; bytes beyond `windowEnd` are cut off. In-order bytes go to
   * `deliver`, valid during the call. Returns whether the segment left a gap or brought nothing new: the peer must
   * hear of it at once.
   */
  accept(
    seq: number,
    payload: Uint8Array,
    fin: boolean,
    windowEnd: number,
    deliver: (bytes: Uint8Array) => void,
  ): boolean {
    if (this.finished) return payload.length > 0 || fin;
    let bytes = payload;
    let start = seq;
    const early = seqDiff(this.next, start);
    if (early > 0) {
      bytes = bytes.subarray(early);
      start = this.next;
    }
    const beyond = seqDiff(start + bytes.length, windowEnd);
    const cut = beyond > 0;
    if (cut) bytes = bytes.subarray(0, Math.max(0, bytes.length - beyond));
    if (fin && !cut) this.finSeq ??= (seq + payload.length) >>> 0;
    const gap = seqDiff(start, this.next) > 0;
    const nothingNew = payload.length > 0 && bytes.length === 0;
    if (gap) this.hold(start, bytes);
    else this.take(bytes, deliver);
    const hadHeld = this.held.length > 0;
    if (!gap && hadHeld) this.takeHeld(deliver);
    if (this.finSeq === this.next) {
      this.next = (this.next + 1) >>> 0;
      this.finished = true;
      this.forget();
    }
    return gap || cut || nothingNew || hadHeld;
  }

  private take(bytes: Uint8Array, deliver: (bytes: Uint8Array) => void): void {
    if (bytes.length === 0) return;
    this.next = (this.next + bytes.length) >>> 0;
    deliver(bytes);
  }

  private takeHeld(deliver: (bytes: Uint8Array) => void): void {
    while (this.held.length > 0 && seqDiff(this.held[0].seq, this.next) <= 0) {
      const [{ seq, bytes }] = this.held.splice(0, 1);
      this.heldBytes -= bytes.length;
      const known = seqDiff(this.next, seq);
      if (known < bytes.length) this.take(bytes.subarray(known), deliver);
    }
  }

  private hold(seq: number, bytes: Uint8Array): void {
    if (bytes.length === 0 || this.held.length >= MAX_HELD_SEGMENTS) return;
    if (this.heldBytes + bytes.length > MAX_HELD_BYTES) return;
    let at = this.held.length;
    while (at > 0 && seqDiff(this.held[at - 1].seq, seq) > 0) at--;
    const before = this.held[at - 1];
    if (before && seqDiff(seq + bytes.length, before.seq + before.bytes.length) <= 0) return;
    this.held.splice(at, 0, { seq, bytes: bytes.slice() });
    this.heldBytes += bytes.length;
  }

  private forget(): void {
    this.held = [];
    this.heldBytes = 0;
  }
}
