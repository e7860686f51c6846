import { describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { ArrayMemory } from '../../../test/support/array-memory';
import { bytesOf, mac } from '../../../test/support/frames';
import { MockClock } from '../../../test/support/mock-clock';
import { MockNetwork } from '../../../test/support/mock-network';
import { RecordingLine } from '../../../test/support/recording-line';
import type { Mmio, PortIo } from '../../hw';
import { wireFrame } from './ethernet-fcs';
import { Rtl8139 } from './rtl8139';

const OWN = mac('00:16:3e:11:22:33');
const PEER = mac('52:54:00:00:00:01');
const RING = 0x10000;
const TX = 0x4000;
const [TSD0, TSAD0, RBSTART, CR, CAPR, CBR, IMR, ISR, RCR] = [
  0x10, 0x20, 0x30, 0x37, 0x38, 0x3a, 0x3c, 0x3e, 0x44,
];

function lab() {
  const memory = new ArrayMemory(1 << 18);
  const network = new MockNetwork();
  const clock = new MockClock();
  const device = new Rtl8139('nic0', { clock, memory, network }, { mac: '00:16:3e:11:22:33' });
  const irq = new RecordingLine();
  device.irq = irq;
  const ports = device.bars[0].handler as PortIo;
  const window = device.bars[1].handler as Mmio;
  const start = (rcr = 0x0e): void => {
    ports.writePort(RBSTART, 4, RING);
    ports.writePort(CR, 1, 0x0c);
    ports.writePort(RCR, 4, rcr);
    ports.writePort(IMR, 2, 0x65);
  };
  return { memory, network, clock, device, irq, ports, window, start };
}

function frame(destination: readonly number[], length = 60): Uint8Array {
  const bytes = bytesOf(length);
  bytes.set(destination, 0);
  return bytes;
}

deviceContract('rtl8139', () => {
  const { device, ports, window } = lab();
  return { device, ports: [{ io: ports, count: 256 }], mmio: [{ io: window, bytes: 256 }] };
});

describe('RTL8139 (RTL8139D data sheet)', () => {
  it('has its address in registers and EEPROM, whose word 0 is 8129h', () => {
    const { ports } = lab();
    expect(OWN.map((_, i) => ports.readPort(i, 1))).toEqual(OWN);
    const clock = (bit: number): number => {
      ports.writePort(0x50, 1, 0x88 | (bit ? 2 : 0));
      ports.writePort(0x50, 1, 0x8c | (bit ? 2 : 0));
      return ports.readPort(0x50, 1) & 1;
    };
    const word = (address: number): number => {
      ports.writePort(0x50, 1, 0x80);
      for (const bit of `00110${address.toString(2).padStart(6, '0')}`) clock(Number(bit));
      let value = 0;
      for (let i = 0; i < 16; i++) value = (value << 1) | clock(0);
      return value;
    };
    expect([word(0), word(7), word(9)]).toEqual([0x8129, 0x1600, 0x3322]);
  });

  it('sends by writing a transmit status with OWN clear', () => {
    const { memory, network, irq, ports, start } = lab();
    start();
    memory.write(TX, frame(PEER, 100));
    ports.writePort(TSAD0 + 4, 4, TX);
    ports.writePort(TSD0 + 4, 4, 100);
    expect(network.sent).toEqual([frame(PEER, 100)]);
    expect(ports.readPort(TSD0 + 4, 4) & 0xa000).toBe(0xa000);
    expect(ports.readPort(0x60, 2) & 0x2000).toBe(0x2000);
    expect(irq.level).toBe(true);
    ports.writePort(ISR, 2, 4);
    expect(irq.level).toBe(false);
  });

  it('receives into its ring with a header, padded to a dword', () => {
    const { memory, network, ports, start } = lab();
    start();
    expect(ports.readPort(CR, 1) & 1).toBe(1);
    expect(network.offer(frame(OWN, 61))).toBe(true);
    expect(memory.readU32(RING)).toBe(0x4001 | (65 << 16));
    expect(memory.read(RING + 4, 65)).toEqual(wireFrame(frame(OWN, 61)));
    expect(ports.readPort(CBR, 2)).toBe(72);
    expect(ports.readPort(CR, 1) & 1).toBe(0);
    ports.writePort(CAPR, 2, 72 - 16);
    expect(ports.readPort(CR, 1) & 1).toBe(1);
  });

  it.each([
    ['around', 0x0e],
    ['over', 0x8e],
  ])(
    'goes %s the end of the ring as WRAP says, and is full before it looks empty',
    (_name, rcr) => {
      const { memory, network, ports, start } = lab();
      start(rcr);
      for (let i = 0; i < 5; i++) expect(network.offer(frame(OWN, 1514))).toBe(true);
      expect(network.offer(frame(OWN, 1514))).toBe(false);
      const before = network.readies;
      ports.writePort(CAPR, 2, 2 * 1524 - 16);
      expect(network.readies).toBeGreaterThan(before);
      expect(network.offer(frame(OWN, 1514))).toBe(true);
      const start6 = 5 * 1524;
      const wire = wireFrame(frame(OWN, 1514));
      const tail = 8192 - start6 - 4;
      if (rcr & 0x80) expect(memory.read(RING + start6 + 4, 1518)).toEqual(wire);
      else {
        expect(memory.read(RING + start6 + 4, tail)).toEqual(wire.slice(0, tail));
        expect(memory.read(RING, 1518 - tail)).toEqual(wire.slice(tail));
      }
    },
  );

  it('filters by address and multicast hash', () => {
    const { network, device, ports, start } = lab();
    start(0x0e);
    const taken = (destination: readonly number[]): boolean => {
      const before = device.counters.received;
      network.offer(frame(destination));
      return device.counters.received > before;
    };
    expect(taken(OWN)).toBe(true);
    expect(taken(PEER)).toBe(false);
    expect(taken(mac('ff:ff:ff:ff:ff:ff'))).toBe(true);
    // Known answer: the hash of the all-systems group 01:00:5e:00:00:01 is 31.
    expect(taken(mac('01:00:5e:00:00:01'))).toBe(false);
    ports.writePort(0x08 + 3, 1, 0x80);
    expect(taken(mac('01:00:5e:00:00:01'))).toBe(true);
    ports.writePort(RCR, 4, 0x01);
    expect(taken(PEER)).toBe(true);
  });

  it('tells of its link, and counts PCI clocks', () => {
    const { network, clock, irq, ports, start } = lab();
    start();
    expect(ports.readPort(0x64, 2) & 4).toBe(4);
    network.setLink(false);
    expect(irq.level).toBe(true);
    expect(ports.readPort(0x58, 1) & 4).toBe(4);
    ports.writePort(ISR, 2, 0xffff);
    ports.writePort(IMR, 2, 0x4000);
    ports.writePort(0x48, 4, 0);
    ports.writePort(0x54, 4, 33_000);
    clock.advance(999_000);
    expect(irq.level).toBe(false);
    clock.advance(1_000);
    expect(irq.level).toBe(true);
  });
});
