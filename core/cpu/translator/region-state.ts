/**
 * A region's function while it is written: which locals stand for which registers and what is known of the flags. Vcpu
 * state in memory is right at every edge between nodes, so that no way out has to store what another way changed.
 */
import {
  branchOut,
  callStatement,
  FunctionBuilder,
  i32,
  i64,
  returnValue,
  setLocal,
  type Callee,
  type I32,
  type I64,
  type Label,
  type Local,
  type ModuleBuilder,
} from '../../wasm';
import { EXIT_DISTANCE_SHIFT, EXIT_FAR, EXIT_INTERPRET, REGION_TYPE } from '../interp/interpreter';
import * as L from '../layout';
import type { FlagKind } from '../ops/context';
import { targetSlot } from '../tier/context';
import { HELPERS, helperType, STATEFUL_HELPERS, type HelperName } from '../ops/helper-types';
import { GuestRegisters } from './guest-registers';
import { InstructionBody } from './instruction-body';
import type { RegionNode } from './region-graph';
import { Rounding } from './rounding';
import { VectorRegisters } from './vectors';

/** Views of the domain's memory. */
export interface MemoryViews {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly i64: BigInt64Array;
}

export function viewsOf(buffer: SharedArrayBuffer): MemoryViews {
  return {
    u8: new Uint8Array(buffer),
    u16: new Uint16Array(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    i64: new BigInt64Array(buffer),
  };
}

/** What is known of the last flag setter: its kind, `raw` (flags as bits), two doubles compared (also kept as bits), or nothing. */
export type KnownFlags =
  | { readonly kind: FlagKind; readonly bytes: number; readonly first: boolean }
  | 'raw'
  | 'compared'
  | undefined;

/** Where an access goes: a fixed distance from an address that others may share. */
export interface AccessPlace {
  readonly group: string;
  readonly offset: number;
}

/** Accesses of a block that one TLB check serves. Offsets are places'; `low` and `high` count from `offset`. */
export interface AccessGroup {
  readonly offset: number;
  low: number;
  high: number;
  /** Host address of `offset`. */
  readonly host: Local<'i32'>;
}

/** A register's value: a name for what it was, and how far constant steps have moved it since. */
export interface TrackedValue {
  readonly name: string;
  readonly moved: number;
}

/** Bytes that one check reaches over: more would cross pages too often. */
const GROUP_SPAN = 256;

/** Helpers that regions call, numbered as they are first used: modules import them in this order. */
export class HelperImports {
  private readonly callees = new Map<HelperName, Callee>();

  callee(name: HelperName): Callee {
    let callee = this.callees.get(name);
    if (!callee) {
      callee = { index: this.callees.size, type: helperType(HELPERS[name]) };
      this.callees.set(name, callee);
    }
    return callee;
  }

  importTo(module: ModuleBuilder): void {
    for (const [name, { type }] of this.callees) module.import('helpers', name, type);
  }
}

/** Indirect branches out of a region until it is made anew with their targets. */
export const MISSES_UNTIL_REMADE = 10_000;

export class RegionState {
  readonly f = new FunctionBuilder(REGION_TYPE);
  readonly body = new InstructionBody(this.f);
  readonly tlb: Local<'i32'>;
  readonly vectors: VectorRegisters;
  readonly rounding: Rounding;
  readonly registers: GuestRegisters<RegionNode>;
  flags: KnownFlags;
  /** Somebody may see the flags that the instruction leaves. */
  flagsWanted = true;
  /** What the instruction that ends a node left: a condition or an address. */
  outcome: { taken?: I32; rip?: I64 } = {};
  /** The last instruction may have written guest memory by a helper, or MXCSR. */
  wroteMemory = false;
  loadedRounding = false;

  private readonly entryRip: Local<'i64'>;
  /** Undefined: it is in memory. */
  private readonly budget: Local<'i32'> | undefined;
  private readonly exit: Local<'i64'>;
  private readonly tracked = new Map<number, TrackedValue>();
  private writes = 0;
  private readonly groups = new Map<string, AccessGroup>();
  private readonly hosts: Local<'i32'>[] = [];
  private hostsUsed = 0;
  private firstLocal: Local<'i64'> | undefined;
  private comparedLocals: readonly [Local<'f64'>, Local<'f64'>] | undefined;
  /** S_RIP is not the entry's any more. */
  private ripChanged = false;
  private leaveAt!: Label;

  constructor(
    readonly memory: MemoryViews,
    readonly long: boolean,
    readonly base: number,
    private readonly imports: HelperImports,
    /** One TLB check may serve several accesses of a block. */
    readonly grouping: boolean,
    /** Registers, flags and the budget are in locals (guest-registers.ts). */
    inLocals: boolean,
  ) {
    const { f } = this;
    this.registers = new GuestRegisters(f, this.body, base, inLocals);
    this.tlb = f.local('i32');
    this.entryRip = f.local('i64');
    this.budget = inLocals ? f.local('i32') : undefined;
    this.exit = f.local('i64');
    this.vectors = new VectorRegisters(f, this.body);
    this.rounding = new Rounding(f, base);
  }

  private at(offset: number): I32 {
    return i32.const(this.base + offset);
  }

  helper(name: HelperName): Callee {
    return this.imports.callee(name);
  }

  /** An instruction begins. */
  beginBody(): void {
    this.ripChanged = false;
    this.body.begin();
  }

  /** First operand of a SUB, while `flags` says so. */
  get flagFirst(): Local<'i64'> {
    return (this.firstLocal ??= this.f.persistentLocal('i64'));
  }

  /** The doubles of `compared` flags. */
  get compared(): readonly [Local<'f64'>, Local<'f64'>] {
    const { f } = this;
    return (this.comparedLocals ??= [f.persistentLocal('f64'), f.persistentLocal('f64')]);
  }

  /** A register has another value. */
  modifies(offset: number): void {
    this.tracked.set(offset, { name: `${offset}#${++this.writes}`, moved: 0 });
  }

  /** What is known of a register, by its state offset. */
  track(offset: number): TrackedValue {
    return this.tracked.get(offset) ?? { name: String(offset), moved: 0 };
  }

  /** The register is `before`, moved by a constant. */
  moved(offset: number, before: TrackedValue, by: number): void {
    this.tracked.set(offset, { name: before.name, moved: before.moved + by });
  }

  /** A node begins: checks of others do not hold. */
  forgetGroups(): void {
    this.groups.clear();
    this.hostsUsed = 0;
  }

  /** The group that can serve an access, widened to do so. A check for writing serves reads, too. */
  checkedGroup(place: AccessPlace, bytes: number, array: number): AccessGroup | undefined {
    const writes = `${place.group} ${L.TLB_WRITE}`;
    const found = this.groups.get(writes) ?? this.groups.get(`${place.group} ${array}`);
    if (!found) return undefined;
    const low = Math.min(found.low, place.offset - found.offset);
    const high = Math.max(found.high, place.offset - found.offset + bytes);
    if (high - low > GROUP_SPAN) return undefined;
    found.low = low;
    found.high = high;
    return found;
  }

  openGroup(place: AccessPlace, bytes: number, array: number): AccessGroup {
    const host = (this.hosts[this.hostsUsed++] ??= this.f.persistentLocal('i32'));
    const group = { offset: place.offset, low: 0, high: bytes, host };
    this.groups.set(`${place.group} ${array}`, group);
    return group;
  }

  /** RIP at a distance from the region's entry. */
  rip(distance: number): I64 {
    const sum = i64.add(this.entryRip.get, i64.const(distance));
    return this.long ? sum : i64.and(sum, i64.const(0xffffffffn));
  }

  /** Everything a fault in a helper must find in vcpu state. */
  beforeHelper(site: { uop: number; blockAt: number }): void {
    const { f } = this;
    f.do(i32.store(this.at(L.S_UOP), i32.const(site.uop)));
    f.do(i64.store(this.at(L.S_BLOCK_RIP), this.rip(site.blockAt)));
    this.storeState();
    f.later(() => this.vectors.stores(this.base));
  }

  afterHelper(name: HelperName, far: boolean): void {
    if (!far && !STATEFUL_HELPERS.has(name)) return;
    this.flags = undefined;
    this.tracked.clear();
    this.groups.clear();
    this.registers.reload();
    this.vectors.forget();
    this.f.later(() => this.vectors.loads(this.base));
  }

  /** Makes general registers and flags in memory right, and the locals of vectors, whose stores come later. */
  private storeRegisters(): void {
    this.vectors.flush();
    this.registers.flushRegisters();
    this.registers.flushFlags();
  }

  /** The budget as well. */
  private storeState(): void {
    if (this.budget) this.f.do(i32.store(this.at(L.S_BUDGET), this.budget.get));
    this.storeRegisters();
  }

  /** Takes a node's instructions from the budget. */
  spend(instructions: number): void {
    const at = this.at(L.S_BUDGET);
    const rest = (budget: I32): I32 => i32.sub(budget, i32.const(instructions));
    if (this.budget) this.f.set(this.budget, rest(this.budget.get));
    else this.f.do(i32.store(at, rest(i32.load(at))));
  }

  /** Leaves for `distance` from the entry with `undone` instructions of the node not executed. */
  leave(distance: number, undone: number, interpret: boolean): void {
    if (interpret) this.f.unlikely();
    this.storeState();
    if (this.ripChanged) this.f.do(i64.store(this.at(L.S_RIP), this.rip(distance)));
    const moved = this.ripChanged ? 0 : distance * 2 ** EXIT_DISTANCE_SHIFT;
    this.return(moved + (interpret ? EXIT_INTERPRET : 0) + undone);
  }

  /** Leaves for an address known at run time. */
  leaveTo(rip: I64): void {
    this.f.do(i64.store(this.at(L.S_RIP), rip));
    this.storeState();
    this.return(0);
  }

  /** Returns an exit word; by way of the common end if there are vectors to store. */
  private return(word: number): void {
    const { f } = this;
    const levels = f.nesting - this.leaveAt.depth;
    f.later(() =>
      this.vectors.areModified
        ? [setLocal(this.exit, i64.const(word)), branchOut(levels)]
        : [returnValue(i64.const(word))],
    );
  }

  /** Leaves for an address that is noted in the block's profile at `table`. */
  leaveNoting(rip: I64, table: number): void {
    this.f.do(i64.store(targetSlot(rip), rip, table + L.TARGETS_LIST));
    this.leaveTo(rip);
  }

  /** The same for an indirect branch; where it goes elsewhere often, the region that begins with `entry` is made anew. */
  leaveIndirect(rip: I64, table: number, entry: number): void {
    const { f } = this;
    const left = f.let(i32.sub(i32.load(i32.const(table)), i32.const(1)));
    f.do(i32.store(i32.const(table), left));
    f.if(i32.eqz(left), () => {
      f.unlikely();
      f.do(callStatement(this.helper('remakeRegion'), [i32.const(entry)]));
    });
    this.leaveNoting(rip, table);
  }

  /** Before an instruction that may change the mode: S_RIP is the next one's unless a helper says otherwise. */
  storeNextRip(distance: number): void {
    this.f.do(i64.store(this.at(L.S_RIP), this.rip(distance)));
    this.ripChanged = true;
  }

  /** Leaves behind such an instruction, whose helper was given the budget. */
  leaveFar(): void {
    this.storeRegisters();
    this.return(EXIT_FAR);
  }

  /** On the way back to a loop's head: leaves when the budget is used up or somebody wants the vcpu. */
  poll(distance: number): void {
    const budget = this.budget?.get ?? i32.load(this.at(L.S_BUDGET));
    const spent = i32.shrU(budget, i32.const(31));
    this.f.if(i32.or(spent, i32.load(this.at(L.S_REQUEST))), () => {
      this.f.unlikely();
      this.leave(distance, 0, false);
    });
  }

  /** Behind a helper that wrote guest memory: leaves if code of a region was overwritten. */
  checkCode(distance: number, undone: number): void {
    this.f.if(i32.load(this.at(L.S_CODE_CHANGED)), () => {
      this.f.unlikely();
      this.f.do(i32.store(this.at(L.S_CODE_CHANGED), i32.const(0)));
      this.leave(distance, undone, false);
    });
  }

  /** Writes the function around `body`. */
  build(body: () => void): FunctionBuilder {
    const { f } = this;
    if (!this.long) this.demandFlatSegments();
    f.later(() => this.rounding.prologue());
    f.set(this.entryRip, i64.load(this.at(L.S_RIP)));
    if (this.budget) f.set(this.budget, i32.load(this.at(L.S_BUDGET)));
    f.set(this.tlb, i32.load(this.at(L.S_TLB)));
    f.later(() => this.vectors.loads(this.base));
    f.block((leaveAt) => {
      this.leaveAt = leaveAt;
      body();
    });
    f.later(() => this.vectors.stores(this.base));
    f.return(this.exit.get);
    f.unreachable();
    return f;
  }

  /** Legacy code is translated for flat segments with base 0 and a 32-bit stack, as all systems of our time set them up. */
  private demandFlatSegments(): void {
    const { f } = this;
    const bases = [L.SEG_ES, L.SEG_CS, L.SEG_SS, L.SEG_DS].map((segment) =>
      i32.load(this.at(L.S_SEG_BASE + segment * 8)),
    );
    const narrow = i32.xor(i32.load(this.at(L.S_STACK_MASK)), i32.const(-1));
    const based = bases.reduce((a, b) => i32.or(a, b));
    const checked = i32.load(this.at(L.S_STACK_CHECK));
    f.if(i32.or(i32.or(narrow, checked), based), () => f.return(i64.const(EXIT_INTERPRET)));
  }
}
