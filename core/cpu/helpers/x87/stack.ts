// AssemblyScript. The x87 register stack, status and exceptions (SDM 1 chapter 8).
//
// FCS:FIP is kept by every instruction; FOP and FDS:FDP are worked out from the instruction's bytes only when it has an
// unmasked exception (CPUID.07H:EBX.FDP_EXCPTN_ONLY; SDM 1 8.1.9). FERR# is not wired: with CR0.NE clear #MF is raised
// too.
import * as L from '../../layout';
import { raise } from '../exceptions';
import { translateQuietly } from '../mmu';
import { isLong } from '../segments';
import { begin, DE, IE, OE, PE, raisedFlags, roundedAway, UE, ZE } from '../softfloat';
import { currentRip, get32, get64, set32, set64, state } from '../state';

const MF_VECTOR: i32 = 16;

/** Status word. */
export const SF: u32 = 0x40;
export const ES: u32 = 0x80;
export const C0: u32 = 0x100;
export const C1: u32 = 0x200;
export const C2: u32 = 0x400;
export const C3: u32 = 0x4000;
export const BUSY: u32 = 0x8000;
export const CONDITIONS: u32 = 0x4700;

/** QNaN floating-point indefinite. */
export const INDEFINITE: u64 = 0xc000000000000000;
export const INDEFINITE_SE: u32 = 0xffff;
export const INTEGER_BIT: u64 = 0x8000000000000000;

const PRECISIONS: usize = memory.data<u8>([24, 64, 53, 64]);

// @ts-ignore: decorator
@inline export function control(): u32 { return get32(L.S_X87_CONTROL); }
// @ts-ignore: decorator
@inline export function status(): u32 { return get32(L.S_X87_STATUS); }
// @ts-ignore: decorator
@inline export function setStatus(value: u32): void { set32(L.S_X87_STATUS, value); }
// @ts-ignore: decorator
@inline export function top(): u32 { return get32(L.S_X87_TOP); }
/** Significand length of FADD, FSUB, FMUL, FDIV and FSQRT by the PC field; the reserved value counts as 64. */
// @ts-ignore: decorator
@inline export function precision(): i32 { return <i32>load<u8>(PRECISIONS + ((control() >> 8) & 3)); }

/** Address of ST(i). */
// @ts-ignore: decorator
@inline export function st(i: u32): usize { return state() + L.S_X87 + (((top() + i) & 7) << 4); }
// @ts-ignore: decorator
@inline export function significandOf(i: u32): u64 { return load<u64>(st(i)); }
// @ts-ignore: decorator
@inline export function signExponentOf(i: u32): u32 { return <u32>load<u16>(st(i), 8); }

// @ts-ignore: decorator
@inline export function isEmpty(i: u32): bool { return ((get32(L.S_X87_TAGS) >> ((top() + i) & 7)) & 1) == 0; }

/** Writes ST(i) and marks it valid. */
export function write(i: u32, se: u32, significand: u64): void {
  const r = (top() + i) & 7;
  const at = state() + L.S_X87 + (r << 4);
  store<u64>(at, significand);
  store<u16>(at, <u16>se, 8);
  set32(L.S_X87_TAGS, get32(L.S_X87_TAGS) | (1 << r));
}

export function pop(): void {
  const t = top();
  set32(L.S_X87_TAGS, get32(L.S_X87_TAGS) & ~(1 << t));
  set32(L.S_X87_TOP, (t + 1) & 7);
}

/** Moves TOP and writes the new ST(0); the caller has seen that it is free. */
export function push(se: u32, significand: u64): void {
  set32(L.S_X87_TOP, (top() - 1) & 7);
  write(0, se, significand);
}

/** Pending #MF: every waiting instruction calls this when the status word has ES set. */
export function raisePending(): void {
  raise(MF_VECTOR, -1);
}

/** Starts an operation that rounds by the control word. */
// @ts-ignore: decorator
@inline export function beginRounding(): void {
  const cw = control();
  begin(<i32>(cw >> 10) & 3, <i32>cw & 0x3f, false);
}

/**
 * Puts the flags raised since `beginRounding` into the status word; C1 tells how the result was rounded. Returns false
 * when the result must not be written: an unmasked invalid, denormal or zero-divide exception.
 */
export function settle(): bool {
  let flags = <u32>raisedFlags();
  const unmasked = flags & ~control() & 0x3f;
  let sw = status() & ~C1;
  if (unmasked == 0) {
    setStatus(sw | flags | (roundedAway() ? C1 : 0));
    return true;
  }
  const stop = (unmasked & (IE | DE | ZE)) != 0;
  if (stop) flags &= IE | DE | ZE;
  else if (roundedAway()) sw |= C1;
  setStatus(sw | flags | ES | BUSY);
  recordOperand();
  return !stop;
}

/** As `settle` for results that an unmasked overflow or underflow keeps from being stored (FST to memory). */
export function settleStore(): bool {
  const unmasked = <u32>raisedFlags() & ~control();
  const before = status() & <u32>PE;
  const written = settle();
  if (!(unmasked & (OE | UE))) return written;
  // Nothing was rounded to be stored.
  setStatus((status() & ~(C1 | <u32>PE)) | before);
  return false;
}

/** Stack underflow (`over` false) or overflow. Returns true when the response is masked. */
export function stackFault(over: bool): bool {
  const sw = (status() & ~C1) | SF | <u32>IE | (over ? C1 : 0);
  if (control() & <u32>IE) {
    setStatus(sw);
    return true;
  }
  setStatus(sw | ES | BUSY);
  recordOperand();
  return false;
}

/** Pushes a value, or indefinite when the stack is full. */
export function pushChecked(se: u32, significand: u64): void {
  if (isEmpty(7)) {
    push(se, significand);
    return;
  }
  if (stackFault(true)) push(INDEFINITE_SE, INDEFINITE);
}

/** ES and B follow from flags and masks. */
export function updateSummary(): void {
  const sw = status() & ~(ES | BUSY);
  setStatus(sw & ~control() & 0x3f ? sw | ES | BUSY : sw);
}

/** FOP, and FDS:FDP of a memory operand, for an instruction with an unmasked exception. */
function recordOperand(): void {
  const uop = <usize>get32(L.S_UOP);
  if (uop == 0) return;
  const long = isLong();
  const cs = long ? 0 : load<u64>(state() + L.SEG_CS * 8, L.S_SEG_BASE);
  let at = currentRip() + cs;
  if (!long) at &= 0xffffffff;
  for (let n = 0; n < 15; n++) {
    const byte = codeByte(at);
    at = long ? at + 1 : (at + 1) & 0xffffffff;
    if (byte < 0) return;
    if (byte >= 0xd8 && byte <= 0xdf) {
      const modrm = codeByte(at);
      if (modrm < 0) return;
      set32(L.S_X87_OPCODE, <u32>(((byte & 7) << 8) | modrm));
      if (modrm < 0xc0) recordAddress(uop, long);
      return;
    }
  }
}

function codeByte(linear: u64): i32 {
  const gpa = translateQuietly(linear, 0, get32(L.S_CPL) == 3 ? 1 : 0);
  if (gpa < 0 || gpa >= 4294967296) return -1;
  const at = <u32>gpa;
  const entry = load<u32>(<usize>L.PHYS_MAP_BASE + (<usize>(at >> 12) << 2));
  return entry & L.PHYS_READ ? <i32>load<u8>((entry & 0xfffff000) | (at & 0xfff)) : -1;
}

function recordAddress(uop: usize, long: bool): void {
  const base = load<u64>(state() + load<u16>(uop, L.UOP_BASE));
  const index = load<u64>(state() + load<u16>(uop, L.UOP_INDEX)) << load<u8>(uop, L.UOP_SCALE);
  const offset = base + index + <u64>(<i64>load<i32>(uop, L.UOP_DISP));
  set64(L.S_X87_DP, long ? offset : offset & 0xffffffff);
  const segment = <u32>load<u8>(uop, L.UOP_SEGMENT);
  set32(L.S_X87_DS, segment > <u32>L.SEG_GS ? 0 : load<u32>(state() + (segment << 2), L.S_SEG_SELECTOR));
}
