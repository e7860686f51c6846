// AssemblyScript. Far transfers: JMP, CALL, RET, IRET through code segments, call gates and task gates (SDM 3A 5.8, 6.12, 7.3).
import * as L from '../layout';
import { updateMode } from './blocks';
import {
  checkStackRoom,
  innerStack,
  innerStackPointer,
  innerStackSelector,
  longStack,
  raise,
} from './exceptions';
import { AC, DF, ID, IF, IOPL, NT, RF, TF, VIF, VIP, VM, writeFlags } from './flags';
import { isCanonical, readMemory, writeMemory, writeSystem } from './mmu';
import {
  accessOf,
  checkedStack,
  descriptorAccess,
  descriptorBase,
  descriptorLimit,
  fetchDescriptor,
  fetchUpper,
  GP,
  isLong,
  isLongActive,
  isRealLike,
  limitOf,
  loadFromDescriptor,
  loadRealSegment,
  markAccessed,
  NP,
  selectorOf,
  setSegment,
  setStackPointer,
  stackLinear,
  stackPointer,
  TS_FAULT,
} from './segments';
import { get32, nextRip, set32, set64, state } from './state';
import { returnToTask, switchTask } from './task';

const ARITHMETIC: u32 = 0x8d5;

/** Raises #GP(0) unless a target lies in its code segment. */
function checkTarget(d: u64, rip: u64): void {
  if (descriptorAccess(d) & 0x2000 && isLongActive()) {
    if (!isCanonical(rip)) raise(GP, 0);
  } else if (rip > <u64>descriptorLimit(d)) raise(GP, 0);
}

/** Loads CS; its descriptor was marked accessed before, as that may fault. */
function enterCode(selector: u32, d: u64, cpl: u32, rip: u64): void {
  loadFromDescriptor(L.SEG_CS, (selector & ~3) | cpl, d);
  set32(L.S_CPL, cpl);
  set64(L.S_RIP, rip);
}

/** A code segment for a direct far JMP or CALL at the current privilege. */
function checkCode(selector: u32, d: u64): void {
  const error = selector & 0xfffc;
  const access = descriptorAccess(d);
  const dpl = (access >> 5) & 3;
  const cpl = get32(L.S_CPL);
  const conforming = (access & 4) != 0;
  if (conforming ? dpl > cpl : (selector & 3) > cpl || dpl != cpl) raise(GP, error);
  // L and D together are reserved.
  if (isLongActive() && (access & 0x6000) == 0x6000) raise(GP, error);
  if (!(access & 0x80)) raise(NP, error);
}

function push(rsp: u64, size: i32, value: u64): u64 {
  const to = rsp - <u64>size;
  writeMemory(stackLinear(to, size, true), size, value);
  return to;
}

export function farJump(selectorWord: i32, offset: u64, size: i32): void {
  farTransfer((<u32>selectorWord) & 0xffff, size == 2 ? offset & 0xffff : offset, size, false);
}

export function farCall(selectorWord: i32, offset: u64, size: i32): void {
  farTransfer((<u32>selectorWord) & 0xffff, size == 2 ? offset & 0xffff : offset, size, true);
}

function farTransfer(selector: u32, offset: u64, size: i32, call: bool): void {
  const back = nextRip();
  if (isRealLike()) {
    if (offset > <u64>limitOf(L.SEG_CS)) raise(GP, 0);
    if (call) {
      let rsp = push(stackPointer(), size, <u64>selectorOf(L.SEG_CS));
      rsp = push(rsp, size, back);
      setStackPointer(rsp);
    }
    loadRealSegment(L.SEG_CS, selector);
    set64(L.S_RIP, offset);
    updateMode();
    return;
  }
  if (!(selector & 0xfffc)) raise(GP, 0);
  const d = fetchDescriptor(selector, GP, 0);
  const access = descriptorAccess(d);
  if (!(access & 0x10)) {
    farSystem(selector, d, size, call, back);
    return;
  }
  if (!(access & 8)) raise(GP, selector & 0xfffc);
  checkCode(selector, d);
  checkTarget(d, offset);
  markAccessed(selector, d);
  if (call) {
    let rsp = push(stackPointer(), size, <u64>selectorOf(L.SEG_CS));
    rsp = push(rsp, size, back);
    setStackPointer(rsp);
  }
  enterCode(selector, d, get32(L.S_CPL), offset);
  updateMode();
}

/** A far transfer to a call gate, task gate or TSS. */
function farSystem(selector: u32, d: u64, size: i32, call: bool, back: u64): void {
  const error = selector & 0xfffc;
  const access = descriptorAccess(d);
  const type = access & 15;
  const dpl = (access >> 5) & 3;
  const long = isLongActive();
  if (dpl < get32(L.S_CPL) || dpl < (selector & 3)) raise(GP, error);
  if (type == 12 || (type == 4 && !long)) {
    callGate(selector, d, call, back);
    return;
  }
  if (long) raise(GP, error);
  if (type == 5) {
    if (!(access & 0x80)) raise(NP, error);
    switchTask((<u32>(d >> 16)) & 0xffff, call ? 1 : 0, 0);
  } else if (type == 1 || type == 9) {
    if (!(access & 0x80)) raise(NP, error);
    switchTask(selector, call ? 1 : 0, 0);
  } else raise(GP, error);
}

function callGate(gateSelector: u32, gate: u64, call: bool, back: u64): void {
  const gateError = gateSelector & 0xfffc;
  if (!(descriptorAccess(gate) & 0x80)) raise(NP, gateError);
  const long = isLongActive();
  const wide = (descriptorAccess(gate) & 8) != 0;
  const size = long ? 8 : wide ? 4 : 2;
  const selector = (<u32>(gate >> 16)) & 0xffff;
  let target = (gate & 0xffff) | (wide ? (gate >> 32) & 0xffff0000 : 0);
  if (long) target |= fetchUpper(gateSelector, GP, 0) << 32;
  if (!(selector & 0xfffc)) raise(GP, 0);
  const error = selector & 0xfffc;
  const d = fetchDescriptor(selector, GP, 0);
  const access = descriptorAccess(d);
  const dpl = (access >> 5) & 3;
  const cpl = get32(L.S_CPL);
  if ((access & 0x18) != 0x18 || dpl > cpl) raise(GP, error);
  if (long && ((access & 0x2000) == 0 || (access & 0x4000) != 0)) raise(GP, error);
  const conforming = (access & 4) != 0;
  if (!call && !conforming && dpl != cpl) raise(GP, error);
  if (!(access & 0x80)) raise(NP, error);
  checkTarget(d, target);
  markAccessed(selector, d);
  const inner = call && !conforming && dpl < cpl;
  if (!inner) {
    if (call) {
      let rsp = push(stackPointer(), size, <u64>selectorOf(L.SEG_CS));
      rsp = push(rsp, size, back);
      setStackPointer(rsp);
    }
    enterCode(selector, d, cpl, target);
    updateMode();
    return;
  }
  const oldSs = selectorOf(L.SEG_SS);
  const oldRsp = stackPointer();
  if (long) {
    let rsp = longStack(dpl, 0);
    writeSystem(rsp - 8, 8, oldSs);
    writeSystem(rsp - 16, 8, oldRsp);
    writeSystem(rsp - 24, 8, selectorOf(L.SEG_CS));
    writeSystem(rsp - 32, 8, back);
    rsp -= 32;
    setSegment(L.SEG_SS, dpl, 0, 0, L.ACCESS_UNUSABLE | (dpl << 5));
    store<u64>(state() + L.S_GPR + 32, rsp);
  } else {
    innerStack(dpl, 0);
    const ss = innerStackSelector();
    if (!(ss & 0xfffc)) raise(TS_FAULT, 0);
    const stack = checkedStack(ss, dpl, TS_FAULT, 0);
    const mask: u64 = stack & 0x40000000000000 ? 0xffffffff : 0xffff;
    const base = <u64>descriptorBase(stack);
    const parameters = (<i32>(gate >> 32)) & 31;
    const step = <u64>size;
    checkStackRoom(stack, innerStackPointer(), <u32>size * <u32>(parameters + 4), ss, 0);
    let at = innerStackPointer() - step;
    writeSystem((base + (at & mask)) & 0xffffffff, size, oldSs);
    at -= step;
    writeSystem((base + (at & mask)) & 0xffffffff, size, oldRsp);
    for (let i = parameters - 1; i >= 0; i--) {
      const value = readMemory(stackLinear(oldRsp + <u64>i * step, size, false), size);
      at -= step;
      writeSystem((base + (at & mask)) & 0xffffffff, size, value);
    }
    at -= step;
    writeSystem((base + (at & mask)) & 0xffffffff, size, selectorOf(L.SEG_CS));
    at -= step;
    writeSystem((base + (at & mask)) & 0xffffffff, size, back);
    loadFromDescriptor(L.SEG_SS, ss, stack);
    store<u64>(
      state() + L.S_GPR + 32,
      mask == 0xffff ? (oldRsp & 0xffff0000) | (at & mask) : at & mask,
    );
  }
  enterCode(selector, d, dpl, target);
  updateMode();
}

/** Segments that outer privilege may not keep become null (SDM 2B, RET). */
function dropInnerSegments(cpl: u32): void {
  for (let segment = 0; segment < 6; segment++) {
    if (segment == L.SEG_CS || segment == L.SEG_SS) continue;
    const access = accessOf(segment);
    if (access & L.ACCESS_UNUSABLE) continue;
    if ((access & 0x1c) != 0x1c && ((access >> 5) & 3) < cpl)
      setSegment(segment, 0, 0, 0, L.ACCESS_UNUSABLE);
  }
}

export function farReturn(size: i32, drop: i32): void {
  const step = <u64>size;
  const rsp = stackPointer();
  const rip = readMemory(stackLinear(rsp, size, false), size);
  const selector = (<u32>readMemory(stackLinear(rsp + step, size, false), size)) & 0xffff;
  if (isRealLike()) {
    if (rip > <u64>limitOf(L.SEG_CS)) raise(GP, 0);
    setStackPointer(rsp + 2 * step + <u64>drop);
    loadRealSegment(L.SEG_CS, selector);
    set64(L.S_RIP, rip);
    updateMode();
    return;
  }
  const d = returnCode(selector);
  const cpl = get32(L.S_CPL);
  const rpl = selector & 3;
  if (rpl == cpl) {
    checkTarget(d, rip);
    setStackPointer(rsp + 2 * step + <u64>drop);
    enterCode(selector, d, cpl, rip);
    updateMode();
    return;
  }
  const outer = rsp + 2 * step + <u64>drop;
  const newRsp = readMemory(stackLinear(outer, size, false), size);
  const ss = (<u32>readMemory(stackLinear(outer + step, size, false), size)) & 0xffff;
  checkTarget(d, rip);
  returnStack(ss, rpl, (descriptorAccess(d) & 0x2000) != 0);
  enterCode(selector, d, rpl, rip);
  dropInnerSegments(rpl);
  updateMode();
  setStackPointer(newRsp + <u64>drop);
}

/** The code segment a return goes to. */
function returnCode(selector: u32): u64 {
  if (!(selector & 0xfffc)) raise(GP, 0);
  const error = selector & 0xfffc;
  const d = fetchDescriptor(selector, GP, 0);
  const access = descriptorAccess(d);
  const dpl = (access >> 5) & 3;
  const rpl = selector & 3;
  if ((access & 0x18) != 0x18 || rpl < get32(L.S_CPL)) raise(GP, error);
  if ((access & 4) != 0 ? dpl > rpl : dpl != rpl) raise(GP, error);
  if (isLongActive() && (access & 0x6000) == 0x6000) raise(GP, error);
  if (!(access & 0x80)) raise(NP, error);
  markAccessed(selector, d);
  return d;
}

/** Loads SS for a return to outer (or, in 64-bit mode, any) privilege. */
function returnStack(ss: u32, rpl: u32, toLong: bool): void {
  if (!(ss & 0xfffc)) {
    if (!(isLongActive() && toLong && rpl != 3 && (ss & 3) == rpl)) raise(GP, 0);
    setSegment(L.SEG_SS, ss, 0, 0, L.ACCESS_UNUSABLE | (rpl << 5));
    return;
  }
  loadFromDescriptor(L.SEG_SS, ss, checkedStack(ss, rpl, GP, 0));
}

/** IRET/IRETD/IRETQ. */
export function interruptReturn(size: i32): void {
  set32(L.S_NMI_BLOCKED, 0);
  const flags = get32(L.S_EFLAGS);
  const step = <u64>size;
  const rsp = stackPointer();
  if (isRealLike()) {
    if (flags & VM && (flags & IOPL) != IOPL) raise(GP, 0);
    const rip = readMemory(stackLinear(rsp, size, false), size);
    const selector = (<u32>readMemory(stackLinear(rsp + step, size, false), size)) & 0xffff;
    const image = <u32>readMemory(stackLinear(rsp + 2 * step, size, false), size);
    if (rip > 0xffff) raise(GP, 0);
    setStackPointer(rsp + 3 * step);
    loadRealSegment(L.SEG_CS, selector);
    set64(L.S_RIP, rip);
    // Virtual-8086 mode keeps IOPL; the upper half changes with 32-bit operands only.
    let mask: u32 = ARITHMETIC | TF | IF | DF | NT | (flags & VM ? 0 : IOPL);
    if (size == 4) mask |= RF | AC | ID;
    writeFlags(image, mask);
    updateMode();
    dropResume();
    return;
  }
  if (flags & NT) {
    if (isLongActive()) raise(GP, 0);
    returnToTask();
    return;
  }
  const cpl = get32(L.S_CPL);
  const rip = readMemory(stackLinear(rsp, size, false), size);
  const selector = (<u32>readMemory(stackLinear(rsp + step, size, false), size)) & 0xffff;
  const image = <u32>readMemory(stackLinear(rsp + 2 * step, size, false), size);
  if (size == 4 && (image & VM) != 0 && cpl == 0 && !isLongActive()) {
    returnToV86(rsp, rip, selector, image);
    return;
  }
  const d = returnCode(selector);
  const rpl = selector & 3;
  checkTarget(d, rip);
  let mask: u32 = ARITHMETIC | TF | DF | NT;
  if (size != 2) mask |= RF | AC | ID;
  if (cpl == 0) mask |= IOPL | (size != 2 ? VIF | VIP : 0);
  if (cpl <= (flags & IOPL) >> 12) mask |= IF;
  if (rpl != cpl || isLong()) {
    const newRsp = readMemory(stackLinear(rsp + 3 * step, size, false), size);
    const ss = (<u32>readMemory(stackLinear(rsp + 4 * step, size, false), size)) & 0xffff;
    returnStack(ss, rpl, (descriptorAccess(d) & 0x2000) != 0);
    enterCode(selector, d, rpl, rip);
    writeFlags(image, mask);
    if (rpl != cpl) dropInnerSegments(rpl);
    // How wide the stack pointer is follows from the new SS.
    updateMode();
    setStackPointer(newRsp);
  } else {
    setStackPointer(rsp + 3 * step);
    enterCode(selector, d, cpl, rip);
    writeFlags(image, mask);
    updateMode();
  }
  dropResume();
}

/** RF ends with the next instruction and matters to code breakpoints only: without any it is not kept at all. */
function dropResume(): void {
  if (!(get32(L.S_MODE) & L.MODE_BREAKPOINTS)) set32(L.S_EFLAGS, get32(L.S_EFLAGS) & ~RF);
}

/** IRETD from CPL 0 with EFLAGS.VM in the frame (SDM 3A 20.2.5). */
function returnToV86(rsp: u64, rip: u64, cs: u32, image: u32): void {
  const newRsp = readMemory(stackLinear(rsp + 12, 4, false), 4);
  const ss = <u32>readMemory(stackLinear(rsp + 16, 4, false), 2);
  const es = <u32>readMemory(stackLinear(rsp + 20, 4, false), 2);
  const ds = <u32>readMemory(stackLinear(rsp + 24, 4, false), 2);
  const fs = <u32>readMemory(stackLinear(rsp + 28, 4, false), 2);
  const gs = <u32>readMemory(stackLinear(rsp + 32, 4, false), 2);
  writeFlags(image, 0x3f7fd7);
  set32(L.S_CPL, 3);
  loadRealSegment(L.SEG_CS, cs);
  loadRealSegment(L.SEG_SS, ss);
  loadRealSegment(L.SEG_ES, es);
  loadRealSegment(L.SEG_DS, ds);
  loadRealSegment(L.SEG_FS, fs);
  loadRealSegment(L.SEG_GS, gs);
  set64(L.S_RIP, rip & 0xffff);
  store<u64>(state() + L.S_GPR + 32, newRsp);
  updateMode();
  dropResume();
}
