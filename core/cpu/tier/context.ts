/**
 * What the tiers share of answering an instruction definition: operands by their forms, sizes, extensions. Where
 * micro-op fields, registers, flags and memory are found is each tier's own (interp/context.ts, translator/context.ts).
 */
import { assert } from '../../base';
import {
  i32,
  i64,
  v128,
  type Expr,
  type FunctionBuilder,
  type I32,
  type I64,
  type V128,
} from '../../wasm';
import * as L from '../layout';
import type { FlagKind, OpContext, OperandForm, Word, WordBytes, Words } from '../ops/context';
import type { HelperName } from '../ops/helper-types';

export interface HandlerShape {
  readonly forms: readonly OperandForm[];
  readonly operandBytes: 2 | 4 | 8;
  readonly rmw: boolean;
  readonly aligned: boolean;
  /** Kind and size of the last flag setter before this instruction, when the decoder knows it. */
  readonly flagsHint?: { kind: FlagKind; bytes: number };
}

const RSP = L.S_GPR + 4 * 8;
const REG_FIELDS = [L.UOP_REG0, L.UOP_REG1, L.UOP_REG2] as const;

/** log2 of a page's bytes. */
const PAGE_SHIFT = 12;

/** Where in a TLB mode the pair of a linear address is. */
export function pairOffset(address: I64): I32 {
  return i32.and(
    i32.shrU(i32.wrap(address), i32.const(PAGE_SHIFT - Math.log2(L.TLB_PAIR_BYTES))),
    i32.const((L.TLB_ENTRIES - 1) * L.TLB_PAIR_BYTES),
  );
}

/** Place of an indirect branch's target within its block's list (layout.ts TARGETS_LIST). */
export function targetSlot(target: I64): I32 {
  // Fibonacci hashing: the upper bits of the product.
  const mixed = i32.mul(i32.wrap(target), i32.const(0x9e3779b1 | 0));
  const shift = 32 - Math.log2(L.TARGETS_ENTRIES);
  return i32.shl(i32.shrU(mixed, i32.const(shift)), i32.const(3));
}

export abstract class TierContext implements OpContext {
  readonly forms: readonly OperandForm[];
  readonly operandBytes: 2 | 4 | 8;
  readonly bytes: WordBytes;
  readonly w: Words;

  private linear: I64 | undefined;
  /** Host address of a memory operand 0 that `get` read with write intent. */
  protected host: I32 | undefined;

  constructor(
    readonly f: FunctionBuilder,
    readonly long: boolean,
    /** Offset of vcpu state in memory. */
    protected readonly base: number,
    protected readonly shape: HandlerShape,
  ) {
    this.forms = shape.forms;
    this.operandBytes = shape.operandBytes;
    const first = shape.forms[0];
    const sized =
      first && [1, 2, 4, 8].includes(first.bytes) && first.kind !== 'j' && first.kind !== 'n';
    this.bytes = (sized ? first.bytes : shape.operandBytes) as WordBytes;
    this.w = this.wordsOf(this.bytes);
  }

  // --- what a tier provides

  protected abstract field16(offset: number): I32;
  abstract field8(offset: number): I32;
  abstract immediate(): I64;
  protected abstract displacement(): I64;
  /** Bytes of vcpu state at an offset, zero-extended. */
  protected abstract loadState(at: I32, bytes: number): Word;
  protected abstract storeState(at: I32, bytes: number, value: Word): void;
  protected abstract loadVector(at: I32): V128;
  protected abstract storeVector(at: I32, value: V128): void;
  abstract state32(offset: number): I32;
  abstract setState32(offset: number, value: I32): void;
  abstract state64(offset: number): I64;
  abstract setState64(offset: number, value: I64): void;
  abstract loadAt(address: I64, bytes: WordBytes): Word;
  abstract storeAt(address: I64, bytes: WordBytes, value: Word): void;
  abstract loadVectorAt(address: I64): V128;
  abstract storeVectorAt(address: I64, value: V128): void;
  /** Reads operand 0 with write intent: `host` is then where `storeUpdated` writes. */
  protected abstract loadForUpdate(bytes: WordBytes): Word;
  protected abstract storeUpdated(bytes: WordBytes, value: Word): void;
  abstract setFlags(kind: FlagKind, bytes: number, result: Word, source?: Word, first?: Word): void;
  abstract setRawFlags(flags: I32): void;
  abstract arithmeticFlags(): I32;
  abstract condition(code: number): I32;
  abstract currentRip(): I64;
  abstract nextRip(): I64;
  abstract target(i: number): I64;
  abstract indirect(target: I64): void;
  abstract jump(rip: I64, bytes: number): void;
  abstract branch(i: number, taken: I32, bytes: number): void;
  abstract helper<T extends 'i32' | 'i64' | 'v128' | 'f64'>(
    name: HelperName,
    result: T,
    ...args: Expr[]
  ): Expr<T>;
  abstract run(name: HelperName, ...args: Expr[]): void;

  wordsOf(bytes: number): Words {
    return bytes === 8 ? i64 : i32;
  }

  prefixes(): I32 {
    return this.field16(L.UOP_PREFIXES);
  }

  segment(): I32 {
    return this.field8(L.UOP_SEGMENT);
  }

  /** State offset of a register operand. */
  protected operandPlace(i: number): I32 {
    return this.field16(REG_FIELDS[i]);
  }

  number(i: number): I32 {
    return this.forms[i].kind === 'i' ? i32.wrap(this.immediate()) : this.field16(REG_FIELDS[i]);
  }

  // --- operands

  get(i: number): Word {
    const { kind, bytes } = this.forms[i];
    if (kind === 'r') return this.loadState(this.field16(REG_FIELDS[i]), bytes);
    if (kind === 'i')
      return bytes === 8 ? this.immediate() : this.truncate(i32.wrap(this.immediate()), bytes);
    if (kind === 'x' || kind === 'q') return this.loadState(this.field16(REG_FIELDS[i]), bytes);
    assert(kind === 'm', `operand kind ${kind} has no value`);
    if (this.shape.rmw && i === 0) return this.loadForUpdate(bytes as WordBytes);
    return this.loadAt(this.address(), bytes as WordBytes);
  }

  getSigned(i: number, bytes?: WordBytes): Word {
    const form = this.forms[i];
    const to = bytes ?? (form.bytes as WordBytes);
    if (form.kind === 'i') return to === 8 ? this.immediate() : i32.wrap(this.immediate());
    const value = this.signExtend(this.get(i), form.bytes);
    return to === 8 && form.bytes < 8 ? i64.extendS(value as I32) : value;
  }

  set(i: number, value: Word): void {
    const { kind, bytes } = this.forms[i];
    if (kind === 'r') this.storeState(this.field16(REG_FIELDS[i]), bytes, value);
    else if (kind === 'x' || kind === 'q')
      this.storeLane(this.field16(REG_FIELDS[i]), bytes as 4 | 8, value);
    else if (this.host && i === 0) this.storeUpdated(bytes as WordBytes, value);
    else this.storeAt(this.address(), bytes as WordBytes, value);
  }

  /** The low 4 or 8 bytes of an XMM or MMX register. */
  protected abstract storeLane(at: I32, bytes: 4 | 8, value: Word): void;

  getVector(i: number): V128 {
    const { kind, bytes } = this.forms[i];
    if (kind === 'x') return this.loadVector(this.field16(REG_FIELDS[i]));
    if (kind === 'm' && bytes === 16) return this.loadVectorAt(this.vectorAddress());
    const word = this.toI64(this.get(i));
    return v128.replace<'i64'>(30, 0)(v128.const(0n, 0n), word);
  }

  setVector(i: number, value: V128): void {
    const { kind, bytes } = this.forms[i];
    if (kind === 'x') this.storeVector(this.field16(REG_FIELDS[i]), value);
    else if (kind === 'q') {
      const register = this.let(this.field16(REG_FIELDS[i]));
      this.f.do(i64.store(register, v128.extract('i64', 29, 0)(value), this.base));
      // The exponent of the x87 register below becomes all ones (SDM 1 9.5.1).
      this.f.do(i32.store16(register, i32.const(0xffff), this.base + 8));
    } else if (bytes === 16) this.storeVectorAt(this.vectorAddress(), value);
    else if (bytes === 8) this.storeAt(this.address(), 8, v128.extract('i64', 29, 0)(value));
    else this.storeAt(this.address(), 4, v128.extract('i32', 27, 0)(value));
  }

  /** Address of a 16-byte operand, its alignment checked where the op wants it. */
  protected vectorAddress(): I64 {
    const address = this.address();
    if (this.shape.aligned)
      this.f.if(i32.and(i32.wrap(address), i32.const(15)), () => this.raise(13, 0));
    return address;
  }

  /** Before the body: an MMX instruction first raises the x87 exception that waits (SDM 1 9.6.6). */
  start(): void {
    if (!this.forms.some((form) => form.kind === 'q')) return;
    const pending = i32.and(this.state32(L.S_X87_STATUS), i32.const(0x80));
    this.f.if(pending, () => this.run('x87RaisePending'));
  }

  /** Behind the body: an MMX instruction leaves the x87 stack full with its top at register 0. */
  finish(): void {
    if (!this.forms.some((form) => form.kind === 'q')) return;
    this.setState32(L.S_X87_TOP, i32.const(0));
    this.setState32(L.S_X87_TAGS, i32.const(0xff));
  }

  // --- addresses

  effectiveAddress(): I64 {
    const word = this.long ? 8 : 4;
    const w = this.wordsOf(word);
    const scale = this.field8(L.UOP_SCALE);
    const index = w.shl(
      this.loadState(this.field16(L.UOP_INDEX), word),
      this.long ? i64.extendU(scale) : scale,
    );
    const sum = w.add(this.loadState(this.field16(L.UOP_BASE), word), index);
    const displacement = this.displacement();
    return this.long
      ? i64.add(sum as I64, displacement)
      : i64.extendU(i32.add(sum as I32, i32.wrap(displacement)));
  }

  /** Base of the memory operand's segment, as wide as an address. */
  protected abstract segmentBase(): Word;

  /** Adds the segment base to an offset and wraps as the mode does. */
  private linearOf(offset: I64): I64 {
    const base = this.segmentBase();
    if (this.long) return i64.add(offset, base as I64);
    return i64.extendU(i32.add(i32.wrap(offset), base as I32));
  }

  address(): I64 {
    this.linear ??= this.let(this.linearOf(this.effectiveAddress()));
    return this.linear;
  }

  /** Ops that move the stack pointer first (POP m) compute the address anew. */
  bitStringAddress(displacement: I64): I64 {
    return this.linearOf(i64.add(this.effectiveAddress(), displacement));
  }

  reg(index: number, bytes: WordBytes): Word {
    return this.loadState(i32.const(L.S_GPR + index * 8), bytes);
  }

  setReg(index: number, bytes: WordBytes, value: Word): void {
    this.storeState(i32.const(L.S_GPR + index * 8), bytes, value);
  }

  xmm(index: number): V128 {
    return this.loadVector(i32.const(L.S_XMM + index * 16));
  }

  setXmm(index: number, value: V128): void {
    this.storeVector(i32.const(L.S_XMM + index * 16), value);
  }

  // --- stack

  /** Limit and rights of SS in legacy modes. */
  protected checkStack(offset: I32, bytes: number, write: boolean): void {
    this.f.if(this.state32(L.S_STACK_CHECK), () =>
      this.run(
        'checkSegment',
        i32.const(L.SEG_SS),
        i64.extendU(offset),
        i32.const(bytes),
        i32.const(write ? 1 : 0),
      ),
    );
  }

  /** Linear address of the stack slot at an offset from the stack pointer; legacy modes check SS's limit. */
  protected stackAddress(delta: number, bytes: number, write: boolean): I64 {
    if (this.long) {
      const rsp = this.state64(RSP);
      return delta === 0 ? rsp : i64.add(rsp, i64.const(delta));
    }
    const moved = delta === 0 ? this.state32(RSP) : i32.add(this.state32(RSP), i32.const(delta));
    const offset = this.let(i32.and(moved, this.state32(L.S_STACK_MASK)));
    this.checkStack(offset, bytes, write);
    return i64.extendU(i32.add(offset, this.state32(L.S_SEG_BASE + L.SEG_SS * 8)));
  }

  protected moveStack(delta: I32): void {
    if (this.long) {
      this.setState64(RSP, i64.add(this.state64(RSP), i64.extendS(delta)));
      return;
    }
    // Only the bits under the mask move; a 32-bit stack zeroes the upper half of RSP.
    const mask = this.let(this.state32(L.S_STACK_MASK));
    const old = this.let(this.state32(RSP));
    const kept = i32.and(old, i32.xor(mask, i32.const(-1)));
    this.setState64(RSP, i64.extendU(i32.or(kept, i32.and(i32.add(old, delta), mask))));
  }

  probePush(bytes: 2 | 4 | 8): void {
    this.run('probeWrite', this.stackAddress(-bytes, bytes, true), i32.const(bytes));
  }

  push(bytes: 2 | 4 | 8, value: Word): void {
    const kept = this.let(value);
    this.storeAt(this.stackAddress(-bytes, bytes, true), bytes, kept);
    this.moveStack(i32.const(-bytes));
  }

  peekStack(bytes: 2 | 4 | 8): Word {
    return this.loadAt(this.stackAddress(0, bytes, false), bytes);
  }

  pop(bytes: 2 | 4 | 8): Word {
    const value = this.peekStack(bytes);
    this.moveStack(i32.const(bytes));
    return value;
  }

  dropStack(bytes: I32 | number): void {
    this.moveStack(typeof bytes === 'number' ? i32.const(bytes) : bytes);
  }

  // --- values

  let<T extends Expr>(value: T): T {
    return this.f.let(value) as T;
  }

  truncate(value: Word, bytes: number): Word {
    if (bytes === 1) return i32.and(value as I32, i32.const(0xff));
    if (bytes === 2) return i32.and(value as I32, i32.const(0xffff));
    return value;
  }

  signExtend(value: Word, bytes: number): Word {
    if (value.type === 'i64') return bytes === 4 ? i64.extend32S(value as I64) : value;
    if (bytes === 1) return i32.extend8S(value as I32);
    return bytes === 2 ? i32.extend16S(value as I32) : value;
  }

  toI64(value: Word): I64 {
    return value.type === 'i64' ? (value as I64) : i64.extendU(value as I32);
  }

  toI32(value: Word): I32 {
    return value.type === 'i32' ? (value as I32) : i32.wrap(value as I64);
  }

  carry(): I32 {
    return this.condition(2);
  }

  // --- control flow

  raise(vector: number, error = -1): void {
    this.run('raise', i32.const(vector), i32.const(error));
  }
}
