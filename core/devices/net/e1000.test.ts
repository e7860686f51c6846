import { describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { ArrayMemory } from '../../../test/support/array-memory';
import { bytesOf, isIntact, mac, tcpFrame } from '../../../test/support/frames';
import { MockClock } from '../../../test/support/mock-clock';
import { MockNetwork } from '../../../test/support/mock-network';
import { RecordingLine } from '../../../test/support/recording-line';
import { OFFLOAD_GOOD, OFFLOAD_PARTIAL, type Mmio, type PortIo } from '../../hw';
import * as r from './e1000-regs';
import { E1000 } from './e1000';

const OWN = mac('00:16:3e:11:22:33');
const PEER = mac('52:54:00:00:00:01');
const TX_RING = 0x1000;
const RX_RING = 0x2000;
const RX_BUFFERS = 0x10000;
const TX_DATA = 0x40000;
const RING_ENTRIES = 8;
const PARTS = { destination: PEER, source: OWN, sequence: 100, flags: 0x18 };

function lab() {
  const memory = new ArrayMemory(1 << 20);
  const network = new MockNetwork();
  const clock = new MockClock();
  const device = new E1000('nic0', { clock, memory, network }, { mac: '00:16:3e:11:22:33' });
  const irq = new RecordingLine();
  device.irq = irq;
  const window = device.bars[0].handler as Mmio;
  const ports = device.bars[1].handler as PortIo;
  const read = (at: number): number => window.readMmio(at, 4);
  const write = (at: number, value: number): void => window.writeMmio(at, 4, value);
  const startReceive = (rctl = 0): void => {
    write(r.RDBAL, RX_RING);
    write(r.RDLEN, RING_ENTRIES * 16);
    for (let i = 0; i < RING_ENTRIES; i++)
      memory.writeU64(RX_RING + 16 * i, BigInt(RX_BUFFERS + 0x1000 * i));
    write(r.RDT, RING_ENTRIES - 1);
    write(r.RCTL, r.RCTL_EN | r.RCTL_BAM | r.RCTL_SECRC | rctl);
  };
  const startTransmit = (): void => {
    write(r.TDBAL, TX_RING);
    write(r.TDLEN, RING_ENTRIES * 16);
    write(r.TCTL, r.TCTL_EN);
  };
  const describeTx = (index: number, gpa: number, low: number, high: number): void => {
    const at = TX_RING + 16 * index;
    memory.writeU64(at, BigInt(gpa));
    memory.writeU32(at + 8, low >>> 0);
    memory.writeU32(at + 12, high >>> 0);
  };
  return {
    memory,
    network,
    clock,
    device,
    irq,
    window,
    ports,
    read,
    write,
    startReceive,
    startTransmit,
    describeTx,
  };
}

function frame(destination: readonly number[], length = 60): Uint8Array {
  const bytes = bytesOf(length);
  bytes.set(destination, 0);
  bytes.set(PEER, 6);
  bytes.set([0x88, 0xb5], 12);
  return bytes;
}

deviceContract('e1000', () => {
  const { device, window, ports } = lab();
  return { device, ports: [{ io: ports, count: 64 }], mmio: [{ io: window, bytes: 0x20000 }] };
});

describe('82540EM EEPROM and PHY (317453-005)', () => {
  it('reads words through EERD, whose sum is BABAh (5.6.35)', () => {
    const { read, write } = lab();
    let sum = 0;
    const words: number[] = [];
    for (let i = 0; i < 64; i++) {
      write(r.EERD, (i << 8) | 1);
      expect(read(r.EERD) & 0x10).toBe(0x10);
      words.push(read(r.EERD) >>> 16);
      sum += words[i];
    }
    expect(sum & 0xffff).toBe(0xbaba);
    expect(words.slice(0, 3)).toEqual([0x1600, 0x113e, 0x3322]);
  });

  it('reads words through the Microwire pins of EECD (13.4.3)', () => {
    const { read, write } = lab();
    write(r.EECD, r.EECD_REQ);
    expect(read(r.EECD) & r.EECD_GNT).not.toBe(0);
    const clock = (bit: number): number => {
      const pins = r.EECD_REQ | r.EECD_CS | (bit ? r.EECD_DI : 0);
      write(r.EECD, pins);
      write(r.EECD, pins | r.EECD_SK);
      const out = read(r.EECD) & r.EECD_DO ? 1 : 0;
      write(r.EECD, pins);
      return out;
    };
    const readWord = (address: number): number => {
      for (const bit of `110${address.toString(2).padStart(6, '0')}`) clock(Number(bit));
      let word = 0;
      for (let i = 0; i < 16; i++) word = (word << 1) | clock(0);
      write(r.EECD, r.EECD_REQ);
      return word;
    };
    expect(readWord(1)).toBe(0x113e);
    expect(readWord(0x0d)).toBe(0x100e);
  });

  it('reaches the PHY through MDIC, at address 1 only', () => {
    const { read, write, network } = lab();
    const phy = (register: number, address = 1): number => {
      write(r.MDIC, r.MDIC_OP_READ | (address << 21) | (register << 16));
      return read(r.MDIC);
    };
    expect(phy(2) & 0xffff).toBe(0x0141);
    expect(phy(1) & 0x24).toBe(0x24);
    expect(phy(2, 3) & r.MDIC_E).not.toBe(0);
    network.setLink(false);
    expect(phy(1) & 0x24).toBe(0);
    expect(read(r.STATUS) & r.STATUS_LU).toBe(0);
  });

  it('takes its address from the EEPROM, and gives all registers through I/O ports too', () => {
    const { read, ports } = lab();
    expect(read(r.RAL0)).toBe(0x113e1600);
    expect(read(r.RAH0)).toBe(0x80003322);
    ports.writePort(0, 4, r.RAL0);
    expect(ports.readPort(4, 4)).toBe(0x113e1600);
  });
});

describe('82540EM interrupts (13.4.17 to 13.4.21)', () => {
  it('raises its line for causes in the mask, until ICR is read', () => {
    const { read, write, irq, network } = lab();
    network.setLink(false);
    expect(irq.level).toBe(false);
    write(r.IMS, r.INT_LSC);
    expect(irq.level).toBe(true);
    expect(read(r.ICR)).toBe(r.INT_LSC);
    expect(irq.level).toBe(false);
    expect(read(r.ICR)).toBe(0);
  });

  it('waits between interrupts as ITR says, in units of 256 ns', () => {
    const { read, write, irq, clock } = lab();
    write(r.IMS, r.INT_RXT0);
    write(r.ITR, 1000);
    write(r.ICS, r.INT_RXT0);
    expect(irq.edges).toBe(1);
    read(r.ICR);
    write(r.ICS, r.INT_RXT0);
    expect(irq.level).toBe(false);
    clock.advance(255_999);
    expect(irq.level).toBe(false);
    clock.advance(1);
    expect(irq.level).toBe(true);
  });
});

describe('82540EM transmit (3.3)', () => {
  it('sends legacy descriptors, several a packet, and reports status', () => {
    const { memory, network, read, write, startTransmit, describeTx } = lab();
    startTransmit();
    const packet = frame(PEER, 100);
    memory.write(TX_DATA, packet.subarray(0, 30));
    memory.write(TX_DATA + 0x100, packet.subarray(30));
    describeTx(0, TX_DATA, 30, 0);
    describeTx(1, TX_DATA + 0x100, 70 | ((r.TX_CMD_EOP | r.TX_CMD_RS) << 24), 0);
    write(r.TDT, 2);
    expect(network.sent).toEqual([packet]);
    expect(memory.readU8(TX_RING + 12)).toBe(0);
    expect(memory.readU8(TX_RING + 28)).toBe(1);
    expect(read(r.TDH)).toBe(2);
    expect(read(r.ICR) & (r.INT_TXDW | r.INT_TXQE)).toBe(r.INT_TXDW | r.INT_TXQE);
    expect(read(r.GPTC)).toBe(1);
    expect(read(r.GPTC)).toBe(0);
  });

  const CONTEXT = r.TX_CMD_DEXT << 24;
  const DATA = ((r.TX_CMD_DEXT << 24) | (1 << 20)) >>> 0;

  it('inserts IP and TCP checksums', () => {
    const { memory, network, write, startTransmit, describeTx } = lab();
    startTransmit();
    const payload = bytesOf(77);
    memory.write(TX_DATA, tcpFrame({ ...PARTS, payload }, true));
    const at = TX_RING;
    memory.writeU32(at, 14 | (24 << 8) | (33 << 16));
    memory.writeU32(at + 4, 34 | (50 << 8));
    memory.writeU32(at + 8, CONTEXT | (1 << 24));
    memory.writeU32(at + 12, 0);
    describeTx(1, TX_DATA, DATA | ((54 + 77) & 0xfffff) | (r.TX_CMD_EOP << 24), 3 << 8);
    write(r.TDT, 2);
    expect(network.sent).toEqual([tcpFrame({ ...PARTS, payload })]);
  });

  it('cuts TCP segments and inserts VLAN tags', () => {
    const { memory, network, read, write, startTransmit, describeTx } = lab();
    startTransmit();
    write(r.CTRL, read(r.CTRL) | r.CTRL_VME);
    const payload = bytesOf(3000);
    memory.write(TX_DATA, tcpFrame({ ...PARTS, payload }, true));
    memory.writeU32(TX_RING, 14 | (24 << 8) | (33 << 16));
    memory.writeU32(TX_RING + 4, 34 | (50 << 8));
    memory.writeU32(TX_RING + 8, (CONTEXT | (7 << 24) | 3000) >>> 0);
    memory.writeU32(TX_RING + 12, (54 << 8) | (1400 << 16));
    const command = (r.TX_CMD_EOP | r.TX_CMD_TSE | r.TX_CMD_VLE) << 24;
    describeTx(1, TX_DATA, DATA | 3054 | command, (3 << 8) | (0x2005 << 16));
    write(r.TDT, 2);
    expect(network.sent.map((sent) => sent.length)).toEqual([1458, 1458, 258]);
    for (const sent of network.sent) {
      expect([...sent.subarray(12, 16)]).toEqual([0x81, 0, 0x20, 5]);
      const untagged = Uint8Array.of(...sent.subarray(0, 12), ...sent.subarray(16));
      expect(isIntact(untagged)).toBe(true);
    }
  });

  it('hands a large TCP segment on in one piece to a back end that takes it, a tagged one in frames', () => {
    const { memory, network, read, write, startTransmit, describeTx, device } = lab();
    network.takesOffload = true;
    startTransmit();
    const parts = { ...PARTS, payload: bytesOf(3000) };
    const packet = tcpFrame(parts, true);
    packet.fill(0, 16, 18);
    memory.write(TX_DATA, packet);
    memory.writeU32(TX_RING, 14 | (24 << 8) | (33 << 16));
    memory.writeU32(TX_RING + 4, 34 | (50 << 8));
    memory.writeU32(TX_RING + 8, (CONTEXT | (7 << 24) | 3000) >>> 0);
    memory.writeU32(TX_RING + 12, (54 << 8) | (1400 << 16));
    const command = (r.TX_CMD_EOP | r.TX_CMD_TSE) << 24;
    describeTx(1, TX_DATA, DATA | 3054 | command, 3 << 8);
    write(r.TDT, 2);
    const whole = tcpFrame(parts);
    whole.set(packet.subarray(50, 52), 50);
    expect(network.sent).toEqual([whole]);
    expect(network.offloads).toEqual([OFFLOAD_PARTIAL]);
    // Counted as the three frames of a wire.
    expect([device.counters.sent, read(r.GPTC)]).toEqual([3, 3]);

    write(r.CTRL, read(r.CTRL) | r.CTRL_VME);
    describeTx(2, TX_DATA, DATA | 3054 | command | (r.TX_CMD_VLE << 24), (3 << 8) | (5 << 16));
    write(r.TDT, 3);
    expect(network.sent.slice(1).map((sent) => sent.length)).toEqual([1458, 1458, 258]);
  });

  it('drops what is too long, and stops at a tail outside of the ring', () => {
    const { network, read, write, startTransmit, describeTx, device } = lab();
    startTransmit();
    for (let i = 0; i < 6; i++) describeTx(i, TX_DATA, 0xffff, 0);
    describeTx(6, TX_DATA, 0xffff | (r.TX_CMD_EOP << 24), 0);
    write(r.TDT, 7);
    expect(network.sent).toEqual([]);
    write(r.TDT, 9);
    expect(read(r.TDH)).toBe(7);
    expect(device.counters.sent).toBe(0);
  });
});

describe('82540EM receive (3.2)', () => {
  it('fills descriptors, and has no room when the ring is full', () => {
    const { memory, network, read, write, irq, startReceive } = lab();
    startReceive();
    write(r.IMS, r.INT_RXT0);
    expect(network.offer(frame(OWN, 100))).toBe(true);
    expect(memory.read(RX_BUFFERS, 100)).toEqual(frame(OWN, 100));
    expect(memory.readU16(RX_RING + 8)).toBe(100);
    expect(memory.readU8(RX_RING + 12)).toBe(r.RX_STATUS_DD | r.RX_STATUS_EOP | r.RX_STATUS_IXSM);
    expect(irq.level).toBe(true);
    expect(read(r.ICR) & r.INT_RXT0).toBe(r.INT_RXT0);
    for (let i = 0; i < 6; i++) expect(network.offer(frame(OWN))).toBe(true);
    expect(read(r.ICR) & r.INT_RXDMT0).toBe(r.INT_RXDMT0);
    expect(network.offer(frame(OWN))).toBe(false);
    const before = network.readies;
    write(r.RDT, 0);
    expect(network.readies).toBe(before + 1);
    expect(network.offer(frame(OWN))).toBe(true);
  });

  it('pads to 60 bytes, and gives the FCS unless told to strip it', () => {
    const { memory, network, write, startReceive } = lab();
    startReceive();
    write(r.RCTL, r.RCTL_EN | r.RCTL_UPE);
    network.offer(Uint8Array.from({ length: 14 }));
    expect(memory.readU16(RX_RING + 8)).toBe(64);
    // CRC-32 of sixty zeros.
    expect(memory.readU32(RX_BUFFERS + 60)).toBe(0x04128908);
  });

  it('spreads long frames over descriptors', () => {
    const { memory, network, startReceive } = lab();
    startReceive(1 << 16);
    network.offer(frame(OWN, 1514));
    expect(memory.readU16(RX_RING + 8)).toBe(1024);
    expect(memory.readU8(RX_RING + 12)).toBe(r.RX_STATUS_DD);
    expect(memory.readU16(RX_RING + 24)).toBe(490);
    expect(memory.readU8(RX_RING + 28) & r.RX_STATUS_EOP).toBe(r.RX_STATUS_EOP);
  });

  it('filters by address, multicast hash and VLAN', () => {
    const { network, read, write, device, startReceive } = lab();
    startReceive();
    const taken = (packet: Uint8Array): boolean => {
      write(r.RDT, (read(r.RDH) + RING_ENTRIES - 1) % RING_ENTRIES);
      const before = device.counters.received;
      network.offer(packet);
      return device.counters.received > before;
    };
    expect(taken(frame(OWN))).toBe(true);
    expect(taken(frame(mac('ff:ff:ff:ff:ff:ff')))).toBe(true);
    expect(taken(frame(PEER))).toBe(false);
    const group = mac('01:00:5e:00:00:fb');
    expect(taken(frame(group))).toBe(false);
    // MO 0: bits 47 to 36 of the address, FB0h: word 125, bit 16.
    write(r.MTA + 4 * 0x7d, 1 << 16);
    expect(taken(frame(group))).toBe(true);
    write(r.RCTL, read(r.RCTL) | r.RCTL_VFE);
    const tagged = frame(OWN);
    tagged.set([0x81, 0, 0, 37], 12);
    expect(taken(tagged)).toBe(false);
    write(r.VFTA + 4, 1 << 5);
    expect(taken(tagged)).toBe(true);
    write(r.RCTL, read(r.RCTL) | r.RCTL_UPE);
    expect(taken(frame(PEER))).toBe(true);
    write(r.RCTL, 0);
    expect(taken(frame(OWN))).toBe(false);
  });

  it('strips VLAN tags and reports checksums', () => {
    const { memory, network, read, write, startReceive } = lab();
    startReceive();
    write(r.CTRL, read(r.CTRL) | r.CTRL_VME);
    write(r.RXCSUM, r.RXCSUM_IPOFL | r.RXCSUM_TUOFL);
    const plain = tcpFrame({ ...PARTS, destination: OWN, payload: bytesOf(50) });
    network.offer(Uint8Array.of(...plain.subarray(0, 12), 0x81, 0, 0, 7, ...plain.subarray(12)));
    const status = r.RX_STATUS_VP | r.RX_STATUS_TCPCS | r.RX_STATUS_IPCS;
    expect(memory.readU8(RX_RING + 12) & status).toBe(status);
    expect(memory.readU8(RX_RING + 13)).toBe(0);
    expect(memory.readU16(RX_RING + 14)).toBe(7);
    expect(memory.read(RX_BUFFERS, plain.length)).toEqual(plain);
    plain[80] ^= 1;
    network.offer(plain);
    expect(memory.readU8(RX_RING + 16 + 13)).toBe(r.RX_ERROR_TCPE);
  });

  it('does not check what the back end has just made', () => {
    const { memory, network, write, startReceive } = lab();
    startReceive();
    write(r.RXCSUM, r.RXCSUM_IPOFL | r.RXCSUM_TUOFL);
    const packet = tcpFrame({ ...PARTS, destination: OWN, payload: bytesOf(90) });
    packet[80] ^= 1;
    network.offer(packet, OFFLOAD_GOOD);
    expect(memory.readU8(RX_RING + 13)).toBe(0);
    const checked = r.RX_STATUS_IPCS | r.RX_STATUS_TCPCS;
    expect(memory.readU8(RX_RING + 12) & checked).toBe(checked);
  });

  it.each([0, 14])('knows the sum from byte %i of what the back end has just made', (start) => {
    const { memory, network, write, startReceive } = lab();
    startReceive();
    write(r.RXCSUM, r.RXCSUM_TUOFL | start);
    for (const length of [0, 91, 1460]) {
      const packet = tcpFrame({ ...PARTS, destination: OWN, payload: bytesOf(length) });
      network.offer(packet, OFFLOAD_GOOD);
      network.offer(packet);
    }
    for (let i = 0; i < 6; i += 2)
      expect(memory.readU16(RX_RING + 16 * i + 10)).toBe(
        memory.readU16(RX_RING + 16 * (i + 1) + 10),
      );
    expect(memory.readU16(RX_RING + 10)).not.toBe(0);
  });

  it('makes no FCS for what never was on a wire', () => {
    const { memory, network, write, startReceive } = lab();
    startReceive();
    write(r.RCTL, r.RCTL_EN);
    const packet = tcpFrame({ ...PARTS, destination: OWN, payload: bytesOf(90) });
    memory.writeU32(RX_BUFFERS + packet.length, 0xffffffff);
    network.offer(packet, OFFLOAD_GOOD);
    expect(memory.readU16(RX_RING + 8)).toBe(packet.length + 4);
    expect(memory.readU32(RX_BUFFERS + packet.length)).toBe(0);
  });

  it('keeps rings, filters and a half-made packet over save and restore', () => {
    const first = lab();
    first.startTransmit();
    const packet = frame(PEER, 100);
    first.memory.write(TX_DATA, packet);
    first.describeTx(0, TX_DATA, 40, 0);
    first.describeTx(1, TX_DATA + 40, 60 | (r.TX_CMD_EOP << 24), 0);
    first.write(r.TDT, 1);
    const second = lab();
    second.memory.bytes.set(first.memory.bytes);
    second.device.restore(structuredClone(first.device.save()));
    second.write(r.TDT, 2);
    expect(second.network.sent).toEqual([packet]);
  });
});
