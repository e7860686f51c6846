// AssemblyScript. String instructions (SDM Vol. 2: MOVS CMPS SCAS LODS STOS INS OUTS, REP). RCX, RSI and RDI move element
// by element or page by page, so that a fault or an interrupt in the middle leaves a restartable instruction.
import * as L from '../layout';
import { DF } from './flags';
import * as host from './host';
import { probeRead, probeWrite, readMemory, writeMemory } from './mmu';
import { accessOf, baseOf, checkSegment, isLong, limitOf } from './segments';
import { currentRip, get32, reg, set32, set64, state } from './state';
import { checkIo } from './system';
import { slotOf } from './tlb';

const RCX: i32 = 1;
const RSI: i32 = 6;
const RDI: i32 = 7;
const REPEAT: i32 = L.PREFIX_REP | L.PREFIX_REPNE;

/** What the running instruction's address size is. */
let addressMask: u64 = 0;
let addressBytes: i32 = 0;
let long: bool = false;

function begin(bytes: i32): void {
  addressBytes = bytes;
  addressMask = bytes == 8 ? <u64>-1 : bytes == 4 ? 0xffffffff : 0xffff;
  long = isLong();
}

// @ts-ignore: decorator
@inline function counter(index: i32): u64 { return reg(index) & addressMask; }

function setCounter(index: i32, value: u64): void {
  const at = state() + (index << 3);
  if (addressBytes == 2) store<u16>(at, <u16>value);
  else store<u64>(at, value & addressMask);
}

function direction(size: i32): u64 {
  return get32(L.S_EFLAGS) & DF ? 0 - <u64>size : <u64>size;
}

// @ts-ignore: decorator
@inline function checked(segment: i32): bool {
  return !long && segment < L.SEG_LDTR && (get32(L.S_MODE) & (<u32>L.MODE_CHECK_SEG << segment)) != 0;
}

function linearOf(segment: i32, offset: u64, size: i32, write: bool): u64 {
  if (long) return segment == L.SEG_ES ? offset : offset + baseOf(segment);
  if (checked(segment)) checkSegment(segment, offset, size, write ? 1 : 0);
  return (offset + baseOf(segment)) & 0xffffffff;
}

/** Leaves in the middle when the run loop is wanted; true when it did. */
function interrupted(): bool {
  if (get32(L.S_REQUEST) == 0) return false;
  set64(L.S_RIP, currentRip());
  return true;
}

/** Host address when the page is directly reachable in the current mode, else 0. Fills the TLB, may fault. */
function hostOf(linear: u64, write: bool): usize {
  for (let attempt = 0; attempt < 2; attempt++) {
    const slot = slotOf(<usize>get32(L.S_TLB), linear) + (write ? L.TLB_WRITE : 0);
    if (load<u64>(slot) == (linear & ~(<u64>0xfff))) return <usize>(<u32>linear + load<u32>(slot, 8));
    if (attempt == 0) {
      if (write) probeWrite(linear, 1);
      else probeRead(linear, 1);
    }
  }
  return 0;
}

/** Elements from `linear` (at an offset in a segment) below the ends of page, address size and segment, at most `count`. */
function inReach(linear: u64, segment: i32, offset: u64, size: i32, count: u64): u64 {
  let bytes: u64 = 4096 - (linear & 0xfff);
  if (addressBytes == 2) bytes = min<u64>(bytes, 0x10000 - offset);
  // Expand-down segments end at the top of the address space, which page and address size respect.
  if (checked(segment) && !isExpandDown(segment)) bytes = min<u64>(bytes, <u64>limitOf(segment) + 1 - offset);
  return min<u64>(bytes / <u64>size, count);
}

function isExpandDown(segment: i32): bool {
  return (accessOf(segment) & 0xc) == 4;
}

export function movs(size: i32, bytes: i32, segment: i32, prefixes: i32): void {
  begin(bytes);
  const step = direction(size);
  if (!(prefixes & REPEAT)) {
    moveOne(size, segment, step);
    return;
  }
  const bulk = step == <u64>size;
  while (counter(RCX) != 0) {
    if (bulk) {
      const from = linearOf(segment, counter(RSI), size, false);
      const to = linearOf(L.SEG_ES, counter(RDI), size, true);
      const count = inReach(from, segment, counter(RSI), size, inReach(to, L.SEG_ES, counter(RDI), size, counter(RCX)));
      if (count > 1) {
        const source = hostOf(from, false);
        const target = hostOf(to, true);
        const length = <usize>count * size;
        // A forward copy onto itself from below repeats its pattern: not what memory.copy does.
        if (source != 0 && target != 0 && !(target > source && target < source + length)) {
          memory.copy(target, source, length);
          setCounter(RSI, reg(RSI) + <u64>length);
          setCounter(RDI, reg(RDI) + <u64>length);
          setCounter(RCX, reg(RCX) - count);
          if (counter(RCX) != 0 && interrupted()) return;
          continue;
        }
      }
    }
    moveOne(size, segment, step);
    setCounter(RCX, reg(RCX) - 1);
    if (counter(RCX) != 0 && interrupted()) return;
  }
}

function moveOne(size: i32, segment: i32, step: u64): void {
  const value = readMemory(linearOf(segment, counter(RSI), size, false), size);
  writeMemory(linearOf(L.SEG_ES, counter(RDI), size, true), size, value);
  setCounter(RSI, reg(RSI) + step);
  setCounter(RDI, reg(RDI) + step);
}

export function stos(size: i32, bytes: i32, segment: i32, prefixes: i32): void {
  begin(bytes);
  const step = direction(size);
  const value = reg(0);
  if (!(prefixes & REPEAT)) {
    writeMemory(linearOf(L.SEG_ES, counter(RDI), size, true), size, value);
    setCounter(RDI, reg(RDI) + step);
    return;
  }
  const bulk = step == <u64>size;
  while (counter(RCX) != 0) {
    const to = linearOf(L.SEG_ES, counter(RDI), size, true);
    const count = bulk ? inReach(to, L.SEG_ES, counter(RDI), size, counter(RCX)) : 0;
    const target = count > 1 ? hostOf(to, true) : 0;
    if (target != 0) {
      fillElements(target, <usize>count, size, value);
      setCounter(RDI, reg(RDI) + count * <u64>size);
      setCounter(RCX, reg(RCX) - count);
    } else {
      writeMemory(to, size, value);
      setCounter(RDI, reg(RDI) + step);
      setCounter(RCX, reg(RCX) - 1);
    }
    if (counter(RCX) != 0 && interrupted()) return;
  }
}

function fillElements(target: usize, count: usize, size: i32, value: u64): void {
  const pattern: u64 = size == 1 ? (value & 0xff) * 0x0101010101010101 : size == 2 ? (value & 0xffff) * 0x0001000100010001 : size == 4 ? (value & 0xffffffff) * 0x0000000100000001 : value;
  if (pattern == (pattern & 0xff) * 0x0101010101010101) {
    memory.fill(target, <u8>pattern, count * size);
    return;
  }
  const end = target + count * size;
  let at = target;
  for (; at + 8 <= end; at += 8) store<u64>(at, pattern);
  for (; at < end; at += size) {
    if (size == 1) store<u8>(at, <u8>pattern);
    else if (size == 2) store<u16>(at, <u16>pattern);
    else store<u32>(at, <u32>pattern);
  }
}

export function lods(size: i32, bytes: i32, segment: i32, prefixes: i32): void {
  begin(bytes);
  const step = direction(size);
  const repeat = (prefixes & REPEAT) != 0;
  if (repeat && counter(RCX) == 0) return;
  do {
    const value = readMemory(linearOf(segment, counter(RSI), size, false), size);
    if (size == 1) store<u8>(state(), <u8>value);
    else if (size == 2) store<u16>(state(), <u16>value);
    else store<u64>(state(), value);
    setCounter(RSI, reg(RSI) + step);
    if (!repeat) return;
    setCounter(RCX, reg(RCX) - 1);
    if (counter(RCX) != 0 && interrupted()) return;
  } while (counter(RCX) != 0);
}

/** Flags of a - b; the values are truncated to the size. */
function compareFlags(a: u64, b: u64, size: i32): void {
  const mask: u64 = size == 8 ? <u64>-1 : ((<u64>1) << <u64>(size * 8)) - 1;
  set32(L.S_FLAG_KIND, L.FLAGS_SUB + (size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3));
  set64(L.S_FLAG_RESULT, (a - b) & mask);
  set64(L.S_FLAG_SOURCE, b & mask);
}

/** REPE goes on while equal, REPNE while not. */
function goesOn(prefixes: i32, equal: bool): bool {
  return (prefixes & L.PREFIX_REP) != 0 ? equal : !equal;
}

export function cmps(size: i32, bytes: i32, segment: i32, prefixes: i32): void {
  begin(bytes);
  const step = direction(size);
  const repeat = (prefixes & REPEAT) != 0;
  if (repeat && counter(RCX) == 0) return;
  for (;;) {
    // The second operand goes first, as processors do where both would fault.
    const b = readMemory(linearOf(L.SEG_ES, counter(RDI), size, false), size);
    const a = readMemory(linearOf(segment, counter(RSI), size, false), size);
    setCounter(RSI, reg(RSI) + step);
    setCounter(RDI, reg(RDI) + step);
    compareFlags(a, b, size);
    if (!repeat) return;
    setCounter(RCX, reg(RCX) - 1);
    if (counter(RCX) == 0 || !goesOn(prefixes, a == b)) return;
    if (interrupted()) return;
  }
}

export function scas(size: i32, bytes: i32, segment: i32, prefixes: i32): void {
  begin(bytes);
  const step = direction(size);
  const repeat = (prefixes & REPEAT) != 0;
  if (repeat && counter(RCX) == 0) return;
  const mask: u64 = size == 8 ? <u64>-1 : ((<u64>1) << <u64>(size * 8)) - 1;
  const a = reg(0) & mask;
  for (;;) {
    const b = readMemory(linearOf(L.SEG_ES, counter(RDI), size, false), size);
    setCounter(RDI, reg(RDI) + step);
    compareFlags(a, b, size);
    if (!repeat) return;
    setCounter(RCX, reg(RCX) - 1);
    if (counter(RCX) == 0 || !goesOn(prefixes, a == b)) return;
    if (interrupted()) return;
  }
}

export function ins(size: i32, bytes: i32, segment: i32, prefixes: i32): void {
  begin(bytes);
  const step = direction(size);
  const repeat = (prefixes & REPEAT) != 0;
  const port = <u32>reg(2) & 0xffff;
  checkIo(port, size);
  if (repeat && counter(RCX) == 0) return;
  for (;;) {
    const to = linearOf(L.SEG_ES, counter(RDI), size, true);
    probeWrite(to, size);
    writeMemory(to, size, <u64><u32>host.readPort(port, size));
    setCounter(RDI, reg(RDI) + step);
    if (!repeat) return;
    setCounter(RCX, reg(RCX) - 1);
    if (counter(RCX) == 0) return;
    if (interrupted()) return;
  }
}

export function outs(size: i32, bytes: i32, segment: i32, prefixes: i32): void {
  begin(bytes);
  const step = direction(size);
  const repeat = (prefixes & REPEAT) != 0;
  const port = <u32>reg(2) & 0xffff;
  checkIo(port, size);
  if (repeat && counter(RCX) == 0) return;
  for (;;) {
    host.writePort(port, size, <i32>readMemory(linearOf(segment, counter(RSI), size, false), size));
    setCounter(RSI, reg(RSI) + step);
    if (!repeat) return;
    setCounter(RCX, reg(RCX) - 1);
    if (counter(RCX) == 0) return;
    if (interrupted()) return;
  }
}
