// AssemblyScript. The frequent case of arithmetic, in locals only: two normal numbers, rounded to nearest at 64 bits
// with PE masked, and a result that is normal. All else is left to arith.ts, untouched.
import * as L from '../../layout';
import { behindQuotient, divide128, multiplyHigh, PE } from '../softfloat';
import { BIAS } from './number';
import { C1, INTEGER_BIT } from './stack';

/** The ModR/M reg field of D8 xx. */
export const ADD: i32 = 0;
export const MUL: i32 = 1;
export const SUB: i32 = 4;
export const SUBR: i32 = 5;
export const DIVR: i32 = 7;

/** RC, PC and the PE mask of the control word; to nearest, 64 bits, masked. */
const MODES: u32 = 0xf20;
const USUAL: u32 = 0x320;

/** Rounds `high:low`, top bit set, to 64 bits and stores it at `at`. False when its exponent might not be a normal one's. */
// @ts-ignore: decorator
@inline function finish(vcpu: usize, at: usize, sign: u32, biased: i32, high: u64, low: u64): bool {
  if (<u32>(biased - 1) >= 0x7ffd) return false;
  // A tie goes to even.
  const up = <u64>(low > INTEGER_BIT - (high & 1));
  high += up;
  // All ones went up to zero.
  const carried = <u64>(high == 0);
  store<u64>(at, high | (carried << 63));
  store<u16>(at, <u16>(sign | <u32>(biased + <i32>carried)), 8);
  const status = load<u32>(vcpu, L.S_X87_STATUS) & ~C1;
  store<u32>(vcpu, status | (<u32>(low != 0) * <u32>PE) | (<u32>up * C1), L.S_X87_STATUS);
  return true;
}

// @ts-ignore: decorator
@inline function add(vcpu: usize, at: usize, aSe: u32, a: u64, bSe: u32, b: u64): bool {
  const aExponent = <i32>(aSe & 0x7fff);
  const bExponent = <i32>(bSe & 0x7fff);
  const swap = <i32>(aExponent < bExponent) | (<i32>(aExponent == bExponent) & <i32>(a < b));
  const large = select<u64>(b, a, swap);
  const small = select<u64>(a, b, swap);
  const biased = select<i32>(bExponent, aExponent, swap);
  const distance = <u32>(biased - select<i32>(aExponent, bExponent, swap));
  if (distance > 63) return false;
  const sign = select<u32>(bSe, aSe, swap) & 0x8000;
  const h = small >> <u64>distance;
  const l = (small << 1) << <u64>(63 - distance);
  if (((aSe ^ bSe) & 0x8000) == 0) {
    const sum = large + h;
    if (sum >= h) return finish(vcpu, at, sign, biased, sum, l);
    return finish(vcpu, at, sign, biased + 1, (sum >> 1) | INTEGER_BIT, (l >> 1) | (l & 1) | (sum << 63));
  }
  const high = large - h - <u64>(l != 0);
  if (high == 0) return false;
  const low = 0 - l;
  const n = clz(high);
  return finish(vcpu, at, sign, biased - <i32>n, (high << n) | ((low >> 1) >> (63 - n)), low << n);
}

// @ts-ignore: decorator
@inline function multiply(vcpu: usize, at: usize, aSe: u32, a: u64, bSe: u32, b: u64): bool {
  const high = multiplyHigh(a, b);
  const low = a * b;
  const n = (high >> 63) ^ 1;
  const biased = <i32>(aSe & 0x7fff) + <i32>(bSe & 0x7fff) - BIAS + 1 - <i32>n;
  return finish(vcpu, at, (aSe ^ bSe) & 0x8000, biased, (high << n) | ((low >> 63) & n), low << n);
}

// @ts-ignore: decorator
@inline function divide(vcpu: usize, at: usize, aSe: u32, a: u64, bSe: u32, b: u64): bool {
  const less = a < b;
  const high = divide128(less ? a : a >> 1, less ? 0 : a << 63, b);
  const biased = <i32>(aSe & 0x7fff) - <i32>(bSe & 0x7fff) + BIAS - <i32>less;
  return finish(vcpu, at, (aSe ^ bSe) & 0x8000, biased, high, behindQuotient(b));
}

/** `a op b` to the register at `at` of the vcpu whose state is at `vcpu`, with the status word; SUBR and DIVR swap. False, and nothing done, when it is no frequent case. */
// @ts-ignore: decorator
@inline export function quickly(vcpu: usize, op: i32, at: usize, aSe: u32, a: u64, bSe: u32, b: u64): bool {
  // Exponents 1..7FFE, integer bit set.
  const normal = <i32>(((aSe + 1) & 0x7fff) > 1) & <i32>(((bSe + 1) & 0x7fff) > 1) & <i32>((a & b) >> 63);
  if (!(normal & <i32>((load<u32>(vcpu, L.S_X87_CONTROL) & MODES) == USUAL))) return false;
  if (op == ADD) return add(vcpu, at, aSe, a, bSe, b);
  if (op == MUL) return multiply(vcpu, at, aSe, a, bSe, b);
  if (op == SUB) return add(vcpu, at, aSe, a, bSe ^ 0x8000, b);
  if (op == SUBR) return add(vcpu, at, bSe, b, aSe ^ 0x8000, a);
  return op == DIVR ? divide(vcpu, at, bSe, b, aSe, a) : divide(vcpu, at, aSe, a, bSe, b);
}
