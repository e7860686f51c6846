// AssemblyScript. 64 x 64 -> 128 multiplication, division with #DE, BMI2 bit scatter and gather.
import * as L from '../layout';
import { raise } from './exceptions';
import { reg, set32, set64, setReg, state } from './state';

const DE: i32 = 0;

export function mulHighU(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const low = al * bl;
  const middle = ah * bl + (low >> 32);
  const other = al * bh + (middle & 0xffffffff);
  return ah * bh + (middle >> 32) + (other >> 32);
}

export function mulHighS(a: i64, b: i64): i64 {
  return <i64>mulHighU(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0);
}

/** 128 / 64, quotient below 2^64 assured; the remainder is left in `remainder`. */
let remainder: u64 = 0;

function divide128(high: u64, low: u64, divisor: u64): u64 {
  if (high == 0) {
    remainder = low % divisor;
    return low / divisor;
  }
  // Knuth, TAOCP 2, 4.3.1, algorithm D with 32-bit digits.
  const shift = clz<u64>(divisor);
  const d = divisor << shift;
  const d1 = d >> 32;
  const d0 = d & 0xffffffff;
  const top = shift == 0 ? high : (high << shift) | (low >> (64 - shift));
  const rest = low << shift;
  const r1 = rest >> 32;
  const r0 = rest & 0xffffffff;
  let q1 = top / d1;
  let r = top - q1 * d1;
  while (q1 >> 32 != 0 || q1 * d0 > ((r << 32) | r1)) {
    q1--;
    r += d1;
    if (r >> 32 != 0) break;
  }
  const next = (top << 32) + r1 - q1 * d;
  let q0 = next / d1;
  r = next - q0 * d1;
  while (q0 >> 32 != 0 || q0 * d0 > ((r << 32) | r0)) {
    q0--;
    r += d1;
    if (r >> 32 != 0) break;
  }
  remainder = ((next << 32) + r0 - q0 * d) >> shift;
  return (q1 << 32) + q0;
}

export function divide(divisor: u64, size: i32): void {
  if (divisor == 0) raise(DE, -1);
  if (size == 8) {
    const high = reg(2);
    if (high >= divisor) raise(DE, -1);
    setReg(0, divide128(high, reg(0), divisor));
    setReg(2, remainder);
    return;
  }
  const bits = <u64>(size * 8);
  const mask = ((<u64>1) << bits) - 1;
  const dividend = size == 1 ? reg(0) & 0xffff : ((reg(2) & mask) << bits) | (reg(0) & mask);
  const quotient = dividend / divisor;
  if (quotient > mask) raise(DE, -1);
  finish(size, quotient, dividend % divisor);
}

export function divideSigned(value: u64, size: i32): void {
  if (size == 8) {
    divideSigned64(<i64>value);
    return;
  }
  const bits = <u64>(size * 8);
  const spare = 64 - bits;
  const divisor = ((<i64>value) << spare) >> spare;
  if (divisor == 0) raise(DE, -1);
  const mask = ((<u64>1) << bits) - 1;
  const raw = size == 1 ? reg(0) & 0xffff : ((reg(2) & mask) << bits) | (reg(0) & mask);
  const wide = 64 - 2 * bits;
  const dividend = ((<i64>raw) << wide) >> wide;
  if (dividend == i64.MIN_VALUE && divisor == -1) raise(DE, -1);
  const quotient = dividend / divisor;
  if ((quotient << spare) >> spare != quotient) raise(DE, -1);
  finish(size, <u64>quotient, <u64>(dividend % divisor));
}

function divideSigned64(divisor: i64): void {
  if (divisor == 0) raise(DE, -1);
  let low = reg(0);
  let high = reg(2);
  const negative = <i64>high < 0;
  if (negative) {
    low = 0 - low;
    high = ~high + (low == 0 ? 1 : 0);
  }
  const magnitude: u64 = divisor < 0 ? 0 - <u64>divisor : <u64>divisor;
  if (high >= magnitude) raise(DE, -1);
  const quotient = divide128(high, low, magnitude);
  const minus = negative != divisor < 0;
  if (minus ? quotient > 0x8000000000000000 : quotient > 0x7fffffffffffffff) raise(DE, -1);
  setReg(0, minus ? 0 - quotient : quotient);
  setReg(2, negative ? 0 - remainder : remainder);
}

function finish(size: i32, quotient: u64, rest: u64): void {
  if (size == 1) store<u16>(state() + L.S_GPR, <u16>((quotient & 0xff) | ((rest & 0xff) << 8)));
  else if (size == 2) {
    store<u16>(state() + L.S_GPR, <u16>quotient);
    store<u16>(state() + L.S_GPR + 16, <u16>rest);
  } else {
    setReg(0, quotient & 0xffffffff);
    setReg(2, rest & 0xffffffff);
  }
}

/** AAM: AH = AL / base, AL = AL % base. */
export function asciiAdjustMultiply(base: i32): void {
  if (base == 0) raise(DE, -1);
  const al = (<u32>reg(0)) & 0xff;
  const result = al % <u32>base;
  store<u16>(state() + L.S_GPR, <u16>(((al / <u32>base) << 8) | result));
  set32(L.S_FLAG_KIND, L.FLAGS_LOGIC);
  set64(L.S_FLAG_RESULT, <u64>result);
}

export function deposit(source: u64, mask: u64): u64 {
  let result: u64 = 0;
  let from = source;
  for (let rest = mask; rest != 0; rest &= rest - 1) {
    if (from & 1) result |= rest & (0 - rest);
    from >>= 1;
  }
  return result;
}

export function extract(source: u64, mask: u64): u64 {
  let result: u64 = 0;
  let bit: u64 = 1;
  for (let rest = mask; rest != 0; rest &= rest - 1) {
    if (source & rest & (0 - rest)) result |= bit;
    bit <<= 1;
  }
  return result;
}
