/** Instructions that work on flags themselves, and decimal adjustment (SDM Vol. 2: AAA AAD AAM AAS DAA DAS). */
import { i32, select, type I32 } from '../../wasm';
import { S_EFLAGS } from '../layout';
import type { OpContext } from './context';
import { define, type OpDefinition } from './define';
import { AF, CF, OF, PF, SF, ZF } from './flags';

const DF = 0x400;

function changeFlags(c: OpContext, keep: number, add: I32): void {
  c.setRawFlags(i32.or(i32.and(c.arithmeticFlags(), i32.const(keep)), add));
}

function changeDirection(c: OpContext, set: boolean): void {
  const flags = c.state32(S_EFLAGS);
  c.setState32(S_EFLAGS, set ? i32.or(flags, i32.const(DF)) : i32.and(flags, i32.const(~DF)));
}

/** SF ZF PF of a byte, at their places. */
function signZeroParity(c: OpContext, byte: I32): I32 {
  const value = c.let(byte);
  const even = i32.eqz(i32.and(i32.popcnt(value), i32.const(1)));
  return i32.or(
    i32.or(i32.and(value, i32.const(SF)), i32.shl(i32.eqz(value), i32.const(6))),
    i32.shl(even, i32.const(2)),
  );
}

/** DAA and DAS. */
function decimalAdjust(c: OpContext, subtract: boolean): void {
  const flags = c.let(c.arithmeticFlags());
  const al = c.let(c.toI32(c.reg(0, 1)));
  const low = c.let(
    i32.or(
      i32.gtU(i32.and(al, i32.const(15)), i32.const(9)),
      i32.ne(i32.and(flags, i32.const(AF)), i32.const(0)),
    ),
  );
  const high = c.let(i32.or(i32.gtU(al, i32.const(0x99)), i32.and(flags, i32.const(CF))));
  const step = (at: I32, amount: number): I32 =>
    select(i32.const(subtract ? -amount : amount), i32.const(0), at);
  const lowStep = c.let(i32.add(al, step(low, 6)));
  const lowCarry = subtract ? i32.and(low, i32.ltU(al, i32.const(6))) : i32.const(0);
  const result = c.let(i32.and(i32.add(lowStep, step(high, 0x60)), i32.const(0xff)));
  c.setReg(0, 1, result);
  const carry = c.let(i32.or(high, lowCarry));
  c.setRawFlags(i32.or(i32.or(signZeroParity(c, result), i32.shl(low, i32.const(4))), carry));
}

/** AAA and AAS. */
function asciiAdjust(c: OpContext, subtract: boolean): void {
  const flags = c.let(c.arithmeticFlags());
  const ax = c.let(c.toI32(c.reg(0, 2)));
  const adjust = c.let(
    i32.or(
      i32.gtU(i32.and(ax, i32.const(15)), i32.const(9)),
      i32.ne(i32.and(flags, i32.const(AF)), i32.const(0)),
    ),
  );
  const changed = select(i32.const(subtract ? -0x106 : 0x106), i32.const(0), adjust);
  c.setReg(0, 2, i32.and(i32.add(ax, changed), i32.const(0xff0f)));
  const keep = i32.and(flags, i32.const(~(AF | CF)));
  c.setRawFlags(i32.or(keep, i32.or(adjust, i32.shl(adjust, i32.const(4)))));
}

export const FLAG_CONTROL: readonly OpDefinition[] = [
  define('CLC', {}, (c) => changeFlags(c, ~CF, i32.const(0))),
  define('STC', {}, (c) => changeFlags(c, ~CF, i32.const(CF))),
  define('CMC', {}, (c) => c.setRawFlags(i32.xor(c.arithmeticFlags(), i32.const(CF)))),
  define('CLD', {}, (c) => changeDirection(c, false)),
  define('STD', {}, (c) => changeDirection(c, true)),
  define('LAHF', {}, (c) => {
    const ah = i32.or(
      i32.and(c.arithmeticFlags(), i32.const(SF | ZF | AF | PF | CF)),
      i32.const(2),
    );
    c.setReg(
      0,
      2,
      i32.or(i32.and(c.toI32(c.reg(0, 2)), i32.const(0xff)), i32.shl(ah, i32.const(8))),
    );
  }),
  define('SAHF', {}, (c) => {
    const ah = i32.shrU(c.toI32(c.reg(0, 2)), i32.const(8));
    changeFlags(c, OF, i32.and(ah, i32.const(SF | ZF | AF | PF | CF)));
  }),
  define('SALC', {}, (c) => c.setReg(0, 1, i32.sub(i32.const(0), c.carry()))),
  define('DAA', {}, (c) => decimalAdjust(c, false)),
  define('DAS', {}, (c) => decimalAdjust(c, true)),
  define('AAA', {}, (c) => asciiAdjust(c, false)),
  define('AAS', {}, (c) => asciiAdjust(c, true)),
  define('AAM', { clobbersFlags: true }, (c) =>
    c.run('asciiAdjustMultiply', i32.and(i32.wrap(c.immediate()), i32.const(0xff))),
  ),
  define('AAD', {}, (c) => {
    const ax = c.let(c.toI32(c.reg(0, 2)));
    const base = i32.and(i32.wrap(c.immediate()), i32.const(0xff));
    const result = c.let(
      i32.and(i32.add(ax, i32.mul(i32.shrU(ax, i32.const(8)), base)), i32.const(0xff)),
    );
    c.setReg(0, 2, result);
    c.setFlags('LOGIC', 1, result);
  }),
];
