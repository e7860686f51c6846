/**
 * General registers and kept flags of a region. Code that runs for long has them in locals, loaded where a way first
 * needs them; vcpu state in memory is right again at the end of every node, so that a way out stores only what its own
 * node changed. Code that is compiled quickly and without optimization uses them in memory: V8's baseline compiler would
 * keep its locals there as well, and move all of them wherever ways meet.
 */
import { i32, i64, setLocal, type FunctionBuilder, type I32, type I64 } from '../../wasm';
import type { Local, Statement } from '../../wasm';
import * as L from '../layout';
import type { InstructionBody } from './instruction-body';

/** Where the kept flags are: in memory only; in locals, too; or only the locals are right. */
type FlagPlace = 'memory' | 'both' | 'locals';

interface FlagLocals {
  readonly kind: Local<'i32'>;
  readonly result: Local<'i64'>;
  readonly source: Local<'i64'>;
}

/** What holds on a way through a region. */
export interface RegisterState {
  /** General registers whose locals are right. */
  readonly held: ReadonlySet<number>;
  readonly flags: FlagPlace;
  /** The loop it holds in. */
  readonly loop: LoopScope | undefined;
}

/** A loop whose registers all are in their locals while it runs: those not `before` are loaded ahead of it. */
interface LoopScope {
  readonly before: ReadonlySet<number>;
  readonly used: Set<number>;
}

export class GuestRegisters<Loop extends object> {
  private readonly locals = new Map<number, Local<'i64'>>();
  private held = new Set<number>();
  /** Registers whose locals are ahead of memory. */
  private readonly changed = new Set<number>();
  private flags: FlagPlace = 'memory';
  private flagLocals: FlagLocals | undefined;
  private loop: LoopScope | undefined;
  private readonly loops = new Map<Loop, LoopScope>();

  constructor(
    private readonly f: FunctionBuilder,
    private readonly body: InstructionBody,
    /** Offset of vcpu state. */
    private readonly base: number,
    private readonly inLocals: boolean,
  ) {}

  /** A general register or S_TEMP by its state offset. */
  static has(offset: number): boolean {
    return offset < L.S_ZERO || offset === L.S_TEMP;
  }

  private get certain(): boolean {
    return this.body.isCertain;
  }

  private at(offset: number): I32 {
    return i32.const(this.base + offset);
  }

  private local(offset: number): Local<'i64'> {
    let local = this.locals.get(offset);
    if (!local) this.locals.set(offset, (local = this.f.persistentLocal('i64')));
    return local;
  }

  private load(offset: number): Statement {
    return setLocal(this.local(offset), i64.load(this.at(offset)));
  }

  private store(offset: number): Statement {
    return i64.store(this.at(offset), this.local(offset).get);
  }

  // --- general registers

  /** All 64 bits of a register's local; undefined when memory is to be read, as for all other state. */
  read(offset: number): I64 | undefined {
    if (!this.inLocals || !GuestRegisters.has(offset)) return undefined;
    const local = this.local(offset);
    if (this.loop) this.loop.used.add(offset);
    else if (!this.held.has(offset)) {
      this.f.do(this.load(offset));
      if (this.certain) this.held.add(offset);
    }
    return local.get;
  }

  /** All 64 bits. */
  write(offset: number, value: I64): void {
    if (!this.inLocals) {
      this.f.do(i64.store(this.at(offset), value));
      return;
    }
    this.f.set(this.local(offset), value);
    if (this.certain) {
      (this.loop?.used ?? this.held).add(offset);
      this.changed.add(offset);
    } else this.f.do(this.store(offset));
  }

  // --- flags

  private get flagPlaces(): FlagLocals {
    return (this.flagLocals ??= {
      kind: this.f.persistentLocal('i32'),
      result: this.f.persistentLocal('i64'),
      source: this.f.persistentLocal('i64'),
    });
  }

  /** RESULT of the kept flags (layout.ts), to be used before anything else is written. */
  get flagResult(): I64 {
    if (!this.inLocals) return i64.load(this.at(L.S_FLAG_RESULT));
    this.holdFlags();
    return this.flagPlaces.result.get;
  }

  get flagSource(): I64 {
    if (!this.inLocals) return i64.load(this.at(L.S_FLAG_SOURCE));
    this.holdFlags();
    return this.flagPlaces.source.get;
  }

  private holdFlags(): void {
    if (this.flags !== 'memory') return;
    for (const statement of this.flagLoads()) this.f.do(statement);
    if (this.certain) this.flags = 'both';
  }

  setFlags(kind: I32, result: I64, source: I64 | undefined): void {
    if (!this.inLocals || (this.flags === 'memory' && !this.certain)) {
      this.f.do(i32.store(this.at(L.S_FLAG_KIND), kind));
      this.f.do(i64.store(this.at(L.S_FLAG_RESULT), result));
      if (source) this.f.do(i64.store(this.at(L.S_FLAG_SOURCE), source));
      return;
    }
    const places = this.flagPlaces;
    this.f.set(places.kind, kind);
    this.f.set(places.result, result);
    if (source) this.f.set(places.source, source);
    this.flags = 'locals';
  }

  private flagLoads(): Statement[] {
    const { kind, result, source } = this.flagPlaces;
    return [
      setLocal(kind, i32.load(this.at(L.S_FLAG_KIND))),
      setLocal(result, i64.load(this.at(L.S_FLAG_RESULT))),
      setLocal(source, i64.load(this.at(L.S_FLAG_SOURCE))),
    ];
  }

  // --- memory and locals

  /** Makes the flags in memory right. */
  flushFlags(): void {
    if (this.flags !== 'locals') return;
    const { kind, result, source } = this.flagPlaces;
    this.f.do(i32.store(this.at(L.S_FLAG_KIND), kind.get));
    this.f.do(i64.store(this.at(L.S_FLAG_RESULT), result.get));
    this.f.do(i64.store(this.at(L.S_FLAG_SOURCE), source.get));
    if (this.certain) this.flags = 'both';
  }

  /** Makes the general registers in memory right. */
  flushRegisters(): void {
    for (const offset of this.changed) this.f.do(this.store(offset));
    if (this.certain) this.changed.clear();
  }

  /** Somebody else may have written all of it in memory, which `flush…` had made right. */
  reload(): void {
    if (this.loop) {
      const { used } = this.loop;
      this.f.later(() => [...used].map((offset) => this.load(offset)));
    } else if (this.certain) this.held.clear();
    else for (const offset of this.held) this.f.do(this.load(offset));
    if (this.certain) this.flags = 'memory';
    else if (this.flags !== 'memory') for (const load of this.flagLoads()) this.f.do(load);
  }

  // --- ways

  /** What holds now, for the ways that go on from here; to be asked for where registers are flushed. */
  get state(): RegisterState {
    const { loop, flags } = this;
    // What a loop does not use a helper in it may change: `before` does not hold behind it.
    return { held: new Set(loop ? loop.used : this.held), flags, loop };
  }

  restore({ held, flags, loop }: RegisterState): void {
    this.held = new Set(held);
    this.flags = flags;
    this.loop = loop;
  }

  /** Before a loop, whose other ways to its head are not known yet; with `scope` all that it uses is loaded here. */
  enterLoop(scope: Loop | undefined): void {
    this.flags = 'memory';
    if (!scope || !this.inLocals) {
      this.held.clear();
      return;
    }
    const loop: LoopScope = { before: new Set(this.held), used: new Set() };
    this.loops.set(scope, loop);
    this.f.later(() =>
      [...loop.used]
        .filter((offset) => !loop.before.has(offset))
        .map((offset) => this.load(offset)),
    );
  }

  /** A node begins, within that loop or none. */
  enterNode(scope: Loop | undefined): void {
    this.loop = scope && this.loops.get(scope);
  }
}

/** What holds where two ways meet. Flags are in memory there. */
export function meet(a: RegisterState, b: RegisterState): RegisterState {
  const held = new Set([...a.held].filter((offset) => b.held.has(offset)));
  return { held, flags: 'memory', loop: undefined };
}
