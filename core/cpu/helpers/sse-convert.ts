// AssemblyScript. Conversions CVT*, ROUNDPS/PD/SS/SD (SDM Vol. 2; SDM 1 11.5.2, 4.8.4), RCPPS/SS, RSQRTPS/SS.
import { DE, DOWN, IE, NEAREST, packDouble, packSingle, PE, raiseFlags, roundingMode, setResult, TRUNCATE, UP } from './softfloat';
import {
  beginSse, endSse, inputDouble, inputSingle, isDenormalDouble, isDenormalSingle, isNanDouble, isNanSingle, isSignalingDouble, isSignalingSingle, unpackDouble,
  unpackedExponent, unpackedSignificand, unpackSingle,
} from './sse-lane';
import { normalSingle, plainRounding, tameDouble, tameSingle } from './sse-tame';

const INFINITE: i32 = 2;
const FINITE: i32 = 1;

// --- between the two floating-point formats

function widen(bits: u32): u64 {
  if (tameSingle(bits)) return reinterpret<u64>(<f64>reinterpret<f32>(bits));
  bits = inputSingle(bits);
  const sign = <u64>(bits & 0x80000000) << 32;
  if (isNanSingle(bits)) {
    if (isSignalingSingle(bits)) raiseFlags(IE);
    return sign | 0x7ff8000000000000 | (<u64>(bits & 0x7fffff) << 29);
  }
  if (isDenormalSingle(bits)) raiseFlags(DE);
  return reinterpret<u64>(<f64>reinterpret<f32>(bits));
}

function narrow(bits: u64): u32 {
  bits = inputDouble(bits);
  const sign = <u32>(bits >> 32) & 0x80000000;
  if (isNanDouble(bits)) {
    if (isSignalingDouble(bits)) raiseFlags(IE);
    return sign | 0x7fc00000 | (<u32>(bits >> 29) & 0x7fffff);
  }
  const kind = unpackDouble(bits);
  if (kind == INFINITE) return sign | 0x7f800000;
  if (kind != FINITE) return sign;
  if (isDenormalDouble(bits)) raiseFlags(DE);
  setResult(<i32>(bits >> 63), unpackedExponent(), unpackedSignificand(), 0);
  return packSingle();
}

export function cvtSs2Sd(bits: u32): u64 {
  beginSse();
  const r = widen(bits);
  endSse();
  return r;
}

export function cvtSd2Ss(bits: u64): u32 {
  const fast = reinterpret<u32>(<f32>reinterpret<f64>(bits));
  if (plainRounding() && tameDouble(bits) && normalSingle(fast)) return fast;
  beginSse();
  const r = narrow(bits);
  endSse();
  return r;
}

export function cvtPs2Pd(v: v128): v128 {
  beginSse();
  const low = widen(i32x4.extract_lane(v, 0));
  const high = widen(i32x4.extract_lane(v, 1));
  endSse();
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** The upper half of the result is zero. */
export function cvtPd2Ps(v: v128): v128 {
  beginSse();
  const low = narrow(i64x2.extract_lane(v, 0));
  const high = narrow(i64x2.extract_lane(v, 1));
  endSse();
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(0), 0, low), 1, high);
}

// --- from integers

function integerToSingle(value: i64): u32 {
  unpackInteger(value);
  return packSingle();
}

function unpackInteger(value: i64): void {
  const magnitude = value < 0 ? 0 - <u64>value : <u64>value;
  if (magnitude == 0) {
    setResult(0, 0, 0, 0);
    return;
  }
  const n = clz(magnitude);
  setResult(value < 0 ? 1 : 0, 63 - <i32>n, magnitude << n, 0);
}

export function cvtSi2Ss(value: i64): u32 {
  beginSse();
  const r = integerToSingle(value);
  endSse();
  return r;
}

export function cvtSi2Sd(value: i64): u64 {
  // Up to 53 bits it is exact.
  if (value <= 0x20000000000000 && value >= -0x20000000000000) return reinterpret<u64>(<f64>value);
  beginSse();
  unpackInteger(value);
  const r = packDouble();
  endSse();
  return r;
}

export function cvtDq2Ps(v: v128): v128 {
  if (plainRounding()) return f32x4.convert_i32x4_s(v);
  beginSse();
  let r = i32x4.splat(integerToSingle(<i64>i32x4.extract_lane(v, 0)));
  r = i32x4.replace_lane(r, 1, integerToSingle(<i64>i32x4.extract_lane(v, 1)));
  r = i32x4.replace_lane(r, 2, integerToSingle(<i64>i32x4.extract_lane(v, 2)));
  r = i32x4.replace_lane(r, 3, integerToSingle(<i64>i32x4.extract_lane(v, 3)));
  endSse();
  return r;
}

/** CVTPI2PS: two lanes, in the low half. */
export function cvtPi2Ps(value: u64): u64 {
  beginSse();
  const low = <u64>integerToSingle(<i64><i32>value);
  const high = <u64>integerToSingle(<i64>value >> 32);
  endSse();
  return low | (high << 32);
}

// --- to integers

// @ts-ignore: decorator
@inline function roundBy(value: f64, mode: i32): f64 {
  if (mode == NEAREST) return nearest<f64>(value);
  if (mode == DOWN) return floor<f64>(value);
  return mode == UP ? ceil<f64>(value) : trunc<f64>(value);
}

/** `bits` 32 or 64; what does not fit becomes the integer indefinite. */
function toInteger(value: f64, bits: i32, truncate: i32): i64 {
  const rounded = roundBy(value, truncate ? TRUNCATE : roundingMode());
  const limit: f64 = bits == 64 ? 9223372036854775808.0 : 2147483648.0;
  if (!(rounded >= -limit && rounded < limit)) {
    raiseFlags(IE);
    return bits == 64 ? i64.MIN_VALUE : 0x80000000;
  }
  if (rounded != value) raiseFlags(PE);
  return <i64>rounded;
}

// @ts-ignore: decorator
@inline function singleInput(bits: u32): f64 { return <f64>reinterpret<f32>(inputSingle(bits)); }
// @ts-ignore: decorator
@inline function doubleInput(bits: u64): f64 { return reinterpret<f64>(inputDouble(bits)); }

/** CVTSS2SI, CVTTSS2SI; `bytes` 4 or 8. */
export function cvtSs2Si(bits: u32, bytes: i32, truncate: i32): i64 {
  beginSse();
  const r = toInteger(singleInput(bits), bytes * 8, truncate);
  endSse();
  return r;
}

export function cvtSd2Si(bits: u64, bytes: i32, truncate: i32): i64 {
  beginSse();
  const r = toInteger(doubleInput(bits), bytes * 8, truncate);
  endSse();
  return r;
}

export function cvtPs2Dq(v: v128, truncate: i32): v128 {
  beginSse();
  let r = i32x4.splat(<i32>toInteger(singleInput(i32x4.extract_lane(v, 0)), 32, truncate));
  r = i32x4.replace_lane(r, 1, <i32>toInteger(singleInput(i32x4.extract_lane(v, 1)), 32, truncate));
  r = i32x4.replace_lane(r, 2, <i32>toInteger(singleInput(i32x4.extract_lane(v, 2)), 32, truncate));
  r = i32x4.replace_lane(r, 3, <i32>toInteger(singleInput(i32x4.extract_lane(v, 3)), 32, truncate));
  endSse();
  return r;
}

/** CVT(T)PD2DQ and CVT(T)PD2PI: the upper half is zero. */
export function cvtPd2Dq(v: v128, truncate: i32): v128 {
  beginSse();
  const low = <i32>toInteger(doubleInput(i64x2.extract_lane(v, 0)), 32, truncate);
  const high = <i32>toInteger(doubleInput(i64x2.extract_lane(v, 1)), 32, truncate);
  endSse();
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(0), 0, low), 1, high);
}

/** CVT(T)PS2PI: two lanes. */
export function cvtPs2Pi(value: u64, truncate: i32): u64 {
  beginSse();
  const low = <u64><u32>toInteger(singleInput(<u32>value), 32, truncate);
  const high = <u64><u32>toInteger(singleInput(<u32>(value >> 32)), 32, truncate);
  endSse();
  return low | (high << 32);
}

// --- ROUNDxx: bits 0-1 of the immediate give the mode unless bit 2 takes MXCSR's; bit 3 keeps PE from being set

function roundDouble(bits: u64, how: i32): u64 {
  bits = inputDouble(bits);
  if (isNanDouble(bits)) {
    if (isSignalingDouble(bits)) raiseFlags(IE);
    return bits | 0x8000000000000;
  }
  const value = reinterpret<f64>(bits);
  const rounded = roundBy(value, how & 4 ? roundingMode() : how & 3);
  if (rounded != value && !(how & 8)) raiseFlags(PE);
  return reinterpret<u64>(rounded);
}

function roundSingle(bits: u32, how: i32): u32 {
  bits = inputSingle(bits);
  if (isNanSingle(bits)) {
    if (isSignalingSingle(bits)) raiseFlags(IE);
    return bits | 0x400000;
  }
  const value = <f64>reinterpret<f32>(bits);
  const rounded = roundBy(value, how & 4 ? roundingMode() : how & 3);
  if (rounded != value && !(how & 8)) raiseFlags(PE);
  return reinterpret<u32>(<f32>rounded);
}

export function roundPs(v: v128, how: i32): v128 {
  beginSse();
  let r = i32x4.splat(roundSingle(i32x4.extract_lane(v, 0), how));
  r = i32x4.replace_lane(r, 1, roundSingle(i32x4.extract_lane(v, 1), how));
  r = i32x4.replace_lane(r, 2, roundSingle(i32x4.extract_lane(v, 2), how));
  r = i32x4.replace_lane(r, 3, roundSingle(i32x4.extract_lane(v, 3), how));
  endSse();
  return r;
}

export function roundPd(v: v128, how: i32): v128 {
  beginSse();
  const low = roundDouble(i64x2.extract_lane(v, 0), how);
  const high = roundDouble(i64x2.extract_lane(v, 1), how);
  endSse();
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

export function roundSs(bits: u32, how: i32): u32 {
  beginSse();
  const r = roundSingle(bits, how);
  endSse();
  return r;
}

export function roundSd(bits: u64, how: i32): u64 {
  beginSse();
  const r = roundDouble(bits, how);
  endSse();
  return r;
}

// --- estimates. Processors use different tables, all within a relative error of 1.5 * 2^-12; here: the value for the
// middle of the interval that the upper 12 bits of the fraction name, to 12 bits. No flags, no rounding control.

/** Cuts the operand to the middle of its interval. */
// @ts-ignore: decorator
@inline function middle(bits: u32): f64 { return <f64>reinterpret<f32>((bits & 0xfffff800) | 0x400); }

/** To 12 fraction bits; tiny results are zero. */
function estimate(value: f64, sign: u32): u32 {
  const bits = reinterpret<u32>(<f32>value);
  return sign | (bits < 0x800000 ? 0 : (bits + 0x400) & 0x7ffff800);
}

function reciprocal(bits: u32): u32 {
  const sign = bits & 0x80000000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return bits | 0x400000;
  if (magnitude < 0x800000) return sign | 0x7f800000;
  return magnitude == 0x7f800000 ? sign : estimate(1.0 / middle(magnitude), sign);
}

function reciprocalRoot(bits: u32): u32 {
  const sign = bits & 0x80000000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return bits | 0x400000;
  if (magnitude < 0x800000) return sign | 0x7f800000;
  if (sign) return 0xffc00000;
  return magnitude == 0x7f800000 ? 0 : estimate(1.0 / sqrt<f64>(middle(magnitude)), 0);
}

/** RCPSS, RSQRTSS (`root`). */
export function estimateSs(bits: u32, root: i32): u32 {
  return root ? reciprocalRoot(bits) : reciprocal(bits);
}

export function estimatePs(v: v128, root: i32): v128 {
  let r = i32x4.splat(estimateSs(i32x4.extract_lane(v, 0), root));
  r = i32x4.replace_lane(r, 1, estimateSs(i32x4.extract_lane(v, 1), root));
  r = i32x4.replace_lane(r, 2, estimateSs(i32x4.extract_lane(v, 2), root));
  return i32x4.replace_lane(r, 3, estimateSs(i32x4.extract_lane(v, 3), root));
}
