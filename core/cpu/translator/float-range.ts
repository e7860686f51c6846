/**
 * What is known of a double's magnitude when code is made. With operands in known ranges most operations can neither
 * overflow nor give a denormal, and need no check of their own.
 */

/** The number is zero, or its magnitude lies within 2^lo .. 2^hi, both included. Neither NaN nor denormal. */
export interface Range {
  readonly lo: number;
  /** Infinity: it may be infinite. */
  readonly hi: number;
  /** It is not zero. */
  readonly nonzero?: boolean;
}

/** Exponents of the smallest normal number, and of the largest power of two. */
const MIN_EXPONENT = -1022;
const MAX_EXPONENT = 1023;

/** Bits behind the leading one. */
const FRACTION_BITS = 52;

/** What `DoubleChecks` checks for: two such numbers can be added, multiplied and divided without a further check. */
export const CHECKED: Range = { lo: -255, hi: 257 };

/** Neither NaN nor denormal. */
export const COMPARABLE: Range = { lo: MIN_EXPONENT, hi: Infinity };

export const ZERO_RANGE: Range = { lo: Infinity, hi: -Infinity };

export type FloatOperator = 'add' | 'sub' | 'mul' | 'div';

export const isWithin = (a: Range, b: Range): boolean => a.lo >= b.lo && a.hi <= b.hi;

/** Powers of two between which the number lies; 0 for zero alone. */
export const widthOf = (a: Range): number => Math.max(a.hi - a.lo, 0);

export function unionOf(a: Range, b: Range): Range {
  return {
    lo: Math.min(a.lo, b.lo),
    hi: Math.max(a.hi, b.hi),
    nonzero: a.nonzero === true && b.nonzero === true,
  };
}

/** The result's range, when it surely is zero or normal and a divisor surely is not zero. */
export function resultRange(operator: FloatOperator, a: Range, b: Range): Range | undefined {
  const range = exactRange(operator, a, b);
  return range && range.lo >= MIN_EXPONENT && range.hi <= MAX_EXPONENT ? range : undefined;
}

function exactRange(operator: FloatOperator, a: Range, b: Range): Range | undefined {
  if (a.hi === Infinity || b.hi === Infinity) return undefined;
  const nonzero = a.nonzero === true && b.nonzero === true;
  if (operator === 'mul') return { lo: a.lo + b.lo, hi: a.hi + b.hi, nonzero };
  if (operator === 'div')
    return b.nonzero === true
      ? { lo: a.lo - b.hi, hi: a.hi - b.lo, nonzero: a.nonzero === true }
      : undefined;
  // What cancellation leaves is a multiple of the smaller operand's last place.
  return { lo: Math.min(a.lo, b.lo) - FRACTION_BITS, hi: Math.max(a.hi, b.hi) + 1 };
}

/** Of a number that is not negative. */
export function rootRange(a: Range): Range | undefined {
  if (a.hi > MAX_EXPONENT) return undefined;
  return { lo: Math.floor(a.lo / 2), hi: Math.ceil(a.hi / 2), nonzero: a.nonzero === true };
}
