// AssemblyScript. 80-bit operands: classes, unpacking, NaN rules (SDM 1 tables 4-7, 8-3, 8-10), packing.
import {
  DE, IE, maskedFlags, raiseFlags, resultExponent, resultHigh, resultSign, roundNearest64, roundToFormat, setResult,
} from '../softfloat';
import { INDEFINITE, INDEFINITE_SE, INTEGER_BIT } from './stack';

export const BIAS: i32 = 0x3fff;
/** Added to the exponent when an unmasked overflow or underflow hands over a result. */
const WRAP: i32 = 24576;

export const ZERO: i32 = 0;
export const FINITE: i32 = 1;
export const INFINITE: i32 = 2;
export const NAN: i32 = 3;
/** Pseudo-NaN, pseudo-infinity, unnormal. */
export const UNSUPPORTED: i32 = 4;

export function classify(se: u32, significand: u64): i32 {
  const e = se & 0x7fff;
  if (e == 0) return significand == 0 ? ZERO : FINITE;
  if (!(significand >> 63)) return UNSUPPORTED;
  if (e != 0x7fff) return FINITE;
  return significand == INTEGER_BIT ? INFINITE : NAN;
}

// @ts-ignore: decorator
@inline export function isDenormal(se: u32, significand: u64): bool { return (se & 0x7fff) == 0 && significand != 0; }

/** Unbiased exponent of a finite number other than zero once it is normalised. */
// @ts-ignore: decorator
@inline export function exponentOf(se: u32, significand: u64): i32 {
  const e = <i32>(se & 0x7fff);
  return e != 0 ? e - BIAS : 1 - BIAS - <i32>clz(significand);
}

/** Its significand, normalised. */
// @ts-ignore: decorator
@inline export function normalOf(significand: u64): u64 { return significand << clz(significand); }

// @ts-ignore: decorator
@inline export function isSignaling(significand: u64): bool { return (significand & 0x4000000000000000) == 0; }

/** The result of an operation: significand, and sign with exponent. */
let outSignificand: u64 = 0;
let outSe: u32 = 0;

// @ts-ignore: decorator
@inline export function valueSignificand(): u64 { return outSignificand; }
// @ts-ignore: decorator
@inline export function valueSe(): u32 { return outSe; }

// @ts-ignore: decorator
@inline export function setValue(se: u32, significand: u64): void {
  outSe = se;
  outSignificand = significand;
}

/** Masked response to an invalid operation. */
export function invalid(): void {
  raiseFlags(IE);
  setValue(INDEFINITE_SE, INDEFINITE);
}

/** One operand is a NaN: quiet it. */
export function propagateOne(se: u32, significand: u64): void {
  if (isSignaling(significand)) raiseFlags(IE);
  setValue(se, significand | INDEFINITE);
}

/** At least one of two operands is a NaN, none is unsupported: the larger significand wins, a QNaN over an SNaN. */
export function propagate(aSe: u32, a: u64, bSe: u32, b: u64): void {
  const aNan = classify(aSe, a) == NAN;
  const bNan = classify(bSe, b) == NAN;
  const aSignaling = aNan && isSignaling(a);
  const bSignaling = bNan && isSignaling(b);
  if (aSignaling || bSignaling) raiseFlags(IE);
  let first = aNan;
  if (aNan && bNan) {
    if (aSignaling != bSignaling) first = bSignaling;
    else {
      const x = a | INDEFINITE;
      const y = b | INDEFINITE;
      first = x != y ? x > y : (aSe & 0x8000) <= (bSe & 0x8000);
    }
  }
  setValue(first ? aSe : bSe, (first ? a : b) | INDEFINITE);
}

/** Rounds the unpacked result to `precision` bits and packs it into the value. */
export function pack(precision: i32): void {
  if (precision == 64 && roundNearest64(BIAS)) {
    setValue((<u32>resultSign() << 15) | <u32>(resultExponent() + BIAS), resultHigh());
    return;
  }
  const biased = roundToFormat(precision, BIAS, WRAP);
  const se = (<u32>resultSign() << 15) | (<u32>biased & 0x7fff);
  setValue(se, resultHigh());
}

/** A finite number as the unpacked result, sign given. */
export function unpackAs(sign: i32, se: u32, significand: u64): void {
  setResult(sign, exponentOf(se, significand), normalOf(significand), 0);
}

/** Marks denormal operands; false when that is unmasked and so ends the instruction. */
export function denormals(aSe: u32, a: u64, bSe: u32, b: u64): bool {
  if (!isDenormal(aSe, a) && !isDenormal(bSe, b)) return true;
  raiseFlags(DE);
  return (maskedFlags() & DE) != 0;
}
