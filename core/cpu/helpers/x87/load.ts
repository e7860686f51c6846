// AssemblyScript. FLD, FILD, FBLD, constants: conversions to 80 bits, which are all exact (SDM 1 8.5.1, 8.3.3).
import { DE, IE, raiseFlags } from '../softfloat';
import { get32, set32 } from '../state';
import * as L from '../../layout';
import { setValue, valueSe, valueSignificand } from './number';
import {
  beginRounding,
  C1,
  control,
  INDEFINITE,
  INDEFINITE_SE,
  INTEGER_BIT,
  isEmpty,
  push,
  pushChecked,
  setStatus,
  settle,
  signExponentOf,
  significandOf,
  stackFault,
  status,
  top,
  write,
} from './stack';

/** What the last conversion from memory would raise: IE for an SNaN, DE for a denormal. */
let conversion: i32 = 0;
export function conversionFlags(): i32 {
  return conversion;
}

/** binary32 to the value; an SNaN stays one. */
export function fromSingle(bits: u32): void {
  const sign = (bits >> 16) & 0x8000;
  const e = (bits >> 23) & 0xff;
  const fraction = (<u64>(bits & 0x7fffff)) << 40;
  conversion = 0;
  if (e != 0 && e != 0xff) setValue(sign | (e + 0x3f80), INTEGER_BIT | fraction);
  else if (e != 0) nanOrInfinity(sign, fraction);
  else if (fraction == 0) setValue(sign, 0);
  else {
    conversion = DE;
    const n = <u32>clz(fraction);
    setValue(sign | (0x3f81 - n), fraction << n);
  }
}

/** binary64 to the value. */
export function fromDouble(bits: u64): void {
  const sign = (<u32>(bits >> 48)) & 0x8000;
  const e = (<u32>(bits >> 52)) & 0x7ff;
  const fraction = (bits << 12) >> 1;
  conversion = 0;
  if (e != 0 && e != 0x7ff) setValue(sign | (e + 0x3c00), INTEGER_BIT | fraction);
  else if (e != 0) nanOrInfinity(sign, fraction);
  else if (fraction == 0) setValue(sign, 0);
  else {
    conversion = DE;
    const n = <u32>clz(fraction);
    setValue(sign | (0x3c01 - n), fraction << n);
  }
}

function nanOrInfinity(sign: u32, fraction: u64): void {
  if (fraction != 0 && !(fraction & 0x4000000000000000)) conversion = IE;
  setValue(sign | 0x7fff, INTEGER_BIT | fraction);
}

export function fromInteger(value: i64): void {
  conversion = 0;
  if (value == 0) {
    setValue(0, 0);
    return;
  }
  const magnitude = value < 0 ? 0 - <u64>value : <u64>value;
  const n = <u32>clz(magnitude);
  setValue((value < 0 ? 0x8000 : 0) | (0x403e - n), magnitude << n);
}

function pushValue(): void {
  if (!isEmpty(7)) {
    if (stackFault(true)) push(INDEFINITE_SE, INDEFINITE);
    return;
  }
  raiseFlags(conversion);
  // An unmasked denormal exception does not keep the number from being loaded.
  settle();
  if (!(conversion & ~<i32>control() & IE)) push(valueSe(), valueSignificand() | (conversion & IE ? INDEFINITE : 0));
}

export function x87LoadSingle(bits: u32): void {
  const e = (bits >> 23) & 0xff;
  if (e - 1 < 0xfe && isEmpty(7)) {
    setStatus(status() & ~C1);
    push(((bits >> 16) & 0x8000) | (e + 0x3f80), INTEGER_BIT | (<u64>(bits & 0x7fffff) << 40));
    return;
  }
  beginRounding();
  fromSingle(bits);
  pushValue();
}

export function x87LoadDouble(bits: u64): void {
  const e = <u32>(bits >> 52) & 0x7ff;
  if (e - 1 < 0x7fe && isEmpty(7)) {
    setStatus(status() & ~C1);
    push((<u32>(bits >> 48) & 0x8000) | (e + 0x3c00), INTEGER_BIT | ((bits << 12) >> 1));
    return;
  }
  beginRounding();
  fromDouble(bits);
  pushValue();
}

/** FLD m80: no conversion, no exception. */
export function x87LoadExtended(significand: u64, se: i32): void {
  setStatus(status() & ~C1);
  pushChecked((<u32>se) & 0xffff, significand);
}

export function x87LoadInteger(value: i64): void {
  setStatus(status() & ~C1);
  fromInteger(value);
  pushChecked(valueSe(), valueSignificand());
}

/** FLD ST(i). */
export function x87LoadRegister(i: i32): void {
  setStatus(status() & ~C1);
  if (isEmpty(i)) {
    if (stackFault(false)) push(INDEFINITE_SE, INDEFINITE);
    return;
  }
  pushChecked(signExponentOf(i), significandOf(i));
}

/** FLD1 FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2 FLDZ in the order of D9 E8..EE: exponent, then 64 bits and what follows them. */
const CONSTANTS: usize = memory.data<u64>([
  0x3fff, 0x8000000000000000, 0, 0x4000, 0xd49a784bcd1b8afe, 0x492bf6ff4dafdb4c, 0x3fff,
  0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88, 0x4000, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1, 0x3ffd,
  0x9a209a84fbcff798, 0x8f8959ac0b7c9178, 0x3ffe, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af, 0, 0, 0,
]);

/** Rounded by RC; no precision exception (SDM 2A, FLD1...). */
export function x87LoadConstant(number: i32): void {
  setStatus(status() & ~C1);
  const at = CONSTANTS + <usize>number * 24;
  let significand = load<u64>(at, 8);
  const rest = load<u64>(at, 16);
  const rc = (get32(L.S_X87_CONTROL) >> 10) & 3;
  if (rest != 0 && (rc == 2 || (rc == 0 && <bool>(rest >> 63)))) significand++;
  pushChecked(load<u32>(at), significand);
}

/** FBLD: 18 digits, two a byte, and the sign; digits above 9 count as they are (undefined, SDM 2A). */
export function x87LoadDecimal(low: u64, high: i32): void {
  setStatus(status() & ~C1);
  let value: u64 = 0;
  for (let i = 1; i >= 0; i--)
    value = value * 10 + (((<u64>((<u32>high) & 0xff)) >> (<u64>(i * 4))) & 15);
  for (let i = 15; i >= 0; i--) value = value * 10 + ((low >> (<u64>(i * 4))) & 15);
  fromInteger(<i64>value);
  pushChecked(valueSe() | ((<u32>high) & 0x8000), valueSignificand());
}

/** FXCH: empty registers become indefinite when that is masked. */
export function x87Exchange(i: i32): void {
  if (isEmpty(0) || isEmpty(i)) {
    if (!stackFault(false)) return;
    if (isEmpty(0)) write(0, INDEFINITE_SE, INDEFINITE);
    if (isEmpty(i)) write(i, INDEFINITE_SE, INDEFINITE);
  } else setStatus(status() & ~C1);
  const se = signExponentOf(0);
  const significand = significandOf(0);
  write(0, signExponentOf(i), significandOf(i));
  write(i, se, significand);
}

/** FCMOVcc; the caller has evaluated the condition. */
export function x87ConditionalMove(i: i32, holds: i32): void {
  if (isEmpty(0) || isEmpty(i)) {
    if (stackFault(false)) write(0, INDEFINITE_SE, INDEFINITE);
    return;
  }
  if (holds) write(0, signExponentOf(i), significandOf(i));
}

/** FFREE; with `drop` FFREEP. */
export function x87Free(i: i32, drop: i32): void {
  setStatus(status() & ~C1);
  set32(L.S_X87_TAGS, get32(L.S_X87_TAGS) & ~(1 << ((top() + <u32>i) & 7)));
  if (drop) {
    set32(L.S_X87_TAGS, get32(L.S_X87_TAGS) & ~(1 << top()));
    set32(L.S_X87_TOP, (top() + 1) & 7);
  }
}

/** FINCSTP (1) and FDECSTP (-1): TOP only. */
export function x87MoveTop(delta: i32): void {
  setStatus(status() & ~C1);
  set32(L.S_X87_TOP, (top() + <u32>delta) & 7);
}
