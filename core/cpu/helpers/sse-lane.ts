// AssemblyScript. One lane of SSE arithmetic, exactly as MXCSR asks (SDM 1 chapters 10.2.3, 11.5, 4.8.3.5): any
// rounding, FTZ, DAZ, every flag. The fast paths of sse-arith.ts leave to this what is out of the ordinary.
import * as L from '../layout';
import { raise } from './exceptions';
import {
  addFinite, begin, DE, divideFinite, DOWN, IE, multiplyFinite, packDouble, packSingle, raisedFlags, raiseFlags, resultHigh, resultSign, rootFinite, roundingMode,
  setResult, ZE,
} from './softfloat';
import { get32, get64, set32 } from './state';

const UD_VECTOR: i32 = 6;
const XM_VECTOR: i32 = 19;
const CR4_OSXMMEXCPT: u64 = 0x400;
const DAZ: u32 = 0x40;
const FTZ: u32 = 0x8000;

/** Low four bits of the opcodes 0F 51 .. 0F 5F. */
export const SQRT: i32 = 1;
export const ADD: i32 = 8;
export const MUL: i32 = 9;
export const SUB: i32 = 12;
export const MIN: i32 = 13;
export const DIV: i32 = 14;
export const MAX: i32 = 15;

export const SINGLE_INDEFINITE: u32 = 0xffc00000;
export const DOUBLE_INDEFINITE: u64 = 0xfff8000000000000;
const SINGLE_QUIET: u32 = 0x400000;
const DOUBLE_QUIET: u64 = 0x8000000000000;

let daz: bool = false;

/** Starts an instruction: rounding and masks from MXCSR, no flags raised. */
export function beginSse(): void {
  const mxcsr = get32(L.S_MXCSR);
  daz = (mxcsr & DAZ) != 0;
  begin(<i32>(mxcsr >> 13) & 3, <i32>(mxcsr >> 7) & 0x3f, (mxcsr & FTZ) != 0);
}

/** Ends it: flags into MXCSR; #XM (#UD without CR4.OSXMMEXCPT) when one is unmasked, before any result is written. */
export function endSse(): void {
  let flags = <u32>raisedFlags();
  if (flags == 0) return;
  const mxcsr = get32(L.S_MXCSR);
  const unmasked = flags & ~(mxcsr >> 7) & 0x3f;
  // What is found before computing keeps the rest from being computed.
  if (unmasked & (IE | DE | ZE)) flags &= IE | DE | ZE;
  set32(L.S_MXCSR, mxcsr | flags);
  if (unmasked) raise(get64(L.S_CR4) & CR4_OSXMMEXCPT ? XM_VECTOR : UD_VECTOR, -1);
}

/** DAZ: denormals count as zeros of their sign. */
// @ts-ignore: decorator
@inline export function inputSingle(bits: u32): u32 { return daz && (bits & 0x7f800000) == 0 ? bits & 0x80000000 : bits; }
// @ts-ignore: decorator
@inline export function inputDouble(bits: u64): u64 { return daz && (bits & 0x7ff0000000000000) == 0 ? bits & 0x8000000000000000 : bits; }

// @ts-ignore: decorator
@inline export function isNanSingle(bits: u32): bool { return (bits & 0x7fffffff) > 0x7f800000; }
// @ts-ignore: decorator
@inline export function isNanDouble(bits: u64): bool { return (bits & 0x7fffffffffffffff) > 0x7ff0000000000000; }
// @ts-ignore: decorator
@inline export function isSignalingSingle(bits: u32): bool { return isNanSingle(bits) && (bits & SINGLE_QUIET) == 0; }
// @ts-ignore: decorator
@inline export function isSignalingDouble(bits: u64): bool { return isNanDouble(bits) && (bits & DOUBLE_QUIET) == 0; }
// @ts-ignore: decorator
@inline export function isDenormalSingle(bits: u32): bool { return (bits & 0x7f800000) == 0 && (bits & 0x7fffff) != 0; }
// @ts-ignore: decorator
@inline export function isDenormalDouble(bits: u64): bool { return (bits & 0x7ff0000000000000) == 0 && (bits & 0xfffffffffffff) != 0; }

const ZERO: i32 = 0;
const FINITE: i32 = 1;
const INFINITE: i32 = 2;

// The operand that was unpacked last.
let kind: i32 = 0;
let exponent: i32 = 0;
let significand: u64 = 0;

/** A binary64 other than a NaN. */
export function unpackDouble(bits: u64): i32 {
  const e = <i32>(bits >> 52) & 0x7ff;
  const fraction = bits & 0xfffffffffffff;
  if (e == 0x7ff) kind = INFINITE;
  else if (e != 0) {
    kind = FINITE;
    exponent = e - 1023;
    significand = 0x8000000000000000 | (fraction << 11);
  } else if (fraction == 0) kind = ZERO;
  else {
    kind = FINITE;
    const n = clz(fraction);
    exponent = -1011 - <i32>n;
    significand = fraction << n;
  }
  return kind;
}

/** A binary32 other than a NaN. */
export function unpackSingle(bits: u32): i32 {
  const e = <i32>(bits >> 23) & 0xff;
  const fraction = <u64>(bits & 0x7fffff);
  if (e == 0xff) kind = INFINITE;
  else if (e != 0) {
    kind = FINITE;
    exponent = e - 127;
    significand = 0x8000000000000000 | (fraction << 40);
  } else if (fraction == 0) kind = ZERO;
  else {
    kind = FINITE;
    const n = clz(fraction);
    exponent = -86 - <i32>n;
    significand = fraction << n;
  }
  return kind;
}

// @ts-ignore: decorator
@inline export function unpackedExponent(): i32 { return exponent; }
// @ts-ignore: decorator
@inline export function unpackedSignificand(): u64 { return significand; }

// How `operate` ends: a number to pack, or one of these with its sign in the softfloat result.
const PACK: i32 = 0;
const GIVE_ZERO: i32 = 1;
const GIVE_INFINITE: i32 = 2;
const GIVE_DEFAULT: i32 = 3;

function give(what: i32, sign: i32): i32 {
  setResult(sign, 0, 0, 0);
  return what;
}

/** `a op b` for operands that are no NaNs; `denormal` when one of them is. */
function operate(op: i32, aKind: i32, aSign: i32, aExponent: i32, a: u64, bKind: i32, bSign: i32, bExponent: i32, b: u64, denormal: bool): i32 {
  if (op == SQRT) {
    if (bKind == ZERO) return give(GIVE_ZERO, bSign);
    if (bSign) {
      raiseFlags(IE);
      return GIVE_DEFAULT;
    }
    if (bKind == INFINITE) return give(GIVE_INFINITE, 0);
    if (denormal) raiseFlags(DE);
    rootFinite(bExponent, b);
    return PACK;
  }
  if (op == SUB) bSign ^= 1;
  const sign = aSign ^ bSign;
  const adds = op == ADD || op == SUB;
  const isInvalid = adds
    ? aKind == INFINITE && bKind == INFINITE && sign != 0
    : op == MUL
      ? (aKind == INFINITE && bKind == ZERO) || (aKind == ZERO && bKind == INFINITE)
      : aKind == bKind && aKind != FINITE;
  if (isInvalid) {
    raiseFlags(IE);
    return GIVE_DEFAULT;
  }
  if (op == DIV && bKind == ZERO && aKind == FINITE) {
    raiseFlags(ZE);
    return give(GIVE_INFINITE, sign);
  }
  if (denormal) raiseFlags(DE);
  if (adds) {
    if (aKind == INFINITE) return give(GIVE_INFINITE, aSign);
    if (bKind == INFINITE) return give(GIVE_INFINITE, bSign);
    if (aKind == ZERO && bKind == ZERO) return give(GIVE_ZERO, sign ? (roundingMode() == DOWN ? 1 : 0) : aSign);
    if (aKind == ZERO) setResult(bSign, bExponent, b, 0);
    else if (bKind == ZERO) setResult(aSign, aExponent, a, 0);
    else {
      addFinite(aSign, aExponent, a, bSign, bExponent, b);
      if (resultHigh() == 0) return give(GIVE_ZERO, resultSign());
    }
    return PACK;
  }
  if (op == MUL) {
    if (aKind == INFINITE || bKind == INFINITE) return give(GIVE_INFINITE, sign);
    if (aKind == ZERO || bKind == ZERO) return give(GIVE_ZERO, sign);
    multiplyFinite(aSign, aExponent, a, bSign, bExponent, b);
    return PACK;
  }
  if (aKind == INFINITE || bKind == ZERO) return give(GIVE_INFINITE, sign);
  if (bKind == INFINITE || aKind == ZERO) return give(GIVE_ZERO, sign);
  divideFinite(aSign, aExponent, a, bSign, bExponent, b);
  return PACK;
}

/** One lane of ADD, SUB, MUL, DIV, MIN, MAX, or SQRT of b, in binary64. */
export function laneDouble(op: i32, a: u64, b: u64): u64 {
  a = inputDouble(a);
  b = inputDouble(b);
  if (op == MIN || op == MAX) return pickDouble(op, a, b);
  if (op == SQRT) a = 0;
  if (isNanDouble(a) || isNanDouble(b)) {
    if (isSignalingDouble(a) || isSignalingDouble(b)) raiseFlags(IE);
    return (isNanDouble(a) ? a : b) | DOUBLE_QUIET;
  }
  const denormal = isDenormalDouble(a) || isDenormalDouble(b);
  const aKind = unpackDouble(a);
  const aExponent = exponent;
  const aSignificand = significand;
  unpackDouble(b);
  const what = operate(op, aKind, <i32>(a >> 63), aExponent, aSignificand, kind, <i32>(b >> 63), exponent, significand, denormal);
  if (what == PACK) return packDouble();
  if (what == GIVE_DEFAULT) return DOUBLE_INDEFINITE;
  return (<u64>resultSign() << 63) | (what == GIVE_INFINITE ? 0x7ff0000000000000 : 0);
}

export function laneSingle(op: i32, a: u32, b: u32): u32 {
  a = inputSingle(a);
  b = inputSingle(b);
  if (op == MIN || op == MAX) return pickSingle(op, a, b);
  if (op == SQRT) a = 0;
  if (isNanSingle(a) || isNanSingle(b)) {
    if (isSignalingSingle(a) || isSignalingSingle(b)) raiseFlags(IE);
    return (isNanSingle(a) ? a : b) | SINGLE_QUIET;
  }
  const denormal = isDenormalSingle(a) || isDenormalSingle(b);
  const aKind = unpackSingle(a);
  const aExponent = exponent;
  const aSignificand = significand;
  unpackSingle(b);
  const what = operate(op, aKind, <i32>(a >> 31), aExponent, aSignificand, kind, <i32>(b >> 31), exponent, significand, denormal);
  if (what == PACK) return packSingle();
  if (what == GIVE_DEFAULT) return SINGLE_INDEFINITE;
  return (<u32>resultSign() << 31) | (what == GIVE_INFINITE ? 0x7f800000 : 0);
}

/** MIN, MAX: the second operand for NaNs (as it is, even signaling) and for two zeros. */
function pickDouble(op: i32, a: u64, b: u64): u64 {
  if (isNanDouble(a) || isNanDouble(b)) {
    raiseFlags(IE);
    return b;
  }
  if (isDenormalDouble(a) || isDenormalDouble(b)) raiseFlags(DE);
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  return (op == MIN ? x < y : x > y) ? a : b;
}

function pickSingle(op: i32, a: u32, b: u32): u32 {
  if (isNanSingle(a) || isNanSingle(b)) {
    raiseFlags(IE);
    return b;
  }
  if (isDenormalSingle(a) || isDenormalSingle(b)) raiseFlags(DE);
  const x = reinterpret<f32>(a);
  const y = reinterpret<f32>(b);
  return (op == MIN ? x < y : x > y) ? a : b;
}
