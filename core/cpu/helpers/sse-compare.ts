// AssemblyScript. CMPPS/PD/SS/SD, COMISS/SD, UCOMISS/SD (SDM Vol. 2; predicates: table 3-1).
import { DE, IE, raiseFlags } from './softfloat';
import {
  beginSse, endSse, inputDouble, inputSingle, isDenormalDouble, isDenormalSingle, isNanDouble, isNanSingle, isSignalingDouble, isSignalingSingle,
} from './sse-lane';
import { tameDouble, tameDoubles, tameSingle, tameSingles } from './sse-tame';

const LESS: u32 = 1;
const EQUAL: u32 = 2;
const GREATER: u32 = 4;
const UNORDERED: u32 = 8;

/** Orders for which EQ LT LE UNORD NEQ NLT NLE ORD hold. */
const PREDICATES: usize = memory.data<u8>([2, 1, 3, 8, 13, 14, 12, 7]);

/** LT, LE, NLT, NLE signal for every NaN. */
// @ts-ignore: decorator
@inline function signals(predicate: i32): bool { return (predicate & 3) == 1 || (predicate & 3) == 2; }

function orderSingle(a: u32, b: u32, signaling: bool): u32 {
  a = inputSingle(a);
  b = inputSingle(b);
  if (isNanSingle(a) || isNanSingle(b)) {
    if (signaling || isSignalingSingle(a) || isSignalingSingle(b)) raiseFlags(IE);
    return UNORDERED;
  }
  if (isDenormalSingle(a) || isDenormalSingle(b)) raiseFlags(DE);
  const x = reinterpret<f32>(a);
  const y = reinterpret<f32>(b);
  return x < y ? LESS : x > y ? GREATER : EQUAL;
}

function orderDouble(a: u64, b: u64, signaling: bool): u32 {
  a = inputDouble(a);
  b = inputDouble(b);
  if (isNanDouble(a) || isNanDouble(b)) {
    if (signaling || isSignalingDouble(a) || isSignalingDouble(b)) raiseFlags(IE);
    return UNORDERED;
  }
  if (isDenormalDouble(a) || isDenormalDouble(b)) raiseFlags(DE);
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  return x < y ? LESS : x > y ? GREATER : EQUAL;
}

function laneSingle(a: u32, b: u32, predicate: i32): u32 {
  return orderSingle(a, b, signals(predicate)) & load<u8>(PREDICATES + (predicate & 7)) ? 0xffffffff : 0;
}

function laneDouble(a: u64, b: u64, predicate: i32): u64 {
  return orderDouble(a, b, signals(predicate)) & load<u8>(PREDICATES + (predicate & 7)) ? 0xffffffffffffffff : 0;
}

export function cmpPs(a: v128, b: v128, predicate: i32): v128 {
  if (i32x4.all_true(v128.and(tameSingles(a), tameSingles(b)))) {
    const p = predicate & 3;
    const r = p == 0 ? f32x4.eq(a, b) : p == 1 ? f32x4.lt(a, b) : p == 2 ? f32x4.le(a, b) : i32x4.splat(0);
    return predicate & 4 ? v128.not(r) : r;
  }
  beginSse();
  let r = i32x4.splat(laneSingle(i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0), predicate));
  r = i32x4.replace_lane(r, 1, laneSingle(i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1), predicate));
  r = i32x4.replace_lane(r, 2, laneSingle(i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2), predicate));
  r = i32x4.replace_lane(r, 3, laneSingle(i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3), predicate));
  endSse();
  return r;
}

export function cmpPd(a: v128, b: v128, predicate: i32): v128 {
  if (i64x2.all_true(v128.and(tameDoubles(a), tameDoubles(b)))) {
    const p = predicate & 3;
    const r = p == 0 ? f64x2.eq(a, b) : p == 1 ? f64x2.lt(a, b) : p == 2 ? f64x2.le(a, b) : i64x2.splat(0);
    return predicate & 4 ? v128.not(r) : r;
  }
  beginSse();
  let r = i64x2.splat(laneDouble(i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), predicate));
  r = i64x2.replace_lane(r, 1, laneDouble(i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), predicate));
  endSse();
  return r;
}

export function cmpSs(a: u32, b: u32, predicate: i32): u32 {
  beginSse();
  const r = laneSingle(a, b, predicate);
  endSse();
  return r;
}

export function cmpSd(a: u64, b: u64, predicate: i32): u64 {
  beginSse();
  const r = laneDouble(a, b, predicate);
  endSse();
  return r;
}

/** ZF PF CF at their EFLAGS places. */
// @ts-ignore: decorator
@inline function flagsOf(order: u32): i32 { return order == UNORDERED ? 0x45 : order == LESS ? 1 : order == EQUAL ? 0x40 : 0; }

/** COMISS (`signaling`) and UCOMISS: EFLAGS' arithmetic flags. */
export function comiSs(a: u32, b: u32, signaling: i32): i32 {
  if (tameSingle(a) && tameSingle(b)) {
    const x = reinterpret<f32>(a);
    const y = reinterpret<f32>(b);
    return x < y ? 1 : x == y ? 0x40 : 0;
  }
  beginSse();
  const order = orderSingle(a, b, signaling != 0);
  endSse();
  return flagsOf(order);
}

export function comiSd(a: u64, b: u64, signaling: i32): i32 {
  if (tameDouble(a) && tameDouble(b)) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    return x < y ? 1 : x == y ? 0x40 : 0;
  }
  beginSse();
  const order = orderDouble(a, b, signaling != 0);
  endSse();
  return flagsOf(order);
}
