/** Moves of XMM registers and their halves that keep what is known of the doubles in them (SDM Vol. 2). */
import { f64, v128, type F64 } from '../../wasm';
import { ZERO_RANGE, type Range } from './float-range';
import { doubleOf, pairOf, singleOf, type Inline, type InlineSite } from './inline-site';
import { highDouble, withHighDouble } from './vectors';

const splat = v128.splat<'f64'>(20);
const ZERO = v128.const(0n, 0n);

const registers = (c: InlineSite): boolean => c.forms[0].kind === 'x' && c.forms[1].kind === 'x';
const fromMemory = (c: InlineSite): boolean => c.forms[0].kind === 'x' && c.forms[1].kind === 'm';

const moveAll: Inline = (c) => {
  if (!registers(c)) return false;
  c.vectors.copy(c.slot(0), c.slot(1));
  return true;
};

/** MOVSD: from memory the high half is zeroed, between registers it stays. */
const moveLow: Inline = (c) => {
  const { vectors } = c;
  if (fromMemory(c)) {
    vectors.set(c.slot(0), v128.load64Zero(c.hostOf(1)), undefined, ZERO_RANGE);
    return true;
  }
  if (!registers(c)) return false;
  const from = doubleOf(c, 1);
  vectors.setLow(c.slot(0), from.value, from.range);
  return true;
};

/** MOVSS. */
const moveLowSingle: Inline = (c) => {
  const { vectors } = c;
  // From memory the rest is zeroed, between registers it stays.
  if (fromMemory(c)) vectors.setSingles(c.slot(0), v128.load32Zero(c.hostOf(1)), 14);
  else if (registers(c)) {
    const from = singleOf(c, 1);
    vectors.setLowSingle(c.slot(0), from.value, from.known);
  } else return false;
  return true;
};

/** MOVLPD and MOVHLPS. */
const moveIntoLow: Inline = (c) => {
  const { vectors } = c;
  if (fromMemory(c)) vectors.setLow(c.slot(0), f64.load(c.hostOf(1)));
  else if (registers(c))
    vectors.setLow(c.slot(0), vectors.high(c.slot(1)), vectors.range(c.slot(1), 1));
  else return false;
  return true;
};

/** MOVHPD and MOVLHPS. */
const moveIntoHigh: Inline = (c) => {
  if (c.forms[0].kind !== 'x') return false;
  const from = doubleOf(c, 1);
  intoHigh(c, from.value, from.range);
  return true;
};

function intoHigh(c: InlineSite, value: F64, range: Range | undefined): void {
  const { vectors } = c;
  const low = vectors.range(c.slot(0), 0);
  vectors.set(c.slot(0), withHighDouble(vectors.get(c.slot(0)), value), low, range);
}

const duplicate: Inline = (c) => {
  const from = doubleOf(c, 1);
  c.vectors.set(c.slot(0), splat(from.value), from.range, from.range);
  return true;
};

/** UNPCKLPD. */
const unpackLow: Inline = (c) => {
  if (!registers(c)) return false;
  if (c.slot(0) === c.slot(1)) return duplicate(c);
  return moveIntoHigh(c);
};

/** UNPCKHPD. */
const unpackHigh: Inline = (c) => {
  if (!registers(c)) return false;
  const { vectors } = c;
  const [to, from] = [c.slot(0), c.slot(1)];
  const ranges = [vectors.range(to, 1), vectors.range(from, 1)];
  const a = vectors.get(to);
  const b = vectors.get(from);
  const shuffled = v128.shuffle(
    a,
    b,
    [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31],
  );
  vectors.set(to, to === from ? splat(highDouble(a)) : shuffled, ...ranges);
  return true;
};

/** SHUFPD: a double of each operand. */
const shuffle: Inline = (c) => {
  const order = Number(c.immediate().value);
  const b = pairOf(c, 1);
  const a = pairOf(c, 0);
  const low = order & 1 ? 1 : 0;
  const high = order & 2 ? 1 : 0;
  const lanes = [low * 8, 16 + high * 8].flatMap((from) =>
    [...Array(8).keys()].map((n) => from + n),
  );
  const value = v128.shuffle(a.value, b.value, lanes);
  c.vectors.set(c.slot(0), value, a.ranges[low], b.ranges[high]);
  return true;
};

/** A register with itself is zero. */
const exclusiveOr: Inline = (c) => {
  if (!registers(c) || c.slot(0) !== c.slot(1)) return false;
  c.vectors.set(c.slot(0), ZERO, ZERO_RANGE, ZERO_RANGE);
  c.vectors.learnSingles(c.slot(0), 15);
  return true;
};

export const INLINE_MOVES: ReadonlyMap<string, Inline> = new Map([
  ['MOVAPS', moveAll],
  ['MOVUPS', moveAll],
  ['MOVSDX', moveLow],
  ['MOVSS', moveLowSingle],
  ['MOVLPS', moveIntoLow],
  ['MOVHPS', moveIntoHigh],
  ['MOVDDUP', duplicate],
  ['PUNPCKLQDQ', unpackLow],
  ['PUNPCKHQDQ', unpackHigh],
  ['SHUFPD', shuffle],
  ['PXOR', exclusiveOr],
]);
