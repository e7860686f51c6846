import { beforeEach, describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { MockClock } from '../../../test/support/mock-clock';
import { RecordingLine } from '../../../test/support/recording-line';
import { Mc146818 } from './mc146818';

let clock: MockClock;
let irq: RecordingLine;
let rtc: Mc146818;
beforeEach(() => {
  clock = new MockClock();
  irq = new RecordingLine();
  rtc = new Mc146818({ clock, irq });
});
const read = (index: number): number => {
  rtc.writePort(0, 1, index);
  return rtc.readPort(1, 1);
};
const write = (index: number, value: number): void => {
  rtc.writePort(0, 1, index);
  rtc.writePort(1, 1, value);
};
const time = (): number[] => [0x32, 9, 8, 7, 4, 2, 0].map(read);

describe('Mc146818', () => {
  it('shows UTC in BCD and 24 hours after power-on', () => {
    expect(time()).toEqual([0x20, 0x24, 0x02, 0x29, 0x12, 0x34, 0x56]);
    expect(read(6)).toBe(5);
    expect(read(0x0d)).toBe(0x80);
  });

  it('follows data mode and hour format', () => {
    write(0x0b, 0x04);
    clock.advance(60e9 * 60);
    expect(time()).toEqual([20, 24, 2, 29, 0x81, 34, 56]);
    clock.advance(60e9 * 60 * 11);
    expect(read(4)).toBe(12);
  });

  it('keeps time from what was set, across the month end', () => {
    write(0x0b, 0x82);
    [0x20, 0x23, 0x12, 0x31, 0x23, 0x59, 0x58].forEach((value, i) =>
      write([0x32, 9, 8, 7, 4, 2, 0][i], value),
    );
    clock.advance(10e9);
    expect(read(0)).toBe(0x58);
    write(0x0b, 0x02);
    clock.advance(3e9);
    expect(time()).toEqual([0x20, 0x24, 0x01, 0x01, 0x00, 0x00, 0x01]);
  });

  it('raises UIP before the second turns and drops it after', () => {
    clock.advance(999.8e6);
    expect(read(0x0a) & 0x80).toBe(0x80);
    clock.advance(0.3e6);
    expect(read(0x0a) & 0x80).toBe(0);
  });

  it('interrupts at every update while UIE is set and clears flags on reading C', () => {
    write(0x0b, 0x12);
    clock.advance(1.5e9);
    expect(irq.level).toBe(true);
    expect(read(0x0c) & 0x90).toBe(0x90);
    expect(irq.level).toBe(false);
    expect(read(0x0c)).toBe(0);
    clock.advance(1e9);
    expect(irq.edges).toBe(2);
  });

  it('interrupts at 1024 Hz with rate 6 and PIE', () => {
    write(0x0b, 0x42);
    let seen = 0;
    for (let i = 0; i < 100; i++) {
      clock.advance(976_563);
      if (read(0x0c) & 0x40) seen++;
    }
    expect(seen).toBe(100);
    expect(irq.edges).toBe(100);
  });

  it("sounds the alarm, don't-care hours included", () => {
    write(1, 0x05);
    write(3, 0x35);
    write(5, 0xc0);
    write(0x0b, 0x22);
    clock.advance(8e9);
    expect(irq.edges).toBe(0);
    clock.advance(1e9);
    expect(read(0x0c) & 0xa0).toBe(0xa0);
  });

  it('shows flags to a poller that enabled no interrupt', () => {
    read(0x0c);
    clock.advance(1e9);
    expect(read(0x0c) & 0xd0).toBe(0x50);
  });

  it('keeps CMOS RAM and time over a reset, not the interrupt enables', () => {
    write(0x40, 0x5a);
    write(0x0b, 0x72);
    rtc.reset('warm');
    expect([read(0x40), read(0x0b)]).toEqual([0x5a, 0x02]);
  });
});

deviceContract('Mc146818', () => {
  const device = new Mc146818({ clock: new MockClock(), irq: new RecordingLine() });
  return { device, ports: [{ io: device, count: 2 }] };
});
