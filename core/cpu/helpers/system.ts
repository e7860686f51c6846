// AssemblyScript. Control, debug and model-specific registers, port permission, reset (SDM 3A chapter 2, 9.1, 18.5).
import * as L from '../layout';
import { updateMode } from './blocks';
import { raise } from './exceptions';
import { AC, IF, IOPL, VM, writeFlagsRaw } from './flags';
import * as host from './host';
import { checkCanonical, readMemory, readSystem } from './mmu';
import { accessOf, baseOf, GP, isLong, isLongActive, limitOf, setSegment } from './segments';
import { get32, get64, reg, set32, set64, setReg, state } from './state';
import { flushTlb, invalidatePage } from './tlb';

const CR0_PE: u64 = 1;
const CR0_NW: u64 = 0x20000000;
const CR0_CD: u64 = 0x40000000;
const CR0_PG: u64 = 0x80000000;
const CR0_WRITABLE: u64 = 0xe005003f;
/** TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT FSGSBASE PCIDE OSXSAVE SMEP SMAP. */
const CR4_WRITABLE: u64 = 0x3707fc;
const CR4_TSD: u64 = 4;
const CR4_DE: u64 = 8;
const CR4_PAE: u64 = 0x20;
const CR4_FSGSBASE: u64 = 0x10000;
const CR4_PCIDE: u64 = 0x20000;
const CR4_OSXSAVE: u64 = 0x40000;
/** Bits whose change drops translations (SDM 3A 4.10.4.1). */
const CR4_PAGING: u64 = 0x3200b0;
const EFER_LME: u64 = 0x100;
const EFER_LMA: u64 = 0x400;
const EFER_WRITABLE: u64 = 0xd01;
/** CPUID.01H:EAX (core/cpu/cpuid.ts). */
const SIGNATURE: u64 = 0x106ca;

/** Power-on and INIT state, SDM 3A table 9-1. */
export function resetCpu(): void {
  const index = get32(L.S_INDEX);
  const retired = get64(L.S_RETIRED);
  memory.fill(state(), 0, L.S_SCRATCH);
  set32(L.S_INDEX, index);
  set64(L.S_RETIRED, retired);
  set64(L.S_CR0, 0x60000010);
  set64(L.S_XCR0, 1);
  set64(L.S_PAT, 0x0007040600070406);
  set64(L.S_DR + 48, 0xffff0ff0);
  set64(L.S_DR + 56, 0x400);
  set32(L.S_GDTR_LIMIT, 0xffff);
  set32(L.S_IDTR_LIMIT, 0xffff);
  for (let segment = 0; segment < 6; segment++) setSegment(segment, 0, 0, 0xffff, 0x93);
  setSegment(L.SEG_CS, 0xf000, 0xffff0000, 0xffff, 0x9b);
  setSegment(L.SEG_LDTR, 0, 0, 0xffff, 0x82);
  setSegment(L.SEG_TR, 0, 0, 0xffff, 0x8b);
  set64(L.S_RIP, 0xfff0);
  set64(L.S_GPR + 16, SIGNATURE);
  set32(L.S_X87_CONTROL, 0x40);
  set32(L.S_X87_TAGS, 0xff);
  set32(L.S_MXCSR, 0x1f80);
  writeFlagsRaw(2);
  flushTlb(0);
  updateMode();
}

function loadPdptes(): void {
  const base = get64(L.S_CR3) & 0xffffffe0;
  for (let i: u64 = 0; i < 4; i++) {
    // The table is read as memory, paging aside.
    const entry = load<u32>(<usize>(L.PHYS_MAP_BASE + <u32>((base >> 12) << 2)));
    const value: u64 =
      entry & L.PHYS_READ
        ? load<u64>(<usize>((entry & 0xfffff000) | ((<u32>base) & 0xfff)) + <usize>i * 8)
        : 0;
    if ((value & 1) != 0 && (value & 0xffffff00000001e6) != 0) raise(GP, 0);
    store<u64>(state() + L.S_PDPTE + <usize>i * 8, value);
  }
}

export function readControl(index: i32): u64 {
  switch (index) {
    case 0:
      return get64(L.S_CR0);
    case 2:
      return get64(L.S_CR2);
    case 3:
      return get64(L.S_CR3);
    case 4:
      return get64(L.S_CR4);
    case 8:
      return <u64>host.readTaskPriority();
  }
  raise(6, -1);
  return 0;
}

export function writeControl(index: i32, value: u64): void {
  switch (index) {
    case 0:
      writeCr0(value);
      return;
    case 2:
      set64(L.S_CR2, value);
      return;
    case 3:
      writeCr3(value);
      return;
    case 4:
      writeCr4(value);
      return;
    case 8:
      if (value & ~(<u64>15)) raise(GP, 0);
      host.writeTaskPriority(<i32>value);
      set32(L.S_REQUEST, 1);
      return;
  }
  raise(6, -1);
}

function writeCr0(raw: u64): void {
  const old = get64(L.S_CR0);
  if (raw >> 32 != 0 && isLong()) raise(GP, 0);
  const value = (raw & CR0_WRITABLE) | 0x10;
  if ((value & CR0_PG) != 0 && !(value & CR0_PE)) raise(GP, 0);
  if ((value & CR0_NW) != 0 && !(value & CR0_CD)) raise(GP, 0);
  const efer = get64(L.S_EFER);
  const enabling = (value & ~old & CR0_PG) != 0;
  if (enabling && (efer & EFER_LME) != 0) {
    if (!(get64(L.S_CR4) & CR4_PAE) || (accessOf(L.SEG_CS) & 0x2000) != 0) raise(GP, 0);
    set64(L.S_EFER, efer | EFER_LMA);
  } else if ((old & ~value & CR0_PG) != 0) {
    if (isLong() || (get64(L.S_CR4) & CR4_PCIDE) != 0) raise(GP, 0);
    set64(L.S_EFER, efer & ~EFER_LMA);
  }
  if (
    (value & CR0_PG) != 0 &&
    (get64(L.S_CR4) & CR4_PAE) != 0 &&
    !(get64(L.S_EFER) & EFER_LMA) &&
    ((value ^ old) & 0xe0000000) != 0
  )
    loadPdptes();
  set64(L.S_CR0, value);
  if ((value ^ old) & 0x80010001) flushTlb(0);
  updateMode();
}

/** CR3 of the task that a task switch enters. */
export function changeDirectory(value: u64): void {
  writeCr3(value);
}

function writeCr3(raw: u64): void {
  const pcid = (get64(L.S_CR4) & CR4_PCIDE) != 0;
  let value = raw;
  if (isLongActive()) {
    if (pcid) value &= 0x7fffffffffffffff;
    if (value & 0xffffff0000000000) raise(GP, 0);
  } else value &= 0xffffffff;
  const old = get64(L.S_CR3);
  set64(L.S_CR3, value);
  if ((get64(L.S_CR0) & CR0_PG) != 0 && (get64(L.S_CR4) & CR4_PAE) != 0 && !isLongActive()) {
    if (value == old) loadPdptes();
    else loadPdptesOr(old);
  }
  flushTlb(1);
}

/** A refused PDPTE leaves CR3 as it was. */
function loadPdptesOr(old: u64): void {
  const value = get64(L.S_CR3);
  const base = value & 0xffffffe0;
  const entry = load<u32>(<usize>(L.PHYS_MAP_BASE + <u32>((base >> 12) << 2)));
  for (let i: u64 = 0; i < 4; i++) {
    const pdpte: u64 =
      entry & L.PHYS_READ
        ? load<u64>(<usize>((entry & 0xfffff000) | ((<u32>base) & 0xfff)) + <usize>i * 8)
        : 0;
    if ((pdpte & 1) != 0 && (pdpte & 0xffffff00000001e6) != 0) {
      set64(L.S_CR3, old);
      raise(GP, 0);
    }
  }
  loadPdptes();
}

function writeCr4(value: u64): void {
  const old = get64(L.S_CR4);
  if (value & ~CR4_WRITABLE) raise(GP, 0);
  if (isLongActive() && !(value & CR4_PAE)) raise(GP, 0);
  if ((value & ~old & CR4_PCIDE) != 0 && (!isLongActive() || (get64(L.S_CR3) & 0xfff) != 0))
    raise(GP, 0);
  set64(L.S_CR4, value);
  if (
    ((value ^ old) & 0xb0) != 0 &&
    (get64(L.S_CR0) & CR0_PG) != 0 &&
    (value & CR4_PAE) != 0 &&
    !isLongActive()
  )
    loadPdptes();
  if ((value ^ old) & CR4_PAGING) flushTlb(0);
  updateMode();
}

export function clearTaskSwitched(): void {
  set64(L.S_CR0, get64(L.S_CR0) & ~(<u64>8));
  updateMode();
}

/** LMSW: PE MP EM TS; PE cannot be cleared. */
export function loadMachineStatus(word: i32): void {
  const old = get64(L.S_CR0);
  writeCr0((old & ~(<u64>14)) | ((<u64>word) & 15) | (old & 1));
}

// --- debug registers

export function readDebug(index: i32): u64 {
  const at = debugIndex(index);
  return get64(L.S_DR + at * 8);
}

export function writeDebug(index: i32, value: u64): void {
  const at = debugIndex(index);
  const wide = isLong() ? value : value & 0xffffffff;
  if (at >= 6) {
    if (wide >> 32) raise(GP, 0);
    if (at == 6) set64(L.S_DR + 48, (wide & 0xe00f) | 0xffff0ff0);
    else writeDr7((wide & 0xffff23ff) | 0x400);
  } else set64(L.S_DR + at * 8, wide);
  updateMode();
}

/** While breakpoints are on, data accesses must not go by the TLB. */
function writeDr7(value: u64): void {
  if ((value | get64(L.S_DR + 56)) & 0xff) flushTlb(0);
  set64(L.S_DR + 56, value);
}

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE; DR7.GD guards all. */
function debugIndex(index: i32): i32 {
  if (index > 7) raise(6, -1);
  if (index == 4 || index == 5) {
    if (get64(L.S_CR4) & CR4_DE) raise(6, -1);
    index += 2;
  }
  if (get64(L.S_DR + 56) & 0x2000) {
    set64(L.S_DR + 48, get64(L.S_DR + 48) | 0x2000);
    set64(L.S_DR + 56, get64(L.S_DR + 56) & ~(<u64>0x2000));
    raise(1, -1);
  }
  return index;
}

// --- model-specific registers

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

export function identify(): void {
  host.cpuid(<u32>reg(0), <u32>reg(1));
  const at = state() + L.S_SCRATCH;
  setReg(0, load<u32>(at));
  setReg(3, load<u32>(at, 4));
  setReg(1, load<u32>(at, 8));
  setReg(2, load<u32>(at, 12));
}

export function readExtendedControl(): void {
  if (!(get64(L.S_CR4) & CR4_OSXSAVE)) raise(6, -1);
  if (<u32>reg(1) != 0) raise(GP, 0);
  setReg(0, get64(L.S_XCR0) & 0xffffffff);
  setReg(2, get64(L.S_XCR0) >> 32);
}

export function writeExtendedControl(): void {
  if (!(get64(L.S_CR4) & CR4_OSXSAVE)) raise(6, -1);
  const value = (reg(0) & 0xffffffff) | (reg(2) << 32);
  // x87 must be on; SSE is the only other component.
  if (<u32>reg(1) != 0 || !(value & 1) || (value & ~(<u64>3)) != 0) raise(GP, 0);
  set64(L.S_XCR0, value);
}

export function checkFsGsBase(): void {
  if (!(get64(L.S_CR4) & CR4_FSGSBASE)) raise(6, -1);
}

// --- interrupts flag, halt, alignment check

export function clearInterrupts(): void {
  checkIopl();
  set32(L.S_EFLAGS, get32(L.S_EFLAGS) & ~IF);
}

export function setInterrupts(): void {
  checkIopl();
  const flags = get32(L.S_EFLAGS);
  if (flags & IF) return;
  set32(L.S_EFLAGS, flags | IF);
  set32(L.S_INHIBIT, 1);
  if (get32(L.S_IRQ_PENDING)) set32(L.S_REQUEST, 1);
}

function checkIopl(): void {
  const flags = get32(L.S_EFLAGS);
  if ((get64(L.S_CR0) & CR0_PE) != 0 && get32(L.S_CPL) > (flags & IOPL) >> 12) raise(GP, 0);
}

export function halt(): void {
  set32(L.S_HALTED, 1);
}

export function clearAlignmentCheck(): void {
  if (get32(L.S_CPL) != 0) raise(6, -1);
  set32(L.S_EFLAGS, get32(L.S_EFLAGS) & ~AC);
  updateMode();
}

export function setAlignmentCheck(): void {
  if (get32(L.S_CPL) != 0) raise(6, -1);
  set32(L.S_EFLAGS, get32(L.S_EFLAGS) | AC);
  updateMode();
}

// --- INVPCID

export function invalidatePcid(kind: u64, descriptor: u64): void {
  const pcid = readMemory(descriptor, 8);
  const linear = readMemory(descriptor + 8, 8);
  if (kind > 3 || pcid >> 12 != 0) raise(GP, 0);
  if (kind < 2 && pcid != 0 && !(get64(L.S_CR4) & CR4_PCIDE)) raise(GP, 0);
  if (kind == 0) {
    checkCanonical(linear);
    invalidatePage(linear);
  } else flushTlb(kind == 2 ? 0 : 1);
}

// --- ports

/** Raises #GP unless the running code may use the ports (SDM 1 19.5). */
export function checkIo(port: u32, size: i32): void {
  if (!(get64(L.S_CR0) & CR0_PE)) return;
  const flags = get32(L.S_EFLAGS);
  if (!(flags & VM) && get32(L.S_CPL) <= (flags & IOPL) >> 12) return;
  const limit = limitOf(L.SEG_TR);
  // The map is in 32-bit TSSs only.
  if (!(accessOf(L.SEG_TR) & 8) || limit < 103) raise(GP, 0);
  const base = baseOf(L.SEG_TR);
  const map = <u32>readSystem(base + 0x66, 2) + (port >> 3);
  if (map + 1 > limit) raise(GP, 0);
  const bits = <u32>readSystem(base + map, 2);
  const mask = ((1 << size) - 1) << (port & 7);
  if (bits & mask) raise(GP, 0);
}

export function portIn(port: i32, size: i32): i32 {
  checkIo(port, size);
  return host.readPort(port, size);
}

export function portOut(port: i32, size: i32, value: i32): void {
  checkIo(port, size);
  host.writePort(port, size, value);
}

export function randomBits(): u64 {
  return host.randomBits();
}
