import { describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { MockClock } from '../../../test/support/mock-clock';
import { RecordingLine } from '../../../test/support/recording-line';
import { I8254, PIT_HZ } from './i8254';

const TICK_NS = 1e9 / PIT_HZ;

function rig(): { clock: MockClock; irq: RecordingLine; pit: I8254; ticks(n: number): void } {
  const clock = new MockClock();
  const irq = new RecordingLine();
  const pit = new I8254({ clock, irq });
  const start = clock.now;
  let total = 0;
  return {
    clock,
    irq,
    pit,
    ticks(n) {
      total += n;
      clock.advance(Math.ceil(start + total * TICK_NS) + 1 - clock.now);
    },
  };
}

/** Control word, then the count low byte first. */
function program(pit: I8254, channel: number, mode: number, count: number): void {
  pit.writePort(3, 1, (channel << 6) | 0x30 | (mode << 1));
  pit.writePort(channel, 1, count & 0xff);
  pit.writePort(channel, 1, (count >> 8) & 0xff);
}

function count(pit: I8254, channel: number): number {
  pit.writePort(3, 1, channel << 6);
  const low = pit.readPort(channel, 1);
  return low | (pit.readPort(channel, 1) << 8);
}

describe('I8254', () => {
  it('interrupts once at terminal count in mode 0 and counts on from FFFFh', () => {
    const { pit, irq, ticks } = rig();
    program(pit, 0, 0, 1000);
    expect(irq.level).toBe(false);
    ticks(999);
    expect(irq.level).toBe(false);
    ticks(1);
    expect(irq.level).toBe(true);
    ticks(10);
    expect(count(pit, 0)).toBe(65536 - 10);
    expect(irq.edges).toBe(1);
  });

  it('interrupts every period in mode 2 (rate generator)', () => {
    const { pit, irq, ticks } = rig();
    program(pit, 0, 2, 4772);
    const before = irq.edges;
    ticks(4772 * 25);
    expect(irq.edges - before).toBe(25);
    expect(count(pit, 0)).toBe(4772);
    ticks(72);
    expect(count(pit, 0)).toBe(4700);
  });

  it('gives a square wave in mode 3 that counts down by two', () => {
    const { pit, irq, ticks } = rig();
    program(pit, 0, 3, 0);
    expect(irq.level).toBe(true);
    ticks(100);
    expect(count(pit, 0)).toBe(65336);
    ticks(32768 - 100);
    expect(irq.level).toBe(false);
    ticks(32768);
    expect(irq.level).toBe(true);
  });

  it('shows OUT2 at port 61h for a mode 0 calibration loop (Linux pit_calibrate_tsc)', () => {
    const { pit, ticks } = rig();
    pit.port61.writePort(0, 1, 0x01);
    program(pit, 2, 0, 59659);
    expect(pit.port61.readPort(0, 1) & 0x20).toBe(0);
    ticks(59658);
    expect(pit.port61.readPort(0, 1) & 0x20).toBe(0);
    ticks(1);
    expect(pit.port61.readPort(0, 1) & 0x20).toBe(0x20);
  });

  it('stops counting of mode 0 while gate 2 is low', () => {
    const { pit, ticks } = rig();
    pit.port61.writePort(0, 1, 0x01);
    program(pit, 2, 0, 1000);
    ticks(400);
    pit.port61.writePort(0, 1, 0x00);
    ticks(5000);
    expect(count(pit, 2)).toBe(600);
    pit.port61.writePort(0, 1, 0x01);
    ticks(100);
    expect(count(pit, 2)).toBe(500);
  });

  it('starts a one-shot with the rising gate in mode 1', () => {
    const { pit, ticks } = rig();
    program(pit, 2, 1, 100);
    ticks(500);
    expect(pit.port61.readPort(0, 1) & 0x20).toBe(0x20);
    pit.port61.writePort(0, 1, 1);
    expect(pit.port61.readPort(0, 1) & 0x20).toBe(0);
    ticks(100);
    expect(pit.port61.readPort(0, 1) & 0x20).toBe(0x20);
  });

  it('costs nothing while counter 0 is wired to nobody, and counts on all the same', () => {
    const { pit, irq, ticks, clock } = rig();
    program(pit, 0, 2, 1000);
    pit.connect(false);
    const before = irq.edges;
    expect(clock.nextDeadlineNs).toBe(Infinity);
    ticks(2500);
    expect(irq.edges).toBe(before);
    expect(count(pit, 0)).toBe(500);
    pit.connect(true);
    ticks(500);
    expect(irq.edges).toBe(before + 1);
  });

  it('strobes once at the end of mode 4', () => {
    const { pit, irq, ticks } = rig();
    program(pit, 0, 4, 50);
    const before = irq.edges;
    ticks(500);
    expect(irq.edges - before).toBe(1);
  });

  it('holds a latched count until it was read', () => {
    const { pit, ticks } = rig();
    program(pit, 0, 2, 1000);
    ticks(10);
    pit.writePort(3, 1, 0x00);
    ticks(100);
    pit.writePort(3, 1, 0x00);
    expect(pit.readPort(0, 1) | (pit.readPort(0, 1) << 8)).toBe(990);
    expect(pit.readPort(0, 1) | (pit.readPort(0, 1) << 8)).toBe(890);
  });

  it('reads status, then count, after a read-back of both', () => {
    const { pit, ticks } = rig();
    program(pit, 0, 2, 1000);
    ticks(1);
    pit.writePort(3, 1, 0xc2);
    expect(pit.readPort(0, 1)).toBe(0x80 | 0x30 | 0x04);
    expect(pit.readPort(0, 1) | (pit.readPort(0, 1) << 8)).toBe(999);
  });

  it('counts in BCD', () => {
    const { pit, ticks } = rig();
    pit.writePort(3, 1, 0x35);
    pit.writePort(0, 1, 0x00);
    pit.writePort(0, 1, 0x10);
    ticks(1);
    pit.writePort(3, 1, 0x00);
    expect(pit.readPort(0, 1)).toBe(0x99);
    expect(pit.readPort(0, 1)).toBe(0x09);
  });

  it('loads a new count of mode 2 only when the running period is over', () => {
    const { pit, ticks } = rig();
    program(pit, 0, 2, 1000);
    ticks(100);
    pit.writePort(0, 1, 100);
    pit.writePort(0, 1, 0);
    expect(count(pit, 0)).toBe(900);
    ticks(900);
    expect(count(pit, 0)).toBeLessThanOrEqual(100);
    ticks(50);
    expect(count(pit, 0)).toBe(50);
  });
});

deviceContract('I8254', () => {
  const { pit } = rig();
  return {
    device: pit,
    ports: [
      { io: pit, count: 4 },
      { io: pit.port61, count: 1 },
    ],
  };
});
