/** Near control flow: JMP, Jcc, CALL, RET, LOOPcc, JCXZ (far transfers are in system.ts). */
import { i32, i64, type I32, type I64 } from '../../wasm';
import type { OpContext, WordBytes } from './context';
import { define, type OpDefinition } from './define';
import { CONDITIONS } from './move';

/** Bytes of RIP that a near branch keeps: the operand size, which is 8 in 64-bit mode. */
function ripBytes(c: OpContext): 2 | 4 | 8 {
  return c.long ? 8 : c.operandBytes;
}

/** Goes to operand 0 if `taken`, else on. */
function branchIf(c: OpContext, operand: number, taken: I32): void {
  c.branch(operand, taken, ripBytes(c));
}

/** The counter register by address size, which the row gives as operand 1. */
function countdown(c: OpContext, extra: (notZero: I32) => I32): void {
  const bytes = c.forms[1].bytes as WordBytes;
  const w = c.wordsOf(bytes);
  const count = c.let(c.truncate(w.sub(c.get(1), w.const(1)), bytes));
  c.set(1, count);
  branchIf(c, 0, extra(i32.eqz(w.eqz(count))));
}

/** Operand 0 as an address to go to; a non-canonical one faults before anything changes, but behind a fault of the push. */
function targetOf(c: OpContext, pushes: boolean): I64 {
  if (c.forms[0].kind === 'j') return c.let(c.target(0));
  const target = c.let(c.toI64(c.get(0)));
  checkCanonical(c, target, pushes);
  c.indirect(target);
  return target;
}

function checkCanonical(c: OpContext, target: I64, pushes: boolean): void {
  if (!c.long) return;
  const extended = i64.shrS(i64.shl(target, i64.const(16)), i64.const(16));
  c.f.if(i64.ne(extended, target), () => {
    if (pushes) c.probePush(8);
    c.raise(13, 0);
  });
}

function returnNear(c: OpContext): void {
  const bytes = ripBytes(c);
  const target = c.let(c.toI64(c.peekStack(bytes)));
  checkCanonical(c, target, false);
  if (c.forms.length > 0)
    c.dropStack(i32.add(i32.and(i32.wrap(c.immediate()), i32.const(0xffff)), i32.const(bytes)));
  else c.dropStack(bytes);
  c.jump(target, bytes);
}

export const BRANCH: readonly OpDefinition[] = [
  ...CONDITIONS.map((name, code) =>
    define(`J${name}`, { hot: true, ends: 'near' }, (c) => branchIf(c, 0, c.condition(code))),
  ),
  define('JMP', { reads: true, hot: true, ends: 'near', indirect: true }, (c) => {
    c.jump(targetOf(c, false), ripBytes(c));
  }),
  define('CALL', { reads: true, hot: true, ends: 'near', indirect: true }, (c) => {
    const bytes = ripBytes(c);
    const target = targetOf(c, true);
    c.push(bytes, bytes === 8 ? c.nextRip() : i32.wrap(c.nextRip()));
    c.jump(target, bytes);
  }),
  define('RET', { hot: true, ends: 'near', indirect: true }, returnNear),
  define('LOOP', { ends: 'near' }, (c) => countdown(c, (more) => more)),
  define('LOOPE', { ends: 'near' }, (c) => countdown(c, (more) => i32.and(more, c.condition(4)))),
  define('LOOPNE', { ends: 'near' }, (c) => countdown(c, (more) => i32.and(more, c.condition(5)))),
  define('JCXZ', { ends: 'near' }, (c) =>
    branchIf(c, 0, c.wordsOf(c.forms[1].bytes).eqz(c.get(1))),
  ),
];
