/** The host's network as an ordinary program may use it. Addresses are numeric text; no privilege is needed. */

export type NetworkErrorCode =
  'REFUSED' | 'UNREACHABLE' | 'TIMED_OUT' | 'RESET' | 'DENIED' | 'IN_USE' | 'NOT_FOUND' | 'FAILED';

/** Why the host's network did not do what was asked; the message is a sentence for the user. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  constructor(
    readonly code: NetworkErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** A TCP connection of the host. */
export interface TcpStream {
  /** Bytes given to `write` that the kernel has not taken. */
  readonly queuedBytes: number;
  /** Sends; the bytes must not change afterwards. */
  write(bytes: Uint8Array): void;
  /** Sends FIN behind what is queued; reading goes on. */
  end(): void;
  /** Ends both directions at once: the peer sees a reset. `onClose` follows. */
  reset(): void;
  /** Stops `onData`, and with it, in time, the sender. */
  pause(): void;
  resume(): void;
}

/** What happens on a stream. Nothing is called from inside a call of the stream, and nothing after `onClose`. */
export interface TcpEvents {
  /** An outgoing connection is established. */
  onConnect(): void;
  /** Bytes from the peer; they belong to the receiver. */
  onData(bytes: Uint8Array): void;
  /** The peer sent FIN: no more data comes. */
  onEnd(): void;
  /** The kernel took bytes: `queuedBytes` fell. */
  onDrain(): void;
  onClose(error?: NetworkErrorCode): void;
}

/** Something that was bound to a port. */
export interface BoundPort {
  readonly port: number;
  close(): void;
}

export interface UdpSocket {
  /** Sends a datagram; the bytes must not change afterwards. Failures are silent, as datagrams are. */
  send(bytes: Uint8Array, address: string, port: number): void;
  close(): void;
}

export interface UdpEvents {
  onMessage(bytes: Uint8Array, address: string, port: number): void;
  /** The socket cannot be used any more. */
  onError(error: NetworkErrorCode): void;
}

/** Echo requests (ping) of one asker. */
export interface EchoSocket {
  /** Sends a request to a numeric address. Failures are silent. */
  send(address: string, sequence: number, data: Uint8Array, hopLimit: number): void;
  close(): void;
}

export interface EchoEvents {
  /** A reply to a request of this socket; the bytes belong to the receiver. */
  onReply(address: string, sequence: number, data: Uint8Array): void;
}

/** An address of one of the host's interfaces with its on-link prefix. */
export interface InterfaceAddress {
  readonly address: string;
  readonly prefixBits: number;
  readonly loopback: boolean;
}

export interface NetworkHost {
  /** Connects to a numeric address. Failure is told by `onClose`. */
  connectTcp(address: string, port: number, events: TcpEvents): TcpStream;
  /** Listens; `accept` gives the events of each new connection, or undefined to refuse it. The stream is paused until `resume`. */
  listenTcp(
    address: string,
    port: number,
    accept: (stream: TcpStream, remoteAddress: string, remotePort: number) => TcpEvents | undefined,
  ): Promise<BoundPort>;
  /** An unbound-until-used socket of a family. */
  openUdp(family: 4 | 6, events: UdpEvents): UdpSocket;
  bindUdp(address: string, port: number, events: UdpEvents): Promise<UdpSocket & BoundPort>;
  /** Opens a socket for echo requests; undefined where the system does not permit this user to ping. */
  openEcho?(family: 4 | 6, events: EchoEvents): Promise<EchoSocket | undefined>;
  interfaces(): InterfaceAddress[];
  /** Addresses of a name by all means the host has (hosts file, name service, DNS), both families. Empty: the name does not exist. Rejects with a NetworkError when no answer can be had now. */
  lookup(name: string): Promise<string[]>;
  /** The name of an address, or undefined. */
  reverse(address: string): Promise<string | undefined>;
  /** Sends a DNS message to the host's own name servers and returns the answer as it came. */
  queryDns(message: Uint8Array): Promise<Uint8Array>;
}
