/**
 * DIV and IDIV of 32 and 64 bits whose quotient is sure to fit, as it is when a compiler zeroed or sign-extended the upper
 * half; all else is the helpers' (SDM 2A: DIV, IDIV).
 */
import { i32, i64, type I32, type I64 } from '../../wasm';
import type { Inline, InlineSite } from './inline-site';

const RAX = 0;
const RDX = 2;

/** Quotient and remainder to their registers where `fits`; elsewhere by `helper`. */
function divideWhere(
  c: InlineSite,
  fits: I32,
  helper: string,
  divisor: I64,
  quotientOf: () => { quotient: I64; dividend: I64; divisor: I64 },
): void {
  const { bytes } = c;
  c.f.if(
    fits,
    () => {
      const { quotient, dividend, divisor: by } = quotientOf();
      const kept = c.let(quotient);
      const rest = c.let(i64.sub(dividend, i64.mul(kept, by)));
      c.setReg(RAX, bytes, bytes === 8 ? kept : i32.wrap(kept));
      c.setReg(RDX, bytes, bytes === 8 ? rest : i32.wrap(rest));
    },
    () => c.run(helper, divisor, i32.const(bytes)),
  );
}

const divide: Inline = (c) => {
  if (c.bytes < 4) return false;
  const divisor = c.let(c.toI64(c.get(0)));
  const low = c.let(c.toI64(c.reg(RAX, c.bytes)));
  const high = c.let(c.toI64(c.reg(RDX, c.bytes)));
  if (c.bytes === 8) {
    const fits = i32.and(i64.eqz(high), i64.ne(divisor, i64.const(0)));
    divideWhere(c, fits, 'divide', divisor, () => ({
      quotient: i64.divU(low, divisor),
      dividend: low,
      divisor,
    }));
    return true;
  }
  const dividend = c.let(i64.or(i64.shl(high, i64.const(32)), low));
  divideWhere(c, i64.ltU(high, divisor), 'divide', divisor, () => ({
    quotient: i64.divU(dividend, divisor),
    dividend,
    divisor,
  }));
  return true;
};

const divideSigned: Inline = (c) => {
  if (c.bytes < 4) return false;
  const wide = c.bytes === 8;
  const extended = (value: I64): I64 => (wide ? value : i64.extend32S(value));
  const divisor = c.let(c.toI64(c.get(0)));
  const by = c.let(extended(divisor));
  const low = c.let(extended(c.toI64(c.reg(RAX, c.bytes))));
  const high = extended(c.toI64(c.reg(RDX, c.bytes)));
  const extends64 = i64.eq(high, i64.shrS(low, i64.const(63)));
  // Neither 0 nor -1, whose quotients may not fit.
  const harmless = i64.gtU(i64.add(by, i64.const(1)), i64.const(1));
  divideWhere(c, i32.and(extends64, harmless), 'divideSigned', divisor, () => ({
    quotient: i64.divS(low, by),
    dividend: low,
    divisor: by,
  }));
  return true;
};

export const INLINE_DIVIDE: ReadonlyMap<string, Inline> = new Map([
  ['DIV', divide],
  ['IDIV', divideSigned],
]);
