/** WebAssembly SIMD operators by number (Core 2.0 section 5.4.8), under the names the op tables use. */
import { i64, v128, type Expr, type I32, type V128 } from '../../wasm';
import type { OpContext } from './context';

export const SIMD = {
  swizzle: 14, i8x16_eq: 35, i8x16_gt_s: 39, i16x8_eq: 45, i16x8_gt_s: 49, i32x4_eq: 55, i32x4_gt_s: 59, and: 78, andnot: 79, or: 80, xor: 81,
  i8x16_abs: 96, i8x16_narrow_s: 101, i8x16_narrow_u: 102, i8x16_add: 110, i8x16_add_sat_s: 111, i8x16_add_sat_u: 112, i8x16_sub: 113, i8x16_sub_sat_s: 114,
  i8x16_sub_sat_u: 115, i8x16_min_s: 118, i8x16_min_u: 119, i8x16_max_s: 120, i8x16_max_u: 121, i8x16_avgr_u: 123, i16x8_extadd_u: 125, i32x4_extadd_u: 127,
  i16x8_abs: 128, i16x8_narrow_s: 133, i16x8_narrow_u: 134, i16x8_low_s: 135, i16x8_low_u: 137, i16x8_add: 142, i16x8_add_sat_s: 143, i16x8_add_sat_u: 144,
  i16x8_sub: 145, i16x8_sub_sat_s: 146, i16x8_sub_sat_u: 147, i16x8_mul: 149, i16x8_min_s: 150, i16x8_min_u: 151, i16x8_max_s: 152, i16x8_max_u: 153, i16x8_avgr_u: 155,
  i32x4_abs: 160, i32x4_low_s: 167, i32x4_low_u: 169, i32x4_add: 174, i32x4_sub: 177, i32x4_mul: 181, i32x4_min_s: 182, i32x4_min_u: 183, i32x4_max_s: 184,
  i32x4_max_u: 185, i32x4_dot: 186, i32x4_extmul_low_s: 188, i32x4_extmul_high_s: 189, i32x4_extmul_low_u: 190, i32x4_extmul_high_u: 191, i64x2_low_s: 199,
  i64x2_low_u: 201, i64x2_add: 206, i64x2_sub: 209, i64x2_eq: 214, i64x2_gt_s: 217, i64x2_extmul_low_s: 220, i64x2_extmul_low_u: 222,
} as const; // prettier-ignore

export const SHIFTS = {
  i16x8: { shl: 139, shrS: 140, shrU: 141 },
  i32x4: { shl: 171, shrS: 172, shrU: 173 },
  i64x2: { shl: 203, shrS: 204, shrU: 205 },
} as const;

export const binary = (name: keyof typeof SIMD): ((a: V128, b: V128) => V128) =>
  v128.binary(SIMD[name]);
export const unary = (name: keyof typeof SIMD): ((a: V128) => V128) => v128.unary(SIMD[name]);

export const low64 = (v: V128): Expr<'i64'> => v128.extract('i64', 29, 0)(v);
export const high64 = (v: V128): Expr<'i64'> => v128.extract('i64', 29, 1)(v);
export const low32 = (v: V128): I32 => v128.extract('i32', 27, 0)(v);
export const withLow64 = (v: V128, value: Expr<'i64'>): V128 =>
  v128.replace<'i64'>(30, 0)(v, value);
export const withHigh64 = (v: V128, value: Expr<'i64'>): V128 =>
  v128.replace<'i64'>(30, 1)(v, value);
export const withLow32 = (v: V128, value: I32): V128 => v128.replace<'i32'>(28, 0)(v, value);
export const ZERO = v128.const(0n, 0n);
export const fromI64 = (value: Expr<'i64'>): V128 => withLow64(ZERO, value);
export const fromI32 = (value: I32): V128 => withLow32(ZERO, value);
export const splat64 = v128.splat<'i64'>(18);
export const bitmask8 = v128.bitmask(100);
export const bitmask32 = v128.bitmask(164);
export const bitmask64 = v128.bitmask(196);

/** Lane numbers of a byte shuffle made of lanes of `bytes` bytes. */
export const lanes = (bytes: number, ...numbers: number[]): number[] =>
  numbers.flatMap((n) => Array.from({ length: bytes }, (_, i) => n * bytes + i));

/** The first operand is an MMX register. */
export const isMmx = (c: OpContext): boolean => c.forms[0].kind === 'q';

export const anyTrue = (v: V128): I32 => v128.bitmask(83)(v);
export const allOnes64 = i64.const(-1);
