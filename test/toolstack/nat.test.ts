/** The NAT on the host's real sockets, loopback only: the guest is played, the servers are real. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeNetwork, nodeTimers } from '../../core/host-node';
import { UserNat, type EgressRule } from '../../core/net';
import { ADDRESSES, GATEWAY, GATEWAY_MAC, GUEST, GUEST6, ip } from '../support/nat-lab';
import { GuestTcp, hear, udpFrame, type Heard } from '../support/net-guest';

const CLOSERS: (() => void)[] = [];
afterEach(() => {
  for (const close of CLOSERS.splice(0)) close();
});

/** A guest behind a NAT that uses this computer's sockets. */
class Lab {
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

async function until(done: () => boolean, what: string, patienceMs = 20_000): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!done()) {
    if (Date.now() > deadline) throw new Error(`no ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function serve(onConnection: (socket: Socket) => void, host = '127.0.0.1'): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    CLOSERS.push(() => socket.destroy());
    onConnection(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  CLOSERS.push(() => void server.close());
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
const allow = (port: number): EgressRule[] => [
  { action: 'allow', to: '127.0.0.1', ports: [port, port] },
];

describe('the NAT on real sockets', () => {
  it('echoes eight megabytes, byte for byte, and half-closes', async () => {
    const server = await serve((socket) => socket.pipe(socket));
    const lab = new Lab(allow(portOf(server)));
    const guest = lab.guest(GATEWAY, portOf(server));
    guest.connect();
    await until(() => guest.state === 'open', 'connection');
    const data = Uint8Array.from({ length: 8 << 20 }, (_, i) => (i * 31 + (i >> 9)) & 0xff);
    const start = performance.now();
    guest.send(data);
    await until(
      () => guest.received.reduce((sum, part) => sum + part.length, 0) === data.length,
      'echo',
    );
    const seconds = (performance.now() - start) / 1000;
    expect(Buffer.compare(guest.bytes, data)).toBe(0);
    guest.close();
    await until(() => guest.peerFin && guest.finAcknowledged, 'end');
    await until(() => lab.nat.connections.length === 0, 'empty table');
    console.log(`echo through the NAT: ${((data.length * 2) / seconds / 1e6).toFixed(0)} MB/s`);
    expect(seconds).toBeLessThan(15);
  });

  it('carries a hundred connections at a time', async () => {
    const server = await serve((socket) => socket.pipe(socket));
    const lab = new Lab(allow(portOf(server)));
    const guests = Array.from({ length: 100 }, () => lab.guest(GATEWAY, portOf(server)));
    for (let i = 0; i < guests.length; i += 50) {
      for (const guest of guests.slice(i, i + 50)) guest.connect();
      await until(() => guests.slice(i, i + 50).every((g) => g.state === 'open'), 'connections');
    }
    guests.forEach((guest, i) => guest.send(new Uint8Array(20_000).fill(i)));
    await until(() => guests.every((guest) => guest.bytes.length === 20_000), 'echoes');
    guests.forEach((guest, i) => expect(guest.bytes.every((byte) => byte === i)).toBe(true));
  });

  it('stops a fast server when the guest does not read, without hoarding', async () => {
    let written = 0;
    const chunk = Buffer.alloc(64 << 10);
    const server = await serve((socket) => {
      const more = (): void => {
        while (written < 256 << 20 && socket.write(chunk)) written += chunk.length;
      };
      socket.on('drain', more);
      more();
    });
    const lab = new Lab(allow(portOf(server)));
    const guest = lab.guest(GATEWAY, portOf(server));
    guest.window = 0;
    guest.connect();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const after = written;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(written).toBe(after);
    expect(written).toBeLessThan(32 << 20);
    expect(guest.state).toBe('open');
  });

  it('refuses what the host refuses, and passes a reset on', async () => {
    const closed = await serve(() => undefined);
    const port = portOf(closed);
    closed.close();
    const lab = new Lab(allow(port));
    const refused = lab.guest(GATEWAY, port);
    refused.connect();
    await until(() => refused.state === 'reset', 'refusal');

    const rude = await serve((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const second = new Lab(allow(portOf(rude)));
    const cut = second.guest(GATEWAY, portOf(rude));
    cut.connect();
    await until(() => cut.state === 'open', 'connection');
    cut.send(Uint8Array.of(1));
    await until(() => cut.state === 'reset', 'reset');
  });

  it('exchanges datagrams', async () => {
    const server = createSocket('udp4');
    server.on('message', (bytes, from) => server.send(bytes.reverse(), from.port, from.address));
    server.bind(0, '127.0.0.1');
    await once(server, 'listening');
    CLOSERS.push(() => server.close());
    const { port } = server.address();
    const lab = new Lab(allow(port));
    lab.send(udpFrame(GATEWAY_MAC, GUEST, 5000, GATEWAY, port, Uint8Array.of(1, 2, 3)));
    await until(() => lab.heard.some((heard) => heard.udp), 'answer');
    const answer = lab.heard.find((heard) => heard.udp);
    expect(answer?.udp).toMatchObject({ sourcePort: port, destinationPort: 5000 });
    expect([...answer!.udp!.payload]).toEqual([3, 2, 1]);
  });

  it('forwards a port of this computer to the guest, on 127.0.0.1 only', async () => {
    const lab = new Lab();
    const bound = await lab.nat.forward({
      protocol: 'tcp',
      hostAddress: '127.0.0.1',
      hostPort: 0,
      guestPort: 22,
    });
    // The guest is known once it has spoken.
    lab.send(udpFrame(GATEWAY_MAC, GUEST, 1, GATEWAY, 9, Uint8Array.of(0)));
    const client = connect(bound.port, '127.0.0.1');
    CLOSERS.push(() => client.destroy());
    const got: Buffer[] = [];
    client.on('data', (chunk: Buffer) => got.push(chunk));
    await until(() => lab.heard.some((heard) => heard.tcp), 'SYN');
    const syn = lab.heard.find((heard) => heard.tcp)!.tcp!;
    expect(syn.destinationPort).toBe(22);
    const guest = lab.guest(GATEWAY, syn.sourcePort, 22);
    guest.arrive(syn);
    await until(() => guest.state === 'open', 'connection');
    guest.send(Buffer.from('SSH-2.0-guest'));
    client.write('SSH-2.0-host');
    await until(() => guest.bytes.length === 12 && Buffer.concat(got).length === 13, 'banners');
    expect(Buffer.concat(got).toString()).toBe('SSH-2.0-guest');

    bound.close();
    const late = connect(bound.port, '127.0.0.1');
    await expect(once(late, 'connect')).rejects.toThrow('ECONNREFUSED');
  });

  it('says which port is taken', async () => {
    const server = await serve(() => undefined);
    const lab = new Lab();
    const forward = { protocol: 'tcp', hostAddress: '127.0.0.1', guestPort: 22 } as const;
    await expect(lab.nat.forward({ ...forward, hostPort: portOf(server) })).rejects.toThrow(
      `TCP port ${portOf(server)} on 127.0.0.1 cannot be opened: another program uses it`,
    );
  });

  it('reaches no listener of this computer by default, on any of its addresses (bar I10)', async () => {
    let accepted = 0;
    const server = await serve((socket) => {
      accepted++;
      socket.destroy();
    }, '0.0.0.0');
    const own = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .map((entry) => entry.address.replace(/%.*$/, ''));
    const targets = [
      ...own,
      '127.0.0.1',
      '127.1.2.3',
      '0.0.0.0',
      '10.0.2.2',
      '::1',
      '::ffff:127.0.0.1',
    ];
    const lab = new Lab();
    const guests = targets.map((address) => lab.guest(ip(address), portOf(server)));
    for (const guest of guests) guest.connect();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(accepted).toBe(0);
    expect(guests.every((guest) => guest.state !== 'open')).toBe(true);
  });
});
