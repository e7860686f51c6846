/** SSE and MMX data movement (SDM Vol. 2): MOVAPS.., MOVD/Q, MOVSS/SD, MOVLPS/HPS, MOVNTx, duplicates, masks. */
import { i32, v128 } from '../../wasm';
import type { OpContext } from './context';
import { define, type OpDefinition } from './define';
import {
  bitmask32,
  bitmask64,
  bitmask8,
  fromI32,
  fromI64,
  high64,
  lanes,
  low32,
  low64,
  withHigh64,
  withLow32,
  withLow64,
} from './simd';

/** All of operand 1 into operand 0, zero-extended to its register. */
function move(c: OpContext): void {
  c.setVector(0, c.getVector(1));
}

/** MOVSS/MOVSD: from memory the rest is zeroed, between registers it stays. */
function moveScalar(c: OpContext, bytes: 4 | 8): void {
  if (c.forms[0].kind === 'm') {
    const source = c.getVector(1);
    c.set(0, bytes === 4 ? low32(source) : low64(source));
    return;
  }
  const source = c.let(c.getVector(1));
  if (c.forms[1].kind === 'm') c.setVector(0, source);
  else
    c.setVector(
      0,
      bytes === 4
        ? withLow32(c.getVector(0), low32(source))
        : withLow64(c.getVector(0), low64(source)),
    );
}

/** MOVLPS/MOVHPS and the register forms MOVHLPS/MOVLHPS: 64 bits into or out of one half. */
function moveHalf(c: OpContext, high: boolean): void {
  if (c.forms[0].kind === 'm') {
    const source = c.getVector(1);
    c.set(0, high ? high64(source) : low64(source));
    return;
  }
  const register = c.forms[1].kind === 'x';
  const source = c.let(c.getVector(1));
  // MOVHLPS takes the high half to the low one, MOVLHPS the other way.
  const value = register && !high ? high64(source) : low64(source);
  c.setVector(0, high ? withHigh64(c.getVector(0), value) : withLow64(c.getVector(0), value));
}

/** MOVD/MOVQ from a general register or memory, and back. */
function moveGeneral(c: OpContext): void {
  const toVector = c.forms[0].kind === 'x' || c.forms[0].kind === 'q';
  const bytes = c.forms[toVector ? 1 : 0].bytes;
  if (toVector) {
    const value = c.let(c.get(1));
    c.setVector(0, bytes === 8 ? fromI64(c.toI64(value)) : fromI32(c.toI32(value)));
    return;
  }
  const source = c.getVector(1);
  c.set(0, bytes === 8 ? low64(source) : low32(source));
}

export const SSE_MOVE: readonly OpDefinition[] = [
  define('MOVAPS', { aligned: true }, move),
  define('MOVUPS', {}, move),
  define('MOVQV', {}, (c) =>
    c.setVector(
      0,
      c.forms[1].kind === 'x' && c.forms[0].kind === 'x'
        ? fromI64(low64(c.getVector(1)))
        : c.getVector(1),
    ),
  ),
  define('MOVSS', {}, (c) => moveScalar(c, 4)),
  define('MOVSDX', {}, (c) => moveScalar(c, 8)),
  define('MOVLPS', {}, (c) => moveHalf(c, false)),
  define('MOVHPS', {}, (c) => moveHalf(c, true)),
  define('MOVDV', {}, moveGeneral),
  define('MOVDDUP', {}, (c) => c.setVector(0, v128.splat<'i64'>(18)(low64(c.getVector(1))))),
  define('MOVSLDUP', { aligned: true }, (c) => {
    const v = c.let(c.getVector(1));
    c.setVector(0, v128.shuffle(v, v, lanes(4, 0, 0, 2, 2)));
  }),
  define('MOVSHDUP', { aligned: true }, (c) => {
    const v = c.let(c.getVector(1));
    c.setVector(0, v128.shuffle(v, v, lanes(4, 1, 1, 3, 3)));
  }),
  define('MOVMSKPS', {}, (c) => c.set(0, bitmask32(c.getVector(1)))),
  define('MOVMSKPD', {}, (c) => c.set(0, bitmask64(c.getVector(1)))),
  define('PMOVMSKB', {}, (c) => {
    const mask = bitmask8(c.getVector(1));
    c.set(0, c.forms[1].kind === 'q' ? i32.and(mask, i32.const(0xff)) : mask);
  }),
  // Bytes whose mask has bit 7 set go to [rDI]; the others are not touched.
  define('MASKMOV', { reads: true }, (c) => {
    const bytes = c.forms[0].kind === 'q' ? 8 : 16;
    const mask = c.getVector(1);
    const value = c.getVector(0);
    c.run('maskedStore', c.address(), c.let(value), c.let(mask), i32.const(bytes));
  }),
  define('MOVNTDQA', { aligned: true }, move),
];
