// AssemblyScript. x87 control: FLDCW, FNCLEX, FNSTENV, FLDENV, FNSAVE, FRSTOR (SDM 2A; SDM 1 8.1.10,
// figures 8-9 to 8-12).
import * as L from '../../layout';
import { addressMask } from '../address';
import { initialiseX87 } from '../fp-state';
import { probeRead, probeWrite, readMemory, writeMemory } from '../mmu';
import { isRealLike } from '../segments';
import { get32, get64, set32, set64, state } from '../state';
import { classify, FINITE, ZERO } from './number';
import { ES, raisePending, setStatus, status, top, updateSummary } from './stack';

const TAG_VALID: u32 = 0;
const TAG_ZERO: u32 = 1;
const TAG_SPECIAL: u32 = 2;
const TAG_EMPTY: u32 = 3;

/** Bits of the control word that exist; bit 6 reads as 1. */
const CONTROL_BITS: u32 = 0x1f3f;

function setControl(value: u32): void {
  set32(L.S_X87_CONTROL, (value & CONTROL_BITS) | 0x40);
  updateSummary();
}

export function x87LoadControl(value: i32): void {
  setControl(<u32>value);
}

export function x87ClearExceptions(): void {
  setStatus(status() & 0x7f00);
}

/** The status word with TOP in it. */
function statusWord(): u32 {
  return status() | (top() << 11);
}

/** Takes a status word apart; ES and B follow from the control word, which is there already. */
function setStatusWord(value: u32): void {
  set32(L.S_X87_TOP, (value >> 11) & 7);
  setStatus(value & 0x477f);
  updateSummary();
}

/** The tag word with two bits a register, from the abridged one and the registers. */
function fullTags(): u32 {
  const abridged = get32(L.S_X87_TAGS);
  let tags: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    let tag = TAG_EMPTY;
    if ((abridged >> i) & 1) {
      const at = state() + L.S_X87 + ((<usize>i) << 4);
      const se = <u32>load<u16>(at, 8);
      const c = classify(se, load<u64>(at));
      tag = c == ZERO ? TAG_ZERO : c == FINITE && (se & 0x7fff) != 0 ? TAG_VALID : TAG_SPECIAL;
    }
    tags |= tag << (i * 2);
  }
  return tags;
}

function abridge(tags: u32): u32 {
  let abridged: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    if (((tags >> (i * 2)) & 3) != TAG_EMPTY) abridged |= 1 << i;
  }
  return abridged;
}

function put(linear: u64, offset: u64, size: i32, value: u64): void {
  writeMemory((linear + offset) & addressMask(), size, value);
}

function read(linear: u64, offset: u64, size: i32): u64 {
  return readMemory((linear + offset) & addressMask(), size);
}

/** FNSTENV's image of 14 (`size` 2) or 28 (`size` 4) bytes. */
function storeEnvironment(linear: u64, size: i32): void {
  const real = isRealLike();
  const step = <u64>size;
  const reserved: u64 = size == 4 ? 0xffff0000 : 0;
  put(linear, 0, size, (<u64>get32(L.S_X87_CONTROL)) | reserved);
  put(linear, step, size, (<u64>statusWord()) | reserved);
  put(linear, step * 2, size, (<u64>fullTags()) | reserved);
  const opcode = get32(L.S_X87_OPCODE) & 0x7ff;
  let ip = get64(L.S_X87_IP);
  let dp = get64(L.S_X87_DP);
  if (real) {
    // Linear addresses, split.
    ip = (ip + (get32(L.S_X87_CS) << 4)) & 0xffffffff;
    dp = (dp + (get32(L.S_X87_DS) << 4)) & 0xffffffff;
    if (size == 4) {
      put(linear, 12, 4, (ip & 0xffff) | reserved);
      put(linear, 16, 4, ((ip >> 16) << 12) | opcode);
      put(linear, 20, 4, (dp & 0xffff) | reserved);
      put(linear, 24, 4, (dp >> 16) << 12);
    } else {
      put(linear, 6, 2, ip & 0xffff);
      put(linear, 8, 2, (((ip >> 16) & 15) << 12) | opcode);
      put(linear, 10, 2, dp & 0xffff);
      put(linear, 12, 2, ((dp >> 16) & 15) << 12);
    }
    return;
  }
  put(linear, step * 3, size, ip);
  put(linear, step * 4, size, size == 4 ? get32(L.S_X87_CS) | (opcode << 16) : get32(L.S_X87_CS));
  put(linear, step * 5, size, dp);
  put(linear, step * 6, size, get32(L.S_X87_DS) | reserved);
}

function loadEnvironment(linear: u64, size: i32): void {
  const step = <u64>size;
  const cw = <u32>read(linear, 0, 2);
  const sw = <u32>read(linear, step, 2);
  const tags = <u32>read(linear, step * 2, 2);
  let ip = read(linear, step * 3, size);
  const code = <u32>read(linear, step * 4, size);
  let dp = read(linear, step * 5, size);
  const data = <u32>read(linear, step * 6, size);
  if (isRealLike()) {
    ip = (ip & 0xffff) | (((<u64>code) >> 12) << 16);
    dp = (dp & 0xffff) | (((<u64>data) >> 12) << 16);
    set32(L.S_X87_OPCODE, code & 0x7ff);
    set32(L.S_X87_CS, 0);
    set32(L.S_X87_DS, 0);
  } else {
    if (size == 4) set32(L.S_X87_OPCODE, (code >> 16) & 0x7ff);
    set32(L.S_X87_CS, code & 0xffff);
    set32(L.S_X87_DS, data & 0xffff);
  }
  set64(L.S_X87_IP, ip);
  set64(L.S_X87_DP, dp);
  setControl(cw);
  setStatusWord(sw);
  set32(L.S_X87_TAGS, abridge(tags));
}

/** FNSTENV, which then masks all exceptions. */
export function x87StoreEnvironment(linear: u64, size: i32): void {
  probeWrite(linear, size * 7);
  storeEnvironment(linear, size);
  set32(L.S_X87_CONTROL, get32(L.S_X87_CONTROL) | 0x3f);
  updateSummary();
}

/** FLDENV: exceptions that it unmasks are raised by the next waiting instruction. */
export function x87LoadEnvironment(linear: u64, size: i32): void {
  probeRead(linear, size * 7);
  loadEnvironment(linear, size);
}

/** FNSAVE, then FNINIT. */
export function x87Save(linear: u64, size: i32): void {
  const header = <u64>size * 7;
  probeWrite(linear, size * 7 + 80);
  storeEnvironment(linear, size);
  for (let i: u32 = 0; i < 8; i++) {
    const at = state() + L.S_X87 + (((top() + i) & 7) << 4);
    put(linear, header + <u64>i * 10, 8, load<u64>(at));
    put(linear, header + <u64>i * 10 + 8, 2, <u64>load<u16>(at, 8));
  }
  initialiseX87();
}

export function x87Restore(linear: u64, size: i32): void {
  const header = <u64>size * 7;
  probeRead(linear, size * 7 + 80);
  loadEnvironment(linear, size);
  for (let i: u32 = 0; i < 8; i++) {
    const at = state() + L.S_X87 + (((top() + i) & 7) << 4);
    store<u64>(at, read(linear, header + <u64>i * 10, 8));
    store<u16>(at, <u16>read(linear, header + <u64>i * 10 + 8, 2), 8);
  }
}

/** FWAIT, EMMS and MMX instructions check for a pending exception as waiting x87 instructions do. */
export function x87Wait(): void {
  if (status() & ES) raisePending();
}
