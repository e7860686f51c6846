/**
 * x87 instructions under every precision, rounding and mask setting, with pending exceptions, partly empty stacks and
 * operands of every class, against this machine's processor (SDM 1 chapter 8).
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { RowUse } from '../../core/cpu/decode/forms';
import { extendedOperand, vectorHalf } from './float-random';
import { FloatComparison, floatForms } from './float-forms';
import { FX_BYTES, WINDOW, WINDOW_BYTES, type Case, type Outcome } from './layout';
import type { Random } from './random';

const CASES = Number(process.env.DOMUS_CASES ?? 200);
const SEED = Number(process.env.DOMUS_SEED ?? 7);
/** Their operands have cases enough in the general differential test. */
const MMX_CASES = 40;
const SUMMARY = 0x8080;

/** Image load and save instructions take their control words from memory: the general differential test has them. */
const IMAGES = /^(FXSAVE|FXRSTOR|FLDENV|FRSTOR|FNSTENV|FNSAVE)$/;

function prepare(c: Case, use: RowUse, random: Random): void {
  const view = new DataView(c.fx.buffer);
  const masks = random.chance(60) ? 0x3f : random.below(64);
  // What FNINIT sets is what the engine is quickest with.
  const modes = random.chance(40) ? 0x300 : (random.below(4) << 8) | (random.below(4) << 10);
  view.setUint16(0, 0x40 | masks | modes, true);
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

describe('MMX agrees with the processor whatever the x87 state was', () => {
  for (const [mnemonic, list] of floatForms((row) => row.unit === 'mmx')) {
    it(mnemonic, () => {
      const mismatches = comparison.run(list, MMX_CASES, SEED + mnemonic.length, prepare);
      expect(mismatches.slice(0, 12), `${String(mismatches.length)} mismatches`).toEqual([]);
    });
  }
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

describe('pointers of an unmasked exception', () => {
  const ONE = 0x8000000000000000n;
  /** FNSTENV behind an instruction that divides by zero or loads a signaling NaN. */
  const programs: readonly (readonly [string, readonly number[], readonly [number, bigint]])[] = [
    ['FDIV m32', [0xd8, 0x33, 0xd9, 0x73, 0x40], [0x3fff, ONE]],
    ['FDIV m64 with prefixes', [0x66, 0x48, 0xdc, 0x73, 0x08, 0xd9, 0x73, 0x40], [0x3fff, ONE]],
    ['FDIVP', [0xde, 0xf9, 0xd9, 0x73, 0x40], [0, 0n]],
    ['FLD m32, SNaN', [0xd9, 0x43, 0x10, 0xd9, 0x73, 0x40], [0x3fff, ONE]],
    ['FSQRT', [0xd9, 0xfa, 0xd9, 0x73, 0x40], [0xbfff, ONE]],
  ];
  it.each(programs)('%s', (_, code, st0) => {
    const fx = new Uint8Array(FX_BYTES);
    const view = new DataView(fx.buffer);
    view.setUint16(0, 0x340, true); // nothing masked
    fx[4] = 0x03;
    const set = (i: number, se: number, significand: bigint): void => {
      view.setUint16(40 + i * 16, se, true);
      view.setBigUint64(32 + i * 16, significand, true);
    };
    // ST(0) is what FDIVP divides by, FSQRT's negative operand, or 1.
    const [se, significand] = st0;
    set(0, se, significand);
    set(1, 0xbfff, ONE);
    const memory = new Uint8Array(WINDOW_BYTES);
    new DataView(memory.buffer).setUint32(16, 0x7f800001, true);
    const gpr = new BigUint64Array(16);
    gpr[3] = BigInt(WINDOW);
    gpr[4] = BigInt(WINDOW + 128);
    const c: Case = { code: Uint8Array.from(code), mode32: false, gpr, flags: 0x202, memory, fx };
    const [expected, actual] = comparison.both(c);
    // Control, status, tag, FIP, FCS and FOP, FDP; processors keep FDS or clear it.
    const image = (outcome: Outcome) =>
      Buffer.from(outcome.memory.subarray(64, 88)).toString('hex');
    expect(image(actual)).toBe(image(expected));
  });
});
