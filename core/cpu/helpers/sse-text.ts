// AssemblyScript. PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM Vol. 2B, 4.1). Results through S_SCRATCH: index or
// mask is returned, flags lie at S_SCRATCH + 48.
import * as L from '../layout';
import { reg, state } from './state';

const CF: u32 = 1;
const ZF: u32 = 0x40;
const SF: u32 = 0x80;
const OF: u32 = 0x800;

const EQUAL_ANY: i32 = 0;
const RANGES: i32 = 1;
const EQUAL_EACH: i32 = 2;

/** Elements, from implicit lengths: up to the first zero. */
function implicitLength(at: usize, words: bool): i32 {
  const total = words ? 8 : 16;
  for (let i = 0; i < total; i++) if (element(at, i, words, false) == 0) return i;
  return total;
}

/** RAX or RDX: its size counts (saturated); EAX and EDX without REX.W. */
function explicitLength(index: i32, wide: bool, words: bool): i32 {
  const total: i64 = words ? 8 : 16;
  const value = wide ? <i64>reg(index) : <i64><i32>reg(index);
  if (value > total || value < -total) return <i32>total;
  return <i32>(value < 0 ? -value : value);
}

// @ts-ignore: decorator
@inline function element(at: usize, i: i32, words: bool, signed: bool): i32 {
  if (words) return signed ? <i32>load<i16>(at + (<usize>i << 1)) : <i32>load<u16>(at + (<usize>i << 1));
  return signed ? <i32>load<i8>(at + <usize>i) : <i32>load<u8>(at + <usize>i);
}

/** IntRes1: bit j tells about element j of the second operand. */
function aggregate(a: usize, aLength: i32, b: usize, bLength: i32, mode: i32, words: bool, signed: bool): u32 {
  const total = words ? 8 : 16;
  let result: u32 = 0;
  for (let j = 0; j < total; j++) {
    let bit = false;
    if (mode == EQUAL_ANY || mode == RANGES) {
      if (j < bLength) {
        const x = element(b, j, words, signed);
        for (let i = 0; i < aLength && !bit; i++) {
          if (mode == EQUAL_ANY) bit = element(a, i, words, signed) == x;
          else if (i & 1) bit = element(a, i - 1, words, signed) <= x && x <= element(a, i, words, signed);
        }
      }
    } else if (mode == EQUAL_EACH) {
      const inA = j < aLength;
      const inB = j < bLength;
      bit = inA && inB ? element(a, j, words, signed) == element(b, j, words, signed) : inA == inB;
    } else {
      // Equal ordered: a as a substring that starts here; it may run out of the register.
      bit = true;
      for (let i = 0; i < aLength && j + i < total && bit; i++) bit = j + i < bLength && element(a, i, words, signed) == element(b, j + i, words, signed);
    }
    if (bit) result |= 1 << j;
  }
  return result;
}

/** IntRes2, with EFLAGS' arithmetic flags stored; `explicit`: lengths in EAX and EDX (RAX and RDX with `wide`). */
function compareText(a: v128, b: v128, control: i32, explicit: i32, wide: i32): u32 {
  const at = state() + L.S_SCRATCH;
  v128.store(at, a);
  v128.store(at + 16, b);
  const words = (control & 1) != 0;
  const signed = (control & 2) != 0;
  const total = words ? 8 : 16;
  const aLength = explicit ? explicitLength(0, wide != 0, words) : implicitLength(at, words);
  const bLength = explicit ? explicitLength(2, wide != 0, words) : implicitLength(at + 16, words);
  let result = aggregate(at, aLength, at + 16, bLength, (control >> 2) & 3, words, signed);
  const all: u32 = (1 << total) - 1;
  // Polarity: bit 4 negates, with bit 5 only elements that the second operand has.
  if (control & 0x10) result ^= control & 0x20 ? (1 << bLength) - 1 : all;
  const flags = (result != 0 ? CF : 0) | (bLength < total ? ZF : 0) | (aLength < total ? SF : 0) | (result & 1 ? OF : 0);
  store<u32>(at, flags, 48);
  return result;
}

/** The arithmetic flags that the last comparison left. */
export function textFlags(): i32 {
  return load<i32>(state() + L.S_SCRATCH, 48);
}

/** PCMPxSTRI: what ECX gets. */
export function compareTextIndex(a: v128, b: v128, control: i32, explicit: i32, wide: i32): i32 {
  const result = compareText(a, b, control, explicit, wide);
  if (result == 0) return control & 1 ? 8 : 16;
  return control & 0x40 ? 31 - <i32>clz(result) : <i32>ctz(result);
}

/** PCMPxSTRM: what XMM0 gets: the bits, or a mask of bytes or words. */
export function compareTextMask(a: v128, b: v128, control: i32, explicit: i32, wide: i32): v128 {
  const result = compareText(a, b, control, explicit, wide);
  if (!(control & 0x40)) return i32x4.replace_lane(i32x4.splat(0), 0, result);
  const at = state() + L.S_SCRATCH;
  for (let i = 0; i < 16; i++) {
    const bit = control & 1 ? i >> 1 : i;
    store<u8>(at + <usize>i, (result >> bit) & 1 ? 0xff : 0);
  }
  return v128.load(at);
}
