// AssemblyScript. The soft TLB (layout.ts TLB_*) and the jump cache: filling, and what INVLPG, CR3 and changed code drop.
// Entries of pages that are not global are logged when they are made, so that a new CR3 costs what the last address
// space used and the kernel's entries stay.
import * as L from '../layout';
import { ACCESS_WRITE, pageGlobal, pageLarge, physEntry } from './paging';
import { get32, get64, jumps, set32, set64, tlbs } from './state';

/** All arrays of a vcpu. */
const TLB_BYTES: usize = 0x20000;
const EMPTY: u64 = 0xffffffffffffffff;
const CR4_PGE: u64 = 0x80;
/** In the last word of an entry of the TLB or the jump cache; of exec entries in bit 0 of the GPA. */
const GLOBAL: u32 = 1;

/** Arrays filled since the last flush (bit n: array n of the TLB area). */
let arraysUsed: u32 = 0xff;

/** Entries that a new CR3 drops, up to LOG_ENTRIES; beyond, everything is searched. */
const LOG_ENTRIES: u32 = 1024;
const TLB_LOG: usize = memory.data(4096);
const JUMP_LOG: usize = memory.data(4096);
let tlbLogged: u32 = 0;
let jumpLogged: u32 = 0;

/** Bits by a hash of the GiB in which large pages were filled: those stand in many slots. */
const LARGE: usize = memory.data(32);
let largeUsed: bool = false;

// @ts-ignore: decorator
@inline function largeBit(linear: u64): u32 {
  const gib = <u32>(linear >> 30);
  return (gib ^ (gib >> 8)) & 255;
}

// @ts-ignore: decorator
@inline function setBit(map: usize, bit: u32): void {
  const at = map + (bit >> 3);
  store<u8>(at, <u8>(<u32>load<u8>(at) | (<u32>1 << (bit & 7))));
}

// @ts-ignore: decorator
@inline function hasBit(map: usize, bit: u32): bool {
  return ((<u32>load<u8>(map + (bit >> 3)) >> (bit & 7)) & 1) != 0;
}

/** What a flush must know of an entry just made at `slot` from the last walk. */
function filled(linear: u64, slot: usize): void {
  arraysUsed |= 1 << <u32>((slot - tlbs()) / L.TLB_ARRAY_BYTES);
  if (!pageGlobal) {
    if (tlbLogged < LOG_ENTRIES) store<u32>(TLB_LOG + (tlbLogged << 2), <u32>slot);
    tlbLogged++;
  }
  if (!pageLarge) return;
  largeUsed = true;
  setBit(LARGE, largeBit(linear));
}

/** Puts the page of the last walk into the TLB mode at `array`, where direct access is allowed. */
export function fill(array: usize, linear: u64, gpa: u64, access: i32): void {
  set32(L.S_COUNT_TLB_MISS, get32(L.S_COUNT_TLB_MISS) + 1);
  const entry = physEntry(gpa);
  if (!(entry & L.PHYS_READ)) return;
  if (array == tlbs() + L.TLB_NONE) return;
  // Data breakpoints must see every access.
  if ((get64(L.S_DR + 56) & 0xff) != 0 && (get64(L.S_DR + 56) & 0x33330000) != 0) return;
  const page = linear & ~(<u64>0xfff);
  const slot = array + ((<usize>(<u32>linear >> 12) & (L.TLB_ENTRIES - 1)) << 4);
  const addend = (entry & 0xfffff000) - <u32>page;
  put(slot, page, addend);
  filled(linear, slot);
  const number = <u32>(gpa >> 12);
  if (access != ACCESS_WRITE || !(entry & L.PHYS_WRITE)) return;
  store<u8>(L.DIRTY_MAP_BASE + number, 1);
  if (load<u32>(L.CODE_MAP_BASE + (<usize>number << 2)) != 0) return;
  put(slot + L.TLB_WRITE, page, addend);
  filled(linear, slot + L.TLB_WRITE);
}

// @ts-ignore: decorator
@inline function put(slot: usize, page: u64, addend: u32): void {
  store<u64>(slot, page);
  store<u32>(slot, addend, 8);
  store<u32>(slot, pageGlobal ? GLOBAL : 0, 12);
}

/** Puts the page of the last walk into an exec array. */
export function fillExecute(slot: usize, linear: u64, gpa: u64): void {
  store<u64>(slot, linear & ~(<u64>0xfff));
  store<u64>(slot, (gpa & ~(<u64>0xfff)) | (pageGlobal ? GLOBAL : 0), 8);
  filled(linear, slot);
}

// @ts-ignore: decorator
@inline function isGlobal(slot: usize): bool {
  return ((slot - tlbs() >= <usize>L.TLB_EXEC_SUPERVISOR ? load<u32>(slot, 8) : load<u32>(slot, 12)) & GLOBAL) != 0;
}

/** Before first use: no entry is taken for one. */
export function emptyTlb(): void {
  arraysUsed = 0xff;
  memory.fill(tlbs() + L.TLB_NONE, 0xff, L.TLB_MODE_BYTES);
  clearJumpCache();
  flushTlb(0);
}

/** Drops all translations; with `keepGlobal` those of global pages stay while CR4.PGE is set (SDM 3A 4.10.4.1). */
export function flushTlb(keepGlobal: i32): void {
  if (keepGlobal != 0 && (get64(L.S_CR4) & CR4_PGE) != 0) {
    flushLocal();
    return;
  }
  bumpGeneration();
  for (let array: usize = 0; array < TLB_BYTES; array += L.TLB_ARRAY_BYTES) {
    if (arraysUsed & 1) memory.fill(tlbs() + array, 0xff, L.TLB_ARRAY_BYTES);
    arraysUsed >>= 1;
  }
  tlbLogged = 0;
  if (largeUsed) memory.fill(LARGE, 0, 32);
  largeUsed = false;
}

/** Drops the entries of pages that are not global. */
function flushLocal(): void {
  if (tlbLogged <= LOG_ENTRIES) {
    for (let i: u32 = 0; i < tlbLogged; i++) {
      const slot = <usize>load<u32>(TLB_LOG + (i << 2));
      if (!isGlobal(slot)) store<u64>(slot, EMPTY);
    }
  } else {
    for (let slot = tlbs(); slot < tlbs() + TLB_BYTES; slot += L.TLB_ENTRY_BYTES) {
      if (!isGlobal(slot)) store<u64>(slot, EMPTY);
    }
  }
  tlbLogged = 0;
  if (jumpLogged <= LOG_ENTRIES) {
    for (let i: u32 = 0; i < jumpLogged; i++) {
      const set = <usize>load<u32>(JUMP_LOG + (i << 2));
      dropLocalJumps(set, set + L.JUMP_CACHE_SET_BYTES);
    }
  } else dropLocalJumps(jumps(), jumps() + L.JUMP_CACHE_BYTES);
  jumpLogged = 0;
}

function dropLocalJumps(from: usize, to: usize): void {
  for (let slot = from; slot < to; slot += 16) {
    if (!(load<u32>(slot, 12) & GLOBAL)) store<u64>(slot, EMPTY);
  }
}

/** Drops the write entries of every mode: a page has become code. */
export function dropWrites(gpa: u64): void {
  const entry = physEntry(gpa) & 0xfffff000;
  for (let mode: usize = 0; mode < 3; mode++) {
    const array = tlbs() + mode * L.TLB_MODE_BYTES + L.TLB_WRITE;
    for (let i: usize = 0; i < <usize>L.TLB_ENTRIES; i++) {
      const slot = array + (i << 4);
      const tag = load<u64>(slot);
      if ((tag & 1) == 0 && <u32>tag + load<u32>(slot, 8) == entry) store<u64>(slot, EMPTY);
    }
  }
}

/** INVLPG: the page in every array, and the jump cache if code ran there. Where large pages were, everything goes. */
export function invalidatePage(linear: u64): void {
  if (largeUsed && hasBit(LARGE, largeBit(linear))) {
    flushTlb(0);
    return;
  }
  if (hasBit(EXECUTED, executedBit(linear))) bumpGeneration();
  const index = (<usize>(<u32>linear >> 12) & (L.TLB_ENTRIES - 1)) << 4;
  for (let array: usize = 0; array < TLB_BYTES; array += L.TLB_ARRAY_BYTES) store<u64>(tlbs() + array + index, EMPTY);
}

// --- jump cache

/** Number of the translations in jump-cache tags (S_MODE_TAG bits 54-63). */
let generation: u64 = 0;

/** Pages that may have jump-cache entries of this generation, as bits by a hash of the page number. */
const EXECUTED_BITS: u32 = 8192;
const EXECUTED: usize = memory.data(1024);

// @ts-ignore: decorator
@inline function executedBit(linear: u64): u32 {
  const page = <u32>(linear >> 12);
  return (page ^ (page >> 13)) & (EXECUTED_BITS - 1);
}

/** An instruction of the page at `linear` is about to be in the jump cache. */
export function markExecuted(linear: u64): void {
  setBit(EXECUTED, executedBit(linear));
}

// @ts-ignore: decorator
@inline function jumpSet(linear: u64): usize {
  const low = <u32>linear;
  return jumps() + <usize>(((low ^ (low >> 12)) << L.JUMP_CACHE_SET_SHIFT) & (L.JUMP_CACHE_BYTES - L.JUMP_CACHE_SET_BYTES));
}

// @ts-ignore: decorator
@inline function jumpTag(linear: u64): u64 {
  return (linear & 0xffffffffffff) | get64(L.S_MODE_TAG);
}

/** Address of the entry for a block that is in its set but not in the set's first place, put there; or 0. */
export function findJump(linear: u64): usize {
  const tag = jumpTag(linear);
  const set = jumpSet(linear);
  let slot = set + L.JUMP_CACHE_SET_BYTES - 16;
  while (load<u64>(slot) != tag) {
    if (slot == set) return 0;
    slot -= 16;
  }
  const found = v128.load(slot);
  v128.store(slot, v128.load(set));
  v128.store(set, found);
  return set;
}

/** Remembers a block's first micro-op where interp/interpreter.ts looks for it; the last of a full set makes room. */
export function enterJumpCache(linear: u64, uop: u32, region: u32, global: bool): void {
  const slot = jumpSet(linear);
  for (let at = slot + L.JUMP_CACHE_SET_BYTES - 32; at >= slot; at -= 16) v128.store(at, v128.load(at), 16);
  rememberSet(uop, slot);
  store<u64>(slot, jumpTag(linear));
  store<u32>(slot, uop, 8);
  store<u32>(slot, (region << 1) | (global ? GLOBAL : 0), 12);
  if (global) return;
  if (jumpLogged < LOG_ENTRIES) store<u32>(JUMP_LOG + (jumpLogged << 2), <u32>slot);
  jumpLogged++;
}

/** Keeps where in the jump cache a block is, so that dropping it need not search. */
function rememberSet(uop: u32, set: usize): void {
  const header = <usize>uop - L.BLOCK_HEADER_BYTES;
  const place = <u32>(set - jumps()) + L.BLOCK_JUMPS_ONE;
  const before = load<u32>(header, L.BLOCK_JUMPS);
  if (before == place || before == L.BLOCK_JUMPS_MANY) return;
  const elsewhere = before != 0 && holds(jumps() + <usize>(before - L.BLOCK_JUMPS_ONE), uop);
  store<u32>(header, elsewhere ? L.BLOCK_JUMPS_MANY : place, L.BLOCK_JUMPS);
}

function holds(set: usize, uop: u32): bool {
  for (let slot = set; slot < set + L.JUMP_CACHE_SET_BYTES; slot += 16) {
    if (load<u32>(slot, 8) == uop && load<u64>(slot) != EMPTY) return true;
  }
  return false;
}

/** Forgets the block whose first micro-op is `uop`. */
export function dropJumps(uop: u32): void {
  const header = <usize>uop - L.BLOCK_HEADER_BYTES;
  const place = load<u32>(header, L.BLOCK_JUMPS);
  if (place == 0) return;
  const many = place == L.BLOCK_JUMPS_MANY;
  const from = jumps() + (many ? 0 : <usize>(place - L.BLOCK_JUMPS_ONE));
  const to = from + (many ? L.JUMP_CACHE_BYTES : L.JUMP_CACHE_SET_BYTES);
  for (let slot = from; slot < to; slot += 16) {
    if (load<u32>(slot, 8) == uop) store<u64>(slot, EMPTY);
  }
  store<u32>(header, 0, L.BLOCK_JUMPS);
}

/** Makes every jump-cache entry stale. */
export function bumpGeneration(): void {
  memory.fill(EXECUTED, 0, EXECUTED_BITS / 8);
  jumpLogged = 0;
  generation = (generation + 1) & 0x3ff;
  if (generation == 0) clearJumpCache();
  const tag = get64(L.S_MODE_TAG) & 0x003f000000000000;
  set64(L.S_MODE_TAG, tag | (generation << 54));
}

export function generationTag(): u64 {
  return generation << 54;
}

export function clearJumpCache(): void {
  memory.fill(jumps(), 0xff, L.JUMP_CACHE_BYTES);
  jumpLogged = 0;
}
