/** I12: a guest that opens all it can (reliability.md, sections 2.9 and 3), on the host's real sockets, loopback only. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { afterEach, it } from 'vitest';
import { GATEWAY, GATEWAY_MAC, GUEST } from '../support/nat-lab';
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
import { count, judge, secondsSince } from './bar';

const FLOWS = 20_000;
const MAX_FDS = 1024;
const MAX_TCP = 512;
const MAX_UDP = 256;
/** Frames come in batches of so many, as from a ring. */
const BATCH = 200;
const ECHO_BYTES = 1 << 20;

afterEach(closeAll);

const openFiles = (): number => readdirSync('/proc/self/fd').length;
const turn = (): Promise<void> => new Promise((wake) => setImmediate(wake));

it(`I12: ${FLOWS} connections and ${FLOWS} mappings`, async () => {
  const begin = performance.now();
  const misses: string[] = [];
  const server = await serve((socket) => socket.pipe(socket));
  const port = portOf(server);
  const datagrams = createSocket('udp4');
  datagrams.bind(0, '127.0.0.1');
  await once(datagrams, 'listening');
  CLOSERS.push(() => datagrams.close());
  const udpPort = datagrams.address().port;

  const before = openFiles();
  const lab = new SocketLab([...allow(port), ...allow(udpPort)]);
  const neighbour = new SocketLab(allow(port));
  let mostFiles = 0;
  let mostTcp = 0;
  let mostUdp = 0;
  const look = (): void => {
    // The echo server of the test has the other ends of the connections.
    mostFiles = Math.max(mostFiles, openFiles() - before);
    mostTcp = Math.max(mostTcp, lab.nat.connections.length);
    mostUdp = Math.max(mostUdp, lab.nat.udpMappings);
  };
  const sourcePort = (i: number): number => 1024 + (i % 60_000);

  for (let i = 0; i < FLOWS; i++) {
    lab.guest(GATEWAY, port, sourcePort(i)).connect();
    if (i % BATCH > 0) continue;
    await turn();
    look();
  }
  for (let i = 0; i < FLOWS; i++) {
    lab.send(udpFrame(GATEWAY_MAC, GUEST, sourcePort(i), GATEWAY, udpPort, Uint8Array.of(1)));
    if (i % BATCH > 0) continue;
    await turn();
    look();
  }
  look();

  // Another domain works while this one has all it may have, and this one again after a reset.
  const echo = async (of: SocketLab, from: number, what: string): Promise<number> => {
    const start = performance.now();
    const guest = of.guest(GATEWAY, port, from);
    guest.connect();
    await until(() => guest.state === 'open', `${what}: connection`);
    const data = Uint8Array.from({ length: ECHO_BYTES }, (_, i) => (i * 7) & 0xff);
    guest.send(data);
    await until(() => guest.received.reduce((sum, part) => sum + part.length, 0) === data.length, `${what}: echo`); // prettier-ignore
    if (Buffer.compare(guest.bytes, data) !== 0) misses.push(`${what}: other bytes`);
    return performance.now() - start;
  };
  const neighbourMs = await echo(neighbour, 40_000, 'the other domain');
  lab.nat.reset();
  lab.guests.length = 0;
  const againMs = await echo(lab, 61_000, 'the domain after its reset');
  await until(() => openFiles() - before < 20, 'end of the sockets');

  if (mostFiles > MAX_FDS) misses.push(`${mostFiles} files were open`);
  if (mostTcp > MAX_TCP) misses.push(`${mostTcp} connections`);
  if (mostUdp > MAX_UDP) misses.push(`${mostUdp} mappings`);
  judge({
    bar: 'I12',
    ours: `${count(FLOWS)} SYNs and ${count(FLOWS)} UDP flows: at most ${mostTcp} connections, ${mostUdp} mappings, ${mostFiles} open files with the server's; the other domain echoes 1 MiB in ${neighbourMs.toFixed(0)} ms, this one after a reset in ${againMs.toFixed(0)} ms, ${secondsSince(begin)}`,
    anchor: "Firecracker's jailer: 2,048 files",
    misses,
  });
});
