/**
 * Short runs of SSE2 instructions on a few registers against this machine's processor: what the translator knows of a
 * value from the instructions before must hold, and scalar and packed halves must stay together.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { EngineRunner } from './engine-run';
import { CODE_BYTES, FX_BYTES, WINDOW, WINDOW_BYTES, type Case, type Outcome } from './layout';
import { NativeRunner } from './native-run';
import { Random } from './random';

const CHAINS = Number(process.env.DOMUS_CASES ?? 200) * 4;
const CASES_PER_CHAIN = 6;
const SEED = Number(process.env.DOMUS_SEED ?? 5);

const P66 = 0x66;
const PF2 = 0xf2;
const PF3 = 0xf3;

interface Row {
  readonly prefix?: number;
  readonly opcode: number;
  /** What follows ModRM. */
  readonly immediate?: number;
  /** Register or memory operand, or one of them. */
  readonly rm?: 'register' | 'memory';
  /** ModRM.reg or ModRM.rm is a general register. */
  readonly general?: true;
}

const ARITHMETIC = [0x58, 0x59, 0x5c, 0x5e, 0x51, 0x5d, 0x5f];

const ROWS: readonly Row[] = [
  // Scalar arithmetic most of all.
  ...[...ARITHMETIC, ...ARITHMETIC, 0x58, 0x59, 0x5c].map((opcode) => ({ prefix: PF2, opcode })),
  ...ARITHMETIC.map((opcode) => ({ prefix: P66, opcode })),
  ...ARITHMETIC.map((opcode) => ({ prefix: PF3, opcode })),
  ...ARITHMETIC.map((opcode) => ({ opcode })),
  // MOVSD, MOVSS, MOVUPD, MOVAPD, MOVLPD, MOVHPD, MOVDDUP both ways
  { prefix: PF2, opcode: 0x10 },
  { prefix: PF2, opcode: 0x11 },
  { prefix: PF3, opcode: 0x10 },
  { prefix: PF3, opcode: 0x11 },
  { prefix: P66, opcode: 0x10 },
  { prefix: P66, opcode: 0x28 },
  { prefix: P66, opcode: 0x28, rm: 'register' },
  { prefix: P66, opcode: 0x29 },
  { prefix: P66, opcode: 0x12, rm: 'memory' },
  { prefix: P66, opcode: 0x16, rm: 'memory' },
  { prefix: P66, opcode: 0x13, rm: 'memory' },
  { prefix: P66, opcode: 0x17, rm: 'memory' },
  { opcode: 0x12 },
  { opcode: 0x16 },
  { prefix: PF2, opcode: 0x12 },
  // MOVQ, UNPCKLPD, UNPCKHPD, UNPCKLPS, SHUFPD, SHUFPS, PSHUFD, logic
  { prefix: PF3, opcode: 0x7e },
  { prefix: P66, opcode: 0xd6 },
  { prefix: P66, opcode: 0x14 },
  { prefix: P66, opcode: 0x15 },
  { opcode: 0x14 },
  { prefix: P66, opcode: 0xc6, immediate: 3 },
  { opcode: 0xc6, immediate: 255 },
  { prefix: P66, opcode: 0x70, immediate: 255 },
  { prefix: P66, opcode: 0x54 },
  { prefix: P66, opcode: 0x57 },
  { opcode: 0x57, rm: 'register' },
  // UCOMISD, COMISD, CMPSD, CMPPD
  { prefix: P66, opcode: 0x2e },
  { prefix: P66, opcode: 0x2f },
  { opcode: 0x2e },
  { prefix: PF2, opcode: 0xc2, immediate: 7 },
  { prefix: P66, opcode: 0xc2, immediate: 7 },
  { prefix: PF3, opcode: 0xc2, immediate: 7 },
  // Conversions
  { prefix: PF2, opcode: 0x2a, general: true, rm: 'register' },
  { prefix: PF2, opcode: 0x2c, general: true },
  { prefix: PF2, opcode: 0x2d, general: true },
  { prefix: PF3, opcode: 0x2a, general: true, rm: 'register' },
  { prefix: PF3, opcode: 0x2c, general: true },
  { prefix: PF2, opcode: 0x5a },
  { prefix: PF3, opcode: 0x5a },
  { opcode: 0x5a },
  { prefix: P66, opcode: 0x5a },
  { opcode: 0x5b },
  { prefix: PF3, opcode: 0xe6 },
];

/** SETcc DL..BL of conditions that COMISD serves. */
const SETCC = [0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x9a, 0x9b, 0x9c, 0x9f];

function instruction(random: Random): number[] {
  const row = random.pick(ROWS);
  const memory = row.rm === undefined ? random.chance(30) : row.rm === 'memory';
  const bytes = row.prefix === undefined ? [] : [row.prefix];
  if (row.general && random.chance(50)) bytes.push(0x48);
  const reg = row.general ? 1 + random.below(2) : random.below(4);
  // [RDI + disp8], aligned.
  const modrm = memory
    ? [0x47 | (reg << 3), random.below(7) * 16]
    : [0xc0 | (reg << 3) | (row.general ? 1 + random.below(2) : random.below(4))];
  bytes.push(0x0f, row.opcode, ...modrm);
  if (row.immediate !== undefined) bytes.push(random.below(row.immediate + 1));
  const compares = row.opcode === 0x2e || row.opcode === 0x2f;
  return compares ? [...bytes, 0x0f, random.pick(SETCC), 0xc2 + random.below(2)] : bytes;
}

function chain(random: Random): Uint8Array {
  const code: number[] = [];
  for (;;) {
    const next = instruction(random);
    if (code.length + next.length > CODE_BYTES) return Uint8Array.from(code);
    code.push(...next);
  }
}

/** How far from 1 the numbers of a case are. */
type Spread = 'near' | 'far' | 'wild';

function double(random: Random, spread: Spread): number {
  const kind = random.below(12);
  if (kind === 0) return random.chance(80) ? 0 : -0;
  if (kind === 1 && spread === 'wild')
    return random.pick([NaN, Infinity, -Infinity, 2 ** -1030, 2 ** -1022, 2 ** 1023]);
  const exponents = { near: 6, far: 260, wild: 1020 }[spread];
  const exponent = random.below(2 * exponents) - exponents;
  const fraction = random.chance(30) ? random.below(8) / 8 : random.u32() / 2 ** 32;
  return (random.chance(50) ? -1 : 1) * (1 + fraction) * 2 ** exponent;
}

/** `singles`: of a hundred operands. */
function operand(random: Random, spread: Spread, singles: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (random.chance(singles)) {
    view.setFloat32(0, double(random, 'near'));
    view.setFloat32(4, double(random, random.chance(80) ? 'near' : spread));
  } else view.setFloat64(0, double(random, spread));
  return view.getBigUint64(0);
}

/** MXCSR: mostly with PE set already; else PE clear, FTZ and DAZ, rounding down. */
const CONTROLS = [0x1fa0, 0x1fa0, 0x1fa0, 0x1f80, 0x9fe0, 0x3fa0];

function caseOf(code: Uint8Array, random: Random): Case {
  const singles = random.pick([10, 90]);
  const spread = random.pick(['near', 'near', 'far', 'wild'] as const);
  const gpr = new BigUint64Array(16).map(() => random.operand());
  gpr[4] = BigInt(WINDOW + 128);
  gpr[7] = BigInt(WINDOW + 32);
  const words = new BigUint64Array(WINDOW_BYTES / 8).map(() => operand(random, spread, singles));
  const fx = new Uint8Array(FX_BYTES);
  const view = new DataView(fx.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint32(24, random.pick(CONTROLS), true);
  for (let i = 0; i < 32; i++)
    view.setBigUint64(160 + i * 8, operand(random, spread, singles), true);
  return { code, mode32: false, gpr, flags: 0x202, memory: new Uint8Array(words.buffer), fx };
}

function difference(expected: Outcome, actual: Outcome): string | undefined {
  const hex = (outcome: Outcome) => ({
    trap: outcome.trap,
    gpr: [...outcome.gpr].map((v) => v.toString(16)).join(' '),
    flags: (outcome.flags & 0x8d5).toString(16),
    memory: Buffer.from(outcome.memory).toString('hex'),
    mxcsr: Buffer.from(outcome.fx.subarray(24, 28)).toString('hex'),
    xmm: Buffer.from(outcome.fx.subarray(160, 416)).toString('hex'),
  });
  const [e, a] = [hex(expected), hex(actual)];
  const keys = Object.keys(e) as (keyof typeof e)[];
  const found = keys.filter((key) => e[key] !== a[key]);
  return found.length === 0
    ? undefined
    : found.map((key) => `${key} ${String(a[key])} instead of ${String(e[key])}`).join('; ');
}

const native = new NativeRunner();
const engine = new EngineRunner(1);
afterAll(() => native.dispose());

/** Often enough for the translator to take up a loop, and to give up on floats that never are as it wants them. */
const TURNS = 12_000;

/** MOV ECX, TURNS; the instructions; DEC ECX; JNZ back to them. */
function loop(instructions: readonly number[]): Uint8Array {
  const count = [0, 8, 16, 24].map((at) => (TURNS >> at) & 0xff);
  const back = 256 - (instructions.length + 4);
  return Uint8Array.from([0xb9, ...count, ...instructions, 0xff, 0xc9, 0x75, back]);
}

const LOOPS = {
  'exact sums': { code: [0xf2, 0x0f, 0x58, 0xc1], xmm: [0, 1] },
  'inexact sums': { code: [0xf2, 0x0f, 0x58, 0xc1], xmm: [0, 0.1] },
  'packed products': { code: [0x66, 0x0f, 0x59, 0xc1], xmm: [1, 1.0001] },
  'products down to denormals': { code: [0xf2, 0x0f, 0x59, 0xc1], xmm: [1, 0.9] },
  'sums of denormals': { code: [0xf2, 0x0f, 0x58, 0xc1], xmm: [0, 2 ** -1060] },
  'quotients by zero': { code: [0xf2, 0x0f, 0x5e, 0xc1], xmm: [1, 0] },
  'roots of negative numbers': { code: [0xf2, 0x0f, 0x51, 0xc1], xmm: [1, -2] },
  'comparisons with NaN': { code: [0x66, 0x0f, 0x2e, 0xc1, 0x0f, 0x92, 0xc2], xmm: [1, NaN] },
};

describe('SSE2 in a loop', () => {
  for (const [name, { code, xmm }] of Object.entries(LOOPS)) {
    it(`does ${name} under every rounding`, () => {
      const cases = [...new Set(CONTROLS)].map((control) => {
        const c = caseOf(loop(code), new Random(SEED));
        const view = new DataView(c.fx.buffer);
        view.setUint32(24, control, true);
        for (let i = 0; i < 4; i++) view.setFloat64(160 + i * 8, xmm[i >> 1], true);
        return c;
      });
      const expected = native.run(cases);
      const found = cases.map((c, i) => difference(expected[i], engine.run(c)));
      expect(found).toEqual(found.map(() => undefined));
    });
  }
});

describe('SSE2 in a row', () => {
  it('agrees with the processor', () => {
    const random = new Random(SEED);
    const cases = Array.from({ length: CHAINS }, () => chain(random)).flatMap((code) =>
      Array.from({ length: CASES_PER_CHAIN }, () => caseOf(code, random)),
    );
    const expected = native.run(cases);
    const mismatches = cases.flatMap((c, i) => {
      const found = difference(expected[i], engine.run(c));
      return found ? [`[${Buffer.from(c.code).toString('hex')}] ${found}`] : [];
    });
    expect(mismatches.slice(0, 5), `${String(mismatches.length)} mismatches`).toEqual([]);
    expect(engine.vcpu.translator.regions).toBeGreaterThan(CHAINS / 2);
  });
});
