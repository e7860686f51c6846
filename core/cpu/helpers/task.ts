// AssemblyScript. Hardware task switches through 16- and 32-bit TSSs (SDM 3A chapter 7).
import * as L from '../layout';
import { updateMode } from './blocks';
import { writeCr3 } from './control';
import { raise } from './exceptions';
import { NT, readFlags, VM, writeFlags } from './flags';
import { readSystem, writeSystem } from './mmu';
import {
  accessOf,
  baseOf,
  descriptorAccess,
  descriptorBase,
  descriptorLimit,
  fetchDescriptor,
  GP,
  limitOf,
  loadFromDescriptor,
  loadRealSegment,
  markAccessed,
  NP,
  selectorOf,
  setSegment,
  setTypeByte,
  TS_FAULT,
  tryDescriptor,
} from './segments';
import { get32, get64, nextRip, set32, set64, state } from './state';

const JUMP: i32 = 0;
const CALL: i32 = 1;
const INTERRUPT: i32 = 2;
const RETURN: i32 = 3;

const CR0_TS: u64 = 8;
/** L0 to L3 and LE. */
const DR7_LOCAL: u64 = 0x155;
const DR6_BT: u32 = 0x8000;
const MINIMUM_32: u32 = 0x67;
const MINIMUM_16: u32 = 0x2b;

/** Switches to the TSS of a selector: `cause` 0 JMP, 1 CALL, 2 interrupt. */
export function switchTask(selector: u32, cause: i32, extra: u32): void {
  const error = (selector & 0xfffc) | extra;
  const vector = cause == RETURN ? TS_FAULT : GP;
  if (selector & 4) raise(vector, error);
  const d = fetchDescriptor(selector, vector, extra);
  const type = descriptorAccess(d) & 0x1f;
  const busy = (type & 2) != 0;
  if ((type & ~0xa) != 1 || busy != (cause == RETURN)) raise(vector, error);
  if (!(descriptorAccess(d) & 0x80)) raise(NP, error);
  const wide = (type & 8) != 0;
  if (descriptorLimit(d) < (wide ? MINIMUM_32 : MINIMUM_16)) raise(TS_FAULT, error);

  // Software causes leave behind the instruction; faults and returns at S_RIP.
  const rip = cause == INTERRUPT ? get64(L.S_RIP) : nextRip();
  saveTask(rip, cause == RETURN);
  const oldSelector = selectorOf(L.SEG_TR);
  if (cause == JUMP || cause == RETURN) markBusy(oldSelector, false);
  if (cause != RETURN) markBusy(selector, true);
  const base = <u64>descriptorBase(d);
  if (cause == CALL || cause == INTERRUPT) writeSystem(base, 2, oldSelector);
  setSegment(L.SEG_TR, selector, base, descriptorLimit(d), descriptorAccess(d) | 2);
  set64(L.S_CR0, get64(L.S_CR0) | CR0_TS);
  // Local breakpoints end with their task (SDM 3B 17.2.4).
  set64(L.S_DR + 56, get64(L.S_DR + 56) & ~DR7_LOCAL);
  loadTask(wide, cause == CALL || cause == INTERRUPT);
}

/** IRET with EFLAGS.NT: back to the task whose selector is in the link field. */
export function returnToTask(): void {
  const link = <u32>readSystem(baseOf(L.SEG_TR), 2);
  switchTask(link, RETURN, 0);
}

function markBusy(selector: u32, busy: bool): void {
  const type = (<u32>(tryDescriptor(selector) >> 40)) & 0xff;
  setTypeByte(selector, busy ? type | 2 : type & ~2);
}

function saveTask(rip: u64, clearNested: bool): void {
  const base = baseOf(L.SEG_TR);
  const flags = readFlags() & (clearNested ? ~NT : 0xffffffff);
  if (accessOf(L.SEG_TR) & 8) {
    writeSystem(base + 0x20, 4, rip);
    writeSystem(base + 0x24, 4, flags);
    for (let i: u32 = 0; i < 8; i++)
      writeSystem(base + 0x28 + i * 4, 4, load<u32>(state() + L.S_GPR + i * 8));
    for (let i = 0; i < 6; i++) writeSystem(base + 0x48 + i * 4, 2, selectorOf(i));
    return;
  }
  writeSystem(base + 0x0e, 2, rip);
  writeSystem(base + 0x10, 2, flags);
  for (let i: u32 = 0; i < 8; i++)
    writeSystem(base + 0x12 + i * 2, 2, load<u32>(state() + L.S_GPR + i * 8));
  for (let i = 0; i < 4; i++) writeSystem(base + 0x22 + i * 2, 2, selectorOf(i));
}

function loadTask(wide: bool, nested: bool): void {
  const base = baseOf(L.SEG_TR);
  let flags: u32;
  let ldt: u32;
  let cr3: u64 = 0;
  const selectors = state() + L.S_SCRATCH;
  if (wide) {
    cr3 = readSystem(base + 0x1c, 4);
    set64(L.S_RIP, readSystem(base + 0x20, 4));
    flags = <u32>readSystem(base + 0x24, 4);
    for (let i: u32 = 0; i < 8; i++)
      store<u64>(state() + L.S_GPR + i * 8, readSystem(base + 0x28 + i * 4, 4));
    for (let i: u32 = 0; i < 6; i++)
      store<u32>(selectors + i * 4, <u32>readSystem(base + 0x48 + i * 4, 2));
    ldt = <u32>readSystem(base + 0x60, 2);
  } else {
    set64(L.S_RIP, readSystem(base + 0x0e, 2));
    flags = <u32>readSystem(base + 0x10, 2);
    for (let i: u32 = 0; i < 8; i++)
      store<u64>(state() + L.S_GPR + i * 8, readSystem(base + 0x12 + i * 2, 2) | 0xffff0000);
    for (let i: u32 = 0; i < 4; i++)
      store<u32>(selectors + i * 4, <u32>readSystem(base + 0x22 + i * 2, 2));
    store<u32>(selectors + 16, 0);
    store<u32>(selectors + 20, 0);
    ldt = <u32>readSystem(base + 0x2a, 2);
  }
  if (wide && (get64(L.S_CR0) & 0x80000000) != 0) writeCr3(cr3);
  const trap = wide && (readSystem(base + 0x64, 2) & 1) != 0;
  writeFlags(flags | (nested ? NT : 0), 0x3f7fd7);
  set32(L.S_UOP, 0);
  // From here on faults belong to the new task.
  if (ldt & 0xfffc) {
    const d = fetchDescriptor(ldt, TS_FAULT, 0);
    if ((ldt & 4) != 0 || (descriptorAccess(d) & 0x9f) != 0x82) raise(TS_FAULT, ldt & 0xfffc);
    setSegment(L.SEG_LDTR, ldt, <u64>descriptorBase(d), descriptorLimit(d), descriptorAccess(d));
  } else setSegment(L.SEG_LDTR, ldt, 0, 0, L.ACCESS_UNUSABLE);
  if (flags & VM) {
    set32(L.S_CPL, 3);
    for (let i: i32 = 0; i < 6; i++) loadRealSegment(i, load<u32>(selectors + <usize>i * 4));
    updateMode();
    return;
  }
  const cs = load<u32>(selectors + L.SEG_CS * 4);
  const cpl = cs & 3;
  if (!(cs & 0xfffc)) raise(TS_FAULT, 0);
  const code = fetchDescriptor(cs, TS_FAULT, 0);
  const access = descriptorAccess(code);
  const dpl = (access >> 5) & 3;
  if ((access & 0x18) != 0x18 || ((access & 4) != 0 ? dpl > cpl : dpl != cpl))
    raise(TS_FAULT, cs & 0xfffc);
  if (!(access & 0x80)) raise(NP, cs & 0xfffc);
  set32(L.S_CPL, cpl);
  markAccessed(cs, code);
  loadFromDescriptor(L.SEG_CS, cs, code);
  loadTaskData(L.SEG_SS, load<u32>(selectors + L.SEG_SS * 4), cpl);
  loadTaskData(L.SEG_ES, load<u32>(selectors + L.SEG_ES * 4), cpl);
  loadTaskData(L.SEG_DS, load<u32>(selectors + L.SEG_DS * 4), cpl);
  loadTaskData(L.SEG_FS, load<u32>(selectors + L.SEG_FS * 4), cpl);
  loadTaskData(L.SEG_GS, load<u32>(selectors + L.SEG_GS * 4), cpl);
  updateMode();
  if (get64(L.S_RIP) > <u64>limitOf(L.SEG_CS)) raise(GP, 0);
  if (trap) {
    set32(L.S_PENDING_DEBUG, get32(L.S_PENDING_DEBUG) | DR6_BT);
    set32(L.S_REQUEST, 1);
  }
}

function loadTaskData(segment: i32, selector: u32, cpl: u32): void {
  const error = selector & 0xfffc;
  if (!error) {
    if (segment == L.SEG_SS) raise(TS_FAULT, 0);
    setSegment(segment, selector, 0, 0, L.ACCESS_UNUSABLE);
    return;
  }
  const d = fetchDescriptor(selector, TS_FAULT, 0);
  const access = descriptorAccess(d);
  const dpl = (access >> 5) & 3;
  if (segment == L.SEG_SS) {
    if ((access & 0x1a) != 0x12 || dpl != cpl || (selector & 3) != cpl) raise(TS_FAULT, error);
  } else {
    if (!(access & 0x10) || (access & 0x0a) == 0x08) raise(TS_FAULT, error);
    if ((access & 0x0c) != 0x0c && (dpl < cpl || dpl < (selector & 3))) raise(TS_FAULT, error);
  }
  if (!(access & 0x80)) raise(segment == L.SEG_SS ? 12 : NP, error);
  markAccessed(selector, d);
  loadFromDescriptor(segment, selector, d);
}
