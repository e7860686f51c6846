// AssemblyScript. Saving, restoring and initialising x87 and SSE state: FXSAVE, XSAVE and their like (SDM 1 10.5, 13.7-13.8).
import * as L from '../layout';
import { raise } from './exceptions';
import { probeWrite, readMemory, writeMemory } from './mmu';
import { isLong } from './segments';
import { get32, get64, reg, set32, set64, state } from './state';
import { updateSummary } from './x87/stack';

const GP: i32 = 13;
const MXCSR_MASK: u32 = 0xffff;
const X87: u64 = 1;
const SSE: u64 = 2;
const CR4_OSXSAVE: u64 = 0x40000;
const HEADER: u64 = 512;

/** FNINIT. */
export function initialiseX87(): void {
  set32(L.S_X87_CONTROL, 0x37f);
  set32(L.S_X87_STATUS, 0);
  set32(L.S_X87_TOP, 0);
  set32(L.S_X87_TAGS, 0);
  set32(L.S_X87_OPCODE, 0);
  set64(L.S_X87_IP, 0);
  set64(L.S_X87_DP, 0);
  set32(L.S_X87_CS, 0);
  set32(L.S_X87_DS, 0);
}

// @ts-ignore: decorator
@inline function register(i: u32): usize {
  return state() + L.S_X87 + (((get32(L.S_X87_TOP) + i) & 7) << 4);
}

function saveX87(at: u64, wide: bool): void {
  writeMemory(at, 2, get32(L.S_X87_CONTROL));
  writeMemory(at + 2, 2, get32(L.S_X87_STATUS) | (get32(L.S_X87_TOP) << 11));
  writeMemory(at + 4, 2, get32(L.S_X87_TAGS));
  writeMemory(at + 6, 2, get32(L.S_X87_OPCODE));
  writeMemory(at + 8, 8, wide ? get64(L.S_X87_IP) : (get64(L.S_X87_IP) & 0xffffffff) | (<u64>get32(L.S_X87_CS) << 32));
  writeMemory(at + 16, 8, wide ? get64(L.S_X87_DP) : (get64(L.S_X87_DP) & 0xffffffff) | (<u64>get32(L.S_X87_DS) << 32));
  for (let i: u32 = 0; i < 8; i++) {
    writeMemory(at + 32 + i * 16, 8, load<u64>(register(i)));
    writeMemory(at + 40 + i * 16, 8, <u64>load<u16>(register(i), 8));
  }
}

function restoreX87(at: u64, wide: bool): void {
  const status = <u32>readMemory(at + 2, 2);
  set32(L.S_X87_CONTROL, (<u32>readMemory(at, 2) & 0x1f3f) | 0x40);
  set32(L.S_X87_STATUS, status & ~0x3800);
  set32(L.S_X87_TOP, (status >> 11) & 7);
  set32(L.S_X87_TAGS, <u32>readMemory(at + 4, 1));
  set32(L.S_X87_OPCODE, <u32>readMemory(at + 6, 2) & 0x7ff);
  const ip = readMemory(at + 8, 8);
  const dp = readMemory(at + 16, 8);
  set64(L.S_X87_IP, wide ? ip : ip & 0xffffffff);
  set64(L.S_X87_DP, wide ? dp : dp & 0xffffffff);
  set32(L.S_X87_CS, wide ? 0 : <u32>(ip >> 32) & 0xffff);
  set32(L.S_X87_DS, wide ? 0 : <u32>(dp >> 32) & 0xffff);
  for (let i: u32 = 0; i < 8; i++) {
    store<u64>(register(i), readMemory(at + 32 + i * 16, 8));
    store<u16>(register(i), <u16>readMemory(at + 40 + i * 16, 2), 8);
  }
  updateSummary();
}

function saveVectors(at: u64): void {
  const count: u32 = isLong() ? 16 : 8;
  for (let i: u32 = 0; i < count; i++) {
    writeMemory(at + 160 + i * 16, 8, load<u64>(state() + L.S_XMM + i * 16));
    writeMemory(at + 168 + i * 16, 8, load<u64>(state() + L.S_XMM + i * 16, 8));
  }
}

function restoreVectors(at: u64): void {
  const count: u32 = isLong() ? 16 : 8;
  for (let i: u32 = 0; i < count; i++) {
    store<u64>(state() + L.S_XMM + i * 16, readMemory(at + 160 + i * 16, 8));
    store<u64>(state() + L.S_XMM + i * 16, readMemory(at + 168 + i * 16, 8), 8);
  }
}

export function loadMxcsr(value: i32): void {
  if (<u32>value & ~MXCSR_MASK) raise(GP, 0);
  set32(L.S_MXCSR, value);
}

/** FXSAVE; `size` 8 with REX.W: 64-bit pointers. */
export function saveFx(at: u64, size: i32): void {
  if (at & 15) raise(GP, 0);
  probeWrite(at + 511, 1);
  probeWrite(at, 512);
  saveX87(at, size == 8);
  writeMemory(at + 24, 8, <u64>get32(L.S_MXCSR) | (<u64>MXCSR_MASK << 32));
  saveVectors(at);
}

export function restoreFx(at: u64, size: i32): void {
  if (at & 15) raise(GP, 0);
  // The last byte first, as processors do: a fault finds nothing changed.
  readMemory(at + 511, 1);
  const mxcsr = <u32>readMemory(at + 24, 4);
  if (mxcsr & ~MXCSR_MASK) raise(GP, 0);
  restoreX87(at, size == 8);
  set32(L.S_MXCSR, mxcsr);
  restoreVectors(at);
}

/** Components asked for in EDX:EAX that XCR0 enables; alignment and CR4.OSXSAVE checked. */
function components(at: u64): u64 {
  if (!(get64(L.S_CR4) & CR4_OSXSAVE)) raise(6, -1);
  if (at & 63) raise(GP, 0);
  return ((reg(0) & 0xffffffff) | (reg(2) << 32)) & get64(L.S_XCR0);
}

/** XSAVE and XSAVEOPT (which may, and here does, save all that is asked for). */
export function saveExtended(at: u64, size: i32): void {
  const mask = components(at);
  probeWrite(at, 512);
  probeWrite(at + HEADER, 64);
  const present = readMemory(at + HEADER, 8);
  if (mask & X87) saveX87(at, size == 8);
  if (mask & SSE) {
    writeMemory(at + 24, 8, <u64>get32(L.S_MXCSR) | (<u64>MXCSR_MASK << 32));
    saveVectors(at);
  }
  writeMemory(at + HEADER, 8, present | mask);
}

export function restoreExtended(at: u64, size: i32): void {
  const mask = components(at);
  const present = readMemory(at + HEADER, 8);
  if ((present & ~get64(L.S_XCR0)) != 0 || readMemory(at + HEADER + 8, 8) != 0 || readMemory(at + HEADER + 16, 8) != 0) raise(GP, 0);
  let mxcsr = get32(L.S_MXCSR);
  if (mask & SSE) {
    mxcsr = <u32>readMemory(at + 24, 4);
    if (mxcsr & ~MXCSR_MASK) raise(GP, 0);
  }
  readMemory(at + 511, 1);
  if (mask & X87) {
    if (present & X87) restoreX87(at, size == 8);
    else {
      initialiseX87();
      memory.fill(state() + L.S_X87, 0, 128);
    }
  }
  if (mask & SSE) {
    set32(L.S_MXCSR, mxcsr);
    if (present & SSE) restoreVectors(at);
    else memory.fill(state() + L.S_XMM, 0, isLong() ? 256 : 128);
  }
}
