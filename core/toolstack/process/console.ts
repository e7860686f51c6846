/** Serial output kept since boot. */
const HISTORY_BYTES = 1 << 20;
/** Most console bytes that the toolstack has been sent and has not taken. */
const CREDIT_BYTES = 256 << 10;
/** Bytes are gathered this long before they are sent, so that a chatty guest costs few messages. */
const BATCH_MS = 10;

/** The last bytes of a stream, and how many came before them. */
export class HistoryRing {
  private readonly bytes: Uint8Array<ArrayBuffer>;
  private total = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  /** All bytes ever appended. */
  get totalBytes(): number {
    return this.total;
  }

  /** The position of the oldest byte kept. */
  get firstKept(): number {
    return Math.max(0, this.total - this.bytes.length);
  }

  append(chunk: Uint8Array): void {
    const capacity = this.bytes.length;
    const kept = chunk.length > capacity ? chunk.subarray(chunk.length - capacity) : chunk;
    const at = (this.total + chunk.length - kept.length) % capacity;
    const first = Math.min(kept.length, capacity - at);
    this.bytes.set(kept.subarray(0, first), at);
    this.bytes.set(kept.subarray(first), 0);
    this.total += chunk.length;
  }

  /** A copy of the bytes from position `from` (or the oldest kept one) on, at most `limit`. */
  slice(from: number, limit: number): Uint8Array<ArrayBuffer> {
    const start = Math.max(from, this.firstKept);
    const count = Math.min(this.total - start, limit);
    const at = start % this.bytes.length;
    const first = Math.min(count, this.bytes.length - at);
    const out = new Uint8Array(count);
    out.set(this.bytes.subarray(at, at + first), 0);
    out.set(this.bytes.subarray(0, count - first), first);
    return out;
  }
}

/** The serial console of a domain: history since boot, and a stream to the toolstack that never runs ahead of what it takes. */
export class DomainConsole {
  private readonly history = new HistoryRing(HISTORY_BYTES);
  private streaming = false;
  private sent = 0;
  private credit = CREDIT_BYTES;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly send: (bytes: Uint8Array<ArrayBuffer>) => void) {}

  /** Bytes from the guest. */
  append(bytes: Uint8Array): void {
    this.history.append(bytes);
    this.schedule();
  }

  /** Everything kept, and the count of what is lost; the stream goes on from there. */
  open(): { bytes: Uint8Array<ArrayBuffer>; dropped: number } {
    // Those who watch already must not lose what waits; whoever opens ignores what comes before the answer.
    this.finish();
    this.streaming = true;
    this.sent = this.history.totalBytes;
    return { bytes: this.history.slice(0, HISTORY_BYTES), dropped: this.history.firstKept };
  }

  /** The toolstack took `bytes`. */
  addCredit(bytes: number): void {
    this.credit = Math.min(CREDIT_BYTES, this.credit + bytes);
    this.schedule();
  }

  /** Sends everything that waits, credit or not: for the end of the domain. */
  finish(): void {
    this.transfer(HISTORY_BYTES);
  }

  private transfer(limit: number): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.streaming) return;
    const bytes = this.history.slice(this.sent, limit);
    if (bytes.length === 0) return;
    this.sent = Math.max(this.sent, this.history.firstKept) + bytes.length;
    this.credit = Math.max(0, this.credit - bytes.length);
    this.send(bytes);
    this.schedule();
  }

  private schedule(): void {
    if (this.timer || !this.streaming || this.credit === 0 || this.sent >= this.history.totalBytes)
      return;
    this.timer = setTimeout(() => this.transfer(this.credit), BATCH_MS);
  }
}
