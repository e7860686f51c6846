/** Linux's own drivers on our controllers and cards: disks written and read by checksum, TCP both ways through the NAT. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeNetwork, nodeTimers } from '../../core/host-node';
import { UserNat } from '../../core/net';
import { bytesOf } from '../support/frames';
import { LinuxGuest } from '../support/linux-guest';
import { MockBlock } from '../support/mock-block';
import { MockNetwork } from '../support/mock-network';
import { ADDRESSES } from '../support/nat-lab';

const MIB = 1 << 20;
const DISK_SECTORS = 6 * 2048;
const CARDS = ['virtio-net', 'e1000', 'rtl8139', 'ne2k_pci'] as const;
const LOADED = ['virtio_net', 'e1000', '8139too', 'ne2k_pci'];

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

function disk(seed: number): MockBlock {
  const block = new MockBlock(DISK_SECTORS);
  block.bytes.set(bytesOf(block.bytes.length, seed));
  return block;
}

const disks = { vda: disk(1), sda: disk(2), hda: disk(3) };
const disc = disk(4);
const extra: MockBlock[] = [disc];
const ejected: string[] = [];
const cables = CARDS.map(() => new MockNetwork());
const payload = bytesOf(MIB, 9);
let linux: LinuxGuest;
let source: Server;
let sink: Server;
/** What connections to the sink brought, in their order. */
const arrivals: Promise<Uint8Array>[] = [];
const nats: UserNat[] = [];

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function serve(onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** What a connection brings until its end. */
async function collect(socket: Socket): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  socket.end();
  return Buffer.concat(parts);
}

/** A NAT at the end of a cable, that lets the guest reach the two servers of the test. */
function plug(cable: MockNetwork): () => void {
  const waiting: Uint8Array[] = [];
  const nat = new UserNat(
    { network: nodeNetwork, timers: nodeTimers, random32: () => (Math.random() * 2 ** 32) >>> 0 },
    {
      addresses: ADDRESSES,
      firstHost: 15,
      domainName: '',
      hostName: 'guest',
      egress: {
        outside: false,
        lan: false,
        rules: [source, sink].map((server) => ({
          action: 'allow',
          to: '127.0.0.1',
          ports: [portOf(server), portOf(server)],
        })),
      },
    },
    (frame) => {
      if (waiting.length >= 256) return false;
      waiting.push(new Uint8Array(frame));
      return true;
    },
  );
  nats.push(nat);
  return () => {
    for (const frame of cable.sent.splice(0)) nat.receive(frame);
    nat.flush();
    const before = waiting.length;
    while (waiting.length > 0 && cable.offer(waiting[0])) waiting.shift();
    if (waiting.length < before) nat.roomAgain();
  };
}

beforeAll(async () => {
  source = await serve((socket) => socket.end(payload));
  sink = await serve((socket) => void arrivals.push(collect(socket)));
  const pumps = cables.map(plug);
  linux = await LinuxGuest.boot(
    {
      disks: [
        ...Object.entries(disks).map(([vdev, backend]) => ({ vdev, cdrom: false, backend })),
        { vdev: 'sdb', cdrom: true, backend: disc, onEject: () => ejected.push('sdb') },
      ],
      nics: CARDS.map((model, i) => ({
        model,
        mac: `00:16:3e:00:00:0${i + 1}`,
        backend: cables[i],
      })),
    },
    () => {
      for (const block of [...Object.values(disks), ...extra]) block.finish();
      for (const pump of pumps) pump();
    },
  );
});

afterAll(() => {
  for (const nat of nats) nat.close();
  source.close();
  sink.close();
});

describe.each([
  ['vda', 'vda', ['virtio_pci', 'virtio_blk']],
  ['sda', 'sda', ['sd_mod', 'sr_mod', 'ahci']],
  ['hda', 'sdb', ['ata_piix']],
] as const)('disk %s', (name, node, modules) => {
  it('reads and writes what is on the disk', async () => {
    const { bytes, log } = disks[name];
    await linux.run(`load ${modules.join(' ')}`);
    await linux.run(`while [ ! -b /dev/${node} ]; do sleep 0.2; done`);
    expect(await linux.run(`md5sum /dev/${node}`)).toContain(md5(bytes));
    const written = await linux.run(
      `dd if=/dev/urandom of=/tmp/random bs=64k count=48 2>/dev/null
         dd if=/tmp/random of=/dev/${node} bs=64k seek=3 conv=fsync 2>/dev/null
         md5sum /tmp/random`,
    );
    expect(written).toContain(md5(bytes.subarray(3 * 65536, 51 * 65536)));
    expect(log).toContain('flush');
  });
});

describe('CD-ROM drive on AHCI', () => {
  const sum = async (): Promise<string> => linux.run('md5sum /dev/sr0 2>&1');

  it('reads its disc, another one, and lets the guest open the tray', async () => {
    expect(await sum()).toContain(md5(disc.bytes));
    const other = new MockBlock(2048, true);
    extra.push(other);
    expect(linux.machine.changeMedium('sdb', other)).toBe(true);
    expect(await sum()).toContain(md5(other.bytes));
    await linux.run('echo 1 >/proc/sys/dev/cdrom/autoeject; true </dev/sr0');
    expect(ejected).toEqual(['sdb']);
    linux.machine.changeMedium('sdb', undefined);
    expect(await sum()).toMatch(/No medium/);
  });
});

describe.each(CARDS.map((model, i) => [model, i] as const))('card %s', (_model, index) => {
  it('gets an address and carries TCP both ways', async () => {
    await linux.run(`load ${LOADED[index]} af_packet`);
    const name = (await linux.run(`ls /sys/class/net | grep -v lo`)).split(/\s+/)[0];
    await linux.run(`ip link set ${name} up`);
    await linux.run(`ip addr add 10.0.2.15/24 dev ${name}`);
    expect(await linux.run('ping -c 2 -s 1400 10.0.2.2')).toContain(' 0% packet loss');
    const incoming = await linux.run(`nc 10.0.2.2 ${portOf(source)} </dev/null | md5sum`);
    expect(incoming).toContain(md5(payload));
    const sent = await linux.run(
      `dd if=/dev/urandom of=/tmp/random bs=64k count=16 2>/dev/null
       md5sum /tmp/random
       nc 10.0.2.2 ${portOf(sink)} </tmp/random`,
    );
    expect(sent).toContain(md5((await arrivals.at(-1)) ?? new Uint8Array(0)));
    await linux.run(`ip link set ${name} down; rmmod ${LOADED[index]}`);
  });
});
