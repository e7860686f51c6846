/**
 * The interpreter's answer to an instruction definition: operands come from a pre-decoded micro-op in linear memory,
 * registers and flags live in vcpu state, memory goes through the soft TLB with its check inline.
 */
import { assert } from '../../base';
import {
  call,
  callStatement,
  i32,
  i64,
  v128,
  type Callee,
  type Expr,
  type FunctionBuilder,
  type I32,
  type I64,
  type Local,
  type V128,
  type ValType,
} from '../../wasm';
import * as L from '../layout';
import type { FlagKind, OpContext, OperandForm, Word, WordBytes, Words } from '../ops/context';
import { conditionOfKind, FLAG_KIND_NUMBERS } from '../ops/flags';
import type { HelperName } from '../ops/helper-types';

/** Functions of the interpreter module that handlers share. */
export interface SharedFunctions {
  helper(name: HelperName): Callee;
  /** Condition code >> 1 -> function giving 0 or 1 from the kept flags. */
  condition(pair: number): Callee<'i32'>;
}

export interface HandlerSite {
  readonly f: FunctionBuilder;
  readonly uop: Local<'i32'>;
  /** Called by `jump`: S_RIP is stored, leave the block. Undefined for ops that do not end blocks. */
  readonly leave?: () => void;
}

export interface HandlerShape {
  readonly forms: readonly OperandForm[];
  readonly operandBytes: 2 | 4 | 8;
  readonly rmw: boolean;
  readonly aligned: boolean;
  /** Kind and size of the last flag setter before this instruction, when the decoder knows it. */
  readonly flagsHint?: { kind: FlagKind; bytes: number };
}

const REG_FIELDS = [L.UOP_REG0, L.UOP_REG1, L.UOP_REG2] as const;
const RSP = L.S_GPR + 4 * 8;

export class InterpreterContext implements OpContext {
  readonly f: FunctionBuilder;
  readonly forms: readonly OperandForm[];
  readonly operandBytes: 2 | 4 | 8;
  readonly bytes: WordBytes;
  readonly w: Words;
  /** How the op leaves the flags: a kind known at decode time, unknown, or untouched. */
  flagEffect: { kind: FlagKind; bytes: number } | 'unknown' | 'none' = 'none';

  private linear: I64 | undefined;
  private host: I32 | undefined;
  /** Open control structures where the body starts: flag settings deeper inside are conditional. */
  private readonly nesting: number;

  constructor(
    readonly long: boolean,
    private readonly base: number,
    private readonly site: HandlerSite,
    private readonly shape: HandlerShape,
    private readonly shared: SharedFunctions,
  ) {
    this.f = site.f;
    this.nesting = site.f.nesting;
    this.forms = shape.forms;
    this.operandBytes = shape.operandBytes;
    const first = shape.forms[0];
    const sized =
      first && [1, 2, 4, 8].includes(first.bytes) && first.kind !== 'j' && first.kind !== 'n';
    this.bytes = (sized ? first.bytes : shape.operandBytes) as WordBytes;
    this.w = this.wordsOf(this.bytes);
  }

  wordsOf(bytes: number): Words {
    return bytes === 8 ? i64 : i32;
  }

  // --- micro-op fields

  private get uop(): I32 {
    return this.site.uop.get;
  }

  private field16(offset: number): I32 {
    return i32.load16U(this.uop, offset);
  }

  immediate(): I64 {
    return i64.load(this.uop, L.UOP_IMM);
  }

  prefixes(): I32 {
    return this.field16(L.UOP_PREFIXES);
  }

  segment(): I32 {
    return i32.load8U(this.uop, L.UOP_SEGMENT);
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
      this.f.do(
        bytes === 8
          ? i64.store(this.field16(REG_FIELDS[i]), value as I64, this.base)
          : i32.store(this.field16(REG_FIELDS[i]), value as I32, this.base),
      );
    else if (this.host && i === 0) this.storeUpdated(bytes as WordBytes, value);
    else this.storeAt(this.address(), bytes as WordBytes, value);
  }

  getVector(i: number): V128 {
    const { kind, bytes } = this.forms[i];
    if (kind === 'x') return v128.load(this.field16(REG_FIELDS[i]), this.base);
    if (kind === 'm' && bytes === 16) return this.loadVectorAt(this.vectorAddress());
    const word = this.toI64(this.get(i));
    return v128.replace<'i64'>(30, 0)(v128.const(0n, 0n), word);
  }

  setVector(i: number, value: V128): void {
    const { kind, bytes } = this.forms[i];
    if (kind === 'x') this.f.do(v128.store(this.field16(REG_FIELDS[i]), value, this.base));
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
  private vectorAddress(): I64 {
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
    if (this.long) {
      const base = i64.load(this.field16(L.UOP_BASE), this.base);
      const index = i64.shl(
        i64.load(this.field16(L.UOP_INDEX), this.base),
        i64.load8U(this.uop, L.UOP_SCALE),
      );
      return i64.add(i64.add(base, index), i64.load32S(this.uop, L.UOP_DISP));
    }
    return i64.extendU(this.effectiveAddress32());
  }

  private effectiveAddress32(): I32 {
    const base = i32.load(this.field16(L.UOP_BASE), this.base);
    const index = i32.shl(
      i32.load(this.field16(L.UOP_INDEX), this.base),
      i32.load8U(this.uop, L.UOP_SCALE),
    );
    return i32.add(i32.add(base, index), i32.load(this.uop, L.UOP_DISP));
  }

  private segmentSlot(): I32 {
    return i32.shl(i32.load8U(this.uop, L.UOP_SEGMENT), i32.const(3));
  }

  /** Adds the segment base to an offset and wraps as the mode does. */
  private linearOf(offset: I64): I64 {
    if (this.long) return i64.add(offset, i64.load(this.segmentSlot(), this.base + L.S_SEG_BASE));
    return i64.extendU(
      i32.add(i32.wrap(offset), i32.load(this.segmentSlot(), this.base + L.S_SEG_BASE)),
    );
  }

  address(): I64 {
    this.linear ??= this.let(this.linearOf(this.effectiveAddress()));
    return this.linear;
  }

  /** Ops that move the stack pointer first (POP m) compute the address anew. */
  bitStringAddress(displacement: I64): I64 {
    return this.linearOf(i64.add(this.effectiveAddress(), displacement));
  }

  // --- memory through the TLB

  private mark(): void {
    this.f.do(i32.store(i32.const(this.base + L.S_UOP), this.uop));
  }

  private call<T extends ValType>(name: HelperName, result: T, args: readonly Expr[]): Expr<T> {
    return call(this.shared.helper(name) as Callee<T>, args, result);
  }

  /** Address of the TLB entry for a linear address. */
  private entryOf(address: I64): I32 {
    const slot = i32.and(
      i32.shrU(i32.wrap(address), i32.const(8)),
      i32.const((L.TLB_ENTRIES - 1) * L.TLB_ENTRY_BYTES),
    );
    return i32.add(i32.load(i32.const(this.base + L.S_TLB)), slot);
  }

  /** 1 when `bytes` at `address` lie within the page the entry holds. */
  private hits(address: I64, bytes: number, entry: I32, array: number): I32 {
    const last = bytes === 1 ? address : i64.add(address, i64.const(bytes - 1));
    return i64.eq(i64.and(last, i64.const(-4096)), i64.load(entry, array));
  }

  private hostOf(address: I64, entry: I32, array: number): I32 {
    return i32.add(i32.wrap(address), i32.load(entry, array + 8));
  }

  loadAt(address: I64, bytes: WordBytes): Word {
    const at = this.let(address);
    const entry = this.let(this.entryOf(at));
    const out = this.f.local(bytes === 8 ? 'i64' : 'i32');
    this.f.if(
      this.hits(at, bytes, entry, 0),
      () =>
        this.f.set(out as Local<'i32'>, this.loadMemory(this.hostOf(at, entry, 0), bytes) as I32),
      () => {
        this.mark();
        const value = this.call('slowLoad', 'i64', [at, i32.const(bytes)]);
        this.f.set(out as Local<'i32'>, (bytes === 8 ? value : i32.wrap(value)) as I32);
      },
    );
    return out.get;
  }

  storeAt(address: I64, bytes: WordBytes, value: Word): void {
    const at = this.let(address);
    const kept = this.let(value);
    const entry = this.let(this.entryOf(at));
    this.f.if(
      this.hits(at, bytes, entry, L.TLB_WRITE),
      () => this.storeMemory(this.hostOf(at, entry, L.TLB_WRITE), bytes, kept),
      () => {
        this.mark();
        this.f.do(
          callStatement(this.shared.helper('slowStore'), [at, i32.const(bytes), this.toI64(kept)]),
        );
      },
    );
  }

  loadVectorAt(address: I64): V128 {
    const at = this.let(address);
    const entry = this.let(this.entryOf(at));
    const out = this.f.local('v128');
    this.f.if(
      this.hits(at, 16, entry, 0),
      () => this.f.set(out, v128.load(this.hostOf(at, entry, 0))),
      () => {
        this.mark();
        this.f.set(out, this.call('slowLoad128', 'v128', [at]));
      },
    );
    return out.get;
  }

  storeVectorAt(address: I64, value: V128): void {
    const at = this.let(address);
    const kept = this.let(value);
    const entry = this.let(this.entryOf(at));
    this.f.if(
      this.hits(at, 16, entry, L.TLB_WRITE),
      () => this.f.do(v128.store(this.hostOf(at, entry, L.TLB_WRITE), kept)),
      () => {
        this.mark();
        this.f.do(callStatement(this.shared.helper('slowStore128'), [at, kept]));
      },
    );
  }

  /** Reads operand 0 with write intent: keeps its host address for `storeUpdated`, 0 when the slow path must store. */
  private loadForUpdate(bytes: WordBytes): Word {
    const at = this.address();
    const entry = this.let(this.entryOf(at));
    const host = this.f.local('i32');
    const out = this.f.local(bytes === 8 ? 'i64' : 'i32');
    this.f.if(
      this.hits(at, bytes, entry, L.TLB_WRITE),
      () => {
        this.f.set(host, this.hostOf(at, entry, L.TLB_WRITE));
        this.f.set(out as Local<'i32'>, this.loadMemory(host.get, bytes) as I32);
      },
      () => {
        this.mark();
        this.f.set(host, i32.const(0));
        this.f.do(callStatement(this.shared.helper('probeWrite'), [at, i32.const(bytes)]));
        const value = this.call('slowLoad', 'i64', [at, i32.const(bytes)]);
        this.f.set(out as Local<'i32'>, (bytes === 8 ? value : i32.wrap(value)) as I32);
      },
    );
    this.host = host.get;
    return out.get;
  }

  private storeUpdated(bytes: WordBytes, value: Word): void {
    const kept = this.let(value);
    this.f.if(
      this.host!,
      () => this.storeMemory(this.host!, bytes, kept),
      () =>
        this.f.do(
          callStatement(this.shared.helper('slowStore'), [
            this.address(),
            i32.const(bytes),
            this.toI64(kept),
          ]),
        ),
    );
  }

  private loadMemory(host: I32, bytes: WordBytes): Word {
    if (bytes === 1) return i32.load8U(host);
    if (bytes === 2) return i32.load16U(host);
    return bytes === 4 ? i32.load(host) : i64.load(host);
  }

  private storeMemory(host: I32, bytes: WordBytes, value: Word): void {
    if (bytes === 1) this.f.do(i32.store8(host, value as I32));
    else if (bytes === 2) this.f.do(i32.store16(host, value as I32));
    else if (bytes === 4) this.f.do(i32.store(host, value as I32));
    else this.f.do(i64.store(host, value as I64));
  }

  // --- state

  private loadState(at: I32, bytes: number): Word {
    if (bytes === 1) return i32.load8U(at, this.base);
    if (bytes === 2) return i32.load16U(at, this.base);
    return bytes === 4 ? i32.load(at, this.base) : i64.load(at, this.base);
  }

  private storeState(at: I32, bytes: number, value: Word): void {
    if (bytes === 1) this.f.do(i32.store8(at, value as I32, this.base));
    else if (bytes === 2) this.f.do(i32.store16(at, value as I32, this.base));
    else this.f.do(i64.store(at, this.toI64(value), this.base));
  }

  reg(index: number, bytes: WordBytes): Word {
    return this.loadState(i32.const(L.S_GPR + index * 8), bytes);
  }

  setReg(index: number, bytes: WordBytes, value: Word): void {
    this.storeState(i32.const(L.S_GPR + index * 8), bytes, value);
  }

  xmm(index: number): V128 {
    return v128.load(i32.const(this.base + L.S_XMM + index * 16));
  }

  setXmm(index: number, value: V128): void {
    this.f.do(v128.store(i32.const(this.base + L.S_XMM + index * 16), value));
  }

  state32(offset: number): I32 {
    return i32.load(i32.const(this.base + offset));
  }

  setState32(offset: number, value: I32): void {
    this.f.do(i32.store(i32.const(this.base + offset), value));
  }

  state64(offset: number): I64 {
    return i64.load(i32.const(this.base + offset));
  }

  setState64(offset: number, value: I64): void {
    this.f.do(i64.store(i32.const(this.base + offset), value));
  }

  // --- stack

  /** Linear address of the stack slot at an offset from the stack pointer; legacy modes check SS's limit. */
  private stackAddress(delta: number, bytes: number, write: boolean): I64 {
    if (this.long) {
      const rsp = this.state64(RSP);
      return delta === 0 ? rsp : i64.add(rsp, i64.const(delta));
    }
    const moved = delta === 0 ? this.state32(RSP) : i32.add(this.state32(RSP), i32.const(delta));
    const offset = this.let(i32.and(moved, this.state32(L.S_STACK_MASK)));
    this.f.if(this.state32(L.S_STACK_CHECK), () => {
      this.mark();
      this.f.do(
        callStatement(this.shared.helper('checkSegment'), [
          i32.const(L.SEG_SS),
          i64.extendU(offset),
          i32.const(bytes),
          i32.const(write ? 1 : 0),
        ]),
      );
    });
    return i64.extendU(i32.add(offset, this.state32(L.S_SEG_BASE + L.SEG_SS * 8)));
  }

  private moveStack(delta: I32): void {
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

  // --- flags

  setFlags(kind: FlagKind, bytes: number, result: Word, source?: Word): void {
    const size = Math.log2(bytes);
    this.setState32(L.S_FLAG_KIND, i32.const(FLAG_KIND_NUMBERS[kind] + size));
    this.setState64(L.S_FLAG_RESULT, this.toI64(result));
    if (source) this.setState64(L.S_FLAG_SOURCE, this.toI64(source));
    this.flagEffect =
      this.flagEffect === 'none' && this.f.nesting === this.nesting ? { kind, bytes } : 'unknown';
  }

  setRawFlags(flags: I32): void {
    const kept = this.let(flags);
    this.setState64(L.S_FLAG_SOURCE, i64.extendU(kept));
    // RESULT is zero exactly when ZF is set, in every kind.
    this.setState64(L.S_FLAG_RESULT, i64.extendU(i32.eqz(i32.and(kept, i32.const(0x40)))));
    this.setState32(L.S_FLAG_KIND, i32.const(L.FLAGS_RAW));
    this.flagEffect = 'unknown';
  }

  arithmeticFlags(): I32 {
    return this.call('arithmeticFlags', 'i32', []);
  }

  condition(code: number): I32 {
    const pair = code >> 1;
    const hint = this.shape.flagsHint;
    const known =
      hint &&
      conditionOfKind(
        pair,
        hint.kind,
        hint.bytes,
        this.state64(L.S_FLAG_RESULT),
        this.state64(L.S_FLAG_SOURCE),
      );
    // RESULT is zero exactly when ZF is set, in every kind.
    const zero = pair === 2 ? i64.eqz(this.state64(L.S_FLAG_RESULT)) : undefined;
    const holds = known ?? zero ?? call(this.shared.condition(pair), [], 'i32');
    return code & 1 ? i32.eqz(holds) : holds;
  }

  carry(): I32 {
    return this.condition(2);
  }

  // --- control flow

  field8(offset: number): I32 {
    return i32.load8U(this.uop, offset);
  }

  currentRip(): I64 {
    return i64.add(this.state64(L.S_BLOCK_RIP), i64.extendU(this.field16(L.UOP_RIP_OFFSET)));
  }

  nextRip(): I64 {
    const offset = i32.add(this.field16(L.UOP_RIP_OFFSET), i32.load8U(this.uop, L.UOP_LENGTH));
    return i64.add(this.state64(L.S_BLOCK_RIP), i64.extendU(offset));
  }

  /** The next RIP as the mode cuts it. */
  maskedNextRip(): I64 {
    return this.long ? this.nextRip() : i64.and(this.nextRip(), i64.const(0xffffffffn));
  }

  target(i: number): I64 {
    assert(this.forms[i].kind === 'j', 'a branch target');
    return i64.add(this.state64(L.S_BLOCK_RIP), this.immediate());
  }

  jump(rip: I64, bytes: number): void {
    const mask = bytes === 8 ? undefined : bytes === 4 ? 0xffffffffn : 0xffffn;
    this.setState64(L.S_RIP, mask ? i64.and(rip, i64.const(mask)) : rip);
    assert(this.site.leave, 'jump in an op that does not end its block');
    this.site.leave();
  }

  helper<T extends 'i32' | 'i64' | 'v128' | 'f64'>(
    name: HelperName,
    result: T,
    ...args: Expr[]
  ): Expr<T> {
    this.mark();
    return this.let(this.call(name, result, args));
  }

  run(name: HelperName, ...args: Expr[]): void {
    this.mark();
    this.f.do(callStatement(this.shared.helper(name), args));
  }

  raise(vector: number, error = -1): void {
    this.run('raise', i32.const(vector), i32.const(error));
  }
}
