// AssemblyScript. Segment registers: descriptors, loads with their checks (SDM 3A chapters 3 and 5), limit checks.
import * as L from '../layout';
import { updateDataSegment, updateMode } from './blocks';
import { INHIBIT_STACK } from './debug';
import { raise } from './exceptions';
import { VM } from './flags';
import { checkCanonical, readMemory, readSystem, writeMemory, writeSystem } from './mmu';
import { get32, get64, set32, set64, state } from './state';

export const GP: i32 = 13;
export const NP: i32 = 11;
export const SS_FAULT: i32 = 12;
export const TS_FAULT: i32 = 10;

// @ts-ignore: decorator
@inline export function isLong(): bool { return (get32(L.S_MODE) & L.MODE_LONG) != 0; }
// @ts-ignore: decorator
@inline export function isLongActive(): bool { return (get64(L.S_EFER) & 0x400) != 0; }
/** Real mode, or virtual-8086: segments are selectors times 16. */
// @ts-ignore: decorator
@inline export function isRealLike(): bool { return (get64(L.S_CR0) & 1) == 0 || (get32(L.S_EFLAGS) & VM) != 0; }

// @ts-ignore: decorator
@inline export function selectorOf(segment: i32): u32 { return load<u32>(state() + (<usize>segment << 2), L.S_SEG_SELECTOR); }
// @ts-ignore: decorator
@inline export function accessOf(segment: i32): u32 { return load<u32>(state() + (<usize>segment << 2), L.S_SEG_ACCESS); }
// @ts-ignore: decorator
@inline export function limitOf(segment: i32): u32 { return load<u32>(state() + (<usize>segment << 2), L.S_SEG_LIMIT); }
// @ts-ignore: decorator
@inline export function baseOf(segment: i32): u64 { return load<u64>(state() + (<usize>segment << 3), L.S_SEG_BASE); }

export function segmentSelector(segment: i32): i32 {
  return selectorOf(segment);
}

export function setSegment(segment: i32, selector: u32, base: u64, limit: u32, access: u32): void {
  const at = state() + (<usize>segment << 2);
  store<u32>(at, selector, L.S_SEG_SELECTOR);
  store<u32>(at, limit, L.S_SEG_LIMIT);
  store<u32>(at, access, L.S_SEG_ACCESS);
  store<u64>(state() + (<usize>segment << 3), base, L.S_SEG_BASE);
}

// --- descriptors: 8 bytes as in SDM 3A figure 3-8

// @ts-ignore: decorator
@inline export function descriptorAccess(d: u64): u32 { return <u32>(d >> 40) & 0xf0ff; }
// @ts-ignore: decorator
@inline export function descriptorBase(d: u64): u32 { return (<u32>(d >> 16) & 0xffffff) | (<u32>(d >> 56) << 24); }

export function descriptorLimit(d: u64): u32 {
  const raw = (<u32>d & 0xffff) | (<u32>(d >> 32) & 0xf0000);
  return d & 0x80000000000000 ? (raw << 12) | 0xfff : raw;
}

/** Linear address of a selector's descriptor, or 0xffff... when it lies outside its table (or the LDT is null). */
function descriptorAddress(selector: u32): u64 {
  const offset = selector & 0xfff8;
  if (selector & 4) {
    if ((accessOf(L.SEG_LDTR) & L.ACCESS_UNUSABLE) != 0 || offset + 7 > limitOf(L.SEG_LDTR)) return <u64>-1;
    return baseOf(L.SEG_LDTR) + offset;
  }
  if (offset + 7 > get32(L.S_GDTR_LIMIT)) return <u64>-1;
  return get64(L.S_GDTR_BASE) + offset;
}

/** The descriptor, or raises `vector` with the selector as error code when it is outside its table. */
export function fetchDescriptor(selector: u32, vector: i32, extra: u32): u64 {
  const at = descriptorAddress(selector);
  if (at == <u64>-1) raise(vector, (selector & 0xfffc) | extra);
  return readSystem(at, 8);
}

/** The descriptor, or 0 when it is outside its table (an invalid one too, as P is clear). */
export function tryDescriptor(selector: u32): u64 {
  const at = descriptorAddress(selector);
  return at == <u64>-1 ? 0 : readSystem(at, 8);
}

/** The upper half of a 16-byte system descriptor (64-bit TSS, LDT, call gate). */
export function fetchUpper(selector: u32, vector: i32, extra: u32): u64 {
  const at = descriptorAddress(selector);
  const limit = selector & 4 ? limitOf(L.SEG_LDTR) : get32(L.S_GDTR_LIMIT);
  if ((selector & 0xfff8) + 15 > limit) raise(vector, (selector & 0xfffc) | extra);
  const upper = readSystem(at + 8, 8);
  // Its type field must be zero, so that it is no descriptor of its own.
  if (upper & 0x1f0000000000) raise(vector, (selector & 0xfffc) | extra);
  return upper;
}

/** Sets the accessed bit of a code or data descriptor in memory. */
export function markAccessed(selector: u32, d: u64): void {
  if (d & 0x10000000000) return;
  writeSystem(descriptorAddress(selector) + 5, 1, ((d >> 40) & 0xff) | 1);
}

export function setTypeByte(selector: u32, value: u32): void {
  writeSystem(descriptorAddress(selector) + 5, 1, value);
}

/** Puts a code or data descriptor into a segment register's hidden part. */
export function loadFromDescriptor(segment: i32, selector: u32, d: u64): void {
  setSegment(segment, selector, <u64>descriptorBase(d), descriptorLimit(d), descriptorAccess(d) | 1);
}

/** Real mode and virtual-8086: base is the selector times 16; real mode keeps limit and rights. */
export function loadRealSegment(segment: i32, selector: u32): void {
  const v86 = (get32(L.S_EFLAGS) & VM) != 0;
  let limit: u32 = v86 ? 0xffff : limitOf(segment);
  let access: u32 = v86 ? 0xf3 : accessOf(segment);
  if (!v86 && (access & L.ACCESS_UNUSABLE) != 0) {
    access = 0x93;
    limit = 0xffff;
  }
  setSegment(segment, selector, <u64>selector << 4, limit, access);
}

/** MOV/POP/LxS to ES, SS, DS, FS, GS. CS raises #UD. Runs as a block's last instruction: updates the mode. */
export function loadSegment(segment: i32, selectorWord: i32): void {
  const selector = <u32>selectorWord & 0xffff;
  if (segment == L.SEG_CS || segment > L.SEG_GS) raise(6, -1);
  if (isRealLike()) {
    loadRealSegment(segment, selector);
  } else if (!(selector & 0xfffc)) {
    loadNull(segment, selector);
  } else if (segment == L.SEG_SS) {
    loadFromDescriptor(segment, selector, checkedStack(selector, get32(L.S_CPL), GP, 0));
  } else {
    loadFromDescriptor(segment, selector, checkedData(selector));
  }
  if (segment == L.SEG_SS) {
    set32(L.S_INHIBIT, INHIBIT_STACK);
    updateMode();
  } else updateDataSegment(segment);
}

function loadNull(segment: i32, selector: u32): void {
  if (segment == L.SEG_SS) {
    // 64-bit mode below CPL 3 takes a null SS whose RPL is CPL (SDM 2B, MOV).
    if (!isLong() || get32(L.S_CPL) == 3 || (selector & 3) != get32(L.S_CPL)) raise(GP, 0);
    setSegment(segment, selector, 0, 0, L.ACCESS_UNUSABLE | (get32(L.S_CPL) << 5));
    return;
  }
  // FS and GS keep their bases on AMD and lose them on Intel; we clear, as Intel does.
  setSegment(segment, selector, 0, 0, L.ACCESS_UNUSABLE);
}

/** A stack segment descriptor for privilege `cpl`, checked and marked accessed. */
export function checkedStack(selector: u32, cpl: u32, vector: i32, extra: u32): u64 {
  const error = (selector & 0xfffc) | extra;
  const d = fetchDescriptor(selector, vector, extra);
  const access = descriptorAccess(d);
  // Writable data with RPL = DPL = CPL.
  if ((selector & 3) != cpl || (access & 0x1a) != 0x12 || ((access >> 5) & 3) != cpl) raise(vector, error);
  if (!(access & 0x80)) raise(SS_FAULT, error);
  markAccessed(selector, d);
  return d;
}

function checkedData(selector: u32): u64 {
  const error = selector & 0xfffc;
  const d = fetchDescriptor(selector, GP, 0);
  const access = descriptorAccess(d);
  const dpl = (access >> 5) & 3;
  // Data, or readable code; privilege counts unless it is conforming code.
  if (!(access & 0x10) || (access & 0x0a) == 0x08) raise(GP, error);
  const conforming = (access & 0x0c) == 0x0c;
  if (!conforming && (dpl < (selector & 3) || dpl < get32(L.S_CPL))) raise(GP, error);
  if (!(access & 0x80)) raise(NP, error);
  markAccessed(selector, d);
  return d;
}

/** SEGCHK: offset within the limit and rights of a segment; outside 64-bit mode. */
export function checkSegment(segment: i32, offset: u64, size: i32, write: i32): void {
  const access = accessOf(segment);
  const vector = segment == L.SEG_SS ? SS_FAULT : GP;
  if (access & L.ACCESS_UNUSABLE) raise(vector, 0);
  const code = (access & 8) != 0;
  if (!isRealLike()) {
    if (write ? code || !(access & 2) : code && !(access & 2)) raise(vector, 0);
  } else if (write != 0 && code && segment != L.SEG_CS) raise(vector, 0);
  const last = offset + <u64>(size - 1);
  const limit = <u64>limitOf(segment);
  if (!code && (access & 4) != 0) {
    const top: u64 = access & 0x4000 ? 0xffffffff : 0xffff;
    if (offset <= limit || last > top) raise(vector, 0);
  } else if (last > limit) raise(vector, 0);
}

// --- stack in the current mode

/** Bits of RSP that stack operations move. */
export function stackMask(): u64 {
  return isLong() ? <u64>-1 : <u64>get32(L.S_STACK_MASK);
}

/** Linear address of a stack slot at an RSP value, its limit checked. */
export function stackLinear(rsp: u64, size: i32, write: bool): u64 {
  if (isLong()) return rsp;
  const offset = rsp & <u64>get32(L.S_STACK_MASK);
  if (get32(L.S_STACK_CHECK)) checkSegment(L.SEG_SS, offset, size, write ? 1 : 0);
  return (offset + baseOf(L.SEG_SS)) & 0xffffffff;
}

/** Replaces the bits of RSP that the stack size has. */
export function setStackPointer(value: u64): void {
  const mask = stackMask();
  const old = load<u64>(state() + L.S_GPR + 32);
  // A 32-bit stack pointer zeroes the upper half of RSP.
  const kept = mask == 0xffff ? old & 0xffff0000 : 0;
  store<u64>(state() + L.S_GPR + 32, mask == <u64>-1 ? value : (value & mask) | kept);
}

// @ts-ignore: decorator
@inline export function stackPointer(): u64 { return load<u64>(state() + L.S_GPR + 32); }

export function pushSegment(segment: i32, size: i32): void {
  const rsp = stackPointer() - <u64>size;
  // A 32-bit push of a selector writes two bytes only (SDM 2B, PUSH).
  writeMemory(stackLinear(rsp, size, true), size == 4 ? 2 : size, <u64>selectorOf(segment));
  setStackPointer(rsp);
}

export function popSegment(segment: i32, size: i32): void {
  const rsp = stackPointer();
  const selector = <i32>readMemory(stackLinear(rsp, size, false), 2);
  // The new SS's size does not count for this pop.
  const mask = stackMask();
  loadSegment(segment, selector);
  const value = rsp + <u64>size;
  const kept = mask == 0xffff ? rsp & 0xffff0000 : 0;
  store<u64>(state() + L.S_GPR + 32, mask == <u64>-1 ? value : (value & mask) | kept);
}

// --- tables

export function loadGdt(base: u64, limit: i32): void {
  if (isLong()) checkCanonical(base);
  set64(L.S_GDTR_BASE, base);
  set32(L.S_GDTR_LIMIT, limit);
}

export function loadIdt(base: u64, limit: i32): void {
  if (isLong()) checkCanonical(base);
  set64(L.S_IDTR_BASE, base);
  set32(L.S_IDTR_LIMIT, limit);
}

/** LLDT and LTR share this: a present system descriptor of the GDT, 16 bytes long in long mode. */
function loadSystem(segment: i32, selector: u32, type: u32): void {
  const error = selector & 0xfffc;
  if (selector & 4) raise(GP, error);
  const d = fetchDescriptor(selector, GP, 0);
  const access = descriptorAccess(d);
  const found = access & 0x1f;
  const good = type == 2 ? found == 2 : found == 9 || (found == 1 && !isLongActive());
  if (!good) raise(GP, error);
  if (!(access & 0x80)) raise(NP, error);
  let base = <u64>descriptorBase(d);
  if (isLongActive()) {
    base |= fetchUpper(selector, GP, 0) << 32;
    checkCanonical(base);
  }
  if (segment == L.SEG_TR) setTypeByte(selector, <u32>(d >> 40) & 0xff | 2);
  setSegment(segment, selector, base, descriptorLimit(d), access | (segment == L.SEG_TR ? 2 : 0));
}

export function loadLdt(selector: i32): void {
  if (!(<u32>selector & 0xfffc)) setSegment(L.SEG_LDTR, selector, 0, 0, L.ACCESS_UNUSABLE);
  else loadSystem(L.SEG_LDTR, <u32>selector & 0xffff, 2);
}

export function loadTaskRegister(selector: i32): void {
  if (!(<u32>selector & 0xfffc)) raise(GP, 0);
  loadSystem(L.SEG_TR, <u32>selector & 0xffff, 9);
}

// --- LAR, LSL, VERR, VERW

/** Privilege lets the running code see the descriptor. */
function visible(selector: u32, access: u32): bool {
  if ((access & 0x1c) == 0x1c) return true;
  const dpl = (access >> 5) & 3;
  return dpl >= get32(L.S_CPL) && dpl >= (selector & 3);
}

export function loadAccessRights(selectorWord: i32): i64 {
  const selector = <u32>selectorWord & 0xffff;
  if (!(selector & 0xfffc)) return -1;
  const d = tryDescriptor(selector);
  if (d == 0) return -1;
  const access = descriptorAccess(d);
  if (!(access & 0x10)) {
    const type = access & 15;
    // TSS, LDT and gates that LAR takes (SDM 2A, LAR); the 16-bit ones not in long mode.
    const always = type == 2 || type == 9 || type == 11 || type == 12;
    const legacy = type == 1 || type == 3 || type == 4 || type == 5;
    if (!always && !(legacy && !isLongActive())) return -1;
  }
  if (!visible(selector, access)) return -1;
  return <i64>((d >> 32) & 0x00f0ff00);
}

export function loadSegmentLimit(selectorWord: i32): i64 {
  const selector = <u32>selectorWord & 0xffff;
  if (!(selector & 0xfffc)) return -1;
  const d = tryDescriptor(selector);
  if (d == 0) return -1;
  const access = descriptorAccess(d);
  if (!(access & 0x10)) {
    const type = access & 15;
    const always = type == 2 || type == 9 || type == 11;
    if (!always && !((type == 1 || type == 3) && !isLongActive())) return -1;
  }
  if (!visible(selector, access)) return -1;
  return <i64>descriptorLimit(d);
}

export function verifySegment(selectorWord: i32, write: i32): i32 {
  const selector = <u32>selectorWord & 0xffff;
  if (!(selector & 0xfffc)) return 0;
  const access = descriptorAccess(tryDescriptor(selector));
  if (!(access & 0x10) || !visible(selector, access)) return 0;
  if (write) return (access & 0x0a) == 0x02 ? 1 : 0;
  return (access & 0x0a) == 0x08 ? 0 : 1;
}
