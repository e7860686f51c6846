/** A jump that goes to more places than its profile can tell apart. */
import { expect, it } from 'vitest';
import { flatVcpu } from '../support/flat-vcpu';

const RAM_BYTES = 1 << 20;
const CODE = 0x1000;
const TABLE = 0x2000;
const CASES = 0x3000;
const CASE_BYTES = 16;
const COUNT = 16;
const SLICE = 20_000;
const SLICES = 100;

/** A loop around a switch: jmp [TABLE + ecx * 4], and cases that count in EAX and go on to the next one. */
function loop(): ReturnType<typeof flatVcpu>['vcpu'] {
  const { vcpu, view, ram } = flatVcpu(RAM_BYTES, CODE);
  ram.set([0xff, 0x24, 0x8d, 0x00, TABLE >> 8, 0x00, 0x00], CODE);
  for (let i = 0; i < COUNT; i++) {
    const at = CASES + i * CASE_BYTES;
    view.setUint32(ram.byteOffset + TABLE + i * 4, at, true);
    // inc eax; inc ecx; and ecx, 15; jmp CODE
    ram.set([0x40, 0x41, 0x83, 0xe1, 0x0f, 0xe9], at);
    view.setInt32(ram.byteOffset + at + 6, CODE - (at + 10), true);
  }
  return vcpu;
}

it('stays in its region with all its targets', () => {
  const vcpu = loop();
  /** Region runs for each jump. */
  const runs = (): number => {
    const before = { runs: vcpu.counters.regionRuns, count: vcpu.registers.get32('rax') };
    for (let i = 0; i < SLICES; i++) expect(vcpu.run(SLICE)).toBe('budget');
    const jumps = vcpu.registers.get32('rax') - before.count;
    expect(jumps).toBeGreaterThan((SLICES * SLICE) / 6);
    return (vcpu.counters.regionRuns - before.runs) / jumps;
  };
  // As often as a region is made anew.
  for (let i = 0; i < 5; i++) runs();
  expect(runs()).toBeLessThan(0.01);
});
