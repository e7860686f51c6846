// AssemblyScript. When SSE arithmetic may take WebAssembly's operators: rounding to nearest, PE masked and either set
// already or easy to tell, operands and results tame (zero or normal).
import * as L from '../layout';
import { get32, set32 } from './state';

const PE: u32 = 0x20;

/** MXCSR: RC nearest, PM set: nothing traps for being inexact. */
// @ts-ignore: decorator
@inline export function nearest(): bool { return (get32(L.S_MXCSR) & 0x7000) == 0x1000; }
// @ts-ignore: decorator
@inline export function precisionClear(): bool { return (get32(L.S_MXCSR) & PE) == 0; }
// @ts-ignore: decorator
@inline export function setPrecision(): void { set32(L.S_MXCSR, get32(L.S_MXCSR) | PE); }

/** And PE set already. */
// @ts-ignore: decorator
@inline export function plainRounding(): bool { return (get32(L.S_MXCSR) & 0x7020) == 0x1020; }

/** No lane is denormal, infinite or NaN: all ones where that holds. */
// @ts-ignore: decorator
@inline export function tameSingles(v: v128): v128 {
  const magnitude = v128.and(v, i32x4.splat(0x7fffffff));
  return v128.or(i32x4.lt_u(i32x4.sub(magnitude, i32x4.splat(0x800000)), i32x4.splat(0x7f000000)), i32x4.eq(magnitude, i32x4.splat(0)));
}

/**
 * The same without zero: what a product or quotient must be. The smallest normal number is left out too: a tiny result
 * may have been rounded up to it.
 */
// @ts-ignore: decorator
@inline export function normalSingles(v: v128): v128 {
  return i32x4.lt_u(i32x4.sub(v128.and(v, i32x4.splat(0x7fffffff)), i32x4.splat(0x800001)), i32x4.splat(0x7effffff));
}

// @ts-ignore: decorator
@inline export function tameDoubles(v: v128): v128 {
  // 64-bit lanes have no unsigned comparison: magnitudes are positive, so the signed ones do.
  const magnitude = v128.and(v, i64x2.splat(0x7fffffffffffffff));
  const normal = v128.and(i64x2.gt_s(magnitude, i64x2.splat(0xfffffffffffff)), i64x2.lt_s(magnitude, i64x2.splat(0x7ff0000000000000)));
  return v128.or(normal, i64x2.eq(magnitude, i64x2.splat(0)));
}

// @ts-ignore: decorator
@inline export function normalDoubles(v: v128): v128 {
  const magnitude = v128.and(v, i64x2.splat(0x7fffffffffffffff));
  return v128.and(i64x2.gt_s(magnitude, i64x2.splat(0x10000000000000)), i64x2.lt_s(magnitude, i64x2.splat(0x7ff0000000000000)));
}

// @ts-ignore: decorator
@inline export function tameSingle(bits: u32): bool {
  const magnitude = bits & 0x7fffffff;
  return magnitude - 0x800000 < 0x7f000000 || magnitude == 0;
}
// @ts-ignore: decorator
@inline export function tameDouble(bits: u64): bool {
  const magnitude = bits & 0x7fffffffffffffff;
  return magnitude - 0x10000000000000 < 0x7fe0000000000000 || magnitude == 0;
}
// @ts-ignore: decorator
@inline export function normalSingle(bits: u32): bool { return (bits & 0x7fffffff) - 0x800001 < 0x7effffff; }
// @ts-ignore: decorator
@inline export function normalDouble(bits: u64): bool { return (bits & 0x7fffffffffffffff) - 0x10000000000001 < 0x7fdfffffffffffff; }
