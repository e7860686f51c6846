/**
 * SSE instructions under every rounding, mask, FTZ and DAZ setting, with flags already set (the fast paths) or not, on
 * operands of every class, against this machine's processor (SDM 1 chapters 10 and 11).
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { RowUse } from '../../core/cpu/decode/forms';
import { vectorHalf } from './float-random';
import { FloatComparison, floatForms } from './float-forms';
import type { Case } from './layout';
import type { Random } from './random';

const CASES = Number(process.env.DOMUS_CASES ?? 200);
const SEED = Number(process.env.DOMUS_SEED ?? 11);

/** What reads or writes MXCSR or may raise #XM. */
const FLOATING =
  /^(ADD|SUB|MUL|DIV|MIN|MAX|SQRT|HADD|HSUB|ADDSUB|DPP|CMP|COMIS|UCOMIS|ROUND|CVT|RCP|RSQRT)/;

const RESET = 0x1f80;
const PRECISION_SET = 0x1fa0;

function controlWord(random: Random): number {
  const kind = random.below(10);
  if (kind < 3) return PRECISION_SET | (random.chance(50) ? random.below(64) : 0);
  if (kind === 3) return RESET;
  const masks = random.chance(60) ? 0x3f : random.below(64);
  const flags = random.chance(50) ? 0 : random.below(64);
  const zeros = (random.chance(25) ? 0x8000 : 0) | (random.chance(25) ? 0x40 : 0);
  return flags | zeros | (masks << 7) | (random.chance(60) ? random.below(4) << 13 : 0);
}

/** Doubles where the instruction reads them; both widths for the rest. */
function laneBytes(use: RowUse): 4 | 8 {
  const { mnemonic } = use.row;
  if (/^CVTT?(PD|SD)/.test(mnemonic)) return 8;
  if (/^CVTT?(PS|SS)/.test(mnemonic)) return 4;
  return /(PD|SD|SDX)$/.test(mnemonic) ? 8 : 4;
}

function prepare(c: Case, use: RowUse, random: Random): void {
  const view = new DataView(c.fx.buffer);
  view.setUint32(24, controlWord(random), true);
  const bytes = laneBytes(use);
  const integers = /^CVT(SI|DQ|PI)/.test(use.row.mnemonic);
  const half = () => (integers || random.chance(5) ? random.operand() : vectorHalf(random, bytes));
  // Sometimes all lanes are tame, so that packed instructions take their fast path.
  const tame = random.chance(30);
  const fill = () => {
    let value = half();
    while (tame && !integers && !isTame(value, bytes)) value = vectorHalf(random, bytes);
    return value;
  };
  for (let i = 0; i < 32; i++) view.setBigUint64(160 + i * 8, fill(), true);
  for (let i = 0; i < 8; i++) view.setBigUint64(32 + i * 16, fill(), true);
  const memory = new BigUint64Array(c.memory.buffer);
  for (let i = 0; i < memory.length; i++) memory[i] = fill();
}

/** Zero or a normal number not far from 1. */
function isTame(value: bigint, bytes: 4 | 8): boolean {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value);
  const numbers = bytes === 8 ? [view.getFloat64(0)] : [view.getFloat32(0), view.getFloat32(4)];
  return numbers.every((x) => x === 0 || (Math.abs(x) > 1e-15 && Math.abs(x) < 1e15));
}

const comparison = new FloatComparison();
afterAll(() => {
  comparison.dispose();
  console.log(`SSE: ${String(comparison.cases)} cases`);
});

describe('SSE agrees with the processor in every state', () => {
  const forms = floatForms((row) => row.unit === 'sse' && FLOATING.test(row.mnemonic));
  for (const [mnemonic, list] of forms) {
    it(mnemonic, () => {
      const seed = SEED + mnemonic.length * 1009 + mnemonic.charCodeAt(1) * 31;
      const mismatches = comparison.run(list, CASES, seed, prepare);
      expect(mismatches.slice(0, 12), `${String(mismatches.length)} mismatches`).toEqual([]);
    });
  }
});
