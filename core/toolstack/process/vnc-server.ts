import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { DomusError } from '../../api';
import {
  RfbSession,
  type Keymap,
  type Rectangle,
  type RfbInput,
  type RfbScreen,
} from '../../display';
import { vncResponse } from '../../host-node';

/** First TCP port of VNC displays. */
const VNC_PORT = 5900;
/** Displays that are tried for a domain that asks for none. */
const FREE_DISPLAYS = 100;
// Limits, reliability.md 2.7.
const MAX_CLIENTS = 16;
const AUTHENTICATION_MS = 10_000;
const STALLED_MS = 30_000;
const FAILURES_BEFORE_DELAY = 5;
const DELAY_MS = 10_000;
const TICK_MS = 1000;

export interface VncServerOptions {
  readonly name: string;
  readonly password: string;
  /** Display number n for port 5900 + n; null for any free port. */
  readonly display: number | null;
  readonly keymap: Keymap;
  readonly screen: () => RfbScreen;
  readonly input: RfbInput;
  /** How many clients look at the screen. */
  onWatchers(count: number): void;
}

interface Client {
  readonly socket: Socket;
  readonly session: RfbSession;
  readonly since: number;
  lastProgress: number;
  lastWritten: number;
}

/** The VNC server of a domain, on 127.0.0.1 only. */
export class VncServer {
  private readonly clients = new Set<Client>();
  private server: Server | undefined;
  private timer: NodeJS.Timeout | undefined;
  private failures = 0;
  private lockedUntil = 0;
  private absolute = false;

  constructor(private readonly options: VncServerOptions) {}

  /**
   * Opens the port of the display, or the first free one from 5900 on, as xl does with vncunused.
   * @throws DomusError when the display that was asked for is taken.
   */
  async listen(): Promise<number> {
    const { display } = this.options;
    const ports =
      display === null
        ? [...Array.from({ length: FREE_DISPLAYS }, (_, n) => VNC_PORT + n), 0]
        : [VNC_PORT + display];
    let failure: unknown;
    for (const port of ports) {
      try {
        return await this.open(port);
      } catch (cause) {
        failure = cause;
      }
    }
    throw new DomusError(
      'BAD_STATE',
      `VNC display ${String(display)} (port ${String(ports[0])}) cannot be opened: ${failure instanceof Error ? failure.message : String(failure)}. Choose another vncdisplay, or none for any free one.`,
      undefined,
      { cause: failure },
    );
  }

  private open(port: number): Promise<number> {
    const server = createServer((socket) => this.accept(socket));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.on('error', () => undefined);
        this.server = server;
        this.timer = setInterval(() => this.tick(), TICK_MS);
        this.timer.unref();
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    for (const client of [...this.clients]) {
      client.session.close();
      client.socket.destroy();
    }
    const { server } = this;
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  changed(rectangles: readonly Rectangle[]): void {
    for (const client of this.clients) client.session.changed(rectangles);
  }

  pointerMode(absolute: boolean): void {
    this.absolute = absolute;
    for (const client of this.clients) client.session.pointerMode(absolute);
  }

  private accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.clients.size >= MAX_CLIENTS || Date.now() < this.lockedUntil) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    const now = Date.now();
    const session = new RfbSession(
      {
        name: this.options.name,
        password: this.options.password,
        screen: this.options.screen,
        input: this.options.input,
        keymap: this.options.keymap,
        random: (length) => new Uint8Array(randomBytes(length)),
        vncResponse,
        onAuthentication: (good) => this.authentication(good),
        onReady: () => this.watchers(),
      },
      {
        write: (bytes) => void socket.write(bytes),
        get queuedBytes() {
          return socket.writableLength;
        },
        close: () => socket.destroySoon(),
      },
    );
    const client: Client = { socket, session, since: now, lastProgress: now, lastWritten: 0 };
    this.clients.add(client);
    session.pointerMode(this.absolute);
    socket.on('data', (bytes) => session.receive(bytes));
    socket.on('drain', () => session.flush());
    socket.on('close', () => {
      this.clients.delete(client);
      session.close();
      this.watchers();
    });
  }

  private watchers(): void {
    this.options.onWatchers(
      [...this.clients].filter((client) => client.session.authenticated).length,
    );
  }

  /** Five wrong passwords close the door for ten seconds. */
  private authentication(good: boolean): void {
    if (good) {
      this.failures = 0;
      return;
    }
    if (++this.failures < FAILURES_BEFORE_DELAY) return;
    this.failures = 0;
    this.lockedUntil = Date.now() + DELAY_MS;
  }

  /** Drops clients that do not authenticate or do not read. */
  private tick(): void {
    const now = Date.now();
    for (const client of [...this.clients]) {
      const taken = client.socket.bytesWritten - client.socket.writableLength;
      if (client.socket.writableLength === 0 || taken !== client.lastWritten)
        client.lastProgress = now;
      client.lastWritten = taken;
      const late = !client.session.authenticated && now - client.since > AUTHENTICATION_MS;
      if (late || now - client.lastProgress > STALLED_MS) {
        client.session.close();
        client.socket.destroy();
      }
    }
  }
}
