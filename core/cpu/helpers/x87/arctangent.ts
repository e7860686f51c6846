// AssemblyScript. FPATAN (SDM 2A): ST(1) = angle of the point (ST(0), ST(1)), pops. Computed to about 120 bits and
// rounded once (by RC, to 64 bits whatever PC says).
import { divide128, divisionRemainder, setResult } from '../softfloat';
import {
  classify,
  denormals,
  exponentOf,
  FINITE,
  INFINITE,
  invalid,
  NAN,
  normalOf,
  pack,
  propagate,
  setValue,
  UNSUPPORTED,
  valueSe,
  valueSignificand,
  ZERO,
} from './number';
import {
  beginRounding,
  INDEFINITE,
  INDEFINITE_SE,
  isEmpty,
  pop,
  settle,
  signExponentOf,
  significandOf,
  stackFault,
  write,
} from './stack';
import { ARC_TANGENTS, RECIPROCAL_ODDS } from './tables';
import {
  wideAdd,
  wideAdjust,
  wideDivide,
  wideHigh,
  wideLow,
  wideMultiply,
  wideNormalise,
  wideSeries,
  wideShiftRight,
  wideSubtract,
} from './wide';

/** pi = 11.001..., exponent 1. */
const PI_HIGH: u64 = 0xc90fdaa22168c234;
const PI_LOW: u64 = 0xc4c6628b80dc1cd1;
/** 3 pi / 4, exponent 1. */
const THREE_QUARTERS_HIGH: u64 = 0x96cbe3f9990e91a7;
const THREE_QUARTERS_LOW: u64 = 0x9394c9e8a0a5159c;
/** The argument is below 1/64: its square to the 9th is below 2^-108. */
const TERMS: i32 = 10;

// The angle: significand and exponent.
let angleHigh: u64 = 0;
let angleLow: u64 = 0;
let angleExponent: i32 = 0;

/** atan of a small number in significand form: u (1 - u^2/3 + ...). */
function small(exponent: i32, h: u64, l: u64): void {
  wideShiftRight(h, l, -1 - exponent);
  wideMultiply(wideHigh(), wideLow(), wideHigh(), wideLow());
  const wh = wideHigh();
  const wl = wideLow();
  wideSeries(RECIPROCAL_ODDS, 1, TERMS, wh, wl, true);
  wideMultiply(wideHigh(), wideLow(), wh, wl);
  wideMultiply(wideHigh(), wideLow(), h, l);
  const low = wideLow() | (<u64>((wideHigh() | wideLow()) == 0));
  wideSubtract(h, l, wideHigh(), low);
  wideNormalise(wideHigh(), wideLow());
  angleHigh = wideHigh();
  angleLow = wideLow();
  angleExponent = exponent + wideAdjust();
}

/** atan of a ratio in (0, 1], significand form, into the angle. */
function arcTangent(exponent: i32, h: u64, l: u64): void {
  if (exponent < -6) {
    small(exponent, h, l);
    return;
  }
  if (exponent == 0) {
    angleHigh = PI_HIGH;
    angleLow = PI_LOW;
    angleExponent = -1;
    return;
  }
  wideShiftRight(h, l, -1 - exponent);
  const th = wideHigh();
  const tl = wideLow();
  // The nearest k/32: atan t = atan(k/32) +- atan(|t - k/32| / (1 + t k/32)).
  const k = ((th >> 58) + 1) >> 1;
  const ch = k << 59;
  const above = k == 32 ? false : th >= ch;
  if (above) wideSubtract(th, tl, ch, 0);
  else wideSubtract(ch, 0, th, tl);
  let nh = wideHigh();
  let nl = wideLow();
  const at = ARC_TANGENTS + ((<usize>k - 1) << 4);
  let rh: u64 = 0;
  let rl: u64 = 0;
  if ((nh | nl) != 0) {
    wideNormalise(nh, nl);
    nh = wideHigh();
    nl = wideLow();
    const ne = wideAdjust() - 1;
    // t k/32, then 1 + that in units of 2^-127.
    wideMultiply(th, tl, k << 58, 0);
    wideAdd(wideHigh(), wideLow(), 0x8000000000000000, 0);
    wideDivide(nh, nl, wideHigh(), wideLow());
    small(ne + wideAdjust(), wideHigh(), wideLow());
    wideShiftRight(angleHigh, angleLow, -1 - angleExponent);
    rh = wideHigh();
    rl = wideLow();
  }
  if (above) wideAdd(load<u64>(at), load<u64>(at, 8), rh, rl);
  else wideSubtract(load<u64>(at), load<u64>(at, 8), rh, rl);
  wideNormalise(wideHigh(), wideLow());
  angleHigh = wideHigh();
  angleLow = wideLow();
  angleExponent = wideAdjust() - 1;
}

/** pi or pi/2 (`exponent` 1 or 0) minus the angle. */
function subtractFromPi(exponent: i32): void {
  wideShiftRight(angleHigh, angleLow, exponent - angleExponent);
  wideSubtract(PI_HIGH, PI_LOW, wideHigh(), wideLow());
  wideNormalise(wideHigh(), wideLow());
  angleHigh = wideHigh();
  angleLow = wideLow();
  angleExponent = exponent + wideAdjust();
}

export function x87ArcTangent(): void {
  if (isEmpty(0) || isEmpty(1)) {
    if (!stackFault(false)) return;
    write(1, INDEFINITE_SE, INDEFINITE);
    pop();
    return;
  }
  beginRounding();
  angleOf(signExponentOf(0), significandOf(0), signExponentOf(1), significandOf(1));
  if (!settle()) return;
  write(1, valueSe(), valueSignificand());
  pop();
}

/** Packs a constant angle of exponent `e`. */
function constant(sign: i32, e: i32, h: u64, l: u64): void {
  setResult(sign, e, h, l);
  pack(64);
}

/** Table 3-30 of SDM 2A, FPATAN. */
function angleOf(xSe: u32, x: u64, ySe: u32, y: u64): void {
  const cx = classify(xSe, x);
  const cy = classify(ySe, y);
  const sign = <i32>(ySe >> 15);
  const left = (xSe & 0x8000) != 0;
  if (cx == UNSUPPORTED || cy == UNSUPPORTED) invalid();
  else if (cx == NAN || cy == NAN) propagate(ySe, y, xSe, x);
  else if (!denormals(xSe, x, ySe, y)) return;
  else if (cy == INFINITE) {
    if (cx != INFINITE) constant(sign, 0, PI_HIGH, PI_LOW);
    else if (left) constant(sign, 1, THREE_QUARTERS_HIGH, THREE_QUARTERS_LOW);
    else constant(sign, -1, PI_HIGH, PI_LOW);
  } else if (cy == ZERO || cx == INFINITE) {
    if (left) constant(sign, 1, PI_HIGH, PI_LOW);
    else setValue((<u32>sign) << 15, 0);
  } else if (cx == ZERO) constant(sign, 0, PI_HIGH, PI_LOW);
  else if (cx == FINITE)
    finite(sign, left, exponentOf(xSe, x), normalOf(x), exponentOf(ySe, y), normalOf(y));
}

function finite(sign: i32, left: bool, ex: i32, mx: u64, ey: i32, my: u64): void {
  const steep = ey > ex || (ey == ex && my > mx);
  const n = steep ? mx : my;
  const d = steep ? my : mx;
  let exponent = steep ? ex - ey : ey - ex;
  // The smaller over the larger, to 128 bits.
  let h: u64;
  if (n < d) {
    exponent--;
    h = divide128(n, 0, d);
  } else h = divide128(n >> 1, n << 63, d);
  const l = divide128(divisionRemainder(), 0, d);
  arcTangent(exponent, h, l);
  if (steep) subtractFromPi(0);
  if (left) subtractFromPi(1);
  setResult(sign, angleExponent, angleHigh, angleLow | 1);
  pack(64);
}
