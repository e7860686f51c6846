// AssemblyScript. The vcpu this instance works on, and typed access to its state.
import * as L from '../layout';

let base: usize = L.VCPU_BASE;
let tlbArea: usize = L.TLB_AREA_BASE;
let jumpCache: usize = L.JUMP_CACHE_AREA_BASE;

/** Binds this instance to vcpu `index`; call before anything else. */
export function init(index: i32): void {
  base = L.VCPU_BASE + index * L.VCPU_STRIDE;
  tlbArea = L.TLB_AREA_BASE + index * L.TLB_STRIDE;
  jumpCache = L.JUMP_CACHE_AREA_BASE + index * L.JUMP_CACHE_BYTES;
}

// @ts-ignore: decorator
@inline export function state(): usize { return base; }
// @ts-ignore: decorator
@inline export function tlbs(): usize { return tlbArea; }
// @ts-ignore: decorator
@inline export function jumps(): usize { return jumpCache; }

// @ts-ignore: decorator
@inline export function get32(offset: i32): u32 { return load<u32>(base + offset); }
// @ts-ignore: decorator
@inline export function set32(offset: i32, value: u32): void { store<u32>(base + offset, value); }
// @ts-ignore: decorator
@inline export function get64(offset: i32): u64 { return load<u64>(base + offset); }
// @ts-ignore: decorator
@inline export function set64(offset: i32, value: u64): void { store<u64>(base + offset, value); }

// @ts-ignore: decorator
@inline export function reg(index: i32): u64 { return load<u64>(base + (index << 3)); }
// @ts-ignore: decorator
@inline export function setReg(index: i32, value: u64): void { store<u64>(base + (index << 3), value); }

/** RIP of the instruction being executed (inside handlers that stored S_UOP), or about to be fetched. */
export function currentRip(): u64 {
  if (get32(L.S_UOP) == 0) return get64(L.S_RIP);
  return get64(L.S_BLOCK_RIP) + <u64>load<u16>(<usize>get32(L.S_UOP) + L.UOP_RIP_OFFSET);
}

/** RIP of the instruction behind it. */
export function nextRip(): u64 {
  return currentRip() + <u64>load<u8>(<usize>get32(L.S_UOP) + L.UOP_LENGTH);
}
