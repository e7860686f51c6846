import { beforeEach, describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { MockClock } from '../../../test/support/mock-clock';
import { ApicInterconnect } from './apic-bus';
import { IoApic } from './ioapic';
import { LocalApic } from './local-apic';

interface Rig {
  clock: MockClock;
  bus: ApicInterconnect;
  apic: LocalApic;
  ioapic: IoApic;
  signals: string[];
  tscOffset: { value: bigint };
}

function rig(): Rig {
  const clock = new MockClock();
  const bus = new ApicInterconnect();
  const ioapic = new IoApic({ bus });
  const signals: string[] = [];
  const tscOffset = { value: 0n };
  const apic = new LocalApic(
    {
      clock,
      bus,
      pic: { acknowledge: () => 0x31 },
      endOfInterrupt: (vector) => ioapic.endOfInterrupt(vector),
      tsc: { read: () => BigInt(Math.floor(clock.now * 2)) + tscOffset.value, hz: 2e9 },
      processor: {
        interrupt() {},
        nonMaskable: () => signals.push('nmi'),
        init: () => signals.push('init'),
        startUp: (vector) => signals.push(`sipi ${vector}`),
      },
      onBase: (address) => signals.push(`base ${address?.toString(16) ?? 'none'}`),
    },
    { apicId: 0, bootstrap: true, timerHz: 1e9 },
  );
  bus.attach(apic);
  return { clock, bus, apic, ioapic, signals, tscOffset };
}

const SVR = 0xf0;
const EOI = 0xb0;
const TPR = 0x80;
const ICR = 0x300;
const LVT_TIMER = 0x320;
const LVT_LINT0 = 0x350;
const INITIAL = 0x380;
const CURRENT = 0x390;
const DIVIDE = 0x3e0;

let r: Rig;
beforeEach(() => {
  r = rig();
  r.apic.writeMmio(SVR, 4, 0x1ff);
});

const route = (pin: number, low: number, high = 0): void => {
  r.ioapic.writeMmio(0, 4, 0x11 + 2 * pin);
  r.ioapic.writeMmio(0x10, 4, high);
  r.ioapic.writeMmio(0, 4, 0x10 + 2 * pin);
  r.ioapic.writeMmio(0x10, 4, low);
};
const entry = (pin: number): number => {
  r.ioapic.writeMmio(0, 4, 0x10 + 2 * pin);
  return r.ioapic.readMmio(0x10, 4);
};

describe('LocalApic', () => {
  it('has the power-up values of SDM 3A 11.4.7.1', () => {
    const { apic } = rig();
    expect(apic.readMmio(SVR, 4)).toBe(0xff);
    expect(apic.readMmio(0xe0, 4)).toBe(0xffffffff);
    expect(apic.readMmio(LVT_TIMER, 4)).toBe(0x10000);
    expect(apic.readMmio(0x30, 4) & 0xff).toBe(0x14);
    expect(apic.readApicBase()).toBe(0xfee00900n);
  });

  it('delivers by priority class and holds what is not above the processor priority', () => {
    const { apic, bus } = r;
    const fixed = (vector: number): void =>
      bus.deliver({
        destination: 0,
        logical: false,
        deliveryMode: 0,
        vector,
        levelTriggered: false,
      });
    fixed(0x41);
    fixed(0x52);
    expect(apic.acknowledge()).toBe(0x52);
    expect(apic.hasPending()).toBe(false);
    fixed(0x5f);
    expect(apic.hasPending()).toBe(false);
    fixed(0x60);
    expect(apic.acknowledge()).toBe(0x60);
    apic.writeMmio(EOI, 4, 0);
    apic.writeMmio(EOI, 4, 0);
    expect(apic.acknowledge()).toBe(0x5f);
    apic.writeMmio(EOI, 4, 0);
    apic.taskPriority = 4;
    expect(apic.hasPending()).toBe(false);
    expect(apic.readMmio(TPR, 4)).toBe(0x40);
    apic.taskPriority = 3;
    expect(apic.acknowledge()).toBe(0x41);
  });

  it('ignores fixed interrupts while software-disabled and masks the LVT', () => {
    const { apic, bus } = r;
    apic.writeMmio(LVT_TIMER, 4, 0x40);
    apic.writeMmio(SVR, 4, 0xff);
    expect(apic.readMmio(LVT_TIMER, 4)).toBe(0x10040);
    bus.deliver({
      destination: 0,
      logical: false,
      deliveryMode: 0,
      vector: 0x40,
      levelTriggered: false,
    });
    expect(apic.hasPending()).toBe(false);
  });

  it('takes the vector of the 8259 through LINT0 as ExtINT, disabled or virtual wire', () => {
    const { apic } = r;
    apic.lint[0].set(true);
    expect(apic.hasPending()).toBe(true);
    expect(apic.acknowledge()).toBe(0x31);
    apic.writeMmio(LVT_LINT0, 4, 0x10700);
    expect(apic.hasPending()).toBe(false);
    expect(apic.writeApicBase(0xfee00000n)).toBe(true);
    expect(apic.hasPending()).toBe(true);
    expect(apic.readMmio(SVR, 4)).toBe(0xffffffff);
  });

  it('delivers LINT0 as a fixed interrupt (check_timer "virtual wire")', () => {
    const { apic } = r;
    apic.writeMmio(LVT_LINT0, 4, 0x30);
    apic.lint[0].set(true);
    expect(apic.acknowledge()).toBe(0x30);
  });

  it('counts down, fires once, and stays at zero in one-shot mode', () => {
    const { apic, clock } = r;
    apic.writeMmio(LVT_TIMER, 4, 0xee);
    apic.writeMmio(DIVIDE, 4, 0x3); // divide by 16
    apic.writeMmio(INITIAL, 4, 1000);
    clock.advance(8000);
    expect(apic.readMmio(CURRENT, 4)).toBe(500);
    expect(apic.hasPending()).toBe(false);
    clock.advance(8000);
    expect(apic.acknowledge()).toBe(0xee);
    expect(apic.readMmio(CURRENT, 4)).toBe(0);
    apic.writeMmio(EOI, 4, 0);
    clock.advance(100_000);
    expect(apic.hasPending()).toBe(false);
  });

  it('reloads in periodic mode and stops at initial count 0', () => {
    const { apic, clock } = r;
    apic.writeMmio(LVT_TIMER, 4, 0x200ee);
    apic.writeMmio(DIVIDE, 4, 0xb);
    apic.writeMmio(INITIAL, 4, 10_000);
    for (let i = 0; i < 3; i++) {
      clock.advance(10_000);
      expect(apic.acknowledge()).toBe(0xee);
      apic.writeMmio(EOI, 4, 0);
    }
    apic.writeMmio(INITIAL, 4, 0);
    clock.advance(100_000);
    expect(apic.hasPending()).toBe(false);
  });

  it('fires at the TSC deadline and disarms itself', () => {
    const { apic, clock, tscOffset } = r;
    tscOffset.value = 1_000_000n;
    apic.writeMmio(LVT_TIMER, 4, 0x400ec);
    expect(apic.writeMsr(0x6e0, 1_000_000n + 20_000n)).toBe(true);
    expect(apic.readMsr(0x6e0)).toBe(1_020_000n);
    clock.advance(9_999);
    expect(apic.hasPending()).toBe(false);
    clock.advance(1);
    expect(apic.acknowledge()).toBe(0xec);
    expect(apic.readMsr(0x6e0)).toBe(0n);
  });

  it('fires a TSC deadline in the past at once', () => {
    const { apic, clock } = r;
    clock.advance(1000);
    apic.writeMmio(LVT_TIMER, 4, 0x400ec);
    apic.writeMsr(0x6e0, 1n);
    clock.advance(0);
    expect(apic.hasPending()).toBe(true);
  });

  it('sends itself IPIs by shorthand and to other processors INIT and start-up', () => {
    const { apic, bus, signals } = r;
    apic.writeMmio(ICR, 4, 0x40000 | 0xfd);
    expect(apic.acknowledge()).toBe(0xfd);
    const other: string[] = [];
    bus.attach({
      matches: (d) => d === 1,
      processorPriority: 0,
      accept: (m) => other.push(`${m.deliveryMode}:${m.vector}`),
    });
    apic.writeMmio(0x310, 4, 1 << 24);
    apic.writeMmio(ICR, 4, 0xc500);
    apic.writeMmio(ICR, 4, 0x8500);
    apic.writeMmio(ICR, 4, 0x4609);
    apic.writeMmio(ICR, 4, 0xc0400 + 0x4000);
    expect(other).toEqual(['5:0', '6:9', '4:0']);
    expect(signals).toEqual([]);
  });

  it('matches logical destinations in flat and cluster mode (SDM 3A 11.6.2.2)', () => {
    const { apic } = r;
    apic.writeMmio(0xd0, 4, 0x01000000);
    expect(apic.matches(0x03, true)).toBe(true);
    expect(apic.matches(0x02, true)).toBe(false);
    apic.writeMmio(0xe0, 4, 0x0fffffff);
    apic.writeMmio(0xd0, 4, 0x21000000);
    expect(apic.matches(0x21, true)).toBe(true);
    expect(apic.matches(0x11, true)).toBe(false);
  });

  it('allows exactly the mode changes of SDM 3A figure 11-27', () => {
    const { apic, signals } = r;
    expect(apic.writeApicBase(0xfee00500n)).toBe(false);
    expect(apic.writeApicBase(0xfee00901n)).toBe(false);
    expect(apic.writeApicBase(0xfee00d00n)).toBe(true);
    expect(apic.writeApicBase(0xfee00900n)).toBe(false);
    expect(apic.readMsr(0x802)).toBe(0n);
    expect(apic.readMsr(0x803)).toBe(0x01050014n);
    expect(apic.readMsr(0x80b)).toBeUndefined();
    expect(apic.writeMsr(0x80b, 1n)).toBe(false);
    expect(apic.writeMsr(0x80b, 0n)).toBe(true);
    expect(apic.writeMsr(0x832, 1n << 40n)).toBe(false);
    expect(apic.writeMsr(0x83f, 0x55n)).toBe(true);
    expect(apic.acknowledge()).toBe(0x55);
    expect(apic.writeApicBase(0xfee00000n)).toBe(true);
    expect(apic.writeApicBase(0xfee00d00n)).toBe(false);
    expect(signals).toEqual(['base none', 'base none']);
  });
});

describe('IoApic', () => {
  it('tells 24 entries and holds none pending that was masked (82093AA 3.2.4)', () => {
    r.ioapic.writeMmio(0, 4, 1);
    expect(r.ioapic.readMmio(0x10, 4)).toBe(0x00170020);
    r.ioapic.input(4).set(true);
    route(4, 0x44);
    expect(r.apic.hasPending()).toBe(false);
    r.ioapic.input(4).set(false);
    r.ioapic.input(4).set(true);
    expect(r.apic.acknowledge()).toBe(0x44);
  });

  it('holds remote IRR until EOI and sends again while the line is high', () => {
    route(10, 0x8000 | 0x5a);
    r.ioapic.input(10).set(true);
    expect(entry(10) & 0x4000).toBe(0x4000);
    expect(r.apic.acknowledge()).toBe(0x5a);
    r.ioapic.input(10).set(false);
    r.ioapic.input(10).set(true);
    expect(r.apic.hasPending()).toBe(false);
    r.apic.writeMmio(EOI, 4, 0);
    expect(r.apic.acknowledge()).toBe(0x5a);
    r.ioapic.input(10).set(false);
    r.apic.writeMmio(EOI, 4, 0);
    expect(entry(10) & 0x4000).toBe(0);
    expect(r.apic.hasPending()).toBe(false);
  });

  it('delivers a level that was up before the entry was unmasked', () => {
    route(11, 0x18000 | 0x5b);
    r.ioapic.input(11).set(true);
    route(11, 0x8000 | 0x5b);
    expect(r.apic.acknowledge()).toBe(0x5b);
  });

  it('clears remote IRR when the entry becomes edge triggered, and by the EOI register', () => {
    route(10, 0x8000 | 0x5a);
    r.ioapic.input(10).set(true);
    route(10, 0x10000 | 0x5a);
    expect(entry(10) & 0x4000).toBe(0);
    route(10, 0x8000 | 0x5a);
    r.ioapic.input(10).set(false);
    r.ioapic.writeMmio(0x40, 4, 0x5a);
    expect(entry(10) & 0x4000).toBe(0);
  });

  it('delivers ExtINT through an input (check_timer "ExtINT on pin 0")', () => {
    r.apic.writeMmio(LVT_LINT0, 4, 0x10000);
    route(0, 0x700);
    r.ioapic.input(0).set(true);
    expect(r.apic.acknowledge()).toBe(0x31);
    expect(r.apic.hasPending()).toBe(false);
  });
});

deviceContract('LocalApic', () => {
  const { apic } = rig();
  return { device: apic, mmio: [{ io: apic, bytes: 0x1000 }] };
});
deviceContract('IoApic', () => {
  const { ioapic } = rig();
  return { device: ioapic, mmio: [{ io: ioapic, bytes: 0x1000 }] };
});
