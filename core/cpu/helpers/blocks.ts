// AssemblyScript. Finding decoded blocks, keeping them apart by mode, and dropping those whose bytes change.
import * as L from '../layout';
import { deliverHere, raise, unwindFault } from './exceptions';
import { blockDropped, decodeBlock } from './host';
import { clearJumpCache, dropJumps, enterJump, findJump } from './jump-cache';
import { fetchedGlobal, translateFetch } from './mmu';
import { get32, get64, jumps, set32, set64, state, tlbs } from './state';
import { arraysOf, generationTag, markExecuted, space } from './spaces';
import { dropWrites, flushTlb } from './tlb';

const NO_PAGE: u32 = 0xffffffff;
const DEAD_KEY: u64 = 0xffffffffffffffff;

/** Modes seen so far, numbered for S_MODE_TAG: 64 of them at a time. */
const MODE_NUMBERS: usize = memory.data(256);
let modeCount: i32 = 0;

function modeNumber(mode: u32): u64 {
  for (let i = 0; i < modeCount; i++) {
    if (load<u32>(MODE_NUMBERS + (<usize>i << 2)) == mode) return <u64>i;
  }
  if (modeCount == 64) {
    modeCount = 0;
    clearJumpCache();
  }
  store<u32>(MODE_NUMBERS + (<usize>modeCount << 2), mode);
  modeCount++;
  return <u64>(modeCount - 1);
}

// @ts-ignore: decorator
@inline function flat(segment: i32): bool {
  const at = state() + (<usize>segment << 2);
  const access = load<u32>(at, L.S_SEG_ACCESS);
  if (access & L.ACCESS_UNUSABLE) return false;
  // Present, data writable and expand-up, or code readable; limit 4 GiB.
  if (!(access & 0x80) || load<u32>(at, L.S_SEG_LIMIT) != 0xffffffff) return false;
  return (access & 8) != 0 ? (access & 2) != 0 && segment == L.SEG_CS : (access & 6) == 2;
}

/** Recomputes what depends on CR0, CR4, EFER, CS, SS, EFLAGS, CPL and DR7; call after any of them changed. */
export function updateMode(): void {
  const cr0 = get64(L.S_CR0);
  const cr4 = get64(L.S_CR4);
  const flags = get32(L.S_EFLAGS);
  const cs = load<u32>(state() + L.SEG_CS * 4, L.S_SEG_ACCESS);
  const cpl = get32(L.S_CPL);
  let mode: u32 = 0;
  const long = (get64(L.S_EFER) & 0x400) != 0 && (cs & 0x2000) != 0;
  if (long) mode = L.MODE_LONG | L.MODE_CODE32;
  else {
    if (cs & 0x4000) mode |= L.MODE_CODE32;
    if (!(cr0 & 1)) mode |= L.MODE_REAL;
    else if (flags & 0x20000) mode |= L.MODE_V86;
    for (let segment = 0; segment < 6; segment++) {
      if (!flat(segment)) mode |= <u32>L.MODE_CHECK_SEG << segment;
    }
  }
  if (cpl == 3) mode |= L.MODE_USER;
  if (flags & 0x100) mode |= L.MODE_TRACE;
  const dr7 = get64(L.S_DR + 56);
  if (dr7 & 0xff) mode |= L.MODE_BREAKPOINTS;
  if (cr0 & 8) mode |= L.MODE_TS;
  if (cr0 & 4) mode |= L.MODE_EM;
  if (cr0 & 2) mode |= L.MODE_MP;
  if (!(cr4 & 0x200)) mode |= L.MODE_NO_SSE;
  if (get32(L.S_SHADOW)) mode |= L.MODE_SHADOW;
  set32(L.S_MODE, mode);
  // The run loop sees to single-step and code breakpoints, from the next instruction on.
  if (mode & (L.MODE_TRACE | L.MODE_BREAKPOINTS)) set32(L.S_REQUEST, 1);
  set64(L.S_MODE_TAG, generationTag() | (modeNumber(mode) << 48));

  const ac = (flags & 0x40000) != 0 && (cr4 & 0x200000) != 0;
  const supervisor = ac ? L.TLB_MODE_SUPERVISOR_AC : L.TLB_MODE_SUPERVISOR;
  const tlb = cpl == 3 ? arraysOf(space) : tlbs() + supervisor * L.TLB_MODE_BYTES;
  // CR0.AM and EFLAGS.AC at CPL 3: every access is looked at.
  const checked = cpl == 3 && (flags & 0x40000) != 0 && (cr0 & 0x40000) != 0;
  set32(L.S_TLB, <u32>(checked ? tlbs() + L.TLB_NONE : tlb));
  const ss = load<u32>(state() + L.SEG_SS * 4, L.S_SEG_ACCESS);
  set32(L.S_STACK_MASK, (ss & 0x4000) != 0 ? 0xffffffff : 0xffff);
  set32(L.S_STACK_CHECK, !long && (mode & (L.MODE_CHECK_SEG << L.SEG_SS)) != 0 ? 1 : 0);
}

/** `updateMode` after ES, DS, FS or GS changed: nothing depends on more of them than whether accesses are checked, outside 64-bit mode. */
export function updateDataSegment(segment: i32): void {
  const mode = get32(L.S_MODE);
  if (mode & L.MODE_LONG) return;
  const checked = (mode & (<u32>L.MODE_CHECK_SEG << segment)) != 0;
  if (flat(segment) == checked) updateMode();
}

// @ts-ignore: decorator
@inline function hashSlot(key: u64): usize {
  const mixed = <u32>(key ^ (key >> 19) ^ (key >> 40));
  return L.BLOCK_HASH_BASE + ((mixed & (L.BLOCK_HASH_ENTRIES - 1)) << 2);
}

/** Linear address of S_RIP; raises #GP beyond the limit of CS. */
function codeAddress(): u64 {
  const rip = get64(L.S_RIP);
  if (get32(L.S_MODE) & L.MODE_LONG) return rip;
  if (rip > <u64>load<u32>(state() + L.SEG_CS * 4, L.S_SEG_LIMIT)) raise(13, 0);
  return (rip + get64(L.S_SEG_BASE + L.SEG_CS * 8)) & 0xffffffff;
}

/** First micro-op of the block at S_RIP, decoded if it has not been. A fetch fault is delivered: then it is its handler's. */
export function lookupBlock(): i32 {
  let linear = codeAddress();
  const known = findJump(linear);
  if (known != 0) {
    set32(L.S_FOUND_REGION, load<u32>(known, 12) >> 1);
    return load<i32>(known, 8);
  }
  set32(L.S_COUNT_BLOCK_LOOKUP, get32(L.S_COUNT_BLOCK_LOOKUP) + 1);
  let gpa = translateFetch(linear, false);
  if (gpa == <u64>-1) {
    deliverHere();
    set32(L.S_FAULTED, 0);
    linear = codeAddress();
    gpa = translateFetch(linear, false);
    if (gpa == <u64>-1) unwindFault();
  }
  const mode = get32(L.S_MODE);
  const global = fetchedGlobal;
  const key = gpa | (<u64>mode << 40);
  for (let header = load<u32>(hashSlot(key)); header != 0; header = load<u32>(header, L.BLOCK_HASH_NEXT)) {
    if (load<u64>(header, L.BLOCK_KEY) != key) continue;
    const page2 = load<u32>(header, L.BLOCK_PAGE2);
    if (page2 != NO_PAGE && translateFetch(nextPage(linear, mode), true) != <u64>page2) continue;
    return enter(linear, header + L.BLOCK_HEADER_BYTES, global);
  }
  const next = translateFetch(nextPage(linear, mode), true);
  const uop = decodeBlock(<f64>gpa, next == <u64>-1 ? -1 : <f64>next);
  return enter(linear, <u32>uop, global);
}

/** Puts a block into the jump cache, with the region that begins there if its pages are where they were. */
function enter(linear: u64, uop: u32, global: bool): i32 {
  const header = <usize>uop - L.BLOCK_HEADER_BYTES;
  markExecuted(linear, global);
  // `translateFetch` looked at the second page last.
  if (load<u32>(header, L.BLOCK_PAGE2) != NO_PAGE) markExecuted(nextPage(linear, get32(L.S_MODE)), fetchedGlobal);
  let region = load<u32>(header, L.BLOCK_REGION);
  if (region != 0 && !pagesHold(linear, region)) region = 0;
  set32(L.S_FOUND_REGION, region);
  enterJump(linear, uop, region);
  return <i32>uop;
}

/** True when a region's further pages are mapped, relative to its entry, as they were when it was made. */
function pagesHold(linear: u64, region: u32): bool {
  const record = L.REGION_AREA_BASE + <usize>region * L.REGION_BYTES;
  const count = load<u32>(record, L.REGION_PAGES);
  const long = (get32(L.S_MODE) & L.MODE_LONG) != 0;
  for (let i: u32 = 0; i < count; i++) {
    const item = record + L.REGION_PAGE_LIST + (<usize>i << 3);
    let page = (linear & ~(<u64>0xfff)) + (<u64>(<i64>load<i32>(item)) << 12);
    if (!long) page &= 0xffffffff;
    if (translateFetch(page, true) != <u64>load<u32>(item, 4)) return false;
    markExecuted(page, fetchedGlobal);
  }
  return true;
}

/** Header of the decoded block at an offset in CS in the running mode, or 0. Nothing faults. */
export function peekBlock(rip: u64): u32 {
  const mode = get32(L.S_MODE);
  const linear = mode & L.MODE_LONG ? rip : (rip + get64(L.S_SEG_BASE + L.SEG_CS * 8)) & 0xffffffff;
  const gpa = translateFetch(linear, true);
  if (gpa == <u64>-1) return 0;
  const key = gpa | (<u64>mode << 40);
  for (let header = load<u32>(hashSlot(key)); header != 0; header = load<u32>(header, L.BLOCK_HASH_NEXT)) {
    if (load<u64>(header, L.BLOCK_KEY) != key) continue;
    const page2 = load<u32>(header, L.BLOCK_PAGE2);
    if (page2 == NO_PAGE || translateFetch(nextPage(linear, mode), true) == <u64>page2) return header;
  }
  return 0;
}

/** A region was made for, or taken from, a block: jump-cache entries of it are made anew. */
export function dropJumpsOf(uop: u32): void {
  dropJumps(uop);
}

// @ts-ignore: decorator
@inline function nextPage(linear: u64, mode: u32): u64 {
  const next = (linear & ~(<u64>0xfff)) + 0x1000;
  return mode & L.MODE_LONG ? next : next & 0xffffffff;
}

/** The next page of an instruction could not be fetched when it was decoded: raises the fault, or forgets the attempt. */
export function fetchNextPage(): void {
  const mode = get32(L.S_MODE);
  const rip = get64(L.S_BLOCK_RIP);
  const linear = mode & L.MODE_LONG ? rip : (rip + get64(L.S_SEG_BASE + L.SEG_CS * 8)) & 0xffffffff;
  if (translateFetch(nextPage(linear, mode), false) == <u64>-1) unwindFault();
  dropJumps(get32(L.S_UOP));
  set64(L.S_RIP, rip);
}

/** Enters a decoded block into the hash table and the lists of its pages, and guards its bytes. */
export function linkBlock(header: i32): void {
  const h = <usize>header;
  const key = load<u64>(h, L.BLOCK_KEY);
  const slot = hashSlot(key);
  store<u32>(h, load<u32>(slot), L.BLOCK_HASH_NEXT);
  store<u32>(slot, <u32>h);
  const gpa = key & 0xffffffffff;
  const length = <u64>load<u16>(h, L.BLOCK_LENGTH);
  const inPage = min<u64>(length, 4096 - (gpa & 0xfff));
  guard(gpa, inPage, h, L.BLOCK_PAGE_NEXT);
  const page2 = load<u32>(h, L.BLOCK_PAGE2);
  if (page2 != NO_PAGE) guard(<u64>page2, length - inPage, h, L.BLOCK_PAGE2_NEXT);
}

/** Lists hold `header | 1` where the block is on the list by its second page. */
function guard(gpa: u64, length: u64, header: usize, link: usize): void {
  if (gpa >= 0x100000000 || length == 0) return;
  const number = <usize>(gpa >> 12);
  const list = L.PAGE_BLOCKS_BASE + (number << 2);
  store<u32>(header + link, load<u32>(list));
  store<u32>(list, <u32>header | (link == L.BLOCK_PAGE2_NEXT ? 1 : 0));
  const granules = granuleMask(gpa & 0xfff, length);
  const map = L.CODE_MAP_BASE + (number << 2);
  const before = load<u32>(map);
  store<u32>(map, before | granules);
  if (before == 0) dropWrites(gpa & ~(<u64>0xfff));
}

/** Bits of the 128-byte granules that bytes `at`.. of a page touch. */
function granuleMask(at: u64, length: u64): u32 {
  const first = <u32>(at >> 7);
  const last = <u32>min<u64>((at + length - 1) >> 7, 31);
  return (0xffffffff << first) & (0xffffffff >> (31 - last));
}

/** A store hit a page with code: drops the blocks it overlaps. */
export function invalidateStore(gpa: u64, size: i32): void {
  const map = load<u32>(L.CODE_MAP_BASE + (<usize>(gpa >> 12) << 2));
  if (map & granuleMask(gpa & 0xfff, size)) invalidatePageCode(gpa, <u64>size);
}

/** DMA or a debugger wrote `length` bytes: drops decoded code there. */
export function invalidateCode(gpa: f64, length: f64): void {
  let at = <u64>gpa;
  const end = at + <u64>length;
  while (at < end && at < 0x100000000) {
    const part = min<u64>(end - at, 4096 - (at & 0xfff));
    if (load<u32>(L.CODE_MAP_BASE + (<usize>(at >> 12) << 2)) != 0) invalidatePageCode(at, part);
    at += part;
  }
}

/** Marks overlapping blocks of one page dead and keeps the rest; the page's granules are made anew. */
function invalidatePageCode(gpa: u64, length: u64): void {
  const number = <usize>(gpa >> 12);
  const page = gpa & ~(<u64>0xfff);
  const list = L.PAGE_BLOCKS_BASE + (number << 2);
  let granules: u32 = 0;
  let kept: u32 = 0;
  let item = load<u32>(list);
  while (item != 0) {
    const second = (item & 1) != 0;
    const header = <usize>(item & ~1);
    const link = header + (second ? L.BLOCK_PAGE2_NEXT : L.BLOCK_PAGE_NEXT);
    const next = load<u32>(link);
    const key = load<u64>(header, L.BLOCK_KEY);
    if (key != DEAD_KEY) {
      const start = key & 0xffffffffff;
      const bytes = <u64>load<u16>(header, L.BLOCK_LENGTH);
      const inFirst = min<u64>(bytes, 4096 - (start & 0xfff));
      const from = second ? page : start;
      const count = second ? bytes - inFirst : inFirst;
      if (from < gpa + length && gpa < from + count) kill(header);
      else {
        store<u32>(link, kept);
        kept = item;
        granules |= granuleMask(from & 0xfff, count);
      }
    }
    item = next;
  }
  store<u32>(list, kept);
  store<u32>(L.CODE_MAP_BASE + (number << 2), granules);
}

/** The block is found no more, and a vcpu inside it leaves at the next micro-op (handler 0 is REFETCH). */
function kill(header: usize): void {
  set32(L.S_COUNT_INVALIDATED, get32(L.S_COUNT_INVALIDATED) + 1);
  dropJumps(<u32>header + L.BLOCK_HEADER_BYTES);
  const key = load<u64>(header, L.BLOCK_KEY);
  const slot = hashSlot(key);
  let previous: usize = 0;
  for (let h = <usize>load<u32>(slot); h != 0; h = <usize>load<u32>(h, L.BLOCK_HASH_NEXT)) {
    if (h == header) {
      const next = load<u32>(h, L.BLOCK_HASH_NEXT);
      if (previous) store<u32>(previous, next, L.BLOCK_HASH_NEXT);
      else store<u32>(slot, next);
      break;
    }
    previous = h;
  }
  store<u64>(header, DEAD_KEY, L.BLOCK_KEY);
  if (load<u32>(header, L.BLOCK_MEMBER_OF) != 0) {
    set32(L.S_CODE_CHANGED, 1);
    blockDropped(<u32>header);
  }
  const count = <usize>load<u16>(header, L.BLOCK_UOPS);
  for (let i: usize = 0; i < count; i++) store<u16>(header + L.BLOCK_HEADER_BYTES + i * L.UOP_BYTES, 0);
}

/** Forgets every block: the micro-op area is used anew. */
export function flushAllBlocks(): void {
  memory.fill(L.BLOCK_HASH_BASE, 0, L.BLOCK_HASH_ENTRIES * 4);
  memory.fill(L.PAGE_BLOCKS_BASE, 0, 0x400000);
  memory.fill(L.CODE_MAP_BASE, 0, 0x400000);
  clearJumpCache();
  flushTlb(0);
}
