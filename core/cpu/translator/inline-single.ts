/**
 * Single-precision SSE as WebAssembly's own operators (SDM Vol. 2), under the rules of inline-double.ts. Singles have too
 * few exponents for ranges: operands and results are checked one by one to be zero or normal.
 */
import { f32, f64, i32, i64, v128, type F32, type I32, type V128 } from '../../wasm';
import { anyTrue, ZERO } from '../ops/simd';
import { checkDoubles } from './float-checks';
import type { Range } from './float-range';
import {
  doubleOf,
  quadOf,
  singleOf,
  type Inline,
  type InlineSite,
  type Quad,
  type Single,
} from './inline-site';

/** Doubled magnitudes of normal numbers: from the smallest, this many. */
const FIRST = 0x01000000;
const COUNT = 0xfe000000 | 0;

/** A single's magnitudes as doubles. */
const SINGLE_RANGE: Range = { lo: -126, hi: 128 };

/** Neither zero, denormal, infinite nor NaN; `strict`: nor the smallest normal number, to which a smaller one may have been rounded. */
function abnormal(value: F32, strict = false): I32 {
  const doubled = i32.shl(i32.reinterpretF32(value), i32.const(1));
  const first = strict ? FIRST + 2 : FIRST;
  return i32.geU(i32.sub(doubled, i32.const(first)), i32.const(COUNT - (first - FIRST)));
}

/** Lanes that are. */
function abnormals(value: V128, strict = false): V128 {
  const doubled = v128.shift(171)(value, i32.const(1));
  const first = strict ? FIRST + 2 : FIRST;
  const splat = (n: number): V128 => {
    const lane = BigInt(n >>> 0);
    return v128.const((lane << 32n) | lane, (lane << 32n) | lane);
  };
  // i32x4.sub, i32x4.ge_u
  return v128.binary(64)(v128.binary(177)(doubled, splat(first)), splat(COUNT - (first - FIRST)));
}

const isZero = (value: F32): I32 => f32.eq(value, f32.const(0));
const either = (conditions: readonly I32[]): I32 =>
  conditions.length === 0 ? i32.const(0) : conditions.reduce((a, b) => i32.or(a, b));
const any = (masks: readonly V128[]): I32 =>
  masks.length === 0 ? i32.const(0) : anyTrue(masks.reduce((a, b) => v128.binary(80)(a, b)));
const andNot = v128.binary(79);
const equal = v128.binary(65);

type Operator = 'add' | 'sub' | 'mul' | 'div';
const SCALAR = { add: f32.add, sub: f32.sub, mul: f32.mul, div: f32.div };
const PACKED = {
  add: v128.binary(228),
  sub: v128.binary(229),
  mul: v128.binary(230),
  div: v128.binary(231),
};

/** Leaves for operands that are neither zero nor normal. */
function checkSingles(c: InlineSite, ...values: readonly Single[]): void {
  const unknown = values.filter(({ known }) => !known);
  if (unknown.length === 0) return;
  c.f.if(either(unknown.map(({ value }) => abnormal(value))), () => {
    const bad = unknown.map(({ value }) => i32.and(abnormal(value), i32.eqz(isZero(value))));
    c.f.if(either(bad), () => c.retreatFloat());
  });
  for (const { learn } of unknown) learn();
}

function checkQuads(c: InlineSite, ...values: readonly Quad[]): void {
  const unknown = values.filter(({ known }) => known !== 15);
  if (unknown.length === 0) return;
  const masks = unknown.map(({ value }) => c.let(abnormals(value)));
  c.f.if(any(masks), () => {
    const bad = unknown.map(({ value }, i) => andNot(masks[i], equal(value, ZERO)));
    c.f.if(any(bad), () => c.retreatFloat());
  });
  for (const { learn } of unknown) learn();
}

const MIN_NORMAL = f32.const(2 ** -126);

/** Leaves for NaNs and denormals; infinities pass. */
function checkOrdered(c: InlineSite, ...values: readonly Single[]): void {
  for (const { value, known } of values) {
    if (known) continue;
    c.f.if(i32.eqz(f32.ge(f32.abs(value), MIN_NORMAL)), () =>
      c.f.if(i32.eqz(isZero(value)), () => c.retreatFloat()),
    );
  }
}

function checkOrderedQuads(c: InlineSite, ...values: readonly Quad[]): void {
  const all = v128.bitmask(163);
  for (const { value, known } of values) {
    if (known === 15) continue;
    const normal = v128.binary(70)(v128.unary(224)(value), v128.splat<'f32'>(19)(MIN_NORMAL));
    c.f.if(i32.eqz(all(normal)), () =>
      c.f.if(i32.eqz(all(v128.binary(80)(normal, equal(value, ZERO)))), () => c.retreatFloat()),
    );
  }
}

function scalar(operator: Operator): Inline {
  return (c) => {
    c.rounding.assume();
    const b = singleOf(c, 1);
    const a = singleOf(c, 0);
    checkSingles(c, a, b);
    const result = c.let(SCALAR[operator](a.value, b.value));
    const products = operator === 'mul' || operator === 'div';
    c.f.if(abnormal(result, products), () => {
      // A zero must be exact: a difference, or of a zero operand.
      const exact = {
        add: isZero(result),
        sub: isZero(result),
        mul: i32.or(isZero(a.value), isZero(b.value)),
        div: i32.and(isZero(a.value), i32.eqz(isZero(b.value))),
      }[operator];
      c.f.if(i32.eqz(exact), () => c.retreatFloat());
    });
    c.vectors.setLowSingle(c.slot(0), result, true);
    return true;
  };
}

function packed(operator: Operator): Inline {
  return (c) => {
    c.rounding.assume();
    const b = quadOf(c, 1);
    const a = quadOf(c, 0);
    checkQuads(c, a, b);
    const result = c.let(PACKED[operator](a.value, b.value));
    const products = operator === 'mul' || operator === 'div';
    const mask = c.let(abnormals(result, products));
    c.f.if(anyTrue(mask), () => {
      const zero = (v: V128): V128 => equal(v, ZERO);
      const exact = {
        add: zero(result),
        sub: zero(result),
        mul: v128.binary(80)(zero(a.value), zero(b.value)),
        div: andNot(zero(a.value), zero(b.value)),
      }[operator];
      c.f.if(anyTrue(andNot(mask, exact)), () => c.retreatFloat());
    });
    c.vectors.setSingles(c.slot(0), result, 15);
    return true;
  };
}

/** Of a number that is not negative: it cannot leave the normal range. */
const root: Inline = (c) => {
  c.rounding.assume();
  const b = singleOf(c, 1);
  checkSingles(c, b);
  c.f.if(f32.lt(b.value, f32.const(0)), () => c.retreatFloat());
  c.vectors.setLowSingle(c.slot(0), f32.sqrt(b.value), true);
  return true;
};

const packedRoot: Inline = (c) => {
  c.rounding.assume();
  const b = quadOf(c, 1);
  checkQuads(c, b);
  c.f.if(anyTrue(v128.binary(67)(b.value, ZERO)), () => c.retreatFloat());
  c.vectors.setSingles(c.slot(0), v128.unary(227)(b.value), 15);
  return true;
};

/** MIN and MAX as the processor picks: the second operand unless the first is less (greater). pmin(x, y) is y < x ? y : x. */
function pick(opcode: number): Inline {
  return (c) => {
    const b = quadOf(c, 1);
    const a = quadOf(c, 0);
    checkOrderedQuads(c, a, b);
    c.vectors.setSingles(c.slot(0), v128.binary(opcode)(b.value, a.value), a.known & b.known);
    return true;
  };
}

function pickLow(opcode: number): Inline {
  const splat = v128.splat<'f32'>(19);
  const low = v128.extract('f32', 31, 0);
  return (c) => {
    const b = singleOf(c, 1);
    const a = singleOf(c, 0);
    checkOrdered(c, a, b);
    const picked = low(v128.binary(opcode)(splat(b.value), splat(a.value)));
    c.vectors.setLowSingle(c.slot(0), picked, a.known && b.known);
    return true;
  };
}

/** As doubles, which they are exactly. */
const compareFlags: Inline = (c) => {
  const b = singleOf(c, 1);
  const a = singleOf(c, 0);
  checkOrdered(c, a, b);
  c.setCompareFlags(f64.promote(a.value), f64.promote(b.value));
  return true;
};

/** EQ LT LE UNORD, of ordered numbers; bit 2 of the predicate negates. */
const holds = [f32.eq, f32.lt, f32.le, (): I32 => i32.const(0)];

const compareMask: Inline = (c) => {
  const predicate = Number(c.immediate().value);
  if (predicate & ~7) return false;
  const b = singleOf(c, 1);
  const a = singleOf(c, 0);
  checkOrdered(c, a, b);
  const plain = holds[predicate & 3](a.value, b.value);
  const mask = predicate & 4 ? i32.sub(plain, i32.const(1)) : i32.sub(i32.const(0), plain);
  c.vectors.setLowSingle(c.slot(0), f32.reinterpretI32(mask), false);
  return true;
};

const packedCompare: Inline = (c) => {
  const predicate = Number(c.immediate().value);
  // EQ LT LE NEQ: the rest is rare.
  const opcode = { 0: 65, 1: 67, 2: 69, 4: 66 }[predicate];
  if (opcode === undefined) return false;
  const b = quadOf(c, 1);
  const a = quadOf(c, 0);
  checkOrderedQuads(c, a, b);
  c.vectors.set(c.slot(0), v128.binary(opcode)(a.value, b.value));
  return true;
};

/** From a signed integer; with PE set already, rounding changes no flag. */
const fromInteger: Inline = (c) => {
  c.rounding.assume();
  const word = c.let(c.getSigned(1));
  const wide = c.forms[1].bytes === 8;
  const value = wide ? f32.convertI64S(c.toI64(word)) : f32.convertI32S(c.toI32(word));
  c.vectors.setLowSingle(c.slot(0), value, true);
  return true;
};

const fromIntegers: Inline = (c) => {
  if (c.forms[1].kind === 'q') return false;
  c.rounding.assume();
  c.vectors.setSingles(c.slot(0), v128.unary(250)(quadOf(c, 1).value), 15);
  return true;
};

/** To an integer; what does not fit leaves. */
function toInteger(nearest: boolean): Inline {
  return (c) => {
    c.rounding.assume();
    const { value } = singleOf(c, 1);
    const wide = c.forms[0].bytes === 8;
    const fits = f32.lt(f32.abs(value), f32.const(wide ? 2 ** 63 : 2 ** 31));
    c.f.if(i32.eqz(fits), () => c.retreatFloat());
    const whole = nearest ? f32.nearest(value) : value;
    c.set(0, wide ? i64.truncF32S(whole) : i32.truncF32S(whole));
    return true;
  };
}

const widen: Inline = (c) => {
  const b = singleOf(c, 1);
  checkSingles(c, b);
  c.vectors.setLow(c.slot(0), f64.promote(b.value), SINGLE_RANGE);
  return true;
};

/** CVTSD2SS. */
const narrow: Inline = (c) => {
  c.rounding.assume();
  const b = doubleOf(c, 1);
  if (!b.range || b.range.hi === Infinity) checkDoubles(c, [{ of: b, nonzero: false }]);
  const result = c.let(f32.demote(b.value));
  c.f.if(abnormal(result, true), () =>
    c.f.if(f64.ne(b.value, f64.const(0)), () => c.retreatFloat()),
  );
  c.vectors.setLowSingle(c.slot(0), result, true);
  return true;
};

const ROUND = [f32.nearest, f32.floor, f32.ceil, f32.trunc];

const roundToIntegral: Inline = (c) => {
  const how = Number(c.immediate().value);
  c.rounding.assume();
  const b = singleOf(c, 1);
  checkSingles(c, b);
  c.vectors.setLowSingle(c.slot(0), ROUND[how & 4 ? 0 : how & 3](b.value), true);
  return true;
};

export const INLINE_SINGLE: ReadonlyMap<string, Inline> = new Map([
  ['ADDSS', scalar('add')],
  ['SUBSS', scalar('sub')],
  ['MULSS', scalar('mul')],
  ['DIVSS', scalar('div')],
  ['ADDPS', packed('add')],
  ['SUBPS', packed('sub')],
  ['MULPS', packed('mul')],
  ['DIVPS', packed('div')],
  ['SQRTSS', root],
  ['SQRTPS', packedRoot],
  ['MINSS', pickLow(234)],
  ['MAXSS', pickLow(235)],
  ['MINPS', pick(234)],
  ['MAXPS', pick(235)],
  ['COMISS', compareFlags],
  ['UCOMISS', compareFlags],
  ['CMPSS', compareMask],
  ['CMPPS', packedCompare],
  ['CVTSI2SS', fromInteger],
  ['CVTDQ2PS', fromIntegers],
  ['CVTSS2SI', toInteger(true)],
  ['CVTTSS2SI', toInteger(false)],
  ['CVTSS2SD', widen],
  ['CVTSD2SS', narrow],
  ['ROUNDSS', roundToIntegral],
]);
