import { describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { bytesOf, mac } from '../../../test/support/frames';
import { MockNetwork } from '../../../test/support/mock-network';
import { RecordingLine } from '../../../test/support/recording-line';
import type { PortIo } from '../../hw';
import { wireFrame } from './ethernet-fcs';
import { Ne2kPci } from './ne2k-pci';

const OWN = mac('00:16:3e:11:22:33');
const PEER = mac('52:54:00:00:00:01');

function lab() {
  const network = new MockNetwork();
  const device = new Ne2kPci('nic0', network, { mac: '00:16:3e:11:22:33' });
  const irq = new RecordingLine();
  device.irq = irq;
  const ports = device.bars[0].handler as PortIo;
  const out = (port: number, ...values: number[]): void => {
    values.forEach((value, i) => ports.writePort(port + i, 1, value));
  };
  const inp = (port: number): number => ports.readPort(port, 1);
  /** As drivers set it up (DP8390D section 11): transmit page 40h, ring 4Ch to 80h. */
  const start = (): void => {
    out(0x00, 0x21);
    out(0x0e, 0x49);
    out(0x0c, 0x0c, 0x00);
    out(0x01, 0x4c, 0x80, 0x4c);
    out(0x07, 0xff);
    out(0x0f, 0x7f);
    out(0x00, 0x61);
    out(0x01, ...OWN, 0x4d);
    out(0x00, 0x22);
  };
  const remote = (command: number, address: number, bytes: number): void => {
    out(0x08, address & 0xff, address >> 8, bytes & 0xff, bytes >> 8);
    out(0x00, command);
  };
  const readMemory = (address: number, bytes: number): Uint8Array => {
    remote(0x0a, address, bytes);
    const data = new Uint8Array(bytes);
    for (let i = 0; i < bytes; i += 2) {
      const word = ports.readPort(0x10, 2);
      data[i] = word;
      if (i + 1 < bytes) data[i + 1] = word >> 8;
    }
    return data;
  };
  return { network, device, irq, ports, out, inp, start, remote, readMemory };
}

function frame(destination: readonly number[], length = 60): Uint8Array {
  const bytes = bytesOf(length);
  bytes.set(destination, 0);
  return bytes;
}

deviceContract('ne2k_pci', () => {
  const { device, ports } = lab();
  return { device, ports: [{ io: ports, count: 32 }] };
});

describe('RTL8029 as an NE2000 (DP8390D)', () => {
  it('says what it is, and gives its address by remote DMA', () => {
    const { inp, start, readMemory } = lab();
    start();
    expect([inp(0x0a), inp(0x0b)]).toEqual([0x50, 0x43]);
    const prom = readMemory(0, 32);
    expect(OWN.map((_, i) => prom[2 * i])).toEqual(OWN);
    expect(prom[28]).toBe(0x57);
    expect(inp(0x07) & 0x40).toBe(0x40);
  });

  it('resets by reading its reset port', () => {
    const { inp, out, start } = lab();
    start();
    out(0x07, 0xff);
    inp(0x1f);
    expect(inp(0x07)).toBe(0x80);
  });

  it('sends what was put into its memory', () => {
    const { network, ports, irq, out, start, remote } = lab();
    start();
    const packet = frame(PEER, 62);
    remote(0x12, 0x4000, 62);
    for (let i = 0; i < 60; i += 4)
      ports.writePort(0x10, 4, new DataView(packet.buffer).getUint32(i, true));
    ports.writePort(0x10, 2, packet[60] | (packet[61] << 8));
    out(0x04, 0x40, 62, 0);
    out(0x00, 0x26);
    expect(network.sent).toEqual([packet]);
    expect(irq.level).toBe(true);
    out(0x07, 0x42);
    expect(irq.level).toBe(false);
  });

  it('fills its ring page by page and wraps at its end', () => {
    const { network, out, inp, start, readMemory } = lab();
    start();
    const packet = frame(OWN, 1514);
    let current = 0x4d;
    for (let i = 0; i < 10; i++) {
      expect(network.offer(packet)).toBe(true);
      const next = current + 6 >= 0x80 ? current + 6 - 0x34 : current + 6;
      const header = readMemory(current * 256, 4);
      expect([...header]).toEqual([1, next, 1518 & 0xff, 1518 >> 8]);
      expect(readMemory(current * 256 + 4, 1518)).toEqual(wireFrame(packet));
      out(0x03, next === 0x4c ? 0x7f : next - 1);
      current = next;
    }
    expect(inp(0x07) & 1).toBe(1);
  });

  it('has no room when the ring is full, until the boundary moves', () => {
    const { network, out, start } = lab();
    start();
    let count = 0;
    while (network.offer(frame(OWN, 1514))) count++;
    expect(count).toBe(8);
    const before = network.readies;
    out(0x03, 0x60);
    expect(network.readies).toBe(before + 1);
    expect(network.offer(frame(OWN, 1514))).toBe(true);
  });

  it('filters, and survives a ring that is none', () => {
    const { network, device, out, start } = lab();
    start();
    const taken = (destination: readonly number[]): boolean => {
      const before = device.counters.received;
      network.offer(frame(destination));
      return device.counters.received > before;
    };
    expect(taken(OWN)).toBe(true);
    expect(taken(PEER)).toBe(false);
    expect(taken(mac('ff:ff:ff:ff:ff:ff'))).toBe(true);
    expect(taken(mac('01:00:5e:00:00:01'))).toBe(false);
    out(0x00, 0x62);
    out(0x08, 0, 0, 0, 0x80);
    out(0x00, 0x22);
    expect(taken(mac('01:00:5e:00:00:01'))).toBe(true);
    out(0x01, 0xff, 0x01);
    expect(taken(OWN)).toBe(false);
  });
});
