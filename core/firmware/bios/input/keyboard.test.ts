import { beforeEach, describe, expect, it } from 'vitest';
import { BiosBench } from '../../../../test/support/bios-board';

const SERVICE_KEY = 0x89;
const WAIT = 1;
let bench: BiosBench;

/** Feeds scan codes to INT 09h; returns the ROM's last action. */
function scan(...codes: number[]): number {
  let action = 0;
  for (const code of codes) action = bench.call(SERVICE_KEY, { rax: 0x4f00 | code }).action;
  return action;
}

/** Reads with AH=10h until the buffer is empty. */
function keys(function_ = 0x11): number[] {
  const found: number[] = [];
  while (!bench.call(0x16, { rax: function_ << 8 }).zero && found.length < 20) {
    bench.call(0x16, { rax: (function_ - 1) << 8 });
    found.push(bench.ax);
  }
  return found;
}

beforeEach(() => {
  bench = new BiosBench();
});

describe('keyboard (INT 09h, INT 16h)', () => {
  it('translates plain, shifted, control and Alt keys', () => {
    scan(0x1e, 0x9e, 0x2a, 0x1e, 0x9e, 0xaa, 0x1d, 0x1e, 0x9e, 0x9d, 0x38, 0x1e, 0x9e, 0xb8);
    expect(keys()).toEqual([0x1e61, 0x1e41, 0x1e01, 0x1e00]);
  });

  it('waits for a key in the guest', () => {
    expect(bench.call(0x16, { rax: 0 }).action).toBe(WAIT);
    scan(0x39);
    const { action } = bench.call(0x16, { rax: 0 });
    expect([action, bench.ax]).toEqual([0, 0x3920]);
  });

  it('knows Caps Lock for letters and Num Lock for the keypad', () => {
    scan(0x3a, 0xba, 0x1e, 0x9e, 0x02, 0x82);
    expect(keys()).toEqual([0x1e41, 0x0231]);
    scan(0x47, 0xc7, 0x45, 0xc5, 0x47, 0xc7);
    expect(keys()).toEqual([0x4700, 0x4737]);
    bench.call(0x16, { rax: 0x0200 });
    expect(bench.ax & 0xff).toBe(0x60);
  });

  it('tells extended keys apart only to AH=10h', () => {
    scan(0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x1c, 0xe0, 0x9c, 0x57, 0xd7);
    expect(keys()).toEqual([0x48e0, 0xe00d, 0x8500]);
    scan(0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x1c, 0xe0, 0x9c, 0x57, 0xd7, 0x1e);
    // F11 does not exist for the old functions.
    expect(keys(0x01)).toEqual([0x4800, 0x1c0d, 0x1e61]);
  });

  it('ignores the fake shifts and Pause', () => {
    scan(0xe0, 0x2a, 0xe0, 0x47, 0xe0, 0xc7, 0xe0, 0xaa, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0x1e);
    expect(keys()).toEqual([0x47e0, 0x1e61]);
  });

  it('enters characters by Alt and the keypad', () => {
    scan(0x38, 0x4f, 0xcf, 0x50, 0xd0, 0x51, 0xd1, 0xb8);
    expect(keys()).toEqual([123]);
  });

  it('asks the ROM for Ctrl-Break, Print Screen, SysRq and the reset of Ctrl-Alt-Del', () => {
    expect(scan(0x1d, 0xe0, 0x46)).toBe(1);
    expect(bench.memory.readU8(0x471)).toBe(0x80);
    scan(0xe0, 0xc6, 0x9d);
    expect(scan(0xe0, 0x2a, 0xe0, 0x37)).toBe(2);
    expect(scan(0x54)).toBe(4);
    expect(bench.ax).toBe(0x8500);
    expect(scan(0x1d, 0x38, 0xe0, 0x53)).toBe(3);
    expect(bench.memory.readU16(0x472)).toBe(0x1234);
  });

  it('holds 15 keys and drops the rest', () => {
    for (let i = 0; i < 20; i++) scan(0x1e, 0x9e);
    expect(keys()).toHaveLength(15);
    expect(bench.call(0x16, { rax: 0x0500, rcx: 0x1234 }).carry).toBe(false);
    expect(keys()).toEqual([0x1234]);
  });

  it('survives a broken buffer', () => {
    bench.memory.writeU16(0x480, 0xffff);
    bench.memory.writeU16(0x482, 0);
    bench.memory.writeU16(0x41a, 0xfffe);
    bench.memory.writeU16(0x41c, 0x1e);
    for (let i = 0; i < 40; i++) scan(0x1e);
    bench.call(0x16, { rax: 0 });
  });

  it('lets a program that only polls sleep until the next interrupt, with interrupts on', () => {
    let action = 0;
    for (let i = 0; i < 100 && action === 0; i++) {
      bench.clock.advance(20_000);
      action = bench.call(0x16, { rax: 0x0100 }).action;
    }
    expect(action).toBe(WAIT);
    // Woken by a tick: "no key", and the next poll sleeps again.
    bench.clock.advance(54_000_000);
    const woken = bench.call(0x16, {}, true);
    expect([woken.action, woken.zero]).toEqual([0, true]);
    bench.clock.advance(20_000);
    expect(bench.call(0x16, { rax: 0x0100 }).action).toBe(WAIT);
    // Under DOS programs poll while they work.
    bench.memory.writeU16(0x21 * 4 + 2, 0x00a7);
    for (let i = 0; i < 100; i++) {
      bench.clock.advance(20_000);
      expect(bench.call(0x16, { rax: 0x0100 }).action).toBe(0);
    }
    bench.memory.writeU16(0x21 * 4 + 2, 0xf000);
    // A program that does other things between polls is never put to sleep.
    for (let i = 0; i < 100; i++) {
      bench.clock.advance(20_000);
      bench.call(0x1a, { rax: 0 });
      expect(bench.call(0x16, { rax: 0x0100 }).action).toBe(0);
    }
  });
});
