/**
 * XMM registers of a region: a v128 local each and, while scalar code uses it, the low double in a local of its own;
 * the two are put together when somebody wants all of it. And what is known of the doubles (float-range.ts).
 */
import { assert } from '../../base';
import {
  f64,
  i32,
  i64,
  setLocal,
  v128,
  type F32,
  type F64,
  type I32,
  type I64,
  type V128,
} from '../../wasm';
import type { FunctionBuilder, Local, Statement } from '../../wasm';
import * as L from '../layout';
import type { Range } from './float-range';
import type { InstructionBody } from './instruction-body';

export type Lane = 0 | 1;

/** `clean`: the vector local is complete. `low`: its low double is stale. `zero`: all of it is, and the high half is zero. */
interface Kept {
  readonly state: 'clean' | 'low' | 'zero';
  /** The low double's local holds it. */
  readonly hasLow: boolean;
  readonly ranges: readonly [Range | undefined, Range | undefined];
  /** Bit n: as a single, lane n is zero or a normal number. */
  readonly singles: number;
}

const UNKNOWN: Kept = { state: 'clean', hasLow: false, ranges: [undefined, undefined], singles: 0 };

/** What a node left, for those that only it leads to. */
export type VectorSnapshot = ReadonlyMap<number, Kept>;

const ZERO = v128.const(0n, 0n);
export const lowDouble = v128.extract('f64', 33, 0);
export const highDouble = v128.extract('f64', 33, 1);
export const withLowDouble = v128.replace<'f64'>(34, 0);
const withLowSingle = v128.replace<'f32'>(32, 0);
export const withHighDouble = v128.replace<'f64'>(34, 1);

export class VectorRegisters {
  private readonly vectors = new Map<number, Local<'v128'>>();
  private readonly lows = new Map<number, Local<'f64'>>();
  private kept = new Map<number, Kept>();
  private readonly modified = new Set<number>();

  constructor(
    private readonly f: FunctionBuilder,
    private readonly body: InstructionBody,
  ) {}

  static has(offset: number): boolean {
    return offset >= L.S_XMM && offset < L.S_XMM + 256;
  }

  private vector(offset: number): Local<'v128'> {
    let local = this.vectors.get(offset);
    if (!local) this.vectors.set(offset, (local = this.f.persistentLocal('v128')));
    return local;
  }

  private lowLocal(offset: number): Local<'f64'> {
    let local = this.lows.get(offset);
    if (!local) this.lows.set(offset, (local = this.f.persistentLocal('f64')));
    return local;
  }

  private of(offset: number): Kept {
    return this.kept.get(offset) ?? UNKNOWN;
  }

  private get certain(): boolean {
    return this.body.isCertain;
  }

  private whole(offset: number): V128 {
    const { state } = this.of(offset);
    if (state === 'clean') return this.vector(offset).get;
    const rest = state === 'zero' ? ZERO : this.vector(offset).get;
    return withLowDouble(rest, this.lowLocal(offset).get);
  }

  // --- reading

  get(offset: number): V128 {
    if (this.certain) this.complete(offset);
    return this.whole(offset);
  }

  /** Makes the vector local complete. */
  private complete(offset: number): void {
    const kept = this.of(offset);
    if (kept.state === 'clean') return;
    this.f.set(this.vector(offset), this.whole(offset));
    this.kept.set(offset, { ...kept, state: 'clean' });
  }

  low(offset: number): F64 {
    const kept = this.of(offset);
    if (kept.hasLow) return this.lowLocal(offset).get;
    const low = lowDouble(this.vector(offset).get);
    if (!this.certain) return low;
    const local = this.lowLocal(offset);
    this.f.set(local, low);
    this.kept.set(offset, { ...kept, hasLow: true });
    return local.get;
  }

  low64(offset: number): I64 {
    if (this.of(offset).state !== 'clean') return i64.reinterpretF64(this.lowLocal(offset).get);
    return v128.extract('i64', 29, 0)(this.vector(offset).get);
  }

  low32(offset: number): I32 {
    if (this.of(offset).state !== 'clean') return i32.wrap(this.low64(offset));
    return v128.extract('i32', 27, 0)(this.vector(offset).get);
  }

  high(offset: number): F64 {
    return this.of(offset).state === 'zero' ? f64.const(0) : highDouble(this.vector(offset).get);
  }

  // --- writing

  set(offset: number, value: V128, low?: Range, high?: Range): void {
    assert(this.certain, 'a vector register that is written always');
    this.f.set(this.vector(offset), value);
    this.modified.add(offset);
    this.kept.set(offset, { state: 'clean', hasLow: false, ranges: [low, high], singles: 0 });
  }

  /** All of it, of which `singles` are known (Kept). */
  setSingles(offset: number, value: V128, singles: number): void {
    this.set(offset, value);
    this.learnSingles(offset, singles);
  }

  /** The lowest single; the others stay. */
  setLowSingle(offset: number, value: F32, known: boolean): void {
    const { singles, ranges } = this.of(offset);
    this.set(offset, withLowSingle(this.get(offset), value), undefined, ranges[1]);
    this.learnSingles(offset, known ? singles | 1 : singles & ~1);
  }

  /** The low double; the high one stays. */
  setLow(offset: number, value: F64, range?: Range): void {
    assert(this.certain, 'a vector register that is written always');
    const { state, ranges, singles } = this.of(offset);
    this.vector(offset);
    this.f.set(this.lowLocal(offset), value);
    this.modified.add(offset);
    const next = state === 'zero' ? 'zero' : 'low';
    const rest = singles & 12;
    this.kept.set(offset, { state: next, hasLow: true, ranges: [range, ranges[1]], singles: rest });
  }

  /** One register becomes another: no code where locals are concerned. */
  copy(to: number, from: number): void {
    if (to === from) return;
    const kept = this.of(from);
    this.modified.add(to);
    if (kept.state !== 'zero') this.f.set(this.vector(to), this.vector(from).get);
    else this.vector(to);
    if (kept.hasLow) this.f.set(this.lowLocal(to), this.lowLocal(from).get);
    this.kept.set(to, kept);
  }

  // --- ranges

  range(offset: number, lane: Lane): Range | undefined {
    return this.of(offset).ranges[lane];
  }

  /** A check has shown that a lane is within a range. */
  learn(offset: number, lane: Lane, range: Range): void {
    const kept = this.of(offset);
    const ranges: [Range | undefined, Range | undefined] = [...kept.ranges];
    ranges[lane] = range;
    this.kept.set(offset, { ...kept, ranges });
  }

  singles(offset: number): number {
    return this.of(offset).singles;
  }

  learnSingles(offset: number, singles: number): void {
    this.kept.set(offset, { ...this.of(offset), singles });
  }

  // --- edges

  /** Completes all vector locals: behind this, others read them. On a conditional way, what is known stays as it was. */
  flush(): void {
    for (const [offset, kept] of this.kept) {
      if (kept.state === 'clean') continue;
      this.f.set(this.vector(offset), this.whole(offset));
      if (this.certain) this.kept.set(offset, { ...kept, state: 'clean' });
    }
  }

  /** The vector locals were loaded anew, or nodes with other knowledge lead here. */
  forget(): void {
    if (this.certain) this.kept.clear();
  }

  snapshot(): VectorSnapshot {
    return new Map(this.kept);
  }

  restore(snapshot: VectorSnapshot): void {
    this.kept = new Map(snapshot);
  }

  get areModified(): boolean {
    return this.modified.size > 0;
  }

  stores(base: number): Statement[] {
    return [...this.vectors]
      .filter(([offset]) => this.modified.has(offset))
      .map(([offset, local]) => v128.store(i32.const(base + offset), local.get));
  }

  loads(base: number): Statement[] {
    return [...this.vectors].map(([offset, local]) =>
      setLocal(local, v128.load(i32.const(base + offset))),
    );
  }
}
