/** Bit operations: BT, BTS, BTR, BTC, BSF, BSR, LZCNT, TZCNT, POPCNT and BMI1/BMI2. */
import { i32, i64, type I32 } from '../../wasm';
import type { OpContext, Word } from './context';
import { define, type OpDefinition } from './define';
import { CF, ZF } from './flags';
import { pick } from './move';

type BitChange = 'none' | 'set' | 'reset' | 'complement';

function changed(c: OpContext, value: Word, mask: Word, change: BitChange): Word {
  if (change === 'set') return c.w.or(value, mask);
  if (change === 'reset') return c.w.and(value, c.w.xor(mask, c.w.const(-1)));
  return c.w.xor(value, mask);
}

/**
 * CF = the selected bit. With a register bit offset a memory operand is a bit string: the offset's upper part, signed,
 * moves the address by whole operands (SDM 2A, BT).
 */
function bitTest(c: OpContext, change: BitChange): void {
  const bits = c.bytes * 8;
  const string = c.forms[0].kind === 'm' && c.forms[1].kind === 'r';
  const offset = c.let(c.get(1));
  const index = c.let(
    c.w.and(
      c.bytes === 8 && c.forms[1].kind === 'i' ? c.toI64(offset) : offset,
      c.w.const(bits - 1),
    ),
  );
  const mask = c.let(c.w.shl(c.w.const(1), index));
  let value: Word;
  if (string) {
    const whole = i64.shrS(
      c.toI64(c.bytes === 8 ? offset : i64.extendS(c.toI32(c.signExtend(offset, c.bytes)))),
      i64.const(Math.log2(bits)),
    );
    const address = c.let(c.bitStringAddress(i64.shl(whole, i64.const(Math.log2(c.bytes)))));
    if (change !== 'none') c.run('probeWrite', address, i32.const(c.bytes));
    value = c.let(c.loadAt(address, c.bytes));
    if (change !== 'none') c.storeAt(address, c.bytes, changed(c, value, mask, change));
  } else {
    value = c.let(c.get(0));
    if (change !== 'none') c.set(0, changed(c, value, mask, change));
  }
  const bit = c.toI32(c.w.and(c.w.shrU(value, index), c.w.const(1)));
  c.setRawFlags(i32.or(i32.and(c.arithmeticFlags(), i32.const(~CF)), bit));
}

/** BSF/BSR: a zero source sets ZF and leaves the destination as it was (AMD states it, Intel does it), bits 32-63 too. */
function bitScan(c: OpContext, reverse: boolean): void {
  const source = c.let(c.get(1));
  const flags = (zero: number): void =>
    c.setRawFlags(i32.or(i32.and(c.arithmeticFlags(), i32.const(~ZF)), i32.const(zero)));
  c.f.if(
    c.w.eqz(source),
    () => {
      flags(ZF);
    },
    () => {
      const top = c.bytes === 8 ? 63 : 31;
      c.set(0, reverse ? c.w.sub(c.w.const(top), c.w.clz(source)) : c.w.ctz(source));
      flags(0);
    },
  );
}

/** LZCNT/TZCNT: CF = source is zero, ZF = result is zero. */
function countZeros(c: OpContext, leading: boolean): void {
  const source = c.let(c.get(1));
  const bits = c.bytes * 8;
  let count = leading ? c.w.clz(source) : c.w.ctz(source);
  if (bits === 16)
    count = leading ? c.w.sub(count, c.w.const(16)) : pick(c.w.const(16), count, c.w.eqz(source));
  const result = c.let(count);
  c.set(0, result);
  setCarryZero(c, c.w.eqz(source), result);
}

function setCarryZero(c: OpContext, carry: I32, result: Word): void {
  const others = i32.and(c.arithmeticFlags(), i32.const(~(CF | ZF)));
  c.setRawFlags(i32.or(i32.or(others, carry), i32.shl(c.w.eqz(result), i32.const(6))));
}

/** A result with CF of its own and OF = AF = 0. */
function withCarry(c: OpContext, operand: number, result: Word, carry: I32): void {
  const kept = c.let(result);
  const out = c.let(carry);
  c.set(operand, kept);
  c.setFlags('CARRY', c.bytes, kept, out);
}

function lowestSet(
  c: OpContext,
  combine: (less: Word, value: Word) => Word,
  carryIfZero: boolean,
): void {
  const value = c.let(c.get(1));
  const zero = c.w.eqz(value);
  const less = combine(c.w.sub(value, c.w.const(1)), value);
  withCarry(c, 0, less, carryIfZero ? zero : i32.eqz(zero));
}

export const BIT: readonly OpDefinition[] = [
  define('BT', { reads: true, keepsFlags: true }, (c) => bitTest(c, 'none')),
  define('BTS', { rmw: true, keepsFlags: true }, (c) => bitTest(c, 'set')),
  define('BTR', { rmw: true, keepsFlags: true }, (c) => bitTest(c, 'reset')),
  define('BTC', { rmw: true, keepsFlags: true }, (c) => bitTest(c, 'complement')),
  define('BSF', { keepsFlags: true }, (c) => bitScan(c, false)),
  define('BSR', { keepsFlags: true }, (c) => bitScan(c, true)),
  define('LZCNT', { keepsFlags: true }, (c) => countZeros(c, true)),
  define('TZCNT', { keepsFlags: true }, (c) => countZeros(c, false)),
  define('POPCNT', {}, (c) => {
    const count = c.let(c.w.popcnt(c.get(1)));
    c.set(0, count);
    c.setRawFlags(i32.shl(c.w.eqz(count), i32.const(6)));
  }),
  define('ANDN', {}, (c) =>
    withCarry(c, 0, c.w.and(c.w.xor(c.get(1), c.w.const(-1)), c.get(2)), i32.const(0)),
  ),
  define('BLSR', {}, (c) => lowestSet(c, (less, v) => c.w.and(less, v), true)),
  define('BLSMSK', {}, (c) => lowestSet(c, (less, v) => c.w.xor(less, v), true)),
  define('BLSI', {}, (c) => {
    const value = c.let(c.get(1));
    withCarry(c, 0, c.w.and(c.w.sub(c.w.const(0), value), value), i32.eqz(c.w.eqz(value)));
  }),
  define('BEXTR', {}, (c) => {
    const control = c.let(c.toI32(c.get(2)));
    const start = c.let(i64.extendU(i32.and(control, i32.const(0xff))));
    const length = c.let(i64.extendU(i32.and(i32.shrU(control, i32.const(8)), i32.const(0xff))));
    const shifted = c.let(
      pick(i64.shrU(c.toI64(c.get(1)), start), i64.const(0), i64.ltU(start, i64.const(64))),
    );
    const mask = i64.sub(i64.shl(i64.const(1), length), i64.const(1));
    const field = pick(i64.and(c.toI64(shifted), mask), shifted, i64.ltU(length, i64.const(64)));
    withCarry(c, 0, c.bytes === 8 ? field : c.toI32(field), i32.const(0));
  }),
  define('BZHI', {}, (c) => {
    const bits = c.bytes * 8;
    const n = c.let(i32.and(c.toI32(c.get(2)), i32.const(0xff)));
    const source = c.let(c.get(1));
    const inRange = c.let(i32.ltU(n, i32.const(bits)));
    const mask = c.w.sub(c.w.shl(c.w.const(1), c.bytes === 8 ? i64.extendU(n) : n), c.w.const(1));
    withCarry(c, 0, pick(c.w.and(source, mask), source, inRange), i32.eqz(inRange));
  }),
  define('PDEP', {}, (c) => c.set(0, fromHelper(c, 'deposit'))),
  define('PEXT', {}, (c) => c.set(0, fromHelper(c, 'extract'))),
];

function fromHelper(c: OpContext, name: 'deposit' | 'extract'): Word {
  const result = c.helper(name, 'i64', c.toI64(c.get(1)), c.toI64(c.get(2)));
  return c.bytes === 8 ? result : i32.wrap(result);
}
