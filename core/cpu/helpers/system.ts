// AssemblyScript. Interrupt flag, halt, alignment-check flag, ports with their permission, CPUID, random numbers (SDM 1
// 19.5; Vol. 2).
import * as L from '../layout';
import { updateMode } from './blocks';
import { raise } from './exceptions';
import { AC, IF, IOPL, VM } from './flags';
import * as host from './host';
import { readSystem } from './mmu';
import { accessOf, baseOf, GP, limitOf } from './segments';
import { get32, get64, reg, set32, setReg, state } from './state';

const CR0_PE: u64 = 1;

export function identify(): void {
  host.cpuid(<u32>reg(0), <u32>reg(1));
  const at = state() + L.S_SCRATCH;
  setReg(0, load<u32>(at));
  setReg(3, load<u32>(at, 4));
  setReg(1, load<u32>(at, 8));
  setReg(2, load<u32>(at, 12));
}

export function clearInterrupts(): void {
  checkIopl();
  set32(L.S_EFLAGS, get32(L.S_EFLAGS) & ~IF);
}

export function setInterrupts(): void {
  checkIopl();
  const flags = get32(L.S_EFLAGS);
  if (flags & IF) return;
  set32(L.S_EFLAGS, flags | IF);
  set32(L.S_INHIBIT, 1);
  if (get32(L.S_IRQ_PENDING)) set32(L.S_REQUEST, 1);
}

function checkIopl(): void {
  const flags = get32(L.S_EFLAGS);
  if ((get64(L.S_CR0) & CR0_PE) != 0 && get32(L.S_CPL) > (flags & IOPL) >> 12) raise(GP, 0);
}

export function halt(): void {
  set32(L.S_HALTED, 1);
}

export function clearAlignmentCheck(): void {
  if (get32(L.S_CPL) != 0) raise(6, -1);
  set32(L.S_EFLAGS, get32(L.S_EFLAGS) & ~AC);
  updateMode();
}

export function setAlignmentCheck(): void {
  if (get32(L.S_CPL) != 0) raise(6, -1);
  set32(L.S_EFLAGS, get32(L.S_EFLAGS) | AC);
  updateMode();
}

// --- ports

/** Raises #GP unless the running code may use the ports (SDM 1 19.5). */
export function checkIo(port: u32, size: i32): void {
  if (!(get64(L.S_CR0) & CR0_PE)) return;
  const flags = get32(L.S_EFLAGS);
  if (!(flags & VM) && get32(L.S_CPL) <= (flags & IOPL) >> 12) return;
  const limit = limitOf(L.SEG_TR);
  // The map is in 32-bit TSSs only.
  if (!(accessOf(L.SEG_TR) & 8) || limit < 103) raise(GP, 0);
  const base = baseOf(L.SEG_TR);
  const map = <u32>readSystem(base + 0x66, 2) + (port >> 3);
  if (map + 1 > limit) raise(GP, 0);
  const bits = <u32>readSystem(base + map, 2);
  const mask = ((1 << size) - 1) << (port & 7);
  if (bits & mask) raise(GP, 0);
}

export function portIn(port: i32, size: i32): i32 {
  checkIo(port, size);
  return host.readPort(port, size);
}

export function portOut(port: i32, size: i32, value: i32): void {
  checkIo(port, size);
  host.writePort(port, size, value);
}

export function randomBits(): u64 {
  return host.randomBits();
}
