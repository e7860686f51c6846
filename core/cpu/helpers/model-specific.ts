// AssemblyScript. RDMSR and WRMSR of registers in vcpu state, the time-stamp counter (SDM Vol. 4; 3B 17.17). The others are
// core/cpu/msr.ts's.
import * as L from '../layout';
import { updateMode } from './blocks';
import { raise } from './exceptions';
import * as host from './host';
import { checkCanonical } from './mmu';
import { GP } from './segments';
import { get32, get64, reg, set32, set64, setReg } from './state';
import { flushTlb } from './tlb';

const CR0_PG: u64 = 0x80000000;
const CR4_TSD: u64 = 4;
const EFER_LME: u64 = 0x100;
const EFER_LMA: u64 = 0x400;
const EFER_WRITABLE: u64 = 0xd01;

const IA32_TSC: u32 = 0x10;
/** Zero at reset and moved by every write of the TSC: the very offset (SDM 3B 17.17.3). */
const IA32_TSC_ADJUST: u32 = 0x3b;
const IA32_TSC_DEADLINE: u32 = 0x6e0;

/** Offset in vcpu state of an MSR kept there, or -1. */
function stateMsr(index: u32): i32 {
  switch (index) {
    case 0x174:
      return L.S_SYSENTER_CS;
    case 0x175:
      return L.S_SYSENTER_ESP;
    case 0x176:
      return L.S_SYSENTER_EIP;
    case 0x277:
      return L.S_PAT;
    case 0xc0000080:
      return L.S_EFER;
    case 0xc0000081:
      return L.S_STAR;
    case 0xc0000082:
      return L.S_LSTAR;
    case 0xc0000083:
      return L.S_CSTAR;
    case 0xc0000084:
      return L.S_FMASK;
    case 0xc0000100:
      return L.S_SEG_BASE + L.SEG_FS * 8;
    case 0xc0000101:
      return L.S_SEG_BASE + L.SEG_GS * 8;
    case 0xc0000102:
      return L.S_KERNEL_GS_BASE;
    case 0xc0000103:
      return L.S_TSC_AUX;
  }
  return -1;
}

function timeStamp(): u64 {
  return host.readTsc() + get64(L.S_TSC_OFFSET);
}

export function readModelSpecific(): void {
  const index = <u32>reg(1);
  const at = stateMsr(index);
  let value: u64;
  if (at >= 0) value = get64(at);
  else if (index == IA32_TSC) value = timeStamp();
  else if (index == IA32_TSC_ADJUST) value = get64(L.S_TSC_OFFSET);
  else {
    if (!host.readMsr(index)) raise(GP, 0);
    value = get64(L.S_SCRATCH);
    if (index == IA32_TSC_DEADLINE && value != 0) value += get64(L.S_TSC_OFFSET);
  }
  setReg(0, value & 0xffffffff);
  setReg(2, value >> 32);
}

export function writeModelSpecific(): void {
  const index = <u32>reg(1);
  const value = (reg(0) & 0xffffffff) | (reg(2) << 32);
  const at = stateMsr(index);
  if (at < 0) {
    if (index == IA32_TSC) {
      set64(L.S_TSC_OFFSET, value - host.readTsc());
      return;
    }
    if (index == IA32_TSC_ADJUST) {
      set64(L.S_TSC_OFFSET, value);
      return;
    }
    // The timer counts without the offset; 0 disarms it.
    set64(
      L.S_SCRATCH,
      index == IA32_TSC_DEADLINE && value != 0 ? value - get64(L.S_TSC_OFFSET) : value,
    );
    if (!host.writeMsr(index)) raise(GP, 0);
    set32(L.S_REQUEST, 1);
    return;
  }
  if (index == 0xc0000080) {
    writeEfer(value);
    return;
  }
  if (index == 0x277) {
    // PAT: types 0, 1, 4-7 (SDM 3A table 11-10).
    for (let i: u64 = 0; i < 64; i += 8) {
      const type = (value >> i) & 0xff;
      if (type > 7 || type == 2 || type == 3) raise(GP, 0);
    }
  } else if (index == 0xc0000103) {
    if (value >> 32) raise(GP, 0);
  } else if (index != 0xc0000081 && index != 0xc0000084 && index != 0x174) checkCanonical(value);
  set64(at, index == 0xc0000084 ? value & 0xffffffff : value);
}

function writeEfer(value: u64): void {
  const old = get64(L.S_EFER);
  if (value & ~EFER_WRITABLE) raise(GP, 0);
  if (((value ^ old) & EFER_LME) != 0 && (get64(L.S_CR0) & CR0_PG) != 0) raise(GP, 0);
  set64(L.S_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
  if ((value ^ old) & 0x800) flushTlb(0);
  updateMode();
}

export function readTimeStamp(): void {
  if ((get64(L.S_CR4) & CR4_TSD) != 0 && get32(L.S_CPL) != 0) raise(GP, 0);
  const value = timeStamp();
  setReg(0, value & 0xffffffff);
  setReg(2, value >> 32);
}

export function readTimeStampId(): void {
  readTimeStamp();
  setReg(1, get64(L.S_TSC_AUX) & 0xffffffff);
}

/** There are no performance counters. */
export function readPerformance(): void {
  raise(GP, 0);
}
