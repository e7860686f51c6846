// AssemblyScript. Address spaces: the process-context identifiers (SDM 3A 4.10.1) whose translations are kept, each with user
// arrays of its own in the TLB, and the supervisor's, which all of them share. A space's record says what flushing it takes.
// A generation number in jump-cache tags stands for the translations that an entry relies on.
import * as L from '../layout';
import { clearJumpCache } from './jump-cache';
import { get32, get64, set64, tlbs } from './state';

const CR4_PCIDE: u64 = 0x20000;

/** Number of the supervisor's record; before it are the user spaces. */
export const SUPERVISOR: u32 = L.TLB_SPACES;
const RECORD_BYTES: usize = 0x2000;
/** u32s: TLB entries to empty, RECORD_LOGGED of them; more than LOG_ENTRIES are not listed. The supervisor's are those of pages that are not global. */
const RECORD_LOG: usize = 0;
export const LOG_ENTRIES: u32 = 1024;
/** Bits by a hash of the pages that jump-cache entries of this generation rely on. */
const RECORD_EXECUTED: usize = 0x1000;
const EXECUTED_BITS: u32 = 0x4000;
/** Bits by a hash of the GiB in which large pages were filled: those stand in many entries. */
const RECORD_LARGE: usize = 0x1800;
/** The same of large pages that are not global; the supervisor's only. */
const RECORD_LARGE_LOCAL: usize = 0x1820;
const LARGE_BYTES: usize = 32;
/** u32s: the PCID, or NO_PCID; generation; entries logged; 1 when there are jump-cache entries; 1 when a bit of LARGE or LARGE_LOCAL is set. */
const RECORD_PCID: usize = 0x1840;
const RECORD_GENERATION: usize = 0x1844;
const RECORD_LOGGED: usize = 0x1848;
const RECORD_ENTERED: usize = 0x184c;
const RECORD_LARGE_USED: usize = 0x1850;
const NO_PCID: u32 = 0xffffffff;

/** Tags have 10 bits for it; all ones would make an empty entry's. */
const LAST_GENERATION: u32 = 0x3fe;
let generation: u32 = 0;

/** The space that CPL 3 runs in, and the one to give up next. */
export let space: u32 = 0;
let victim: u32 = 0;
/** Supervisor code of pages that are not global is in the jump cache. */
export let localCode: bool = false;

// @ts-ignore: decorator
@inline function record(owner: u32): usize { return tlbs() + L.TLB_RECORDS + <usize>owner * RECORD_BYTES; }

/** The user arrays of a space. */
// @ts-ignore: decorator
@inline export function arraysOf(owner: u32): usize { return tlbs() + L.TLB_SPACE + <usize>owner * L.TLB_SPACE_BYTES; }

/** The space of the running code's jump-cache entries. */
// @ts-ignore: decorator
@inline function running(): u32 { return get32(L.S_CPL) == 3 ? space : SUPERVISOR; }

/** PCID of the translations in use; 0 while CR4.PCIDE is clear. */
export function currentPcid(): u32 {
  return get64(L.S_CR4) & CR4_PCIDE ? <u32>get64(L.S_CR3) & 0xfff : 0;
}

/** Everything was flushed: only the current PCID keeps its space. */
export function forgetSpaces(): void {
  for (let owner: u32 = 0; owner < <u32>L.TLB_SPACES; owner++) store<u32>(record(owner), NO_PCID, RECORD_PCID);
  store<u32>(record(space), currentPcid(), RECORD_PCID);
}

/** The space of a PCID, or -1. */
export function spaceOf(pcid: u32): i32 {
  for (let owner: u32 = 0; owner < <u32>L.TLB_SPACES; owner++) {
    if (load<u32>(record(owner), RECORD_PCID) == pcid) return <i32>owner;
  }
  return -1;
}

/** Makes a space current; a PCID without one is given another's, which the caller flushes. */
export function enterSpace(owner: i32, pcid: u32): void {
  if (owner < 0) {
    if (victim == space) victim = (victim + 1) % <u32>L.TLB_SPACES;
    owner = <i32>victim;
    victim = (victim + 1) % <u32>L.TLB_SPACES;
    store<u32>(record(owner), pcid, RECORD_PCID);
  }
  space = <u32>owner;
}

// --- TLB entries

/** Lists a TLB entry for the flush of a space. */
export function logEntry(owner: u32, slot: usize): void {
  const at = record(owner);
  const logged = load<u32>(at, RECORD_LOGGED);
  if (logged < LOG_ENTRIES) store<u32>(at + (<usize>logged << 2), <u32>slot, RECORD_LOG);
  store<u32>(at, logged + 1, RECORD_LOGGED);
}

// @ts-ignore: decorator
@inline export function loggedEntries(owner: u32): u32 { return load<u32>(record(owner), RECORD_LOGGED); }

// @ts-ignore: decorator
@inline export function loggedEntry(owner: u32, i: u32): usize { return <usize>load<u32>(record(owner) + (<usize>i << 2), RECORD_LOG); }

export function clearLog(owner: u32): void {
  store<u32>(record(owner), 0, RECORD_LOGGED);
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

/** The halves of the address space have halves of the bits: INVLPG of a user page is no reason to flush the kernel's. */
// @ts-ignore: decorator
@inline function largeBit(linear: u64): u32 {
  const gib = <u32>(linear >> 30);
  return ((gib ^ (gib >> 7)) & 127) | (<i64>linear < 0 ? 128 : 0);
}

/** A large page was filled. `local`: a supervisor's that is not global. */
export function markLarge(owner: u32, linear: u64, local: bool): void {
  const at = record(owner);
  store<u32>(at, 1, RECORD_LARGE_USED);
  setBit(at + (local ? RECORD_LARGE_LOCAL : RECORD_LARGE), largeBit(linear));
}

/** Part of a large page at `linear` may stand in entries for other addresses. */
export function mayBeLarge(owner: u32, linear: u64, local: bool): bool {
  const at = record(owner);
  return load<u32>(at, RECORD_LARGE_USED) != 0 && hasBit(at + (local ? RECORD_LARGE_LOCAL : RECORD_LARGE), largeBit(linear));
}

export function clearLarge(owner: u32, onlyLocal: bool): void {
  const at = record(owner);
  if (load<u32>(at, RECORD_LARGE_USED) == 0) return;
  memory.fill(at + RECORD_LARGE_LOCAL, 0, LARGE_BYTES);
  if (onlyLocal) return;
  memory.fill(at + RECORD_LARGE, 0, LARGE_BYTES);
  store<u32>(at, 0, RECORD_LARGE_USED);
}

// --- jump-cache entries

/** A user address must not be taken for one of the supervisor's code pages, so those have a half by the sign of the address. */
// @ts-ignore: decorator
@inline function executedBit(owner: u32, linear: u64): u32 {
  const page = <u32>(linear >> 12);
  const hash = page ^ (page >> 14);
  if (owner != SUPERVISOR) return hash & (EXECUTED_BITS - 1);
  return (hash & (EXECUTED_BITS / 2 - 1)) | (<i64>linear < 0 ? EXECUTED_BITS / 2 : 0);
}

/** A jump-cache entry that relies on the page at `linear` is about to be made. */
export function markExecuted(linear: u64, global: bool): void {
  const owner = running();
  const at = record(owner);
  store<u32>(at, 1, RECORD_ENTERED);
  setBit(at + RECORD_EXECUTED, executedBit(owner, linear));
  if (owner == SUPERVISOR && !global) localCode = true;
}

export function mayBeExecuted(owner: u32, linear: u64): bool {
  return hasBit(record(owner) + RECORD_EXECUTED, executedBit(owner, linear));
}

/** Makes every jump-cache entry of a space stale, and sometimes those of all: `retag` must follow. */
export function renewGeneration(owner: u32): void {
  const at = record(owner);
  if (owner == SUPERVISOR) localCode = false;
  if (load<u32>(at, RECORD_ENTERED) == 0) return;
  if (generation == LAST_GENERATION) {
    generation = 0;
    clearJumpCache();
    for (let other: u32 = 0; other <= SUPERVISOR; other++) store<u32>(record(other), ++generation, RECORD_GENERATION);
  } else store<u32>(at, ++generation, RECORD_GENERATION);
  store<u32>(at, 0, RECORD_ENTERED);
  memory.fill(at + RECORD_EXECUTED, 0, EXECUTED_BITS / 8);
}

/** Bits 54-63 of S_MODE_TAG. */
export function generationTag(): u64 {
  return <u64>load<u32>(record(running()), RECORD_GENERATION) << 54;
}

/** S_MODE_TAG for a changed generation or space. */
export function retag(): void {
  set64(L.S_MODE_TAG, (get64(L.S_MODE_TAG) & 0x003fffffffffffff) | generationTag());
}

/** Distinct generations for all spaces, before first use. */
export function numberSpaces(): void {
  generation = 0;
  for (let owner: u32 = 0; owner <= SUPERVISOR; owner++) {
    const at = record(owner);
    memory.fill(at, 0, RECORD_BYTES);
    store<u32>(at, ++generation, RECORD_GENERATION);
  }
  localCode = false;
}
