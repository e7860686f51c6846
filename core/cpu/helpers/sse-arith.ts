// AssemblyScript. SSE arithmetic (SDM Vol. 2: ADDPS/PD/SS/SD, SUB.., MUL.., DIV.., SQRT.., MIN.., MAX.., HADD, HSUB,
// ADDSUB, DPPS, DPPD). Fast when it cannot show: rounding to nearest, PE masked and already set, operands and results
// zero or normal; then WebAssembly's own operators give what the processor gives, and no flag changes. Else lane by
// lane in integers (sse-lane.ts).
import { ADD, beginSse, DIV, endSse, laneDouble, laneSingle, MAX, MIN, MUL, SQRT, SUB } from './sse-lane';
import {
  nearest, normalDouble, normalDoubles, normalSingle, normalSingles, plainRounding, precisionClear, setPrecision, tameDouble, tameDoubles, tameSingle, tameSingles,
} from './sse-tame';

/** Four lanes of `op`, or of two ops for even and odd lanes. */
function singles(even: i32, odd: i32, a: v128, b: v128): v128 {
  beginSse();
  let r = i32x4.splat(laneSingle(even, i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0)));
  r = i32x4.replace_lane(r, 1, laneSingle(odd, i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1)));
  r = i32x4.replace_lane(r, 2, laneSingle(even, i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2)));
  r = i32x4.replace_lane(r, 3, laneSingle(odd, i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3)));
  endSse();
  return r;
}

function doubles(even: i32, odd: i32, a: v128, b: v128): v128 {
  beginSse();
  const r = i64x2.splat(laneDouble(even, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0)));
  const both = i64x2.replace_lane(r, 1, laneDouble(odd, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1)));
  endSse();
  return both;
}

function single(op: i32, a: u32, b: u32): u32 {
  beginSse();
  const r = laneSingle(op, a, b);
  endSse();
  return r;
}

function double(op: i32, a: u64, b: u64): u64 {
  beginSse();
  const r = laneDouble(op, a, b);
  endSse();
  return r;
}

// @ts-ignore: decorator
@inline function allTameSingles(a: v128, b: v128, r: v128): bool { return i32x4.all_true(v128.and(v128.and(tameSingles(a), tameSingles(b)), tameSingles(r))); }
// @ts-ignore: decorator
@inline function allTameDoubles(a: v128, b: v128, r: v128): bool { return i64x2.all_true(v128.and(v128.and(tameDoubles(a), tameDoubles(b)), tameDoubles(r))); }
// @ts-ignore: decorator
@inline function allNormalSingles(a: v128, b: v128, r: v128): bool { return i32x4.all_true(v128.and(v128.and(tameSingles(a), tameSingles(b)), normalSingles(r))); }
// @ts-ignore: decorator
@inline function allNormalDoubles(a: v128, b: v128, r: v128): bool { return i64x2.all_true(v128.and(v128.and(tameDoubles(a), tameDoubles(b)), normalDoubles(r))); }

export function addPs(a: v128, b: v128): v128 {
  const r = f32x4.add(a, b);
  return plainRounding() && allTameSingles(a, b, r) ? r : singles(ADD, ADD, a, b);
}

export function subPs(a: v128, b: v128): v128 {
  const r = f32x4.sub(a, b);
  return plainRounding() && allTameSingles(a, b, r) ? r : singles(SUB, SUB, a, b);
}

export function mulPs(a: v128, b: v128): v128 {
  const r = f32x4.mul(a, b);
  return plainRounding() && allNormalSingles(a, b, r) ? r : singles(MUL, MUL, a, b);
}

export function divPs(a: v128, b: v128): v128 {
  const r = f32x4.div(a, b);
  return plainRounding() && allNormalSingles(a, b, r) ? r : singles(DIV, DIV, a, b);
}

export function addPd(a: v128, b: v128): v128 {
  const r = f64x2.add(a, b);
  return plainRounding() && allTameDoubles(a, b, r) ? r : doubles(ADD, ADD, a, b);
}

export function subPd(a: v128, b: v128): v128 {
  const r = f64x2.sub(a, b);
  return plainRounding() && allTameDoubles(a, b, r) ? r : doubles(SUB, SUB, a, b);
}

export function mulPd(a: v128, b: v128): v128 {
  const r = f64x2.mul(a, b);
  return plainRounding() && allNormalDoubles(a, b, r) ? r : doubles(MUL, MUL, a, b);
}

export function divPd(a: v128, b: v128): v128 {
  const r = f64x2.div(a, b);
  return plainRounding() && allNormalDoubles(a, b, r) ? r : doubles(DIV, DIV, a, b);
}

/** A tame root of a tame number that is not negative. */
export function sqrtPs(a: v128): v128 {
  const r = f32x4.sqrt(a);
  return plainRounding() && i32x4.all_true(v128.and(tameSingles(a), tameSingles(r))) ? r : singles(SQRT, SQRT, a, a);
}

export function sqrtPd(a: v128): v128 {
  const r = f64x2.sqrt(a);
  return plainRounding() && i64x2.all_true(v128.and(tameDoubles(a), tameDoubles(r))) ? r : doubles(SQRT, SQRT, a, a);
}

// MIN and MAX do not round: tame operands suffice.
export function minPs(a: v128, b: v128): v128 {
  if (!i32x4.all_true(v128.and(tameSingles(a), tameSingles(b)))) return singles(MIN, MIN, a, b);
  return v128.bitselect(a, b, f32x4.lt(a, b));
}

export function maxPs(a: v128, b: v128): v128 {
  if (!i32x4.all_true(v128.and(tameSingles(a), tameSingles(b)))) return singles(MAX, MAX, a, b);
  return v128.bitselect(a, b, f32x4.gt(a, b));
}

export function minPd(a: v128, b: v128): v128 {
  if (!i64x2.all_true(v128.and(tameDoubles(a), tameDoubles(b)))) return doubles(MIN, MIN, a, b);
  return v128.bitselect(a, b, f64x2.lt(a, b));
}

export function maxPd(a: v128, b: v128): v128 {
  if (!i64x2.all_true(v128.and(tameDoubles(a), tameDoubles(b)))) return doubles(MAX, MAX, a, b);
  return v128.bitselect(a, b, f64x2.gt(a, b));
}

export function addSs(a: u32, b: u32): u32 {
  const x = reinterpret<f32>(a);
  const y = reinterpret<f32>(b);
  const sum = x + y;
  const r = reinterpret<u32>(sum);
  if (!nearest() || !tameSingle(a) || !tameSingle(b) || !tameSingle(r)) return single(ADD, a, b);
  // Knuth's TwoSum: what rounding left out.
  const t = sum - x;
  if (precisionClear() && x - (sum - t) + (y - t) != 0) setPrecision();
  return r;
}

export function subSs(a: u32, b: u32): u32 {
  const x = reinterpret<f32>(a);
  const y = -reinterpret<f32>(b);
  const sum = x + y;
  const r = reinterpret<u32>(sum);
  if (!nearest() || !tameSingle(a) || !tameSingle(b) || !tameSingle(r)) return single(SUB, a, b);
  const t = sum - x;
  if (precisionClear() && x - (sum - t) + (y - t) != 0) setPrecision();
  return r;
}

export function mulSs(a: u32, b: u32): u32 {
  const product = reinterpret<f32>(a) * reinterpret<f32>(b);
  const r = reinterpret<u32>(product);
  if (!nearest() || !tameSingle(a) || !tameSingle(b) || !normalSingle(r)) return single(MUL, a, b);
  // 48 bits are exact in binary64.
  if (precisionClear() && <f64>reinterpret<f32>(a) * <f64>reinterpret<f32>(b) != <f64>product) setPrecision();
  return r;
}

export function divSs(a: u32, b: u32): u32 {
  const quotient = reinterpret<f32>(a) / reinterpret<f32>(b);
  const r = reinterpret<u32>(quotient);
  if (!nearest() || !tameSingle(a) || !tameSingle(b) || !normalSingle(r)) return single(DIV, a, b);
  if (precisionClear() && <f64>quotient * <f64>reinterpret<f32>(b) != <f64>reinterpret<f32>(a)) setPrecision();
  return r;
}

export function addSd(a: u64, b: u64): u64 {
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  const sum = x + y;
  const r = reinterpret<u64>(sum);
  if (!nearest() || !tameDouble(a) || !tameDouble(b) || !tameDouble(r)) return double(ADD, a, b);
  const t = sum - x;
  if (precisionClear() && x - (sum - t) + (y - t) != 0) setPrecision();
  return r;
}

export function subSd(a: u64, b: u64): u64 {
  const x = reinterpret<f64>(a);
  const y = -reinterpret<f64>(b);
  const sum = x + y;
  const r = reinterpret<u64>(sum);
  if (!nearest() || !tameDouble(a) || !tameDouble(b) || !tameDouble(r)) return double(SUB, a, b);
  const t = sum - x;
  if (precisionClear() && x - (sum - t) + (y - t) != 0) setPrecision();
  return r;
}

/** The product of two normal numbers is surely exact: no more than 53 bits in both together. */
// @ts-ignore: decorator
@inline function fits(a: u64, b: u64): bool { return ctz(a | 0x10000000000000) + ctz(b | 0x10000000000000) >= 53; }

export function mulSd(a: u64, b: u64): u64 {
  const r = reinterpret<u64>(reinterpret<f64>(a) * reinterpret<f64>(b));
  const fast = nearest() && tameDouble(a) && tameDouble(b) && normalDouble(r) && (!precisionClear() || fits(a, b));
  return fast ? r : double(MUL, a, b);
}

export function divSd(a: u64, b: u64): u64 {
  const r = reinterpret<u64>(reinterpret<f64>(a) / reinterpret<f64>(b));
  return plainRounding() && tameDouble(a) && tameDouble(b) && normalDouble(r) ? r : double(DIV, a, b);
}

export function sqrtSs(b: u32): u32 {
  const root = sqrt<f32>(reinterpret<f32>(b));
  const r = reinterpret<u32>(root);
  if (!nearest() || !tameSingle(b) || !tameSingle(r)) return single(SQRT, 0, b);
  if (precisionClear() && <f64>root * <f64>root != <f64>reinterpret<f32>(b)) setPrecision();
  return r;
}

export function sqrtSd(b: u64): u64 {
  const r = reinterpret<u64>(sqrt<f64>(reinterpret<f64>(b)));
  return plainRounding() && tameDouble(b) && tameDouble(r) ? r : double(SQRT, 0, b);
}

export function minSs(a: u32, b: u32): u32 {
  if (!tameSingle(a) || !tameSingle(b)) return single(MIN, a, b);
  return reinterpret<f32>(a) < reinterpret<f32>(b) ? a : b;
}

export function maxSs(a: u32, b: u32): u32 {
  if (!tameSingle(a) || !tameSingle(b)) return single(MAX, a, b);
  return reinterpret<f32>(a) > reinterpret<f32>(b) ? a : b;
}

export function minSd(a: u64, b: u64): u64 {
  if (!tameDouble(a) || !tameDouble(b)) return double(MIN, a, b);
  return reinterpret<f64>(a) < reinterpret<f64>(b) ? a : b;
}

export function maxSd(a: u64, b: u64): u64 {
  if (!tameDouble(a) || !tameDouble(b)) return double(MAX, a, b);
  return reinterpret<f64>(a) > reinterpret<f64>(b) ? a : b;
}

// --- horizontal and mixed

export function haddPs(a: v128, b: v128): v128 {
  return addPs(v128.shuffle<f32>(a, b, 0, 2, 4, 6), v128.shuffle<f32>(a, b, 1, 3, 5, 7));
}

export function hsubPs(a: v128, b: v128): v128 {
  return subPs(v128.shuffle<f32>(a, b, 0, 2, 4, 6), v128.shuffle<f32>(a, b, 1, 3, 5, 7));
}

export function haddPd(a: v128, b: v128): v128 {
  return addPd(v128.shuffle<f64>(a, b, 0, 2), v128.shuffle<f64>(a, b, 1, 3));
}

export function hsubPd(a: v128, b: v128): v128 {
  return subPd(v128.shuffle<f64>(a, b, 0, 2), v128.shuffle<f64>(a, b, 1, 3));
}

/** Even lanes are subtracted, odd ones added. */
export function addsubPs(a: v128, b: v128): v128 {
  const r = v128.shuffle<f32>(f32x4.sub(a, b), f32x4.add(a, b), 0, 5, 2, 7);
  return plainRounding() && allTameSingles(a, b, r) ? r : singles(SUB, ADD, a, b);
}

export function addsubPd(a: v128, b: v128): v128 {
  const r = v128.shuffle<f64>(f64x2.sub(a, b), f64x2.add(a, b), 0, 3);
  return plainRounding() && allTameDoubles(a, b, r) ? r : doubles(SUB, ADD, a, b);
}

/** DPPS: bits 4-7 of the immediate choose products, bits 0-3 where the sum goes; every step rounds. */
export function dotPs(a: v128, b: v128, choice: i32): v128 {
  beginSse();
  const p0 = choice & 0x10 ? laneSingle(MUL, i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0)) : 0;
  const p1 = choice & 0x20 ? laneSingle(MUL, i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1)) : 0;
  const p2 = choice & 0x40 ? laneSingle(MUL, i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2)) : 0;
  const p3 = choice & 0x80 ? laneSingle(MUL, i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3)) : 0;
  endSse();
  beginSse();
  const low = laneSingle(ADD, p0, p1);
  const high = laneSingle(ADD, p2, p3);
  endSse();
  beginSse();
  const sum = laneSingle(ADD, low, high);
  endSse();
  let r = i32x4.splat(0);
  if (choice & 1) r = i32x4.replace_lane(r, 0, sum);
  if (choice & 2) r = i32x4.replace_lane(r, 1, sum);
  if (choice & 4) r = i32x4.replace_lane(r, 2, sum);
  if (choice & 8) r = i32x4.replace_lane(r, 3, sum);
  return r;
}

export function dotPd(a: v128, b: v128, choice: i32): v128 {
  beginSse();
  const p0 = choice & 0x10 ? laneDouble(MUL, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0)) : 0;
  const p1 = choice & 0x20 ? laneDouble(MUL, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1)) : 0;
  endSse();
  beginSse();
  const sum = laneDouble(ADD, p0, p1);
  endSse();
  let r = i64x2.splat(0);
  if (choice & 1) r = i64x2.replace_lane(r, 0, sum);
  if (choice & 2) r = i64x2.replace_lane(r, 1, sum);
  return r;
}
