import {
  NetworkError,
  type BoundPort,
  type InterfaceAddress,
  type NetworkErrorCode,
  type NetworkHost,
  type TcpEvents,
  type TcpStream,
  type UdpEvents,
  type UdpSocket,
} from '../../core/host';

/** The host's end of a connection in a test: what was written, and levers. */
export class FakeStream implements TcpStream {
  queuedBytes = 0;
  readonly written: Uint8Array[] = [];
  ended = false;
  wasReset = false;
  paused = false;

  constructor(
    readonly address: string,
    readonly port: number,
    public events: TcpEvents,
    /** Keeps written bytes queued until `drain`. */
    private readonly slow: boolean,
  ) {}

  get bytes(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.written));
  }

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
    if (this.slow) this.queuedBytes += bytes.length;
  }

  drain(): void {
    this.queuedBytes = 0;
    this.events.onDrain();
  }

  end(): void {
    this.ended = true;
  }

  reset(): void {
    this.wasReset = true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}

export interface FakeUdp extends UdpSocket {
  readonly sent: { bytes: Uint8Array; address: string; port: number }[];
  readonly events: UdpEvents;
  closed: boolean;
}

/** A host network that connects to nothing: tests play the other side. */
export class FakeNetworkHost implements NetworkHost {
  readonly streams: FakeStream[] = [];
  readonly sockets: FakeUdp[] = [];
  readonly names = new Map<string, string[]>();
  readonly listeners = new Map<
    number,
    (stream: TcpStream, address: string, port: number) => TcpEvents | undefined
  >();
  readonly bound = new Map<number, FakeUdp>();
  addresses: InterfaceAddress[] = [
    { address: '127.0.0.1', prefixBits: 8, loopback: true },
    { address: '198.51.100.7', prefixBits: 24, loopback: false },
    { address: '2001:db8:1::7', prefixBits: 64, loopback: false },
  ];
  slow = false;
  /** Set: the host permits ping. */
  openEcho?: NonNullable<NetworkHost['openEcho']>;
  answerDns: ((message: Uint8Array) => Uint8Array) | undefined;

  connectTcp(address: string, port: number, events: TcpEvents): TcpStream {
    const stream = new FakeStream(address, port, events, this.slow);
    this.streams.push(stream);
    return stream;
  }

  async listenTcp(
    _address: string,
    port: number,
    accept: (stream: TcpStream, address: string, port: number) => TcpEvents | undefined,
  ): Promise<BoundPort> {
    this.listeners.set(port, accept);
    return { port, close: () => void this.listeners.delete(port) };
  }

  /** Somebody outside connects to a listening port. */
  dial(port: number): FakeStream {
    const nothing = (): void => undefined;
    const stream = new FakeStream(
      '',
      0,
      { onConnect: nothing, onData: nothing, onEnd: nothing, onDrain: nothing, onClose: nothing },
      this.slow,
    );
    stream.paused = true;
    const events = this.listeners.get(port)?.(stream, '127.0.0.1', 5555);
    if (events) stream.events = events;
    else stream.wasReset = true;
    return stream;
  }

  openUdp(_family: 4 | 6, events: UdpEvents): UdpSocket {
    const socket: FakeUdp = {
      sent: [],
      events,
      closed: false,
      send: (bytes, address, port) => void socket.sent.push({ bytes, address, port }),
      close: () => (socket.closed = true),
    };
    this.sockets.push(socket);
    return socket;
  }

  async bindUdp(_address: string, port: number, events: UdpEvents): Promise<UdpSocket & BoundPort> {
    const socket = this.openUdp(4, events) as FakeUdp;
    this.bound.set(port, socket);
    return Object.assign(socket, { port });
  }

  interfaces(): InterfaceAddress[] {
    return this.addresses;
  }

  async lookup(name: string): Promise<string[]> {
    const found = this.names.get(name);
    if (found?.[0] === 'fail') throw new NetworkError('TIMED_OUT', 'no answer');
    return found ?? [];
  }

  async reverse(): Promise<string | undefined> {
    return undefined;
  }

  async queryDns(message: Uint8Array): Promise<Uint8Array> {
    if (!this.answerDns) throw new NetworkError('TIMED_OUT', 'no answer');
    return this.answerDns(message);
  }

  /** The last stream that was opened fails or ends. */
  static fail(stream: FakeStream, code: NetworkErrorCode): void {
    stream.events.onClose(code);
  }
}
