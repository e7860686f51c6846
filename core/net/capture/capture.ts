import { pcapngHeader, pcapngPacket } from './pcapng';

/** Frames waiting for a slow disk; what comes on top is left out of the file and counted. */
const MAX_QUEUED_BYTES = 8 << 20;

/** Where a capture goes; calls are made one after another. */
export interface CaptureSink {
  append(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** The frames of one cable on their way into a pcapng file. It never holds the traffic up. */
export class Capture {
  /** Frames in the file or on the way to it, and those left out. */
  readonly counters = { frames: 0, bytes: 0, skipped: 0 };
  private queue: Uint8Array[] = [];
  private queuedBytes = 0;
  private writing: Promise<void> | undefined;
  private failed = false;

  constructor(
    private readonly sink: CaptureSink,
    name: string,
    application: string,
    private readonly wallMs: () => number,
    /** Largest file; the capture stops quietly there. */
    private readonly limitBytes: number,
    private readonly onError: (cause: unknown) => void,
  ) {
    this.enqueue(pcapngHeader(name, application));
  }

  /** Copies a frame; `fromGuest` is its direction. */
  record(frame: Uint8Array, fromGuest: boolean): void {
    const isFull = this.counters.bytes + this.queuedBytes + frame.length > this.limitBytes;
    if (this.failed || isFull || this.queuedBytes > MAX_QUEUED_BYTES) {
      this.counters.skipped++;
      return;
    }
    this.counters.frames++;
    this.enqueue(pcapngPacket(frame, this.wallMs(), fromGuest));
  }

  /** Writes what waits and closes the file. */
  async close(): Promise<void> {
    await this.writing;
    this.failed = true;
    await this.sink.close();
  }

  private enqueue(bytes: Uint8Array): void {
    this.queue.push(bytes);
    this.queuedBytes += bytes.length;
    this.writing ??= this.write();
  }

  private async write(): Promise<void> {
    try {
      // The first turn gathers what comes in one batch.
      await Promise.resolve();
      while (this.queue.length > 0) {
        const parts = this.queue;
        const joined = new Uint8Array(this.queuedBytes);
        this.queue = [];
        this.queuedBytes = 0;
        let at = 0;
        for (const part of parts) {
          joined.set(part, at);
          at += part.length;
        }
        this.counters.bytes += joined.length;
        await this.sink.append(joined);
      }
    } catch (cause) {
      this.failed = true;
      this.queue = [];
      this.onError(cause);
    } finally {
      this.writing = undefined;
    }
  }
}
