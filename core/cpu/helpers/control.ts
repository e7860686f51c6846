// AssemblyScript. Reset, control registers and what goes with them: XCR0, INVPCID (SDM 3A 2.5, 2.6, 4.10.4, 9.1).
import * as L from '../layout';
import { updateMode } from './blocks';
import { raise } from './exceptions';
import { writeFlagsRaw } from './flags';
import * as host from './host';
import { checkCanonical, readMemory } from './mmu';
import { readPhysical } from './paging';
import { accessOf, GP, isLong, isLongActive, setSegment } from './segments';
import { currentPcid } from './spaces';
import { get32, get64, reg, set32, set64, setReg, state } from './state';
import { emptyTlb, flushPcid, flushTlb, invalidateFor, switchSpace } from './tlb';

const CR0_PE: u64 = 1;
const CR0_NW: u64 = 0x20000000;
const CR0_CD: u64 = 0x40000000;
const CR0_PG: u64 = 0x80000000;
const CR0_WRITABLE: u64 = 0xe005003f;
/** Bits whose change loads the PDPTEs of PAE paging (SDM 3A 4.4.1), and drops translations. */
const CR0_CACHING: u64 = 0xe0000000;
const CR0_PAGING: u64 = 0x80010001;
/** TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT FSGSBASE PCIDE OSXSAVE SMEP SMAP. */
const CR4_WRITABLE: u64 = 0x3707fc;
const CR3_KEEP: u64 = 0x8000000000000000;
const CR4_PAE: u64 = 0x20;
const CR4_FSGSBASE: u64 = 0x10000;
const CR4_PCIDE: u64 = 0x20000;
const CR4_OSXSAVE: u64 = 0x40000;
/** Bits whose change loads the PDPTEs: PSE PAE PGE SMEP. */
const CR4_POINTERS: u64 = 0x1000b0;
/** Bits whose change drops translations (SDM 3A 4.10.4.1). */
const CR4_PAGING: u64 = 0x3200b0;
const EFER_LME: u64 = 0x100;
const EFER_LMA: u64 = 0x400;
/** PDPTE: bits 1, 2, 5 to 8 and those above the physical address are reserved (SDM 3A table 4-8). */
const PDPTE_RESERVED: u64 = 0xffffff00000001e6;
const TSS_16_BUSY: u32 = 3;
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
  emptyTlb();
  updateMode();
}

/** PAE paging loads its four pointers with the control registers: refuses bad ones before anything changes. */
function loadPdptes(cr3: u64): void {
  const table = cr3 & 0xffffffe0;
  for (let i: u64 = 0; i < 4; i++) {
    const pdpte = readPhysical(table + i * 8);
    if ((pdpte & 1) != 0 && (pdpte & PDPTE_RESERVED) != 0) raise(GP, 0);
  }
  for (let i: u64 = 0; i < 4; i++) store<u64>(state() + L.S_PDPTE + <usize>i * 8, readPhysical(table + i * 8));
}

/** PAE paging would be in use with these. */
// @ts-ignore: decorator
@inline function usesPdptes(cr0: u64, cr4: u64, efer: u64): bool {
  return (cr0 & CR0_PG) != 0 && (cr4 & CR4_PAE) != 0 && !(efer & EFER_LMA);
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
  const cr4 = get64(L.S_CR4);
  if (raw >> 32 != 0 && isLong()) raise(GP, 0);
  const value = (raw & CR0_WRITABLE) | 0x10;
  if ((value & CR0_PG) != 0 && !(value & CR0_PE)) raise(GP, 0);
  if ((value & CR0_NW) != 0 && !(value & CR0_CD)) raise(GP, 0);
  let efer = get64(L.S_EFER);
  if ((value & ~old & CR0_PG) != 0 && (efer & EFER_LME) != 0) {
    // Entering long mode (SDM 3A 9.8.5): PAE on, CS.L clear, no 16-bit TSS.
    if (!(cr4 & CR4_PAE) || (accessOf(L.SEG_CS) & 0x2000) != 0 || (accessOf(L.SEG_TR) & 0x1f) == TSS_16_BUSY) raise(GP, 0);
    efer |= EFER_LMA;
  } else if ((old & ~value & CR0_PG) != 0) {
    if (isLong() || (cr4 & CR4_PCIDE) != 0) raise(GP, 0);
    efer &= ~EFER_LMA;
  }
  if (usesPdptes(value, cr4, efer) && ((value ^ old) & CR0_CACHING) != 0) loadPdptes(get64(L.S_CR3));
  set64(L.S_EFER, efer);
  set64(L.S_CR0, value);
  if ((value ^ old) & CR0_PAGING) flushTlb(0);
  updateMode();
}

/** MOV CR3, and the CR3 of the task that a task switch enters. */
export function writeCr3(raw: u64): void {
  let value = raw;
  let keep = false;
  if (isLongActive()) {
    // Bit 63 keeps the translations of the new PCID.
    if (get64(L.S_CR4) & CR4_PCIDE) {
      keep = (value & CR3_KEEP) != 0;
      value &= ~CR3_KEEP;
    }
    if (value & 0xffffff0000000000) raise(GP, 0);
  } else value &= 0xffffffff;
  if (usesPdptes(get64(L.S_CR0), get64(L.S_CR4), get64(L.S_EFER))) loadPdptes(value);
  set64(L.S_CR3, value);
  switchSpace(currentPcid(), keep);
}

function writeCr4(value: u64): void {
  const old = get64(L.S_CR4);
  if (value & ~CR4_WRITABLE) raise(GP, 0);
  if (isLongActive() && !(value & CR4_PAE)) raise(GP, 0);
  if ((value & ~old & CR4_PCIDE) != 0 && (!isLongActive() || (get64(L.S_CR3) & 0xfff) != 0)) raise(GP, 0);
  if (((value ^ old) & CR4_POINTERS) != 0 && usesPdptes(get64(L.S_CR0), value, get64(L.S_EFER))) loadPdptes(get64(L.S_CR3));
  set64(L.S_CR4, value);
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

export function invalidatePcid(kind: u64, descriptor: u64): void {
  const pcid = readMemory(descriptor, 8);
  const linear = readMemory(descriptor + 8, 8);
  if (kind > 3 || pcid >> 12 != 0) raise(GP, 0);
  if (kind < 2 && pcid != 0 && !(get64(L.S_CR4) & CR4_PCIDE)) raise(GP, 0);
  if (kind == 0) {
    checkCanonical(linear);
    invalidateFor(<u32>pcid, linear);
  } else if (kind == 1) flushPcid(<u32>pcid);
  else flushTlb(kind == 2 ? 0 : 1);
}
