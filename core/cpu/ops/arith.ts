/** Binary and unary integer arithmetic and logic, SDM Vol. 2 (ADD, ADC, SUB, SBB, CMP, AND, OR, XOR, TEST, INC, DEC, NEG, NOT). */
import { i32 } from '../../wasm';
import type { OpContext, Word } from './context';
import { define, type OpDefinition } from './define';

type BinaryName = 'add' | 'sub' | 'and' | 'or' | 'xor';

/** `dst = dst op src`; a compare keeps dst. */
function binary(c: OpContext, operator: BinaryName, keep: boolean): void {
  const a = c.let(c.get(0));
  const b = c.let(operandOf(c));
  const result = c.let(c.truncate(c.w[operator](a, b), c.bytes));
  if (!keep) c.set(0, result);
  if (operator === 'add') c.setFlags('ADD', c.bytes, result, b);
  else if (operator === 'sub') c.setFlags('SUB', c.bytes, result, b, a);
  else c.setFlags('LOGIC', c.bytes, result);
}

/** Operand 1, an immediate sign-extended to the size of operand 0 and cut to it. */
function operandOf(c: OpContext): Word {
  return c.forms[1].kind === 'i' ? c.truncate(c.getSigned(1, c.bytes), c.bytes) : c.get(1);
}

/**
 * ADC and SBB: without a carry they are ADD and SUB; with one, flags follow from `a + b + 1` / `a - b - 1`.
 */
function withCarry(c: OpContext, subtract: boolean): void {
  const carry = c.let(c.carry());
  const a = c.let(c.get(0));
  const b = c.let(operandOf(c));
  const wide = c.bytes === 8 ? c.toI64(carry) : carry;
  const sum = subtract ? c.w.sub(c.w.sub(a, b), wide) : c.w.add(c.w.add(a, b), wide);
  const result = c.let(c.truncate(sum, c.bytes));
  c.set(0, result);
  c.f.if(
    carry,
    () => c.setFlags(subtract ? 'SBB' : 'ADC', c.bytes, result, b),
    () => c.setFlags(subtract ? 'SUB' : 'ADD', c.bytes, result, b),
  );
}

function increment(c: OpContext, delta: number): void {
  const carry = c.let(c.carry());
  const result = c.let(c.truncate(c.w.add(c.get(0), c.w.const(delta)), c.bytes));
  c.set(0, result);
  c.setFlags(delta > 0 ? 'INC' : 'DEC', c.bytes, result, carry);
}

export const ARITH: readonly OpDefinition[] = [
  define('ADD', { rmw: true, hot: true }, (c) => binary(c, 'add', false)),
  define('SUB', { rmw: true, hot: true }, (c) => binary(c, 'sub', false)),
  define('AND', { rmw: true, hot: true }, (c) => binary(c, 'and', false)),
  define('OR', { rmw: true, hot: true }, (c) => binary(c, 'or', false)),
  define('XOR', { rmw: true, hot: true }, (c) => binary(c, 'xor', false)),
  define('CMP', { reads: true, hot: true }, (c) => binary(c, 'sub', true)),
  define('TEST', { reads: true, hot: true }, (c) => binary(c, 'and', true)),
  define('ADC', { rmw: true }, (c) => withCarry(c, false)),
  define('SBB', { rmw: true }, (c) => withCarry(c, true)),
  define('INC', { rmw: true, hot: true, keepsFlags: true }, (c) => increment(c, 1)),
  define('DEC', { rmw: true, hot: true, keepsFlags: true }, (c) => increment(c, -1)),
  define('NOT', { rmw: true }, (c) => c.set(0, c.w.xor(c.get(0), c.w.const(-1)))),
  define('NEG', { rmw: true }, (c) => {
    const a = c.let(c.get(0));
    const result = c.let(c.truncate(c.w.sub(c.w.const(0), a), c.bytes));
    c.set(0, result);
    c.setFlags('SUB', c.bytes, result, a, c.w.const(0));
  }),
  // ADX: like ADC, but only CF (ADCX) or OF (ADOX) takes part.
  define('ADCX', {}, (c) => addOneFlag(c, 0)),
  define('ADOX', {}, (c) => addOneFlag(c, 11)),
];

function addOneFlag(c: OpContext, flagBit: number): void {
  const flags = c.let(c.arithmeticFlags());
  const a = c.let(c.get(0));
  const b = c.let(c.get(1));
  const carry = c.let(i32.and(i32.shrU(flags, i32.const(flagBit)), i32.const(1)));
  const partial = c.let(c.truncate(c.w.add(a, b), c.bytes));
  const result = c.let(
    c.truncate(c.w.add(partial, c.bytes === 8 ? c.toI64(carry) : carry), c.bytes),
  );
  c.set(0, result);
  const out = i32.or(c.w.ltU(partial, a), c.w.ltU(result, partial));
  c.setRawFlags(
    i32.or(i32.and(flags, i32.const(~(1 << flagBit))), i32.shl(out, i32.const(flagBit))),
  );
}
