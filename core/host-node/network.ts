import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { getServers, promises as dns } from 'node:dns';
import { connect, createServer, isIP, type AddressInfo, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
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
} from '../host';
import { queryServers } from './dns-query';
import { openEcho } from './echo';

const CODES: Readonly<Record<string, NetworkErrorCode>> = {
  ECONNREFUSED: 'REFUSED',
  ECONNRESET: 'RESET',
  EPIPE: 'RESET',
  ECONNABORTED: 'RESET',
  ENETUNREACH: 'UNREACHABLE',
  EHOSTUNREACH: 'UNREACHABLE',
  EADDRNOTAVAIL: 'UNREACHABLE',
  ENETDOWN: 'UNREACHABLE',
  EHOSTDOWN: 'UNREACHABLE',
  EAFNOSUPPORT: 'UNREACHABLE',
  EINVAL: 'UNREACHABLE',
  ETIMEDOUT: 'TIMED_OUT',
  EAI_AGAIN: 'TIMED_OUT',
  EACCES: 'DENIED',
  EPERM: 'DENIED',
  EADDRINUSE: 'IN_USE',
  ENOTFOUND: 'NOT_FOUND',
  ENODATA: 'NOT_FOUND',
};

function codeOf(error: unknown): NetworkErrorCode {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return CODES[code] ?? 'FAILED';
}

class NodeTcpStream implements TcpStream {
  private events: TcpEvents | undefined;

  constructor(private readonly socket: Socket) {}

  /** Connects the socket's events; `events` hears nothing after its `onClose`. */
  attach(events: TcpEvents): void {
    const { socket } = this;
    this.events = events;
    let error: NetworkErrorCode | undefined;
    socket.on('connect', () => events.onConnect());
    socket.on('data', (chunk: Buffer) => events.onData(chunk));
    socket.on('end', () => events.onEnd());
    socket.on('error', (cause) => (error = codeOf(cause)));
    socket.on('close', () => {
      this.events = undefined;
      events.onClose(error);
    });
  }

  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes, () => this.events?.onDrain());
  }

  end(): void {
    if (this.socket.writable) this.socket.end();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }
}

function connectTcp(address: string, port: number, events: TcpEvents): TcpStream {
  const socket = connect({
    host: address,
    port,
    noDelay: true,
    allowHalfOpen: true,
    // A numeric address needs no look-up; a name must never get here.
    lookup: (name, _options, done) => done(new Error(`${name} is not an address`), '', 4),
  });
  const stream = new NodeTcpStream(socket);
  stream.attach(events);
  return stream;
}

function bindError(cause: unknown, what: string): NetworkError {
  const code = codeOf(cause);
  const reason =
    code === 'IN_USE'
      ? 'another program uses it'
      : code === 'DENIED'
        ? 'the system does not permit it'
        : cause instanceof Error
          ? cause.message
          : String(cause);
  return new NetworkError(code, `${what} cannot be opened: ${reason}`, { cause });
}

async function listenTcp(
  address: string,
  port: number,
  accept: (stream: TcpStream, address: string, port: number) => TcpEvents | undefined,
): Promise<BoundPort> {
  const server = createServer(
    { allowHalfOpen: true, noDelay: true, pauseOnConnect: true, highWaterMark: 0x10000 },
    (socket) => {
      socket.on('error', () => undefined);
      const stream = new NodeTcpStream(socket);
      const events = accept(stream, socket.remoteAddress ?? '', socket.remotePort ?? 0);
      if (events) stream.attach(events);
      else socket.resetAndDestroy();
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(bindError(cause, `TCP port ${port} on ${address}`)));
    server.listen({ host: address, port, exclusive: true }, () => resolve());
  });
  server.on('error', () => undefined);
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

class NodeUdpSocket implements UdpSocket, BoundPort {
  private closed = false;

  constructor(
    private readonly socket: DatagramSocket,
    readonly port: number,
  ) {}

  send(bytes: Uint8Array, address: string, port: number): void {
    if (!this.closed && isIP(address) !== 0)
      this.socket.send(bytes, port, address, () => undefined);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.close();
  }
}

function datagramSocket(family: 4 | 6, events: UdpEvents): DatagramSocket {
  const socket = createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    ipv6Only: family === 6,
    lookup: (name, _options, done) =>
      isIP(name) === 0
        ? done(new Error(`${name} is not an address`), '', 4)
        : done(null, name, isIP(name)),
  });
  socket.on('message', (bytes, from) => events.onMessage(bytes, from.address, from.port));
  return socket;
}

function openUdp(family: 4 | 6, events: UdpEvents): UdpSocket {
  const socket = datagramSocket(family, events);
  socket.on('error', (cause) => events.onError(codeOf(cause)));
  return new NodeUdpSocket(socket, 0);
}

function bindUdp(address: string, port: number, events: UdpEvents): Promise<UdpSocket & BoundPort> {
  const socket = datagramSocket(isIP(address) === 6 ? 6 : 4, events);
  return new Promise((resolve, reject) => {
    socket.once('error', (cause) => reject(bindError(cause, `UDP port ${port} on ${address}`)));
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      socket.on('error', (cause) => events.onError(codeOf(cause)));
      resolve(new NodeUdpSocket(socket, socket.address().port));
    });
  });
}

function interfaces(): InterfaceAddress[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map((entry) => ({
      address: entry.address.replace(/%.*$/, ''),
      prefixBits: Number(entry.cidr?.split('/')[1] ?? (entry.family === 'IPv4' ? 32 : 128)),
      loopback: entry.internal,
    })),
  );
}

async function lookup(name: string): Promise<string[]> {
  try {
    const found = await dns.lookup(name, { all: true, order: 'verbatim' });
    return [...new Set(found.map((entry) => entry.address.replace(/%.*$/, '')))];
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'NOT_FOUND') return [];
    throw new NetworkError(code, `the name ${name} cannot be looked up now`, { cause });
  }
}

async function reverse(address: string): Promise<string | undefined> {
  try {
    const { hostname } = await dns.lookupService(address, 0);
    return isIP(hostname) === 0 ? hostname : undefined;
  } catch {
    return undefined;
  }
}

/** The network of this computer, through Node. */
export const nodeNetwork: NetworkHost = {
  connectTcp,
  listenTcp,
  openUdp,
  bindUdp,
  openEcho,
  interfaces,
  lookup,
  reverse,
  queryDns: (message) => queryServers(getServers(), message),
};
