/**
 * Conditions from lazily kept flags (SDM 1 appendix B). RESULT is the truncated result and SOURCE the second operand
 * as described at FLAGS_* in layout.ts; both are i64.
 */
import { i32, i64, type I32, type I64 } from '../../wasm';
import {
  FLAGS_ADC,
  FLAGS_ADD,
  FLAGS_CARRY,
  FLAGS_DEC,
  FLAGS_INC,
  FLAGS_LOGIC,
  FLAGS_MUL,
  FLAGS_SAR,
  FLAGS_SBB,
  FLAGS_SHL,
  FLAGS_SHR,
  FLAGS_SUB,
} from '../layout';
import type { FlagKind } from './context';

export const CF = 0x001;
export const PF = 0x004;
export const AF = 0x010;
export const ZF = 0x040;
export const SF = 0x080;
export const OF = 0x800;

export const FLAG_KIND_NUMBERS: Record<FlagKind, number> = {
  ADD: FLAGS_ADD,
  ADC: FLAGS_ADC,
  SUB: FLAGS_SUB,
  SBB: FLAGS_SBB,
  LOGIC: FLAGS_LOGIC,
  INC: FLAGS_INC,
  DEC: FLAGS_DEC,
  SHL: FLAGS_SHL,
  SHR: FLAGS_SHR,
  SAR: FLAGS_SAR,
  MUL: FLAGS_MUL,
  CARRY: FLAGS_CARRY,
};

/** Condition code pairs, SDM 2 appendix B table B-10: code >> 1, odd codes negate. */
const CC_O = 0;
const CC_B = 1;
const CC_Z = 2;
const CC_BE = 3;
const CC_S = 4;
const CC_P = 5;
const CC_L = 6;
const CC_LE = 7;

/** Flags that the conditions read, by code >> 1. */
export const CONDITION_FLAGS: readonly number[] = [
  OF,
  CF,
  ZF,
  CF | ZF,
  SF,
  PF,
  SF | OF,
  ZF | SF | OF,
];

const zero = i64.const(0);

/** Sign-extends the low `bytes` of an i64. */
function signed(value: I64, bytes: number): I64 {
  if (bytes === 1) return i64.extend8S(value);
  if (bytes === 2) return i64.extend16S(value);
  return bytes === 4 ? i64.extend32S(value) : value;
}

function truncated(value: I64, bytes: number): I64 {
  return bytes === 8 ? value : i64.and(value, i64.const((1n << BigInt(bytes * 8)) - 1n));
}

function parity(result: I64): I32 {
  return i32.eqz(i32.and(i32.wrap(i64.popcnt(i64.and(result, i64.const(0xff)))), i32.const(1)));
}

/**
 * The condition (code >> 1, not negated) when the kind of the last flag setter is known, as a 0/1 expression;
 * undefined where only the general routine knows.
 */
export function conditionOfKind(
  pair: number,
  kind: FlagKind,
  bytes: number,
  result: I64,
  source: I64,
): I32 | undefined {
  if (pair === CC_Z) return i64.eqz(result);
  if (pair === CC_S) return i64.ltS(signed(result, bytes), zero);
  if (pair === CC_P) return parity(result);
  if (kind === 'SUB') {
    const a = truncated(i64.add(result, source), bytes);
    if (pair === CC_B) return i64.ltU(a, source);
    if (pair === CC_BE) return i64.leU(a, source);
    if (pair === CC_L) return i64.ltS(signed(a, bytes), signed(source, bytes));
    if (pair === CC_LE) return i64.leS(signed(a, bytes), signed(source, bytes));
    return undefined;
  }
  if (kind === 'LOGIC') {
    if (pair === CC_O || pair === CC_B) return i32.const(0);
    if (pair === CC_BE) return i64.eqz(result);
    if (pair === CC_L) return i64.ltS(signed(result, bytes), zero);
    if (pair === CC_LE) return i64.leS(signed(result, bytes), zero);
  }
  if (kind === 'ADD' && pair === CC_B) return i64.ltU(result, source);
  if ((kind === 'INC' || kind === 'DEC') && pair === CC_B) return i32.wrap(source);
  return undefined;
}

/** The condition from materialised flags. */
export function conditionOfFlags(pair: number, flags: I32): I32 {
  const bit = (mask: number): I32 => i32.ne(i32.and(flags, i32.const(mask)), i32.const(0));
  const less = (): I32 => i32.ne(bit(SF), bit(OF));
  if (pair === CC_L) return less();
  if (pair === CC_LE) return i32.or(less(), bit(ZF));
  return bit(CONDITION_FLAGS[pair]);
}
