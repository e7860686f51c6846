// AssemblyScript. MMX and SSE integer instructions without WebAssembly operators (SDM Vol. 2: PSIGN, PMADDUBSW,
// PMULHRSW, MPSADBW, PHMINPOSUW, INSERTPS). MMX operands come in the low half.
import * as L from '../layout';
import { state } from './state';

export function signBytes(a: v128, b: v128): v128 {
  const negative = i8x16.lt_s(b, i8x16.splat(0));
  return v128.andnot(i8x16.sub(v128.xor(a, negative), negative), i8x16.eq(b, i8x16.splat(0)));
}

export function signWords(a: v128, b: v128): v128 {
  const negative = i16x8.lt_s(b, i16x8.splat(0));
  return v128.andnot(i16x8.sub(v128.xor(a, negative), negative), i16x8.eq(b, i16x8.splat(0)));
}

export function signDwords(a: v128, b: v128): v128 {
  const negative = i32x4.lt_s(b, i32x4.splat(0));
  return v128.andnot(i32x4.sub(v128.xor(a, negative), negative), i32x4.eq(b, i32x4.splat(0)));
}

/** PMADDUBSW: unsigned bytes of a times signed bytes of b, pairs added with saturation. */
export function multiplyAddBytes(a: v128, b: v128): v128 {
  const even = i16x8.mul(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8));
  const odd = i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8));
  return i16x8.add_sat_s(even, odd);
}

/** PMULHRSW: (a * b + 2^14) >> 15. Unlike q15mulr it gives 8000 for 8000 * 8000. */
export function multiplyRound(a: v128, b: v128): v128 {
  const low = i32x4.extmul_low_i16x8_s(a, b);
  const high = i32x4.extmul_high_i16x8_s(a, b);
  const half = i32x4.splat(0x4000);
  const l = i32x4.shr_s(i32x4.add(low, half), 15);
  const h = i32x4.shr_s(i32x4.add(high, half), 15);
  return v128.shuffle<i16>(l, h, 0, 2, 4, 6, 8, 10, 12, 14);
}

/** MPSADBW: eight sums of four absolute differences; bit 2 of the immediate moves a by 4 bytes, bits 0-1 choose b's four. */
export function sumDifferences(a: v128, b: v128, choice: i32): v128 {
  const at = state() + L.S_SCRATCH;
  v128.store(at, a);
  v128.store(at + 16, b);
  const from = at + ((choice & 4) != 0 ? 4 : 0);
  const block = at + 16 + (<usize>(choice & 3) << 2);
  const out = at + 32;
  for (let i: usize = 0; i < 8; i++) {
    let sum = 0;
    for (let j: usize = 0; j < 4; j++) {
      const difference = <i32>load<u8>(from + i + j) - <i32>load<u8>(block + j);
      sum += difference < 0 ? -difference : difference;
    }
    store<u16>(out + (i << 1), <u16>sum);
  }
  return v128.load(out);
}

/** PHMINPOSUW: the smallest word and where it stands first. */
export function horizontalMinimum(v: v128): v128 {
  const at = state() + L.S_SCRATCH;
  v128.store(at, v);
  let best: u32 = 0x10000;
  let index: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    const word = <u32>load<u16>(at + (<usize>i << 1));
    if (word < best) {
      best = word;
      index = i;
    }
  }
  return i32x4.replace_lane(i32x4.splat(0), 0, best | (index << 16));
}

/** INSERTPS: a single goes to lane 4-5 of the immediate, lanes of bits 0-3 become zero. */
export function insertSingle(a: v128, value: u32, choice: i32): v128 {
  const at = state() + L.S_SCRATCH;
  v128.store(at, a);
  store<u32>(at + (<usize>((choice >> 4) & 3) << 2), value);
  for (let i = 0; i < 4; i++) if ((choice >> i) & 1) store<u32>(at + (<usize>i << 2), 0);
  return v128.load(at);
}
