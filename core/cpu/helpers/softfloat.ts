// AssemblyScript. Floating point in integers for x87 and the exact paths of SSE: unpacked numbers of a 64-bit
// significand with 64 bits behind it, IEEE 754 operations on them, rounding to any of the formats with the exception
// flags of SDM 1 chapters 8.5 and 11.5. Special operands (NaN, infinity, zero) are the callers'.

/** Exception flags, at the same places in the x87 status word and MXCSR. */
export const IE: i32 = 1;
export const DE: i32 = 2;
export const ZE: i32 = 4;
export const OE: i32 = 8;
export const UE: i32 = 16;
export const PE: i32 = 32;

export const NEAREST: i32 = 0;
export const DOWN: i32 = 1;
export const UP: i32 = 2;
export const TRUNCATE: i32 = 3;

/** Flags raised since `begin`. */
let raised: i32 = 0;
/** The last rounding went away from zero (x87 C1). */
let away: i32 = 0;
/** RC, as in both control words. */
let rounding: i32 = 0;
/** Exceptions with masks set. */
let masks: i32 = 0x3f;
/** MXCSR.FTZ: tiny results become zero (while UE is masked). */
let flush: bool = false;

// The unpacked result: (-1)^sign * 1.xxx * 2^exponent, `high` its significand with the top bit set (0: the number is
// zero), `low` the 64 bits behind it, the last of them sticky.
let sign: i32 = 0;
let exponent: i32 = 0;
let high: u64 = 0;
let low: u64 = 0;

export function begin(mode: i32, masked: i32, flushing: bool): void {
  raised = 0;
  away = 0;
  rounding = mode;
  masks = masked;
  flush = flushing;
}

// @ts-ignore: decorator
@inline export function raiseFlags(flags: i32): void { raised |= flags; }
// @ts-ignore: decorator
@inline export function raisedFlags(): i32 { return raised; }
// @ts-ignore: decorator
@inline export function roundedAway(): i32 { return away; }
// @ts-ignore: decorator
@inline export function clearAway(): void { away = 0; }
// @ts-ignore: decorator
@inline export function setAway(): void { away = 1; }
// @ts-ignore: decorator
@inline export function roundingMode(): i32 { return rounding; }
// @ts-ignore: decorator
@inline export function maskedFlags(): i32 { return masks; }
// @ts-ignore: decorator
@inline export function resultSign(): i32 { return sign; }
// @ts-ignore: decorator
@inline export function resultExponent(): i32 { return exponent; }
// @ts-ignore: decorator
@inline export function resultHigh(): u64 { return high; }
// @ts-ignore: decorator
@inline export function resultLow(): u64 { return low; }

// @ts-ignore: decorator
@inline export function setResult(s: i32, e: i32, h: u64, l: u64): void {
  sign = s;
  exponent = e;
  high = h;
  low = l;
}

/** Sum of two finite numbers other than zero. An exact zero leaves `high` 0 and the sign that rounding gives it. */
export function addFinite(aSign: i32, aExponent: i32, aHigh: u64, bSign: i32, bExponent: i32, bHigh: u64): void {
  if (aExponent < bExponent || (aExponent == bExponent && aHigh < bHigh)) {
    const s = aSign;
    const e = aExponent;
    const h = aHigh;
    aSign = bSign;
    aExponent = bExponent;
    aHigh = bHigh;
    bSign = s;
    bExponent = e;
    bHigh = h;
  }
  const distance = aExponent - bExponent;
  let h = bHigh;
  let l: u64 = 0;
  if (distance >= 128) {
    h = 0;
    l = 1;
  } else if (distance > 64) {
    h = 0;
    l = (bHigh >> <u64>(distance - 64)) | <u64>(bHigh << <u64>(128 - distance) != 0);
  } else if (distance == 64) {
    h = 0;
    l = bHigh;
  } else if (distance > 0) {
    h = bHigh >> <u64>distance;
    l = bHigh << <u64>(64 - distance);
  }
  sign = aSign;
  if (aSign == bSign) {
    const sum = aHigh + h;
    if (sum < h) {
      low = (l >> 1) | (l & 1) | (sum << 63);
      high = (sum >> 1) | 0x8000000000000000;
      exponent = aExponent + 1;
    } else {
      low = l;
      high = sum;
      exponent = aExponent;
    }
    return;
  }
  high = aHigh - h - <u64>(l != 0);
  low = 0 - l;
  exponent = aExponent;
  if ((high | low) == 0) sign = rounding == DOWN ? 1 : 0;
  else normalise();
}

/** Shifts the significand until its top bit is set. */
export function normalise(): void {
  if (high == 0) {
    high = low;
    low = 0;
    exponent -= 64;
    if (high == 0) return;
  }
  const n = clz(high);
  if (n == 0) return;
  high = (high << n) | (low >> (64 - n));
  low <<= n;
  exponent -= <i32>n;
}

/** Upper half of a 64 by 64 bit product. */
// @ts-ignore: decorator
@inline export function multiplyHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff;
  const a1 = a >> 32;
  const b0 = b & 0xffffffff;
  const b1 = b >> 32;
  const mid = a1 * b0 + ((a0 * b0) >> 32);
  return a1 * b1 + (mid >> 32) + (((mid & 0xffffffff) + a0 * b1) >> 32);
}

export function multiplyFinite(aSign: i32, aExponent: i32, aHigh: u64, bSign: i32, bExponent: i32, bHigh: u64): void {
  sign = aSign ^ bSign;
  exponent = aExponent + bExponent + 1;
  high = multiplyHigh(aHigh, bHigh);
  low = aHigh * bHigh;
  if (!(high >> 63)) {
    high = (high << 1) | (low >> 63);
    low <<= 1;
    exponent--;
  }
}

let remainder: u64 = 0;

/** Remainder of the last `divide128`. */
export function divisionRemainder(): u64 {
  return remainder;
}

/** `h:l / d` with d's top bit set and h < d (Knuth, TAOCP 2, 4.3.1 D with two 32-bit digits). */
export function divide128(h: u64, l: u64, d: u64): u64 {
  const d1 = d >> 32;
  const d0 = d & 0xffffffff;
  let q1 = h / d1;
  let r = h - q1 * d1;
  while (q1 >> 32 != 0 || q1 * d0 > ((r << 32) | (l >> 32))) {
    q1--;
    r += d1;
    if (r >> 32 != 0) break;
  }
  const rest = (h << 32) + (l >> 32) - q1 * d;
  let q0 = rest / d1;
  r = rest - q0 * d1;
  while (q0 >> 32 != 0 || q0 * d0 > ((r << 32) | (l & 0xffffffff))) {
    q0--;
    r += d1;
    if (r >> 32 != 0) break;
  }
  remainder = (rest << 32) + (l & 0xffffffff) - q0 * d;
  return (q1 << 32) + q0;
}

/** The 64 bits behind the last quotient, by `d`: one half and whether there is more are enough to round by. */
// @ts-ignore: decorator
@inline export function behindQuotient(d: u64): u64 {
  const rest = remainder;
  const half = rest >= d - rest;
  return (half ? 0x8000000000000000 : 0) | <u64>((half ? rest - (d - rest) : rest) != 0);
}

export function divideFinite(aSign: i32, aExponent: i32, aHigh: u64, bSign: i32, bExponent: i32, bHigh: u64): void {
  sign = aSign ^ bSign;
  if (aHigh < bHigh) {
    exponent = aExponent - bExponent - 1;
    high = divide128(aHigh, 0, bHigh);
  } else {
    exponent = aExponent - bExponent;
    high = divide128(aHigh >> 1, aHigh << 63, bHigh);
  }
  low = behindQuotient(bHigh);
}

/** Root of a positive number (P. Zimmermann, Karatsuba Square Root: two digits). */
export function rootFinite(aExponent: i32, aHigh: u64): void {
  const odd = (aExponent & 1) != 0;
  const nh = odd ? aHigh : aHigh >> 1;
  const nl = odd ? 0 : aHigh << 63;
  let s = <u64>Math.sqrt(<f64>nh);
  while (s >> 32 != 0 || s * s > nh) s--;
  while (s < 0xffffffff && (s + 1) * (s + 1) <= nh) s++;
  const r = nh - s * s;
  let q = ((r << 31) | (nl >> 33)) / s;
  if (q > 0xffffffff) q = 0xffffffff;
  let root = (s << 32) + q;
  // Rest of nh:nl - root * root, at most two roots wide.
  let squareLow = root * root;
  let restHigh = <i64>(nh - multiplyHigh(root, root) - <u64>(nl < squareLow));
  let restLow = nl - squareLow;
  while (restHigh < 0) {
    root--;
    squareLow = restLow + root * 2 + 1;
    restHigh += <i64>(root >> 63) + <i64>(squareLow < restLow);
    restLow = squareLow;
  }
  sign = 0;
  exponent = aExponent >> 1;
  high = root;
  low = (restHigh != 0 || restLow > root ? 0x8000000000000000 : 0) | <u64>((<u64>restHigh | restLow) != 0);
}

// --- rounding

function shiftRightJam(n: i32): void {
  if (n <= 0) return;
  if (n >= 128) {
    low = <u64>((high | low) != 0);
    high = 0;
  } else if (n >= 64) {
    const m = <u64>(n - 64);
    const lost = low | (m == 0 ? 0 : high << (64 - m));
    low = (high >> m) | <u64>(lost != 0);
    high = 0;
  } else {
    const m = <u64>n;
    const lost = low << (64 - m);
    low = (low >> m) | (high << (64 - m)) | <u64>(lost != 0);
    high >>= m;
  }
}

/** Bits of `high` below a precision of 24, 53 or 64 bits. */
// @ts-ignore: decorator
@inline function belowMask(precision: i32): u64 { return precision == 64 ? 0 : ((<u64>1 << <u64>(64 - precision)) - 1); }

/** True when rounding to the precision goes away from zero. */
function roundsAway(precision: i32): bool {
  const mask = belowMask(precision);
  if (rounding == NEAREST) {
    if (precision == 64) return <bool>(low >> 63) && ((low << 1) | (high & 1)) != 0;
    const half = (mask >> 1) + 1;
    return (high & half) != 0 && ((high & (half - 1)) | low | (high & (half << 1))) != 0;
  }
  if (((high & mask) | low) == 0 || rounding == TRUNCATE) return false;
  return rounding == UP ? sign == 0 : sign != 0;
}

/** Rounds the significand. Sets PE and `away`. Returns true when it carried out to the next power of two. */
function round(precision: i32): bool {
  const mask = belowMask(precision);
  const inexact = ((high & mask) | low) != 0;
  away = 0;
  if (!inexact) return false;
  raised |= PE;
  const up = roundsAway(precision);
  high &= ~mask;
  low = 0;
  if (!up) return false;
  away = 1;
  high += mask + 1;
  return high == 0;
}

/** True when the number stays below the smallest normal one even after rounding with an unlimited exponent. */
function isTiny(precision: i32, minimum: i32): bool {
  if (exponent >= minimum) return false;
  if (exponent < minimum - 1) return true;
  const mask = belowMask(precision);
  return (high | mask) != 0xffffffffffffffff || !roundsAway(precision);
}

/**
 * Rounds to `precision` bits and the exponent range of a format whose bias is `bias`; gives the biased exponent (0 for
 * zero and denormals, 2 * bias + 1 for infinity), the significand in `high`. With UE or OE unmasked the exponent is
 * only wrapped by `wrap` if that brings it into range (SDM 1 8.5.4, 8.5.5).
 */
export function roundToFormat(precision: i32, bias: i32, wrap: i32): i32 {
  if (high == 0) {
    away = 0;
    return 0;
  }
  const minimum = 1 - bias;
  const infinite = 2 * bias + 1;
  if (exponent < minimum && isTiny(precision, minimum)) {
    if (!(masks & UE) && (wrap == 0 || exponent + wrap + bias > 0)) {
      raised |= UE;
      if (round(precision)) carry();
      return exponent + wrap + bias;
    }
    // FTZ; and an exponent that even wrapping does not bring into range, whatever RC says (FSCALE).
    if (flush || !(masks & UE)) {
      raised |= UE | PE;
      away = 0;
      high = 0;
      low = 0;
      return 0;
    }
    shiftRightJam(minimum - exponent);
    const before = raised;
    raised &= ~PE;
    round(precision);
    if (raised & PE) raised |= UE;
    raised |= before;
    return <i32>(high >> 63);
  }
  if (exponent < minimum) {
    // Rounds up to the smallest normal number: at the denormal's place, though.
    shiftRightJam(minimum - exponent);
    round(precision);
    exponent = minimum;
    return <i32>(high >> 63);
  }
  if (round(precision)) carry();
  if (exponent + bias < infinite) return exponent + bias;
  raised |= OE;
  if (!(masks & OE) && (wrap == 0 || exponent - wrap + bias < infinite)) return exponent - wrap + bias;
  raised |= PE;
  // An exponent that even wrapping does not bring into range ends in infinity, whatever RC says (FSCALE).
  if (rounding == NEAREST || rounding == (sign ? DOWN : UP) || !(masks & OE)) {
    away = 1;
    high = 0x8000000000000000;
    return infinite;
  }
  away = 0;
  high = ~belowMask(precision);
  return infinite - 1;
}

// @ts-ignore: decorator
@inline function carry(): void {
  high = 0x8000000000000000;
  exponent++;
}

/**
 * The frequent case of `roundToFormat`: to nearest, 64 bits, exponents that stay in range however it rounds. False when
 * it is another.
 */
// @ts-ignore: decorator
@inline export function roundNearest64(bias: i32): bool {
  if (rounding != NEAREST || !(high >> 63) || <u32>(exponent + bias - 1) >= <u32>(2 * bias - 1)) return false;
  away = 0;
  if (low == 0) return true;
  raised |= PE;
  if (low > 0x8000000000000000 || (low == 0x8000000000000000 && (high & 1) != 0)) {
    away = 1;
    if (++high == 0) carry();
  }
  return true;
}

/** Packs the result as binary64. */
export function packDouble(): u64 {
  const biased = <u64>roundToFormat(53, 1023, 0);
  return (<u64>sign << 63) | (biased << 52) | ((high >> 11) & 0xfffffffffffff);
}

/** Packs the result as binary32. */
export function packSingle(): u32 {
  const biased = <u32>roundToFormat(24, 127, 0);
  return (<u32>sign << 31) | (biased << 23) | (<u32>(high >> 40) & 0x7fffff);
}
