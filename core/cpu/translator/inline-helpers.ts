/**
 * Helpers whose work is a few operators once their immediates are known (helpers/lanes.ts, helpers/muldiv.ts): lane
 * choices become shuffles with constant lanes, 128-bit products are put together from 32-bit ones.
 */
import { i32, i64, v128, type Expr, type I32, type I64, type V128 } from '../../wasm';
import type { HelperName } from '../ops/helper-types';
import { ZERO } from '../ops/simd';

/** Keeps a value in a local, as it is used more than once. */
export type Keep = <T extends Expr>(value: T) => T;

/** The helper's value without the call; undefined when an argument is not known. */
type InlineHelper = (args: readonly Expr[], keep: Keep) => Expr | undefined;

const BYTES = [...Array(16).keys()];

/** Byte numbers of lanes of `bytes` bytes. */
const bytesOf = (bytes: number, lanes: readonly number[]): number[] =>
  lanes.flatMap((lane) => BYTES.slice(0, bytes).map((n) => lane * bytes + n));

/** Four lane numbers of two bits each. */
const quarters = (order: number): number[] => [0, 2, 4, 6].map((at) => (order >> at) & 3);

function shuffleBy(lanesOf: (immediate: number) => readonly number[]): InlineHelper {
  return (args) => {
    const immediate = args.at(-1)!.value;
    if (immediate === undefined) return undefined;
    const [a, b = a] = args.slice(0, -1) as V128[];
    return v128.shuffle(a, b, lanesOf(Number(immediate)));
  };
}

/** Lanes of the first operand, or where a bit of the mask is set of the second. */
const blend = (bytes: number): InlineHelper =>
  shuffleBy((mask) => {
    const lanes = BYTES.slice(0, 16 / bytes);
    return bytesOf(
      bytes,
      lanes.map((lane) => ((mask >> lane) & 1 ? lane + 16 / bytes : lane)),
    );
  });

/** Bytes from `count` on of a vector with zeros behind it (left: before it). */
function shiftBytes(left: boolean): InlineHelper {
  return ([v, immediate]) => {
    if (immediate.value === undefined) return undefined;
    const count = Math.min(Number(immediate.value) & 0xff, 16);
    const from = left ? 16 - count : count;
    const [low, high] = left ? [ZERO, v as V128] : [v as V128, ZERO];
    return v128.shuffle(
      low,
      high,
      BYTES.map((n) => n + from),
    );
  };
}

/** PALIGNR: bytes from `count` on of the second operand with the first above it and zeros above both. */
const alignRight: InlineHelper = ([a, b, immediate, register]) => {
  if (immediate.value === undefined) return undefined;
  const count = Number(immediate.value) & 0xff;
  const from = (offset: number): number[] => BYTES.map((n) => Math.min(n + offset, 31));
  if (register.value === 8) {
    const joined = v128.shuffle(b as V128, a as V128, bytesOf(8, [0, 2]));
    return v128.shuffle(joined, ZERO, from(count));
  }
  if (count < 16) return v128.shuffle(b as V128, a as V128, from(count));
  return v128.shuffle(a as V128, ZERO, from(count - 16));
};

/** Operators by lane size: { extract, replace }; extracts of bytes and words are unsigned. */
const LANE_OPERATORS: Readonly<Record<number, readonly [number, number]>> = {
  1: [22, 23],
  2: [25, 26],
  4: [27, 28],
  8: [29, 30],
};

/** The lane that an immediate names, cut to what the register has. */
function laneOf(lane: Expr, register: Expr, bytes: number): number | undefined {
  if (lane.value === undefined) return undefined;
  return Number(lane.value) & (Number(register.value) / bytes - 1);
}

const extractLane: InlineHelper = ([v, immediate, register, size]) => {
  const bytes = Number(size.value);
  const lane = laneOf(immediate, register, bytes);
  if (lane === undefined) return undefined;
  const [extract] = LANE_OPERATORS[bytes];
  if (bytes === 8) return v128.extract('i64', extract, lane)(v as V128);
  return i64.extendU(v128.extract('i32', extract, lane)(v as V128));
};

const insertLane: InlineHelper = ([v, value, immediate, register, size]) => {
  const bytes = Number(size.value);
  const lane = laneOf(immediate, register, bytes);
  if (lane === undefined) return undefined;
  const [, replace] = LANE_OPERATORS[bytes];
  if (bytes === 8) return v128.replace<'i64'>(replace, lane)(v as V128, value as I64);
  return v128.replace<'i32'>(replace, lane)(v as V128, i32.wrap(value as I64));
};

/** INSERTPS: a lane replaced, then those of bits 0-3 zeroed. */
const insertSingle: InlineHelper = ([v, value, immediate]) => {
  if (immediate.value === undefined) return undefined;
  const choice = Number(immediate.value);
  const placed = v128.replace<'i32'>(28, (choice >> 4) & 3)(v as V128, value as I32);
  if ((choice & 15) === 0) return placed;
  const lanes = [0, 1, 2, 3].map((lane) => ((choice >> lane) & 1 ? lane + 4 : lane));
  return v128.shuffle(placed, ZERO, bytesOf(4, lanes));
};

/** Bits 64-127 of a product of unsigned numbers. */
function highProduct(a: I64, b: I64, keep: Keep): I64 {
  const half = i64.const(32);
  const low = (v: I64): I64 => i64.and(v, i64.const(0xffffffffn));
  const high = (v: I64): I64 => i64.shrU(v, half);
  const [al, ah, bl, bh] = [keep(low(a)), keep(high(a)), keep(low(b)), keep(high(b))];
  const middle = keep(i64.add(i64.mul(ah, bl), high(i64.mul(al, bl))));
  const other = i64.add(i64.mul(al, bh), low(middle));
  return i64.add(i64.add(i64.mul(ah, bh), high(middle)), high(other));
}

const signOf = (value: I64): I64 => i64.shrS(value, i64.const(63));

/** Both from the unsigned one. */
function highProductSigned(a: I64, b: I64, keep: Keep): I64 {
  const taken = i64.add(i64.and(signOf(a), b), i64.and(signOf(b), a));
  return i64.sub(highProduct(a, b, keep), taken);
}

const INLINE_HELPERS: ReadonlyMap<HelperName, InlineHelper> = new Map([
  ['shuffleDwords', shuffleBy((order) => bytesOf(4, quarters(order)))],
  ['shuffleLowWords', shuffleBy((order) => bytesOf(2, [...quarters(order), 4, 5, 6, 7]))],
  [
    'shuffleHighWords',
    shuffleBy((order) => bytesOf(2, [0, 1, 2, 3, ...quarters(order).map((lane) => lane + 4)])),
  ],
  [
    'shuffleSingles',
    shuffleBy((order) => {
      const [a, b, c, d] = quarters(order);
      return bytesOf(4, [a, b, c + 4, d + 4]);
    }),
  ],
  ['shuffleDoubles', shuffleBy((order) => bytesOf(8, [order & 1, ((order >> 1) & 1) + 2]))],
  ['blendWords', blend(2)],
  ['blendDwords', blend(4)],
  ['blendQwords', blend(8)],
  ['shiftBytesLeft', shiftBytes(true)],
  ['shiftBytesRight', shiftBytes(false)],
  ['alignRight', alignRight],
  ['extractLane', extractLane],
  ['insertLane', insertLane],
  ['insertSingle', insertSingle],
  ['mulHighU', ([a, b], keep) => highProduct(a as I64, b as I64, keep)],
  ['mulHighS', ([a, b], keep) => highProductSigned(a as I64, b as I64, keep)],
]);

/** A helper's value by operators; undefined where it must be called. Arguments are used more than once. */
export function inlineHelper(
  name: HelperName,
  args: readonly Expr[],
  keep: Keep,
): Expr | undefined {
  return INLINE_HELPERS.get(name)?.(args, keep);
}
