/** Conditions and flags from operands whose kind of operation is known when code is made (SDM 1 appendix A and B). */
import { f64, i32, i64, type F64, type I32, type I64 } from '../../wasm';
import type { FlagKind } from '../ops/context';

const CC_B = 1;
const CC_Z = 2;
const CC_BE = 3;
const CC_S = 4;
const CC_P = 5;
const CC_L = 6;
const CC_LE = 7;

/** The low `bytes` of a zero-extended i64 as a signed i32. */
function signed32(value: I64, bytes: number): I32 {
  const low = i32.wrap(value);
  if (bytes === 1) return i32.extend8S(low);
  return bytes === 2 ? i32.extend16S(low) : low;
}

/** A condition (code >> 1) in the operands' own width; undefined where this knows no short way. */
export function conditionOfWords(
  pair: number,
  kind: FlagKind,
  bytes: number,
  result: I64,
  operands: { first: I64; second: I64 } | undefined,
): I32 | undefined {
  if (kind === 'SUB' && operands) {
    const { first, second } = operands;
    if (bytes === 8) {
      if (pair === CC_B) return i64.ltU(first, second);
      if (pair === CC_BE) return i64.leU(first, second);
      if (pair === CC_Z) return i64.eq(first, second);
      if (pair === CC_L) return i64.ltS(first, second);
      if (pair === CC_LE) return i64.leS(first, second);
    } else {
      if (pair === CC_B) return i32.ltU(i32.wrap(first), i32.wrap(second));
      if (pair === CC_BE) return i32.leU(i32.wrap(first), i32.wrap(second));
      if (pair === CC_Z) return i32.eq(i32.wrap(first), i32.wrap(second));
      if (pair === CC_L) return i32.ltS(signed32(first, bytes), signed32(second, bytes));
      if (pair === CC_LE) return i32.leS(signed32(first, bytes), signed32(second, bytes));
    }
  }
  if (bytes === 8) return undefined;
  if (pair === CC_Z) return i32.eqz(i32.wrap(result));
  if (pair === CC_S) return i32.ltS(signed32(result, bytes), i32.const(0));
  if (kind !== 'LOGIC') return undefined;
  if (pair === CC_L) return i32.ltS(signed32(result, bytes), i32.const(0));
  if (pair === CC_LE) return i32.leS(signed32(result, bytes), i32.const(0));
  return undefined;
}

/** A condition (code >> 1) behind COMISD of numbers in order; undefined where it wants flags that are always 0. */
export function conditionOfDoubles(pair: number, first: F64, second: F64): I32 | undefined {
  if (pair === CC_B) return f64.lt(first, second);
  if (pair === CC_Z) return f64.eq(first, second);
  if (pair === CC_BE) return f64.le(first, second);
  return pair === CC_P ? i32.const(0) : undefined;
}

function truncated(value: I64, bytes: number): I64 {
  return bytes === 8 ? value : i64.and(value, i64.const((1n << BigInt(bytes * 8)) - 1n));
}

/** CF PF AF ZF SF OF at their EFLAGS places; `result` and `source` as layout.ts describes them at FLAGS_*. */
export function flagsOfKind(kind: FlagKind, bytes: number, result: I64, source: I64): I32 {
  const top = bytes * 8 - 1;
  const topBit = (value: I64): I32 =>
    i32.and(i32.wrap(i64.shrU(value, i64.const(top))), i32.const(1));
  const one = i64.const(1);
  const subtraction = kind === 'SUB' || kind === 'SBB';
  const borrow = kind === 'ADC' || kind === 'SBB';
  const other = borrow ? i64.add(source, one) : source;
  const first = truncated(subtraction ? i64.add(result, other) : i64.sub(result, other), bytes);
  const nibble = i32.and(i32.wrap(result), i32.const(15));
  const xors = i32.and(i32.wrap(i64.xor(i64.xor(first, source), result)), i32.const(0x10));
  let carry: I32 = i32.const(0);
  let adjust: I32 = i32.const(0);
  let overflow: I32 = i32.const(0);
  switch (kind) {
    case 'ADD':
    case 'ADC':
      carry = borrow ? i64.leU(result, source) : i64.ltU(result, source);
      adjust = xors;
      overflow = topBit(i64.and(i64.xor(first, result), i64.xor(source, result)));
      break;
    case 'SUB':
    case 'SBB':
      carry = borrow ? i64.leU(first, source) : i64.ltU(first, source);
      adjust = xors;
      overflow = topBit(i64.and(i64.xor(first, source), i64.xor(first, result)));
      break;
    case 'LOGIC':
      break;
    case 'INC':
      carry = i32.and(i32.wrap(source), i32.const(1));
      overflow = i64.eq(result, i64.const(1n << BigInt(top)));
      adjust = i32.shl(i32.eqz(nibble), i32.const(4));
      break;
    case 'DEC':
      carry = i32.and(i32.wrap(source), i32.const(1));
      overflow = i64.eq(result, i64.const((1n << BigInt(top)) - 1n));
      adjust = i32.shl(i32.eq(nibble, i32.const(15)), i32.const(4));
      break;
    case 'SHL':
      carry = topBit(source);
      overflow = i32.xor(topBit(source), topBit(result));
      break;
    case 'SHR':
      carry = i32.and(i32.wrap(source), i32.const(1));
      overflow = topBit(i64.xor(result, i64.shl(result, one)));
      break;
    case 'SAR':
      carry = i32.and(i32.wrap(source), i32.const(1));
      break;
    case 'MUL':
      carry = i32.and(i32.wrap(source), i32.const(1));
      overflow = carry;
      break;
    case 'CARRY':
      carry = i32.and(i32.wrap(source), i32.const(1));
      break;
  }
  const odd = i32.and(i32.popcnt(i32.and(i32.wrap(result), i32.const(0xff))), i32.const(1));
  const parity = i32.shl(i32.eqz(odd), i32.const(2));
  const zero = i32.shl(i64.eqz(result), i32.const(6));
  const sign = i32.shl(topBit(result), i32.const(7));
  const all = i32.or(i32.or(carry, parity), i32.or(zero, sign));
  return i32.or(i32.or(all, adjust), i32.shl(overflow, i32.const(11)));
}
