// AssemblyScript. Stack instructions of several steps: PUSHF, POPF, PUSHA, POPA, ENTER, LEAVE (SDM Vol. 2).
import * as L from '../layout';
import { updateMode } from './blocks';
import { raise } from './exceptions';
import { AC, DF, ID, IF, IOPL, NT, readFlags, RF, TF, VM, writeFlags } from './flags';
import { probeWrite, readMemory, writeMemory } from './mmu';
import { GP, isLong, setStackPointer, stackLinear, stackMask, stackPointer } from './segments';
import { get32, get64, reg, state } from './state';

const ARITHMETIC: u32 = 0x8d5;

export function pushFlags(size: i32): void {
  const flags = get32(L.S_EFLAGS);
  if ((flags & VM) != 0 && (flags & IOPL) != IOPL) raise(GP, 0);
  const rsp = stackPointer() - <u64>size;
  writeMemory(stackLinear(rsp, size, true), size, <u64>(readFlags() & ~(VM | RF)));
  setStackPointer(rsp);
}

export function popFlags(size: i32): void {
  const flags = get32(L.S_EFLAGS);
  const v86 = (flags & VM) != 0;
  if (v86 && (flags & IOPL) != IOPL) raise(GP, 0);
  const rsp = stackPointer();
  const image = <u32>readMemory(stackLinear(rsp, size, false), size);
  const cpl = get64(L.S_CR0) & 1 ? get32(L.S_CPL) : 0;
  let mask: u32 = ARITHMETIC | TF | DF | NT;
  if (size != 2) mask |= AC | ID | RF;
  if (cpl == 0 && !v86) mask |= IOPL;
  if (cpl <= (flags & IOPL) >> 12) mask |= IF;
  setStackPointer(rsp + <u64>size);
  writeFlags(image & ~RF, mask);
  updateMode();
}

export function pushAll(size: i32): void {
  const step = <u64>size;
  const old = stackPointer();
  let rsp = old;
  // The whole frame is checked by its ends before anything is written.
  stackLinear(old - 8 * step, size, true);
  for (let i = 0; i < 8; i++) {
    rsp -= step;
    writeMemory(stackLinear(rsp, size, true), size, i == 4 ? old : reg(i));
  }
  setStackPointer(rsp);
}

export function popAll(size: i32): void {
  const step = <u64>size;
  const rsp = stackPointer();
  const scratch = state() + L.S_SCRATCH;
  for (let i = 0; i < 8; i++)
    store<u64>(
      scratch + ((7 - i) << 3),
      readMemory(stackLinear(rsp + <u64>i * step, size, false), size),
    );
  for (let i = 0; i < 8; i++) {
    if (i == 4) continue;
    const value = load<u64>(scratch + (i << 3));
    if (size == 2) store<u16>(state() + L.S_GPR + (i << 3), <u16>value);
    else store<u64>(state() + L.S_GPR + (i << 3), value);
  }
  setStackPointer(rsp + 8 * step);
}

export function leave(size: i32): void {
  const frame = reg(5);
  const value = readMemory(stackLinear(frame, size, false), size);
  const mask = stackMask();
  setStackPointer((frame & mask) + <u64>size);
  if (size == 2) store<u16>(state() + L.S_GPR + 40, <u16>value);
  else store<u64>(state() + L.S_GPR + 40, value);
}

/** `operands`: frame size in bits 0-15, nesting level in bits 16-20. */
export function enter(size: i32, operands: i32): void {
  const bytes = <u64>(operands & 0xffff);
  const level = (operands >> 16) & 31;
  const step = <u64>size;
  let rsp = stackPointer() - step;
  writeMemory(stackLinear(rsp, size, true), size, reg(5));
  const frame = rsp;
  if (level > 0) {
    let from = reg(5);
    for (let i = 1; i < level; i++) {
      from -= step;
      rsp -= step;
      writeMemory(
        stackLinear(rsp, size, true),
        size,
        readMemory(stackLinear(from, size, false), size),
      );
    }
    rsp -= step;
    writeMemory(stackLinear(rsp, size, true), size, frame);
  }
  rsp -= bytes;
  // A frame that the stack cannot hold faults now.
  probeWrite(stackLinear(rsp, size, true), size);
  if (size == 2) store<u16>(state() + L.S_GPR + 40, <u16>frame);
  else
    store<u64>(
      state() + L.S_GPR + 40,
      isLong() ? frame : (frame & stackMask()) | (stackMask() == 0xffff ? reg(5) & 0xffff0000 : 0),
    );
  setStackPointer(rsp);
}
