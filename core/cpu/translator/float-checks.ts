/**
 * Checks of doubles when the region runs: what is in no known range leaves the region (the interpreter then does the
 * instruction exactly), zeros pass on a way aside.
 */
import { f64, i32, i64, v128, type F64, type I32 } from '../../wasm';
import { anyTrue, ZERO } from '../ops/simd';
import { CHECKED, COMPARABLE, isWithin, type Range } from './float-range';
import type { Double, InlineSite, Pair } from './inline-site';

/** In bits 32-63 of a double: less this, exponents of CHECKED have zeros at ... */
const LOWEST = 0x30000000;
/** ... these bits. */
const OUTSIDE = 0x60000000;

const MIN_NORMAL = 2 ** -1022;

const subtract = v128.binary(177);
const and = v128.binary(78);
const andNot = v128.binary(79);
const or = v128.binary(80);
const equal = v128.binary(71);
const atLeast = v128.binary(76);
const absolute = v128.unary(236);
const splat = v128.splat<'f64'>(20);

const LOWESTS = BigInt(LOWEST) << 32n;
const OUTSIDES = BigInt(OUTSIDE) << 32n;

/** What a check for CHECKED leaves known. */
export function checkedRange(before: Range | undefined, nonzero: boolean): Range {
  const range = before && isWithin(before, CHECKED) ? before : CHECKED;
  return nonzero ? { ...range, nonzero: true } : range;
}

export interface DoubleCheck {
  readonly of: Double;
  /** Zero does not pass. */
  readonly nonzero: boolean;
}

/** Checks doubles for CHECKED, all at once. */
export function checkDoubles(c: InlineSite, checks: readonly DoubleCheck[]): void {
  if (checks.length === 0) return;
  const outside = (value: F64): I32 =>
    i32.sub(i32.wrap(i64.shrU(i64.reinterpretF64(value), i64.const(32))), i32.const(LOWEST));
  const bits = checks.map(({ of }) => c.let(outside(of.value)));
  const mask = i32.const(OUTSIDE);
  const any = i32.and(
    bits.reduce((a, b) => i32.or(a, b)),
    mask,
  );
  c.f.if(any, () => {
    if (checks.every(({ nonzero }) => nonzero)) {
      c.retreatFloat();
      return;
    }
    const bad = checks.map(({ of, nonzero }, i) => {
      const out = i32.ne(i32.and(bits[i], mask), i32.const(0));
      return nonzero ? out : i32.and(out, f64.ne(of.value, f64.const(0)));
    });
    c.f.if(
      bad.reduce((a, b) => i32.or(a, b)),
      () => c.retreatFloat(),
    );
  });
  for (const { of, nonzero } of checks) of.learn(checkedRange(of.range, nonzero));
}

export interface PairCheck {
  readonly of: Pair;
  readonly lanes: readonly [boolean, boolean];
  readonly nonzero: boolean;
}

/** Checks lanes for CHECKED, all at once. */
export function checkPairs(c: InlineSite, checks: readonly PairCheck[]): void {
  if (checks.length === 0) return;
  const outside = checks.map(({ of, lanes }) => {
    const bits = subtract(of.value, c.rounding.constant(LOWESTS));
    if (lanes[0] && lanes[1]) return c.let(bits);
    return c.let(and(bits, v128.const(lanes[0] ? -1n : 0n, lanes[1] ? -1n : 0n)));
  });
  const any = outside.reduce((a, b) => or(a, b));
  c.f.if(anyTrue(and(any, c.rounding.constant(OUTSIDES))), () => {
    if (checks.every(({ nonzero }) => nonzero)) {
      c.retreatFloat();
      return;
    }
    const bad = checks.map(({ of, nonzero }, i) =>
      nonzero ? outside[i] : andNot(outside[i], equal(of.value, ZERO)),
    );
    const all = bad.reduce((a, b) => or(a, b));
    c.f.if(anyTrue(and(all, c.rounding.constant(OUTSIDES))), () => c.retreatFloat());
  });
  for (const { of, lanes, nonzero } of checks)
    for (const lane of [0, 1] as const)
      if (lanes[lane]) of.learn(lane, checkedRange(of.ranges[lane], nonzero));
}

/** Leaves for NaNs and denormals. */
export function checkComparable(c: InlineSite, ...values: readonly Double[]): void {
  for (const { value, range, learn } of values) {
    if (range) continue;
    const normal = f64.ge(f64.abs(value), f64.const(MIN_NORMAL));
    c.f.if(i32.eqz(normal), () => c.f.if(f64.ne(value, f64.const(0)), () => c.retreatFloat()));
    learn(COMPARABLE);
  }
}

/** Of both lanes. */
export function checkComparablePair(c: InlineSite, ...values: readonly Pair[]): void {
  for (const { value, ranges, learn } of values) {
    if (ranges[0] && ranges[1]) continue;
    const normal = atLeast(absolute(value), splat(f64.const(MIN_NORMAL)));
    const all = v128.bitmask(195);
    c.f.if(i32.eqz(all(normal)), () =>
      c.f.if(i32.eqz(all(or(normal, equal(value, ZERO)))), () => c.retreatFloat()),
    );
    for (const lane of [0, 1] as const) learn(lane, ranges[lane] ?? COMPARABLE);
  }
}
