/** Data movement: MOV, MOVZX, MOVSX(D), LEA, XCHG, BSWAP, CMOVcc, SETcc, CBW..CQO, XLAT, MOVBE, CMPXCHG, XADD. */
import { i32, i64, select, type Expr } from '../../wasm';
import type { OpContext, Word, WordBytes } from './context';
import { define, type OpDefinition } from './define';
import { ZF } from './flags';

const CONDITIONS = [
  'O',
  'NO',
  'B',
  'NB',
  'Z',
  'NZ',
  'BE',
  'NBE',
  'S',
  'NS',
  'P',
  'NP',
  'L',
  'NL',
  'LE',
  'NLE',
] as const;

export function pick(a: Word, b: Word, condition: Expr<'i32'>): Word {
  return select(a, b, condition);
}

export function byteSwap(c: OpContext, value: Word, bytes: number): Word {
  if (bytes === 2)
    return i32.or(
      i32.and(i32.shrU(c.toI32(value), i32.const(8)), i32.const(0xff)),
      i32.and(i32.shl(c.toI32(value), i32.const(8)), i32.const(0xff00)),
    );
  if (bytes === 4) {
    const v = c.let(c.toI32(value));
    return i32.or(
      i32.and(i32.rotl(v, i32.const(8)), i32.const(0x00ff00ff)),
      i32.and(i32.rotr(v, i32.const(8)), i32.const(0xff00ff00 | 0)),
    );
  }
  const v = c.let(c.toI64(value));
  const low = byteSwap(c, i32.wrap(v), 4) as Expr<'i32'>;
  const high = byteSwap(c, i32.wrap(i64.shrU(v, i64.const(32))), 4) as Expr<'i32'>;
  return i64.or(i64.shl(i64.extendU(low), i64.const(32)), i64.extendU(high));
}

/** Sign-extends the lower half of the accumulator into all of it. */
function extendAccumulator(c: OpContext): void {
  const half = (c.operandBytes / 2) as WordBytes;
  const low = c.reg(0, half);
  const word = c.operandBytes === 8 ? i64.extendS(c.toI32(low)) : c.signExtend(low, half);
  c.setReg(0, c.operandBytes, c.truncate(word, c.operandBytes));
}

/** Fills the D register with the accumulator's sign. */
function signToData(c: OpContext): void {
  const w = c.wordsOf(c.operandBytes);
  const value = c.signExtend(c.reg(0, c.operandBytes), c.operandBytes);
  c.setReg(
    2,
    c.operandBytes,
    c.truncate(w.shrS(value, w.const(c.operandBytes === 8 ? 63 : 31)), c.operandBytes),
  );
}

/** CMPXCHG: flags as CMP accumulator, operand; SDM 2A, CMPXCHG. */
function compareExchange(c: OpContext): void {
  const old = c.let(c.get(0));
  const accumulator = c.let(c.reg(0, c.bytes));
  const result = c.let(c.truncate(c.w.sub(accumulator, old), c.bytes));
  const equal = c.let(c.w.eqz(result));
  const source = c.let(c.get(1));
  // Memory is written back either way; a register keeps bits 32-63 when unequal.
  if (c.forms[0].kind === 'm') c.set(0, pick(source, old, equal));
  c.f.if(
    equal,
    () => {
      if (c.forms[0].kind === 'r') c.set(0, source);
    },
    () => c.setReg(0, c.bytes, old),
  );
  c.setFlags('SUB', c.bytes, result, old);
}

/** CMPXCHG8B / CMPXCHG16B. */
function compareExchangePair(c: OpContext, half: 4 | 8): void {
  const address = c.address();
  if (half === 8) c.run('checkAligned16', address);
  c.run('probeWrite', address, i32.const(half * 2));
  const second = i64.add(address, i64.const(half));
  const low = c.let(c.loadAt(address, half));
  const high = c.let(c.loadAt(second, half));
  const w = c.wordsOf(half);
  const equal = c.let(i32.and(w.eq(low, c.reg(0, half)), w.eq(high, c.reg(2, half))));
  c.storeAt(address, half, pick(c.reg(3, half), low, equal));
  c.storeAt(second, half, pick(c.reg(1, half), high, equal));
  c.f.if(i32.eqz(equal), () => {
    c.setReg(0, half, low);
    c.setReg(2, half, high);
  });
  const others = i32.and(c.arithmeticFlags(), i32.const(~ZF));
  c.setRawFlags(i32.or(others, i32.shl(equal, i32.const(6))));
}

export const MOVE: readonly OpDefinition[] = [
  define('MOV', { hot: true }, (c) =>
    c.set(0, c.forms[1].kind === 'i' ? c.getSigned(1, c.bytes) : c.get(1)),
  ),
  define('MOVZX', { hot: true }, (c) => c.set(0, c.bytes === 8 ? c.toI64(c.get(1)) : c.get(1))),
  define('MOVSX', { hot: true }, (c) => c.set(0, c.getSigned(1, c.bytes))),
  define('MOVSXD', { hot: true }, (c) => c.set(0, c.getSigned(1, c.bytes))),
  define('LEA', { hot: true }, (c) =>
    c.set(0, c.bytes === 8 ? c.effectiveAddress() : i32.wrap(c.effectiveAddress())),
  ),
  define('XCHG', { rmw: true }, (c) => {
    const a = c.let(c.get(0));
    const b = c.let(c.get(1));
    c.set(0, b);
    c.set(1, a);
  }),
  define('NOP', { hot: true }, () => undefined),
  define('BSWAP', {}, (c) => c.set(0, byteSwap(c, c.get(0), c.bytes))),
  define('MOVBE', {}, (c) => c.set(0, byteSwap(c, c.let(c.get(1)), c.bytes))),
  define('CBW', {}, extendAccumulator),
  define('CWD', {}, signToData),
  define('CMPXCHG', { rmw: true }, compareExchange),
  define('CMPXCHG8B', {}, (c) => compareExchangePair(c, 4)),
  define('CMPXCHG16B', {}, (c) => compareExchangePair(c, 8)),
  define('XADD', { rmw: true }, (c) => {
    const a = c.let(c.get(0));
    const b = c.let(c.get(1));
    const result = c.let(c.truncate(c.w.add(a, b), c.bytes));
    // The sum goes last so that `XADD r, r` of one register leaves the sum (SDM 2D, XADD).
    if (c.forms[0].kind === 'm') c.set(0, result);
    c.set(1, a);
    if (c.forms[0].kind !== 'm') c.set(0, result);
    c.setFlags('ADD', c.bytes, result, b);
  }),
  ...CONDITIONS.flatMap((name, code) => [
    define(`SET${name}`, {}, (c) => c.set(0, c.condition(code))),
    define(`CMOV${name}`, {}, (c) => {
      const source = c.let(c.get(1));
      c.set(0, pick(source, c.get(0), c.condition(code)));
    }),
  ]),
];

export { CONDITIONS };
