/** Stack instructions: PUSH, POP, PUSHA, POPA, ENTER, LEAVE, PUSHF, POPF. */
import { i32, i64, type I32 } from '../../wasm';
import { S_EFLAGS, S_GPR } from '../layout';
import type { OpContext } from './context';
import { define, type OpDefinition } from './define';

const RSP = 4;
const RBP = 5;
const RF = 0x10000;

/** A pushed segment selector or immediate takes the operand size, extended. */
function pushOperand(c: OpContext): void {
  const bytes = c.operandBytes;
  c.push(bytes, c.forms[0].kind === 'i' ? c.truncate(c.getSigned(0, bytes), bytes) : c.get(0));
}

/** POP: the stack pointer moves before a memory operand's address is computed (SDM 2B, POP), so read, move, store; a fault of the store undoes the move. */
function popOperand(c: OpContext): void {
  const bytes = c.operandBytes;
  if (c.forms[0].kind === 'r') {
    const value = c.let(c.peekStack(bytes));
    c.dropStack(bytes);
    c.set(0, value);
    return;
  }
  const before = c.let(c.state64(S_GPR + RSP * 8));
  const value = c.let(c.peekStack(bytes));
  c.dropStack(bytes);
  const after = c.let(c.state64(S_GPR + RSP * 8));
  const address = c.let(c.address());
  c.setState64(S_GPR + RSP * 8, before);
  c.storeAt(address, bytes, value);
  c.setState64(S_GPR + RSP * 8, after);
}

/** LEAVE where the stack segment is flat with base 0 and as wide as addresses are. */
export function leaveFlat(c: OpContext): void {
  const bytes = c.operandBytes;
  const width = c.long ? 8 : 4;
  const w = c.wordsOf(width);
  const frame = c.let(c.reg(RBP, width));
  const value = c.let(c.loadAt(c.toI64(frame), bytes));
  c.setReg(RSP, width, w.add(frame, w.const(bytes)));
  c.setReg(RBP, bytes, value);
}

/** LEAVE: rSP = rBP, then POP rBP. */
function leave(c: OpContext): void {
  c.run('leave', i32.const(c.operandBytes));
}

function pushAll(c: OpContext): void {
  const bytes = c.operandBytes as 2 | 4;
  c.run('pushAll', i32.const(bytes));
}

/** RFLAGS as PUSHF shows them: RF as 0; VM is 0 outside virtual-8086 mode. */
export function flagsImage(c: OpContext): I32 {
  const kept = i32.and(c.state32(S_EFLAGS), i32.const(~RF));
  return i32.or(i32.or(c.arithmeticFlags(), kept), i32.const(2));
}

export const STACK: readonly OpDefinition[] = [
  define('PUSH', { reads: true, hot: true }, pushOperand),
  define('POP', { hot: true }, popOperand),
  define('PUSHA', {}, pushAll),
  define('POPA', {}, (c) => c.run('popAll', i32.const(c.operandBytes))),
  define('LEAVE', { hot: true }, (c) => {
    if (c.long) leaveFlat(c);
    else leave(c);
  }),
  define('ENTER', {}, (c) => c.run('enter', i32.const(c.operandBytes), i32.wrap(c.immediate()))),
  define('PUSHF', {}, (c) => {
    if (c.operandBytes === 8) c.push(8, i64.extendU(flagsImage(c)));
    else c.run('pushFlags', i32.const(c.operandBytes));
  }),
  define('POPF', { ends: 'far', clobbersFlags: true }, (c) =>
    c.run('popFlags', i32.const(c.operandBytes)),
  ),
];
