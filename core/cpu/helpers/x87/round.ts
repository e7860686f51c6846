// AssemblyScript. FRNDINT, FSCALE, FXTRACT, FPREM, FPREM1 (SDM 2A).
import {
  DOWN,
  NEAREST,
  PE,
  raiseFlags,
  roundingMode,
  setAway,
  setResult,
  UP,
  ZE,
} from '../softfloat';
import {
  BIAS,
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
  INDEFINITE,
  INDEFINITE_SE,
  INTEGER_BIT,
  isEmpty,
  push,
  setStatus,
  settle,
  signExponentOf,
  significandOf,
  stackFault,
  status,
  write,
} from './stack';

export function x87RoundToInteger(): void {
  if (isEmpty(0)) {
    if (stackFault(false)) write(0, INDEFINITE_SE, INDEFINITE);
    return;
  }
  beginRounding();
  const se = signExponentOf(0);
  const a = significandOf(0);
  const c = classify(se, a);
  setValue(se, a);
  if (c == UNSUPPORTED) invalid();
  else if (c == NAN) propagateOne(se, a);
  else if (c == FINITE && denormals(se, a, se, a)) roundFinite(se, a);
  if (settle()) write(0, valueSe(), valueSignificand());
}

function roundFinite(se: u32, a: u64): void {
  const exponent = <i32>(se & 0x7fff) - BIAS;
  if (exponent >= 63) return;
  const negative = (se & 0x8000) != 0;
  const directed = roundingMode() == (negative ? DOWN : UP);
  if (exponent < 0) {
    raiseFlags(PE);
    // Below one half in size, one half (a tie, to even), or above.
    const up = directed || (roundingMode() == NEAREST && exponent == -1 && a > INTEGER_BIT);
    if (up) setAway();
    setValue((se & 0x8000) | (up ? BIAS : 0), up ? INTEGER_BIT : 0);
    return;
  }
  const unit: u64 = INTEGER_BIT >> (<u64>exponent);
  const fraction = a & (unit - 1);
  if (fraction == 0) return;
  raiseFlags(PE);
  const half = unit >> 1;
  const up =
    directed ||
    (roundingMode() == NEAREST && (fraction > half || (fraction == half && (a & unit) != 0)));
  let result = a - fraction;
  if (up) {
    setAway();
    result += unit;
  }
  setValue(result == 0 ? se + 1 : se, result == 0 ? INTEGER_BIT : result);
}

/** Beyond this no exponent comes back into range. */
const SCALE_LIMIT: i32 = 0x10000;

/** The scale factor: ST(1) chopped to an integer. */
function chopped(se: u32, a: u64): i32 {
  const exponent = exponentOf(se, a);
  let n: i32 = 0;
  if (exponent >= 16) n = SCALE_LIMIT;
  else if (exponent >= 0) n = <i32>(normalOf(a) >> (<u64>(63 - exponent)));
  return se & 0x8000 ? -n : n;
}

export function x87Scale(): void {
  if (isEmpty(0) || isEmpty(1)) {
    if (stackFault(false)) write(0, INDEFINITE_SE, INDEFINITE);
    return;
  }
  beginRounding();
  scale(signExponentOf(0), significandOf(0), signExponentOf(1), significandOf(1));
  if (settle()) write(0, valueSe(), valueSignificand());
}

function scale(aSe: u32, a: u64, bSe: u32, b: u64): void {
  const ca = classify(aSe, a);
  const cb = classify(bSe, b);
  if (ca == UNSUPPORTED || cb == UNSUPPORTED) invalid();
  else if (ca == NAN || cb == NAN) propagate(aSe, a, bSe, b);
  else if (cb == INFINITE) {
    const grows = (bSe & 0x8000) == 0;
    if (ca == (grows ? ZERO : INFINITE)) invalid();
    else if (denormals(aSe, a, bSe, b))
      setValue((aSe & 0x8000) | (grows ? 0x7fff : 0), grows ? INTEGER_BIT : 0);
  } else if (denormals(aSe, a, bSe, b)) {
    if (ca != FINITE) setValue(aSe, a);
    else {
      const n = cb == ZERO ? 0 : chopped(bSe, b);
      setResult(<i32>(aSe >> 15), exponentOf(aSe, a) + n, normalOf(a), 0);
      pack(64);
    }
  }
}

/** Exponent to ST(1), significand to ST(0). */
export function x87Extract(): void {
  if (isEmpty(0) || !isEmpty(7)) {
    if (!stackFault(!isEmpty(0))) return;
    write(0, INDEFINITE_SE, INDEFINITE);
    push(INDEFINITE_SE, INDEFINITE);
    return;
  }
  beginRounding();
  const se = signExponentOf(0);
  const a = significandOf(0);
  const c = classify(se, a);
  let exponentSe: u32 = 0;
  let exponent: u64 = 0;
  if (c == UNSUPPORTED || c == NAN) {
    if (c == NAN) propagateOne(se, a);
    else invalid();
    exponentSe = valueSe();
    exponent = valueSignificand();
  } else if (c == INFINITE) {
    exponentSe = 0x7fff;
    exponent = INTEGER_BIT;
    setValue(se, a);
  } else if (c == ZERO) {
    raiseFlags(ZE);
    exponentSe = 0xffff;
    exponent = INTEGER_BIT;
    setValue(se, a);
  } else {
    denormals(se, a, se, a);
    const e = exponentOf(se, a);
    if (e != 0) {
      const n = <u64>(e < 0 ? -e : e);
      const shift = clz(n);
      exponent = n << shift;
      exponentSe = (e < 0 ? 0x8000 : 0) | (0x403e - <u32>shift);
    }
    setValue((se & 0x8000) | BIAS, normalOf(a));
  }
  if (!settle()) return;
  write(0, exponentSe, exponent);
  push(valueSe(), valueSignificand());
}

let quotient: u64 = 0;
let kept: u32 = 0;

/** `(a << n) mod b` for normalised a and b; the quotient's low bits in `quotient`. */
function reduce(a: u64, b: u64, n: i32): u64 {
  let r = a;
  let q: u64 = 0;
  if (r >= b) {
    r -= b;
    q = 1;
  }
  for (let i = 0; i < n; i++) {
    const over = <bool>(r >> 63);
    r <<= 1;
    q <<= 1;
    if (over || r >= b) {
      r -= b;
      q |= 1;
    }
  }
  quotient = q;
  return r;
}

/** FPREM (`nearest` 0) and FPREM1. A distance of 64 or more is reduced in part, by 32 to 63 as real processors do. */
export function x87Remainder(nearest: i32): void {
  if (isEmpty(0) || isEmpty(1)) {
    setStatus(status() & ~C2);
    if (stackFault(false)) write(0, INDEFINITE_SE, INDEFINITE);
    return;
  }
  beginRounding();
  // NaNs and invalid operations leave the condition codes.
  kept = status() & (C0 | C3);
  setStatus(status() & ~C2);
  const codes = remainder(
    signExponentOf(0),
    significandOf(0),
    signExponentOf(1),
    significandOf(1),
    nearest != 0,
  );
  if (!settle()) return;
  setStatus((status() & ~CONDITIONS) | codes);
  write(0, valueSe(), valueSignificand());
}

function remainder(aSe: u32, a: u64, bSe: u32, b: u64, nearest: bool): u32 {
  const ca = classify(aSe, a);
  const cb = classify(bSe, b);
  if (ca == UNSUPPORTED || cb == UNSUPPORTED) invalid();
  else if (ca == NAN || cb == NAN) propagate(aSe, a, bSe, b);
  else if (ca == INFINITE || cb == ZERO) invalid();
  else if (denormals(aSe, a, bSe, b)) {
    setValue(aSe, a);
    if (ca == ZERO) return 0;
    if (cb == INFINITE) {
      // A denormal comes back as it is; an unmasked underflow has to be told.
      setResult(<i32>(aSe >> 15), exponentOf(aSe, a), normalOf(a), 0);
      pack(64);
      return 0;
    }
    return remainderFinite(aSe, a, bSe, b, nearest);
  }
  return kept;
}

function remainderFinite(aSe: u32, a: u64, bSe: u32, b: u64, nearest: bool): u32 {
  let sign = <i32>(aSe >> 15);
  const ea = exponentOf(aSe, a);
  const eb = exponentOf(bSe, b);
  const na = normalOf(a);
  const nb = normalOf(b);
  const distance = ea - eb;
  let exponent = eb;
  let r: u64;
  quotient = 0;
  if (distance >= 64) {
    const n = (distance & 31) | 32;
    r = reduce(na, nb, n);
    finishRemainder(sign, eb + distance - n, r);
    return C2;
  }
  if (distance < 0) {
    r = na;
    exponent = ea;
    if (nearest && distance == -1 && na > nb) {
      // Above half of b: b - a, in units of a.
      r = (nb << 1) - na;
      quotient = 1;
      sign ^= 1;
    }
  } else {
    r = reduce(na, nb, distance);
    if (nearest && (r > nb - r || (r == nb - r && (quotient & 1) != 0))) {
      r = nb - r;
      quotient++;
      sign ^= 1;
    }
  }
  finishRemainder(sign, exponent, r);
  const q = <u32>quotient;
  return (q & 4 ? C0 : 0) | (q & 2 ? C3 : 0) | (q & 1 ? C1 : 0);
}

function finishRemainder(sign: i32, exponent: i32, r: u64): void {
  if (r == 0) {
    setValue((<u32>sign) << 15, 0);
    return;
  }
  setResult(sign, exponent - <i32>clz(r), normalOf(r), 0);
  pack(64);
}
