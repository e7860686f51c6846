// AssemblyScript. The jump cache (layout.ts JUMP_CACHE_*): blocks by the linear address and mode of their first instruction.
// What its tags hold besides the address is spaces.ts's.
import * as L from '../layout';
import { get64, jumps } from './state';

const EMPTY: u64 = 0xffffffffffffffff;
const ENTRY_BYTES: usize = L.JUMP_CACHE_ENTRY_BYTES;
const WAY_BYTES: usize = L.JUMP_CACHE_WAY_BYTES;
/** From a set's place in the first way to the one in the last. */
const LAST_WAY: usize = WAY_BYTES * (L.JUMP_CACHE_WAYS - 1);

/** The first way's place for an address. */
// @ts-ignore: decorator
@inline function setOf(linear: u64): usize {
  const low = <u32>linear;
  return jumps() + <usize>((low ^ (low >> 12)) & (L.JUMP_CACHE_WAY_BYTES / L.JUMP_CACHE_ENTRY_BYTES - 1)) * ENTRY_BYTES;
}

// @ts-ignore: decorator
@inline function tagOf(linear: u64): u64 {
  return (linear & 0xffffffffffff) | get64(L.S_MODE_TAG);
}

/** Address of the entry for a block that is in its set but not in the first way, put there; or 0. */
export function findJump(linear: u64): usize {
  const tag = tagOf(linear);
  const set = setOf(linear);
  let slot = set + LAST_WAY;
  while (load<u64>(slot) != tag) {
    if (slot == set) return 0;
    slot -= WAY_BYTES;
  }
  const found = v128.load(slot);
  v128.store(slot, v128.load(set));
  v128.store(set, found);
  return set;
}

/** Remembers a block's first micro-op where interp/interpreter.ts looks for it; the last of a full set makes room. */
export function enterJump(linear: u64, uop: u32, region: u32): void {
  const slot = setOf(linear);
  for (let at = slot + LAST_WAY; at > slot; at -= WAY_BYTES) v128.store(at, v128.load(at - WAY_BYTES));
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
  for (let slot = set; slot <= set + LAST_WAY; slot += WAY_BYTES) {
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
  const to = many ? jumps() + L.JUMP_CACHE_BYTES : from + LAST_WAY + ENTRY_BYTES;
  for (let slot = from; slot < to; slot += many ? ENTRY_BYTES : WAY_BYTES) {
    if (load<u32>(slot, 8) == uop) store<u64>(slot, EMPTY);
  }
  store<u32>(header, 0, L.BLOCK_JUMPS);
}

export function clearJumpCache(): void {
  memory.fill(jumps(), 0xff, L.JUMP_CACHE_BYTES);
}
