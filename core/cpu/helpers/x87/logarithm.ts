// AssemblyScript. F2XM1, FYL2X, FYL2XP1 (SDM 2A, SDM 1 8.3.9), computed to about 110 bits and rounded once (by RC, to
// 64 bits whatever PC says).
import { PE, raiseFlags, setResult, UE, ZE } from '../softfloat';
import {
  classify,
  denormals,
  exponentOf,
  FINITE,
  INFINITE,
  invalid,
  NAN,
  normalOf,
  pack,
  propagate,
  propagateOne,
  setValue,
  UNSUPPORTED,
  valueSe,
  valueSignificand,
  ZERO,
} from './number';
import {
  beginRounding,
  INDEFINITE,
  INDEFINITE_SE,
  INTEGER_BIT,
  isEmpty,
  pop,
  settle,
  signExponentOf,
  significandOf,
  stackFault,
  write,
} from './stack';
import { RECIPROCAL_FACTORIALS, RECIPROCAL_ODDS } from './tables';
import {
  wideAdd,
  wideAdjust,
  wideDivide,
  wideHigh,
  wideLow,
  wideMultiply,
  wideMultiplySignificands,
  wideNormalise,
  wideSeries,
  wideShiftRight,
  wideSubtract,
} from './wide';

/** ln 2 = 0.1011..., exponent -1. */
const LN2_HIGH: u64 = 0xb17217f7d1cf79ab;
const LN2_LOW: u64 = 0xc9e3b39803f2f6af;
/** 2 / ln 2 = 10.11..., exponent 1. */
const TWO_OVER_LN2_HIGH: u64 = 0xb8aa3b295c17f0bb;
const TWO_OVER_LN2_LOW: u64 = 0xbe87fed0691d3e88;
const SQRT2: u64 = 0xb504f333f9de6484;
const EXPONENTIAL_TERMS: i32 = 27;
/** s^2 is below 0.0295: to the 20th it is below 2^-100. */
const LOGARITHM_TERMS: i32 = 20;

/** F2XM1: 2^ST(0) - 1 for -1..1; outside that range real processors leave ST(0) as it is. */
export function x87PowerMinusOne(): void {
  if (isEmpty(0)) {
    if (stackFault(false)) write(0, INDEFINITE_SE, INDEFINITE);
    return;
  }
  beginRounding();
  const se = signExponentOf(0);
  const a = significandOf(0);
  const c = classify(se, a);
  setValue(se, a);
  if (c == UNSUPPORTED) invalid();
  else if (c == NAN) propagateOne(se, a);
  else if (c == INFINITE) {
    if (se & 0x8000) setValue(0xbfff, INTEGER_BIT);
  } else if (c == FINITE && denormals(se, a, se, a)) {
    const exponent = exponentOf(se, a);
    raiseFlags(PE);
    if (exponent < 0) power(<i32>(se >> 15), exponent, normalOf(a));
    else if (exponent == 0 && a == INTEGER_BIT)
      setValue(se & 0x8000 ? 0xbffe : 0x3fff, INTEGER_BIT);
  }
  if (settle()) write(0, valueSe(), valueSignificand());
}

function power(sign: i32, exponent: i32, significand: u64): void {
  // y = x ln 2; e^y - 1 = y (1 + y/2! + y^2/3! ...)
  wideMultiplySignificands(significand, 0, LN2_HIGH, LN2_LOW);
  const yh = wideHigh();
  const yl = wideLow();
  let e = exponent - 1 + wideAdjust();
  wideShiftRight(yh, yl, -1 - e);
  const fh = wideHigh();
  const fl = wideLow();
  wideSeries(RECIPROCAL_FACTORIALS, 1, EXPONENTIAL_TERMS, fh, fl, sign != 0);
  wideMultiply(wideHigh(), wideLow(), fh, fl);
  wideMultiply(wideHigh(), wideLow(), yh, yl);
  e += scaleBy(yh, yl, sign != 0);
  setResult(sign, e, wideHigh(), wideLow() | 1);
  pack(64);
}

/** yh:yl plus or minus the wide result, normalised; gives what that adds to the exponent. */
function scaleBy(yh: u64, yl: u64, minus: bool): i32 {
  if (minus) {
    wideSubtract(yh, yl, wideHigh(), wideLow());
    wideNormalise(wideHigh(), wideLow());
    return wideAdjust();
  }
  wideAdd(yh, yl, wideHigh(), wideLow());
  const h = wideHigh();
  if (h >= yh) return 0;
  wideShiftRight(h, wideLow(), 1);
  wideNormalise(wideHigh() | INTEGER_BIT, wideLow());
  return 1;
}

// A logarithm: sign, exponent, significand (0: it is zero).
let logSign: i32 = 0;
let logExponent: i32 = 0;
let logHigh: u64 = 0;
let logLow: u64 = 0;

/** log2 of (1 + s) / (1 - s) into the logarithm, s in significand form, |s| < 0.172: 2/ln2 * (s + s^3/3 + ...). */
function logOfRatio(sign: i32, exponent: i32, sh: u64, sl: u64): void {
  wideShiftRight(sh, sl, -1 - exponent);
  wideMultiply(wideHigh(), wideLow(), wideHigh(), wideLow());
  const wh = wideHigh();
  const wl = wideLow();
  wideSeries(RECIPROCAL_ODDS, 1, LOGARITHM_TERMS, wh, wl, false);
  wideMultiply(wideHigh(), wideLow(), wh, wl);
  wideMultiply(wideHigh(), wideLow(), sh, sl);
  let e = exponent + scaleBy(sh, sl, false);
  wideMultiplySignificands(wideHigh(), wideLow(), TWO_OVER_LN2_HIGH, TWO_OVER_LN2_LOW);
  e += 1 + wideAdjust();
  logSign = sign;
  logExponent = e;
  logHigh = wideHigh();
  logLow = wideLow();
}

/** log2(m * 2^k), m = mh:ml in [1, 2), into the logarithm. */
function logOf(k: i32, mh: u64, ml: u64): void {
  logHigh = 0;
  logLow = 0;
  if (mh != INTEGER_BIT || ml != 0) {
    // m up to the root of 2: s = (m - 1) / (m + 1); else, with the next power, s = -(2 - m) / (2 + m).
    const upper = mh > SQRT2;
    let nh = upper ? ~mh + <u64>(ml == 0) : mh - INTEGER_BIT;
    let nl = upper ? 0 - ml : ml;
    wideNormalise(nh, nl);
    nh = wideHigh();
    nl = wideLow();
    // n is normalised from units of 2^-127; the divisor is taken in units of 2^-126.
    const ne = wideAdjust();
    wideShiftRight(mh, ml, 1);
    const dh = wideHigh() + (upper ? INTEGER_BIT : INTEGER_BIT >> 1);
    const dl = wideLow();
    wideNormalise(dh, dl);
    const de = wideAdjust() + 1;
    wideDivide(nh, nl, wideHigh(), wideLow());
    logOfRatio(upper ? 1 : 0, ne - de + wideAdjust(), wideHigh(), wideLow());
    if (upper) k++;
  }
  if (k != 0) addInteger(k);
}

/** Adds an integer other than zero to the logarithm, in units of 2^-112. */
function addInteger(k: i32): void {
  const sign = k < 0 ? 1 : 0;
  const whole = (<u64>(k < 0 ? -k : k)) << 48;
  wideShiftRight(logHigh, logLow, 15 - logExponent);
  if (logSign == sign || logHigh == 0) wideAdd(whole, 0, wideHigh(), wideLow());
  else wideSubtract(whole, 0, wideHigh(), wideLow());
  wideNormalise(wideHigh(), wideLow());
  logSign = sign;
  logExponent = 15 + wideAdjust();
  logHigh = wideHigh();
  logLow = wideLow();
}

/** y times the logarithm; `exact` when the logarithm is an integer. */
function multiplyLog(ySe: u32, y: u64, exact: bool): void {
  wideMultiplySignificands(logHigh, logLow, normalOf(y), 0);
  raiseFlags(PE);
  setResult(
    logSign ^ (<i32>(ySe >> 15)),
    logExponent + exponentOf(ySe, y) + wideAdjust(),
    wideHigh(),
    exact ? wideLow() : wideLow() | 1,
  );
  pack(64);
  // PE is raised even for an exact product, and so is UE for a denormal one.
  if (!(valueSe() & 0x7fff)) raiseFlags(UE);
}

/** FYL2X: ST(1) = ST(1) * log2 ST(0), pops. */
export function x87Logarithm(): void {
  binary(false);
}

/** FYL2XP1: ST(1) = ST(1) * log2(ST(0) + 1), pops; meant for |ST(0)| up to 1 - root(2)/2. */
export function x87LogarithmPlusOne(): void {
  binary(true);
}

function binary(plusOne: bool): void {
  if (isEmpty(0) || isEmpty(1)) {
    if (!stackFault(false)) return;
    write(1, INDEFINITE_SE, INDEFINITE);
    pop();
    return;
  }
  beginRounding();
  const xSe = signExponentOf(0);
  const x = significandOf(0);
  const ySe = signExponentOf(1);
  const y = significandOf(1);
  const cx = classify(xSe, x);
  const cy = classify(ySe, y);
  if (cx == UNSUPPORTED || cy == UNSUPPORTED) invalid();
  else if (cx == NAN || cy == NAN) propagate(ySe, y, xSe, x);
  else if (plusOne) plusOneOf(xSe, x, cx, ySe, y, cy);
  else logarithmOf(xSe, x, cx, ySe, y, cy);
  if (!settle()) return;
  write(1, valueSe(), valueSignificand());
  pop();
}

/** Operands other than NaN (SDM 2A, FYL2X, table 3-60). */
function logarithmOf(xSe: u32, x: u64, cx: i32, ySe: u32, y: u64, cy: i32): void {
  const ySign = ySe & 0x8000;
  if (cx == ZERO) {
    if (cy == ZERO) invalid();
    else {
      if (cy == FINITE) raiseFlags(ZE);
      setValue((ySign ^ 0x8000) | 0x7fff, INTEGER_BIT);
    }
    return;
  }
  if (xSe & 0x8000) {
    invalid();
    return;
  }
  if (cx == INFINITE) {
    if (cy == ZERO) invalid();
    else if (denormals(xSe, x, ySe, y)) setValue(ySign | 0x7fff, INTEGER_BIT);
    return;
  }
  const k = exponentOf(xSe, x);
  const m = normalOf(x);
  const one = k == 0 && m == INTEGER_BIT;
  if (cy == INFINITE && one) {
    invalid();
    return;
  }
  if (!denormals(xSe, x, ySe, y)) return;
  const below = k < 0 ? 0x8000 : 0;
  if (cy == INFINITE) setValue((ySign ^ below) | 0x7fff, INTEGER_BIT);
  else if (cy == ZERO) setValue(ySign ^ below, 0);
  else if (one) setValue(ySign, 0);
  else {
    logOf(k, m, 0);
    multiplyLog(ySe, y, m == INTEGER_BIT);
  }
}

/** Operands other than NaN (SDM 2A, FYL2XP1, table 3-61). */
function plusOneOf(xSe: u32, x: u64, cx: i32, ySe: u32, y: u64, cy: i32): void {
  const sign = (xSe ^ ySe) & 0x8000;
  if (cx == INFINITE) {
    if ((xSe & 0x8000) != 0 || cy == ZERO) invalid();
    else if (denormals(xSe, x, ySe, y)) setValue(sign | 0x7fff, INTEGER_BIT);
    return;
  }
  if (cx == ZERO) {
    if (cy == INFINITE) invalid();
    else if (denormals(xSe, x, ySe, y)) setValue(sign, 0);
    return;
  }
  const exponent = exponentOf(xSe, x);
  const negative = (xSe & 0x8000) != 0;
  if (!denormals(xSe, x, ySe, y)) return;
  if (cy != FINITE) {
    setValue(sign | (cy == INFINITE ? 0x7fff : 0), cy == INFINITE ? INTEGER_BIT : 0);
    return;
  }
  if (negative && exponent >= 0) {
    // No logarithm: real processors give ST(0) back.
    raiseFlags(PE);
    setValue(xSe, x);
    return;
  }
  const m = normalOf(x);
  if (exponent >= -2) outOfRange(negative, exponent, m);
  else {
    // s = x / (2 + x), the divisor in units of 2^-126.
    wideShiftRight(m, 0, 1 - exponent);
    if (negative) wideSubtract(INTEGER_BIT, 0, wideHigh(), wideLow());
    else wideAdd(INTEGER_BIT, 0, wideHigh(), wideLow());
    wideNormalise(wideHigh(), wideLow());
    const de = 1 + wideAdjust();
    wideDivide(m, 0, wideHigh(), wideLow());
    logOfRatio(negative ? 1 : 0, exponent - de + wideAdjust(), wideHigh(), wideLow());
  }
  multiplyLog(ySe, y, false);
}

/** log2(1 + x) for x above -1 where 1 + x needs no more than 128 bits. */
function outOfRange(negative: bool, exponent: i32, m: u64): void {
  if (exponent > 63) {
    logOf(exponent, m, 0);
    return;
  }
  // In units of 2^-63, below 2^127.
  const shift = exponent < 0 ? 0 : exponent;
  wideShiftRight(m, 0, 64 - shift);
  let h = wideHigh();
  let l = wideLow();
  if (exponent < 0) {
    h = 0;
    l = m;
    // Units of 2^(-63 + exponent): 1 is 2^(63 - exponent).
    const one: u64 = 1 << (<u64>(-1 - exponent));
    if (negative) wideSubtract(one, 0, h, l);
    else wideAdd(one, 0, h, l);
    wideNormalise(wideHigh(), wideLow());
    logOf(127 + wideAdjust() - 63 + exponent, wideHigh(), wideLow());
    return;
  }
  wideAdd(h, l, 0, INTEGER_BIT);
  wideNormalise(wideHigh(), wideLow());
  logOf(127 + wideAdjust() - 63, wideHigh(), wideLow());
}
