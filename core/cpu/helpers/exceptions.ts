// AssemblyScript. Raising and delivering exceptions and interrupts (SDM 3A chapter 6).
import * as L from '../layout';
import { updateMode } from './blocks';
import { dropTrace, takeBreakpoint } from './debug';
import { AC, IF, IOPL, NT, readFlags, RF, TF, VM, writeFlags } from './flags';
import { acknowledgeInterrupt, unwind } from './host';
import { endImplicitAccess, isCanonical, readSystem, writeMemory, writeSystem } from './mmu';
import {
  accessOf, baseOf, checkedStack, descriptorAccess, descriptorBase, descriptorLimit, fetchDescriptor, GP, isLongActive, limitOf, loadFromDescriptor,
  loadRealSegment, markAccessed, NP, selectorOf, setSegment, setStackPointer, SS_FAULT, stackLinear, stackPointer, TS_FAULT,
} from './segments';
import { currentRip, get32, get64, nextRip, set32, set64, state } from './state';
import { switchTask } from './task';

const DF_VECTOR: u32 = 8;
const DR7_GD: u64 = 0x2000;
const PF_VECTOR: u32 = 14;

/** What is being delivered (S_DELIVERING), SDM 3A table 6-4. */
const BENIGN: u32 = 0;
const CONTRIBUTORY: u32 = 1;
const PAGE_FAULT: u32 = 2;
const DOUBLE_FAULT: u32 = 3;

/** Origin of an interrupt. */
export const EXTERNAL: i32 = 0;
/** INT n, INT3, INTO: gate privilege counts. */
export const SOFTWARE: i32 = 1;
/** INT1: no privilege check, not external. */
export const PRIVILEGED: i32 = 2;

/** Raises an exception in the running instruction; `error` below zero means no error code. Does not return. */
export function raise(vector: i32, error: i32): void {
  recordFault(vector, error);
  unwindFault();
}

/** A recorded fault waits for `unwindFault` or `deliverHere`. */
export let faulted: bool = false;

/** Notes the exception of the running instruction. The caller returns to where it is raised. */
export function recordFault(vector: i32, error: i32): void {
  endImplicitAccess();
  set32(L.S_FAULT_VECTOR, vector);
  set32(L.S_FAULT_ERROR, error);
  set32(L.S_FAULT_HAS_ERROR, error >= 0 ? 1 : 0);
  faulted = true;
}

/** Leaves all wasm frames for the run loop, which delivers the recorded fault. Does not return. */
export function unwindFault(): void {
  faulted = false;
  unwind();
}

/**
 * Delivers the recorded fault of the instruction at S_UOP, or of the fetch at S_RIP, without leaving the interpreter,
 * and sets S_FAULTED. An exception through all frames costs more than most handlers' first thousand instructions.
 */
export function deliverHere(): void {
  // One instruction at a time, and 32-bit code under a 64-bit kernel, are the run loop's.
  const stepped = (get32(L.S_MODE) & (L.MODE_TRACE | L.MODE_BREAKPOINTS)) != 0;
  const changes = isLongActive() && (get32(L.S_MODE) & L.MODE_LONG) == 0;
  if (stepped || changes) unwindFault();
  faulted = false;
  const uop = get32(L.S_UOP);
  if (uop) set32(L.S_BUDGET, get32(L.S_BUDGET) + load<u8>(uop, L.UOP_REMAINING));
  deliverFault();
  set32(L.S_FAULTED, 1);
}

export function undefinedOpcode(): void {
  raise(6, -1);
}

function classOf(vector: u32): u32 {
  if (vector == PF_VECTOR) return PAGE_FAULT;
  return vector == 0 || (vector >= 10 && vector <= 13) ? CONTRIBUTORY : BENIGN;
}

/** Delivers the exception that `raise` recorded. May raise another: the run loop calls again. */
export function deliverFault(): void {
  set32(L.S_COUNT_FAULT, get32(L.S_COUNT_FAULT) + 1);
  // Costs as much as an instruction: faults without end use up the slice.
  set32(L.S_BUDGET, get32(L.S_BUDGET) - 1);
  let vector = get32(L.S_FAULT_VECTOR);
  let error = get32(L.S_FAULT_ERROR);
  let hasError = get32(L.S_FAULT_HAS_ERROR) != 0;
  const before = get32(L.S_DELIVERING);
  if (before == 0) {
    set64(L.S_RIP, currentRip());
    set32(L.S_UOP, 0);
  }
  // S_DELIVERING holds the class + 1 of the exception under way.
  let kind = classOf(vector);
  if (before != 0) {
    const first = before - 1;
    if (first == DOUBLE_FAULT && kind != BENIGN) {
      set32(L.S_DELIVERING, 0);
      set32(L.S_EXIT, L.EXIT_SHUTDOWN);
      return;
    }
    if ((first == CONTRIBUTORY && kind == CONTRIBUTORY) || (first == PAGE_FAULT && kind != BENIGN)) {
      vector = DF_VECTOR;
      error = 0;
      hasError = true;
      kind = DOUBLE_FAULT;
    } else if (first > kind) kind = first;
  }
  set32(L.S_DELIVERING, kind + 1);
  set32(L.S_EXIT, L.EXIT_BUDGET);
  // Instruction breakpoints and aborts push RF as it is (SDM 3B 17.3.1.1).
  deliver(vector, EXTERNAL, hasError, error, vector != DF_VECTOR && !takeBreakpoint());
  set32(L.S_DELIVERING, 0);
}

/** INT n and its like: the frame points behind the instruction. */
export function softwareInterrupt(vector: i32, kind: i32): void {
  // kind: 0 INT n, 1 INT3/INTO, 2 INT1.
  if (kind == 0 && (get32(L.S_EFLAGS) & VM) != 0 && (get32(L.S_EFLAGS) & IOPL) != IOPL) raise(GP, 0);
  const back = nextRip();
  set64(L.S_RIP, back);
  const traced = get32(L.S_EFLAGS) & TF;
  deliver(vector, kind == 2 ? PRIVILEGED : SOFTWARE, false, 0, false);
  if (traced) dropTrace();
}

/** Takes a waiting NMI or external interrupt if the processor accepts it now. Returns 1 when one was delivered. */
export function serviceInterrupts(): i32 {
  set32(L.S_UOP, 0);
  const debug = get32(L.S_PENDING_DEBUG);
  if (debug) {
    set32(L.S_PENDING_DEBUG, 0);
    set64(L.S_DR + 48, get64(L.S_DR + 48) | <u64>debug);
    deliverAsInterrupt(1);
    return 1;
  }
  if (get32(L.S_NMI_PENDING) != 0 && get32(L.S_NMI_BLOCKED) == 0) {
    set32(L.S_NMI_PENDING, 0);
    set32(L.S_NMI_BLOCKED, 1);
    deliverAsInterrupt(2);
    return 1;
  }
  if (get32(L.S_IRQ_PENDING) == 0 || (get32(L.S_EFLAGS) & IF) == 0) return 0;
  const vector = acknowledgeInterrupt();
  // S_IRQ_PENDING stays: when IF is set again the run loop asks anew whether another one waits.
  if (vector < 0) return 0;
  deliverAsInterrupt(vector);
  return 1;
}

export function deliverAsInterrupt(vector: i32): void {
  set32(L.S_HALTED, 0);
  set32(L.S_DELIVERING, BENIGN + 1);
  deliver(vector, EXTERNAL, false, 0, false);
  set32(L.S_DELIVERING, 0);
}

export function nonMaskableInterrupt(): void {
  set32(L.S_NMI_PENDING, 1);
}

/** Enters the handler of a vector from S_RIP. `fault`: EFLAGS.RF is set in the frame (SDM 3B 17.3.1.1). */
function deliver(vector: u32, origin: i32, hasError: bool, error: u32, fault: bool): void {
  if (vector == 1) set64(L.S_DR + 56, get64(L.S_DR + 56) & ~DR7_GD);
  if (isLongActive()) deliverLong(vector, origin, hasError, error, fault);
  else if (!(get64(L.S_CR0) & 1)) deliverReal(vector);
  else deliverProtected(vector, origin, hasError, error, fault);
}

/** The IVT of real mode. */
function deliverReal(vector: u32): void {
  if (vector * 4 + 3 > get32(L.S_IDTR_LIMIT)) raise(GP, -1);
  const entry = <u32>readSystem(get64(L.S_IDTR_BASE) + vector * 4, 4);
  const flags = readFlags();
  const rsp = stackPointer();
  writeMemory(stackLinear(rsp - 2, 2, true), 2, flags);
  writeMemory(stackLinear(rsp - 4, 2, true), 2, selectorOf(L.SEG_CS));
  writeMemory(stackLinear(rsp - 6, 2, true), 2, get64(L.S_RIP));
  setStackPointer(rsp - 6);
  writeFlags(0, IF | TF | AC | RF);
  loadRealSegment(L.SEG_CS, entry >> 16);
  set64(L.S_RIP, entry & 0xffff);
  updateMode();
}

/** Stack segment and pointer of an inner privilege level from the TSS (SDM 3A 7.2.1); result in these two. */
let tssStackSelector: u32 = 0;
let tssStackPointer: u64 = 0;

export function innerStack(dpl: u32, extra: u32): void {
  const wide = (accessOf(L.SEG_TR) & 8) != 0;
  const offset: u32 = wide ? dpl * 8 + 4 : dpl * 4 + 2;
  // ESP and SS: the two bytes behind SS need not exist.
  const size: u32 = wide ? 6 : 4;
  if (offset + size - 1 > limitOf(L.SEG_TR)) raise(TS_FAULT, (selectorOf(L.SEG_TR) & 0xfffc) | extra);
  const at = baseOf(L.SEG_TR) + offset;
  if (wide) {
    tssStackPointer = readSystem(at, 4);
    tssStackSelector = <u32>readSystem(at + 4, 2);
  } else {
    tssStackPointer = readSystem(at, 2);
    tssStackSelector = <u32>readSystem(at + 2, 2);
  }
}

export function innerStackSelector(): u32 {
  return tssStackSelector;
}

export function innerStackPointer(): u64 {
  return tssStackPointer;
}

/** Raises #SS unless `bytes` fit below an inner stack pointer in a stack segment's limit. */
export function checkStackRoom(d: u64, pointer: u64, bytes: u32, selector: u32, extra: u32): void {
  const top: u64 = d & 0x40000000000000 ? 0xffffffff : 0xffff;
  const limit = <u64>descriptorLimit(d);
  const lowest = (pointer - bytes) & top;
  const highest = (pointer - 1) & top;
  const expandDown = (d & 0x40000000000) != 0;
  if (lowest > highest || (expandDown ? lowest <= limit : highest > limit)) raise(SS_FAULT, (selector & 0xfffc) | extra);
}

/** RSP of a privilege level (0-2) or interrupt stack (IST 1-7 as 3 + n) from the 64-bit TSS. */
export function longStack(index: u32, extra: u32): u64 {
  const offset: u32 = index < 3 ? 4 + index * 8 : 36 + (index - 4) * 8;
  if (offset + 7 > limitOf(L.SEG_TR)) raise(TS_FAULT, (selectorOf(L.SEG_TR) & 0xfffc) | extra);
  const rsp = readSystem(baseOf(L.SEG_TR) + offset, 8);
  if (!isCanonical(rsp)) raise(SS_FAULT, extra);
  return rsp;
}

function gateError(vector: u32, origin: i32): u32 {
  return (vector << 3) | 2 | (origin == EXTERNAL ? 1 : 0);
}

function deliverLong(vector: u32, origin: i32, hasError: bool, error: u32, fault: bool): void {
  const code = gateError(vector, origin);
  const extra: u32 = origin == EXTERNAL ? 1 : 0;
  if (vector * 16 + 15 > get32(L.S_IDTR_LIMIT)) raise(GP, code);
  const low = readSystem(get64(L.S_IDTR_BASE) + vector * 16, 8);
  const high = readSystem(get64(L.S_IDTR_BASE) + vector * 16 + 8, 8);
  const type = <u32>(low >> 40) & 0x1f;
  if (type != 0x0e && type != 0x0f) raise(GP, code);
  const cpl = get32(L.S_CPL);
  if (origin == SOFTWARE && (<u32>(low >> 45) & 3) < cpl) raise(GP, code);
  if (!(low & 0x800000000000)) raise(NP, code);
  const target = (low & 0xffff) | ((low >> 32) & 0xffff0000) | (high << 32);
  const selector = <u32>(low >> 16) & 0xffff;
  if (!(selector & 0xfffc)) raise(GP, extra);
  const d = fetchDescriptor(selector, GP, extra);
  const access = descriptorAccess(d);
  const dpl = (access >> 5) & 3;
  // 64-bit code of no less privilege.
  if ((access & 0x18) != 0x18 || dpl > cpl || !(access & 0x2000) || (access & 0x4000) != 0) raise(GP, (selector & 0xfffc) | extra);
  if (!(access & 0x80)) raise(NP, (selector & 0xfffc) | extra);
  const conforming = (access & 4) != 0;
  const newCpl = conforming ? cpl : dpl;
  const ist = <u32>(low >> 32) & 7;
  const oldRsp = stackPointer();
  const oldSs = selectorOf(L.SEG_SS);
  let rsp = ist != 0 ? longStack(3 + ist, extra) : newCpl < cpl ? longStack(newCpl, extra) : oldRsp;
  if (!isCanonical(target)) raise(GP, extra);
  rsp &= ~(<u64>15);
  if (!isCanonical(rsp - 48)) raise(SS_FAULT, extra);
  markAccessed(selector, d);
  const flags = readFlags() | (fault ? RF : 0);
  if (newCpl == 3) {
    writeMemory(rsp - 8, 8, oldSs);
    writeMemory(rsp - 16, 8, oldRsp);
    writeMemory(rsp - 24, 8, flags);
    writeMemory(rsp - 32, 8, selectorOf(L.SEG_CS));
    writeMemory(rsp - 40, 8, get64(L.S_RIP));
    if (hasError) writeMemory(rsp - 48, 8, error);
  } else {
    writeSystem(rsp - 8, 8, oldSs);
    writeSystem(rsp - 16, 8, oldRsp);
    writeSystem(rsp - 24, 8, flags);
    writeSystem(rsp - 32, 8, selectorOf(L.SEG_CS));
    writeSystem(rsp - 40, 8, get64(L.S_RIP));
    if (hasError) writeSystem(rsp - 48, 8, error);
  }
  if (newCpl < cpl) setSegment(L.SEG_SS, newCpl, 0, 0, L.ACCESS_UNUSABLE | (newCpl << 5));
  loadFromDescriptor(L.SEG_CS, (selector & ~3) | newCpl, d);
  set32(L.S_CPL, newCpl);
  store<u64>(state() + L.S_GPR + 32, rsp - (hasError ? 48 : 40));
  set64(L.S_RIP, target);
  writeFlags(0, TF | NT | RF | (type == 0x0e ? IF : 0));
  updateMode();
}

function deliverProtected(vector: u32, origin: i32, hasError: bool, error: u32, fault: bool): void {
  const code = gateError(vector, origin);
  const extra: u32 = origin == EXTERNAL ? 1 : 0;
  if (vector * 8 + 7 > get32(L.S_IDTR_LIMIT)) raise(GP, code);
  const gate = readSystem(get64(L.S_IDTR_BASE) + vector * 8, 8);
  const type = <u32>(gate >> 40) & 0x1f;
  if (type != 5 && type != 6 && type != 7 && type != 14 && type != 15) raise(GP, code);
  const cpl = get32(L.S_CPL);
  if (origin == SOFTWARE && (<u32>(gate >> 45) & 3) < cpl) raise(GP, code);
  if (!(gate & 0x800000000000)) raise(NP, code);
  const selector = <u32>(gate >> 16) & 0xffff;
  if (type == 5) {
    switchTask(selector, 2, extra);
    if (hasError) pushError(error);
    return;
  }
  const wide = (type & 8) != 0;
  const size = wide ? 4 : 2;
  const target = wide ? (gate & 0xffff) | ((gate >> 32) & 0xffff0000) : gate & 0xffff;
  if (!(selector & 0xfffc)) raise(GP, extra);
  const d = fetchDescriptor(selector, GP, extra);
  const access = descriptorAccess(d);
  const dpl = (access >> 5) & 3;
  if ((access & 0x18) != 0x18 || dpl > cpl) raise(GP, (selector & 0xfffc) | extra);
  if (!(access & 0x80)) raise(NP, (selector & 0xfffc) | extra);
  const v86 = (get32(L.S_EFLAGS) & VM) != 0;
  const conforming = (access & 4) != 0;
  if (v86 && (conforming || dpl != 0)) raise(GP, (selector & 0xfffc) | extra);
  const flags = readFlags() | (fault ? RF : 0);
  const newCpl = conforming ? cpl : dpl;
  if (target > <u64>descriptorLimit(d)) raise(GP, extra);
  markAccessed(selector, d);

  if (newCpl < cpl) {
    innerStack(newCpl, extra);
    const ss = tssStackSelector;
    const esp = tssStackPointer;
    if (!(ss & 0xfffc)) raise(TS_FAULT, extra);
    const stack = checkedStack(ss, newCpl, TS_FAULT, extra);
    const mask: u64 = stack & 0x40000000000000 ? 0xffffffff : 0xffff;
    const base = <u64>descriptorBase(stack);
    let at = esp;
    const step = <u64>size;
    const oldSs = selectorOf(L.SEG_SS);
    const oldEsp = stackPointer();
    checkStackRoom(stack, esp, <u32>size * ((v86 ? 9 : 5) + (hasError ? 1 : 0)), ss, extra);
    if (v86) {
      for (let i = 0; i < 4; i++) {
        at -= step;
        // GS, FS, DS, ES.
        const segment = i == 0 ? L.SEG_GS : i == 1 ? L.SEG_FS : i == 2 ? L.SEG_DS : L.SEG_ES;
        writeSystem((base + (at & mask)) & 0xffffffff, size, selectorOf(segment));
      }
    }
    at -= step;
    writeSystem((base + (at & mask)) & 0xffffffff, size, oldSs);
    at -= step;
    writeSystem((base + (at & mask)) & 0xffffffff, size, oldEsp);
    at -= step;
    writeSystem((base + (at & mask)) & 0xffffffff, size, flags);
    at -= step;
    writeSystem((base + (at & mask)) & 0xffffffff, size, selectorOf(L.SEG_CS));
    at -= step;
    writeSystem((base + (at & mask)) & 0xffffffff, size, get64(L.S_RIP));
    if (hasError) {
      at -= step;
      writeSystem((base + (at & mask)) & 0xffffffff, size, error);
    }
    if (v86) {
      for (let segment = 0; segment < 6; segment++) {
        if (segment != L.SEG_CS && segment != L.SEG_SS) setSegment(segment, 0, 0, 0, L.ACCESS_UNUSABLE);
      }
    }
    loadFromDescriptor(L.SEG_SS, ss, stack);
    const old = stackPointer();
    store<u64>(state() + L.S_GPR + 32, mask == 0xffff ? (old & 0xffff0000) | (at & mask) : at & mask);
  } else {
    let rsp = stackPointer() - <u64>size;
    writeMemory(stackLinear(rsp, size, true), size, flags);
    rsp -= <u64>size;
    writeMemory(stackLinear(rsp, size, true), size, selectorOf(L.SEG_CS));
    rsp -= <u64>size;
    writeMemory(stackLinear(rsp, size, true), size, get64(L.S_RIP));
    if (hasError) {
      rsp -= <u64>size;
      writeMemory(stackLinear(rsp, size, true), size, error);
    }
    setStackPointer(rsp);
  }
  loadFromDescriptor(L.SEG_CS, (selector & ~3) | newCpl, d);
  set32(L.S_CPL, newCpl);
  set64(L.S_RIP, target);
  writeFlags(0, TF | NT | RF | VM | (type & 1 ? 0 : IF));
  updateMode();
}

/** A fault through a task gate puts its error code on the new task's stack. */
function pushError(error: u32): void {
  const size = (accessOf(L.SEG_TR) & 8) != 0 ? 4 : 2;
  const rsp = stackPointer() - <u64>size;
  writeMemory(stackLinear(rsp, size, true), size, error);
  setStackPointer(rsp);
}

