/**
 * Double-precision SSE2 as WebAssembly's own operators (SDM Vol. 2). They round to nearest and keep no flags: used where
 * MXCSR asks for that (rounding.ts), for operands whose result is zero or normal and raises nothing but PE.
 */
import { f64, i32, i64, v128, type F64, type I32, type V128 } from '../../wasm';
import {
  checkComparable,
  checkComparablePair,
  checkDoubles,
  checkedRange,
  checkPairs,
} from './float-checks';
import {
  resultRange,
  rootRange,
  CHECKED,
  COMPARABLE,
  unionOf,
  widthOf,
  type FloatOperator,
  type Range,
} from './float-range';
import { doubleOf, pairOf, type Inline } from './inline-site';
import { lowDouble } from './vectors';

const LANES = [0, 1] as const;

const SCALAR: Record<FloatOperator, (a: F64, b: F64) => F64> = {
  add: f64.add,
  sub: f64.sub,
  mul: f64.mul,
  div: f64.div,
};
const PACKED: Record<FloatOperator, (a: V128, b: V128) => V128> = {
  add: v128.binary(240),
  sub: v128.binary(241),
  mul: v128.binary(242),
  div: v128.binary(243),
};

interface Plan {
  /** Which operands are checked. */
  readonly first: boolean;
  readonly second: boolean;
  readonly result: Range;
}

/** The cheapest checks behind which a result surely is zero or normal. */
function plan(
  operator: FloatOperator,
  a: Range | undefined,
  b: Range | undefined,
  same: boolean,
): Plan {
  const nonzero = operator === 'div';
  const wider = (a ? widthOf(a) : Infinity) >= (b ? widthOf(b) : Infinity);
  const one = { first: wider, second: !wider };
  const other = { first: !wider, second: wider };
  const both = { first: true, second: true };
  const choices = same ? [] : [one, other];
  for (const choice of [{ first: false, second: false }, ...choices, both]) {
    const x = choice.first ? checkedRange(a, same && nonzero) : a;
    const y = choice.second ? checkedRange(b, nonzero) : b;
    const result = x && y && resultRange(operator, x, y);
    if (result) return { ...choice, result };
  }
  throw new Error('two checked numbers have a result');
}

function scalar(operator: FloatOperator): Inline {
  return (c) => {
    c.rounding.assume();
    const b = doubleOf(c, 1);
    const a = doubleOf(c, 0);
    const same = c.forms[1].kind === 'x' && c.slot(0) === c.slot(1);
    const { first, second, result } = plan(operator, a.range, b.range, same);
    const nonzero = operator === 'div';
    checkDoubles(c, [
      ...(first && !same ? [{ of: a, nonzero: false }] : []),
      ...(second ? [{ of: b, nonzero }] : []),
    ]);
    c.vectors.setLow(c.slot(0), SCALAR[operator](a.value, b.value), result);
    return true;
  };
}

function packed(operator: FloatOperator): Inline {
  return (c) => {
    c.rounding.assume();
    const b = pairOf(c, 1);
    const a = pairOf(c, 0);
    const same = c.forms[1].kind === 'x' && c.slot(0) === c.slot(1);
    const [low, high] = LANES.map((lane) => plan(operator, a.ranges[lane], b.ranges[lane], same));
    const nonzero = operator === 'div';
    const checks = [
      { of: a, lanes: [low.first && !same, high.first && !same] as const, nonzero: false },
      { of: b, lanes: [low.second, high.second] as const, nonzero },
    ];
    checkPairs(
      c,
      checks.filter(({ lanes }) => lanes[0] || lanes[1]),
    );
    c.vectors.set(c.slot(0), PACKED[operator](a.value, b.value), low.result, high.result);
    return true;
  };
}

/** The root of a finite number; negative ones leave. */
const root: Inline = (c) => {
  c.rounding.assume();
  const b = doubleOf(c, 1);
  const known = b.range && rootRange(b.range);
  if (!known) checkDoubles(c, [{ of: b, nonzero: false }]);
  c.f.if(i32.eqz(f64.ge(b.value, f64.const(0))), () => c.retreatFloat());
  c.vectors.setLow(c.slot(0), f64.sqrt(b.value), known ?? rootRange(CHECKED));
  return true;
};

const packedRoot: Inline = (c) => {
  c.rounding.assume();
  const b = pairOf(c, 1);
  const known = b.ranges.map((range) => range && rootRange(range));
  const lanes = [!known[0], !known[1]] as const;
  if (lanes[0] || lanes[1]) checkPairs(c, [{ of: b, lanes, nonzero: false }]);
  const positive = v128.binary(76)(b.value, v128.const(0n, 0n));
  c.f.if(i32.eqz(v128.bitmask(195)(positive)), () => c.retreatFloat());
  const [low, high] = known.map((range) => range ?? rootRange(CHECKED));
  c.vectors.set(c.slot(0), v128.unary(239)(b.value), low, high);
  return true;
};

/** MIN and MAX as the processor picks: the second operand unless the first is less (greater). */
function pick(opcode: number, both: boolean): Inline {
  const operator = v128.binary(opcode);
  const splat = v128.splat<'f64'>(20);
  if (both)
    return (c) => {
      const b = pairOf(c, 1);
      const a = pairOf(c, 0);
      checkComparablePair(c, a, b);
      // pmin(x, y) is y < x ? y : x.
      const [low, high] = LANES.map((lane) =>
        unionOf(a.ranges[lane] ?? COMPARABLE, b.ranges[lane] ?? COMPARABLE),
      );
      c.vectors.set(c.slot(0), operator(b.value, a.value), low, high);
      return true;
    };
  return (c) => {
    const b = doubleOf(c, 1);
    const a = doubleOf(c, 0);
    checkComparable(c, a, b);
    const range = unionOf(a.range ?? COMPARABLE, b.range ?? COMPARABLE);
    c.vectors.setLow(c.slot(0), lowDouble(operator(splat(b.value), splat(a.value))), range);
    return true;
  };
}

const compareFlags: Inline = (c) => {
  const b = doubleOf(c, 1);
  const a = doubleOf(c, 0);
  checkComparable(c, a, b);
  c.setCompareFlags(a.value, b.value);
  return true;
};

/** EQ LT LE UNORD, of ordered numbers; bit 2 of the predicate negates. */
const holds = [f64.eq, f64.lt, f64.le, (): I32 => i32.const(0)];

const compareMask: Inline = (c) => {
  const predicate = Number(c.immediate().value);
  if (predicate & ~7) return false;
  const b = doubleOf(c, 1);
  const a = doubleOf(c, 0);
  checkComparable(c, a, b);
  const plain = i64.extendU(holds[predicate & 3](a.value, b.value));
  const mask = predicate & 4 ? i64.sub(plain, i64.const(1)) : i64.sub(i64.const(0), plain);
  c.vectors.setLow(c.slot(0), f64.reinterpretI64(mask));
  return true;
};

const packedCompare: Inline = (c) => {
  const predicate = Number(c.immediate().value);
  // EQ LT LE NEQ: the rest is rare.
  const opcode = { 0: 71, 1: 73, 2: 75, 4: 72 }[predicate];
  if (opcode === undefined) return false;
  const b = pairOf(c, 1);
  const a = pairOf(c, 0);
  checkComparablePair(c, a, b);
  c.vectors.set(c.slot(0), v128.binary(opcode)(a.value, b.value));
  return true;
};

/** From a signed integer of 4 or 8 bytes: with PE set already, rounding changes no flag. */
const fromInteger: Inline = (c) => {
  const { bytes } = c.forms[1];
  const word = c.let(c.getSigned(1));
  if (bytes === 8) c.rounding.assume();
  const value = bytes === 8 ? f64.convertI64S(c.toI64(word)) : f64.convertI32S(c.toI32(word));
  c.vectors.setLow(c.slot(0), value, { lo: 0, hi: bytes === 8 ? 63 : 31 });
  return true;
};

/** To an integer; what does not fit leaves. Denormals become zero and inexact. */
function toInteger(round: ((a: F64) => F64) | undefined): Inline {
  return (c) => {
    c.rounding.assume();
    const { value, range } = doubleOf(c, 1);
    const wide = c.forms[0].bytes === 8;
    const bits = wide ? 63 : 31;
    if (!range || range.hi >= bits) {
      // Rounding up to the limit is left out, too.
      const fits = f64.le(f64.abs(value), f64.const(wide ? 2 ** 63 - 1024 : 2 ** 31 - 1));
      c.f.if(i32.eqz(fits), () => c.retreatFloat());
    }
    const whole = round ? round(value) : value;
    c.set(0, wide ? i64.truncF64S(whole) : i32.truncF64S(whole));
    return true;
  };
}

const ROUND = [f64.nearest, f64.floor, f64.ceil, f64.trunc];

const roundToIntegral: Inline = (c) => {
  const how = Number(c.immediate().value);
  c.rounding.assume();
  const b = doubleOf(c, 1);
  checkComparable(c, b);
  const mode = how & 4 ? 0 : how & 3;
  const hi = Math.max(b.range?.hi ?? Infinity, 0);
  c.vectors.setLow(c.slot(0), ROUND[mode](b.value), { lo: 0, hi });
  return true;
};

export const INLINE_DOUBLE: ReadonlyMap<string, Inline> = new Map([
  ['ADDSD', scalar('add')],
  ['SUBSD', scalar('sub')],
  ['MULSD', scalar('mul')],
  ['DIVSD', scalar('div')],
  ['ADDPD', packed('add')],
  ['SUBPD', packed('sub')],
  ['MULPD', packed('mul')],
  ['DIVPD', packed('div')],
  ['SQRTSD', root],
  ['SQRTPD', packedRoot],
  ['MINSD', pick(246, false)],
  ['MAXSD', pick(247, false)],
  ['MINPD', pick(246, true)],
  ['MAXPD', pick(247, true)],
  ['COMISD', compareFlags],
  ['UCOMISD', compareFlags],
  ['CMPSDX', compareMask],
  ['CMPPD', packedCompare],
  ['CVTSI2SD', fromInteger],
  ['CVTSD2SI', toInteger(f64.nearest)],
  ['CVTTSD2SI', toInteger(undefined)],
  ['ROUNDSD', roundToIntegral],
]);
