/** What the translator's own versions of instruction definitions (inline-*.ts) may use beyond OpContext. */
import { f32, f64, v128, type F32, type F64, type I32, type V128 } from '../../wasm';
import type { OpContext } from '../ops/context';
import type { Range } from './float-range';
import type { Rounding } from './rounding';
import type { Lane, VectorRegisters } from './vectors';

export interface InlineSite extends OpContext {
  readonly vectors: VectorRegisters;
  readonly rounding: Rounding;
  /** State offset of a register operand. */
  slot(i: number): number;
  /** Host address of a memory operand that is in the TLB for reading, its alignment checked where the instruction wants it. */
  hostOf(i: number): I32;
  /** Leaves the region before this instruction; the interpreter runs it. */
  retreat(): void;
  /** `retreat` because of what floating-point operands are. */
  retreatFloat(): void;
  /** Leaves the region behind this instruction, the last of its block. */
  leaveBehind(): void;
  /** Accesses go by a TLB mode of the supervisor (TLB_MODE_*) from here on. */
  useTlbMode(mode: I32): void;
  /** COMISD's flags of two numbers, which are in order. */
  setCompareFlags(first: F64, second: F64): void;
}

/** Emits an instruction; false leaves it to its definition (nothing has been emitted then). */
export type Inline = (c: InlineSite) => boolean;

/** A double, and what is known of it. */
export interface Double {
  readonly value: F64;
  readonly range: Range | undefined;
  readonly learn: (range: Range) => void;
}

/** A single. */
export interface Single {
  readonly value: F32;
  /** Zero or a normal number. */
  readonly known: boolean;
  readonly learn: () => void;
}

/** Four singles; bit n of `known`: lane n is zero or a normal number. */
export interface Quad {
  readonly value: V128;
  readonly known: number;
  readonly learn: () => void;
}

/** Both doubles of an operand. */
export interface Pair {
  readonly value: V128;
  readonly ranges: readonly [Range | undefined, Range | undefined];
  readonly learn: (lane: Lane, range: Range) => void;
}

const forgets = (): void => undefined;

/** The low double of operand `i`. */
export function doubleOf(c: InlineSite, i: number): Double {
  if (c.forms[i].kind === 'm')
    return { value: c.let(f64.load(c.hostOf(i))), range: undefined, learn: forgets };
  const at = c.slot(i);
  return {
    value: c.vectors.low(at),
    range: c.vectors.range(at, 0),
    learn: (range) => c.vectors.learn(at, 0, range),
  };
}

const lowSingle = v128.extract('f32', 31, 0);

/** The lowest single of operand `i`. */
export function singleOf(c: InlineSite, i: number): Single {
  if (c.forms[i].kind === 'm')
    return { value: c.let(f32.load(c.hostOf(i))), known: false, learn: forgets };
  const at = c.slot(i);
  const known = c.vectors.singles(at);
  return {
    value: c.let(lowSingle(c.vectors.get(at))),
    known: (known & 1) !== 0,
    learn: () => c.vectors.learnSingles(at, c.vectors.singles(at) | 1),
  };
}

export function quadOf(c: InlineSite, i: number): Quad {
  if (c.forms[i].kind === 'm')
    return { value: c.let(v128.load(c.hostOf(i))), known: 0, learn: forgets };
  const at = c.slot(i);
  return {
    value: c.vectors.get(at),
    known: c.vectors.singles(at),
    learn: () => c.vectors.learnSingles(at, 15),
  };
}

export function pairOf(c: InlineSite, i: number): Pair {
  if (c.forms[i].kind === 'm') {
    const value = c.let(v128.load(c.hostOf(i)));
    return { value, ranges: [undefined, undefined], learn: forgets };
  }
  const at = c.slot(i);
  return {
    value: c.vectors.get(at),
    ranges: [c.vectors.range(at, 0), c.vectors.range(at, 1)],
    learn: (lane, range) => c.vectors.learn(at, lane, range),
  };
}
