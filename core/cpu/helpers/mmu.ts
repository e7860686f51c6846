// AssemblyScript. Paging (SDM 3A chapter 4), TLB fill, and the slow paths of loads and stores.
import * as L from '../layout';
import { invalidateStore } from './blocks';
import { raise, raisePageFault } from './exceptions';
import { readMmio, writeMmio } from './host';
import { get32, get64, set32, set64, state, tlbs } from './state';

const PTE_P: u64 = 1;
const PTE_W: u64 = 2;
const PTE_U: u64 = 4;
const PTE_A: u64 = 0x20;
const PTE_D: u64 = 0x40;
const PTE_PS: u64 = 0x80;
const PTE_NX: u64 = 0x8000000000000000;
/** Physical address bits: MAXPHYADDR is 40. */
const ADDRESS_MASK: u64 = 0x000000fffffff000;
const RESERVED_HIGH: u64 = 0x000fff0000000000;
/** PAE paging has no ignored bits up there. */
const RESERVED_PAE: u64 = 0x7fffff0000000000;

export const ACCESS_READ: i32 = 0;
export const ACCESS_WRITE: i32 = 1;
export const ACCESS_EXECUTE: i32 = 2;

const ERROR_PRESENT: u32 = 1;
const ERROR_WRITE: u32 = 2;
const ERROR_USER: u32 = 4;
const ERROR_RESERVED: u32 = 8;
const ERROR_FETCH: u32 = 16;

const CR0_WP: u64 = 0x10000;
const CR0_PG: u64 = 0x80000000;
const CR4_PSE: u64 = 0x10;
const CR4_PAE: u64 = 0x20;
const CR4_SMEP: u64 = 0x100000;
const CR4_SMAP: u64 = 0x200000;
const EFER_LMA: u64 = 0x400;
const EFER_NXE: u64 = 0x800;

/** What the last walk found: rights of the page, and the error code of its fault. */
let pageWritable: bool = false;
let pageUser: bool = false;
let pageDirty: bool = false;
let pageLarge: bool = false;
let faultCode: u32 = 0;

/** Physical page map entry of a GPA, 0 for MMIO and nothing. */
// @ts-ignore: decorator
@inline function physEntry(gpa: u64): u32 {
  return gpa < 0x100000000 ? load<u32>(<usize>(L.PHYS_MAP_BASE + <u32>((gpa >> 12) << 2))) : 0;
}

function physLoad(gpa: u64, wide: bool): u64 {
  const entry = physEntry(gpa);
  // Tables that are not in memory read as ones, as the bus does: reserved bits then fault.
  if (!(entry & L.PHYS_READ)) return wide ? 0xffffffffffffffff : 0xffffffff;
  const host = <usize>((entry & 0xfffff000) | (<u32>gpa & 0xfff));
  return wide ? load<u64>(host) : <u64>load<u32>(host);
}

/** Sets accessed and dirty bits of a table entry. */
function physMark(gpa: u64, bits: u64): void {
  const entry = physEntry(gpa);
  if (!(entry & L.PHYS_WRITE)) return;
  const host = <usize>((entry & 0xfffff000) | (<u32>gpa & 0xfff));
  store<u32>(host, load<u32>(host) | <u32>bits);
  store<u8>(L.DIRTY_MAP_BASE + <u32>(gpa >> 12), 1);
}

/**
 * Translates a linear address for an access by the current paging mode. Returns the GPA, or -1 with `faultCode`
 * set. `user` is the privilege of the access, `ac` EFLAGS.AC for SMAP. A and D bits are set unless `probe`.
 */
function walk(linear: u64, access: i32, user: bool, ac: bool, probe: bool): u64 {
  const cr0 = get64(L.S_CR0);
  if (!(cr0 & CR0_PG)) {
    pageWritable = true;
    pageUser = true;
    pageDirty = true;
    pageLarge = false;
    return linear & 0xffffffff;
  }
  const cr3 = get64(L.S_CR3);
  const cr4 = get64(L.S_CR4);
  const efer = get64(L.S_EFER);
  const nxe = (efer & EFER_NXE) != 0;
  let writable = true;
  let userOk = true;
  let noExecute = false;
  let entry: u64 = 0;
  let at: u64 = 0;
  let gpa: u64 = 0;
  let large = false;
  faultCode = (access == ACCESS_WRITE ? ERROR_WRITE : 0) | (user ? ERROR_USER : 0);
  if (access == ACCESS_EXECUTE && ((nxe && (cr4 & CR4_PAE) != 0) || (cr4 & CR4_SMEP) != 0)) faultCode |= ERROR_FETCH;

  if (!(cr4 & CR4_PAE)) {
    // 32-bit paging, SDM 3A 4.3.
    at = (cr3 & 0xfffff000) | (((linear >> 22) & 0x3ff) << 2);
    entry = physLoad(at, false);
    if (!(entry & PTE_P)) return -1;
    writable = (entry & PTE_W) != 0;
    userOk = (entry & PTE_U) != 0;
    if ((entry & PTE_PS) != 0 && (cr4 & CR4_PSE) != 0) {
      if (entry & 0x200000) {
        faultCode |= ERROR_PRESENT | ERROR_RESERVED;
        return -1;
      }
      large = true;
      gpa = (entry & 0xffc00000) | (((entry >> 13) & 0xff) << 32) | (linear & 0x3fffff);
    } else {
      if (!probe && !(entry & PTE_A)) physMark(at, PTE_A);
      at = (entry & 0xfffff000) | (((linear >> 12) & 0x3ff) << 2);
      entry = physLoad(at, false);
      if (!(entry & PTE_P)) return -1;
      if (!(entry & PTE_W)) writable = false;
      if (!(entry & PTE_U)) userOk = false;
      gpa = (entry & 0xfffff000) | (linear & 0xfff);
    }
  } else {
    const reserved: u64 = (efer & EFER_LMA ? RESERVED_HIGH : RESERVED_PAE) | (nxe ? 0 : PTE_NX);
    let table: u64;
    let level: i32;
    if (efer & EFER_LMA) {
      table = cr3 & ADDRESS_MASK;
      level = 4;
    } else {
      // PAE paging: the PDPTEs were loaded with CR3 (SDM 3A 4.4.1).
      const pdpte = load<u64>(state() + L.S_PDPTE + (<usize>((linear >> 30) & 3) << 3));
      if (!(pdpte & PTE_P)) return -1;
      table = pdpte & ADDRESS_MASK;
      level = 2;
    }
    for (;;) {
      const shift: u64 = 12 + 9 * <u64>(level - 1);
      at = table | (((linear >> shift) & 0x1ff) << 3);
      entry = physLoad(at, true);
      if (!(entry & PTE_P)) return -1;
      if (entry & reserved) {
        faultCode |= ERROR_PRESENT | ERROR_RESERVED;
        return -1;
      }
      if (!(entry & PTE_W)) writable = false;
      if (!(entry & PTE_U)) userOk = false;
      if (entry & PTE_NX) noExecute = true;
      if (level == 1) {
        gpa = (entry & ADDRESS_MASK) | (linear & 0xfff);
        break;
      }
      if (entry & PTE_PS) {
        const offset: u64 = ((<u64>1) << shift) - 1;
        // Bits between the offset and PAT (bit 12) are reserved, as is PS in a PML4 entry.
        if (level == 4 || (entry & offset & 0xffffffffffffe000) != 0) {
          faultCode |= ERROR_PRESENT | ERROR_RESERVED;
          return -1;
        }
        large = true;
        gpa = (entry & ADDRESS_MASK & ~offset) | (linear & offset);
        break;
      }
      if (!probe && !(entry & PTE_A)) physMark(at, PTE_A);
      table = entry & ADDRESS_MASK;
      level--;
    }
  }

  // Access rights, SDM 3A 4.6.
  const wp = (cr0 & CR0_WP) != 0;
  let allowed = true;
  if (user) {
    allowed = userOk && (access != ACCESS_WRITE || writable) && (access != ACCESS_EXECUTE || !noExecute);
  } else if (access == ACCESS_EXECUTE) {
    allowed = !noExecute && !(userOk && (cr4 & CR4_SMEP) != 0);
  } else {
    if (userOk && (cr4 & CR4_SMAP) != 0 && !ac) allowed = false;
    if (access == ACCESS_WRITE && !writable && wp) allowed = false;
  }
  if (!allowed) {
    faultCode |= ERROR_PRESENT;
    return -1;
  }
  if (!probe) {
    const bits: u64 = access == ACCESS_WRITE ? PTE_A | PTE_D : PTE_A;
    if ((entry & bits) != bits) physMark(at, bits);
  }
  pageWritable = writable || (!user && !wp);
  pageUser = userOk;
  pageDirty = access == ACCESS_WRITE || (entry & PTE_D) != 0;
  pageLarge = large;
  return gpa;
}

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

/** Translates for an explicit access of the running code, or raises #PF / #GP / #SS. */
function translateOrFault(linear: u64, access: i32): u64 {
  const long = (get32(L.S_MODE) & L.MODE_LONG) != 0;
  if (long || forcedSupervisor) {
    if (!isCanonical(linear)) raise(inStackSegment() ? 12 : 13, 0);
  }
  const user = !forcedSupervisor && get32(L.S_CPL) == 3;
  const ac = !forcedSupervisor && (get32(L.S_EFLAGS) & 0x40000) != 0;
  const gpa = walk(linear, access, user, ac, false);
  if (gpa == <u64>-1) raisePageFault(linear, faultCode);
  return gpa;
}

/** Puts a page into the TLB of the current mode, where direct access is allowed. */
function fill(linear: u64, gpa: u64, access: i32): void {
  set32(L.S_COUNT_TLB_MISS, get32(L.S_COUNT_TLB_MISS) + 1);
  const entry = physEntry(gpa);
  if (!(entry & L.PHYS_READ)) return;
  // Data breakpoints must see every access.
  if ((get64(L.S_DR + 56) & 0xff) != 0 && (get64(L.S_DR + 56) & 0x33330000) != 0) return;
  const page = linear & ~(<u64>0xfff);
  const array = forcedSupervisor ? tlbs() : <usize>get32(L.S_TLB);
  const slot = array + ((<usize>(<u32>linear >> 12) & (L.TLB_ENTRIES - 1)) << 4);
  const addend = (entry & 0xfffff000) - <u32>page;
  store<u64>(slot, page);
  store<u32>(slot, addend, 8);
  filled(linear, slot);
  const number = <u32>(gpa >> 12);
  if (access != ACCESS_WRITE || !(entry & L.PHYS_WRITE)) return;
  store<u8>(L.DIRTY_MAP_BASE + number, 1);
  if (load<u32>(L.CODE_MAP_BASE + (<usize>number << 2)) != 0) return;
  store<u64>(slot + L.TLB_WRITE, page);
  store<u32>(slot + L.TLB_WRITE, addend, 8);
  filled(linear, slot + L.TLB_WRITE);
}

/** Remembers what a flush must empty: the array of `slot`, and whether a large page may stand in many slots. */
function filled(linear: u64, slot: usize): void {
  arraysUsed |= 1 << <u32>((slot - tlbs()) / L.TLB_ARRAY_BYTES);
  if (!pageLarge) return;
  if (linear >> 63) largeHigh = true;
  else largeLow = true;
}

/** All arrays of a vcpu. */
const TLB_BYTES: usize = 0x20000;

/** Arrays filled since the last flush (bit n: array n of the TLB area). */
let arraysUsed: u32 = 0xff;
/** Large pages were, in the lower or upper half of linear memory. */
let largeLow: bool = false;
let largeHigh: bool = false;

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

/** Data breakpoints, SDM 3B 17.2.4: marks DR6 bits to report behind the instruction. */
function checkDataBreakpoints(linear: u64, size: i32, write: bool): void {
  const dr7 = get64(L.S_DR + 56);
  if (!(dr7 & 0xff)) return;
  for (let i: u32 = 0; i < 4; i++) {
    if (!((dr7 >> (i * 2)) & 3)) continue;
    const condition = (dr7 >> (16 + i * 4)) & 3;
    if (condition == 0 || condition == 2 || (condition == 1 && !write)) continue;
    const code = (dr7 >> (18 + i * 4)) & 3;
    const length: u64 = code == 2 ? 8 : code + 1;
    const address = get64(L.S_DR + <i32>i * 8) & ~(length - 1);
    if (linear < address + length && address < linear + <u64>size) {
      set32(L.S_PENDING_DEBUG, get32(L.S_PENDING_DEBUG) | (1 << i));
      set32(L.S_REQUEST, 1);
    }
  }
}

/** A load that missed the TLB: `size` is 1, 2, 4 or 8. */
export function slowLoad(linear: u64, size: i32): u64 {
  checkDataBreakpoints(linear, size, false);
  const rest = 4096 - (<i32>linear & 0xfff);
  const gpa = translateOrFault(linear, ACCESS_READ);
  if (size <= rest) {
    fill(linear, gpa, ACCESS_READ);
    return loadPhysical(gpa, size);
  }
  const next = wrap(linear + <u64>rest);
  const gpa2 = translateOrFault(next, ACCESS_READ);
  let value: u64 = 0;
  for (let i = 0; i < size; i++) {
    const at = i < rest ? gpa + <u64>i : gpa2 + <u64>(i - rest);
    value |= loadPhysical(at, 1) << (<u64>i << 3);
  }
  return value;
}

/** A store that missed the TLB. Both pages of a crossing are checked before anything is written. */
export function slowStore(linear: u64, size: i32, value: u64): void {
  checkDataBreakpoints(linear, size, true);
  const rest = 4096 - (<i32>linear & 0xfff);
  const gpa = translateOrFault(linear, ACCESS_WRITE);
  if (size <= rest) {
    fill(linear, gpa, ACCESS_WRITE);
    storePhysical(gpa, size, value);
    return;
  }
  const next = wrap(linear + <u64>rest);
  const gpa2 = translateOrFault(next, ACCESS_WRITE);
  for (let i = 0; i < size; i++) {
    const at = i < rest ? gpa + <u64>i : gpa2 + <u64>(i - rest);
    storePhysical(at, 1, (value >> (<u64>i << 3)) & 0xff);
  }
}

/** Loads for helpers: by the TLB, else as `slowLoad`. */
export function readMemory(linear: u64, size: i32): u64 {
  const array = forcedSupervisor ? tlbs() : <usize>get32(L.S_TLB);
  const slot = array + ((<usize>(<u32>linear >> 12) & (L.TLB_ENTRIES - 1)) << 4);
  if (load<u64>(slot) != ((linear + <u64>(size - 1)) & ~(<u64>0xfff))) return slowLoad(linear, size);
  const host = <usize>(<u32>linear + load<u32>(slot, 8));
  if (size == 8) return load<u64>(host);
  if (size == 4) return <u64>load<u32>(host);
  return size == 2 ? <u64>load<u16>(host) : <u64>load<u8>(host);
}

export function writeMemory(linear: u64, size: i32, value: u64): void {
  const array = (forcedSupervisor ? tlbs() : <usize>get32(L.S_TLB)) + L.TLB_WRITE;
  const slot = array + ((<usize>(<u32>linear >> 12) & (L.TLB_ENTRIES - 1)) << 4);
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
  probeWrite(linear, 16);
  slowStore(linear, 8, i64x2.extract_lane(value, 0));
  slowStore(wrap(linear + 8), 8, i64x2.extract_lane(value, 1));
}

/** Raises what a store of `size` bytes would raise. */
export function probeWrite(linear: u64, size: i32): void {
  probe(linear, size, ACCESS_WRITE);
}

export function probeRead(linear: u64, size: i32): void {
  probe(linear, size, ACCESS_READ);
}

function probe(linear: u64, size: i32, access: i32): void {
  const gpa = translateOrFault(linear, access);
  fill(linear, gpa, access);
  const last = wrap(linear + <u64>(size - 1));
  if ((last ^ linear) & ~(<u64>0xfff)) translateOrFault(last & ~(<u64>0xfff), access);
}

/** GPA of an instruction fetch, or raises; `probing` returns -1 instead of raising. */
export function translateFetch(linear: u64, probing: bool): u64 {
  if ((get32(L.S_MODE) & L.MODE_LONG) != 0 && !isCanonical(linear)) {
    if (probing) return <u64>-1;
    raise(13, 0);
  }
  const user = get32(L.S_CPL) == 3;
  const page = linear & ~(<u64>0xfff);
  const slot = tlbs() + (user ? L.TLB_EXEC_USER : L.TLB_EXEC_SUPERVISOR) + ((<usize>(<u32>linear >> 12) & (L.TLB_ENTRIES - 1)) << 4);
  markExecuted(linear);
  if (load<u64>(slot) == page) return load<u64>(slot, 8) | (linear & 0xfff);
  const gpa = walk(linear, ACCESS_EXECUTE, user, false, false);
  if (gpa == <u64>-1) {
    if (!probing) raisePageFault(linear, faultCode);
    return gpa;
  }
  store<u64>(slot, page);
  store<u64>(slot, gpa & ~(<u64>0xfff), 8);
  filled(linear, slot);
  return gpa;
}

/** For debuggers and tests: the GPA without side effects, or -1. */
export function translateQuietly(linear: u64, write: i32, user: i32): f64 {
  const gpa = walk(linear, write ? ACCESS_WRITE : ACCESS_READ, user != 0, true, true);
  return gpa == <u64>-1 ? -1 : <f64>gpa;
}

/** Empties all TLB arrays. Global pages are not kept apart: dropping them too is allowed (SDM 3A 4.10.2.4). */
export function flushTlb(keepGlobal: i32): void {
  bumpGeneration();
  for (let array: usize = 0; array < TLB_BYTES; array += L.TLB_ARRAY_BYTES) {
    if (arraysUsed & 1) memory.fill(tlbs() + array, 0xff, L.TLB_ARRAY_BYTES);
    arraysUsed >>= 1;
  }
  largeLow = false;
  largeHigh = false;
}

/** Drops the write entries of every mode: a page has become code. */
export function dropWrites(gpa: u64): void {
  const entry = physEntry(gpa) & 0xfffff000;
  for (let mode: usize = 0; mode < 3; mode++) {
    const array = tlbs() + mode * L.TLB_MODE_BYTES + L.TLB_WRITE;
    for (let i: usize = 0; i < <usize>L.TLB_ENTRIES; i++) {
      const slot = array + (i << 4);
      const tag = load<u64>(slot);
      if ((tag & 1) == 0 && <u32>tag + load<u32>(slot, 8) == entry) store<u64>(slot, <u64>-1);
    }
  }
}

/** INVLPG: the page in every array, and the jump cache if code ran there. A large page may stand in many slots: then all go. */
export function invalidatePage(linear: u64): void {
  if (linear >> 63 ? largeHigh : largeLow) {
    flushTlb(0);
    return;
  }
  if (maybeExecuted(linear)) bumpGeneration();
  const index = (<usize>(<u32>linear >> 12) & (L.TLB_ENTRIES - 1)) << 4;
  for (let array: usize = 0; array < TLB_BYTES; array += L.TLB_ARRAY_BYTES) store<u64>(tlbs() + array + index, <u64>-1);
}

/** Number of the address space in jump-cache tags (S_MODE_TAG bits 54-63). */
let generation: u64 = 0;

/** Pages that may have jump-cache entries of this generation, as bits by a hash of the page number. */
const EXECUTED_BITS: u32 = 8192;
const EXECUTED: usize = memory.data(1024);

// @ts-ignore: decorator
@inline function executedBit(linear: u64): u32 {
  const page = <u32>(linear >> 12);
  return (page ^ (page >> 13)) & (EXECUTED_BITS - 1);
}

// @ts-ignore: decorator
@inline function markExecuted(linear: u64): void {
  const bit = executedBit(linear);
  const at = EXECUTED + (bit >> 3);
  store<u8>(at, <u8>(<u32>load<u8>(at) | (<u32>1 << (bit & 7))));
}

// @ts-ignore: decorator
@inline function maybeExecuted(linear: u64): bool {
  const bit = executedBit(linear);
  return ((<u32>load<u8>(EXECUTED + (bit >> 3)) >> (bit & 7)) & 1) != 0;
}

/** Makes every jump-cache entry stale. */
export function bumpGeneration(): void {
  memory.fill(EXECUTED, 0, EXECUTED_BITS / 8);
  generation = (generation + 1) & 0x3ff;
  if (generation == 0) clearJumpCache();
  const tag = get64(L.S_MODE_TAG) & 0x003f000000000000;
  set64(L.S_MODE_TAG, tag | (generation << 54));
}

export function generationTag(): u64 {
  return generation << 54;
}

export function clearJumpCache(): void {
  const at = L.JUMP_CACHE_AREA_BASE + get32(L.S_INDEX) * L.JUMP_CACHE_BYTES;
  memory.fill(<usize>at, 0xff, L.JUMP_CACHE_BYTES);
}

export function checkAligned16(linear: u64): void {
  if (linear & 15) raise(13, 0);
}

export function checkCanonical(linear: u64): void {
  if (!isCanonical(linear)) raise(13, 0);
}
