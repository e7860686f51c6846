// AssemblyScript. EFLAGS from the lazily kept arithmetic flags (layout.ts FLAGS_*) and back.
import * as L from '../layout';
import { get32, get64, set32, set64 } from './state';

export const CF: u32 = 0x1;
export const PF: u32 = 0x4;
export const AF: u32 = 0x10;
export const ZF: u32 = 0x40;
export const SF: u32 = 0x80;
export const TF: u32 = 0x100;
export const IF: u32 = 0x200;
export const DF: u32 = 0x400;
export const OF: u32 = 0x800;
export const IOPL: u32 = 0x3000;
export const NT: u32 = 0x4000;
export const RF: u32 = 0x10000;
export const VM: u32 = 0x20000;
export const AC: u32 = 0x40000;
export const VIF: u32 = 0x80000;
export const VIP: u32 = 0x100000;
export const ID: u32 = 0x200000;
export const ARITHMETIC: u32 = 0x8d5;

/** CF PF AF ZF SF OF at their places. */
export function arithmeticFlags(): u32 {
  const kind = get32(L.S_FLAG_KIND);
  const source = get64(L.S_FLAG_SOURCE);
  if (kind < 4) return (<u32>source) & ARITHMETIC;
  const result = get64(L.S_FLAG_RESULT);
  const size = kind & 3;
  const bits: u64 = (<u64>8) << size;
  const top: u64 = bits - 1;
  const mask: u64 = size == 3 ? <u64>-1 : ((<u64>1) << bits) - 1;
  const sign = (<u32>(result >> top)) & 1;
  let flags = (result == 0 ? ZF : 0) | (sign << 7);
  if (!(popcnt<u32>((<u32>result) & 0xff) & 1)) flags |= PF;
  let carry: u32 = 0;
  let overflow: u32 = 0;
  let adjust: u32 = 0;
  switch (kind & ~3) {
    case L.FLAGS_ADD: {
      const a = (result - source) & mask;
      carry = result < source ? 1 : 0;
      overflow = (<u32>(((a ^ result) & (source ^ result)) >> top)) & 1;
      adjust = (<u32>(a ^ source ^ result)) & AF;
      break;
    }
    case L.FLAGS_ADC: {
      const a = (result - source - 1) & mask;
      carry = result <= source ? 1 : 0;
      overflow = (<u32>(((a ^ result) & (source ^ result)) >> top)) & 1;
      adjust = (<u32>(a ^ source ^ result)) & AF;
      break;
    }
    case L.FLAGS_SUB: {
      const a = (result + source) & mask;
      carry = a < source ? 1 : 0;
      overflow = (<u32>(((a ^ source) & (a ^ result)) >> top)) & 1;
      adjust = (<u32>(a ^ source ^ result)) & AF;
      break;
    }
    case L.FLAGS_SBB: {
      const a = (result + source + 1) & mask;
      carry = a <= source ? 1 : 0;
      overflow = (<u32>(((a ^ source) & (a ^ result)) >> top)) & 1;
      adjust = (<u32>(a ^ source ^ result)) & AF;
      break;
    }
    case L.FLAGS_INC:
      carry = (<u32>source) & 1;
      overflow = result == (<u64>1) << top ? 1 : 0;
      adjust = !(result & 15) ? AF : 0;
      break;
    case L.FLAGS_DEC:
      carry = (<u32>source) & 1;
      overflow = result == ((<u64>1) << top) - 1 ? 1 : 0;
      adjust = (result & 15) == 15 ? AF : 0;
      break;
    case L.FLAGS_SHL:
      carry = (<u32>(source >> top)) & 1;
      overflow = carry ^ sign;
      break;
    case L.FLAGS_SHR:
      carry = (<u32>source) & 1;
      overflow = sign ^ ((<u32>(result >> (top - 1))) & 1);
      break;
    case L.FLAGS_SAR:
      carry = (<u32>source) & 1;
      break;
    case L.FLAGS_MUL:
      carry = (<u32>source) & 1;
      overflow = carry;
      break;
    case L.FLAGS_CARRY:
      carry = (<u32>source) & 1;
      break;
  }
  return flags | carry | (overflow << 11) | adjust;
}

/** RFLAGS as PUSHF and interrupt frames show it. */
export function readFlags(): u32 {
  return arithmeticFlags() | get32(L.S_EFLAGS) | 2;
}

/** Sets the six arithmetic flags. RESULT is zero exactly when ZF is set, in every kind. */
export function setArithmetic(flags: u32): void {
  set32(L.S_FLAG_KIND, L.FLAGS_RAW);
  set64(L.S_FLAG_SOURCE, <u64>(flags & ARITHMETIC));
  set64(L.S_FLAG_RESULT, flags & ZF ? 0 : 1);
}

/** Replaces the bits of `mask`; an interrupt that waited for IF is looked at soon. The caller updates the mode. */
export function writeFlags(value: u32, mask: u32): void {
  const old = readFlags();
  const flags = (old & ~mask) | (value & mask);
  setArithmetic(flags);
  set32(L.S_EFLAGS, (flags & ~ARITHMETIC) | 2);
  if ((flags & ~old & IF) != 0 && get32(L.S_IRQ_PENDING) != 0) set32(L.S_REQUEST, 1);
}

/** All of EFLAGS, for restoring state and tests. */
export function writeFlagsRaw(value: u32): void {
  writeFlags(value, 0x3f7fd7);
}
