// AssemblyScript. Page walks: 32-bit, PAE and 4-level paging with their rights, reserved bits, accessed and dirty bits (SDM
// 3A chapter 4). MAXPHYADDR is 40; memory types are not kept.
import * as L from '../layout';
import { get64, state } from './state';

const PTE_P: u64 = 1;
const PTE_W: u64 = 2;
const PTE_U: u64 = 4;
const PTE_A: u64 = 0x20;
const PTE_D: u64 = 0x40;
const PTE_PS: u64 = 0x80;
const PTE_G: u64 = 0x100;
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
const CR4_PGE: u64 = 0x80;
const CR4_SMEP: u64 = 0x100000;
const CR4_SMAP: u64 = 0x200000;
const EFER_LMA: u64 = 0x400;
const EFER_NXE: u64 = 0x800;

/** What the last walk found: rights of the page, and the error code of its fault. */
export let pageWritable: bool = false;
export let pageUser: bool = false;
export let pageDirty: bool = false;
export let pageLarge: bool = false;
/** It stays translated when CR3 changes (SDM 3A 4.10.2.4). */
export let pageGlobal: bool = false;
export let faultCode: u32 = 0;

/** Physical page map entry of a GPA, 0 for MMIO and nothing. */
// @ts-ignore: decorator
@inline export function physEntry(gpa: u64): u32 {
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
export function walk(linear: u64, access: i32, user: bool, ac: bool, probe: bool): u64 {
  const cr0 = get64(L.S_CR0);
  if (!(cr0 & CR0_PG)) {
    pageWritable = true;
    pageUser = true;
    pageDirty = true;
    pageLarge = false;
    pageGlobal = false;
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
  pageGlobal = (entry & PTE_G) != 0 && (cr4 & CR4_PGE) != 0;
  return gpa;
}

/** Eight bytes of a table at a physical address; what is not memory reads as ones. */
export function readPhysical(gpa: u64): u64 {
  return physLoad(gpa, true);
}
