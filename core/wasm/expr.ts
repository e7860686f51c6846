/**
 * Typed WebAssembly expressions: a value is the code that pushes it. Operators are rows of opcode numbers
 * (WebAssembly Core 2.0 section 5.4); what an operator takes and gives is checked by TypeScript.
 */
import { signedLeb, unsignedLeb, type Code } from './encoding';

export type ValType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

export interface Expr<T extends ValType = ValType> {
  readonly type: T;
  readonly code: Code;
  /** Set when the expression is an integer constant: its value, signed; a number for i32, a bigint for i64. */
  readonly value?: number | bigint | undefined;
}

/** Code with an effect and no value. */
export interface Statement {
  readonly code: Code;
}

export type I32 = Expr<'i32'>;
export type I64 = Expr<'i64'>;
export type F32 = Expr<'f32'>;
export type F64 = Expr<'f64'>;
export type V128 = Expr<'v128'>;

const unary =
  <A extends ValType, R extends ValType>(result: R, ...opcode: number[]) =>
  (a: Expr<A>): Expr<R> => ({ type: result, code: [a, opcode] });

const binary =
  <A extends ValType, R extends ValType>(result: R, ...opcode: number[]) =>
  (a: Expr<A>, b: Expr<A>): Expr<R> => ({ type: result, code: [a, b, opcode] });

type Fold = (a: bigint, b: bigint, bits: number) => bigint;
type Fold32 = (a: number, b: number) => number;

/** Integer operators of constants, by position behind `clz` in the opcode table (rotates are left alone). */
const FOLDS: Readonly<Partial<Record<number, Fold>>> = {
  3: (a, b) => a + b,
  4: (a, b) => a - b,
  5: (a, b) => a * b,
  10: (a, b) => a & b,
  11: (a, b) => a | b,
  12: (a, b) => a ^ b,
  13: (a, b) => a << (b & 63n),
  14: (a, b) => a >> (b & 63n),
  15: (a, b) => BigInt.asUintN(64, a) >> (b & 63n),
};
const FOLDS32: Readonly<Partial<Record<number, Fold32>>> = {
  3: (a, b) => a + b,
  4: (a, b) => a - b,
  5: Math.imul,
  10: (a, b) => a & b,
  11: (a, b) => a | b,
  12: (a, b) => a ^ b,
  13: (a, b) => a << b,
  14: (a, b) => a >> b,
  15: (a, b) => a >>> b,
};

/** Comparisons of constants, by position behind `eqz`. */
const COMPARES: Readonly<
  Partial<Record<number, (a: number | bigint, b: number | bigint) => boolean>>
> = {
  1: (a, b) => a === b,
  2: (a, b) => a !== b,
  3: (a, b) => a < b,
  9: (a, b) => a >= b,
};

/** Operators that give their first operand when the second is zero. */
const ZERO_KEEPS = new Set([3, 4, 11, 12, 13, 14, 15, 16, 17]);

/** Alignment hint 0, and the offset. */
const alignAnd = (offset: number): readonly number[] => {
  if (offset === 0) return NO_OFFSET;
  return [0, ...unsignedLeb(offset)];
};
const NO_OFFSET = [0, 0];

const load =
  <R extends ValType>(result: R, ...opcode: number[]) =>
  (address: I32, offset = 0): Expr<R> => ({
    type: result,
    code: [address, opcode, alignAnd(offset)],
  });

const store =
  <A extends ValType>(...opcode: number[]) =>
  (address: I32, value: Expr<A>, offset = 0): Statement => ({
    code: [address, value, opcode, alignAnd(offset)],
  });

/** Operators that 32- and 64-bit integers share, so that one definition serves several operand sizes. */
export interface WordOps<T extends 'i32' | 'i64'> {
  const(value: number | bigint): Expr<T>;
  eqz(a: Expr<T>): I32;
  eq(a: Expr<T>, b: Expr<T>): I32;
  ne(a: Expr<T>, b: Expr<T>): I32;
  ltS(a: Expr<T>, b: Expr<T>): I32;
  ltU(a: Expr<T>, b: Expr<T>): I32;
  gtS(a: Expr<T>, b: Expr<T>): I32;
  gtU(a: Expr<T>, b: Expr<T>): I32;
  leS(a: Expr<T>, b: Expr<T>): I32;
  leU(a: Expr<T>, b: Expr<T>): I32;
  geS(a: Expr<T>, b: Expr<T>): I32;
  geU(a: Expr<T>, b: Expr<T>): I32;
  clz(a: Expr<T>): Expr<T>;
  ctz(a: Expr<T>): Expr<T>;
  popcnt(a: Expr<T>): Expr<T>;
  add(a: Expr<T>, b: Expr<T>): Expr<T>;
  sub(a: Expr<T>, b: Expr<T>): Expr<T>;
  mul(a: Expr<T>, b: Expr<T>): Expr<T>;
  /** Divisions trap for 0, and the signed one for the lowest number by -1. */
  divS(a: Expr<T>, b: Expr<T>): Expr<T>;
  divU(a: Expr<T>, b: Expr<T>): Expr<T>;
  and(a: Expr<T>, b: Expr<T>): Expr<T>;
  or(a: Expr<T>, b: Expr<T>): Expr<T>;
  xor(a: Expr<T>, b: Expr<T>): Expr<T>;
  shl(a: Expr<T>, b: Expr<T>): Expr<T>;
  shrS(a: Expr<T>, b: Expr<T>): Expr<T>;
  shrU(a: Expr<T>, b: Expr<T>): Expr<T>;
  rotl(a: Expr<T>, b: Expr<T>): Expr<T>;
  rotr(a: Expr<T>, b: Expr<T>): Expr<T>;
}

function wordOps<T extends 'i32' | 'i64'>(
  type: T,
  constOpcode: number,
  compare: number,
  count: number,
): WordOps<T> {
  const narrow = type === 'i32';
  const constant = (value: number | bigint): Expr<T> => {
    const cut = narrow ? toInt32(value) : BigInt.asIntN(64, BigInt(value));
    return { type, code: [[constOpcode, ...signedLeb(cut)]], value: cut };
  };
  const test = (n: number): ((a: Expr<T>, b: Expr<T>) => I32) => {
    const plain = binary<T, 'i32'>('i32', compare + n);
    const fold = COMPARES[n];
    return (a, b) =>
      fold && a.value !== undefined && b.value !== undefined
        ? boolean(fold(a.value, b.value))
        : plain(a, b);
  };
  const arith = (n: number): ((a: Expr<T>, b: Expr<T>) => Expr<T>) => {
    const plain = binary<T, T>(type, count + n);
    const fold = narrow ? (FOLDS32[n] as Fold | Fold32 | undefined) : FOLDS[n];
    return (a, b) => {
      if (b.value !== undefined) {
        if (fold && a.value !== undefined)
          return constant((fold as (x: unknown, y: unknown) => number | bigint)(a.value, b.value));
        if (!b.value && ZERO_KEEPS.has(n)) return a;
      } else if (n === 3 && a.value !== undefined && !a.value) return b;
      return plain(a, b);
    };
  };
  const isZero = unary<T, 'i32'>('i32', compare);
  return {
    const: constant,
    eqz: (a) => (a.value === undefined ? isZero(a) : boolean(!a.value)),
    eq: test(1),
    ne: test(2),
    ltS: test(3),
    ltU: test(4),
    gtS: test(5),
    gtU: test(6),
    leS: test(7),
    leU: test(8),
    geS: test(9),
    geU: test(10),
    clz: unary(type, count),
    ctz: unary(type, count + 1),
    popcnt: unary(type, count + 2),
    add: arith(3),
    sub: arith(4),
    mul: arith(5),
    divS: arith(6),
    divU: arith(7),
    and: arith(10),
    or: arith(11),
    xor: arith(12),
    shl: arith(13),
    shrS: arith(14),
    shrU: arith(15),
    rotl: arith(16),
    rotr: arith(17),
  };
}

const boolean = (value: boolean): I32 => ({
  type: 'i32',
  code: [[0x41, value ? 1 : 0]],
  value: value ? 1 : 0,
});

/** The low 32 bits, signed. */
function toInt32(value: number | bigint): number {
  return typeof value === 'number' ? value | 0 : Number(BigInt.asIntN(32, value));
}

/** A conversion that keeps constants constant. */
const convert =
  <A extends ValType>(
    plain: (a: Expr<A>) => Expr<'i32' | 'i64'>,
    constant: (value: number | bigint) => Expr<'i32' | 'i64'>,
  ) =>
  (a: Expr<A>): Expr<'i32' | 'i64'> =>
    a.value === undefined ? plain(a) : constant(a.value);

const word32 = wordOps('i32', 0x41, 0x45, 0x67);
const word64 = wordOps('i64', 0x42, 0x50, 0x79);

export const i32 = {
  ...word32,
  wrap: convert<'i64'>(unary('i32', 0xa7), (v) => word32.const(v)) as (a: Expr<'i64'>) => I32,
  extend8S: unary<'i32', 'i32'>('i32', 0xc0),
  extend16S: unary<'i32', 'i32'>('i32', 0xc1),
  reinterpretF32: unary<'f32', 'i32'>('i32', 0xbc),
  /** Traps for NaNs and what does not fit. */
  truncF64S: unary<'f64', 'i32'>('i32', 0xaa),
  truncF32S: unary<'f32', 'i32'>('i32', 0xa8),
  load: load('i32', 0x28),
  load8S: load('i32', 0x2c),
  load8U: load('i32', 0x2d),
  load16S: load('i32', 0x2e),
  load16U: load('i32', 0x2f),
  store: store<'i32'>(0x36),
  store8: store<'i32'>(0x3a),
  store16: store<'i32'>(0x3b),
} as const;

export const i64 = {
  ...word64,
  extendS: convert<'i32'>(unary('i64', 0xac), (v) => word64.const(v)) as (a: I32) => Expr<'i64'>,
  extendU: convert<'i32'>(unary('i64', 0xad), (v) => word64.const(Number(v) >>> 0)) as (
    a: I32,
  ) => Expr<'i64'>,
  extend8S: unary<'i64', 'i64'>('i64', 0xc2),
  extend16S: unary<'i64', 'i64'>('i64', 0xc3),
  extend32S: unary<'i64', 'i64'>('i64', 0xc4),
  reinterpretF64: unary<'f64', 'i64'>('i64', 0xbd),
  /** Traps for NaNs and what does not fit. */
  truncF64S: unary<'f64', 'i64'>('i64', 0xb0),
  truncF32S: unary<'f32', 'i64'>('i64', 0xae),
  load: load('i64', 0x29),
  load8S: load('i64', 0x30),
  load8U: load('i64', 0x31),
  load16S: load('i64', 0x32),
  load16U: load('i64', 0x33),
  load32S: load('i64', 0x34),
  load32U: load('i64', 0x35),
  store: store<'i64'>(0x37),
  store8: store<'i64'>(0x3c),
  store16: store<'i64'>(0x3d),
  store32: store<'i64'>(0x3e),
} as const;

/** Eight bytes of a double, four of a single, lowest first. */
function floatBytes(value: number, double: boolean): number[] {
  const view = new DataView(new ArrayBuffer(8));
  if (double) view.setFloat64(0, value, true);
  else view.setFloat32(0, value, true);
  return [...new Uint8Array(view.buffer, 0, double ? 8 : 4)];
}

export const f32 = {
  const: (value: number): F32 => ({ type: 'f32', code: [[0x43, ...floatBytes(value, false)]] }),
  load: load('f32', 0x2a),
  store: store<'f32'>(0x38),
  reinterpretI32: unary<'i32', 'f32'>('f32', 0xbe),
  eq: binary<'f32', 'i32'>('i32', 0x5b),
  ne: binary<'f32', 'i32'>('i32', 0x5c),
  lt: binary<'f32', 'i32'>('i32', 0x5d),
  gt: binary<'f32', 'i32'>('i32', 0x5e),
  le: binary<'f32', 'i32'>('i32', 0x5f),
  ge: binary<'f32', 'i32'>('i32', 0x60),
  abs: unary<'f32', 'f32'>('f32', 0x8b),
  ceil: unary<'f32', 'f32'>('f32', 0x8d),
  floor: unary<'f32', 'f32'>('f32', 0x8e),
  trunc: unary<'f32', 'f32'>('f32', 0x8f),
  nearest: unary<'f32', 'f32'>('f32', 0x90),
  sqrt: unary<'f32', 'f32'>('f32', 0x91),
  add: binary<'f32', 'f32'>('f32', 0x92),
  sub: binary<'f32', 'f32'>('f32', 0x93),
  mul: binary<'f32', 'f32'>('f32', 0x94),
  div: binary<'f32', 'f32'>('f32', 0x95),
  convertI32S: unary<'i32', 'f32'>('f32', 0xb2),
  convertI64S: unary<'i64', 'f32'>('f32', 0xb4),
  demote: unary<'f64', 'f32'>('f32', 0xb6),
} as const;

export const f64 = {
  const: (value: number): F64 => ({ type: 'f64', code: [[0x44, ...floatBytes(value, true)]] }),
  load: load('f64', 0x2b),
  store: store<'f64'>(0x39),
  reinterpretI64: unary<'i64', 'f64'>('f64', 0xbf),
  eq: binary<'f64', 'i32'>('i32', 0x61),
  ne: binary<'f64', 'i32'>('i32', 0x62),
  lt: binary<'f64', 'i32'>('i32', 0x63),
  gt: binary<'f64', 'i32'>('i32', 0x64),
  le: binary<'f64', 'i32'>('i32', 0x65),
  ge: binary<'f64', 'i32'>('i32', 0x66),
  abs: unary<'f64', 'f64'>('f64', 0x99),
  ceil: unary<'f64', 'f64'>('f64', 0x9b),
  floor: unary<'f64', 'f64'>('f64', 0x9c),
  trunc: unary<'f64', 'f64'>('f64', 0x9d),
  nearest: unary<'f64', 'f64'>('f64', 0x9e),
  sqrt: unary<'f64', 'f64'>('f64', 0x9f),
  add: binary<'f64', 'f64'>('f64', 0xa0),
  sub: binary<'f64', 'f64'>('f64', 0xa1),
  mul: binary<'f64', 'f64'>('f64', 0xa2),
  div: binary<'f64', 'f64'>('f64', 0xa3),
  convertI32S: unary<'i32', 'f64'>('f64', 0xb7),
  convertI64S: unary<'i64', 'f64'>('f64', 0xb9),
  promote: unary<'f32', 'f64'>('f64', 0xbb),
} as const;

const simd = (n: number): number[] => [0xfd, ...unsignedLeb(n)];

/** Any SIMD operator by its number in section 5.4.8; the op tables name them. */
export const v128 = {
  load: load('v128', ...simd(0)),
  store: store<'v128'>(...simd(11)),
  /** The low 4 or 8 bytes, the others zero. */
  load32Zero: load('v128', ...simd(92)),
  load64Zero: load('v128', ...simd(93)),
  /** `low` in bits 0-63. */
  const: (low: bigint, high: bigint): V128 => ({
    type: 'v128',
    code: [
      simd(12),
      Array.from({ length: 16 }, (_, i) =>
        Number(((i < 8 ? low : high) >> BigInt((i % 8) * 8)) & 0xffn),
      ),
    ],
  }),
  shuffle: (a: V128, b: V128, lanes: readonly number[]): V128 => ({
    type: 'v128',
    code: [a, b, simd(13), lanes],
  }),
  unary: (opcode: number) => unary<'v128', 'v128'>('v128', ...simd(opcode)),
  binary: (opcode: number) => binary<'v128', 'v128'>('v128', ...simd(opcode)),
  bitselect: (a: V128, b: V128, mask: V128): V128 => ({
    type: 'v128',
    code: [a, b, mask, simd(82)],
  }),
  shift:
    (opcode: number) =>
    (a: V128, count: I32): V128 => ({
      type: 'v128',
      code: [a, count, simd(opcode)],
    }),
  splat: <A extends ValType>(opcode: number) => unary<A, 'v128'>('v128', ...simd(opcode)),
  extract: <R extends ValType>(result: R, opcode: number, lane: number) =>
    unary<'v128', R>(result, ...simd(opcode), lane),
  replace:
    <A extends ValType>(opcode: number, lane: number) =>
    (vector: V128, value: Expr<A>): V128 => ({
      type: 'v128',
      code: [vector, value, [...simd(opcode), lane]],
    }),
  bitmask: (opcode: number) => unary<'v128', 'i32'>('i32', ...simd(opcode)),
} as const;

const SELECT = [0x1b];

/** `condition ? a : b`, both evaluated. */
export function select<T extends 'i32' | 'i64' | 'f32' | 'f64'>(
  a: Expr<T>,
  b: Expr<T>,
  condition: I32,
): Expr<T> {
  if (condition.value !== undefined) return condition.value ? a : b;
  return { type: a.type, code: [a, b, condition, SELECT] };
}
