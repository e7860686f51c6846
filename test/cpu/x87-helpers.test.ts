/**
 * x87 instructions under every precision, rounding and mask setting, with pending exceptions, partly empty stacks and
 * operands of every class, against this machine's processor (SDM 1 chapter 8).
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { RowUse } from '../../core/cpu/decode/forms';
import { extendedOperand, vectorHalf } from './float-random';
import { FloatComparison, floatForms } from './float-forms';
import type { Case } from './layout';
import type { Random } from './random';

const CASES = Number(process.env.DOMUS_CASES ?? 200);
const SEED = Number(process.env.DOMUS_SEED ?? 7);
const SUMMARY = 0x8080;

/** Image load and save instructions take their control words from memory: the general differential test has them. */
const IMAGES = /^(FXSAVE|FXRSTOR|FLDENV|FRSTOR|FNSTENV|FNSAVE)$/;

function prepare(c: Case, use: RowUse, random: Random): void {
  const view = new DataView(c.fx.buffer);
  const masks = random.chance(60) ? 0x3f : random.below(64);
  view.setUint16(0, 0x40 | masks | (random.below(4) << 8) | (random.below(4) << 10), true);
  const flags = random.chance(60)
    ? 0
    : random.below(0x80) & (random.chance(80) ? masks | 0x40 : 0x7f);
  const summary = flags & 0x3f & ~masks ? SUMMARY : 0;
  view.setUint16(2, flags | summary | (random.below(8) << 11) | (random.u32() & 0x4700), true);
  c.fx[4] = random.chance(80) ? 0xff : random.below(256);
  // Instructions that push want a free register.
  if (random.chance(40)) c.fx[4] &= ~(1 << (((view.getUint16(2, true) >> 11) + 7) & 7));
  for (let i = 0; i < 8; i++) {
    const { se, significand } = extendedOperand(random);
    view.setBigUint64(32 + i * 16, significand, true);
    view.setUint16(40 + i * 16, se, true);
  }
  const bytes = use.row.operands[0]?.endsWith('d') ? 4 : 8;
  const memory = new BigUint64Array(c.memory.buffer);
  for (let i = 0; i < memory.length; i++)
    memory[i] = random.chance(70) ? vectorHalf(random, bytes) : random.operand();
}

const comparison = new FloatComparison();
afterAll(() => {
  comparison.dispose();
  console.log(`x87: ${String(comparison.cases)} cases`);
});

describe('x87 agrees with the processor in every state', () => {
  const forms = floatForms(
    (row) => (row.unit === 'x87' || row.unit === 'fwait') && !IMAGES.test(row.mnemonic),
  );
  for (const [mnemonic, list] of forms) {
    it(mnemonic, () => {
      const mismatches = comparison.run(
        list,
        CASES,
        SEED + mnemonic.length * 1009 + mnemonic.charCodeAt(1) * 31,
        prepare,
      );
      expect(mismatches.slice(0, 12), `${String(mismatches.length)} mismatches`).toEqual([]);
    });
  }
});
