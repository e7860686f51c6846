// AssemblyScript. FCOM, FUCOM, FICOM, FTST, FCOMI, FUCOMI, FXAM (SDM 2A; SDM 1 8.1.3.1, 8.3.6).
import { DE, IE, raiseFlags } from '../softfloat';
import { conversionFlags, fromDouble, fromInteger, fromSingle } from './load';
import {
  classify,
  exponentOf,
  INFINITE,
  isDenormal,
  isSignaling,
  NAN,
  normalOf,
  UNSUPPORTED,
  valueSe,
  valueSignificand,
  ZERO,
} from './number';
import {
  beginRounding,
  C0,
  C1,
  C2,
  C3,
  CONDITIONS,
  isEmpty,
  pop,
  setStatus,
  settle,
  signExponentOf,
  significandOf,
  stackFault,
  status,
} from './stack';

/** Places of C0, C2, C3. */
const LESS: u32 = C0;
const GREATER: u32 = 0;
const EQUAL: u32 = C3;
const UNORDERED: u32 = C0 | C2 | C3;

/** Orders two numbers; NaNs raise IE when signaling, or when `quiet` is false. */
function order(aSe: u32, a: u64, bSe: u32, b: u64, quiet: bool): u32 {
  const ca = classify(aSe, a);
  const cb = classify(bSe, b);
  if (ca >= NAN || cb >= NAN) {
    if (
      !quiet ||
      ca == UNSUPPORTED ||
      cb == UNSUPPORTED ||
      (ca == NAN && isSignaling(a)) ||
      (cb == NAN && isSignaling(b))
    )
      raiseFlags(IE);
    return UNORDERED;
  }
  if (isDenormal(aSe, a) || isDenormal(bSe, b) || (conversionFlags() & DE) != 0) raiseFlags(DE);
  if (ca == ZERO && cb == ZERO) return EQUAL;
  const aNegative = (aSe & 0x8000) != 0;
  const bNegative = (bSe & 0x8000) != 0;
  if (ca == ZERO) return bNegative ? GREATER : LESS;
  if (cb == ZERO) return aNegative ? LESS : GREATER;
  if (aNegative != bNegative) return aNegative ? LESS : GREATER;
  const ea = ca == INFINITE ? 0x8000 : exponentOf(aSe, a);
  const eb = cb == INFINITE ? 0x8000 : exponentOf(bSe, b);
  const na = normalOf(a);
  const nb = normalOf(b);
  if (ea == eb && na == nb) return EQUAL;
  const smaller = ea != eb ? ea < eb : na < nb;
  return smaller != aNegative ? LESS : GREATER;
}

/** ST(0) with the value, into C3 C2 C0; pops `drop` times. */
function compareWithValue(quiet: bool, drop: i32): void {
  const codes = order(signExponentOf(0), significandOf(0), valueSe(), valueSignificand(), quiet);
  finish(codes, drop);
}

/** The codes are set even when the exception is unmasked; then nothing is popped. */
function finish(codes: u32, drop: i32): void {
  const masked = settle();
  setStatus((status() & ~CONDITIONS) | codes);
  if (masked) for (let i = 0; i < drop; i++) pop();
}

function underflow(drop: i32): void {
  const masked = stackFault(false);
  setStatus((status() & ~CONDITIONS) | UNORDERED);
  if (masked) for (let i = 0; i < drop; i++) pop();
}

/** FCOM(P)(P), FUCOM(P)(P) with ST(i). */
export function x87Compare(i: i32, quiet: i32, drop: i32): void {
  if (isEmpty(0) || isEmpty(i)) {
    underflow(drop);
    return;
  }
  beginRounding();
  fromInteger(0);
  finish(
    order(signExponentOf(0), significandOf(0), signExponentOf(i), significandOf(i), quiet != 0),
    drop,
  );
}

export function x87CompareSingle(bits: u32, drop: i32): void {
  if (isEmpty(0)) {
    underflow(drop);
    return;
  }
  beginRounding();
  fromSingle(bits);
  compareWithValue(false, drop);
}

export function x87CompareDouble(bits: u64, drop: i32): void {
  if (isEmpty(0)) {
    underflow(drop);
    return;
  }
  beginRounding();
  fromDouble(bits);
  compareWithValue(false, drop);
}

/** FICOM(P); FTST compares with 0. */
export function x87CompareInteger(value: i32, drop: i32): void {
  if (isEmpty(0)) {
    underflow(drop);
    return;
  }
  beginRounding();
  fromInteger(<i64>value);
  compareWithValue(false, drop);
}

/** FCOMI(P), FUCOMI(P): ZF PF CF at their EFLAGS places; C1 stays as it is. Unmasked exceptions only keep it from popping. */
export function x87CompareFlags(i: i32, quiet: i32, drop: i32): i32 {
  let codes = UNORDERED;
  let masked: bool;
  if (isEmpty(0) || isEmpty(i)) masked = stackFault(false);
  else {
    beginRounding();
    fromInteger(0);
    codes = order(signExponentOf(0), significandOf(0), signExponentOf(i), significandOf(i), quiet != 0);
    const before = status() & C1;
    masked = settle();
    setStatus(status() | before);
  }
  if (masked && drop != 0) pop();
  // C0 is CF (bit 0), C2 PF (bit 2), C3 ZF (bit 6): the high byte of the status word.
  return <i32>(codes >> 8);
}

/** FXAM: class in C3 C2 C0, sign in C1. */
export function x87Examine(): void {
  const se = signExponentOf(0);
  const a = significandOf(0);
  let codes: u32;
  const c = classify(se, a);
  if (isEmpty(0)) codes = C3 | C0;
  else if (c == UNSUPPORTED) codes = 0;
  else if (c == NAN) codes = C0;
  else if (c == INFINITE) codes = C2 | C0;
  else if (c == ZERO) codes = C3;
  else codes = isDenormal(se, a) ? C3 | C2 : C2;
  setStatus((status() & ~CONDITIONS) | codes | (se & 0x8000 ? C1 : 0));
}
