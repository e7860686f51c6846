import { describe, expect, it } from 'vitest';
import { parseMac } from '../wire';
import { EthernetSwitch, type SwitchPort, type SwitchPortOptions } from './ethernet-switch';

const A = '00:16:3e:00:00:0a';
const B = '00:16:3e:00:00:0b';
const C = '00:16:3e:00:00:0c';
const ALL = 'ff:ff:ff:ff:ff:ff';

function frame(to: string, from: string, length = 60): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(parseMac(to)!, 0);
  bytes.set(parseMac(from)!, 6);
  return bytes;
}

class Station {
  readonly got: Uint8Array[] = [];
  open = true;
  port: SwitchPort;

  constructor(bridge: EthernetSwitch, options?: SwitchPortOptions) {
    this.port = bridge.plug(
      {
        deliver: (bytes) => {
          if (this.open) this.got.push(bytes.slice());
          return this.open;
        },
      },
      options,
    );
  }
}

function setUp(options: SwitchPortOptions[] = [{}, {}, {}]) {
  let now = 0;
  const bridge = new EthernetSwitch(() => now);
  const stations = options.map((each) => new Station(bridge, each));
  return { bridge, stations, pass: (ms: number) => (now += ms) };
}

describe('a switch', () => {
  it('floods what it does not know, and learns (802.1D 7.8)', () => {
    const { stations } = setUp();
    const [a, b, c] = stations;
    a.port.send(frame(B, A));
    expect([a, b, c].map((station) => station.got.length)).toEqual([0, 1, 1]);
    b.port.send(frame(A, B));
    expect([a, b, c].map((station) => station.got.length)).toEqual([1, 1, 1]);
    a.port.send(frame(B, A));
    expect([a, b, c].map((station) => station.got.length)).toEqual([1, 2, 1]);
  });

  it('sends groups to all but the sender, and keeps bridge management to itself', () => {
    const { stations } = setUp();
    stations[0].port.send(frame(ALL, A));
    stations[0].port.send(frame('01:80:c2:00:00:00', A));
    expect(stations.map((station) => station.got.length)).toEqual([0, 1, 1]);
  });

  it('never sends a frame back, nor forwards what is wrong', () => {
    const { stations } = setUp();
    const [a, b] = stations;
    a.port.send(frame(A, A));
    a.port.send(frame(A, A));
    const before = b.got.length;
    a.port.send(frame(B, ALL));
    a.port.send(new Uint8Array(13));
    a.port.send(frame(B, A, 1519));
    expect(a.got).toHaveLength(0);
    expect(b.got).toHaveLength(before);
    expect(a.port.counters.dropped).toBe(3);
  });

  it('forgets where a station was after five minutes, and when its port goes', () => {
    const { bridge, stations, pass } = setUp();
    const [a, b, c] = stations;
    b.port.send(frame(ALL, B));
    pass(300_001);
    a.port.send(frame(B, A));
    expect(c.got).toHaveLength(2);
    b.port.unplug();
    expect(bridge.addresses).toEqual([A]);
    a.port.send(frame(B, A));
    expect(b.got).toHaveLength(1);
  });

  it('lets a port with an address use only that, and nobody else use it', () => {
    const { stations } = setUp([{ mac: A }, { mac: B }, {}]);
    const [a, b, c] = stations;
    a.port.send(frame(ALL, B));
    c.port.send(frame(ALL, B));
    expect([a, b, c].map((station) => station.got.length)).toEqual([0, 0, 0]);
    a.port.send(frame(C, A));
    expect([b.got.length, c.got.length]).toEqual([0, 1]);
  });

  it('queues for a slow port, drops beyond its bound, and goes on in order', () => {
    const { stations } = setUp();
    const [a, b] = stations;
    b.open = false;
    for (let i = 0; i < 300; i++) {
      const bytes = frame(ALL, A);
      bytes[20] = i & 255;
      a.port.send(bytes);
    }
    expect(b.port.counters.dropped).toBe(44);
    b.open = true;
    b.port.resume();
    expect(b.got.map((bytes) => bytes[20])).toEqual(Array.from({ length: 256 }, (_, i) => i));
  });

  it('bounds what it learns', () => {
    const { bridge, stations } = setUp();
    for (let i = 0; i < 5000; i++) {
      const mac = `02:00:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`;
      stations[0].port.send(frame(ALL, mac));
    }
    expect(bridge.addresses).toHaveLength(1024);
  });
});
