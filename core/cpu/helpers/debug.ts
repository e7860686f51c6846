// AssemblyScript. Debug registers, breakpoints and single-step (SDM 3B 17.2, 17.3). Not modelled: branch traps, RTM.
import * as L from '../layout';
import { updateMode } from './blocks';
import { deliverAsInterrupt, raise } from './exceptions';
import { RF } from './flags';
import { baseOf, GP, isLong } from './segments';
import { get32, get64, set32, set64 } from './state';
import { flushTlb } from './tlb';

const CR4_DE: u64 = 8;
const DR6: i32 = L.S_DR + 48;
const DR7: i32 = L.S_DR + 56;
const DR6_BD: u64 = 0x2000;
const DR6_BS: u64 = 0x4000;
const DR7_GD: u64 = 0x2000;
/** L0 G0 .. L3 G3. */
const DR7_ENABLED: u64 = 0xff;
/** S_INHIBIT after a load of SS: debug traps wait too. */
export const INHIBIT_STACK: u32 = 2;

export function readDebug(index: i32): u64 {
  const at = debugIndex(index);
  return get64(L.S_DR + at * 8);
}

export function writeDebug(index: i32, value: u64): void {
  const at = debugIndex(index);
  const wide = isLong() ? value : value & 0xffffffff;
  if (at >= 6) {
    if (wide >> 32) raise(GP, 0);
    if (at == 6) set64(DR6, (wide & 0xe00f) | 0xffff0ff0);
    else writeDr7((wide & 0xffff23ff) | 0x400);
  } else set64(L.S_DR + at * 8, wide);
  updateMode();
}

/** While breakpoints are on, data accesses must not go by the TLB. */
function writeDr7(value: u64): void {
  if ((value | get64(DR7)) & DR7_ENABLED) flushTlb(0);
  set64(DR7, value);
}

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE; DR7.GD guards all. */
function debugIndex(index: i32): i32 {
  if (index > 7) raise(6, -1);
  if (index == 4 || index == 5) {
    if (get64(L.S_CR4) & CR4_DE) raise(6, -1);
    index += 2;
  }
  if (get64(DR7) & DR7_GD) {
    set64(DR6, get64(DR6) | DR6_BD);
    set64(DR7, get64(DR7) & ~DR7_GD);
    raise(1, -1);
  }
  return index;
}

/** Data breakpoints, SDM 3B 17.2.4: marks DR6 bits to report behind the instruction. */
export function checkDataBreakpoints(linear: u64, size: i32, write: bool): void {
  const dr7 = get64(DR7);
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

/** #DB behind an instruction that began with EFLAGS.TF set; a load of SS puts it off (SDM 3A 6.8.3). */
export function singleStep(): void {
  set32(L.S_UOP, 0);
  const dropped = traceDropped;
  traceDropped = false;
  if (dropped || get32(L.S_INHIBIT) == INHIBIT_STACK) return;
  set64(DR6, get64(DR6) | DR6_BS | <u64>get32(L.S_PENDING_DEBUG));
  set32(L.S_PENDING_DEBUG, 0);
  deliverAsInterrupt(1);
}

/** The running instruction entered a handler or SYSCALL's target with TF cleared: no single-step trap behind it. */
let traceDropped: bool = false;

export function dropTrace(): void {
  traceDropped = true;
}

/** #DB before an instruction at an enabled code breakpoint, unless EFLAGS.RF is set. */
export function checkCodeBreakpoints(): void {
  const dr7 = get64(DR7);
  if (get32(L.S_EFLAGS) & RF) {
    set32(L.S_EFLAGS, get32(L.S_EFLAGS) & ~RF);
    return;
  }
  const linear = get32(L.S_MODE) & L.MODE_LONG ? get64(L.S_RIP) : (get64(L.S_RIP) + baseOf(L.SEG_CS)) & 0xffffffff;
  for (let i: u64 = 0; i < 4; i++) {
    if (((dr7 >> (i * 2)) & 3) == 0 || ((dr7 >> (16 + i * 4)) & 3) != 0) continue;
    if (get64(L.S_DR + <i32>i * 8) != linear) continue;
    set64(DR6, get64(DR6) | (1 << i));
    set32(L.S_UOP, 0);
    atBreakpoint = true;
    raise(1, -1);
  }
}

/** The fault under way is an instruction breakpoint's. */
let atBreakpoint: bool = false;

/** Asks for it once. */
export function takeBreakpoint(): bool {
  const was = atBreakpoint;
  atBreakpoint = false;
  return was;
}
