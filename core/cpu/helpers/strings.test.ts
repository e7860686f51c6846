import { beforeEach, describe, expect, it } from 'vitest';
import {
  CpuHelpers,
  longMode,
  map,
  protectedMode,
  PTE,
  SELECTORS as S,
  DATA16,
} from '../../../test/support/cpu-helpers';
import * as L from '../layout';

const REP = L.PREFIX_REP;
const REPNE = L.PREFIX_REPNE;
const DF = 0x400;
const RAX = 0;
const RCX = 1;
const RSI = 6;
const RDI = 7;
const FROM = 0x400000n;
const TO = 0x800000n;

function fill(m: CpuHelpers, gpa: number, length: number): void {
  for (let i = 0; i < length; i++) m.write(gpa + i, 1, (i * 7 + 3) & 0xff);
}

function same(m: CpuHelpers, a: number, b: number, length: number): boolean {
  return m.bytes
    .subarray(L.RAM_BASE + a, L.RAM_BASE + a + length)
    .every((byte, i) => byte === m.bytes[L.RAM_BASE + b + i]);
}

describe('string instructions with REP (SDM Vol. 2B, REP; Vol. 1 7.3.9)', () => {
  let m: CpuHelpers;
  beforeEach(() => {
    m = longMode();
    // FROM: three pages in reverse order; TO: two pages, the third is absent.
    for (let i = 0; i < 3; i++) map(m, FROM + BigInt(i * 4096), BigInt(0x42000 - i * 4096), PTE.P);
    for (let i = 0; i < 2; i++)
      map(m, TO + BigInt(i * 4096), BigInt(0x50000 + i * 4096), PTE.P | PTE.W);
    m.execute(0x1234, 2);
    m.setReg(RSI, FROM);
    m.setReg(RDI, TO);
  });

  it('MOVS copies page by page', () => {
    fill(m, 0x42000, 4096);
    fill(m, 0x41000, 4096);
    m.setReg(RSI, FROM + 0x10n);
    m.setReg(RDI, TO + 0x100n);
    m.setReg(RCX, 0x1000n);
    m.run('movs', 1, 8, L.SEG_NONE, REP);
    expect([m.reg(RCX), m.reg(RSI), m.reg(RDI)]).toEqual([0n, FROM + 0x1010n, TO + 0x1100n]);
    expect(same(m, 0x42010, 0x50100, 0xf00)).toBe(true);
    expect(same(m, 0x42f10, 0x51000, 0xf0)).toBe(true);
    expect(same(m, 0x41000, 0x510f0, 0x10)).toBe(true);
    expect([0x50, 0x51].map((page) => m.bytes[L.DIRTY_MAP_BASE + page])).toEqual([1, 1]);
  });

  it('a fault leaves counters at the element that faulted', () => {
    fill(m, 0x42000, 4096);
    m.setReg(RDI, TO + 0x1ff8n);
    m.setReg(RCX, 4n);
    expect(m.fault('movs', 4, 8, L.SEG_NONE, REP)).toEqual({ vector: 14, error: 2 });
    expect([m.reg(RCX), m.reg(RSI), m.reg(RDI)]).toEqual([2n, FROM + 8n, TO + 0x2000n]);
    expect(m.get64(L.S_CR2)).toBe(TO + 0x2000n);
    expect(same(m, 0x42000, 0x51ff8, 8)).toBe(true);
  });

  it('an element that crosses into an absent page is not written at all', () => {
    m.setReg(RDI, TO + 0x1ffcn);
    m.setReg(RCX, 1n);
    expect(m.fault('stos', 8, 8, L.SEG_NONE, REP)).toEqual({ vector: 14, error: 2 });
    expect(m.get64(L.S_CR2)).toBe(TO + 0x2000n);
    expect(m.reg(RCX)).toBe(1n);
    expect(m.read(0x51ffc, 4)).toBe(0n);
  });

  it('leaves for the run loop between pieces, to be started again', () => {
    m.setReg(RCX, 0x1800n);
    m.set32(L.S_REQUEST, 1);
    m.run('stos', 1, 8, L.SEG_NONE, REP);
    expect([m.reg(RCX), m.reg(RDI)]).toEqual([0x800n, TO + 0x1000n]);
    expect(m.get64(L.S_RIP)).toBe(0x1234n);
    m.execute(0x1234, 2);
    m.run('stos', 1, 8, L.SEG_NONE, REP);
    expect(m.reg(RCX)).toBe(0n);
    expect(m.get64(L.S_RIP)).toBe(0x1236n);
  });

  it('a count of zero touches nothing', () => {
    m.setReg(RCX, 0n);
    m.setReg(RDI, 0x123456789000n);
    m.run('stos', 1, 8, L.SEG_NONE, REP);
    m.run('lods', 1, 8, L.SEG_NONE, REP);
    m.run('scas', 1, 8, L.SEG_NONE, REPNE);
    expect(m.reg(RDI)).toBe(0x123456789000n);
  });

  it('repeats a pattern when the target overlaps the source from above', () => {
    m.write(0x50000, 4, 0x04030201);
    m.setReg(RSI, TO);
    m.setReg(RDI, TO + 3n);
    m.setReg(RCX, 10n);
    m.run('movs', 1, 8, L.SEG_NONE, REP);
    expect([...m.bytes.subarray(L.RAM_BASE + 0x50000, L.RAM_BASE + 0x5000d)]).toEqual([
      1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1,
    ]);
  });

  it('goes down with DF', () => {
    fill(m, 0x50000, 64);
    m.set32(L.S_EFLAGS, DF | 2);
    m.setReg(RSI, TO + 56n);
    m.setReg(RDI, TO + 0x138n);
    m.setReg(RCX, 8n);
    m.run('movs', 8, 8, L.SEG_NONE, REP);
    expect(same(m, 0x50000, 0x50100, 64)).toBe(true);
    expect([m.reg(RSI), m.reg(RDI)]).toEqual([TO - 8n, TO + 0xf8n]);
  });

  it('STOS fills with elements of any size', () => {
    m.setReg(RAX, 0x1122334455667788n);
    for (const [size, expected] of [
      [1, 0x8888888888888888n],
      [2, 0x7788778877887788n],
      [4, 0x5566778855667788n],
      [8, 0x1122334455667788n],
    ] as const) {
      m.setReg(RDI, TO);
      m.setReg(RCX, BigInt(32 / size));
      m.run('stos', size, 8, L.SEG_NONE, REP);
      expect(m.read(0x50000, 8)).toBe(expected);
      expect(m.read(0x50018, 8)).toBe(expected);
    }
  });

  it('CMPS stops at the first difference, SCAS at the first match, with flags of the last comparison', () => {
    fill(m, 0x42000, 32);
    fill(m, 0x50000, 32);
    m.write(0x50009, 1, 0xff);
    m.setReg(RCX, 32n);
    m.run('cmps', 1, 8, L.SEG_NONE, REP);
    expect([m.reg(RCX), m.reg(RSI), m.reg(RDI)]).toEqual([22n, FROM + 10n, TO + 10n]);
    // 42h - FFh borrows.
    expect(Number(m.run('arithmeticFlags')) & 0x41).toBe(1);
    m.setReg(RAX, 0xffn);
    m.setReg(RDI, TO);
    m.setReg(RCX, 32n);
    m.run('scas', 1, 8, L.SEG_NONE, REPNE);
    expect([m.reg(RCX), m.reg(RDI)]).toEqual([22n, TO + 10n]);
    expect(Number(m.run('arithmeticFlags')) & 0x41).toBe(0x40);
  });

  it('32-bit addresses wrap and clear the upper halves of the registers', () => {
    map(m, 0xfffff000n, 0x50000n, PTE.P | PTE.W);
    m.setReg(RDI, 0x1_ffff_fffen);
    m.setReg(RCX, 0x1_0000_0002n);
    m.setReg(RAX, 0x5an);
    m.run('stos', 1, 4, L.SEG_NONE, REP);
    expect([m.reg(RCX), m.reg(RDI)]).toEqual([0n, 0n]);
    expect(m.read(0x50ffe, 2)).toBe(0x5a5an);
  });
});

describe('in segments with limits', () => {
  it('16-bit addresses wrap; the limit faults where the element lies', () => {
    const m = protectedMode();
    m.setSegment(L.SEG_ES, S.data16, 0x20000, 0x7fff, DATA16);
    m.settle();
    m.execute(0x1234, 2);
    m.setReg(RCX, 0xaaaa0010n);
    m.setReg(RDI, 0xbbbb7ff8n);
    m.setReg(RAX, 0x77n);
    expect(m.fault('stos', 1, 2, L.SEG_DS, REP)).toEqual({ vector: 13, error: 0 });
    expect([m.reg(RCX), m.reg(RDI)]).toEqual([0xaaaa0008n, 0xbbbb8000n]);
    expect(m.read(0x27ff8, 8)).toBe(0x7777777777777777n);
  });

  it('copies within real-mode segments', () => {
    const m = new CpuHelpers();
    m.run('loadSegment', L.SEG_DS, 0x1000);
    m.run('loadSegment', L.SEG_ES, 0x2000);
    fill(m, 0x10000, 0x10000);
    m.execute(0x100, 2);
    m.setReg(RSI, 0xfff0n);
    m.setReg(RDI, 0n);
    m.setReg(RCX, 0x20n);
    m.run('movs', 1, 2, L.SEG_DS, REP);
    expect(same(m, 0x1fff0, 0x20000, 16)).toBe(true);
    expect(same(m, 0x10000, 0x20010, 16)).toBe(true);
    expect([m.reg(RSI), m.reg(RDI), m.reg(RCX)]).toEqual([0x10n, 0x20n, 0n]);
    m.setReg(RSI, 0xffffn);
    m.setReg(RCX, 1n);
    expect(m.fault('movs', 2, 2, L.SEG_DS, REP)).toEqual({ vector: 13, error: 0 });
  });
});

describe('INS and OUTS', () => {
  it('check the page before the port is read', () => {
    const m = longMode();
    m.execute(0x1234, 2);
    m.setReg(2, 0x1f0n);
    m.setReg(RDI, 0x700000n);
    m.setReg(RCX, 2n);
    expect(m.fault('ins', 2, 8, L.SEG_NONE, REP)?.vector).toBe(14);
    expect(m.bus).toEqual([]);
    m.setReg(RDI, 0x9000n);
    m.answers.push(0x1122, 0x3344);
    m.run('ins', 2, 8, L.SEG_NONE, REP);
    expect(m.read(0x9000, 4)).toBe(0x33441122n);
    m.setReg(RSI, 0x9000n);
    m.setReg(RCX, 1n);
    m.run('outs', 4, 8, L.SEG_NONE, REP);
    expect(m.bus).toEqual(['in2 1f0', 'in2 1f0', 'out4 1f0=33441122']);
  });
});
