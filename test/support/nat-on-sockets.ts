/** The NAT on the host's real sockets: the guest is played, the servers are real and on loopback. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { nodeNetwork, nodeTimers } from '../../core/host-node';
import { UserNat, type EgressRule } from '../../core/net';
import { ADDRESSES, GATEWAY_MAC, GUEST, GUEST6 } from './nat-lab';
import { GuestTcp, hear, type Heard } from './net-guest';

export const CLOSERS: (() => void)[] = [];
/** Ends what was opened here; call it behind each test. */
export function closeAll(): void {
  for (const close of CLOSERS.splice(0)) close();
}

/** A guest behind a NAT that uses this computer's sockets. */
export class SocketLab {
  readonly nat: UserNat;
  readonly heard: Heard[] = [];
  readonly guests: GuestTcp[] = [];
  private queue: Uint8Array[] = [];
  private scheduled = false;

  constructor(rules: EgressRule[] = []) {
    this.nat = new UserNat(
      { network: nodeNetwork, timers: nodeTimers, random32: () => (Math.random() * 2 ** 32) >>> 0 },
      {
        addresses: ADDRESSES,
        firstHost: 15,
        domainName: '',
        hostName: 'guest',
        egress: { outside: true, lan: false, rules },
      },
      (frame) => {
        this.deliver(hear(frame));
        return true;
      },
    );
    CLOSERS.push(() => this.nat.close());
  }

  /** Frames are handed over in batches, as the rings do. */
  send(frame: Uint8Array): void {
    this.queue.push(frame.slice());
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      for (const next of this.queue.splice(0)) this.nat.receive(next);
      this.nat.flush();
    });
  }

  guest(remote: Uint8Array, port: number, from = 40_000 + this.guests.length): GuestTcp {
    const source = remote.length === 4 ? GUEST : GUEST6;
    const guest = new GuestTcp(
      (frame) => this.send(frame),
      GATEWAY_MAC,
      source,
      from,
      remote,
      port,
      {
        shift: 6,
      },
    );
    guest.window = 256 << 10;
    this.guests.push(guest);
    return guest;
  }

  private deliver(heard: Heard): void {
    this.heard.push(heard);
    if (this.heard.length > 1000) this.heard.splice(0, 500);
    const { tcp } = heard;
    if (!tcp) return;
    for (const guest of this.guests)
      if (guest.port === tcp.destinationPort && guest.remotePort === tcp.sourcePort) {
        guest.arrive(tcp);
        guest.advance();
      }
  }
}

export async function until(done: () => boolean, what: string, patienceMs = 20_000): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!done()) {
    if (Date.now() > deadline) throw new Error(`no ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export async function serve(
  onConnection: (socket: Socket) => void,
  host = '127.0.0.1',
  where: { port: number; ipv6Only?: boolean } = { port: 0 },
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    CLOSERS.push(() => socket.destroy());
    onConnection(socket);
  });
  server.listen({ host, ...where });
  await once(server, 'listening');
  CLOSERS.push(() => void server.close());
  return server;
}

export const portOf = (server: Server): number => (server.address() as AddressInfo).port;
export const allow = (port: number): EgressRule[] => [
  { action: 'allow', to: '127.0.0.1', ports: [port, port] },
];
