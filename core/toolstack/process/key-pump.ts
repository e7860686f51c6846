/** Time between two keys: the i8042 hands one byte at a time to the guest, and its queue holds 16. */
const KEY_INTERVAL_MS = 8;
/** Longest text typed at once. */
export const MAX_QUEUED_KEYS = 65536;

/** Feeds keys to the guest at a pace its keyboard driver keeps up with. */
export class KeyPump {
  private queue: number[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly key: (scancode: number, pressed: boolean) => void) {}

  /** Queues scan codes; a release is `-code`. Returns how many did not fit. */
  push(scancodes: readonly number[]): number {
    const room = Math.max(0, MAX_QUEUED_KEYS - this.queue.length);
    this.queue.push(...scancodes.slice(0, room));
    this.timer ??= setInterval(() => this.next(), KEY_INTERVAL_MS);
    return Math.max(0, scancodes.length - room);
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.queue = [];
  }

  private next(): void {
    const code = this.queue.shift();
    if (code === undefined) return this.stop();
    this.key(Math.abs(code), code > 0);
  }
}
