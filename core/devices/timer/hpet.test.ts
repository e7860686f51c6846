import { beforeEach, describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { MockClock } from '../../../test/support/mock-clock';
import { RecordingLine } from '../../../test/support/recording-line';
import { Hpet } from './hpet';

interface Rig {
  clock: MockClock;
  irq0: RecordingLine;
  irq8: RecordingLine;
  lines: Map<number, RecordingLine>;
  hpet: Hpet;
  legacy: boolean[];
}

function rig(): Rig {
  const clock = new MockClock();
  const irq0 = new RecordingLine();
  const irq8 = new RecordingLine();
  const lines = new Map([20, 21, 22, 23, 0].map((n) => [n, new RecordingLine()]));
  const legacy: boolean[] = [];
  const hpet = new Hpet({
    clock,
    irq0,
    irq8,
    line: (n) => lines.get(n) ?? new RecordingLine(),
    onLegacyReplacement: (on) => legacy.push(on),
  });
  return { clock, irq0, irq8, lines, hpet, legacy };
}

let r: Rig;
beforeEach(() => {
  r = rig();
});
const read = (offset: number): number => r.hpet.readMmio(offset, 4);
const write = (offset: number, value: number): void => r.hpet.writeMmio(offset, 4, value);

describe('Hpet', () => {
  it('tells three 64-bit timers, legacy replacement and a 10 ns period', () => {
    expect(read(0x000)).toBe(0x8086a201);
    expect(read(0x004)).toBe(10_000_000);
  });

  it('counts at 100 MHz only while enabled and keeps a written value', () => {
    r.clock.advance(1000);
    expect(read(0x0f0)).toBe(0);
    write(0x0f0, 0xfffffff0);
    write(0x0f4, 0x7);
    write(0x010, 1);
    r.clock.advance(320);
    expect([read(0x0f0), read(0x0f4)]).toEqual([0x10, 0x8]);
    write(0x010, 0);
    r.clock.advance(1000);
    expect(read(0x0f0)).toBe(0x10);
  });

  it('replaces IRQ0 and fires a one-shot comparator once (Linux hpet_next_event)', () => {
    write(0x010, 3);
    expect(r.legacy).toEqual([true]);
    write(0x100, 0x0104);
    write(0x108, read(0x0f0) + 5000);
    r.clock.advance(49_990);
    expect(r.irq0.edges).toBe(0);
    r.clock.advance(10);
    expect(r.irq0.edges).toBe(1);
    r.clock.advance(1e9);
    expect(r.irq0.edges).toBe(1);
  });

  it('fires periodically after a Tn_VAL_SET write of comparator and period', () => {
    write(0x010, 3);
    write(0x100, 0x014c);
    write(0x108, 1000);
    write(0x108, 400);
    r.clock.advance(10_000);
    expect(r.irq0.edges).toBe(1);
    r.clock.advance(4_000 * 10);
    expect(r.irq0.edges).toBe(11);
    expect(read(0x108)).toBe(1000 + 11 * 400);
  });

  it('sets a 64-bit comparator and period with two halves each', () => {
    write(0x010, 1);
    write(0x100, 0x004c | (20 << 9));
    write(0x108, 100);
    write(0x10c, 0);
    write(0x108, 50);
    write(0x10c, 0);
    r.clock.advance(2000);
    expect(r.lines.get(20)!.edges).toBe(3);
  });

  it('holds a level until its status bit is written', () => {
    write(0x010, 1);
    write(0x120, 0x0106 | (21 << 9));
    write(0x128, 100);
    r.clock.advance(1000);
    expect(read(0x020)).toBe(2);
    expect(r.lines.get(21)!.level).toBe(true);
    write(0x020, 2);
    expect(r.lines.get(21)!.level).toBe(false);
    expect(read(0x020)).toBe(0);
  });
});

deviceContract('Hpet', () => {
  const { hpet } = rig();
  return { device: hpet, mmio: [{ io: hpet, bytes: 0x400 }] };
});
