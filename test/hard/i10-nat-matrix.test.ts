/** I10: where a guest gets by default (reliability.md, sections 2.9 and 3): nowhere on this computer. Canaries listen on all of its addresses. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { afterEach, it } from 'vitest';
import { DNS_A, DNS_AAAA, dnsAddresses, encodeDnsName, formatIp } from '../../core/net/wire';
import { DNS, GATEWAY, GATEWAY_MAC, GUEST, GUEST6, ip } from '../support/nat-lab';
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
import { judge, secondsSince } from './bar';

/** Time for a connection that should not be: loopback takes less than a millisecond. */
const WAIT_MS = 3000;

const ADDRESSES = [
  '127.0.0.1', '127.1.2.3', '127.255.255.254', '0.0.0.0', '0.1.2.3', '10.0.2.2', '10.0.2.3', '10.0.2.255',
  '169.254.169.254', '169.254.0.1', '224.0.0.1', '239.255.255.250', '255.255.255.255', '240.0.0.1', '192.0.0.8',
  '10.0.0.1', '172.16.0.1', '192.168.0.1', '100.64.0.1', '198.18.0.1',
  '::1', '::', '::ffff:127.0.0.1', '::ffff:0:127.0.0.1', '::127.0.0.1', '64:ff9b::127.0.0.1', '64:ff9b:1::7f00:1',
  '2002:7f00:1::1', '2001:0:1::1', 'fe80::1', 'fec0::1', 'ff02::1', 'fd00::1', 'fc00::1', 'fd00:d0::2', 'fd00:d0::3',
]; // prettier-ignore

/** Names that a resolver may take for an address of this computer. */
const NAMES = [
  'localhost', 'ip6-localhost', '0x7f000001', '0x7f.1', '2130706433', '0177.0.0.1', '017700000001', '127.1', '0', '0x0',
]; // prettier-ignore

afterEach(closeAll);

/** A server for datagrams, on all addresses of a family. */
async function listenUdp(type: 'udp4' | 'udp6', port: number, onMessage: () => void) {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' });
  socket.on('message', onMessage);
  socket.bind(port, type === 'udp4' ? '0.0.0.0' : '::');
  await once(socket, 'listening');
  CLOSERS.push(() => socket.close());
}

/** What the network's name server answers to a name, both families. */
async function resolve(lab: SocketLab, name: string): Promise<string[]> {
  const found: string[] = [];
  for (const type of [DNS_A, DNS_AAAA]) {
    const encoded = encodeDnsName(name) ?? Uint8Array.of(0);
    const query = [0xab, type, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...encoded, 0, type, 0, 1];
    lab.heard.length = 0;
    lab.send(udpFrame(GATEWAY_MAC, GUEST, 5353, DNS, 53, Uint8Array.from(query)));
    await until(() => lab.heard.some(({ udp }) => udp?.sourcePort === 53), `answer for ${name}`);
    const answer = lab.heard.find(({ udp }) => udp?.sourcePort === 53)?.udp?.payload;
    found.push(...(dnsAddresses(answer ?? new Uint8Array()) ?? []).map(formatIp));
  }
  return found;
}

it('I10: destinations on this computer and beside it', async () => {
  const begin = performance.now();
  const misses: string[] = [];
  let connections = 0;
  let datagrams = 0;
  const server = await serve((socket) => {
    connections++;
    socket.destroy();
  }, '0.0.0.0');
  const port = portOf(server);
  await serve(
    (socket) => {
      connections++;
      socket.destroy();
    },
    '::',
    { port, ipv6Only: true },
  );
  await listenUdp('udp4', port, () => datagrams++);
  await listenUdp('udp6', port, () => datagrams++);

  // The canaries sing: a rule that opens the port leads to them.
  const opened = new SocketLab(allow(port));
  opened.guest(GATEWAY, port).connect();
  opened.send(udpFrame(GATEWAY_MAC, GUEST, 5000, GATEWAY, port, Uint8Array.of(1)));
  await until(() => connections === 1 && datagrams === 1, 'canary');
  connections = datagrams = 0;

  const own = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address.replace(/%.*$/, '')),
  );
  const lab = new SocketLab();
  const destinations = [...new Set([...ADDRESSES, ...own])];
  const names: string[] = [];
  for (const name of NAMES) names.push(...(await resolve(lab, name)).map((found) => `${name} -> ${found}`)); // prettier-ignore
  misses.push(...names.map((name) => `the name server answers ${name}`));
  const guests = destinations.map((address) => lab.guest(ip(address), port));
  for (const guest of guests) guest.connect();
  for (const [i, address] of destinations.entries()) {
    const to = ip(address);
    const frame = udpFrame(GATEWAY_MAC, to.length === 4 ? GUEST : GUEST6, 6000 + i, to, port, Uint8Array.of(1)); // prettier-ignore
    lab.send(frame);
  }
  await new Promise((wake) => setTimeout(wake, WAIT_MS));
  guests.forEach((guest, i) => {
    if (guest.state === 'open') misses.push(`${destinations[i]} answers`);
  });
  if (connections > 0) misses.push(`${connections} connections`);
  if (datagrams > 0) misses.push(`${datagrams} datagrams`);
  judge({
    bar: 'I10',
    ours: `${connections} connections and ${datagrams} datagrams to ${destinations.length} addresses over TCP and UDP, ${names.length} addresses for ${NAMES.length} names of this computer, ${secondsSince(begin)}`,
    anchor: 'VirtualBox and slirp: the host is reachable at 10.0.2.2 by default',
    misses,
  });
});
