/**
 * The translator's answer to an instruction definition: what the interpreter reads from a micro-op is a constant here,
 * general and XMM registers and the lazily kept flags are WebAssembly locals, and an access that misses the TLB leaves
 * the region before its instruction, which the interpreter then runs.
 */
import { assert } from '../../base';
import {
  call,
  callStatement,
  f64,
  i32,
  i64,
  setLocal,
  v128,
  type Callee,
  type Expr,
  type F64,
  type I32,
  type I64,
  type V128,
} from '../../wasm';
import * as L from '../layout';
import type { FlagKind, Word, WordBytes } from '../ops/context';
import { conditionOfFlags, conditionOfKind, FLAG_KIND_NUMBERS } from '../ops/flags';
import type { HelperName } from '../ops/helper-types';
import { pairOffset, TierContext, type HandlerShape } from '../tier/context';
import { conditionOfDoubles, conditionOfWords, flagsOfKind } from './flag-words';
import { GuestRegisters } from './guest-registers';
import { inlineHelper } from './inline-helpers';
import type { InlineSite } from './inline-site';
import type { AccessGroup, AccessPlace, RegionState } from './region-state';
import type { Rounding } from './rounding';
import { VectorRegisters } from './vectors';

/** Where an instruction stands: its micro-op, and its block's distance from the region's entry. */
export interface InstructionSite {
  readonly uop: number;
  readonly blockAt: number;
}

const RSP = L.S_GPR + 4 * 8;

/** Helpers after which guest memory may have changed, and with it the code of this region. */
const WRITERS = /^(push|enter|save|x87Store|x87Save|maskedStore)/;

/** Helpers after which MXCSR may ask for other rounding. */
const LOADS_MXCSR: ReadonlySet<HelperName> = new Set(['loadMxcsr', 'restoreFx', 'restoreExtended']);

/** A condition that was pushed already. */
const ON_STACK: I32 = { type: 'i32', code: [] };

export class TranslatorContext extends TierContext implements InlineSite {
  /** What is known of the addresses this instruction made. */
  private readonly places = new Map<I64, AccessPlace>();

  constructor(
    private readonly region: RegionState,
    private readonly at: InstructionSite,
    shape: HandlerShape,
    /** The region is left behind this instruction, which may change anything. */
    private readonly far: boolean,
    /** The instruction reads flags only to keep them (OpAttributes). */
    private readonly keepsFlags: boolean,
  ) {
    super(region.f, region.long, region.base, shape);
  }

  /** Distance of this instruction from the region's entry, and of the one behind it. */
  private get here(): number {
    return this.at.blockAt + this.region.memory.u16[(this.at.uop + L.UOP_RIP_OFFSET) >> 1];
  }

  private get behind(): number {
    return this.here + this.region.memory.u8[this.at.uop + L.UOP_LENGTH];
  }

  // --- micro-op fields: known now

  protected field16(offset: number): I32 {
    return i32.const(this.region.memory.u16[(this.at.uop + offset) >> 1]);
  }

  field8(offset: number): I32 {
    return i32.const(this.region.memory.u8[this.at.uop + offset]);
  }

  immediate(): I64 {
    return i64.const(this.region.memory.i64[(this.at.uop + L.UOP_IMM) >> 3]);
  }

  protected displacement(): I64 {
    return i64.const(this.region.memory.i32[(this.at.uop + L.UOP_DISP) >> 2]);
  }

  protected segmentBase(): Word {
    const segment = this.region.memory.u8[this.at.uop + L.UOP_SEGMENT];
    // Regions of legacy modes are entered with flat ES, CS, SS and DS only.
    const based = segment === L.SEG_FS || segment === L.SEG_GS;
    if (!based) return this.long ? i64.const(0) : i32.const(0);
    const at = i32.const(this.base + L.S_SEG_BASE + segment * 8);
    return this.long ? i64.load(at) : i32.load(at);
  }

  // --- state: registers are locals

  protected loadState(at: I32, bytes: number): Word {
    return this.read(Number(at.value), bytes);
  }

  private read(offset: number, bytes: number): Word {
    if (offset === L.S_ZERO) return bytes === 8 ? i64.const(0) : i32.const(0);
    if (offset === L.S_BLOCK_RIP) {
      const rip = this.region.rip(this.at.blockAt);
      return bytes === 8 ? rip : i32.wrap(rip);
    }
    const value = this.region.registers.read(offset & ~7);
    if (value) {
      if (bytes === 8) return value;
      const low = i32.wrap(offset & 1 ? i64.shrU(value, i64.const(8)) : value);
      return this.truncate(low, bytes);
    }
    if (VectorRegisters.has(offset))
      return bytes === 8 ? this.vectors.low64(offset) : this.vectors.low32(offset);
    const memory = i32.const(this.base + offset);
    if (bytes === 8) return i64.load(memory);
    if (bytes === 4) return i32.load(memory);
    return bytes === 2 ? i32.load16U(memory) : i32.load8U(memory);
  }

  protected storeState(at: I32, bytes: number, value: Word): void {
    this.write(Number(at.value), bytes, value);
  }

  private write(offset: number, bytes: number, value: Word): void {
    const { registers } = this.region;
    const register = offset & ~7;
    const general = GuestRegisters.has(register);
    if (general) this.region.modifies(register);
    // A 32-bit write zeroes bits 32-63; narrower ones keep the rest.
    if (general && bytes >= 4) {
      registers.write(register, this.toI64(value));
      return;
    }
    const before = registers.read(register);
    if (before) {
      const shift = (offset & 1) * 8;
      const mask = (bytes === 2 ? 0xffffn : 0xffn) << BigInt(shift);
      const part = i64.and(
        i64.shl(this.toI64(value), i64.const(shift)),
        i64.const(BigInt.asIntN(64, mask)),
      );
      const rest = i64.and(before, i64.const(~mask));
      registers.write(register, i64.or(rest, part));
    } else {
      const memory = i32.const(this.base + offset);
      if (bytes === 8) this.f.do(i64.store(memory, value as I64));
      else if (bytes === 4) this.f.do(i32.store(memory, this.toI32(value)));
      else if (bytes === 2) this.f.do(i32.store16(memory, value as I32));
      else this.f.do(i32.store8(memory, value as I32));
    }
  }

  protected loadVector(at: I32): V128 {
    return this.vectors.get(Number(at.value));
  }

  protected storeVector(at: I32, value: V128): void {
    this.vectors.set(Number(at.value), value);
  }

  protected storeLane(at: I32, bytes: 4 | 8, value: Word): void {
    const offset = Number(at.value);
    if (!VectorRegisters.has(offset)) this.write(offset, bytes, value);
    else if (bytes === 8) this.vectors.setLow(offset, f64.reinterpretI64(value as I64));
    else
      this.vectors.set(offset, v128.replace<'i32'>(28, 0)(this.vectors.get(offset), value as I32));
  }

  /** Narrow operands come from memory straight into a vector. */
  override getVector(i: number): V128 {
    const { kind, bytes } = this.forms[i];
    if (kind !== 'm' || (bytes !== 4 && bytes !== 8)) return super.getVector(i);
    const host = this.hostAddress(this.address(), bytes, 0);
    return this.let(bytes === 8 ? v128.load64Zero(host) : v128.load32Zero(host));
  }

  // --- for inline instructions

  get vectors(): VectorRegisters {
    return this.region.vectors;
  }

  slot(i: number): number {
    return Number(this.operandPlace(i).value);
  }

  hostOf(i: number): I32 {
    const { bytes } = this.forms[i];
    const address = bytes === 16 ? this.vectorAddress() : this.address();
    return this.hostAddress(address, bytes, 0);
  }

  retreatFloat(): void {
    this.rounding.countRetreat();
    this.retreat();
  }

  get rounding(): Rounding {
    return this.region.rounding;
  }

  setCompareFlags(first: F64, second: F64): void {
    const { compared } = this.region;
    this.f.set(compared[0], first);
    this.f.set(compared[1], second);
    const [a, b] = [compared[0].get, compared[1].get];
    this.setRawFlags(i32.or(f64.lt(a, b), i32.shl(f64.eq(a, b), i32.const(6))));
    if (this.region.flags === 'raw') this.region.flags = 'compared';
  }

  state32(offset: number): I32 {
    if (!this.long && offset === L.S_STACK_MASK) return i32.const(-1);
    if (!this.long && offset === L.S_STACK_CHECK) return i32.const(0);
    if (!this.long && offset === L.S_SEG_BASE + L.SEG_SS * 8) return i32.const(0);
    return this.read(offset, 4) as I32;
  }

  setState32(offset: number, value: I32): void {
    if (GuestRegisters.has(offset)) this.write(offset, 8, i64.extendU(value));
    else this.write(offset, 4, value);
  }

  state64(offset: number): I64 {
    return this.read(offset, 8) as I64;
  }

  setState64(offset: number, value: I64): void {
    this.write(offset, 8, value);
  }

  // --- memory through the TLB

  retreat(): void {
    const { memory } = this.region;
    this.region.leave(this.here, memory.u8[this.at.uop + L.UOP_REMAINING], true);
  }

  override address(): I64 {
    const address = super.address();
    if (!this.places.has(address)) {
      const { u8, u16, i32 } = this.region.memory;
      const { uop } = this.at;
      const base = this.region.track(u16[(uop + L.UOP_BASE) >> 1]);
      const index = this.region.track(u16[(uop + L.UOP_INDEX) >> 1]);
      const group = `${base.name} ${index.name}${index.moved} ${u8[uop + L.UOP_SCALE]} ${u8[uop + L.UOP_SEGMENT]}`;
      this.places.set(address, { group, offset: i32[(uop + L.UOP_DISP) >> 2] + base.moved });
    }
    return address;
  }

  protected override stackAddress(delta: number, bytes: number, write: boolean): I64 {
    const address = this.let(super.stackAddress(delta, bytes, write));
    const pointer = this.region.track(RSP);
    const group = `${pointer.name} stack`;
    this.places.set(address, { group, offset: delta + pointer.moved });
    return address;
  }

  leaveBehind(): void {
    const { u8 } = this.region.memory;
    this.region.leave(this.behind, u8[this.at.uop + L.UOP_REMAINING] - 1, false);
  }

  useTlbMode(mode: I32): void {
    const vcpu = (this.base - L.VCPU_BASE) / L.VCPU_STRIDE;
    const area = L.TLB_AREA_BASE + vcpu * L.TLB_STRIDE;
    const arrays = i32.add(i32.mul(mode, i32.const(L.TLB_MODE_BYTES)), i32.const(area));
    this.f.set(this.region.tlb, arrays);
    this.setState32(L.S_TLB, this.region.tlb.get);
  }

  /** Host address of an access, which is in the TLB; otherwise leaves. */
  private hostAddress(address: I64, bytes: number, array: number): I32 {
    const place = this.places.get(address);
    if (place && this.region.grouping) {
      const certain = this.region.body.isCertain;
      const group =
        this.region.checkedGroup(place, bytes, array) ??
        (certain ? this.newGroup(place, address, bytes, array) : undefined);
      if (group) return i32.add(group.host.get, i32.const(place.offset - group.offset));
    }
    return this.checkedAddress(address, bytes, array);
  }

  /** A check for all accesses of the block at fixed distances from this one; how far they reach is known at its end. */
  private newGroup(place: AccessPlace, address: I64, bytes: number, array: number): AccessGroup {
    const { f } = this;
    const group = this.region.openGroup(place, bytes, array);
    const at = this.let(address);
    const entry = f.local('i32');
    const lowest = (): I64 => i64.add(at, i64.const(group.low));
    f.later(() => [setLocal(entry, this.entryOf(lowest()))]);
    const last = (): I64 => i64.add(at, i64.const(group.high - 1));
    f.later(() => [i64.ne(i64.and(last(), i64.const(-4096)), i64.load(entry.get, array))]);
    f.if(ON_STACK, () => this.retreat());
    f.set(group.host, i32.add(i32.wrap(at), i32.load(entry.get, array + 8)));
    return group;
  }

  private entryOf(address: I64): I32 {
    return i32.add(this.region.tlb.get, pairOffset(address));
  }

  private checkedAddress(address: I64, bytes: number, array: number): I32 {
    const at = this.let(address);
    const entry = this.let(this.entryOf(at));
    const last = bytes === 1 ? at : i64.add(at, i64.const(bytes - 1));
    const misses = i64.ne(i64.and(last, i64.const(-4096)), i64.load(entry, array));
    this.f.if(misses, () => this.retreat());
    return this.let(i32.add(i32.wrap(at), i32.load(entry, array + 8)));
  }

  loadAt(address: I64, bytes: WordBytes): Word {
    const host = this.hostAddress(address, bytes, 0);
    return this.let(this.memoryAt(host, bytes));
  }

  private memoryAt(host: I32, bytes: WordBytes): Word {
    if (bytes === 1) return i32.load8U(host);
    if (bytes === 2) return i32.load16U(host);
    return bytes === 4 ? i32.load(host) : i64.load(host);
  }

  storeAt(address: I64, bytes: WordBytes, value: Word): void {
    const kept = this.let(value);
    this.storeHost(this.hostAddress(address, bytes, L.TLB_WRITE), bytes, kept);
  }

  private storeHost(host: I32, bytes: WordBytes, value: Word): void {
    if (bytes === 1) this.f.do(i32.store8(host, value as I32));
    else if (bytes === 2) this.f.do(i32.store16(host, value as I32));
    else if (bytes === 4) this.f.do(i32.store(host, value as I32));
    else this.f.do(i64.store(host, value as I64));
  }

  loadVectorAt(address: I64): V128 {
    return this.let(v128.load(this.hostAddress(address, 16, 0)));
  }

  storeVectorAt(address: I64, value: V128): void {
    const kept = this.let(value);
    this.f.do(v128.store(this.hostAddress(address, 16, L.TLB_WRITE), kept));
  }

  protected loadForUpdate(bytes: WordBytes): Word {
    this.host = this.hostAddress(this.address(), bytes, L.TLB_WRITE);
    return this.let(this.memoryAt(this.host, bytes));
  }

  protected storeUpdated(bytes: WordBytes, value: Word): void {
    this.storeHost(this.host!, bytes, value);
  }

  // --- flags

  setFlags(kind: FlagKind, bytes: number, result: Word, source?: Word, first?: Word): void {
    if (!this.region.flagsWanted) {
      this.region.flags = undefined;
      return;
    }
    this.region.registers.setFlags(
      i32.const(FLAG_KIND_NUMBERS[kind] + Math.log2(bytes)),
      this.toI64(result),
      source && this.toI64(source),
    );
    const certain = this.region.body.isCertain;
    if (certain && first) this.f.set(this.region.flagFirst, this.toI64(first));
    this.region.flags = certain ? { kind, bytes, first: first !== undefined } : undefined;
  }

  setRawFlags(flags: I32): void {
    if (!this.region.flagsWanted) {
      this.region.flags = undefined;
      return;
    }
    const kept = this.let(flags);
    const notZero = i64.extendU(i32.eqz(i32.and(kept, i32.const(0x40))));
    this.region.registers.setFlags(i32.const(L.FLAGS_RAW), notZero, i64.extendU(kept));
    this.region.flags = this.region.body.isCertain ? 'raw' : undefined;
  }

  arithmeticFlags(): I32 {
    if (this.keepsFlags && !this.region.flagsWanted) return i32.const(0);
    const { flags, registers } = this.region;
    if (flags === 'raw' || flags === 'compared') return i32.wrap(registers.flagSource);
    if (flags) {
      const { flagResult, flagSource } = registers;
      return this.let(flagsOfKind(flags.kind, flags.bytes, flagResult, flagSource));
    }
    registers.flushFlags();
    return this.let(call(this.region.helper('arithmeticFlags') as Callee<'i32'>, [], 'i32'));
  }

  condition(code: number): I32 {
    if (this.keepsFlags && !this.region.flagsWanted) return i32.const(0);
    const holds = this.conditionPair(code >> 1);
    return code & 1 ? i32.eqz(holds) : holds;
  }

  private conditionPair(pair: number): I32 {
    const { flags, registers } = this.region;
    if (flags === 'compared') {
      const [a, b] = this.region.compared;
      const known = conditionOfDoubles(pair, a.get, b.get);
      if (known) return known;
    }
    // RESULT is zero exactly when ZF is set, in every kind.
    if (pair === 2 && (!flags || flags === 'raw')) return i64.eqz(registers.flagResult);
    if (flags && flags !== 'raw' && flags !== 'compared') {
      const { kind, bytes } = flags;
      const { flagResult, flagSource } = registers;
      const operands = flags.first
        ? { first: this.region.flagFirst.get, second: flagSource }
        : undefined;
      const known =
        conditionOfWords(pair, kind, bytes, flagResult, operands) ??
        conditionOfKind(pair, kind, bytes, flagResult, flagSource);
      if (known) return known;
    }
    return conditionOfFlags(pair, this.let(this.arithmeticFlags()));
  }

  // --- control flow

  currentRip(): I64 {
    return this.region.rip(this.here);
  }

  nextRip(): I64 {
    return this.region.rip(this.behind);
  }

  target(i: number): I64 {
    assert(this.forms[i].kind === 'j', 'a branch target');
    return this.region.rip(
      this.at.blockAt + this.region.memory.i32[(this.at.uop + L.UOP_IMM) >> 2],
    );
  }

  /** Noted where the region is left for it. */
  indirect(target: I64): void {
    void target;
  }

  jump(rip: I64, bytes: number): void {
    const mask = bytes === 8 ? undefined : bytes === 4 ? 0xffffffffn : 0xffffn;
    this.region.outcome = { rip: this.let(mask ? i64.and(rip, i64.const(mask)) : rip) };
  }

  branch(i: number, taken: I32, bytes: number): void {
    void i;
    void bytes;
    this.region.outcome = { taken: this.let(taken) };
  }

  helper<T extends 'i32' | 'i64' | 'v128' | 'f64'>(
    name: HelperName,
    result: T,
    ...args: Expr[]
  ): Expr<T> {
    const kept = args.map((a) => this.let(a));
    const inline = inlineHelper(name, kept, (value) => this.let(value));
    if (inline) return inline as Expr<T>;
    this.region.beforeHelper(this.at);
    const value = this.let(call(this.region.helper(name) as Callee<T>, kept, result));
    this.after(name);
    return value;
  }

  run(name: HelperName, ...args: Expr[]): void {
    if (name === 'probeWrite') {
      // What a store would miss or fault on is the interpreter's.
      this.hostAddress(args[0] as I64, Number((args[1] as I32).value), L.TLB_WRITE);
      return;
    }
    if (name === 'raise') {
      this.retreat();
      return;
    }
    const kept = args.map((a) => this.let(a));
    this.region.beforeHelper(this.at);
    this.f.do(callStatement(this.region.helper(name), kept));
    this.after(name);
  }

  private after(name: HelperName): void {
    if (WRITERS.test(name)) this.region.wroteMemory = true;
    if (LOADS_MXCSR.has(name)) this.region.loadedRounding = true;
    this.region.afterHelper(name, this.far);
  }

  /** A constant step keeps what is known of the stack's addresses; legacy regions have 32-bit stacks. */
  protected override moveStack(delta: I32): void {
    const before = this.region.track(RSP);
    if (this.long) super.moveStack(delta);
    else this.write(RSP, 8, i64.extendU(i32.add(this.read(RSP, 4) as I32, delta)));
    if (delta.value !== undefined && this.region.body.isCertain)
      this.region.moved(RSP, before, Number(delta.value));
  }
}
