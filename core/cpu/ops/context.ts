/**
 * What an instruction's definition may use. A definition is written once against this interface; a tier (the
 * interpreter now, the translator later) decides where operands, registers and flags live.
 */
import type { Expr, FunctionBuilder, I32, I64, V128, WordOps } from '../../wasm';
import type { HelperName } from './helper-types';

/** A value of 1, 2 or 4 bytes (an i32, zero-extended) or of 8 (an i64). */
export type Word = Expr<'i32' | 'i64'>;
export type Words = WordOps<'i32' | 'i64'>;
export type WordBytes = 1 | 2 | 4 | 8;

/**
 * How an operand was encoded: `r` general register, `m` memory, `i` immediate, `j` branch target, `x` XMM register,
 * `q` MMX register, `n` a register number (segment, control, debug, x87) whose meaning is the op's own.
 */
export type OperandKind = 'r' | 'm' | 'i' | 'j' | 'x' | 'q' | 'n';

export interface OperandForm {
  readonly kind: OperandKind;
  readonly bytes: number;
}

/** Flag kinds of layout.ts without the size index. */
export type FlagKind =
  'ADD' | 'ADC' | 'SUB' | 'SBB' | 'LOGIC' | 'INC' | 'DEC' | 'SHL' | 'SHR' | 'SAR' | 'MUL' | 'CARRY';

export interface OpContext {
  readonly f: FunctionBuilder;
  /** Made for 64-bit mode; otherwise for all the others. */
  readonly long: boolean;
  readonly forms: readonly OperandForm[];
  /** Bytes of operand 0 (of the effective operand size when there is none). */
  readonly bytes: WordBytes;
  /** Effective operand size: 2, 4 or 8. */
  readonly operandBytes: 2 | 4 | 8;
  /** i32 or i64 operators for `bytes`. */
  readonly w: Words;
  wordsOf(bytes: number): Words;

  /** Operand `i` zero-extended to its word; a memory operand of an op with `rmw` is checked for writing first. */
  get(i: number): Word;
  /** Operand `i` sign-extended from its own size to a word of `bytes` (default: its own). */
  getSigned(i: number, bytes?: WordBytes): Word;
  /** Stores to operand `i`; a 32-bit register write zeroes bits 32-63. `value` may have junk above the operand's size. */
  set(i: number, value: Word): void;
  /** 128-bit (or narrower, zero-extended) vector operand. */
  getVector(i: number): V128;
  setVector(i: number, value: V128): void;
  /** The register number of an `n` operand, or an immediate as i32. */
  number(i: number): I32;
  immediate(): I64;
  /** PREFIX_* bits of the instruction; segment (SEG_*) of its memory operand. */
  prefixes(): I32;
  segment(): I32;

  /** Linear address of the memory operand. */
  address(): I64;
  /** Linear address `displacement` bytes beside the memory operand, wrapped as the address size does (BT's bit strings). */
  bitStringAddress(displacement: I64): I64;
  /** Its offset within the segment (LEA). */
  effectiveAddress(): I64;
  loadAt(address: I64, bytes: WordBytes): Word;
  storeAt(address: I64, bytes: WordBytes, value: Word): void;
  loadVectorAt(address: I64): V128;
  storeVectorAt(address: I64, value: V128): void;

  /** General register by number, low `bytes` zero-extended (never AH..BH). */
  reg(index: number, bytes: WordBytes): Word;
  setReg(index: number, bytes: WordBytes, value: Word): void;
  xmm(index: number): V128;
  setXmm(index: number, value: V128): void;
  /** vcpu state by offset (layout.ts). */
  state32(offset: number): I32;
  setState32(offset: number, value: I32): void;
  state64(offset: number): I64;
  setState64(offset: number, value: I64): void;

  push(bytes: 2 | 4 | 8, value: Word): void;
  /** Raises what `push` would raise. */
  probePush(bytes: 2 | 4 | 8): void;
  /** Reads the top of the stack and moves the pointer after the read. */
  pop(bytes: 2 | 4 | 8): Word;
  /** Top of stack without moving the pointer. */
  peekStack(bytes: 2 | 4 | 8): Word;
  dropStack(bytes: I32 | number): void;

  let<T extends Expr>(value: T): T;
  /** Cuts a word back to `bytes` (zero-extends). */
  truncate(value: Word, bytes: number): Word;
  /** Sign-extends the low `bytes` of a word within its type. */
  signExtend(value: Word, bytes: number): Word;
  toI64(value: Word): I64;
  toI32(value: Word): I32;

  /** Records what the arithmetic flags follow from; `result` must be truncated to `bytes`. SUB may name its `first` operand, which spares computing it again. */
  setFlags(kind: FlagKind, bytes: number, result: Word, source?: Word, first?: Word): void;
  /** CF PF AF ZF SF OF given explicitly at their EFLAGS places. */
  setRawFlags(flags: I32): void;
  /** CF PF AF ZF SF OF at their EFLAGS places. */
  arithmeticFlags(): I32;
  /** 1 when the condition of a Jcc/SETcc/CMOVcc opcode's low four bits holds, else 0. */
  condition(code: number): I32;
  /** CF as 0 or 1. */
  carry(): I32;

  /** Address of this instruction. */
  currentRip(): I64;
  /** A byte of the instruction's micro-op record. */
  field8(offset: number): I32;
  /** Address of the next instruction. */
  nextRip(): I64;
  /** Address of operand `i` of kind `j`. */
  target(i: number): I64;
  /** An indirect branch is about to go to `target`: kept as a profile. */
  indirect(target: I64): void;
  /** Ends the block at `rip`, cut to `bytes`. */
  jump(rip: I64, bytes: number): void;
  /** Ends the block: at operand `i` of kind `j` if `taken`, else behind this instruction. */
  branch(i: number, taken: I32, bytes: number): void;

  /** Calls a helper for its value; anything that may fault is preceded by `mark`. */
  helper<T extends 'i32' | 'i64' | 'v128' | 'f64'>(
    name: HelperName,
    result: T,
    ...args: Expr[]
  ): Expr<T>;
  run(name: HelperName, ...args: Expr[]): void;
  raise(vector: number, error?: number): void;
}
