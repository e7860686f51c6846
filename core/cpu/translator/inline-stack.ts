/**
 * Stack instructions of legacy code. Their definitions reckon with any stack segment; translated code has a flat one with
 * base 0 and 32 bits, and is never virtual-8086 (region-state.ts, region-cache.ts). SDM Vol. 2: PUSHF, LEAVE.
 */
import { flagsImage, leaveFlat } from '../ops/stack';
import type { Inline } from './inline-site';

const pushFlags: Inline = (c) => {
  if (c.operandBytes !== 4) return false;
  c.push(4, flagsImage(c));
  return true;
};

const leave: Inline = (c) => {
  if (c.operandBytes !== 4) return false;
  leaveFlat(c);
  return true;
};

/** By mnemonic. */
export const INLINE_STACK: ReadonlyMap<string, Inline> = new Map([
  ['PUSHF', pushFlags],
  ['LEAVE', leave],
]);
