/** The NAT on the host's real sockets, loopback only: the guest is played, the servers are real. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { GATEWAY, GATEWAY_MAC, GUEST, ip } from '../support/nat-lab';
import {
  allow,
  closeAll,
  CLOSERS,
  portOf,
  serve,
  SocketLab,
  until,
} from '../support/nat-on-sockets';
import { udpFrame } from '../support/net-guest';

afterEach(closeAll);

describe('the NAT on real sockets', () => {
  it('echoes eight megabytes, byte for byte, and half-closes', async () => {
    const server = await serve((socket) => socket.pipe(socket));
    const lab = new SocketLab(allow(portOf(server)));
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
    const lab = new SocketLab(allow(portOf(server)));
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
    const lab = new SocketLab(allow(portOf(server)));
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
    const lab = new SocketLab(allow(port));
    const refused = lab.guest(GATEWAY, port);
    refused.connect();
    await until(() => refused.state === 'reset', 'refusal');

    const rude = await serve((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const second = new SocketLab(allow(portOf(rude)));
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
    const lab = new SocketLab(allow(port));
    lab.send(udpFrame(GATEWAY_MAC, GUEST, 5000, GATEWAY, port, Uint8Array.of(1, 2, 3)));
    await until(() => lab.heard.some((heard) => heard.udp), 'answer');
    const answer = lab.heard.find((heard) => heard.udp);
    expect(answer?.udp).toMatchObject({ sourcePort: port, destinationPort: 5000 });
    expect([...answer!.udp!.payload]).toEqual([3, 2, 1]);
  });

  it('forwards a port of this computer to the guest, on 127.0.0.1 only', async () => {
    const lab = new SocketLab();
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
    const lab = new SocketLab();
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
    const lab = new SocketLab();
    const guests = targets.map((address) => lab.guest(ip(address), portOf(server)));
    for (const guest of guests) guest.connect();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(accepted).toBe(0);
    expect(guests.every((guest) => guest.state !== 'open')).toBe(true);
  });
});
