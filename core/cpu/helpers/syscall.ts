// AssemblyScript. SYSCALL/SYSRET and SYSENTER/SYSEXIT (SDM 3A 5.8.7, 5.8.8).
import * as L from '../layout';
import { updateMode } from './blocks';
import { dropTrace } from './debug';
import { raise } from './exceptions';
import { IF, readFlags, RF, TF, VM, writeFlags } from './flags';
import { isCanonical } from './mmu';
import { GP, isLong, isLongActive, setSegment } from './segments';
import { get32, get64, nextRip, reg, set32, set64, setReg, state } from './state';

const EFER_SCE: u64 = 1;
const DR6_BS: u32 = 0x4000;
/** Flat code and data: limit 4 GiB, accessed, present. */
const CODE64: u32 = 0xa09b;
const CODE32: u32 = 0xc09b;
const DATA: u32 = 0xc093;
const CHANGEABLE: u32 = 0x3c7fd7;

function flat(segment: i32, selector: u32, access: u32, dpl: u32): void {
  setSegment(segment, selector, 0, 0xffffffff, access | (dpl << 5));
}

export function systemCall(): void {
  // 64-bit mode only, as on Intel's processors.
  if (!isLong() || !(get64(L.S_EFER) & EFER_SCE)) raise(6, -1);
  const flags = readFlags();
  const selector = (<u32>(get64(L.S_STAR) >> 32)) & 0xfffc;
  setReg(1, nextRip());
  setReg(11, <u64>(flags & ~RF));
  set64(L.S_RIP, get64(L.S_LSTAR));
  writeFlags(0, (<u32>get64(L.S_FMASK)) | RF);
  if ((flags & ~get32(L.S_EFLAGS) & TF) != 0) dropTrace();
  flat(L.SEG_CS, selector, CODE64, 0);
  flat(L.SEG_SS, selector + 8, DATA, 0);
  set32(L.S_CPL, 0);
  updateMode();
}

export function systemReturn(size: i32): void {
  if (!isLong() || !(get64(L.S_EFER) & EFER_SCE)) raise(6, -1);
  if (get32(L.S_CPL) != 0) raise(GP, 0);
  const base = (<u32>(get64(L.S_STAR) >> 48)) & 0xffff;
  const target = reg(1);
  if (size == 8) {
    if (!isCanonical(target)) raise(GP, 0);
    flat(L.SEG_CS, (base + 16) | 3, CODE64, 3);
    set64(L.S_RIP, target);
  } else {
    flat(L.SEG_CS, base | 3, CODE32, 3);
    set64(L.S_RIP, target & 0xffffffff);
  }
  writeFlags(<u32>reg(11), CHANGEABLE);
  flat(L.SEG_SS, (base + 8) | 3, DATA, 3);
  set32(L.S_CPL, 3);
  updateMode();
  // A debugger steps over SYSCALL: with TF in R11 the trap comes right behind SYSRET, not one instruction later.
  if (get32(L.S_EFLAGS) & TF) {
    set32(L.S_PENDING_DEBUG, get32(L.S_PENDING_DEBUG) | DR6_BS);
    set32(L.S_REQUEST, 1);
  }
}

export function systemEnter(): void {
  const cs = (<u32>get64(L.S_SYSENTER_CS)) & 0xfffc;
  if (!cs) raise(GP, 0);
  writeFlags(0, VM | IF | RF);
  const long = isLongActive();
  flat(L.SEG_CS, cs, long ? CODE64 : CODE32, 0);
  flat(L.SEG_SS, cs + 8, DATA, 0);
  set32(L.S_CPL, 0);
  set64(L.S_RIP, long ? get64(L.S_SYSENTER_EIP) : get64(L.S_SYSENTER_EIP) & 0xffffffff);
  store<u64>(
    state() + L.S_GPR + 32,
    long ? get64(L.S_SYSENTER_ESP) : get64(L.S_SYSENTER_ESP) & 0xffffffff,
  );
  updateMode();
}

export function systemExit(size: i32): void {
  const cs = (<u32>get64(L.S_SYSENTER_CS)) & 0xfffc;
  if (!cs || get32(L.S_CPL) != 0) raise(GP, 0);
  if (size == 8) {
    if (!isCanonical(reg(2)) || !isCanonical(reg(1))) raise(GP, 0);
    flat(L.SEG_CS, (cs + 32) | 3, CODE64, 3);
    flat(L.SEG_SS, (cs + 40) | 3, DATA, 3);
    set64(L.S_RIP, reg(2));
    store<u64>(state() + L.S_GPR + 32, reg(1));
  } else {
    flat(L.SEG_CS, (cs + 16) | 3, CODE32, 3);
    flat(L.SEG_SS, (cs + 24) | 3, DATA, 3);
    set64(L.S_RIP, reg(2) & 0xffffffff);
    store<u64>(state() + L.S_GPR + 32, reg(1) & 0xffffffff);
  }
  set32(L.S_CPL, 3);
  updateMode();
}
