/**
 * Random programs in lockstep: translated code, slices of every length, interrupts at their ends, against the
 * interpreter one instruction at a time. `DOMUS_CASES` programs, from `DOMUS_SEED` on.
 */
import { describe, expect, it } from 'vitest';
import { assemble } from './assemble';
import { explain, Lockstep } from './lockstep';
import { Random } from './random';
import { ProgramWriter } from './random-program';
import { CODE, Rig } from './rig';

const PROGRAMS = Number(process.env.DOMUS_CASES ?? 4);
const SEED = Number(process.env.DOMUS_SEED ?? 1);
const ROUNDS = 30;
const MAX_INSTRUCTIONS = 400_000;
const TIMER = 32;

/** How the leader runs: how soon it translates, how long its slices are, whether its TLB is emptied between them. */
const WAYS = [
  { name: 'translated at once', translateAfter: 1, slice: 400, flush: false },
  {
    name: 'translated without optimizations',
    translateAfter: 1,
    unoptimized: true,
    slice: 400,
    flush: false,
  },
  { name: 'translated when warm', translateAfter: 20, slice: 2_000, flush: false },
  { name: 'with a TLB that is emptied all the time', translateAfter: 2, slice: 60, flush: true },
];

describe('lockstep', () => {
  const followers = new Lockstep(new Rig({ translateAfter: 1 })).follower;
  for (const way of WAYS) {
    it(`random programs, ${way.name}`, () => {
      const lockstep = new Lockstep(new Rig(way), followers);
      const { leader } = lockstep;
      for (let n = 0; n < PROGRAMS; n++) {
        const seed = SEED * 1000 + n;
        const random = new Random(seed);
        const program = assemble(new ProgramWriter(random).write(ROUNDS), CODE);
        lockstep.load(program);
        let ended = false;
        while (!ended && leader.vcpu.instructions < MAX_INSTRUCTIONS) {
          if (random.chance(30)) leader.interrupts.push(TIMER);
          if (way.flush) leader.flushTlb();
          const exit = leader.vcpu.run(1 + random.below(way.slice));
          ended = exit !== 'budget';
          const found = lockstep.follow();
          if (found)
            expect.fail(
              `DOMUS_SEED=${String(SEED)}, program ${String(n)}: ${explain(found, program)}`,
            );
        }
        leader.interrupts.length = 0;
        lockstep.follower.interrupts.length = 0;
      }
      expect(leader.vcpu.translator.regions).toBeGreaterThan(PROGRAMS);
    });
  }
});
