/**
 * Stack instructions of legacy code. Their definitions reckon with any stack segment; translated code has a flat one with
 * base 0 and 32 bits, and is never virtual-8086 (region-state.ts, region-cache.ts). SDM Vol. 2: PUSHF, LEAVE.
 */
import { i32, i64, type I32 } from '../../wasm';
import { flagsImage } from '../ops/stack';
import type { Inline } from './inline-site';

const RSP = 4;
const RBP = 5;

const pushFlags: Inline = (c) => {
  if (c.operandBytes !== 4) return false;
  c.push(4, flagsImage(c));
  return true;
};

const leave: Inline = (c) => {
  if (c.operandBytes !== 4) return false;
  const frame = c.let(c.reg(RBP, 4) as I32);
  const value = c.let(c.loadAt(i64.extendU(frame), 4));
  c.setReg(RSP, 4, i32.add(frame, i32.const(4)));
  c.setReg(RBP, 4, value);
  return true;
};

/** By mnemonic. */
export const INLINE_STACK: ReadonlyMap<string, Inline> = new Map([
  ['PUSHF', pushFlags],
  ['LEAVE', leave],
]);
