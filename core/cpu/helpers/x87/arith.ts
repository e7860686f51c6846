// AssemblyScript. FADD, FSUB(R), FMUL, FDIV(R), FSQRT, FABS, FCHS and their integer and memory forms (SDM 2A).
import {
  addFinite,
  DE,
  divideFinite,
  DOWN,
  multiplyFinite,
  raiseFlags,
  rootFinite,
  roundingMode,
  ZE,
} from '../softfloat';
import { state } from '../state';
import { conversionFlags, fromDouble, fromInteger, fromSingle } from './load';
import {
  classify,
  denormals,
  exponentOf,
  FINITE,
  INFINITE,
  invalid,
  NAN,
  normalOf,
  pack,
  propagate,
  propagateOne,
  setValue,
  unpackAs,
  UNSUPPORTED,
  valueSe,
  valueSignificand,
  ZERO,
} from './number';
import { ADD, DIVR, MUL, quickly, SUB, SUBR } from './quick';
import {
  beginRounding,
  INDEFINITE,
  INDEFINITE_SE,
  INTEGER_BIT,
  isEmpty,
  pop,
  precision,
  settle,
  signExponentOf,
  significandOf,
  st,
  stackFault,
  write,
  C1,
  setStatus,
  status,
} from './stack';

/** `a op b` into the value, rounded to PC. SUBR and DIVR swap. */
function operate(op: i32, aSe: u32, a: u64, bSe: u32, b: u64): void {
  if (op == SUBR || op == DIVR) {
    operate(op - 1, bSe, b, aSe, a);
    return;
  }
  // Both normal: exponents 1..7FFE, integer bit set.
  const normal = ((aSe + 1) & 0x7fff) > 1 && ((bSe + 1) & 0x7fff) > 1 && <bool>((a & b) >> 63);
  if (!normal && special(op, aSe, a, bSe, b)) return;
  const aSign = <i32>(aSe >> 15);
  const bSign = <i32>(bSe >> 15);
  const aExponent = exponentOf(aSe, a);
  const bExponent = exponentOf(bSe, b);
  a = normalOf(a);
  b = normalOf(b);
  if (op == ADD) addFinite(aSign, aExponent, a, bSign, bExponent, b);
  else if (op == SUB) addFinite(aSign, aExponent, a, bSign ^ 1, bExponent, b);
  else if (op == MUL) multiplyFinite(aSign, aExponent, a, bSign, bExponent, b);
  else divideFinite(aSign, aExponent, a, bSign, bExponent, b);
  pack(precision());
}

/** NaNs, infinities, zeros, denormals. False when two finite numbers other than zero are left to work on. */
function special(op: i32, aSe: u32, a: u64, bSe: u32, b: u64): bool {
  const ca = classify(aSe, a);
  const cb = classify(bSe, b);
  if (ca == UNSUPPORTED || cb == UNSUPPORTED) {
    invalid();
    return true;
  }
  if (ca == NAN || cb == NAN) {
    propagate(aSe, a, bSe, b);
    return true;
  }
  const sign = (aSe ^ bSe) & 0x8000;
  if (op == ADD || op == SUB) {
    const flip = op == SUB ? bSe ^ 0x8000 : bSe;
    if (ca == INFINITE && cb == INFINITE && ((aSe ^ flip) & 0x8000) != 0) invalid();
    else if (ca == INFINITE || cb == INFINITE) {
      if (denormals(aSe, a, bSe, b)) setValue(ca == INFINITE ? aSe : flip, INTEGER_BIT);
    } else if (ca == ZERO && cb == ZERO) {
      const differ = ((aSe ^ flip) & 0x8000) != 0;
      setValue(differ ? (roundingMode() == DOWN ? 0x8000 : 0) : aSe, 0);
    } else if (ca == ZERO || cb == ZERO) {
      if (!denormals(aSe, a, bSe, b)) return true;
      if (ca == ZERO) unpackAs(<i32>(flip >> 15), flip, b);
      else unpackAs(<i32>(aSe >> 15), aSe, a);
      pack(precision());
    } else return !denormals(aSe, a, bSe, b);
    return true;
  }
  if (op == MUL) {
    if ((ca == INFINITE && cb == ZERO) || (ca == ZERO && cb == INFINITE)) invalid();
    else if (ca == INFINITE || cb == INFINITE) {
      if (denormals(aSe, a, bSe, b)) setValue(sign | 0x7fff, INTEGER_BIT);
    } else if (ca == ZERO || cb == ZERO) {
      if (denormals(aSe, a, bSe, b)) setValue(sign, 0);
    } else return !denormals(aSe, a, bSe, b);
    return true;
  }
  if (ca == cb && ca != FINITE) invalid();
  else if (ca == INFINITE) {
    if (denormals(aSe, a, bSe, b)) setValue(sign | 0x7fff, INTEGER_BIT);
  } else if (cb == INFINITE || ca == ZERO) {
    if (denormals(aSe, a, bSe, b)) setValue(sign, 0);
  } else if (cb == ZERO) {
    raiseFlags(ZE);
    setValue(sign | 0x7fff, INTEGER_BIT);
  } else return !denormals(aSe, a, bSe, b);
  return true;
}

/** ST(dst) = ST(dst) op ST(src) by the reg field `op`; `drop` pops. */
export function x87Arith(op: i32, dst: i32, src: i32, drop: i32): void {
  if (isEmpty(dst) || isEmpty(src)) {
    if (!stackFault(false)) return;
    write(dst, INDEFINITE_SE, INDEFINITE);
  } else {
    const a = st(dst);
    const b = st(src);
    if (!quickly(state(), op, a, <u32>load<u16>(a, 8), load<u64>(a), <u32>load<u16>(b, 8), load<u64>(b))) {
      beginRounding();
      operate(op, signExponentOf(dst), significandOf(dst), signExponentOf(src), significandOf(src));
      if (!settle()) return;
      write(dst, valueSe(), valueSignificand());
    }
  }
  if (drop) pop();
}

/** ST(0) = ST(0) op the value just converted from memory. */
function withMemory(op: i32): void {
  if (conversionFlags() & DE) {
    const c = classify(signExponentOf(0), significandOf(0));
    // Division by zero comes first: it alone is reported.
    if (c != NAN && c != UNSUPPORTED && !(op == DIVR && c == ZERO)) raiseFlags(DE);
  }
  operate(op, signExponentOf(0), significandOf(0), valueSe(), valueSignificand());
  if (settle()) write(0, valueSe(), valueSignificand());
}

/** An empty ST(0): masked response is indefinite. */
function emptyTop(): bool {
  if (!isEmpty(0)) return false;
  if (stackFault(false)) write(0, INDEFINITE_SE, INDEFINITE);
  return true;
}

export function x87ArithSingle(op: i32, bits: u32): void {
  if (emptyTop()) return;
  beginRounding();
  fromSingle(bits);
  withMemory(op);
}

export function x87ArithDouble(op: i32, bits: u64): void {
  if (emptyTop()) return;
  const e = <u32>(bits >> 52) & 0x7ff;
  if (e - 1 < 0x7fe) {
    const at = st(0);
    const se = (<u32>(bits >> 48) & 0x8000) | (e + 0x3c00);
    const significand = INTEGER_BIT | ((bits << 12) >> 1);
    if (quickly(state(), op, at, <u32>load<u16>(at, 8), load<u64>(at), se, significand)) return;
  }
  beginRounding();
  fromDouble(bits);
  withMemory(op);
}

export function x87ArithInteger(op: i32, value: i32): void {
  if (emptyTop()) return;
  beginRounding();
  fromInteger(<i64>value);
  withMemory(op);
}

export function x87SquareRoot(): void {
  if (emptyTop()) return;
  beginRounding();
  const se = signExponentOf(0);
  const a = significandOf(0);
  const c = classify(se, a);
  if (c == UNSUPPORTED) invalid();
  else if (c == NAN) propagateOne(se, a);
  else if (c == ZERO) setValue(se, a);
  else if (se & 0x8000) invalid();
  else if (c == INFINITE) setValue(se, a);
  else if (denormals(se, a, se, a)) {
    rootFinite(exponentOf(se, a), normalOf(a));
    pack(precision());
  }
  if (settle()) write(0, valueSe(), valueSignificand());
}

/** FCHS (`flip` 8000) and FABS (`clear` 8000): no exceptions but stack underflow, whatever the operand is. */
export function x87ChangeSign(flip: i32, clear: i32): void {
  if (emptyTop()) return;
  setStatus(status() & ~C1);
  write(0, (signExponentOf(0) & ~(<u32>clear)) ^ (<u32>flip), significandOf(0));
}
