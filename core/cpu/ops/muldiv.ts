/** Multiplication and division, SDM Vol. 2 (MUL, IMUL, DIV, IDIV, MULX). The 128-bit products and all divisions are helpers. */
import { i32, i64, type I64 } from '../../wasm';
import type { OpContext, Word } from './context';
import { define, type OpDefinition } from './define';

/** AX, DX:AX, EDX:EAX or RDX:RAX = accumulator * operand; CF = OF = the upper half is significant. */
function multiply(c: OpContext, isSigned: boolean): void {
  const { bytes } = c;
  const flagSize = bytes;
  if (bytes === 8) {
    const a = c.let(c.reg(0, 8)) as I64;
    const b = c.let(c.get(0)) as I64;
    const low = c.let(i64.mul(a, b));
    const high = c.let(c.helper(isSigned ? 'mulHighS' : 'mulHighU', 'i64', a, b));
    c.setReg(0, 8, low);
    c.setReg(2, 8, high);
    const significant = isSigned
      ? i64.ne(high, i64.shrS(low, i64.const(63)))
      : i64.ne(high, i64.const(0));
    c.setFlags('MUL', 8, low, significant);
    return;
  }
  const extend = (v: Word): I64 =>
    isSigned ? i64.extendS(c.toI32(c.signExtend(v, bytes))) : c.toI64(v);
  const product = c.let(i64.mul(extend(c.reg(0, bytes)), extend(c.get(0))));
  const low = c.let(c.truncate(i32.wrap(product), bytes));
  if (bytes === 1) c.setReg(0, 2, c.truncate(i32.wrap(product), 2));
  else {
    c.setReg(0, bytes, low);
    c.setReg(2, bytes, c.truncate(i32.wrap(i64.shrU(product, i64.const(bytes * 8))), bytes));
  }
  const back = isSigned ? i64.extendS(c.toI32(c.signExtend(low, bytes))) : c.toI64(low);
  c.setFlags('MUL', flagSize, low, i64.ne(product, back));
}

/** Two- and three-operand IMUL. */
function multiplyTruncated(c: OpContext): void {
  const { bytes } = c;
  const three = c.forms.length === 3;
  const a = c.let(c.getSigned(three ? 1 : 0, bytes));
  const b = c.let(c.getSigned(three ? 2 : 1, bytes));
  if (bytes === 8) {
    const low = c.let(i64.mul(a as I64, b as I64));
    const high = c.helper('mulHighS', 'i64', a, b);
    const significant = c.let(i64.ne(high, i64.shrS(low, i64.const(63))));
    c.set(0, low);
    c.setFlags('MUL', 8, low, significant);
    return;
  }
  const product = c.let(i64.mul(i64.extendS(c.toI32(a)), i64.extendS(c.toI32(b))));
  const low = c.let(c.truncate(i32.wrap(product), bytes));
  c.set(0, low);
  c.setFlags('MUL', bytes, low, i64.ne(product, i64.extendS(c.toI32(c.signExtend(low, bytes)))));
}

export const MULDIV: readonly OpDefinition[] = [
  define('MUL', { reads: true }, (c) => multiply(c, false)),
  define('IMUL1', { reads: true }, (c) => multiply(c, true)),
  define('IMUL', { hot: true }, multiplyTruncated),
  define('DIV', { reads: true, clobbersFlags: true }, (c) =>
    c.run('divide', c.toI64(c.get(0)), i32.const(c.bytes)),
  ),
  define('IDIV', { reads: true, clobbersFlags: true }, (c) =>
    c.run('divideSigned', c.toI64(c.get(0)), i32.const(c.bytes)),
  ),
  define('MULX', {}, (c) => {
    const a = c.let(c.reg(2, c.bytes));
    const b = c.let(c.get(2));
    if (c.bytes === 4) {
      const product = c.let(i64.mul(c.toI64(a), c.toI64(b)));
      c.set(1, i32.wrap(product));
      c.set(0, i32.wrap(i64.shrU(product, i64.const(32))));
      return;
    }
    const high = c.let(c.helper('mulHighU', 'i64', a, b));
    c.set(1, c.w.mul(a, b));
    c.set(0, high);
  }),
];
