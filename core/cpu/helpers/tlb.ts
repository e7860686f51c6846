// AssemblyScript. The soft TLB (layout.ts TLB_*): filling, and what INVLPG, CR3 and changed code drop. Each user space has arrays
// of its own, so that a PCID finds its translations again; the supervisor's arrays keep global pages over all of them.
import * as L from '../layout';
import { clearJumpCache } from './jump-cache';
import { ACCESS_WRITE, pageGlobal, pageLarge, physEntry } from './paging';
import {
  arraysOf, clearLarge, clearLog, enterSpace, forgetSpaces, localCode, LOG_ENTRIES, logEntry, loggedEntries, loggedEntry, markLarge, mayBeExecuted,
  mayBeLarge, numberSpaces, renewGeneration, retag, space, spaceOf, SUPERVISOR,
} from './spaces';
import { get32, get64, set32, tlbs } from './state';

const EMPTY: u64 = 0xffffffffffffffff;
const CR4_PGE: u64 = 0x80;
/** In the last word of an entry; of exec entries in bit 0 of the GPA. */
const GLOBAL: u32 = 1;

/** Parts of the supervisor's arrays filled since the last flush of everything (bit n: part n of the TLB area). */
let partsUsed: u32 = 0;
/** A user space may hold translations of global pages. */
let userGlobals: bool = false;

/** The supervisor's arrays are before TLB_NONE. */
const SUPERVISOR_BYTES: usize = L.TLB_NONE;

// @ts-ignore: decorator
@inline function indexOf(linear: u64): usize { return <usize>(<u32>linear >> 12) & (L.TLB_ENTRIES - 1); }

/** The pair of a page in the TLB mode at `array`. */
// @ts-ignore: decorator
@inline export function slotOf(array: usize, linear: u64): usize { return array + indexOf(linear) * L.TLB_PAIR_BYTES; }

/** The entry of a page in an exec array. */
// @ts-ignore: decorator
@inline export function execSlotOf(array: usize, linear: u64): usize { return array + indexOf(linear) * L.TLB_ENTRY_BYTES; }

/** What a flush must know of an entry just made at `slot` from the last walk. */
function filled(linear: u64, slot: usize): void {
  if (slot >= arraysOf(0)) {
    logEntry(space, slot);
    if (pageLarge) markLarge(space, linear, false);
    if (pageGlobal) userGlobals = true;
    return;
  }
  partsUsed |= 1 << <u32>((slot - tlbs()) / L.TLB_PART_BYTES);
  if (!pageGlobal) logEntry(SUPERVISOR, slot);
  if (pageLarge) markLarge(SUPERVISOR, linear, !pageGlobal);
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
  const slot = slotOf(array, linear);
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

/** The exec array of the running privilege. */
export function execArray(user: bool): usize {
  return user ? arraysOf(space) + L.TLB_SPACE_EXEC : tlbs() + L.TLB_EXEC;
}

/** Puts the page of the last walk into an exec array. */
export function fillExecute(slot: usize, linear: u64, gpa: u64): void {
  store<u64>(slot, linear & ~(<u64>0xfff));
  store<u64>(slot, (gpa & ~(<u64>0xfff)) | (pageGlobal ? GLOBAL : 0), 8);
  filled(linear, slot);
}

// @ts-ignore: decorator
@inline function isGlobal(slot: usize): bool {
  return ((slot - tlbs() >= <usize>L.TLB_EXEC ? load<u32>(slot, 8) : load<u32>(slot, 12)) & GLOBAL) != 0;
}

/** Before first use: no entry is taken for one. */
export function emptyTlb(): void {
  memory.fill(tlbs(), 0xff, L.TLB_RECORDS);
  clearJumpCache();
  numberSpaces();
  forgetSpaces();
  partsUsed = 0;
  userGlobals = false;
}

/** Drops all translations; with `keepGlobal` those of global pages stay while CR4.PGE is set (SDM 3A 4.10.4.1). */
export function flushTlb(keepGlobal: i32): void {
  for (let owner: u32 = 0; owner < SUPERVISOR; owner++) flushSpace(owner);
  if (keepGlobal != 0 && (get64(L.S_CR4) & CR4_PGE) != 0) {
    flushLocal();
    retag();
    return;
  }
  for (let part: usize = 0; part < SUPERVISOR_BYTES; part += L.TLB_PART_BYTES) {
    if (partsUsed & 1) memory.fill(tlbs() + part, 0xff, L.TLB_PART_BYTES);
    partsUsed >>= 1;
  }
  clearLog(SUPERVISOR);
  clearLarge(SUPERVISOR, false);
  renewGeneration(SUPERVISOR);
  userGlobals = false;
  forgetSpaces();
  retag();
}

/** Drops all translations of a user space. */
function flushSpace(owner: u32): void {
  const logged = loggedEntries(owner);
  if (logged > LOG_ENTRIES) memory.fill(arraysOf(owner), 0xff, L.TLB_SPACE_BYTES);
  else {
    for (let i: u32 = 0; i < logged; i++) store<u64>(loggedEntry(owner, i), EMPTY);
  }
  clearLog(owner);
  clearLarge(owner, false);
  renewGeneration(owner);
}

/** Drops the supervisor's translations of pages that are not global. */
function flushLocal(): void {
  const logged = loggedEntries(SUPERVISOR);
  if (logged > LOG_ENTRIES) {
    for (let slot = tlbs(); slot < tlbs() + SUPERVISOR_BYTES; slot += L.TLB_ENTRY_BYTES) dropLocal(slot);
  } else {
    for (let i: u32 = 0; i < logged; i++) dropLocal(loggedEntry(SUPERVISOR, i));
  }
  clearLog(SUPERVISOR);
  clearLarge(SUPERVISOR, true);
  if (localCode) renewGeneration(SUPERVISOR);
}

// @ts-ignore: decorator
@inline function dropLocal(slot: usize): void {
  if (!isGlobal(slot)) store<u64>(slot, EMPTY);
}

/** MOV CR3: `pcid` becomes current. With `keep` its translations stay, those of other PCIDs always do (SDM 3A 4.10.4.1). */
export function switchSpace(pcid: u32, keep: bool): void {
  flushLocal();
  const owner = spaceOf(pcid);
  enterSpace(owner, pcid);
  if (owner < 0 || !keep) flushSpace(space);
  retag();
}

/** INVPCID of one context: its translations that are not global. */
export function flushPcid(pcid: u32): void {
  const owner = spaceOf(pcid);
  if (owner < 0) return;
  flushSpace(<u32>owner);
  if (<u32>owner == space) flushLocal();
  retag();
}

/** Drops the write entries of every space: a page has become code. */
export function dropWrites(gpa: u64): void {
  const entry = physEntry(gpa) & 0xfffff000;
  for (let part: u32 = 0; part < <u32>(L.TLB_EXEC / L.TLB_PART_BYTES); part++) {
    if (partsUsed & (1 << part)) dropWritesFrom(tlbs() + <usize>part * L.TLB_PART_BYTES, L.TLB_PART_BYTES, entry);
  }
  for (let owner: u32 = 0; owner < SUPERVISOR; owner++) dropWritesOf(owner, entry);
}

/** The write entries of a user space. */
function dropWritesOf(owner: u32, entry: u32): void {
  const array = arraysOf(owner);
  const logged = loggedEntries(owner);
  if (logged > LOG_ENTRIES) {
    dropWritesFrom(array, L.TLB_MODE_BYTES, entry);
    return;
  }
  for (let i: u32 = 0; i < logged; i++) {
    const slot = loggedEntry(owner, i);
    if (slot - array < <usize>L.TLB_MODE_BYTES && (slot & L.TLB_WRITE) != 0) dropWrite(slot, entry);
  }
}

function dropWritesFrom(pairs: usize, bytes: usize, entry: u32): void {
  for (let pair = pairs; pair < pairs + bytes; pair += L.TLB_PAIR_BYTES) dropWrite(pair + L.TLB_WRITE, entry);
}

// @ts-ignore: decorator
@inline function dropWrite(slot: usize, entry: u32): void {
  const tag = load<u64>(slot);
  if ((tag & 1) == 0 && <u32>tag + load<u32>(slot, 8) == entry) store<u64>(slot, EMPTY);
}

/** INVLPG: the page in the supervisor's arrays and the current space's, and code that relies on it. */
export function invalidatePage(linear: u64): void {
  if (mayBeLarge(SUPERVISOR, linear, false)) {
    flushTlb(0);
    return;
  }
  if (mayBeLarge(SUPERVISOR, linear, true)) flushLocal();
  dropPair(tlbs() + L.TLB_MODE_SUPERVISOR * L.TLB_MODE_BYTES, linear);
  dropPair(tlbs() + L.TLB_MODE_SUPERVISOR_AC * L.TLB_MODE_BYTES, linear);
  store<u64>(execSlotOf(execArray(false), linear), EMPTY);
  if (mayBeExecuted(SUPERVISOR, linear)) renewGeneration(SUPERVISOR);
  for (let owner: u32 = 0; owner < SUPERVISOR; owner++) {
    // Global pages are dropped whatever PCID they were filled for (SDM 3A 4.10.4.1).
    if (owner == space || userGlobals) invalidateIn(owner, linear);
  }
  retag();
}

/** INVPCID of one address. */
export function invalidateFor(pcid: u32, linear: u64): void {
  const owner = spaceOf(pcid);
  if (owner < 0) return;
  if (<u32>owner == space) invalidatePage(linear);
  else {
    invalidateIn(<u32>owner, linear);
    retag();
  }
}

function invalidateIn(owner: u32, linear: u64): void {
  if (mayBeLarge(owner, linear, false)) {
    flushSpace(owner);
    return;
  }
  dropPair(arraysOf(owner), linear);
  store<u64>(execSlotOf(arraysOf(owner) + L.TLB_SPACE_EXEC, linear), EMPTY);
  if (mayBeExecuted(owner, linear)) renewGeneration(owner);
}

/** Empties a page's entries in a mode. */
function dropPair(array: usize, linear: u64): void {
  const pair = slotOf(array, linear);
  store<u64>(pair, EMPTY);
  store<u64>(pair, EMPTY, L.TLB_WRITE);
}
