/**
 * Programs whose code changes: run interpreted, translated at once, when warm and late, in lockstep with the interpreter one
 * instruction at a time; where no privilege is needed, this machine's processor says what is right.
 */
import { expect } from 'vitest';
import { lateTranslator } from '../support/late-translator';
import { assemble, type Program } from './assemble';
import { explain, Lockstep } from './lockstep';
import { CODE, CONSTANTS, Rig } from './rig';

const TIERS = [
  { name: 'interpreted', translateAfter: 0 },
  { name: 'translated at once', translateAfter: 1 },
  { name: 'translated when warm', translateAfter: 30 },
  { name: 'translated without optimizations', translateAfter: 1, unoptimized: true },
  { name: 'translated by a thread that is late', translateAfter: 3, wasm: lateTranslator(2) },
];
const SLICE = 700;

export const locksteps = TIERS.map((tier) => new Lockstep(new Rig(tier)));

/** Programs end with `end`: they halt here, and return natively. Results are in RBX. */
const END = { here: '.macro end\nhlt\n.endm\n', native: '.macro end\nret\n.endm\n' };
export const build = (text: string, where: keyof typeof END = 'here'): Program =>
  assemble(`${CONSTANTS}${END[where]}${text}`, CODE);

/** Runs in all tiers and expects RBX. `between` is called after each slice. */
export function check(
  text: string,
  expected: bigint,
  between?: (rig: Rig, program: Program, slices: number) => void,
): void {
  const program = build(text);
  for (const { leader, follower } of locksteps) {
    const lockstep = new Lockstep(leader, follower);
    lockstep.load(program);
    for (let slices = 0; leader.vcpu.run(SLICE) === 'budget'; slices++) {
      const found = lockstep.follow();
      if (found) expect.fail(explain(found, program));
      expect(slices).toBeLessThan(2000);
      for (const rig of between ? [leader, follower] : []) between!(rig, program, slices);
    }
    const found = lockstep.follow();
    if (found) expect.fail(explain(found, program));
    expect(leader.vcpu.registers.get64('rbx')).toBe(expected);
  }
}
