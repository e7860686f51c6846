/**
 * XSAVE and XRSTOR of x87 and SSE state in the standard form against this machine's processor (SDM 1 chapter 13). The
 * areas lie so that what the harness compares (256 bytes) is their part behind byte 448, with the header.
 */
import { afterAll, expect, it } from 'vitest';
import { extendedOperand } from './float-random';
import { FloatComparison } from './float-forms';
import { FX_BYTES, WINDOW, WINDOW_BYTES, type Case } from './layout';
import { Random } from './random';

const AREA = WINDOW - 448;
const HEADER = 64;
const RBX = 3;

const comparison = new FloatComparison();
afterAll(() => comparison.dispose());

function makeCase(code: readonly number[], random: Random, components: number): Case {
  const fx = new Uint8Array(FX_BYTES);
  const view = new DataView(fx.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint16(2, random.below(8) << 11, true);
  fx[4] = 1 + random.below(255);
  view.setUint32(24, 0x1f80 | random.below(64), true);
  for (let i = 0; i < 8; i++) {
    const { se, significand } = extendedOperand(random);
    view.setBigUint64(32 + i * 16, significand, true);
    view.setUint16(40 + i * 16, se, true);
  }
  for (let i = 0; i < 32; i++) view.setBigUint64(160 + i * 8, random.u64(), true);
  const gpr = new BigUint64Array(16);
  gpr[0] = BigInt(components);
  gpr[RBX] = BigInt(AREA);
  gpr[4] = BigInt(WINDOW + 192);
  const memory = new Uint8Array(WINDOW_BYTES);
  return { code: Uint8Array.from(code), mode32: false, gpr, flags: 0x202, memory, fx };
}

/** Trap, header and registers. */
function summary(outcome: ReturnType<FloatComparison['both']>[number]): object {
  const fx = Buffer.from(outcome.fx);
  return {
    trap: outcome.trap,
    header: Buffer.from(outcome.memory.subarray(HEADER, HEADER + 64)).toString('hex'),
    control: fx.subarray(0, 5).toString('hex'),
    mxcsr: fx.subarray(24, 28).toString('hex'),
    // AMD leaves what lies behind each 80-bit register out of its images.
    registers: [...Array(8).keys()].map((i) =>
      fx.subarray(32 + i * 16, 42 + i * 16).toString('hex'),
    ),
    vectors: fx.subarray(160, 416).toString('hex'),
  };
}

it('XSAVE marks the components it wrote and keeps the other bits of the header', () => {
  const random = new Random(3);
  for (const components of [0, 1, 2, 3]) {
    const c = makeCase([0x0f, 0xae, 0x23], random, components);
    c.memory[HEADER] = random.pick([0, 1, 2, 3]);
    const [expected, actual] = comparison.both(c);
    expect(summary(actual)).toEqual(summary(expected));
  }
});

it('XRSTOR loads or initialises by the header and refuses a wrong one', () => {
  const random = new Random(4);
  for (const components of [0, 1, 2, 3]) {
    for (const present of [0, 1, 2, 3]) {
      for (const broken of [-1, 7, 8, 16]) {
        const c = makeCase([0x0f, 0xae, 0x2b], random, components);
        c.memory[HEADER] = present;
        // XSTATE_BV beyond XCR0, XCOMP_BV, and bytes that must be zero.
        if (broken >= 0) c.memory[HEADER + broken] = 0x80;
        const [expected, actual] = comparison.both(c);
        expect(summary(actual)).toEqual(summary(expected));
      }
    }
  }
});

it('what XSAVE stored XRSTOR brings back', () => {
  const random = new Random(5);
  for (let n = 0; n < 50; n++) {
    // XSAVE [rbx]; FNINIT; PXOR xmm3, xmm3; XRSTOR [rbx]
    const program = [0x0f, 0xae, 0x23, 0xdb, 0xe3, 0x66, 0x0f, 0xef, 0xdb, 0x0f, 0xae, 0x2b];
    const c = makeCase(program, random, 3);
    const [expected, actual] = comparison.both(c);
    expect(summary(actual)).toEqual(summary(expected));
    expect(Buffer.from(actual.fx.subarray(32)).toString('hex')).toBe(
      Buffer.from(c.fx.subarray(32)).toString('hex'),
    );
  }
});

it('an area that is not aligned to 64 bytes raises #GP', () => {
  const c = makeCase([0x0f, 0xae, 0x23], new Random(6), 3);
  c.gpr[RBX] += 16n;
  const [expected, actual] = comparison.both(c);
  expect(expected.trap).toBe(13);
  expect(actual.trap).toBe(13);
});
