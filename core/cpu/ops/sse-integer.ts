/** MMX and SSE integer instructions (SDM Vol. 2, P...), each once for both register files; and vector logic. */
import { i32, i64, v128, type I32, type V128 } from '../../wasm';
import type { OpContext } from './context';
import { define, type OpDefinition } from './define';
import { CF, ZF } from './flags';
import { anyTrue, binary, fromI64, isMmx, lanes, low64, SHIFTS, SIMD, unary, ZERO } from './simd';

const ALIGNED = { aligned: true } as const;

/** dst = f(dst, src). */
function two(mnemonic: string, f: (a: V128, b: V128, c: OpContext) => V128): OpDefinition {
  return define(mnemonic, ALIGNED, (c) => {
    const b = c.let(c.getVector(1));
    const a = c.let(c.getVector(0));
    c.setVector(0, f(a, b, c));
  });
}

const simple: readonly (readonly [string, keyof typeof SIMD])[] = [
  ['PADDB', 'i8x16_add'], ['PADDW', 'i16x8_add'], ['PADDD', 'i32x4_add'], ['PADDQ', 'i64x2_add'], ['PADDSB', 'i8x16_add_sat_s'], ['PADDSW', 'i16x8_add_sat_s'],
  ['PADDUSB', 'i8x16_add_sat_u'], ['PADDUSW', 'i16x8_add_sat_u'], ['PSUBB', 'i8x16_sub'], ['PSUBW', 'i16x8_sub'], ['PSUBD', 'i32x4_sub'], ['PSUBQ', 'i64x2_sub'],
  ['PSUBSB', 'i8x16_sub_sat_s'], ['PSUBSW', 'i16x8_sub_sat_s'], ['PSUBUSB', 'i8x16_sub_sat_u'], ['PSUBUSW', 'i16x8_sub_sat_u'], ['PCMPEQB', 'i8x16_eq'],
  ['PCMPEQW', 'i16x8_eq'], ['PCMPEQD', 'i32x4_eq'], ['PCMPEQQ', 'i64x2_eq'], ['PCMPGTB', 'i8x16_gt_s'], ['PCMPGTW', 'i16x8_gt_s'], ['PCMPGTD', 'i32x4_gt_s'],
  ['PCMPGTQ', 'i64x2_gt_s'], ['PMINSB', 'i8x16_min_s'], ['PMINUB', 'i8x16_min_u'], ['PMAXSB', 'i8x16_max_s'], ['PMAXUB', 'i8x16_max_u'], ['PMINSW', 'i16x8_min_s'],
  ['PMINUW', 'i16x8_min_u'], ['PMAXSW', 'i16x8_max_s'], ['PMAXUW', 'i16x8_max_u'], ['PMINSD', 'i32x4_min_s'], ['PMINUD', 'i32x4_min_u'], ['PMAXSD', 'i32x4_max_s'],
  ['PMAXUD', 'i32x4_max_u'], ['PAVGB', 'i8x16_avgr_u'], ['PAVGW', 'i16x8_avgr_u'], ['PMULLW', 'i16x8_mul'], ['PMULLD', 'i32x4_mul'], ['PMADDWD', 'i32x4_dot'],
  ['PAND', 'and'], ['POR', 'or'], ['PXOR', 'xor'],
]; // prettier-ignore

/** High halves of 16 x 16 products. */
function mulHigh(a: V128, b: V128, low: keyof typeof SIMD, high: keyof typeof SIMD): V128 {
  const odd = [2, 3, 6, 7, 10, 11, 14, 15];
  return v128.shuffle(binary(low)(a, b), binary(high)(a, b), [...odd, ...odd.map((n) => n + 16)]);
}

/** Even 32-bit lanes, side by side in the low half. */
const evens = (v: V128): V128 => v128.shuffle(v, v, lanes(4, 0, 2, 0, 2));

/** Two 64-bit halves as one vector, for MMX packs. */
const joined = (a: V128, b: V128): V128 => v128.shuffle(a, b, lanes(8, 0, 2));

function pack(mnemonic: string, narrow: keyof typeof SIMD): OpDefinition {
  return two(mnemonic, (a, b, c) => {
    if (!isMmx(c)) return binary(narrow)(a, b);
    const both = c.let(joined(a, b));
    return binary(narrow)(both, both);
  });
}

/** PUNPCK: lanes of both operands in turn, from the low or the high half. */
function unpack(mnemonic: string, bytes: number, high: boolean): OpDefinition {
  return two(mnemonic, (a, b, c) => {
    const total = isMmx(c) ? 8 / bytes : 16 / bytes;
    const from = high ? total / 2 : 0;
    const list = Array.from({ length: total / 2 }, (_, i) => [
      from + i,
      from + i + 16 / bytes,
    ]).flat();
    const full = lanes(bytes, ...list);
    return v128.shuffle(
      a,
      b,
      Array.from({ length: 16 }, (_, i) => full[i] ?? 0),
    );
  });
}

/** Shifts by a count of 64 bits or an immediate: a count that is too large gives zero, or all signs. */
function shift(
  mnemonic: string,
  shape: keyof typeof SHIFTS,
  bits: number,
  operator: 'shl' | 'shrS' | 'shrU',
): OpDefinition {
  return define(mnemonic, ALIGNED, (c) => {
    const immediate = c.forms[1].kind === 'i';
    const count = c.let(
      immediate ? i64.and(c.immediate(), i64.const(0xff)) : low64(c.getVector(1)),
    );
    const value = c.let(c.getVector(0));
    const inRange = i64.ltU(count, i64.const(bits));
    const opcode = SHIFTS[shape][operator];
    if (operator === 'shrS') {
      const cut = c.f.local('i32');
      c.f.set(cut, i32.const(bits - 1));
      c.f.if(inRange, () => c.f.set(cut, i32.wrap(count)));
      c.setVector(0, v128.shift(opcode)(value, cut.get));
      return;
    }
    const result = c.f.local('v128');
    c.f.set(result, ZERO);
    c.f.if(inRange, () => c.f.set(result, v128.shift(opcode)(value, i32.wrap(count))));
    c.setVector(0, result.get);
  });
}

/** Sum of absolute byte differences, one for each 64-bit half. */
function sumDifferences(a: V128, b: V128, c: OpContext): V128 {
  const difference = binary('i8x16_sub')(binary('i8x16_max_u')(a, b), binary('i8x16_min_u')(a, b));
  const words = c.let(unary('i32x4_extadd_u')(unary('i16x8_extadd_u')(difference)));
  const sum = binary('i64x2_add')(words, v128.shift(SHIFTS.i64x2.shrU)(words, i32.const(32)));
  return binary('and')(sum, v128.const(0xffffffffn, 0xffffffffn));
}

/** PHADD/PHSUB: pairs of one operand after the other. */
function horizontal(mnemonic: string, bytes: 2 | 4, operator: keyof typeof SIMD): OpDefinition {
  return two(mnemonic, (a, b, c) => {
    const perOperand = (isMmx(c) ? 8 : 16) / bytes;
    const pick = (odd: number): V128 => {
      const list = [...Array(perOperand / 2).keys()].map((i) => i * 2 + odd);
      const full = lanes(bytes, ...list, ...list.map((n) => n + 16 / bytes));
      return v128.shuffle(
        a,
        b,
        Array.from({ length: 16 }, (_, i) => full[i] ?? 0),
      );
    };
    return binary(operator)(pick(0), pick(1));
  });
}

/** PMOVSX/PMOVZX: the source holds 8, 4 or 2 bytes in its low part. */
function extend(mnemonic: string, steps: readonly (keyof typeof SIMD)[]): OpDefinition {
  return define(mnemonic, {}, (c) =>
    c.setVector(
      0,
      steps.reduce((v, step) => unary(step)(v), c.getVector(1)),
    ),
  );
}

/** Lane choice by an immediate goes through helpers: the interpreter's immediates are not constants. */
function byImmediate(mnemonic: string, helper: string): OpDefinition {
  return define(mnemonic, ALIGNED, (c) => {
    const source = c.let(c.getVector(1));
    c.setVector(0, c.helper(helper, 'v128', source, i32.wrap(c.immediate())));
  });
}

/** As above with the destination as first source. */
function mixByImmediate(mnemonic: string, helper: string): OpDefinition {
  return define(mnemonic, ALIGNED, (c) => {
    const source = c.let(c.getVector(1));
    c.setVector(0, c.helper(helper, 'v128', c.getVector(0), source, i32.wrap(c.immediate())));
  });
}

/** PEXTRx: one lane to a general register (zero-extended) or memory. */
function extractLane(mnemonic: string, bytes: 1 | 2 | 4 | 8): OpDefinition {
  return define(mnemonic, {}, (c) => {
    const value = c.helper(
      'extractLane',
      'i64',
      c.getVector(1),
      i32.wrap(c.immediate()),
      i32.const(isMmxSource(c) ? 8 : 16),
      i32.const(bytes),
    );
    const form = c.forms[0];
    if (form.kind === 'm') c.storeAt(c.address(), bytes, bytes === 8 ? value : i32.wrap(value));
    else c.set(0, form.bytes === 8 ? value : i32.wrap(value));
  });
}

const isMmxSource = (c: OpContext): boolean => c.forms[1].kind === 'q';

function insertLane(mnemonic: string, bytes: 1 | 2 | 4 | 8): OpDefinition {
  return define(mnemonic, {}, (c) => {
    const form = c.forms[1];
    const value = c.let(form.kind === 'm' ? c.loadAt(c.address(), bytes) : c.get(1));
    c.setVector(
      0,
      c.helper(
        'insertLane',
        'v128',
        c.getVector(0),
        c.toI64(value),
        i32.wrap(c.immediate()),
        i32.const(isMmx(c) ? 8 : 16),
        i32.const(bytes),
      ),
    );
  });
}

/** BLENDV: lanes of the source where XMM0's lane has its top bit set. */
function blendVariable(mnemonic: string, mask: (v: V128) => V128): OpDefinition {
  return two(mnemonic, (a, b, c) => v128.bitselect(b, a, mask(c.xmm(0))));
}

const signs = (shape: keyof typeof SHIFTS, bits: number) => (v: V128) =>
  v128.shift(SHIFTS[shape].shrS)(v, i32.const(bits - 1));

export const SSE_INTEGER: readonly OpDefinition[] = [
  ...simple.map(([mnemonic, name]) => two(mnemonic, binary(name))),
  two('PANDN', (a, b) => binary('andnot')(b, a)),
  two('PMULHW', (a, b) => mulHigh(a, b, 'i32x4_extmul_low_s', 'i32x4_extmul_high_s')),
  two('PMULHUW', (a, b) => mulHigh(a, b, 'i32x4_extmul_low_u', 'i32x4_extmul_high_u')),
  two('PMULUDQ', (a, b) => binary('i64x2_extmul_low_u')(evens(a), evens(b))),
  two('PMULDQ', (a, b) => binary('i64x2_extmul_low_s')(evens(a), evens(b))),
  two('PSADBW', sumDifferences),
  pack('PACKSSWB', 'i8x16_narrow_s'),
  pack('PACKUSWB', 'i8x16_narrow_u'),
  pack('PACKSSDW', 'i16x8_narrow_s'),
  pack('PACKUSDW', 'i16x8_narrow_u'),
  unpack('PUNPCKLBW', 1, false),
  unpack('PUNPCKLWD', 2, false),
  unpack('PUNPCKLDQ', 4, false),
  unpack('PUNPCKLQDQ', 8, false),
  unpack('PUNPCKHBW', 1, true),
  unpack('PUNPCKHWD', 2, true),
  unpack('PUNPCKHDQ', 4, true),
  unpack('PUNPCKHQDQ', 8, true),
  shift('PSLLW', 'i16x8', 16, 'shl'),
  shift('PSLLD', 'i32x4', 32, 'shl'),
  shift('PSLLQ', 'i64x2', 64, 'shl'),
  shift('PSRLW', 'i16x8', 16, 'shrU'),
  shift('PSRLD', 'i32x4', 32, 'shrU'),
  shift('PSRLQ', 'i64x2', 64, 'shrU'),
  shift('PSRAW', 'i16x8', 16, 'shrS'),
  shift('PSRAD', 'i32x4', 32, 'shrS'),
  define('PSLLDQ', {}, (c) =>
    c.setVector(0, c.helper('shiftBytesLeft', 'v128', c.getVector(0), i32.wrap(c.immediate()))),
  ),
  define('PSRLDQ', {}, (c) =>
    c.setVector(0, c.helper('shiftBytesRight', 'v128', c.getVector(0), i32.wrap(c.immediate()))),
  ),
  two('PSHUFB', (a, b, c) => {
    const index = isMmx(c) ? 0x8787878787878787n : 0x8f8f8f8f8f8f8f8fn;
    return binary('swizzle')(a, binary('and')(b, v128.const(index, index)));
  }),
  byImmediate('PSHUFD', 'shuffleDwords'),
  byImmediate('PSHUFW', 'shuffleLowWords'),
  byImmediate('PSHUFLW', 'shuffleLowWords'),
  byImmediate('PSHUFHW', 'shuffleHighWords'),
  mixByImmediate('SHUFPS', 'shuffleSingles'),
  mixByImmediate('SHUFPD', 'shuffleDoubles'),
  mixByImmediate('PBLENDW', 'blendWords'),
  mixByImmediate('BLENDPS', 'blendDwords'),
  mixByImmediate('BLENDPD', 'blendQwords'),
  define('PALIGNR', ALIGNED, (c) => {
    const source = c.let(c.getVector(1));
    c.setVector(
      0,
      c.helper(
        'alignRight',
        'v128',
        c.getVector(0),
        source,
        i32.wrap(c.immediate()),
        i32.const(isMmx(c) ? 8 : 16),
      ),
    );
  }),
  blendVariable('PBLENDVB', (v) => v128.binary(SIMD.i8x16_gt_s)(ZERO, v)),
  blendVariable('BLENDVPS', signs('i32x4', 32)),
  blendVariable('BLENDVPD', signs('i64x2', 64)),
  define('PABSB', ALIGNED, (c) => c.setVector(0, unary('i8x16_abs')(c.getVector(1)))),
  define('PABSW', ALIGNED, (c) => c.setVector(0, unary('i16x8_abs')(c.getVector(1)))),
  define('PABSD', ALIGNED, (c) => c.setVector(0, unary('i32x4_abs')(c.getVector(1)))),
  horizontal('PHADDW', 2, 'i16x8_add'),
  horizontal('PHADDD', 4, 'i32x4_add'),
  horizontal('PHADDSW', 2, 'i16x8_add_sat_s'),
  horizontal('PHSUBW', 2, 'i16x8_sub'),
  horizontal('PHSUBD', 4, 'i32x4_sub'),
  horizontal('PHSUBSW', 2, 'i16x8_sub_sat_s'),
  extend('PMOVSXBW', ['i16x8_low_s']),
  extend('PMOVSXBD', ['i16x8_low_s', 'i32x4_low_s']),
  extend('PMOVSXBQ', ['i16x8_low_s', 'i32x4_low_s', 'i64x2_low_s']),
  extend('PMOVSXWD', ['i32x4_low_s']),
  extend('PMOVSXWQ', ['i32x4_low_s', 'i64x2_low_s']),
  extend('PMOVSXDQ', ['i64x2_low_s']),
  extend('PMOVZXBW', ['i16x8_low_u']),
  extend('PMOVZXBD', ['i16x8_low_u', 'i32x4_low_u']),
  extend('PMOVZXBQ', ['i16x8_low_u', 'i32x4_low_u', 'i64x2_low_u']),
  extend('PMOVZXWD', ['i32x4_low_u']),
  extend('PMOVZXWQ', ['i32x4_low_u', 'i64x2_low_u']),
  extend('PMOVZXDQ', ['i64x2_low_u']),
  extractLane('PEXTRB', 1),
  extractLane('PEXTRW', 2),
  extractLane('PEXTRDQ', 4),
  extractLane('PEXTRQ', 8),
  insertLane('PINSRB', 1),
  insertLane('PINSRW', 2),
  insertLane('PINSRD', 4),
  insertLane('PINSRQ', 8),
  define('PTEST', ALIGNED, (c) => {
    const b = c.let(c.getVector(1));
    const a = c.let(c.getVector(0));
    const none = (v: V128): I32 => i32.eqz(anyTrue(v));
    c.setRawFlags(
      i32.or(
        i32.mul(none(binary('and')(a, b)), i32.const(ZF)),
        i32.mul(none(binary('andnot')(b, a)), i32.const(CF)),
      ),
    );
  }),
  define('MOVQ2DQ', {}, (c) => c.setVector(0, fromI64(low64(c.getVector(1))))),
];
