// AssemblyScript. AESENC.., PCLMULQDQ, CRC32 (SDM Vol. 2A/2B; FIPS 197). Tables are looked up by guest data: like all
// of an emulator's memory accesses they are not of constant time.
import * as L from '../layout';
import { CRC32C, INVERSE_S_BOX, S_BOX } from './sse-tables';
import { state } from './state';

function substitute(v: v128, table: usize): v128 {
  const at = state() + L.S_SCRATCH;
  v128.store(at, v);
  for (let i: usize = 0; i < 16; i++) store<u8>(at + i, load<u8>(table + load<u8>(at + i)));
  return v128.load(at);
}

/** Every byte times x in GF(2^8). */
// @ts-ignore: decorator
@inline function double(v: v128): v128 { return v128.xor(i8x16.shl(v, 1), v128.and(i8x16.shr_s(v, 7), i8x16.splat(0x1b))); }

/** Each column's bytes moved up by 1, 2 or 3. */
// @ts-ignore: decorator
@inline function turn1(v: v128): v128 { return v128.shuffle<i8>(v, v, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12); }
// @ts-ignore: decorator
@inline function turn2(v: v128): v128 { return v128.shuffle<i8>(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13); }

function mixColumns(v: v128): v128 {
  // 2 a0 + 3 a1 + a2 + a3 = 2 (a0 + a1) + a1 + a2 + a3
  const next = turn1(v);
  const sum = v128.xor(v, next);
  return v128.xor(v128.xor(double(sum), next), turn2(sum));
}

function inverseMixColumns(v: v128): v128 {
  // The inverse is MixColumns behind a0 + 4 (a0 + a2), a1 + 4 (a1 + a3), ...
  const fourfold = double(double(v128.xor(v, turn2(v))));
  return mixColumns(v128.xor(v, fourfold));
}

function shiftRows(v: v128): v128 {
  return v128.shuffle<i8>(v, v, 0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11);
}

function inverseShiftRows(v: v128): v128 {
  return v128.shuffle<i8>(v, v, 0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3);
}

export function aesEncrypt(value: v128, key: v128): v128 {
  return v128.xor(mixColumns(substitute(shiftRows(value), S_BOX)), key);
}

export function aesEncryptLast(value: v128, key: v128): v128 {
  return v128.xor(substitute(shiftRows(value), S_BOX), key);
}

export function aesDecrypt(value: v128, key: v128): v128 {
  return v128.xor(inverseMixColumns(substitute(inverseShiftRows(value), INVERSE_S_BOX)), key);
}

export function aesDecryptLast(value: v128, key: v128): v128 {
  return v128.xor(substitute(inverseShiftRows(value), INVERSE_S_BOX), key);
}

export function aesInverseMixColumns(value: v128): v128 {
  return inverseMixColumns(value);
}

/** AESKEYGENASSIST: words 1 and 3 substituted, and turned with the round constant. */
export function aesKeyAssist(value: v128, constant: i32): v128 {
  const s = substitute(value, S_BOX);
  const x1 = <u32>i32x4.extract_lane(s, 1);
  const x3 = <u32>i32x4.extract_lane(s, 3);
  const c = <u32>constant & 0xff;
  let r = i32x4.splat(x1);
  r = i32x4.replace_lane(r, 1, rotr<u32>(x1, 8) ^ c);
  r = i32x4.replace_lane(r, 2, x3);
  return i32x4.replace_lane(r, 3, rotr<u32>(x3, 8) ^ c);
}

/** PCLMULQDQ: bits 0 and 4 of the immediate choose the halves. */
export function multiplyCarryless(a: v128, b: v128, choice: i32): v128 {
  const x = choice & 1 ? <u64>i64x2.extract_lane(a, 1) : <u64>i64x2.extract_lane(a, 0);
  let rest = choice & 0x10 ? <u64>i64x2.extract_lane(b, 1) : <u64>i64x2.extract_lane(b, 0);
  // Four bits at a time from the top, multiples of x for each nibble.
  const x2h = x >> 63;
  const x4h = x >> 62;
  const x8h = x >> 61;
  let high: u64 = 0;
  let low: u64 = 0;
  for (let i = 0; i < 16; i++) {
    const nibble = rest >> 60;
    rest <<= 4;
    high = (high << 4) | (low >> 60);
    low <<= 4;
    const m1 = 0 - (nibble & 1);
    const m2 = 0 - ((nibble >> 1) & 1);
    const m4 = 0 - ((nibble >> 2) & 1);
    const m8 = 0 - (nibble >> 3);
    low ^= (x & m1) ^ ((x << 1) & m2) ^ ((x << 2) & m4) ^ ((x << 3) & m8);
    high ^= (x2h & m2) ^ (x4h & m4) ^ (x8h & m8);
  }
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** CRC32 of 1, 2, 4 or 8 bytes. */
export function crc32(crc: u32, value: u64, bytes: i32): u32 {
  for (let i = 0; i < bytes; i++) {
    crc = (crc >> 8) ^ load<u32>(CRC32C + (<usize>((crc ^ <u32>value) & 0xff) << 2));
    value >>= 8;
  }
  return crc;
}
