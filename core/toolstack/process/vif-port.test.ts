import { describe, expect, it } from 'vitest';
import { FakeNetworkHost } from '../../../test/support/net-host';
import { ManualTimers } from '../../../test/support/net-timers';
import { GuestTcp, hear, ipFrame, type Heard } from '../../../test/support/net-guest';
import { ip } from '../../../test/support/nat-lab';
import type { NetworkConfig } from '../../api';
import type { FrameLinkEvents } from '../../host';
import { nodeFiles } from '../../host-node';
import { OFFLOAD_PARTIAL, RECEIVE_PARTIAL, RECEIVE_TCPV4 } from '../../hw';
import { BUILT_IN_NETWORKS } from '../net';
import { VifPort } from './vif-port';
import { WorkerNetwork } from './worker-network';
import type { FromWorker } from './worker-messages';
import type { WorkerPort } from './worker-port';

const MAC = '00:16:3e:01:02:03';
const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 0x0a, 0, 2, 2);
const GUEST = ip('10.0.2.15');
const SERVER = ip('203.0.113.9');

/** Both ends of a card's cable: the worker's back end and the event loop's port, their messages carried by hand. */
class Cable {
  readonly host = new FakeNetworkHost();
  readonly timers = new ManualTimers();
  readonly up: FromWorker[] = [];
  readonly down: ({ type: 'network' } | { type: 'network-link'; up: boolean })[] = [];
  readonly heard: Heard[] = [];
  /** What the switch got, and its end of the uplink. */
  readonly switched: Uint8Array[] = [];
  uplink: FrameLinkEvents | undefined;
  readonly port: VifPort;
  readonly card: WorkerNetwork;
  room = true;
  messages = 0;
  readonly offloads: number[] = [];
  /** Frames of the guest's connection. */
  readonly sent: Uint8Array[] = [];
  guest: GuestTcp | undefined;

  constructor(network: Partial<NetworkConfig> = {}, uplink: string | null = null) {
    this.port = new VifPort(
      0,
      { mac: MAC, model: 'e1000', bridge: 'nat', link: true, forwards: [] },
      { network: { ...BUILT_IN_NETWORKS[0], ...network }, uplink, guestHost: 15 },
      {
        network: this.host,
        timers: this.timers,
        frameLinks: {
          listen: () => Promise.reject(new Error('not here')),
          connect: async (_, events) => {
            this.uplink = events;
            return {
              send: (frame) => {
                this.switched.push(frame.slice());
                return true;
              },
              close: () => events.onClose(),
            };
          },
        },
        files: nodeFiles,
        hostName: 'guest',
        wakeGuest: () => this.down.push({ type: 'network' }),
        linkChanged: (up) => this.down.push({ type: 'network-link', up }),
        notice: () => undefined,
      },
    );
    const worker = { post: (message: FromWorker) => this.up.push(message) };
    this.card = new WorkerNetwork(0, this.port.shared, worker as unknown as WorkerPort);
    this.card.onReceive = (frame, offload = 0) => {
      if (!this.room) return false;
      this.offloads.push(offload);
      // A card without a checksum to go by takes it on trust.
      const heard = hear(frame, offload !== OFFLOAD_PARTIAL && offload >> 2 === 0);
      this.heard.push(heard);
      if (heard.tcp) this.guest?.arrive(heard.tcp);
      return true;
    };
  }

  /** Carries messages until there are none. */
  settle(): void {
    this.card.flush();
    while (this.up.length > 0 || this.down.length > 0) {
      this.messages += this.up.length + this.down.length;
      for (const message of this.up.splice(0))
        if (message.type === 'network') this.port.drain();
        else this.port.roomAgain();
      for (const message of this.down.splice(0))
        if (message.type === 'network') this.card.ready();
        else this.card.handle({ ...message, vif: 0 });
      this.card.pump();
      this.card.flush();
    }
  }

  connect(): GuestTcp {
    this.guest = new GuestTcp(
      (frame) => {
        this.sent.push(frame.slice());
        this.card.send(frame);
      },
      GATEWAY_MAC,
      GUEST,
      40_000,
      SERVER,
      80,
      { shift: 7 },
    );
    this.guest.window = 1 << 20;
    this.guest.connect();
    this.settle();
    this.host.streams[0].events.onConnect();
    this.settle();
    return this.guest;
  }
}

function frame(destination: Uint8Array, text: string, source = GUEST): Uint8Array {
  return ipFrame(destination, source, ip('10.0.2.16'), 17, Buffer.from(text.padEnd(8)));
}

describe("a card's cable", () => {
  it('carries a connection through both rings', () => {
    const cable = new Cable();
    const guest = cable.connect();
    expect(guest.state).toBe('open');
    guest.send(new Uint8Array(30_000).fill(7));
    cable.settle();
    expect(cable.host.streams[0].bytes).toHaveLength(30_000);
    cable.host.streams[0].events.onData(new Uint8Array(200_000).fill(9));
    for (let i = 0; i < 10; i++) cable.settle();
    expect(guest.bytes).toHaveLength(200_000);
    const { rxBytes, txBytes, rxFrames, connections } = cable.port.info;
    expect(rxBytes).toBeGreaterThan(200_000);
    expect(txBytes).toBeGreaterThan(30_000);
    expect(connections).toBe(1);
    // A batch costs one message, not one for each frame.
    expect(cable.messages).toBeLessThan(rxFrames);
  });

  it('carries TCP in large pieces both ways when the card takes them, and as frames of the wire while it is captured', async () => {
    const cable = new Cable();
    const guest = cable.connect();
    expect(cable.card.takesOffload).toBe(true);
    cable.card.receiveOffloads = RECEIVE_PARTIAL | RECEIVE_TCPV4;
    cable.host.streams[0].events.onData(new Uint8Array(150_000).fill(9));
    for (let i = 0; i < 20; i++) cable.settle();
    expect(guest.bytes).toHaveLength(150_000);
    const large = cable.heard.filter(({ frame: { length } }) => length > 1514);
    expect(large.length).toBeGreaterThan(1);
    // What the card needs to cut it: data of a segment; and all of it in one IP packet.
    expect(cable.offloads.some((offload) => offload === (OFFLOAD_PARTIAL | (1460 << 2)))).toBe(
      true,
    );
    expect(cable.heard.length).toBeLessThan(150_000 / 1460);

    cable.port.startCapture('/c', { append: async () => undefined, close: async () => undefined });
    expect(cable.card.takesOffload).toBe(false);
    const before = cable.heard.length;
    cable.host.streams[0].events.onData(new Uint8Array(50_000).fill(9));
    for (let i = 0; i < 20; i++) cable.settle();
    expect(guest.bytes).toHaveLength(200_000);
    expect(cable.heard.slice(before).every(({ frame: { length } }) => length <= 1514)).toBe(true);
    await cable.port.endCapture();
    expect(cable.card.takesOffload).toBe(true);
  });

  it('takes a TCP checksum on trust from a card that says so, from no other', () => {
    const cable = new Cable();
    cable.connect();
    const [stream] = cable.host.streams;
    const segment = cable.sent.at(-1)!.slice();
    cable.guest?.send(Uint8Array.from([1, 2, 3]));
    const data = cable.sent.at(-1)!.slice();
    expect(data.length).toBeGreaterThan(segment.length);
    cable.settle();
    expect(stream.bytes).toHaveLength(3);
    // The next three bytes, with a checksum of nonsense.
    new DataView(data.buffer).setUint32(38, new DataView(data.buffer).getUint32(38) + 3);
    data[50] ^= 0x55;
    cable.card.send(data);
    cable.settle();
    expect(stream.bytes).toHaveLength(3);
    cable.card.send(data, OFFLOAD_PARTIAL);
    cable.settle();
    expect(stream.bytes).toHaveLength(6);
  });

  it('waits for a card without room, and for a ring without room, and loses nothing', () => {
    const cable = new Cable();
    const guest = cable.connect();
    cable.room = false;
    for (let i = 0; i < 8; i++)
      cable.host.streams[0].events.onData(new Uint8Array(64 << 10).fill(i));
    cable.settle();
    expect(cable.host.streams[0].paused).toBe(true);
    expect(guest.bytes).toHaveLength(0);
    cable.room = true;
    cable.card.ready();
    cable.card.pump();
    for (let i = 0; i < 100; i++) {
      cable.settle();
      cable.timers.advance(50);
    }
    expect(guest.bytes).toHaveLength(8 * (64 << 10));
    expect(cable.host.streams[0].paused).toBe(false);
  });

  it('drops everything while the cable is out, and tells the card', () => {
    const cable = new Cable();
    const changes: boolean[] = [];
    cable.card.onLinkChange = (up) => changes.push(up);
    cable.port.setLink(false);
    cable.settle();
    expect(cable.card.linkUp).toBe(false);
    cable.card.send(frame(GATEWAY_MAC, 'lost'));
    cable.settle();
    expect(cable.port.info).toMatchObject({ txFrames: 0, link: false });
    cable.port.setLink(true);
    cable.settle();
    expect(changes).toEqual([false, true]);
  });

  it('keeps frames of a wrong length off the wire', () => {
    const cable = new Cable();
    cable.card.send(new Uint8Array(13));
    cable.card.send(new Uint8Array(1519));
    cable.settle();
    expect(cable.port.info.txFrames).toBe(0);
  });

  it('keeps frames to the gateway at home and sends the others to the switch', async () => {
    const cable = new Cable({ shared: true }, '/net.sock');
    await cable.port.open();
    const other = Uint8Array.of(0, 0x16, 0x3e, 9, 9, 9);
    const everyone = new Uint8Array(6).fill(255);
    cable.card.send(frame(GATEWAY_MAC, 'home'));
    cable.card.send(frame(other, 'other'));
    cable.card.send(frame(everyone, 'all'));
    const forged = frame(other, 'forged');
    forged.set(other, 6);
    cable.card.send(forged);
    cable.settle();
    const texts = cable.switched.map((bytes) => Buffer.from(bytes.subarray(34)).toString().trim());
    expect(texts).toEqual(['other', 'all']);

    const answer = frame(Uint8Array.of(0, 0x16, 0x3e, 1, 2, 3), 'answer');
    answer.set(other, 6);
    cable.uplink?.onFrame(answer);
    const asGateway = answer.slice();
    asGateway.set(GATEWAY_MAC, 6);
    cable.uplink?.onFrame(asGateway);
    cable.settle();
    const fromSwitch = cable.heard.filter((heard) => heard.frame[6] === 0);
    expect(fromSwitch).toHaveLength(1);
    expect(
      cable.heard.some((heard) => heard.frame.length === answer.length && heard.frame[6] === 0x52),
    ).toBe(false);
  });

  it('has no gateway on an isolated network', async () => {
    const cable = new Cable({ mode: 'isolated', shared: true }, '/net.sock');
    await cable.port.open();
    cable.card.send(frame(new Uint8Array(6).fill(255), 'all'));
    cable.settle();
    expect(cable.switched).toHaveLength(1);
    expect(cable.heard).toHaveLength(0);
  });
});
