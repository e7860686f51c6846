// AssemblyScript. Vector instructions whose lanes are chosen at run time (SDM Vol. 2: PSHUFx, SHUFPx, PALIGNR, PINSRx, PEXTRx, ...).
import * as L from '../layout';
import { probeWrite, writeMemory } from './mmu';
import { state } from './state';

// @ts-ignore: decorator
@inline function scratch(): usize { return state() + L.S_SCRATCH; }

export function shuffleDwords(v: v128, order: i32): v128 {
  const at = scratch();
  v128.store(at, v);
  const a = load<u32>(at + ((order & 3) << 2));
  const b = load<u32>(at + (((order >> 2) & 3) << 2));
  const c = load<u32>(at + (((order >> 4) & 3) << 2));
  const d = load<u32>(at + (((order >> 6) & 3) << 2));
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(a), 1, b), 2, c), 3, d);
}

function words(at: usize, order: i32): u64 {
  return <u64>load<u16>(at + ((order & 3) << 1)) | (<u64>load<u16>(at + (((order >> 2) & 3) << 1)) << 16) |
    (<u64>load<u16>(at + (((order >> 4) & 3) << 1)) << 32) | (<u64>load<u16>(at + (((order >> 6) & 3) << 1)) << 48);
}

export function shuffleLowWords(v: v128, order: i32): v128 {
  v128.store(scratch(), v);
  return i64x2.replace_lane(v, 0, words(scratch(), order));
}

export function shuffleHighWords(v: v128, order: i32): v128 {
  v128.store(scratch(), v);
  return i64x2.replace_lane(v, 1, words(scratch() + 8, order));
}

/** SHUFPS: two lanes of the destination, then two of the source. */
export function shuffleSingles(a: v128, b: v128, order: i32): v128 {
  const low = shuffleDwords(a, order);
  const high = shuffleDwords(b, order);
  return i64x2.replace_lane(low, 1, i64x2.extract_lane(high, 1));
}

export function shuffleDoubles(a: v128, b: v128, order: i32): v128 {
  const low = order & 1 ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0);
  const high = order & 2 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0);
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** Lanes of `bytes` bytes: bit n of the mask takes lane n from b. */
function blend(a: v128, b: v128, mask: i32, bytes: i32): v128 {
  const at = scratch();
  v128.store(at, a);
  v128.store(at + 16, b);
  for (let lane = 0; lane * bytes < 16; lane++) {
    if ((mask >> lane) & 1) memory.copy(at + lane * bytes, at + 16 + lane * bytes, bytes);
  }
  return v128.load(at);
}

export function blendWords(a: v128, b: v128, mask: i32): v128 {
  return blend(a, b, mask, 2);
}

export function blendDwords(a: v128, b: v128, mask: i32): v128 {
  return blend(a, b, mask, 4);
}

export function blendQwords(a: v128, b: v128, mask: i32): v128 {
  return blend(a, b, mask, 8);
}

export function shiftBytesLeft(v: v128, count: i32): v128 {
  const at = scratch();
  const n = min<u32>(<u32>count & 0xff, 16);
  memory.fill(at, 0, 16);
  v128.store(at + 16, v);
  return v128.load(at + 16 - n);
}

export function shiftBytesRight(v: v128, count: i32): v128 {
  const at = scratch();
  const n = min<u32>(<u32>count & 0xff, 16);
  v128.store(at, v);
  memory.fill(at + 16, 0, 16);
  return v128.load(at + n);
}

/** PALIGNR: dst:src shifted right by bytes, the low half kept. */
export function alignRight(a: v128, b: v128, count: i32, bytes: i32): v128 {
  const at = scratch();
  const n = min<u32>(<u32>count & 0xff, bytes * 2);
  memory.fill(at, 0, 64);
  v128.store(at, b);
  v128.store(at + bytes, a);
  if (bytes == 8) memory.fill(at + 16, 0, 16);
  return v128.load(at + n);
}

/** A lane zero-extended; the lane number is cut to what the register has. */
export function extractLane(v: v128, lane: i32, register: i32, bytes: i32): u64 {
  const at = scratch();
  v128.store(at, v);
  const from = at + ((lane * bytes) & (register - 1));
  if (bytes == 1) return <u64>load<u8>(from);
  if (bytes == 2) return <u64>load<u16>(from);
  return bytes == 4 ? <u64>load<u32>(from) : load<u64>(from);
}

export function insertLane(v: v128, value: u64, lane: i32, register: i32, bytes: i32): v128 {
  const at = scratch();
  v128.store(at, v);
  const to = at + ((lane * bytes) & (register - 1));
  if (bytes == 1) store<u8>(to, <u8>value);
  else if (bytes == 2) store<u16>(to, <u16>value);
  else if (bytes == 4) store<u32>(to, <u32>value);
  else store<u64>(to, value);
  return v128.load(at);
}

/** MASKMOVQ/MASKMOVDQU: bytes with a set mask bit go to memory. */
export function maskedStore(linear: u64, value: v128, mask: v128, bytes: i32): void {
  const at = scratch();
  v128.store(at, value);
  v128.store(at + 16, mask);
  for (let i = 0; i < bytes; i++) if (load<u8>(at + 16 + i) & 0x80) probeWrite(linear + i, 1);
  for (let i = 0; i < bytes; i++) if (load<u8>(at + 16 + i) & 0x80) writeMemory(linear + i, 1, <u64>load<u8>(at + i));
}
