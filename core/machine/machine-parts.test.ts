import { beforeEach, describe, expect, it } from 'vitest';
import {
  CODE_MAP_BASE,
  DIRTY_MAP_BASE,
  PHYS_MAP_BASE,
  PHYS_READ,
  PHYS_WRITE,
  RAM_BASE,
} from '../cpu';
import type { Mmio, PortIo, Vcpu, VcpuExit } from '../hw';
import { RecordingLine } from '../../test/support/recording-line';
import { MachineAddressSpace } from './address-space';
import { MachineClock } from './clock';
import { GatedLine, WiredOr } from './irq';
import { PortMap } from './port-map';
import { RunLoop } from './run-loop';

const MIB = 1 << 20;

class HandTime {
  ms = 1000;
  monotonicMs(): number {
    return this.ms;
  }
  wallMs(): number {
    return 1e12 + this.ms;
  }
}

describe('MachineClock', () => {
  it('runs with the host, stands still while stopped, and never steps back', () => {
    const time = new HandTime();
    const clock = new MachineClock(time);
    time.ms += 5;
    expect(clock.now).toBe(0);
    clock.start();
    time.ms += 5;
    expect(clock.now).toBe(5e6);
    clock.stop();
    time.ms += 100;
    expect(clock.now).toBe(5e6);
    clock.start();
    time.ms += 1;
    expect(clock.now).toBe(6e6);
    time.ms -= 3;
    expect(clock.now).toBe(6e6);
  });

  it('fires due timers in order, once, and tells the next deadline', () => {
    const time = new HandTime();
    const clock = new MachineClock(time);
    clock.start();
    const fired: string[] = [];
    const a = clock.timer(() => fired.push('a'));
    const b = clock.timer(() => fired.push('b'));
    const c = clock.timer(() => fired.push('c'));
    a.arm(2e6);
    b.arm(1e6);
    c.arm(9e6);
    expect(clock.nextDeadlineNs).toBe(1e6);
    time.ms += 3;
    clock.fireDue();
    expect(fired).toEqual(['b']);
    clock.fireDue();
    expect(fired).toEqual(['b', 'a']);
    expect([a.deadlineNs, clock.nextDeadlineNs]).toEqual([Infinity, 9e6]);
    c.cancel();
    expect(clock.nextDeadlineNs).toBe(Infinity);
  });

  it('waits for timers, so that a guest kept from running sees each tick with its time', () => {
    const time = new HandTime();
    const clock = new MachineClock(time);
    clock.start();
    const ticks: number[] = [];
    const timer = clock.timer(() => {
      ticks.push(clock.now);
      timer.arm((ticks.length + 1) * 4e6);
    });
    timer.arm(4e6);
    time.ms += 399;
    for (let slice = 0; slice < 99; slice++) clock.fireDue();
    expect(ticks.length).toBe(99);
    expect(ticks.every((at, i) => at >= (i + 1) * 4e6 && at <= (i + 1) * 4e6 + 200_000)).toBe(true);
    expect(clock.now).toBe(399e6);
    expect(clock.hostNow).toBe(399e6);
  });

  it('does not stay behind the host for ever', () => {
    const time = new HandTime();
    const clock = new MachineClock(time);
    clock.start();
    clock.timer(() => {}).arm(1e6);
    time.ms += 60_000;
    expect(clock.now).toBe(55e9);
    time.ms += 1000;
    expect(clock.now).toBe(56e9);
  });

  it('cannot be held by a timer that re-arms into the past', () => {
    const clock = new MachineClock(new HandTime());
    let fires = 0;
    const timer = clock.timer(() => {
      fires++;
      timer.arm(0);
    });
    timer.arm(0);
    clock.fireDue();
    expect(fires).toBe(64);
  });
});

describe('IRQ wiring', () => {
  it('ORs sources', () => {
    const out = new RecordingLine();
    const or = new WiredOr(out);
    const [a, b] = [or.source(), or.source()];
    a.set(true);
    b.set(true);
    b.set(true);
    a.set(false);
    expect([out.level, out.edges]).toEqual([true, 1]);
    b.set(false);
    expect(out.level).toBe(false);
  });

  it('cuts a gated line and shows its level again', () => {
    const out = new RecordingLine();
    const gate = new GatedLine(out);
    gate.set(true);
    gate.connect(false);
    expect(out.level).toBe(false);
    gate.set(false);
    gate.connect(true);
    expect(out.level).toBe(false);
  });
});

describe('PortMap', () => {
  const port = (base: number): PortIo & { log: string[] } => {
    const log: string[] = [];
    return {
      log,
      readPort: (offset, width) => (base + offset) & (width === 1 ? 0xff : 0xffff),
      writePort: (offset, width, value) =>
        void log.push(`${offset}/${width}=${value.toString(16)}`),
    };
  };

  it('gives later mappings precedence and uncovers earlier ones', () => {
    const map = new PortMap();
    map.map(0xcf8, 4, port(0x10));
    const unmap = map.map(0xcf9, 1, port(0x20));
    expect([map.read(0xcf8, 1), map.read(0xcf9, 1), map.read(0xcfa, 1)]).toEqual([
      0x10, 0x20, 0x12,
    ]);
    unmap();
    expect(map.read(0xcf9, 1)).toBe(0x11);
    expect([map.read(0x1234, 1), map.read(0x1234, 2), map.read(0x1234, 4)]).toEqual([
      0xff, 0xffff, 0xffffffff,
    ]);
  });

  it('splits wide accesses to 8-bit devices over the ports they cover', () => {
    const map = new PortMap();
    const index = port(0x40);
    const data = port(0x80);
    map.map(0x70, 1, index, true);
    map.map(0x71, 1, data, true);
    map.write(0x70, 2, 0xab0f);
    expect([index.log, data.log]).toEqual([['0/1=f'], ['0/1=ab']]);
    expect(map.read(0x70, 2)).toBe(0x8040);
    expect(map.read(0x71, 2)).toBe(0xff80);
  });
});

describe('MachineAddressSpace', () => {
  let buffer: SharedArrayBuffer;
  let space: MachineAddressSpace;
  beforeEach(() => {
    buffer = new SharedArrayBuffer(RAM_BASE + 20 * MIB);
    space = new MachineAddressSpace(buffer, 16 * MIB);
  });
  const entry = (gpa: number): number => new Uint32Array(buffer, PHYS_MAP_BASE)[gpa / 4096];
  const device: Mmio & { last: string } = {
    last: '',
    readMmio: (offset, width) => offset * 10 + width,
    writeMmio(offset, width, value) {
      this.last = `${offset}/${width}=${value}`;
    },
  };

  it('maps RAM, leaves A0000h-FFFFFh and what is above RAM to the bus', () => {
    expect(entry(0)).toBe(RAM_BASE | PHYS_READ | PHYS_WRITE);
    expect(entry(0x9f000)).toBe((RAM_BASE + 0x9f000) | 3);
    expect([entry(0xa0000), entry(0xff000), entry(16 * MIB)]).toEqual([0, 0, 0]);
    expect(entry(15 * MIB)).toBe((RAM_BASE + 15 * MIB) | 3);
    expect(space.readMmio(0xf0000, 4)).toBe(0xffffffff);
    expect(space.readMmio(0xfff00000, 1)).toBe(0xff);
  });

  it('dispatches MMIO, also below a page, later mappings first', () => {
    const unmap = space.mapMmio(0xfed00000, 0x400, device);
    expect(space.readMmio(0xfed00010, 4)).toBe(0x10 * 10 + 4);
    space.writeMmio(0xfed000f0, 2, 7);
    expect(device.last).toBe('240/2=7');
    expect(space.readMmio(0xfed00400, 4)).toBe(0xffffffff);
    const region = space.allocateRegion('rom', 0x1000, true);
    region.bytes.set([1, 2, 3, 4]);
    space.mapRegion(0xfed00000, region);
    expect(space.readMmio(0xfed00000, 4)).toBe(0x04030201);
    space.writeMmio(0xfed00000, 1, 9);
    expect(region.bytes[0]).toBe(1);
    expect(entry(0xfed00000) & 3).toBe(PHYS_READ);
    unmap();
    expect(entry(0xfed00000) & 3).toBe(PHYS_READ);
  });

  it('follows the shadow registers: ROM, write-through, read-only RAM, RAM', () => {
    const rom = space.allocateRegion('firmware', 0x20000, true);
    rom.bytes.fill(0x55);
    space.mapPart(0xe0000, rom, 0, 0x20000);
    const state = (): [number, number] => {
      space.writeMmio(0xf0000, 1, 0x77);
      return [entry(0xf0000) & 3, space.readMmio(0xf0000, 1)];
    };
    expect(state()).toEqual([PHYS_READ, 0x55]);
    space.setShadow(0xf0000, 0x10000, false, true);
    expect(state()).toEqual([PHYS_READ, 0x55]);
    expect(space.readU8(0xf0000)).toBe(0x77);
    space.writeU8(0xf0000, 0x66);
    space.setShadow(0xf0000, 0x10000, true, false);
    expect(state()).toEqual([PHYS_READ, 0x66]);
    space.setShadow(0xf0000, 0x10000, true, true);
    expect(entry(0xf0000)).toBe((RAM_BASE + 0xf0000) | 3);
    expect(entry(0xe0000) & ~0xfff).not.toBe(RAM_BASE + 0xe0000);
  });

  it('wraps the second megabyte while A20 is low', () => {
    space.setA20(false);
    expect(entry(0x100000)).toBe(entry(0));
    expect(entry(0x200000)).toBe((RAM_BASE + 0x200000) | 3);
    space.setA20(true);
    expect(entry(0x100000)).toBe((RAM_BASE + 0x100000) | 3);
  });

  it('tells which pages changed, with their aliases while A20 is low', () => {
    const changed: string[] = [];
    space.observe({
      mapChanged: (gpa, length) => changed.push(`${gpa.toString(16)}+${length.toString(16)}`),
      codeOverwritten() {},
    });
    const remove = space.mapMmio(0xfebc0010, 0x20, { readMmio: () => 0, writeMmio() {} });
    remove();
    expect(changed.splice(0)).toEqual(['febc0000+1000', 'febc0000+1000']);
    space.setA20(false);
    space.setShadow(0xf0000, 0x10000, true, true);
    expect(changed).toEqual(['100000+100000', 'f0000+10000', '100000+100000']);
  });

  it('checks DMA ranges, marks pages dirty and reports overwritten code', () => {
    const overwritten: string[] = [];
    space.observe({
      mapChanged() {},
      codeOverwritten: (gpa, length) => overwritten.push(`${gpa}+${length}`),
    });
    space.write(0x1ffe, Uint8Array.of(1, 2, 3, 4));
    expect(space.readU32(0x1ffe)).toBe(0x04030201);
    expect([...new Uint8Array(buffer, DIRTY_MAP_BASE, 4)]).toEqual([0, 1, 1, 0]);
    expect(overwritten).toEqual([]);
    new Uint32Array(buffer, CODE_MAP_BASE)[2] = 1;
    space.write(0x1ffe, Uint8Array.of(1, 2, 3, 4));
    expect(overwritten).toEqual(['8190+4']);
    space.write(16 * MIB - 2, Uint8Array.of(1, 2, 3));
    expect(space.readU8(16 * MIB - 2)).toBe(0);
    expect([...space.read(16 * MIB - 1, 2)]).toEqual([0xff, 0xff]);
    expect(space.readU32(-4)).toBe(0xffffffff);
    expect(space.readU64(2 ** 52)).toBe(0xffffffffffffffffn);
  });
});

describe('RunLoop', () => {
  function rig(run: (budget: number) => VcpuExit) {
    const time = new HandTime();
    const clock = new MachineClock(time);
    clock.start();
    let instructions = 0;
    let kicks = 0;
    const vcpu = {
      get instructions() {
        return instructions;
      },
      run(budget: number) {
        instructions += budget;
        return run(budget);
      },
      kick: () => kicks++,
    } as unknown as Vcpu;
    return { time, clock, loop: new RunLoop(clock, vcpu), kicks: () => kicks };
  }

  it('sleeps until the next timer when the guest halts, for ever without one', () => {
    const { time, clock, loop } = rig(() => 'halted');
    expect(loop.slice()).toEqual({ state: 'halted', sleepNs: Infinity });
    let fired = 0;
    const timer = clock.timer(() => fired++);
    timer.arm(4e6);
    expect(loop.slice()).toEqual({ state: 'halted', sleepNs: 4e6 });
    time.ms += 4;
    loop.slice();
    expect(fired).toBe(1);
  });

  it('cuts the budget to the next timer', () => {
    const budgets: number[] = [];
    const r = rig((budget) => {
      budgets.push(budget);
      r.time.ms += 1;
      return 'budget';
    });
    r.loop.slice();
    r.clock.timer(() => {}).arm(r.clock.now + 200_000);
    r.loop.slice();
    expect(budgets[1]).toBeLessThan(budgets[0] / 3);
  });

  it('kicks the processor out when a timer is armed inside its slice', () => {
    const r = rig(() => {
      r.clock.timer(() => {}).arm(r.clock.now + 1000);
      return 'budget';
    });
    r.loop.slice();
    expect(r.kicks()).toBe(1);
  });

  it('stops for power-off, reset and triple fault until it is cleared', () => {
    const r = rig(() => 'shutdown');
    expect(r.loop.slice()).toEqual({ state: 'stopped', cause: 'triple-fault' });
    expect(r.loop.slice()).toEqual({ state: 'stopped', cause: 'triple-fault' });
    r.loop.clearStop();
    r.loop.requestStop('poweroff');
    r.loop.requestStop('reset');
    expect(r.loop.slice()).toEqual({ state: 'stopped', cause: 'poweroff' });
  });
});
