// AssemblyScript. FSIN, FCOS, FSINCOS, FPTAN (SDM 2A, SDM 1 8.3.8): arguments are reduced with the 66-bit pi of real
// processors, results computed to about 120 bits and rounded once (by RC, to 64 bits whatever PC says).
import { setResult } from '../softfloat';
import {
  BIAS,
  classify,
  denormals,
  exponentOf,
  INFINITE,
  invalid,
  NAN,
  normalOf,
  pack,
  propagateOne,
  setValue,
  UNSUPPORTED,
  valueSe,
  valueSignificand,
  ZERO,
} from './number';
import {
  beginRounding,
  C1,
  C2,
  INDEFINITE,
  INDEFINITE_SE,
  INTEGER_BIT,
  isEmpty,
  push,
  setStatus,
  settle,
  signExponentOf,
  significandOf,
  stackFault,
  status,
  write,
} from './stack';
import { RECIPROCAL_FACTORIALS } from './tables';
import {
  wideAdjust,
  wideDivide,
  wideHigh,
  wideLow,
  wideMultiply,
  wideMultiplySignificands,
  wideNormalise,
  wideSeries,
  wideShiftRight,
} from './wide';

/** Half of the 66-bit pi in units of 2^-65. */
const HALF_PI_HIGH: u64 = 3;
const HALF_PI_LOW: u64 = 0x243f6a8885a308d3;
/** pi/4 as an 80-bit number's significand and exponent: up to here nothing is reduced. */
const QUARTER_PI: u64 = 0xc90fdaa22168c234;
/** Terms of the series: (pi/4)^2 to the 14th over 29! is below 2^-100. */
const TERMS: i32 = 14;

// The reduced argument: quadrant, sign, exponent and significand of the rest.
let quadrant: i32 = 0;
let restSign: i32 = 0;
let restExponent: i32 = 0;
let restHigh: u64 = 0;
let restLow: u64 = 0;

/** `significand * 2^exponent`, exponent below 63, to within pi/4 of a multiple of pi/2. */
function reduceArgument(exponent: i32, significand: u64): void {
  quadrant = 0;
  restSign = 0;
  restExponent = exponent;
  restHigh = significand;
  restLow = 0;
  if (exponent < -1 || (exponent == -1 && significand <= QUARTER_PI)) return;
  let h: u64 = 0;
  let l = significand;
  for (let i = 0; i < exponent + 2; i++) {
    h = (h << 1) | (l >> 63);
    l <<= 1;
    quadrant <<= 1;
    if (h > HALF_PI_HIGH || (h == HALF_PI_HIGH && l >= HALF_PI_LOW)) {
      h -= HALF_PI_HIGH + <u64>(l < HALF_PI_LOW);
      l -= HALF_PI_LOW;
      quadrant |= 1;
    }
  }
  // More than half of pi/2: count from the next multiple.
  const th = (h << 1) | (l >> 63);
  const tl = l << 1;
  if (th > HALF_PI_HIGH || (th == HALF_PI_HIGH && tl > HALF_PI_LOW)) {
    h = HALF_PI_HIGH - h - <u64>(HALF_PI_LOW < l);
    l = HALF_PI_LOW - l;
    restSign = 1;
    quadrant++;
  }
  wideNormalise(h, l);
  restHigh = wideHigh();
  restLow = wideLow();
  // Bit 127 of h:l stands for 2^(127 - 65).
  restExponent = 62 + wideAdjust();
}

// Sine and cosine of the rest, as significand and exponent; sign of the sine is restSign.
let sineHigh: u64 = 0;
let sineLow: u64 = 0;
let sineExponent: i32 = 0;
let cosineHigh: u64 = 0;
let cosineLow: u64 = 0;
let cosineExponent: i32 = 0;

/** 1 - z times the series from coefficient `first`, never 1 itself; as a fraction. */
function oneMinus(zh: u64, zl: u64, first: usize): void {
  wideSeries(RECIPROCAL_FACTORIALS + first * 16, 2, TERMS, zh, zl, true);
  wideMultiply(wideHigh(), wideLow(), zh, zl);
  const h = wideHigh();
  const l = wideLow() | (<u64>((h | wideLow()) == 0));
  // 2^128 - h:l
  wideNormalise(~h + <u64>(l == 0), 0 - l);
}

function sineAndCosine(): void {
  wideShiftRight(restHigh, restLow, -1 - restExponent);
  wideMultiply(wideHigh(), wideLow(), wideHigh(), wideLow());
  const zh = wideHigh();
  const zl = wideLow();
  oneMinus(zh, zl, 0);
  cosineHigh = wideHigh();
  cosineLow = wideLow();
  cosineExponent = wideAdjust() - 1;
  oneMinus(zh, zl, 1);
  const exponent = wideAdjust() - 1;
  wideMultiplySignificands(wideHigh(), wideLow(), restHigh, restLow);
  sineHigh = wideHigh();
  sineLow = wideLow();
  sineExponent = restExponent + exponent + wideAdjust();
}

/** Packs sine (`shift` 0) or cosine (1) of an argument whose sign is `sign`. */
function packTurn(sign: i32, shift: i32): void {
  const q = quadrant + shift;
  let s = (q >> 1) & 1;
  if (q & 1) setResult(s ^ (shift == 0 ? sign : 0), cosineExponent, cosineHigh, cosineLow | 1);
  else setResult(s ^ restSign ^ (shift == 0 ? sign : 0), sineExponent, sineHigh, sineLow | 1);
  pack(64);
}

const DONE: i32 = 0;
const READY: i32 = 1;
const TOO_LARGE: i32 = 2;

/** Special operands: DONE leaves the result in the value (`atZero` for zeros: sine's is the operand). */
function prepare(se: u32, a: u64): i32 {
  const c = classify(se, a);
  if (c == UNSUPPORTED || c == INFINITE) invalid();
  else if (c == NAN) propagateOne(se, a);
  else if (c == ZERO) setValue(se, a);
  else {
    if (!denormals(se, a, se, a)) return DONE;
    const exponent = exponentOf(se, a);
    if (exponent >= 63) return TOO_LARGE;
    reduceArgument(exponent, normalOf(a));
    sineAndCosine();
    return READY;
  }
  return DONE;
}

/** FSIN (`shift` 0) and FCOS (1). */
export function x87Sine(shift: i32): void {
  setStatus(status() & ~C2);
  if (isEmpty(0)) {
    if (stackFault(false)) write(0, INDEFINITE_SE, INDEFINITE);
    return;
  }
  beginRounding();
  const se = signExponentOf(0);
  const a = significandOf(0);
  const how = prepare(se, a);
  if (how == TOO_LARGE) {
    setStatus((status() & ~C1) | C2);
    return;
  }
  if (how == READY) packTurn(<i32>(se >> 15), shift);
  else if (shift == 1 && classify(se, a) == ZERO) setValue(BIAS, INTEGER_BIT);
  if (!settle()) return;
  write(0, valueSe(), valueSignificand());
}

/** FSINCOS: sine replaces ST(0), cosine is pushed. */
export function x87SineCosine(): void {
  setStatus(status() & ~C2);
  if (isEmpty(0) || !isEmpty(7)) {
    twoIndefinite();
    return;
  }
  beginRounding();
  const se = signExponentOf(0);
  const a = significandOf(0);
  const how = prepare(se, a);
  if (how == TOO_LARGE) {
    setStatus((status() & ~C1) | C2);
    return;
  }
  let sineSe = valueSe();
  let sine = valueSignificand();
  if (how == READY) {
    packTurn(<i32>(se >> 15), 0);
    sineSe = valueSe();
    sine = valueSignificand();
    packTurn(<i32>(se >> 15), 1);
  } else if (classify(se, a) == ZERO) setValue(BIAS, INTEGER_BIT);
  if (!settle()) return;
  write(0, sineSe, sine);
  push(valueSe(), valueSignificand());
}

/** Stack underflow or overflow of an instruction with two results. */
function twoIndefinite(): void {
  if (!stackFault(!isEmpty(0))) return;
  write(0, INDEFINITE_SE, INDEFINITE);
  push(INDEFINITE_SE, INDEFINITE);
}

/** tan x = sin r / cos r, or -cos r / sin r in odd quadrants; for tiny arguments a bit more than x. */
function packTangent(sign: i32): void {
  const turned = (quadrant & 1) != 0;
  sign ^= restSign;
  if (!turned && restExponent < -64) setResult(sign, restExponent, restHigh, 1);
  else if (turned) {
    wideDivide(cosineHigh, cosineLow, sineHigh, sineLow);
    setResult(sign ^ 1, cosineExponent - sineExponent + wideAdjust(), wideHigh(), wideLow() | 1);
  } else {
    wideDivide(sineHigh, sineLow, cosineHigh, cosineLow);
    setResult(sign, sineExponent - cosineExponent + wideAdjust(), wideHigh(), wideLow() | 1);
  }
  pack(64);
}

/** FPTAN: tangent replaces ST(0), then 1.0 is pushed (a NaN is pushed too). */
export function x87Tangent(): void {
  setStatus(status() & ~C2);
  if (isEmpty(0) || !isEmpty(7)) {
    twoIndefinite();
    return;
  }
  beginRounding();
  const se = signExponentOf(0);
  const a = significandOf(0);
  const how = prepare(se, a);
  if (how == TOO_LARGE) {
    setStatus((status() & ~C1) | C2);
    return;
  }
  const number = how == READY || classify(se, a) == ZERO;
  if (how == READY) {
    packTangent(<i32>(se >> 15));
  }
  if (!settle()) return;
  write(0, valueSe(), valueSignificand());
  if (number) push(BIAS, INTEGER_BIT);
  else push(valueSe(), valueSignificand());
}
