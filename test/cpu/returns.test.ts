/** Calls deeper than a region follows: where its returns have gone before, the next region goes on. */
import { expect, it } from 'vitest';
import * as L from '../../core/cpu/layout';
import { flatVcpu } from '../support/flat-vcpu';

const RAM_BYTES = 1 << 20;
const CODE = 0x1000;
const FUNCTIONS = 0x2000;
const FUNCTION_BYTES = 16;
const STACK = 0x8000;
const DEPTH = 9;
const SLICE = 20_000;
const SLICES = 50;

const call = (from: number, to: number): number[] => {
  const distance = to - (from + 5);
  return [0xe8, distance & 0xff, (distance >> 8) & 0xff, (distance >> 16) & 0xff, distance >>> 24];
};
const functionAt = (depth: number): number => FUNCTIONS + depth * FUNCTION_BYTES;

/** A loop that calls a function, which counts in EAX and calls the next one, and so on; flat 32-bit code. */
function nest(): ReturnType<typeof flatVcpu> {
  const machine = flatVcpu(RAM_BYTES, CODE);
  const { ram } = machine;
  // call 0; jmp $-5
  ram.set([...call(CODE, functionAt(0)), 0xeb, 0xf9], CODE);
  for (let depth = 0; depth < DEPTH; depth++) {
    const at = functionAt(depth);
    // inc eax; call the next one; ret
    const next = depth + 1 < DEPTH ? call(at + 1, functionAt(depth + 1)) : [];
    ram.set([0x40, ...next, 0xc3], at);
  }
  machine.vcpu.registers.set32('rsp', STACK);
  return machine;
}

it('go on in their callers when the region is made anew', () => {
  const { vcpu, view } = nest();
  /** Region runs for each time around the loop. */
  const runs = (): number => {
    const before = { runs: vcpu.counters.regionRuns, count: vcpu.registers.get32('rax') };
    for (let i = 0; i < SLICES; i++) expect(vcpu.run(SLICE)).toBe('budget');
    const rounds = (vcpu.registers.get32('rax') - before.count) / DEPTH;
    expect(rounds).toBeGreaterThan(1000);
    return (vcpu.counters.regionRuns - before.runs) / rounds;
  };
  runs();
  const first = runs();
  // The calls that are not followed, and a return for each: the regions around them begin or end there.
  expect(first).toBeGreaterThan(6);
  for (let number = 0; number < L.REGION_MAX; number++) {
    const heat = L.REGION_AREA_BASE + number * L.REGION_BYTES + L.REGION_HEAT;
    if (view.getInt32(heat, true) > 0) view.setInt32(heat, 1, true);
  }
  runs();
  expect(runs()).toBeLessThan(3.5);
  const { faults } = vcpu.counters;
  expect(faults).toBe(0);
  expect(vcpu.registers.get32('rsp')).toBeLessThanOrEqual(STACK);
});
