// AssemblyScript. The jump cache (layout.ts JUMP_CACHE_*): blocks by the linear address and mode of their first instruction.
// What its tags hold besides the address is spaces.ts's.
import * as L from '../layout';
import { get64, jumps } from './state';

const EMPTY: u64 = 0xffffffffffffffff;
const ENTRY_BYTES: usize = 16;

// @ts-ignore: decorator
@inline function setOf(linear: u64): usize {
  const low = <u32>linear;
  return jumps() + <usize>(((low ^ (low >> 12)) << L.JUMP_CACHE_SET_SHIFT) & (L.JUMP_CACHE_BYTES - L.JUMP_CACHE_SET_BYTES));
}

// @ts-ignore: decorator
@inline function tagOf(linear: u64): u64 {
  return (linear & 0xffffffffffff) | get64(L.S_MODE_TAG);
}

/** Address of the entry for a block that is in its set but not in the set's first place, put there; or 0. */
export function findJump(linear: u64): usize {
  const tag = tagOf(linear);
  const set = setOf(linear);
  let slot = set + L.JUMP_CACHE_SET_BYTES - ENTRY_BYTES;
  while (load<u64>(slot) != tag) {
    if (slot == set) return 0;
    slot -= ENTRY_BYTES;
  }
  const found = v128.load(slot);
  v128.store(slot, v128.load(set));
  v128.store(set, found);
  return set;
}

/** Remembers a block's first micro-op where interp/interpreter.ts looks for it; the last of a full set makes room. */
export function enterJump(linear: u64, uop: u32, region: u32): void {
  const slot = setOf(linear);
  for (let at = slot + L.JUMP_CACHE_SET_BYTES - 2 * ENTRY_BYTES; at >= slot; at -= ENTRY_BYTES) v128.store(at, v128.load(at), ENTRY_BYTES);
  rememberSet(uop, slot);
  store<u64>(slot, tagOf(linear));
  store<u32>(slot, uop, 8);
  store<u32>(slot, region << 1, 12);
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
  for (let slot = set; slot < set + L.JUMP_CACHE_SET_BYTES; slot += ENTRY_BYTES) {
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
  for (let slot = from; slot < to; slot += ENTRY_BYTES) {
    if (load<u32>(slot, 8) == uop) store<u64>(slot, EMPTY);
  }
  store<u32>(header, 0, L.BLOCK_JUMPS);
}

export function clearJumpCache(): void {
  memory.fill(jumps(), 0xff, L.JUMP_CACHE_BYTES);
}
