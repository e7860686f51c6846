// AssemblyScript. 128-bit fractions for the transcendental functions: `xh:xl` counts units of 2^-128 (a fraction) or is
// a significand with its top bit set. Errors stay within a few of the last of these bits, 60 below the result's.

/** The two halves of the last result. */
let xh: u64 = 0;
let xl: u64 = 0;
/** Correction to the exponent that the last operation on significands made. */
let adjust: i32 = 0;

// @ts-ignore: decorator
@inline export function wideHigh(): u64 { return xh; }
// @ts-ignore: decorator
@inline export function wideLow(): u64 { return xl; }
// @ts-ignore: decorator
@inline export function wideAdjust(): i32 { return adjust; }

// @ts-ignore: decorator
@inline function give(h: u64, l: u64): void {
  xh = h;
  xl = l;
}

// @ts-ignore: decorator
@inline function mulHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff;
  const a1 = a >> 32;
  const b0 = b & 0xffffffff;
  const b1 = b >> 32;
  const mid = a1 * b0 + ((a0 * b0) >> 32);
  return a1 * b1 + (mid >> 32) + (((mid & 0xffffffff) + a0 * b1) >> 32);
}

/** Upper 128 bits of the product. */
export function wideMultiply(ah: u64, al: u64, bh: u64, bl: u64): void {
  const m1 = mulHigh(ah, bl);
  const m2 = mulHigh(al, bh);
  let h = mulHigh(ah, bh);
  let l = ah * bh;
  l += m1;
  h += <u64>(l < m1);
  l += m2;
  h += <u64>(l < m2);
  give(h, l);
}

/** As `wideMultiply` for significands: normalises, `adjust` 0 or 1 (the product of two in [1, 2) is in [1, 4)). */
export function wideMultiplySignificands(ah: u64, al: u64, bh: u64, bl: u64): void {
  wideMultiply(ah, al, bh, bl);
  adjust = 1;
  if (!(xh >> 63)) {
    give((xh << 1) | (xl >> 63), xl << 1);
    adjust = 0;
  }
}

export function wideAdd(ah: u64, al: u64, bh: u64, bl: u64): void {
  const l = al + bl;
  give(ah + bh + <u64>(l < al), l);
}

export function wideSubtract(ah: u64, al: u64, bh: u64, bl: u64): void {
  give(ah - bh - <u64>(al < bl), al - bl);
}

export function wideShiftRight(h: u64, l: u64, n: i32): void {
  if (n <= 0) give(h, l);
  else if (n < 64) give(h >> <u64>n, (l >> <u64>n) | (h << <u64>(64 - n)));
  else if (n < 128) give(0, h >> <u64>(n - 64));
  else give(0, 0);
}

/** Shifts left until the top bit is set; `adjust` is minus the count. */
export function wideNormalise(h: u64, l: u64): void {
  adjust = 0;
  if (h == 0) {
    h = l;
    l = 0;
    adjust = -64;
  }
  const n = clz(h);
  if (n != 0) {
    h = (h << n) | (l >> (64 - n));
    l <<= n;
    adjust -= <i32>n;
  }
  give(h, l);
}

/** Quotient of two significands, normalised; `adjust` 0 or -1. */
export function wideDivide(nh: u64, nl: u64, dh: u64, dl: u64): void {
  adjust = 0;
  if (nh < dh || (nh == dh && nl < dl)) {
    nh = (nh << 1) | (nl >> 63);
    nl <<= 1;
    adjust = -1;
  }
  let borrow = <u64>(nl < dl);
  nl -= dl;
  nh -= dh + borrow;
  let qh: u64 = 0;
  let ql: u64 = 1;
  for (let i = 0; i < 127; i++) {
    const over = <bool>(nh >> 63);
    nh = (nh << 1) | (nl >> 63);
    nl <<= 1;
    qh = (qh << 1) | (ql >> 63);
    ql <<= 1;
    if (over || nh > dh || (nh == dh && nl >= dl)) {
      borrow = <u64>(nl < dl);
      nl -= dl;
      nh -= dh + borrow;
      ql |= 1;
    }
  }
  give(qh, ql);
}

/**
 * Horner's rule: `c[0] + z c[step] + z^2 c[2 step] ...` with `terms` coefficients (fractions) at `table`; signs
 * alternate with `alternate`.
 */
export function wideSeries(table: usize, step: i32, terms: i32, zh: u64, zl: u64, alternate: bool): void {
  const stride = <usize>step << 4;
  let at = table + stride * <usize>(terms - 1);
  let h = load<u64>(at);
  let l = load<u64>(at, 8);
  for (let i = 1; i < terms; i++) {
    at -= stride;
    wideMultiply(h, l, zh, zl);
    if (alternate) wideSubtract(load<u64>(at), load<u64>(at, 8), xh, xl);
    else wideAdd(load<u64>(at), load<u64>(at, 8), xh, xl);
    h = xh;
    l = xl;
  }
  give(h, l);
}
