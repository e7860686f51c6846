import { once } from 'node:events';

/** Ctrl+], as in xl console and telnet. */
const ESCAPE = 0x1d;

/** Standard input and output as the guest's serial line. A terminal is put into raw mode; pipes work as they are. */
export class Terminal {
  private readonly raw: boolean;
  private listener: ((chunk: Buffer) => void) | undefined;

  constructor(
    private readonly input: NodeJS.ReadStream = process.stdin,
    private readonly output: NodeJS.WriteStream = process.stdout,
  ) {
    this.raw = input.isTTY === true;
  }

  get interactive(): boolean {
    return this.raw;
  }

  /** Passes on what is typed; Ctrl+] on a terminal calls `onEscape` instead. */
  open(onBytes: (bytes: Uint8Array) => void, onEscape: () => void): void {
    if (this.raw) this.input.setRawMode(true);
    this.listener = (chunk) => {
      const escape = this.raw ? chunk.indexOf(ESCAPE) : -1;
      const bytes = escape < 0 ? chunk : chunk.subarray(0, escape);
      if (bytes.length > 0) onBytes(bytes);
      if (escape >= 0) onEscape();
    };
    this.input.on('data', this.listener);
    this.input.on('error', () => undefined);
    this.input.resume();
  }

  /** Writes guest output; waits when the reader of our output is slow. */
  async write(bytes: Uint8Array): Promise<void> {
    if (!this.output.write(bytes)) await once(this.output, 'drain');
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (this.listener) this.input.off('data', this.listener);
    this.listener = undefined;
    if (this.raw) this.input.setRawMode(false);
    this.input.pause();
  }
}
