// AssemblyScript. FST(P), FIST(P), FISTTP, FBSTP: conversions from 80 bits (SDM 2A, SDM 1 8.3.3, 8.5).
import {
  clearAway,
  DE,
  DOWN,
  IE,
  NEAREST,
  packDouble,
  packSingle,
  PE,
  raisedFlags,
  raiseFlags,
  roundingMode,
  setAway,
  TRUNCATE,
  UP,
} from '../softfloat';
import { probeWrite, writeMemory } from '../mmu';
import { addressMask } from '../address';

import {
  classify,
  exponentOf,
  FINITE,
  INFINITE,
  isDenormal,
  isSignaling,
  normalOf,
  unpackAs,
  UNSUPPORTED,
  ZERO,
} from './number';
import {
  beginRounding,
  C1,
  control,
  INDEFINITE,
  INDEFINITE_SE,
  isEmpty,
  pop,
  setStatus,
  settleStore,
  signExponentOf,
  significandOf,
  stackFault,
  status,
  write,
} from './stack';

/** FST(P) m32. */
export function x87StoreSingle(linear: u64, drop: i32): void {
  storeReal(linear, 4, drop);
}

export function x87StoreDouble(linear: u64, drop: i32): void {
  storeReal(linear, 8, drop);
}

function storeReal(linear: u64, size: i32, drop: i32): void {
  if (size == 8 && storeDoubleFast(linear)) {
    if (drop) pop();
    return;
  }
  if (isEmpty(0)) {
    probeWrite(linear, size);
    if (!stackFault(false)) return;
    writeMemory(linear, size, size == 4 ? 0xffc00000 : 0xfff8000000000000);
  } else {
    beginRounding();
    const bits = size == 4 ? <u64>toSingle() : toDouble();
    if (!storeResult(linear, size, bits)) return;
  }
  if (drop) pop();
}

/** FST m64 of a number well inside the range, to nearest with PE masked. False when it is something else. */
// @ts-ignore: decorator
@inline function storeDoubleFast(linear: u64): bool {
  const se = signExponentOf(0);
  const a = significandOf(0);
  const e = (se & 0x7fff) - 0x3c00;
  if (isEmpty(0) || e - 1 >= 0x7fd || !(a >> 63) || (control() & 0xc20) != 0x20) return false;
  // Rounding may carry into the exponent, as it should.
  let bits = (<u64>e << 52) | ((a >> 11) & 0xfffffffffffff);
  const rest = <u32>a & 0x7ff;
  let flags: u32 = 0;
  if (rest) {
    flags = <u32>PE;
    if (rest > 0x400 || (rest == 0x400 && (bits & 1) != 0)) {
      bits++;
      flags |= C1;
    }
  }
  writeMemory(linear, 8, (<u64>(se & 0x8000) << 48) | bits);
  setStatus((status() & ~C1) | flags);
  return true;
}

/**
 * Writes a converted value unless an unmasked exception forbids it. The memory comes before the status word, so that a
 * page fault finds nothing changed.
 */
function storeResult(linear: u64, size: i32, bits: u64): bool {
  if (raisedFlags() & ~control() & ~PE) probeWrite(linear, size);
  else writeMemory(linear, size, bits);
  return settleStore();
}

/** ST(0) as binary32 bits, rounded by RC. */
function toSingle(): u32 {
  const se = signExponentOf(0);
  const a = significandOf(0);
  const c = classify(se, a);
  const sign = (se & 0x8000) << 16;
  if (c == FINITE) {
    unpackAs(<i32>(se >> 15), se, a);
    return packSingle();
  }
  if (c == ZERO) return sign;
  if (c == INFINITE) return sign | 0x7f800000;
  if (c == UNSUPPORTED) {
    raiseFlags(IE);
    return 0xffc00000;
  }
  if (isSignaling(a)) raiseFlags(IE);
  return sign | 0x7fc00000 | ((<u32>(a >> 40)) & 0x3fffff);
}

function toDouble(): u64 {
  const se = signExponentOf(0);
  const a = significandOf(0);
  const c = classify(se, a);
  const sign = (<u64>(se & 0x8000)) << 48;
  if (c == FINITE) {
    unpackAs(<i32>(se >> 15), se, a);
    return packDouble();
  }
  if (c == ZERO) return sign;
  if (c == INFINITE) return sign | 0x7ff0000000000000;
  if (c == UNSUPPORTED) {
    raiseFlags(IE);
    return 0xfff8000000000000;
  }
  if (isSignaling(a)) raiseFlags(IE);
  return sign | 0x7ff8000000000000 | ((a >> 11) & 0x7ffffffffffff);
}

/** Ten bytes: both pages are probed before the first is written. */
function storeTen(linear: u64, low: u64, high: u64): void {
  if ((<u32>linear & 0xfff) > 0xff6) probeWrite(linear, 10);
  writeMemory(linear, 8, low);
  writeMemory((linear + 8) & addressMask(), 2, high);
}

/** FSTP m80: any bits, no exception but stack underflow. */
export function x87StoreExtended(linear: u64): void {
  if (isEmpty(0)) {
    probeWrite(linear, 10);
    if (!stackFault(false)) return;
    storeTen(linear, INDEFINITE, <u64>INDEFINITE_SE);
  } else {
    storeTen(linear, significandOf(0), <u64>signExponentOf(0));
    setStatus(status() & ~C1);
  }
  pop();
}

/** FSTPNCE (D9 D8+i): an empty ST(0) is no fault and leaves ST(i). */
export function x87StoreUnchecked(i: i32): void {
  setStatus(status() & ~C1);
  if (!isEmpty(0)) write(i, signExponentOf(0), significandOf(0));
  pop();
}

/** FST(P) ST(i). */
export function x87StoreRegister(i: i32, drop: i32): void {
  if (isEmpty(0)) {
    if (!stackFault(false)) return;
    write(i, INDEFINITE_SE, INDEFINITE);
  } else {
    setStatus(status() & ~C1);
    write(i, signExponentOf(0), significandOf(0));
  }
  if (drop) pop();
}

let magnitude: u64 = 0;

/**
 * Rounds a number to an integer by `mode` into `magnitude`, raising PE. False when it is above 2^64 - 1, not a number
 * or unsupported.
 */
function toMagnitude(se: u32, a: u64, mode: i32): bool {
  const c = classify(se, a);
  magnitude = 0;
  clearAway();
  if (c == ZERO) return true;
  if (c != FINITE) return false;
  const exponent = exponentOf(se, a);
  if (exponent > 63) return false;
  const significand = normalOf(a);
  let fraction: u64;
  if (exponent < -1) fraction = 1;
  else if (exponent == -1) fraction = significand;
  else {
    magnitude = significand >> (<u64>(63 - exponent));
    fraction = exponent == 63 ? 0 : significand << (<u64>(exponent + 1));
  }
  if (fraction == 0) return true;
  raiseFlags(PE);
  const negative = (se & 0x8000) != 0;
  let up = mode == (negative ? DOWN : UP);
  if (mode == NEAREST)
    up = fraction > 0x8000000000000000 || (fraction == 0x8000000000000000 && (magnitude & 1) != 0);
  if (up) {
    magnitude++;
    setAway();
    if (magnitude == 0) return false;
  }
  return true;
}

/** FIST(P) and FISTTP (`truncate`): integer indefinite when it does not fit. */
export function x87StoreInteger(linear: u64, size: i32, drop: i32, truncate: i32): void {
  const limit: u64 = <u64>1 << <u64>(size * 8 - 1);
  if (isEmpty(0)) {
    probeWrite(linear, size);
    if (!stackFault(false)) return;
    writeMemory(linear, size, limit);
  } else {
    beginRounding();
    const se = signExponentOf(0);
    const negative = (se & 0x8000) != 0;
    const rounded = toMagnitude(se, significandOf(0), truncate ? TRUNCATE : roundingMode());
    const fits = rounded && (magnitude < limit || (negative && magnitude == limit));
    if (!fits) invalidStore();
    if (!storeResult(linear, size, fits ? (negative ? 0 - magnitude : magnitude) : limit)) return;
  }
  if (drop) pop();
}

/** An integer that does not fit: only IE is reported. */
function invalidStore(): void {
  beginRounding();
  raiseFlags(IE);
}

const DECIMAL_LIMIT: u64 = 1000000000000000000;

/** FBSTP. */
export function x87StoreDecimal(linear: u64): void {
  probeWrite(linear, 10);
  let low: u64 = 0xc000000000000000;
  let high: u64 = 0xffff;
  if (isEmpty(0)) {
    if (!stackFault(false)) return;
  } else {
    beginRounding();
    const se = signExponentOf(0);
    const fits = toMagnitude(se, significandOf(0), roundingMode()) && magnitude < DECIMAL_LIMIT;
    if (!fits) invalidStore();
    if (!settleStore()) return;
    if (fits) {
      low = 0;
      for (let i: u64 = 0; i < 64; i += 4) {
        low |= (magnitude % 10) << i;
        magnitude /= 10;
      }
      high = (magnitude % 10) | ((magnitude / 10) << 4) | (<u64>(se & 0x8000));
    }
  }
  storeTen(linear, low, high);
  pop();
}
