import { beforeEach, describe, expect, it } from 'vitest';
import {
  AT,
  CODE16,
  CODE32,
  CpuHelpers,
  DATA32,
  descriptor,
  DPL3,
  gate,
  longMode,
  protectedMode,
  SELECTORS as S,
  userMode,
  type Fault,
} from '../../../test/support/cpu-helpers';
import * as L from '../layout';

const GP = (error: number): Fault => ({ vector: 13, error });
const NP = (error: number): Fault => ({ vector: 11, error });
const IF = 0x200;
const NT = 0x4000;
const IOPL3 = 0x3000;

/** A 32-bit call gate of DPL 3; `parameters` in its count field. */
function callGate(selector: number, offset: number, parameters = 0, type = 0xec): bigint {
  return gate(selector, offset, type, parameters);
}

function words(m: CpuHelpers, at: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Number(m.read(at + i * 4, 4)));
}

describe('far JMP and CALL (SDM 3A 5.8)', () => {
  let m: CpuHelpers;
  beforeEach(() => {
    m = protectedMode();
    m.execute(0x1234, 7);
  });

  it('goes to code of the same privilege and pushes CS:EIP of the next instruction', () => {
    m.run('farCall', S.code16, 0x100n, 4);
    expect(words(m, AT.stack0 - 8, 2)).toEqual([0x123b, S.code0]);
    expect(m.segment(L.SEG_CS)).toEqual({
      selector: S.code16,
      base: 0x10000n,
      limit: 0xffff,
      access: CODE16,
    });
    expect(m.get64(L.S_RIP)).toBe(0x100n);
    expect(m.get32(L.S_MODE) & L.MODE_CODE32).toBe(0);
    m.execute(0x100, 1);
    m.run('farReturn', 4, 0);
    expect(m.segment(L.SEG_CS).selector).toBe(S.code0);
    expect(m.get64(L.S_RIP)).toBe(0x123bn);
    expect(m.reg(4)).toBe(BigInt(AT.stack0));
  });

  it('refuses null, data, other privilege, absent segments and offsets beyond the limit', () => {
    expect(m.fault('farJump', 0, 0n, 4)).toEqual(GP(0));
    expect(m.fault('farJump', S.data0, 0n, 4)).toEqual(GP(S.data0));
    expect(m.fault('farJump', S.code3, 0n, 4)).toEqual(GP(S.code3 & ~3));
    expect(m.fault('farJump', S.code16, 0x10000n, 4)).toEqual(GP(0));
    m.write(AT.gdt + S.free, 8, descriptor(0, 0xffff, CODE32 & ~0x80));
    expect(m.fault('farJump', S.free, 0n, 4)).toEqual(NP(S.free));
    expect(m.segment(L.SEG_CS).selector).toBe(S.code0);
  });

  it('runs conforming code at the privilege of the caller', () => {
    userMode(m);
    m.run('farJump', S.conforming, 0x8000n, 4);
    expect(m.get32(L.S_CPL)).toBe(3);
    expect(m.segment(L.SEG_CS).selector).toBe(S.conforming | 3);
  });

  it('goes through a call gate to inner privilege with the parameters copied, RETF n comes back', () => {
    userMode(m);
    m.write(AT.gdt + S.free, 8, callGate(S.code0, 0x8000, 2));
    m.write(AT.stack3 - 8, 4, 0x11);
    m.write(AT.stack3 - 4, 4, 0x22);
    m.setReg(4, AT.stack3 - 8);
    m.run('farCall', S.free | 3, 0xdeadn, 4);
    expect(m.get32(L.S_CPL)).toBe(0);
    expect(m.get64(L.S_RIP)).toBe(0x8000n);
    expect(words(m, Number(m.reg(4)), 6)).toEqual([
      0x123b,
      S.code3,
      0x11,
      0x22,
      AT.stack3 - 8,
      S.data3,
    ]);
    expect(m.segment(L.SEG_SS).selector).toBe(S.data0);

    m.setSegment(L.SEG_DS, S.data0, 0, 0xffffffff, DATA32);
    m.execute(0x8000, 3);
    m.run('farReturn', 4, 8);
    expect(m.get32(L.S_CPL)).toBe(3);
    expect(m.segment(L.SEG_CS).selector).toBe(S.code3);
    expect(m.segment(L.SEG_SS).selector).toBe(S.data3);
    expect(m.reg(4)).toBe(BigInt(AT.stack3));
    // Data of the inner privilege does not leave with it.
    expect(m.segment(L.SEG_DS).access & L.ACCESS_UNUSABLE).not.toBe(0);
    expect(m.segment(L.SEG_ES).selector).toBe(S.data3);
  });

  it('checks the gate’s privilege and presence; JMP may not go inward', () => {
    userMode(m);
    m.write(AT.gdt + S.free, 8, callGate(S.code0, 0x8000, 0, 0x8c));
    expect(m.fault('farCall', S.free, 0n, 4)).toEqual(GP(S.free));
    m.write(AT.gdt + S.free, 8, callGate(S.code0, 0x8000, 0, 0x6c));
    expect(m.fault('farCall', S.free, 0n, 4)).toEqual(NP(S.free));
    m.write(AT.gdt + S.free, 8, callGate(S.code0, 0x8000));
    expect(m.fault('farJump', S.free, 0n, 4)).toEqual(GP(S.code0));
  });

  it('raises #SS when the parameters do not fit the inner stack', () => {
    userMode(m);
    m.write(AT.gdt + S.free, 8, callGate(S.code0, 0x8000, 4));
    m.write(AT.tss + 4, 4, 0x1c);
    expect(m.fault('farCall', S.free, 0n, 4)).toEqual({ vector: 12, error: S.data0 });
    expect(m.get32(L.S_CPL)).toBe(3);
  });
});

describe('RETF and IRET (SDM Vol. 2A)', () => {
  let m: CpuHelpers;
  const push = (...values: number[]) => {
    for (const value of values) {
      m.setReg(4, m.reg(4) - 4n);
      m.write(Number(m.reg(4)), 4, value);
    }
  };
  beforeEach(() => {
    m = protectedMode();
    m.execute(0x1234, 1);
  });

  it('do not return inward', () => {
    userMode(m);
    push(S.code0, 0x8000);
    expect(m.fault('farReturn', 4, 0)).toEqual(GP(S.code0));
    push(IF, S.code0, 0x8000);
    expect(m.fault('interruptReturn', 4)).toEqual(GP(S.code0));
  });

  it('change IF and IOPL by privilege only', () => {
    userMode(m);
    push(IF | IOPL3 | 2, S.code3, 0x8000);
    m.run('interruptReturn', 4);
    expect(m.get32(L.S_EFLAGS)).toBe(2);
    m = protectedMode();
    m.execute(0x1234, 1);
    push(IF | IOPL3 | 2, S.code0, 0x8000);
    m.run('interruptReturn', 4);
    expect(m.get32(L.S_EFLAGS)).toBe(IF | IOPL3 | 2);
  });

  it('16-bit IRET changes the lower half of EFLAGS only', () => {
    m.set32(L.S_EFLAGS, 0x40002);
    m.setReg(4, AT.stack0 - 6);
    m.write(AT.stack0 - 6, 2, 0x8000);
    m.write(AT.stack0 - 4, 2, S.code0);
    m.write(AT.stack0 - 2, 2, IF | 2);
    m.run('interruptReturn', 2);
    expect(m.get32(L.S_EFLAGS)).toBe(0x40000 | IF | 2);
    expect(m.get64(L.S_RIP)).toBe(0x8000n);
  });

  it('return to outer code with its stack; the stack must be its own', () => {
    push(S.data3, AT.stack3, IF | 2, S.code3, 0x8000);
    m.run('interruptReturn', 4);
    expect(m.get32(L.S_CPL)).toBe(3);
    expect(m.reg(4)).toBe(BigInt(AT.stack3));
    m = protectedMode();
    m.execute(0x1234, 1);
    push(S.data0, AT.stack3, IF | 2, S.code3, 0x8000);
    expect(m.fault('interruptReturn', 4)).toEqual(GP(S.data0));
    expect(m.get32(L.S_CPL)).toBe(0);
  });

  it('from 64-bit mode to compatibility mode and to 64-bit user code', () => {
    m = longMode();
    m.execute(0x1234, 2);
    const frame = [0x8000n, BigInt(S.code3), 0x202n, 0x123456789n, BigInt(S.data3)];
    m.setReg(4, AT.stack0 - 40);
    frame.forEach((value, i) => {
      m.write(AT.stack0 - 40 + i * 8, 8, value);
    });
    m.run('interruptReturn', 8);
    expect(m.get32(L.S_MODE) & L.MODE_LONG).toBe(0);
    expect(m.get32(L.S_MODE) & L.MODE_CODE32).not.toBe(0);
    expect(m.reg(4)).toBe(0x23456789n);

    m = longMode();
    m.execute(0x1234, 2);
    m.setReg(4, AT.stack0 - 40);
    frame[1] = BigInt(S.user64);
    frame[0] = 0x7fff12345678n;
    frame.forEach((value, i) => {
      m.write(AT.stack0 - 40 + i * 8, 8, value);
    });
    m.run('interruptReturn', 8);
    expect(m.get64(L.S_RIP)).toBe(0x7fff12345678n);
    expect(m.reg(4)).toBe(0x123456789n);
    expect(m.get32(L.S_CPL)).toBe(3);
  });

  it('refuses NT in long mode and targets that are not canonical', () => {
    m = longMode();
    m.execute(0x1234, 2);
    m.set32(L.S_EFLAGS, NT | 2);
    expect(m.fault('interruptReturn', 8)).toEqual(GP(0));
    m.set32(L.S_EFLAGS, 2);
    m.setReg(4, AT.stack0 - 40);
    m.write(AT.stack0 - 40, 8, 0x800000000000n);
    m.write(AT.stack0 - 32, 8, BigInt(S.code64));
    expect(m.fault('interruptReturn', 8)).toEqual(GP(0));
  });
});

describe('64-bit call gates (SDM 3A 5.8.3.1)', () => {
  it('go to inner 64-bit code on the stack of the TSS', () => {
    const m = longMode();
    m.setSegment(L.SEG_CS, S.user64, 0, 0xffffffff, 0xa0fb);
    m.setSegment(L.SEG_SS, S.data3, 0, 0xffffffff, DATA32 | DPL3);
    m.set32(L.S_CPL, 3);
    m.setReg(4, AT.stack3);
    m.settle();
    m.write(AT.gdt + S.free, 8, callGate(S.code64, 0x8000));
    m.write(AT.gdt + S.free + 8, 8, 0xffffff80n);
    m.set32(L.S_GDTR_LIMIT, 0xff);
    m.execute(0x7f0000001234n, 7);
    m.run('farCall', S.free | 3, 0n, 4);
    expect(m.get64(L.S_RIP)).toBe(0xffffff8000008000n);
    expect(m.reg(4)).toBe(BigInt(AT.stack0 - 32));
    expect([0, 8, 16, 24].map((i) => m.read(AT.stack0 - 32 + i, 8))).toEqual([
      0x7f000000123bn,
      BigInt(S.user64),
      BigInt(AT.stack3),
      BigInt(S.data3),
    ]);
    expect(m.segment(L.SEG_SS).selector).toBe(0);
    m.execute(0xffffff8000008000n, 2);
    m.run('farReturn', 8, 0);
    expect(m.get64(L.S_RIP)).toBe(0x7f000000123bn);
    expect(m.reg(4)).toBe(BigInt(AT.stack3));
  });
});

describe('task switches (SDM 3A 7.3)', () => {
  const OTHER = 0x4000;
  let m: CpuHelpers;
  beforeEach(() => {
    m = protectedMode();
    m.write(AT.gdt + S.tss, 8, descriptor(AT.tss, 0x67, 0x8b));
    m.write(AT.gdt + S.free, 8, descriptor(OTHER, 0x67, 0x89));
    m.write(OTHER + 0x20, 4, 0x8000);
    m.write(OTHER + 0x24, 4, 2);
    m.write(OTHER + 0x28, 4, 0xaaaa);
    m.write(OTHER + 0x38, 4, 0x6000);
    [S.data0, S.code0, S.data0, S.data0, 0, 0].forEach((selector, i) => {
      m.write(OTHER + 0x48 + i * 4, 2, selector);
    });
    m.setReg(0, 0x1111);
    m.set64(L.S_DR + 56, 0x4ffn);
    m.execute(0x1234, 7);
  });

  it('CALL saves the task, nests the new one; IRET goes back', () => {
    m.run('farCall', S.free, 0n, 4);
    expect(words(m, AT.tss + 0x20, 3)).toEqual([0x123b, 2, 0x1111]);
    expect(m.read(OTHER, 2)).toBe(BigInt(S.tss));
    expect(m.get32(L.S_EFLAGS) & NT).toBe(NT);
    expect(m.get64(L.S_RIP)).toBe(0x8000n);
    expect(m.reg(0)).toBe(0xaaaan);
    expect(m.reg(4)).toBe(0x6000n);
    expect(m.segment(L.SEG_TR)).toEqual({
      selector: S.free,
      base: BigInt(OTHER),
      limit: 0x67,
      access: 0x8b,
    });
    expect(m.segment(L.SEG_FS).access & L.ACCESS_UNUSABLE).not.toBe(0);
    expect(m.get64(L.S_CR0) & 8n).toBe(8n);
    expect([S.tss, S.free].map((s) => m.read(AT.gdt + s + 5, 1))).toEqual([0x8bn, 0x8bn]);
    // Local breakpoints end with the task, global ones stay.
    expect(m.get64(L.S_DR + 56)).toBe(0x4aan);

    m.execute(0x8000, 1);
    m.run('interruptReturn', 4);
    expect(m.get64(L.S_RIP)).toBe(0x123bn);
    expect(m.reg(0)).toBe(0x1111n);
    expect(m.get32(L.S_EFLAGS) & NT).toBe(0);
    expect([S.tss, S.free].map((s) => m.read(AT.gdt + s + 5, 1))).toEqual([0x8bn, 0x89n]);
  });

  it('JMP leaves the old task free; a busy or absent one is refused', () => {
    m.run('farJump', S.free, 0n, 4);
    expect([S.tss, S.free].map((s) => m.read(AT.gdt + s + 5, 1))).toEqual([0x89n, 0x8bn]);
    expect(m.get32(L.S_EFLAGS) & NT).toBe(0);
    m.execute(0x8000, 7);
    expect(m.fault('farJump', S.free, 0n, 4)).toEqual(GP(S.free));
    m.write(AT.gdt + S.tss + 5, 1, 0x09);
    expect(m.fault('farJump', S.tss, 0n, 4)).toEqual(NP(S.tss));
  });

  it('a task gate handles an exception on its own stack, with the error code', () => {
    m.write(AT.idt + 13 * 8, 8, gate(S.free, 0, 0x85));
    expect(m.deliver(13, 0x28)).toEqual([]);
    expect(m.get64(L.S_RIP)).toBe(0x8000n);
    expect(m.reg(4)).toBe(0x6000n - 4n);
    expect(m.read(0x5ffc, 4)).toBe(0x28n);
    // The faulting instruction will be started again.
    expect(m.read(AT.tss + 0x20, 4)).toBe(0x1234n);
  });

  it('bad segments of the new task raise #TS in it', () => {
    m.write(OTHER + 0x48 + 2 * 4, 2, S.readOnly);
    expect(m.fault('farJump', S.free, 0n, 4)).toEqual({ vector: 10, error: S.readOnly });
    expect(m.segment(L.SEG_TR).selector).toBe(S.free);
  });

  it('the T bit traps in the new task', () => {
    m.write(OTHER + 0x64, 2, 1);
    m.run('farJump', S.free, 0n, 4);
    expect(m.get32(L.S_PENDING_DEBUG)).toBe(0x8000);
  });
});
