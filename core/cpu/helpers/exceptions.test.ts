import { beforeEach, describe, expect, it } from 'vitest';
import {
  AT,
  CpuHelpers,
  DATA32,
  descriptor,
  DPL3,
  gate,
  longMode,
  map,
  protectedMode,
  PTE,
  SELECTORS as S,
  userMode,
} from '../../../test/support/cpu-helpers';
import * as L from '../layout';

const IF = 0x200;
const TF = 0x100;
const NT = 0x4000;
const RF = 0x10000;
const VM = 0x20000;
const IOPL3 = 0x3000;
const INTERRUPT32 = 0x8e;
const TRAP32 = 0x8f;
const TASK = 0x85;
const HANDLER = 0x8000;

function setGate(
  m: CpuHelpers,
  vector: number,
  access: number,
  selector: number = S.code0,
  offset = HANDLER,
): void {
  m.write(AT.idt + vector * 8, 8, gate(selector, offset, access));
}

function setLongGate(
  m: CpuHelpers,
  vector: number,
  access: number,
  ist = 0,
  offset = HANDLER,
): void {
  m.write(AT.idt + vector * 16, 8, gate(S.code64, offset, access, ist));
  m.write(AT.idt + vector * 16 + 8, 8, 0xffff8000);
}

/** The 32-bit words from the stack pointer on. */
function frame(m: CpuHelpers, words: number): number[] {
  return Array.from({ length: words }, (_, i) => Number(m.read(Number(m.reg(4)) + i * 4, 4)));
}

function frame64(m: CpuHelpers, words: number): bigint[] {
  return Array.from({ length: words }, (_, i) => m.read(Number(m.reg(4)) + i * 8, 8));
}

describe('protected mode (SDM 3A 6.12)', () => {
  let m: CpuHelpers;
  beforeEach(() => {
    m = protectedMode();
    m.set32(L.S_EFLAGS, IF | TF | NT | 2);
    m.execute(0x1234, 2);
  });

  it('pushes EFLAGS with RF, CS, EIP of the fault and the error code', () => {
    setGate(m, 13, INTERRUPT32);
    expect(m.deliver(13, 0x18)).toEqual([]);
    expect(frame(m, 4)).toEqual([0x18, 0x1234, S.code0, IF | TF | NT | RF | 2]);
    expect(m.reg(4)).toBe(BigInt(AT.stack0 - 16));
    expect(m.get64(L.S_RIP)).toBe(BigInt(HANDLER));
    expect(m.get32(L.S_EFLAGS)).toBe(2);
  });

  it('keeps IF through a trap gate', () => {
    setGate(m, 6, TRAP32);
    m.deliver(6);
    expect(frame(m, 3)).toEqual([0x1234, S.code0, IF | TF | NT | RF | 2]);
    expect(m.get32(L.S_EFLAGS)).toBe(IF | 2);
  });

  it('pushes 16-bit frames through 16-bit gates', () => {
    setGate(m, 6, 0x86);
    m.deliver(6);
    expect(m.reg(4)).toBe(BigInt(AT.stack0 - 6));
    expect(m.read(AT.stack0 - 6, 2)).toBe(0x1234n);
    expect(m.read(AT.stack0 - 2, 2)).toBe(BigInt(IF | TF | NT | 2));
  });

  it('switches to the TSS stack for an inner handler', () => {
    userMode(m);
    setGate(m, 14, INTERRUPT32);
    m.set64(L.S_CR2, 0x5555n);
    m.deliver(14, 7);
    expect(frame(m, 6)).toEqual([7, 0x1234, S.code3, IF | TF | NT | RF | 2, AT.stack3, S.data3]);
    expect(m.reg(4)).toBe(BigInt(AT.stack0 - 24));
    expect(m.get32(L.S_CPL)).toBe(0);
    expect(m.segment(L.SEG_SS)).toEqual({
      selector: S.data0,
      base: 0n,
      limit: 0xffffffff,
      access: DATA32,
    });
    expect(m.segment(L.SEG_DS).selector).toBe(S.data3);
  });

  it('raises #TS when the TSS ends before the stack, #SS when the stack has no room', () => {
    userMode(m);
    setGate(m, 6, INTERRUPT32);
    setGate(m, 8, INTERRUPT32);
    setGate(m, 10, INTERRUPT32);
    m.set32(L.S_SEG_LIMIT + L.SEG_TR * 4, 8);
    // #TS cannot be delivered either: #DF, then shutdown.
    expect(m.deliver(6).map((f) => f.vector)).toEqual([10, 10, 10]);
    expect(m.get32(L.S_EXIT)).toBe(L.EXIT_SHUTDOWN);

    m = userMode();
    m.execute(0x1234, 2);
    setGate(m, 6, INTERRUPT32);
    setGate(m, 12, TASK, S.free);
    m.write(AT.gdt + S.data0, 8, descriptor(0, AT.stack0 - 1, 0x4093));
    m.write(AT.tss + 4, 4, AT.stack0 + 8);
    expect(m.deliver(6)[0]).toEqual({ vector: 12, error: S.data0 | 1 });
  });

  it('checks the gate and its target, with IDT and EXT in the error code', () => {
    expect(m.deliver(6)[0]).toEqual({ vector: 13, error: (6 << 3) | 2 | 1 });
    setGate(m, 6, INTERRUPT32 & 0x7f);
    m.execute(0x1234, 2);
    expect(m.deliver(6)[0]).toEqual({ vector: 11, error: (6 << 3) | 2 | 1 });
    setGate(m, 6, INTERRUPT32, S.data0);
    m.execute(0x1234, 2);
    expect(m.deliver(6)[0]).toEqual({ vector: 13, error: S.data0 | 1 });
    setGate(m, 6, INTERRUPT32, 0);
    m.execute(0x1234, 2);
    expect(m.deliver(6)[0]).toEqual({ vector: 13, error: 1 });
  });

  it('makes #DF of two contributory exceptions (table 6-5) and shuts down on the third', () => {
    setGate(m, 8, INTERRUPT32);
    // #GP has no gate: contributory twice.
    expect(m.deliver(13, 0)).toEqual([{ vector: 13, error: (13 << 3) | 3 }]);
    expect(frame(m, 2)).toEqual([0, 0x1234]);
    m = protectedMode();
    m.execute(0x1234, 2);
    expect(m.deliver(13, 0)).toHaveLength(2);
    expect(m.get32(L.S_EXIT)).toBe(L.EXIT_SHUTDOWN);
  });

  it('handles a contributory exception during a benign one serially', () => {
    setGate(m, 13, INTERRUPT32);
    expect(m.deliver(6)).toEqual([{ vector: 13, error: (6 << 3) | 3 }]);
    expect(frame(m, 2)).toEqual([(6 << 3) | 3, 0x1234]);
    expect(m.get32(L.S_DELIVERING)).toBe(0);
  });
});

describe('software interrupts', () => {
  let m: CpuHelpers;
  beforeEach(() => {
    m = userMode();
    m.execute(0x1234, 2);
    setGate(m, 0x80, INTERRUPT32 | 0x60);
    setGate(m, 0x81, INTERRUPT32);
    setGate(m, 3, INTERRUPT32);
  });

  it('return behind the instruction and leave RF alone', () => {
    m.run('softwareInterrupt', 0x80, 0);
    expect(frame(m, 3)).toEqual([0x1236, S.code3, 2]);
  });

  it('need the gate’s DPL', () => {
    expect(m.fault('softwareInterrupt', 0x81, 0)).toEqual({ vector: 13, error: (0x81 << 3) | 2 });
    expect(m.fault('softwareInterrupt', 3, 1)).toEqual({ vector: 13, error: (3 << 3) | 2 });
    setGate(m, 1, INTERRUPT32);
    // INT1 counts as a hardware event.
    expect(m.fault('softwareInterrupt', 1, 2)).toBeUndefined();
  });

  it('fault with the address of the instruction', () => {
    setGate(m, 13, INTERRUPT32);
    m.fault('softwareInterrupt', 0x81, 0);
    m.run('deliverFault');
    expect(frame(m, 2)).toEqual([(0x81 << 3) | 2, 0x1234]);
  });

  it('need IOPL 3 in virtual-8086 mode', () => {
    m.set32(L.S_EFLAGS, VM | 2);
    expect(m.fault('softwareInterrupt', 0x80, 0)).toEqual({ vector: 13, error: 0 });
    m.set32(L.S_EFLAGS, VM | IOPL3 | 2);
    m.settle();
    expect(m.fault('softwareInterrupt', 0x80, 0)).toBeUndefined();
  });
});

describe('virtual-8086 mode (SDM 3A 20.2)', () => {
  it('saves the data segments on the stack of CPL 0 and makes them null; IRET brings them back', () => {
    const m = userMode();
    m.set32(L.S_EFLAGS, VM | IF | 2);
    for (const [index, selector] of [
      [L.SEG_ES, 0x1000],
      [L.SEG_DS, 0x2000],
      [L.SEG_FS, 0x3000],
      [L.SEG_GS, 0x4000],
      [L.SEG_SS, 0x5000],
    ] as const) {
      m.run('loadSegment', index, selector);
    }
    m.setSegment(L.SEG_CS, 0x6000, 0x60000, 0xffff, 0xf3);
    m.setReg(4, 0x100);
    m.settle();
    m.execute(0x1234, 1);
    setGate(m, 13, INTERRUPT32);
    m.deliver(13, 0);
    expect(frame(m, 10)).toEqual([
      0,
      0x1234,
      0x6000,
      VM | IF | RF | 2,
      0x100,
      0x5000,
      0x1000,
      0x2000,
      0x3000,
      0x4000,
    ]);
    expect(m.segment(L.SEG_DS).access & L.ACCESS_UNUSABLE).not.toBe(0);
    expect(m.get32(L.S_MODE) & L.MODE_V86).toBe(0);

    m.setReg(4, Number(m.reg(4)) + 4);
    m.execute(HANDLER, 1);
    m.run('interruptReturn', 4);
    expect(m.get32(L.S_MODE) & L.MODE_V86).not.toBe(0);
    expect(m.get32(L.S_CPL)).toBe(3);
    expect(m.segment(L.SEG_GS)).toEqual({
      selector: 0x4000,
      base: 0x40000n,
      limit: 0xffff,
      access: 0xf3,
    });
    expect(m.get64(L.S_RIP)).toBe(0x1234n);
    expect(m.reg(4)).toBe(0x100n);
  });
});

describe('64-bit mode (SDM 3A 6.14)', () => {
  let m: CpuHelpers;
  const TARGET = (0xffff8000n << 32n) | BigInt(HANDLER);
  beforeEach(() => {
    m = longMode();
    m.set32(L.S_EFLAGS, IF | 2);
    m.set32(L.S_IDTR_LIMIT, 0xfff);
    m.setReg(4, 0x4ff8);
    m.execute(0xffff800000001000n, 3);
  });

  it('aligns the stack and always pushes SS:RSP', () => {
    setLongGate(m, 13, INTERRUPT32);
    m.deliver(13, 0x28);
    expect(m.reg(4)).toBe(0x4ff0n - 48n);
    expect(frame64(m, 6)).toEqual([
      0x28n,
      0xffff800000001000n,
      BigInt(S.code64),
      BigInt(IF | RF | 2),
      0x4ff8n,
      BigInt(S.data0),
    ]);
    expect(m.get64(L.S_RIP)).toBe(TARGET);
    expect(m.get32(L.S_EFLAGS)).toBe(2);
    // Same privilege: SS stays.
    expect(m.segment(L.SEG_SS).selector).toBe(S.data0);
  });

  describe('faults of memory accesses that an interpreter makes', () => {
    const FAR = 0x5555000n;
    const UNDONE = 4;
    beforeEach(() => {
      setLongGate(m, 14, INTERRUPT32);
      m.view.setUint8(m.get32(L.S_UOP) + L.UOP_REMAINING, UNDONE);
      m.set32(L.S_BUDGET, 100);
    });
    const delivered = (error: bigint): void => {
      expect(m.get32(L.S_FAULTED)).toBe(1);
      expect(m.get64(L.S_RIP)).toBe(TARGET);
      expect(frame64(m, 2)).toEqual([error, 0xffff800000001000n]);
      // The instructions not done are given back; the delivery counts as one.
      expect(m.get32(L.S_BUDGET)).toBe(100 + UNDONE - 1);
      expect([m.get32(L.S_UOP), m.get32(L.S_DELIVERING)]).toEqual([0, 0]);
    };

    it('are delivered before the helper returns', () => {
      m.run('tryLoad', FAR, 8);
      delivered(0n);
      expect(m.get64(L.S_CR2)).toBe(FAR);
    });

    it('of stores leave memory as it was', () => {
      map(m, FAR - 0x1000n, 0x40000n, PTE.P | PTE.W);
      m.run('tryStore', FAR - 4n, 8, -1n);
      delivered(2n);
      expect(m.get64(L.S_CR2)).toBe(FAR);
      expect(m.read(0x40ffc, 4)).toBe(0n);
    });

    it('of read-modify-write instructions tell of the write', () => {
      map(m, FAR, 0x40000n, PTE.P);
      m.set64(L.S_CR0, m.get64(L.S_CR0) | 0x10000n);
      m.settle();
      m.run('tryProbe', FAR, 4);
      delivered(3n);
    });

    it('are none where the page is there', () => {
      map(m, FAR, 0x40000n, PTE.P | PTE.W);
      m.run('tryStore', FAR, 4, 7n);
      expect(m.run('tryLoad', FAR, 4)).toBe(7n);
      expect([m.get32(L.S_FAULTED), m.get32(L.S_BUDGET)]).toEqual([0, 100]);
    });

    it('go to the run loop while it executes one instruction at a time', () => {
      m.set32(L.S_EFLAGS, TF | 2);
      m.settle();
      expect(m.fault('tryLoad', FAR, 4)).toEqual({ vector: 14, error: 0 });
      expect(m.get32(L.S_FAULTED)).toBe(0);
    });

    it('raise what their delivery raises', () => {
      setLongGate(m, 14, INTERRUPT32 & 0x7f);
      expect(m.fault('tryLoad', FAR, 4)).toEqual({ vector: 11, error: (14 << 3) | 2 | 1 });
      expect(m.get32(L.S_DELIVERING)).not.toBe(0);
    });

    it('of fetches are delivered, and the handler is found', () => {
      map(m, TARGET & ~0xfffn, 0x8000n, PTE.P);
      m.set64(L.S_RIP, FAR);
      m.set32(L.S_UOP, 0);
      m.bus.length = 0;
      m.run('lookupBlock');
      expect(m.bus[0]).toMatch(/^decode 8000 /);
      expect(frame64(m, 2)).toEqual([16n, FAR]);
      expect(m.get32(L.S_FAULTED)).toBe(0);
    });

    it('of fetches whose handler cannot be fetched either end in the run loop', () => {
      m.set64(L.S_RIP, FAR);
      m.set32(L.S_UOP, 0);
      expect(m.fault('lookupBlock')).toEqual({ vector: 14, error: 16 });
      expect(m.get64(L.S_CR2)).toBe(TARGET);
    });
  });

  it('takes RSP0 and a null SS from user mode', () => {
    m.setSegment(L.SEG_CS, S.user64, 0, 0xffffffff, 0xa0fb);
    m.setSegment(L.SEG_SS, S.data3, 0, 0xffffffff, DATA32 | DPL3);
    m.set32(L.S_CPL, 3);
    m.settle();
    setLongGate(m, 14, INTERRUPT32);
    m.deliver(14, 6);
    expect(frame64(m, 6)).toEqual([
      6n,
      0xffff800000001000n,
      BigInt(S.user64),
      BigInt(IF | RF | 2),
      0x4ff8n,
      BigInt(S.data3),
    ]);
    expect(m.reg(4)).toBe(BigInt(AT.stack0 - 48));
    expect(m.segment(L.SEG_SS).selector).toBe(0);
    expect(m.segment(L.SEG_SS).access & L.ACCESS_UNUSABLE).not.toBe(0);
    expect(m.get32(L.S_CPL)).toBe(0);
    m.execute(TARGET, 2);
    m.setReg(4, Number(m.reg(4)) + 8);
    m.run('interruptReturn', 8);
    expect(m.get32(L.S_CPL)).toBe(3);
    expect(m.reg(4)).toBe(0x4ff8n);
    expect(m.segment(L.SEG_SS).selector).toBe(S.data3);
    expect(m.get64(L.S_RIP)).toBe(0xffff800000001000n);
    // RF matters to code breakpoints only and ends with the next instruction.
    expect(m.get32(L.S_EFLAGS)).toBe(IF | 2);
  });

  it('takes the interrupt stack table', () => {
    m.write(AT.tss + 36 + 8, 8, 0x6ff8n);
    setLongGate(m, 2, INTERRUPT32, 2);
    m.run('nonMaskableInterrupt');
    expect(m.run('serviceInterrupts')).toBe(1);
    expect(m.reg(4)).toBe(0x6ff0n - 40n);
    expect(m.get32(L.S_NMI_BLOCKED)).toBe(1);
    m.execute(TARGET, 2);
    m.run('interruptReturn', 8);
    expect(m.get32(L.S_NMI_BLOCKED)).toBe(0);
    expect(m.reg(4)).toBe(0x4ff8n);
  });

  it('raises #SS for a stack that is not canonical, #GP for a target that is not', () => {
    setLongGate(m, 6, INTERRUPT32, 1);
    m.write(AT.tss + 36, 8, 0x800000000000n);
    expect(m.deliver(6)[0]).toEqual({ vector: 12, error: 1 });
    m.execute(0xffff800000001000n, 3);
    setLongGate(m, 7, INTERRUPT32);
    m.write(AT.idt + 7 * 16 + 8, 8, 0x8000);
    expect(m.deliver(7)[0]).toEqual({ vector: 13, error: 1 });
  });

  it('reports a page fault in the delivery of a page fault as #DF', () => {
    setLongGate(m, 14, INTERRUPT32, 1);
    setLongGate(m, 8, INTERRUPT32);
    m.write(AT.tss + 36, 8, 0x7000_0000n);
    map(m, 0x9000n, 0x9000n, PTE.P);
    expect(m.deliver(14, 2)).toEqual([{ vector: 14, error: 2 }]);
    expect(m.get64(L.S_CR2)).toBe(0x7000_0000n - 8n);
    expect(frame64(m, 1)).toEqual([0n]);
  });

  it('refuses 32-bit code and 32-bit gates', () => {
    m.write(AT.idt + 6 * 16, 8, gate(S.code0, HANDLER, INTERRUPT32));
    expect(m.deliver(6)[0]).toEqual({ vector: 13, error: S.code0 | 1 });
    m.execute(0x1000, 3);
    m.write(AT.idt + 6 * 16, 8, gate(S.code64, HANDLER, TASK));
    expect(m.deliver(6)[0]).toEqual({ vector: 13, error: (6 << 3) | 3 });
  });
});

describe('real mode (SDM 3A 20.1.4)', () => {
  it('goes through the interrupt vector table without error codes', () => {
    const m = new CpuHelpers();
    m.setSegment(L.SEG_CS, 0x100, 0x1000, 0xffff, 0x9b);
    m.setReg(4, 0x12340100n);
    m.set32(L.S_EFLAGS, IF | TF | 2);
    m.settle();
    m.write(13 * 4, 4, 0x20003456n);
    m.execute(0x10, 2);
    expect(m.deliver(13, 0)).toEqual([]);
    expect(m.reg(4)).toBe(0x123400fan);
    expect([0xfa, 0xfc, 0xfe].map((at) => m.read(at, 2))).toEqual([
      0x10n,
      0x100n,
      BigInt(IF | TF | 2),
    ]);
    expect(m.segment(L.SEG_CS).base).toBe(0x20000n);
    expect(m.get64(L.S_RIP)).toBe(0x3456n);
    expect(m.get32(L.S_EFLAGS)).toBe(2);
    m.execute(0x3456, 1);
    m.run('interruptReturn', 2);
    expect(m.get64(L.S_RIP)).toBe(0x10n);
    expect(m.get32(L.S_EFLAGS)).toBe(IF | TF | 2);
    expect(m.reg(4)).toBe(0x12340100n);
  });

  it('shuts down when the table is too short for #GP and #DF', () => {
    const m = new CpuHelpers();
    m.set32(L.S_IDTR_LIMIT, 0);
    m.execute(0x10, 2);
    m.deliver(6);
    expect(m.get32(L.S_EXIT)).toBe(L.EXIT_SHUTDOWN);
  });
});

describe('external interrupts', () => {
  it('wait for IF, wake the halted processor and carry no RF', () => {
    const m = protectedMode();
    setGate(m, 0x30, INTERRUPT32);
    m.set64(L.S_RIP, 0x1234n);
    m.set32(L.S_HALTED, 1);
    m.set32(L.S_IRQ_PENDING, 1);
    m.interrupts.push(0x30);
    expect(m.run('serviceInterrupts')).toBe(0);
    m.run('writeFlagsRaw', IF | 2);
    expect(m.get32(L.S_REQUEST)).toBe(1);
    expect(m.run('serviceInterrupts')).toBe(1);
    expect(m.get32(L.S_HALTED)).toBe(0);
    expect(frame(m, 3)).toEqual([0x1234, S.code0, IF | 2]);
  });

  it('keep the interrupted address when their delivery faults', () => {
    const m = protectedMode();
    setGate(m, 13, INTERRUPT32);
    m.run('writeFlagsRaw', IF | 2);
    m.set64(L.S_RIP, 0x1234n);
    m.set32(L.S_IRQ_PENDING, 1);
    m.interrupts.push(0x30);
    expect(m.fault('serviceInterrupts')).toEqual({ vector: 13, error: (0x30 << 3) | 3 });
    m.run('deliverFault');
    expect(frame(m, 2)).toEqual([(0x30 << 3) | 3, 0x1234]);
  });
});

describe('debug exceptions (SDM 3B 17.2, 17.3)', () => {
  let m: CpuHelpers;
  const DR6 = L.S_DR + 48;
  const DR7 = L.S_DR + 56;
  beforeEach(() => {
    m = protectedMode();
    setGate(m, 1, INTERRUPT32);
  });

  it('single-step sets DR6.BS and pushes TF, clear in the handler', () => {
    m.run('writeFlagsRaw', TF | 2);
    m.set64(L.S_RIP, 0x1236n);
    m.run('singleStep');
    expect(m.get64(DR6) & 0x4000n).toBe(0x4000n);
    expect(frame(m, 3)).toEqual([0x1236, S.code0, TF | 2]);
    expect(m.get32(L.S_EFLAGS) & TF).toBe(0);
  });

  it('no trap behind INT n, which cleared TF', () => {
    setGate(m, 0x80, INTERRUPT32);
    m.run('writeFlagsRaw', TF | 2);
    m.execute(0x1234, 2);
    m.run('softwareInterrupt', 0x80, 0);
    m.run('singleStep');
    expect(m.get64(L.S_RIP)).toBe(BigInt(HANDLER));
    expect(m.get64(DR6) & 0x4000n).toBe(0n);
  });

  it('code breakpoints fault before the instruction unless RF is set, and push RF as it was', () => {
    m.set64(L.S_DR, 0x1234n);
    m.run('writeDebug', 7, 1n);
    m.run('updateMode');
    expect(m.get32(L.S_MODE) & L.MODE_BREAKPOINTS).not.toBe(0);
    m.set64(L.S_RIP, 0x1234n);
    m.run('writeFlagsRaw', RF | 2);
    expect(m.fault('checkCodeBreakpoints')).toBeUndefined();
    expect(m.get32(L.S_EFLAGS) & RF).toBe(0);
    expect(m.fault('checkCodeBreakpoints')).toEqual({ vector: 1 });
    m.run('deliverFault');
    expect(frame(m, 3)).toEqual([0x1234, S.code0, 2]);
    expect(m.get64(DR6) & 0xfn).toBe(1n);
  });

  it('data breakpoints trap behind the store that hits', () => {
    m.set64(L.S_DR + 8, 0x9004n);
    // Breakpoint 1: writes of 4 bytes.
    m.run('writeDebug', 7, 0x00d0000cn);
    m.run('slowStore', 0x9000n, 4, 0n);
    m.run('slowLoad', 0x9004n, 4);
    expect(m.get32(L.S_PENDING_DEBUG)).toBe(0);
    m.run('slowStore', 0x9006n, 1, 0n);
    expect(m.get32(L.S_PENDING_DEBUG)).toBe(2);
    expect(m.run('serviceInterrupts')).toBe(1);
    expect(m.get64(DR6) & 0xfn).toBe(2n);
  });

  it('DR7.GD guards the debug registers', () => {
    m.run('writeDebug', 7, 0x2000n);
    m.execute(0x1234, 3);
    expect(m.fault('readDebug', 0)).toEqual({ vector: 1 });
    expect(m.get64(DR6) & 0x2000n).toBe(0x2000n);
    expect(m.get64(DR7) & 0x2000n).toBe(0n);
  });

  it('DR4 and DR5 stand for DR6 and DR7 unless CR4.DE', () => {
    expect(m.run('readDebug', 4)).toBe(0xffff0ff0n);
    m.set64(L.S_CR4, 8n);
    expect(m.fault('readDebug', 5)).toEqual({ vector: 6 });
  });

  it('MOV SS puts the trap off', () => {
    m.run('writeFlagsRaw', TF | 2);
    m.set64(L.S_RIP, 0x1236n);
    m.run('loadSegment', L.SEG_SS, S.data0);
    m.run('singleStep');
    expect(m.get64(DR6) & 0x4000n).toBe(0n);
  });
});
