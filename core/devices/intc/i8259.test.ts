import { describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { RecordingLine } from '../../../test/support/recording-line';
import { I8259 } from './i8259';

function pair(): { master: I8259; slave: I8259; int: RecordingLine } {
  const int = new RecordingLine();
  const slave = new I8259(
    { int: { set: (level) => master.input(2).set(level) } },
    { id: 'slave', elcrMask: 0xde },
  );
  const master: I8259 = new I8259(
    { int },
    { id: 'master', elcrMask: 0xf8, cascade: { input: 2, slave } },
  );
  return { master, slave, int };
}

function initialise(pic: I8259, base: number, icw3: number, icw4 = 0x01): void {
  pic.writePort(0, 1, 0x11);
  pic.writePort(1, 1, base);
  pic.writePort(1, 1, icw3);
  pic.writePort(1, 1, icw4);
  pic.writePort(1, 1, 0);
}

function initialised(): ReturnType<typeof pair> {
  const p = pair();
  initialise(p.master, 0x20, 0x04);
  initialise(p.slave, 0x28, 0x02);
  return p;
}

describe('I8259', () => {
  it('delivers the vector of an edge and holds lower requests until EOI', () => {
    const { master, int } = initialised();
    master.input(1).set(true);
    expect(int.level).toBe(true);
    expect(master.acknowledge()).toBe(0x21);
    expect(int.level).toBe(false);
    master.input(4).set(true);
    expect(int.level).toBe(false);
    master.writePort(0, 1, 0x20);
    expect(int.level).toBe(true);
    expect(master.acknowledge()).toBe(0x24);
  });

  it('lets a higher request interrupt a lower one in service', () => {
    const { master } = initialised();
    master.input(5).set(true);
    expect(master.acknowledge()).toBe(0x25);
    master.input(0).set(true);
    expect(master.acknowledge()).toBe(0x20);
    master.writePort(0, 1, 0x0b);
    expect(master.readPort(0, 1)).toBe(0x21);
  });

  it('passes slave requests through IR2 with the vector of the slave', () => {
    const { master, slave, int } = initialised();
    slave.input(4).set(true);
    expect(int.level).toBe(true);
    expect(master.acknowledge()).toBe(0x2c);
    slave.writePort(0, 1, 0x0b);
    expect(slave.readPort(0, 1)).toBe(0x10);
    // Two slave requests: the second waits for both EOIs.
    slave.input(6).set(true);
    expect(int.level).toBe(false);
    slave.writePort(0, 1, 0x20);
    master.writePort(0, 1, 0x20);
    expect(master.acknowledge()).toBe(0x2e);
  });

  it('gives a spurious IR7 when the request was masked before INTA', () => {
    const { master, int } = initialised();
    master.input(3).set(true);
    master.writePort(1, 1, 0xff);
    expect(int.level).toBe(false);
    expect(master.acknowledge()).toBe(0x27);
    master.writePort(0, 1, 0x0b);
    expect(master.readPort(0, 1)).toBe(0);
  });

  it('requests again after EOI while a level-triggered line stays high', () => {
    const { slave, master, int } = initialised();
    slave.elcr.writePort(0, 1, 0x04);
    slave.input(2).set(true);
    expect(master.acknowledge()).toBe(0x2a);
    slave.writePort(0, 1, 0x20);
    master.writePort(0, 1, 0x20);
    expect(int.level).toBe(true);
    slave.input(2).set(false);
    // The cascade latch remains: the master asks, the slave has nothing.
    expect(master.acknowledge()).toBe(0x2f);
  });

  it('keeps the ELCR bits of IRQ 0, 1, 2, 8 and 13 clear (PIIX3 2.5.11)', () => {
    const { master, slave } = pair();
    master.elcr.writePort(0, 1, 0xff);
    slave.elcr.writePort(0, 1, 0xff);
    expect([master.elcr.readPort(0, 1), slave.elcr.readPort(0, 1)]).toEqual([0xf8, 0xde]);
  });

  it('rotates priorities on specific and non-specific EOI', () => {
    const { master } = initialised();
    master.input(2 + 1).set(true);
    expect(master.acknowledge()).toBe(0x23);
    master.writePort(0, 1, 0xa0);
    // IR3 is now lowest: IR4 beats IR3.
    master.input(3).set(false);
    master.input(3).set(true);
    master.input(4).set(true);
    expect(master.acknowledge()).toBe(0x24);
  });

  it('serves lower requests in special mask mode', () => {
    const { master, int } = initialised();
    master.input(1).set(true);
    master.acknowledge();
    master.input(6).set(true);
    expect(int.level).toBe(false);
    master.writePort(1, 1, 0x02);
    master.writePort(0, 1, 0x68);
    expect(master.acknowledge()).toBe(0x26);
  });

  it('answers the poll command and keeps no ISR bit with automatic EOI', () => {
    const { master } = initialised();
    master.input(4).set(true);
    master.writePort(0, 1, 0x0c);
    expect(master.readPort(0, 1)).toBe(0x84);
    initialise(master, 0x20, 4, 0x03);
    master.input(5).set(true);
    expect(master.acknowledge()).toBe(0x25);
    master.writePort(0, 1, 0x0b);
    expect(master.readPort(0, 1)).toBe(0);
  });

  it('forgets edges latched before ICW1', () => {
    const { master, int } = pair();
    master.input(0).set(true);
    initialise(master, 8, 4);
    expect(int.level).toBe(false);
  });
});

deviceContract('I8259', () => {
  const { master } = pair();
  return {
    device: master,
    ports: [
      { io: master, count: 2 },
      { io: master.elcr, count: 1 },
    ],
  };
});
