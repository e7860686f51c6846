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
  select,
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
import type { FlagKind, Word, WordBytes } from '../ops/context';
import { conditionOfKind, FLAG_KIND_NUMBERS } from '../ops/flags';
import type { HelperName } from '../ops/helper-types';
import { pairOffset, targetSlot, TierContext, type HandlerShape } from '../tier/context';

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
  /** An exception of the instruction was delivered: S_RIP and the mode are its handler's, leave the block. */
  readonly fault: () => void;
}

/** What an interpreter calls instead of helpers that raise faults by unwinding: they deliver, and S_FAULTED tells. */
const DELIVERING = {
  slowLoad: 'tryLoad',
  slowStore: 'tryStore',
  slowLoad128: 'tryLoad128',
  slowStore128: 'tryStore128',
  probeWrite: 'tryProbe',
} as const;

export class InterpreterContext extends TierContext {
  /** How the op leaves the flags: a kind known at decode time, unknown, or untouched. */
  flagEffect: { kind: FlagKind; bytes: number } | 'unknown' | 'none' = 'none';
  /** The op asks for flags as they were before it. */
  readsFlags = false;
  /** The op may fault or call a helper. */
  leaves = false;

  /** Open control structures where the body starts: flag settings deeper inside are conditional. */
  private readonly nesting: number;

  constructor(
    long: boolean,
    base: number,
    private readonly site: HandlerSite,
    shape: HandlerShape,
    private readonly shared: SharedFunctions,
  ) {
    super(site.f, long, base, shape);
    this.nesting = site.f.nesting;
  }

  // --- micro-op fields

  private get uop(): I32 {
    return this.site.uop.get;
  }

  protected field16(offset: number): I32 {
    return i32.load16U(this.uop, offset);
  }

  field8(offset: number): I32 {
    return i32.load8U(this.uop, offset);
  }

  immediate(): I64 {
    return i64.load(this.uop, L.UOP_IMM);
  }

  protected displacement(): I64 {
    return i64.load32S(this.uop, L.UOP_DISP);
  }

  protected segmentBase(): Word {
    const slot = i32.shl(this.segment(), i32.const(3));
    const at = this.base + L.S_SEG_BASE;
    return this.long ? i64.load(slot, at) : i32.load(slot, at);
  }

  // --- memory through the TLB

  private mark(): void {
    this.leaves = true;
    this.f.do(i32.store(i32.const(this.base + L.S_UOP), this.uop));
  }

  private call<T extends ValType>(name: HelperName, result: T, args: readonly Expr[]): Expr<T> {
    return call(this.shared.helper(name) as Callee<T>, args, result);
  }

  /** Runs a helper that may deliver a fault: then the instruction is over. */
  private attempt(name: keyof typeof DELIVERING, args: readonly Expr[]): void {
    this.f.do(callStatement(this.shared.helper(DELIVERING[name]), args));
    this.leaveOnFault();
  }

  private leaveOnFault(): void {
    this.f.if(this.state32(L.S_FAULTED), () => {
      this.setState32(L.S_FAULTED, i32.const(0));
      this.site.fault();
    });
  }

  private slowLoad(at: I64, bytes: WordBytes): Word {
    const value = this.let(this.call(DELIVERING.slowLoad, 'i64', [at, i32.const(bytes)]));
    this.leaveOnFault();
    return bytes === 8 ? value : i32.wrap(value);
  }

  /** Address of the TLB's pair of entries for a linear address. */
  private entryOf(address: I64): I32 {
    return i32.add(i32.load(i32.const(this.base + L.S_TLB)), pairOffset(address));
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
        this.f.set(out as Local<'i32'>, this.slowLoad(at, bytes) as I32);
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
        this.attempt('slowStore', [at, i32.const(bytes), this.toI64(kept)]);
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
        this.f.set(out, this.call(DELIVERING.slowLoad128, 'v128', [at]));
        this.leaveOnFault();
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
        this.attempt('slowStore128', [at, kept]);
      },
    );
  }

  /** Reads operand 0 with write intent: keeps its host address for `storeUpdated`, 0 when the slow path must store. */
  protected loadForUpdate(bytes: WordBytes): Word {
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
        this.attempt('probeWrite', [at, i32.const(bytes)]);
        this.f.set(out as Local<'i32'>, this.slowLoad(at, bytes) as I32);
      },
    );
    this.host = host.get;
    return out.get;
  }

  protected storeUpdated(bytes: WordBytes, value: Word): void {
    const kept = this.let(value);
    this.f.if(
      this.host!,
      () => this.storeMemory(this.host!, bytes, kept),
      () => this.attempt('slowStore', [this.address(), i32.const(bytes), this.toI64(kept)]),
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

  protected loadState(at: I32, bytes: number): Word {
    if (bytes === 1) return i32.load8U(at, this.base);
    if (bytes === 2) return i32.load16U(at, this.base);
    return bytes === 4 ? i32.load(at, this.base) : i64.load(at, this.base);
  }

  protected storeState(at: I32, bytes: number, value: Word): void {
    if (bytes === 1) this.f.do(i32.store8(at, value as I32, this.base));
    else if (bytes === 2) this.f.do(i32.store16(at, value as I32, this.base));
    else this.f.do(i64.store(at, this.toI64(value), this.base));
  }

  protected storeLane(at: I32, bytes: 4 | 8, value: Word): void {
    this.f.do(
      bytes === 8 ? i64.store(at, value as I64, this.base) : i32.store(at, value as I32, this.base),
    );
  }

  protected loadVector(at: I32): V128 {
    return v128.load(at, this.base);
  }

  protected storeVector(at: I32, value: V128): void {
    this.f.do(v128.store(at, value, this.base));
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
    this.readsFlags = true;
    return this.call('arithmeticFlags', 'i32', []);
  }

  condition(code: number): I32 {
    this.readsFlags = true;
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

  // --- control flow

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

  indirect(target: I64): void {
    const table = i32.wrap(this.immediate());
    this.f.do(i64.store(i32.add(table, targetSlot(target)), target, L.TARGETS_LIST));
  }

  jump(rip: I64, bytes: number): void {
    const mask = bytes === 8 ? undefined : bytes === 4 ? 0xffffffffn : 0xffffn;
    this.setState64(L.S_RIP, mask ? i64.and(rip, i64.const(mask)) : rip);
    assert(this.site.leave, 'jump in an op that does not end its block');
    this.site.leave();
  }

  branch(i: number, taken: I32, bytes: number): void {
    this.jump(select(this.target(i), this.nextRip(), taken), bytes);
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
    if (name === 'probeWrite') {
      this.attempt(name, args);
      return;
    }
    this.f.do(callStatement(this.shared.helper(name), args));
  }
}
