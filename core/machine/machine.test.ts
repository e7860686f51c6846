import { describe, expect, it } from 'vitest';
import { nodeTimers, nodeWasm } from '../host-node';
import { Machine, type MachineConfig } from './machine';
import type { SliceResult } from './run-loop';

const u16 = (value: number): number[] => [value & 0xff, value >> 8];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
const outb = (port: number, value: number): number[] => [0xb0, value, 0xe6, port];
/** mov dx, port; mov eax, value; out dx, eax */
const outd = (port: number, value: number): number[] => [
  0xba,
  ...u16(port),
  0x66,
  0xb8,
  ...u32(value),
  0x66,
  0xef,
];
const outw = (port: number, value: number): number[] => [
  0xba,
  ...u16(port),
  0xb8,
  ...u16(value),
  0xef,
];

/** A 64 KiB ROM: real-mode code at F000:0000, an interrupt handler at F000:0200, six zeroes at F000:0300, the reset vector. */
function rom(code: number[], handler: number[] = [0xcf]): Uint8Array {
  const image = new Uint8Array(0x10000).fill(0xf4);
  image.set(code, 0);
  image.set(handler, 0x200);
  image.fill(0, 0x300, 0x306);
  image.set([0xea, 0x00, 0x00, 0x00, 0xf0], 0xfff0);
  return image;
}

function machine(firmware: Uint8Array): { m: Machine; out: () => string } {
  let out = '';
  const config: MachineConfig = {
    uuid: '00000000-0000-0000-0000-000000000000',
    memoryMiB: 16,
    vcpus: 1,
    bootOrder: 'c',
    disks: [],
    firmware,
    debug: { write: (bytes) => (out += String.fromCharCode(...bytes)) },
  };
  const m = new Machine({ wasm: nodeWasm, time: nodeTimers, random: () => 0n }, config);
  m.start();
  return { m, out: () => (m.flush(), out) };
}

/** Runs until the machine stops; sleeps as a worker would. */
function run(m: Machine): { end: SliceResult; halts: number } {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  let halts = 0;
  for (let i = 0; i < 2_000; i++) {
    const end = m.slice();
    if (end.state === 'stopped') return { end, halts };
    if (end.state !== 'halted') continue;
    if (end.sleepNs === Infinity) return { end, halts };
    halts++;
    Atomics.wait(sleeper, 0, 0, end.sleepNs / 1e6);
  }
  throw new Error('the guest did not stop');
}

/** Stack, vector 20h at F000:0200, PIC with only IRQ0 open, PIT at about 500 Hz. */
const TIMER_SETUP = [
  0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x70,
  0xc7, 0x06, 0x80, 0x00, 0x00, 0x02, 0xc7, 0x06, 0x82, 0x00, 0x00, 0xf0,
  ...outb(0x20, 0x11), ...outb(0x21, 0x20), ...outb(0x21, 0x04), ...outb(0x21, 0x01), ...outb(0x21, 0xfe),
  ...outb(0x43, 0x34), ...outb(0x40, 0x52), ...outb(0x40, 0x09),
  0x31, 0xdb, 0xfb,
]; // prettier-ignore
/** inc bx; prints a dot; EOI; iret */
const TICK = [0x43, ...outb(0xe9, 0x2e), ...outb(0x20, 0x20), 0xcf];
/** hlt; cmp bx, 5; jb back */
const WAIT_FIVE = [0xf4, 0x83, 0xfb, 0x05, 0x72, 0xfa];

describe('Machine', () => {
  it('runs a ROM from the reset vector, takes timer interrupts out of HLT and powers off', () => {
    const powerOff = [
      ...outd(0xcf8, 0x80000b40), ...outd(0xcfc, 0x601), ...outd(0xcf8, 0x80000b80), ...outd(0xcfc, 1), ...outw(0x604, 0x2000),
    ]; // prettier-ignore
    const { m, out } = machine(rom([...TIMER_SETUP, ...WAIT_FIVE, ...powerOff, 0xf4], TICK));
    const { end, halts } = run(m);
    expect(end).toEqual({ state: 'stopped', cause: 'poweroff' });
    expect(halts).toBeGreaterThan(0);
    expect(out()).toBe('.....');
    expect(m.clock.now).toBeGreaterThan(8e6);
  });

  it('stops on a triple fault and starts again on the reset line', () => {
    // lidt with limit 0, then int3.
    const code = [...outb(0xe9, 0x58), 0x2e, 0x0f, 0x01, 0x1e, 0x00, 0x03, 0xcc];
    const { m, out } = machine(rom(code));
    expect(run(m).end).toEqual({ state: 'stopped', cause: 'triple-fault' });
    m.reset();
    expect(run(m).end).toEqual({ state: 'stopped', cause: 'triple-fault' });
    expect(out()).toBe('XX');
  });

  it('asks for a reset by the keyboard controller', () => {
    const { m } = machine(rom([...outb(0x64, 0xfe), 0xf4]));
    expect(run(m).end).toEqual({ state: 'stopped', cause: 'reset' });
  });

  it('goes on from a saved state', () => {
    const code = [...TIMER_SETUP, ...WAIT_FIVE, ...outb(0xe9, 0x21), ...outb(0x64, 0xfe), 0xf4];
    const { m, out } = machine(rom(code, TICK));
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    while (!out().endsWith('..')) {
      const result = m.slice();
      if (result.state === 'halted') Atomics.wait(sleeper, 0, 0, result.sleepNs / 1e6);
    }
    m.pause();
    const state = structuredClone(m.save());
    const other = machine(rom(code, TICK));
    other.m.pause();
    other.m.space.write(0, m.space.read(0, 0x8000));
    other.m.restore(state);
    other.m.start();
    expect(run(other.m).end).toEqual({ state: 'stopped', cause: 'reset' });
    expect(other.out()).toBe('...!');
  });
});
