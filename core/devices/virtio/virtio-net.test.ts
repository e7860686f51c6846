import { describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { ArrayMemory } from '../../../test/support/array-memory';
import { bytesOf, isIntact, mac, tcpFrame } from '../../../test/support/frames';
import { MockNetwork } from '../../../test/support/mock-network';
import { RecordingApicBus, VirtioDriver } from '../../../test/support/virtio-driver';
import {
  OFFLOAD_GOOD,
  OFFLOAD_PARTIAL,
  RECEIVE_PARTIAL,
  RECEIVE_TCPV4,
  RECEIVE_TCPV6,
  type Mmio,
  type PortIo,
} from '../../hw';
import { VirtioNet, VirtioPci } from './index';

const CSUM = 0;
const GUEST_CSUM = 1;
const GUEST_TSO4 = 7;
const GUEST_TSO6 = 8;
const HOST_TSO4 = 11;
const MRG_RXBUF = 15;
const CTRL_VQ = 17;
const CTRL_RX = 18;
const CTRL_VLAN = 19;
const VERSION_1 = 32;
const RX = 0;
const TX = 1;
const CTRL = 2;
const BUFFERS = 0x40000;
const OWN = mac('00:16:3e:11:22:33');
const PEER = mac('52:54:00:00:00:01');
const BROADCAST = mac('ff:ff:ff:ff:ff:ff');

function lab(features: number[] = [VERSION_1]) {
  const memory = new ArrayMemory(1 << 20);
  const network = new MockNetwork();
  const bus = new RecordingApicBus();
  const card = new VirtioNet(network, { mac: '00:16:3e:11:22:33' });
  const device = new VirtioPci('vif0', { memory, bus }, card);
  const driver = new VirtioDriver(device, memory);
  driver.start(features, 3);
  const send = (header: number[], packet: Uint8Array): void => {
    memory.bytes.fill(0, BUFFERS, BUFFERS + 12);
    memory.bytes.set(header, BUFFERS);
    memory.bytes.set(packet, BUFFERS + 12);
    driver.add(TX, [{ gpa: BUFFERS, length: 12 + packet.length }]);
  };
  const command = (bytes: number[]): number => {
    memory.bytes.set(bytes, 0x80000);
    memory.bytes[0x90000] = 0xee;
    driver.add(CTRL, [
      { gpa: 0x80000, length: bytes.length },
      { gpa: 0x90000, length: 1, write: true },
    ]);
    driver.takeUsed(CTRL);
    return memory.bytes[0x90000];
  };
  return { memory, network, card, device, driver, send, command };
}

function frame(destination: number[], length = 60): Uint8Array {
  const bytes = bytesOf(length);
  bytes.set(destination, 0);
  bytes.set(PEER, 6);
  bytes.set([0x88, 0xb5], 12);
  return bytes;
}

deviceContract('virtio-net', () => {
  const { device } = lab();
  device.reset('power-on');
  const bar = (index: number): unknown => device.bars.find((b) => b.index === index)?.handler;
  return {
    device,
    ports: [{ io: bar(0) as PortIo, count: 128 }],
    mmio: [{ io: bar(4) as Mmio, bytes: 0x4000 }],
  };
});

describe('virtio-net (VIRTIO 1.2, 5.1)', () => {
  it('shows address and link, and interrupts when the link changes', () => {
    const { driver, network } = lab();
    expect(OWN.map((_, i) => driver.r8(0x2000 + i))).toEqual(OWN);
    expect(driver.r16(0x2006)).toBe(1);
    network.setLink(false);
    expect(driver.r16(0x2006)).toBe(0);
    expect(driver.r8(0x1000)).toBe(2);
  });

  it('sends a frame behind a header of twelve bytes', () => {
    const { driver, network, send } = lab();
    send([], frame(PEER));
    expect(network.sent).toEqual([frame(PEER)]);
    expect(driver.takeUsed(TX)).toEqual([[0, 0]]);
  });

  it('drops packets without end or content', () => {
    const { driver, network } = lab();
    driver.add(TX, [{ gpa: BUFFERS, length: 5 }]);
    driver.add(TX, [{ gpa: BUFFERS, length: 0xffffffff }]);
    expect(network.sent).toEqual([]);
    expect(driver.takeUsed(TX)).toHaveLength(2);
  });

  it('completes partial checksums (5.1.6.2)', () => {
    const { network, send } = lab([VERSION_1, CSUM]);
    const parts = {
      destination: PEER,
      source: OWN,
      sequence: 1,
      flags: 0x18,
      payload: bytesOf(33),
    };
    const packet = tcpFrame(parts, true);
    packet.set(tcpFrame(parts).subarray(24, 26), 24);
    send([1, 0, 0, 0, 0, 0, 34, 0, 16, 0], packet);
    expect(network.sent).toEqual([tcpFrame(parts)]);
    send([1, 0, 0, 0, 0, 0, 0xff, 0xff, 16, 0], packet);
    expect(network.sent[1]).toEqual(packet);
  });

  it('cuts large TCP packets into intact segments', () => {
    const { network, send } = lab([VERSION_1, CSUM, HOST_TSO4]);
    const payload = bytesOf(4000);
    const parts = { destination: PEER, source: OWN, sequence: 0xffffff00, flags: 0x99, payload };
    send([1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0], tcpFrame(parts, true));
    expect(network.sent.map((segment) => segment.length)).toEqual([1514, 1514, 54 + 1080]);
    expect(network.sent.map(isIntact)).toEqual([true, true, true]);
    const views = network.sent.map((segment) => new DataView(segment.buffer));
    expect(views.map((view) => view.getUint32(38))).toEqual([0xffffff00, 0x4b4, 0xa68]);
    expect(views.map((view) => view.getUint16(18))).toEqual([0x1234, 0x1235, 0x1236]);
    // CWR on the first, FIN and PSH on the last.
    expect(network.sent.map((segment) => segment[47])).toEqual([0x90, 0x10, 0x19]);
    const joined = network.sent.flatMap((segment) => [...segment.subarray(54)]);
    expect(joined).toEqual([...payload]);
  });

  it('receives into one buffer, and over several when they may be merged', () => {
    const one = lab();
    one.driver.add(RX, [{ gpa: BUFFERS, length: 1600, write: true }]);
    expect(one.network.offer(frame(OWN))).toBe(true);
    expect(one.driver.takeUsed(RX)).toEqual([[0, 72]]);
    expect(one.memory.read(BUFFERS + 12, 60)).toEqual(frame(OWN));
    const many = lab([VERSION_1, MRG_RXBUF]);
    for (let i = 0; i < 3; i++)
      many.driver.add(RX, [{ gpa: BUFFERS + 64 * i, length: 40, write: true }]);
    expect(many.network.offer(frame(OWN, 100))).toBe(true);
    expect(many.driver.takeUsed(RX)).toEqual([
      [0, 40],
      [1, 40],
      [2, 32],
    ]);
    expect(many.memory.readU16(BUFFERS + 10)).toBe(3);
  });

  it('has no room without buffers, and says so when there are some again', () => {
    const { driver, network } = lab([VERSION_1, MRG_RXBUF]);
    driver.add(RX, [{ gpa: BUFFERS, length: 40, write: true }]);
    expect(network.offer(frame(OWN))).toBe(false);
    expect(driver.takeUsed(RX)).toEqual([]);
    const before = network.readies;
    driver.add(RX, [{ gpa: BUFFERS + 64, length: 40, write: true }]);
    expect(network.readies).toBe(before + 1);
    expect(network.offer(frame(OWN))).toBe(true);
    expect(driver.takeUsed(RX)).toHaveLength(2);
  });

  it('vouches for checksums that are right only', () => {
    const { driver, memory, network } = lab([VERSION_1, GUEST_CSUM]);
    const packet = tcpFrame({
      destination: OWN,
      source: PEER,
      sequence: 5,
      flags: 0x10,
      payload: bytesOf(101),
    });
    driver.add(RX, [{ gpa: BUFFERS, length: 1600, write: true }]);
    network.offer(packet);
    expect(memory.bytes[BUFFERS]).toBe(2);
    packet[60] ^= 1;
    driver.add(RX, [{ gpa: BUFFERS, length: 1600, write: true }]);
    network.offer(packet);
    expect(memory.bytes[BUFFERS]).toBe(0);
  });

  it('asks the back end for what the driver takes, also when restored, and for nothing after reset', () => {
    expect(lab([VERSION_1, GUEST_TSO4]).network.receiveOffloads).toBe(0);
    expect(lab([VERSION_1, GUEST_CSUM]).network.receiveOffloads).toBe(RECEIVE_PARTIAL);
    const { network, device } = lab([VERSION_1, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6]);
    const all = RECEIVE_PARTIAL | RECEIVE_TCPV4 | RECEIVE_TCPV6;
    expect(network.receiveOffloads).toBe(all);
    const other = lab();
    other.device.restore(device.save());
    expect(other.network.receiveOffloads).toBe(all);
    device.reset('power-on');
    expect(network.receiveOffloads).toBe(0);
  });

  it('gives large TCP segments to a driver that takes them (5.1.6.4), and to no other', () => {
    const payload = bytesOf(4000);
    const large = tcpFrame(
      { destination: OWN, source: PEER, sequence: 1, flags: 0x18, payload },
      true,
    );
    const offload = OFFLOAD_PARTIAL | (1460 << 2);
    const { driver, memory, network } = lab([VERSION_1, GUEST_CSUM, GUEST_TSO4, MRG_RXBUF]);
    for (let i = 0; i < 3; i++)
      driver.add(RX, [{ gpa: BUFFERS + 2048 * i, length: 1536, write: true }]);
    expect(network.offer(large, offload)).toBe(true);
    expect(driver.takeUsed(RX).map(([, length]) => length)).toEqual([1536, 1536, 4066 - 3072]);
    // flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers
    const header = [1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, 3, 0];
    expect([...memory.read(BUFFERS, 12)]).toEqual(header);
    expect(memory.read(BUFFERS + 12, 1524)).toEqual(large.slice(0, 1524));
    expect(memory.read(BUFFERS + 4096, 994)).toEqual(large.slice(3060));

    // What was on its way when the driver changed: lost, like any frame on a wire.
    for (const features of [[VERSION_1], [VERSION_1, GUEST_CSUM, GUEST_TSO6]]) {
      const small = lab(features);
      small.driver.add(RX, [{ gpa: BUFFERS, length: 0x10000, write: true }]);
      expect(small.network.offer(large, offload)).toBe(true);
      expect(small.driver.takeUsed(RX)).toEqual([]);
      expect(small.card.counters.filtered).toBe(1);
    }
  });

  it('does not check what the back end has just made', () => {
    const { driver, memory, network } = lab([VERSION_1, GUEST_CSUM]);
    driver.add(RX, [{ gpa: BUFFERS, length: 1600, write: true }]);
    network.offer(frame(OWN), OFFLOAD_GOOD);
    expect(memory.bytes[BUFFERS]).toBe(2);
  });

  it('hands large TCP packets on in one piece to a back end that takes them', () => {
    const { network, send } = lab([VERSION_1, CSUM, HOST_TSO4]);
    network.takesOffload = true;
    const payload = bytesOf(4000);
    const parts = { destination: PEER, source: OWN, sequence: 7, flags: 0x18, payload };
    const packet = tcpFrame(parts, true);
    // Drivers may leave length and checksum of the IP header to the card.
    packet.fill(0, 16, 18);
    packet.fill(0, 24, 26);
    send([1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0], packet);
    const whole = tcpFrame(parts);
    whole.set(tcpFrame(parts, true).subarray(50, 52), 50);
    expect(network.sent).toEqual([whole]);
    expect(network.offloads).toEqual([OFFLOAD_PARTIAL]);
    // A header that is not TCP's goes nowhere.
    send([1, 1, 54, 0, 0xb4, 5, 0xff, 0xff, 16, 0], packet);
    expect(network.sent).toHaveLength(1);
  });

  it('takes what its receive mode and tables say', () => {
    const { driver, network, card, command } = lab([VERSION_1, CTRL_VQ, CTRL_RX, CTRL_VLAN]);
    const received = (packet: Uint8Array): boolean => {
      driver.add(RX, [{ gpa: BUFFERS, length: 1600, write: true }]);
      const before = card.counters.received;
      network.offer(packet);
      driver.takeUsed(RX);
      return card.counters.received > before;
    };
    expect(received(frame(PEER))).toBe(true);
    expect(command([0, 0, 0])).toBe(0);
    expect(received(frame(PEER))).toBe(false);
    expect(received(frame(OWN))).toBe(true);
    expect(received(frame(BROADCAST))).toBe(true);
    const group = mac('01:00:5e:00:00:fb');
    expect(received(frame(group))).toBe(false);
    expect(command([1, 0, 0, 0, 0, 0, 1, 0, 0, 0, ...group])).toBe(0);
    expect(received(frame(group))).toBe(true);
    expect(command([1, 0, 9, 0, 0, 0, 1, 0, 0, 0, ...group])).toBe(1);
    expect(command([0, 5, 1])).toBe(0);
    expect(received(frame(BROADCAST))).toBe(false);
    const tagged = frame(OWN);
    tagged.set([0x81, 0, 0, 5], 12);
    expect(received(tagged)).toBe(false);
    expect(command([2, 0, 5, 0])).toBe(0);
    expect(received(tagged)).toBe(true);
    expect(command([9, 9, 9])).toBe(1);
  });
});
