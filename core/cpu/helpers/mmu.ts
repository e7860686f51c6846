// AssemblyScript. Loads and stores that the interpreters' inline TLB check does not serve, and those of helpers.
import * as L from '../layout';
import { invalidateStore } from './blocks';
import { checkDataBreakpoints } from './debug';
import { deliverHere, faulted, raise, recordFault, unwindFault } from './exceptions';
import { readMmio, writeMmio } from './host';
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, faultCode, pageGlobal, physEntry, walk } from './paging';
import { get32, get64, set32, set64, tlbs } from './state';
import { execArray, execSlotOf, fill, fillExecute, slotOf } from './tlb';

const PF_VECTOR: i32 = 14;
const AC_VECTOR: i32 = 17;

/** True in 64-bit mode's terms: bits 63-47 are alike. */
// @ts-ignore: decorator
@inline export function isCanonical(linear: u64): bool {
  return <u64>((<i64>linear << 16) >> 16) == linear;
}

/** The running instruction's operand is in the stack segment: a non-canonical address is #SS. */
function inStackSegment(): bool {
  const uop = get32(L.S_UOP);
  return uop != 0 && (load<u16>(uop, L.UOP_PREFIXES) & L.PREFIX_STACK) != 0;
}

/** Privilege of explicit accesses by the running code. Implicit supervisor accesses override it. */
let forcedSupervisor: bool = false;

/** A fault leaves helpers without their epilogue: back to the rights of the running code. */
export function endImplicitAccess(): void {
  forcedSupervisor = false;
}

/** No translation. */
const FAULT: u64 = 0xffffffffffffffff;

/** Translates for an explicit access of the running code; or records #PF / #GP / #SS and gives FAULT. */
function translate(linear: u64, access: i32): u64 {
  const long = (get32(L.S_MODE) & L.MODE_LONG) != 0;
  if ((long || forcedSupervisor) && !isCanonical(linear)) {
    recordFault(inStackSegment() ? 12 : 13, 0);
    return FAULT;
  }
  const user = !forcedSupervisor && get32(L.S_CPL) == 3;
  const ac = !forcedSupervisor && (get32(L.S_EFLAGS) & 0x40000) != 0;
  const gpa = walk(linear, access, user, ac, false);
  if (gpa == FAULT) recordPageFault(linear);
  return gpa;
}

/** Records the fault of the last walk. */
function recordPageFault(linear: u64): void {
  set64(L.S_CR2, linear);
  recordFault(PF_VECTOR, faultCode);
}

/** Reads `size` bytes (1, 2, 4, 8) within one page. */
function loadPhysical(gpa: u64, size: i32): u64 {
  const entry = physEntry(gpa);
  if (entry & L.PHYS_READ) {
    const host = <usize>((entry & 0xfffff000) | (<u32>gpa & 0xfff));
    if (size == 8) return load<u64>(host);
    if (size == 4) return <u64>load<u32>(host);
    return size == 2 ? <u64>load<u16>(host) : <u64>load<u8>(host);
  }
  if (size == 8) return <u64><u32>readMmio(<f64>gpa, 4) | (<u64><u32>readMmio(<f64>(gpa + 4), 4) << 32);
  return <u64><u32>readMmio(<f64>gpa, size);
}

function storePhysical(gpa: u64, size: i32, value: u64): void {
  const entry = physEntry(gpa);
  if (entry & L.PHYS_WRITE) {
    const number = <u32>(gpa >> 12);
    const host = <usize>((entry & 0xfffff000) | (<u32>gpa & 0xfff));
    if (size == 8) store<u64>(host, value);
    else if (size == 4) store<u32>(host, <u32>value);
    else if (size == 2) store<u16>(host, <u16>value);
    else store<u8>(host, <u8>value);
    store<u8>(L.DIRTY_MAP_BASE + number, 1);
    if (load<u32>(L.CODE_MAP_BASE + (<usize>number << 2)) != 0) invalidateStore(gpa, size);
    return;
  }
  if (size == 8) {
    writeMmio(<f64>gpa, 4, <i32>value);
    writeMmio(<f64>(gpa + 4), 4, <i32>(value >> 32));
  } else writeMmio(<f64>gpa, size, <i32>value);
}

// @ts-ignore: decorator
@inline function wrap(linear: u64): u64 {
  return (get32(L.S_MODE) & L.MODE_LONG) != 0 || forcedSupervisor ? linear : linear & 0xffffffff;
}

/** #AC of an access that is not aligned to its size; at CPL 3 with CR0.AM and EFLAGS.AC only (SDM 3A 6.15). */
// @ts-ignore: decorator
@inline function checkAlignment(linear: u64, size: i32): void {
  if ((linear & <u64>(size - 1)) != 0 && !forcedSupervisor && get32(L.S_TLB) == <u32>tlbs() + L.TLB_NONE) raise(AC_VECTOR, 0);
}

/** The TLB mode of the access under way. */
// @ts-ignore: decorator
@inline function modeInUse(): usize { return forcedSupervisor ? tlbs() : <usize>get32(L.S_TLB); }

/** A load that missed the TLB: `size` is 1, 2, 4 or 8. */
export function slowLoad(linear: u64, size: i32): u64 {
  const value = attemptLoad(linear, size);
  if (faulted) unwindFault();
  return value;
}

/** As `slowLoad`; a fault is delivered before it returns, which S_FAULTED tells. */
export function tryLoad(linear: u64, size: i32): u64 {
  const value = attemptLoad(linear, size);
  if (faulted) deliverHere();
  return value;
}

function attemptLoad(linear: u64, size: i32): u64 {
  checkAlignment(linear, size);
  checkDataBreakpoints(linear, size, false);
  const rest = 4096 - (<i32>linear & 0xfff);
  const gpa = translate(linear, ACCESS_READ);
  if (gpa == FAULT) return 0;
  if (size <= rest) {
    fill(modeInUse(), linear, gpa, ACCESS_READ);
    return loadPhysical(gpa, size);
  }
  const next = wrap(linear + <u64>rest);
  const gpa2 = translate(next, ACCESS_READ);
  if (gpa2 == FAULT) return 0;
  let value: u64 = 0;
  for (let i = 0; i < size; i++) {
    const at = i < rest ? gpa + <u64>i : gpa2 + <u64>(i - rest);
    value |= loadPhysical(at, 1) << (<u64>i << 3);
  }
  return value;
}

/** A store that missed the TLB. Both pages of a crossing are checked before anything is written. */
export function slowStore(linear: u64, size: i32, value: u64): void {
  attemptStore(linear, size, value);
  if (faulted) unwindFault();
}

/** As `slowStore`; a fault is delivered before it returns, which S_FAULTED tells. */
export function tryStore(linear: u64, size: i32, value: u64): void {
  attemptStore(linear, size, value);
  if (faulted) deliverHere();
}

function attemptStore(linear: u64, size: i32, value: u64): void {
  checkAlignment(linear, size);
  checkDataBreakpoints(linear, size, true);
  const rest = 4096 - (<i32>linear & 0xfff);
  const gpa = translate(linear, ACCESS_WRITE);
  if (gpa == FAULT) return;
  if (size <= rest) {
    fill(modeInUse(), linear, gpa, ACCESS_WRITE);
    storePhysical(gpa, size, value);
    return;
  }
  const next = wrap(linear + <u64>rest);
  const gpa2 = translate(next, ACCESS_WRITE);
  if (gpa2 == FAULT) return;
  for (let i = 0; i < size; i++) {
    const at = i < rest ? gpa + <u64>i : gpa2 + <u64>(i - rest);
    storePhysical(at, 1, (value >> (<u64>i << 3)) & 0xff);
  }
}

/** Loads for helpers: by the TLB, else as `slowLoad`. */
export function readMemory(linear: u64, size: i32): u64 {
  const slot = slotOf(modeInUse(), linear);
  if (load<u64>(slot) != ((linear + <u64>(size - 1)) & ~(<u64>0xfff))) return slowLoad(linear, size);
  const host = <usize>(<u32>linear + load<u32>(slot, 8));
  if (size == 8) return load<u64>(host);
  if (size == 4) return <u64>load<u32>(host);
  return size == 2 ? <u64>load<u16>(host) : <u64>load<u8>(host);
}

export function writeMemory(linear: u64, size: i32, value: u64): void {
  const slot = slotOf(modeInUse(), linear) + L.TLB_WRITE;
  if (load<u64>(slot) != ((linear + <u64>(size - 1)) & ~(<u64>0xfff))) {
    slowStore(linear, size, value);
    return;
  }
  const host = <usize>(<u32>linear + load<u32>(slot, 8));
  if (size == 8) store<u64>(host, value);
  else if (size == 4) store<u32>(host, <u32>value);
  else if (size == 2) store<u16>(host, <u16>value);
  else store<u8>(host, <u8>value);
}

/** Implicit supervisor accesses: descriptor tables, TSS, stacks of inner privilege. */
export function readSystem(linear: u64, size: i32): u64 {
  forcedSupervisor = true;
  const value = readMemory(linear, size);
  forcedSupervisor = false;
  return value;
}

export function writeSystem(linear: u64, size: i32, value: u64): void {
  forcedSupervisor = true;
  writeMemory(linear, size, value);
  forcedSupervisor = false;
}

export function slowLoad128(linear: u64): v128 {
  const low = slowLoad(linear, 8);
  const high = slowLoad(wrap(linear + 8), 8);
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

export function slowStore128(linear: u64, value: v128): void {
  attemptStore128(linear, value);
  if (faulted) unwindFault();
}

/** As `slowLoad128` and `slowStore128`; a fault is delivered before they return, which S_FAULTED tells. */
export function tryLoad128(linear: u64): v128 {
  const low = attemptLoad(linear, 8);
  let high: u64 = 0;
  if (!faulted) high = attemptLoad(wrap(linear + 8), 8);
  if (faulted) deliverHere();
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

export function tryStore128(linear: u64, value: v128): void {
  attemptStore128(linear, value);
  if (faulted) deliverHere();
}

function attemptStore128(linear: u64, value: v128): void {
  probe(linear, 16, ACCESS_WRITE);
  if (!faulted) attemptStore(linear, 8, i64x2.extract_lane(value, 0));
  if (!faulted) attemptStore(wrap(linear + 8), 8, i64x2.extract_lane(value, 1));
}

/** Raises what a store of `size` bytes would raise. */
export function probeWrite(linear: u64, size: i32): void {
  probe(linear, size, ACCESS_WRITE);
  if (faulted) unwindFault();
}

export function probeRead(linear: u64, size: i32): void {
  probe(linear, size, ACCESS_READ);
  if (faulted) unwindFault();
}

/** As `probeWrite`; a fault is delivered before it returns, which S_FAULTED tells. */
export function tryProbe(linear: u64, size: i32): void {
  probe(linear, size, ACCESS_WRITE);
  if (faulted) deliverHere();
}

function probe(linear: u64, size: i32, access: i32): void {
  const gpa = translate(linear, access);
  if (gpa == FAULT) return;
  fill(modeInUse(), linear, gpa, access);
  const last = wrap(linear + <u64>(size - 1));
  if ((last ^ linear) & ~(<u64>0xfff)) translate(last & ~(<u64>0xfff), access);
}

/** The page of the last `translateFetch` is global. */
export let fetchedGlobal: bool = false;

/** GPA of an instruction fetch; or -1, the fault recorded unless `probing`. */
export function translateFetch(linear: u64, probing: bool): u64 {
  if ((get32(L.S_MODE) & L.MODE_LONG) != 0 && !isCanonical(linear)) {
    if (!probing) recordFault(13, 0);
    return FAULT;
  }
  const user = get32(L.S_CPL) == 3;
  const page = linear & ~(<u64>0xfff);
  const slot = execSlotOf(execArray(user), linear);
  if (load<u64>(slot) == page) {
    fetchedGlobal = (load<u32>(slot, 8) & 1) != 0;
    return (load<u64>(slot, 8) & ~(<u64>0xfff)) | (linear & 0xfff);
  }
  const gpa = walk(linear, ACCESS_EXECUTE, user, false, false);
  if (gpa == FAULT) {
    if (!probing) recordPageFault(linear);
    return gpa;
  }
  fillExecute(slot, linear, gpa);
  fetchedGlobal = pageGlobal;
  return gpa;
}

/** For debuggers and tests: the GPA without side effects, or -1. */
export function translateQuietly(linear: u64, write: i32, user: i32): f64 {
  const gpa = walk(linear, write ? ACCESS_WRITE : ACCESS_READ, user != 0, true, true);
  return gpa == <u64>-1 ? -1 : <f64>gpa;
}

export function checkAligned16(linear: u64): void {
  if (linear & 15) raise(13, 0);
}

export function checkCanonical(linear: u64): void {
  if (!isCanonical(linear)) raise(13, 0);
}
