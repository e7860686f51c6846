/** Shifts and rotates, SDM Vol. 2B/2C (SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD/SHRD, and BMI2's flagless forms). */
import { i32, i64, type I32, type I64 } from '../../wasm';
import type { OpContext, Word } from './context';
import { define, type OpDefinition } from './define';
import { CF, OF } from './flags';

/** The count, cut to 5 bits (6 for 64-bit operands). */
function countOf(c: OpContext, operand: number): I32 {
  return i32.and(c.toI32(c.get(operand)), i32.const(c.bytes === 8 ? 63 : 31));
}

function wide(c: OpContext, count: I32): Word {
  return c.bytes === 8 ? i64.extendU(count) : count;
}

/** Runs `body` unless the count is zero, when nothing changes but the upper half of a 32-bit register. */
function unlessZero(c: OpContext, count: I32, value: Word, body: () => void): void {
  if (c.forms[0].kind === 'r' && c.bytes === 4) c.f.if(count, body, () => c.set(0, value));
  else c.f.if(count, body);
}

function shift(c: OpContext, kind: 'SHL' | 'SHR' | 'SAR'): void {
  const value = c.let(kind === 'SAR' ? c.signExtend(c.get(0), c.bytes) : c.get(0));
  const count = c.let(countOf(c, 1));
  unlessZero(c, count, value, () => {
    const operator = (a: Word, n: Word): Word =>
      kind === 'SHL' ? c.w.shl(a, n) : kind === 'SHR' ? c.w.shrU(a, n) : c.w.shrS(a, n);
    // The last bit out: a shift by count - 1 leaves it at the edge.
    const before = c.let(operator(value, wide(c, i32.sub(count, i32.const(1)))));
    const result = c.let(c.truncate(operator(before, c.w.const(1)), c.bytes));
    c.set(0, result);
    c.setFlags(kind, c.bytes, result, c.truncate(before, c.bytes));
  });
}

/** ROL/ROR change CF and OF only. OF is stated for 1-bit rotates; others give the same formula, as processors do. */
function rotate(c: OpContext, left: boolean): void {
  const bits = c.bytes * 8;
  const value = c.let(c.get(0));
  const count = c.let(countOf(c, 1));
  unlessZero(c, count, value, () => {
    const n = wide(c, bits < 32 ? i32.and(count, i32.const(bits - 1)) : count);
    let rotated: Word;
    if (bits >= 32) rotated = left ? c.w.rotl(value, n) : c.w.rotr(value, n);
    else {
      const m = c.let(n);
      const back = c.w.and(c.w.sub(c.w.const(bits), m), c.w.const(bits - 1));
      const [up, down] = left ? [m, back] : [back, m];
      rotated = c.truncate(c.w.or(c.w.shl(value, up), c.w.shrU(value, down)), c.bytes);
    }
    const result = c.let(rotated);
    c.set(0, result);
    const bit = (at: number): I32 =>
      c.toI32(c.w.and(c.w.shrU(result, c.w.const(at)), c.w.const(1)));
    const carry = left ? bit(0) : bit(bits - 1);
    const overflow = left ? i32.xor(bit(bits - 1), bit(0)) : i32.xor(bit(bits - 1), bit(bits - 2));
    setCarryOverflow(c, carry, overflow);
  });
}

function setCarryOverflow(c: OpContext, carry: I32, overflow: I32): void {
  const others = i32.and(c.arithmeticFlags(), i32.const(~(CF | OF)));
  c.setRawFlags(i32.or(i32.or(others, carry), i32.shl(overflow, i32.const(11))));
}

/** RCL/RCR: rotates through CF, one bit wider than the operand; counts are taken modulo 9 and 17 for 8 and 16 bits. */
function rotateCarry(c: OpContext, left: boolean): void {
  const bits = c.bytes * 8;
  const value = c.let(c.get(0));
  const masked = countOf(c, 1);
  const count = c.let(bits < 32 ? remainder(masked, bits + 1) : masked);
  unlessZero(c, count, value, () => {
    const carryIn = c.let(i64.extendU(c.carry()));
    if (bits < 64) {
      // CF above the operand in one i64 of bits + 1, rotated.
      const joined = c.let(i64.or(i64.shl(carryIn, i64.const(bits)), c.toI64(value)));
      const n = c.let(i64.extendU(count));
      const back = i64.sub(i64.const(bits + 1), n);
      const turned = c.let(
        left
          ? i64.or(i64.shl(joined, n), i64.shrU(joined, back))
          : i64.or(i64.shrU(joined, n), i64.shl(joined, back)),
      );
      finishRotateCarry(
        c,
        left,
        c.let(c.truncate(i32.wrap(turned), c.bytes)),
        i32.and(i32.wrap(i64.shrU(turned, i64.const(bits))), i32.const(1)),
      );
      return;
    }
    const v = value as ReturnType<OpContext['toI64']>;
    const n = c.let(i64.extendU(count));
    const one = i64.const(1);
    const less = i64.sub(n, one);
    // Shifts by 64 are made of 1 and 63 so that wasm's modulo-64 counts do not wrap.
    const rest = i64.sub(i64.const(64), n);
    const turned = left
      ? i64.or(i64.or(i64.shl(v, n), i64.shl(carryIn, less)), i64.shrU(i64.shrU(v, one), rest))
      : i64.or(i64.or(i64.shrU(v, n), i64.shl(carryIn, rest)), i64.shl(i64.shl(v, one), rest));
    const out = left ? i64.shrU(v, rest) : i64.shrU(v, less);
    finishRotateCarry(c, left, c.let(turned), i32.and(i32.wrap(out), i32.const(1)));
  });
}

function finishRotateCarry(c: OpContext, left: boolean, result: Word, carry: I32): void {
  const bits = c.bytes * 8;
  const out = c.let(carry);
  c.set(0, result);
  const bit = (at: number): I32 => c.toI32(c.w.and(c.w.shrU(result, c.w.const(at)), c.w.const(1)));
  setCarryOverflow(
    c,
    out,
    left ? i32.xor(bit(bits - 1), out) : i32.xor(bit(bits - 1), bit(bits - 2)),
  );
}

/** `value % divisor` for a value below 32. */
function remainder(value: I32, divisor: number): I32 {
  // floor(value / 9) and floor(value / 17) by multiplication, exact for 0..31.
  const quotient = i32.shrU(i32.mul(value, i32.const(Math.ceil(1024 / divisor))), i32.const(10));
  return i32.sub(value, i32.mul(quotient, i32.const(divisor)));
}

/**
 * SHLD/SHRD. A 16-bit count above 16 is undefined in the manual; we shift the 48-bit string dst:src:dst, which is
 * what processors from both vendors do.
 */
function doubleShift(c: OpContext, left: boolean): void {
  const bits = c.bytes * 8;
  const value = c.let(c.get(0));
  const source = c.let(c.get(1));
  const count = c.let(countOf(c, 2));
  unlessZero(c, count, value, () => {
    const n = c.let(wide(c, count));
    const less = c.let(c.w.sub(n, c.w.const(1)));
    let result: Word;
    let before: Word;
    if (bits === 16) {
      const joined = c.let(
        left
          ? i64.or(
              i64.or(
                i64.shl(c.toI64(value), i64.const(32)),
                i64.shl(c.toI64(source), i64.const(16)),
              ),
              c.toI64(value),
            )
          : i64.or(
              i64.or(c.toI64(value), i64.shl(c.toI64(source), i64.const(16))),
              i64.shl(c.toI64(value), i64.const(32)),
            ),
      );
      const by = (k: Word): I64 =>
        left ? i64.shrU(i64.shl(joined, c.toI64(k)), i64.const(32)) : i64.shrU(joined, c.toI64(k));
      result = c.truncate(i32.wrap(by(n)), 2);
      before = c.truncate(i32.wrap(by(less)), 2);
    } else {
      const rest = c.let(c.w.sub(c.w.const(bits), n));
      result = left
        ? c.w.or(c.w.shl(value, n), c.w.shrU(source, rest))
        : c.w.or(c.w.shrU(value, n), c.w.shl(source, rest));
      before = left ? c.w.shl(value, less) : c.w.shrU(value, less);
    }
    const kept = c.let(result);
    const last = c.let(before);
    c.set(0, kept);
    // CF is the last bit out, OF whether the sign changed; the rest follow the result.
    const carry = c.toI32(c.w.and(left ? c.w.shrU(last, c.w.const(bits - 1)) : last, c.w.const(1)));
    const changed = c.toI32(
      c.w.and(c.w.shrU(c.w.xor(kept, value), c.w.const(bits - 1)), c.w.const(1)),
    );
    const out = c.let(carry);
    const overflow = c.let(changed);
    c.setFlags('LOGIC', c.bytes, kept);
    setCarryOverflow(c, out, overflow);
  });
}

export const SHIFT: readonly OpDefinition[] = [
  define('SHL', { rmw: true, hot: true }, (c) => shift(c, 'SHL')),
  define('SHR', { rmw: true, hot: true }, (c) => shift(c, 'SHR')),
  define('SAR', { rmw: true, hot: true }, (c) => shift(c, 'SAR')),
  define('ROL', { rmw: true, keepsFlags: true }, (c) => rotate(c, true)),
  define('ROR', { rmw: true, keepsFlags: true }, (c) => rotate(c, false)),
  define('RCL', { rmw: true }, (c) => rotateCarry(c, true)),
  define('RCR', { rmw: true }, (c) => rotateCarry(c, false)),
  define('SHLD', { rmw: true, keepsFlags: true }, (c) => doubleShift(c, true)),
  define('SHRD', { rmw: true, keepsFlags: true }, (c) => doubleShift(c, false)),
  define('RORX', {}, (c) => {
    const count = i32.and(i32.wrap(c.immediate()), i32.const(c.bytes * 8 - 1));
    c.set(0, c.w.rotr(c.get(1), wide(c, count)));
  }),
  define('SHLX', {}, (c) => c.set(0, c.w.shl(c.get(1), wide(c, countOf(c, 2))))),
  define('SHRX', {}, (c) => c.set(0, c.w.shrU(c.get(1), wide(c, countOf(c, 2))))),
  define('SARX', {}, (c) => c.set(0, c.w.shrS(c.get(1), wide(c, countOf(c, 2))))),
];
