import { beforeEach, describe, expect, it } from 'vitest';
import {
  AT,
  CpuHelpers,
  DATA32,
  DPL3,
  longMode,
  protectedMode,
  SELECTORS as S,
  userMode,
  type Fault,
} from '../../../test/support/cpu-helpers';
import { SIGNATURE } from '../cpuid';
import * as L from '../layout';

const GP0: Fault = { vector: 13, error: 0 };
const UD: Fault = { vector: 6 };
const IF = 0x200;
const AC = 0x40000;
const VM = 0x20000;
const IOPL3 = 0x3000;

describe('reset (SDM 3A table 9-1)', () => {
  it('starts at FFFFFFF0H in real mode', () => {
    const m = new CpuHelpers();
    expect(m.segment(L.SEG_CS)).toEqual({
      selector: 0xf000,
      base: 0xffff0000n,
      limit: 0xffff,
      access: 0x9b,
    });
    expect(m.get64(L.S_RIP)).toBe(0xfff0n);
    expect(m.get64(L.S_CR0)).toBe(0x60000010n);
    expect(m.run('readFlags')).toBe(2);
    expect(m.reg(2)).toBe(BigInt(SIGNATURE));
    expect(m.get32(L.S_X87_CONTROL)).toBe(0x40);
    expect(m.get32(L.S_MXCSR)).toBe(0x1f80);
  });
});

describe('control registers (SDM 3A 2.5)', () => {
  let m: CpuHelpers;
  beforeEach(() => {
    m = protectedMode();
  });

  it('refuse impossible combinations with #GP(0)', () => {
    expect(m.fault('writeControl', 0, 0x80000010n)).toEqual(GP0);
    expect(m.fault('writeControl', 0, 0x20000011n)).toEqual(GP0);
    expect(m.fault('writeControl', 4, 1n << 13n)).toEqual(GP0);
    expect(m.fault('writeControl', 4, 1n << 17n)).toEqual(GP0);
    expect(m.fault('writeControl', 8, 16n)).toEqual(GP0);
    expect(m.get64(L.S_CR0)).toBe(0x11n);
  });

  it('enter long mode: EFER.LME, CR4.PAE, then CR0.PG sets LMA (9.8.5)', () => {
    m.setReg(1, 0xc0000080n);
    m.setReg(0, 0x100n);
    m.setReg(2, 0n);
    m.run('writeModelSpecific');
    m.set64(L.S_CR3, BigInt(AT.tables));
    expect(m.fault('writeControl', 0, 0x80000011n)).toEqual(GP0);
    m.run('writeControl', 4, 0x20n);
    m.run('writeControl', 0, 0x80000011n);
    expect(m.get64(L.S_EFER)).toBe(0x500n);
    expect(m.get32(L.S_MODE) & L.MODE_LONG).toBe(0);
    expect(m.fault('writeControl', 4, 0n)).toEqual(GP0);
    m.setReg(0, 0n);
    expect(m.fault('writeModelSpecific')).toEqual(GP0);
    m.run('writeControl', 0, 0x11n);
    expect(m.get64(L.S_EFER)).toBe(0x100n);
  });

  it('CR3 in long mode refuses bits beyond the physical address; bit 63 only with PCIDs', () => {
    m = longMode();
    expect(m.fault('writeControl', 3, 1n << 40n)).toEqual(GP0);
    expect(m.fault('writeControl', 3, (1n << 63n) | BigInt(AT.tables))).toEqual(GP0);
    m.run('writeControl', 4, 0x20620n);
    m.run('writeControl', 3, (1n << 63n) | BigInt(AT.tables) | 5n);
    expect(m.run('readControl', 3)).toBe(BigInt(AT.tables) | 5n);
  });

  it('LMSW sets PE but does not clear it', () => {
    m.run('loadMachineStatus', 0xe);
    expect(m.get64(L.S_CR0)).toBe(0x1fn);
    m.run('loadMachineStatus', 0);
    expect(m.get64(L.S_CR0)).toBe(0x11n);
  });
});

describe('model-specific registers (SDM Vol. 4)', () => {
  let m: CpuHelpers;
  const write = (index: number, value: bigint) => {
    m.setReg(1, index);
    m.setReg(0, value & 0xffffffffn);
    m.setReg(2, value >> 32n);
    return m.fault('writeModelSpecific');
  };
  const read = (index: number) => {
    m.setReg(1, index);
    m.run('readModelSpecific');
    return (m.reg(2) << 32n) | m.reg(0);
  };
  beforeEach(() => {
    m = longMode();
  });

  it('keep what may be written', () => {
    expect(write(0xc0000082, 0xffffffff81000000n)).toBeUndefined();
    expect(read(0xc0000082)).toBe(0xffffffff81000000n);
    expect(write(0xc0000082, 0x800000000000n)).toEqual(GP0);
    expect(write(0xc0000101, 0xffff888000000000n)).toBeUndefined();
    expect(m.segment(L.SEG_GS).base).toBe(0xffff888000000000n);
    expect(write(0x277, 0x0007040600070406n)).toBeUndefined();
    expect(write(0x277, 2n)).toEqual(GP0);
    expect(write(0x12345, 0n)).toEqual(GP0);
    expect(write(0xc0000080, 0x1000n)).toEqual(GP0);
  });

  it('the TSC and its adjustment move together (SDM 3B 17.17.3)', () => {
    m.tsc = 1000n;
    expect(read(0x10)).toBe(1000n);
    write(0x10, 5000n);
    expect(read(0x10)).toBe(5000n);
    expect(read(0x3b)).toBe(4000n);
    write(0x3b, 0n);
    expect(read(0x10)).toBe(1000n);
    m.run('readTimeStamp');
    expect(m.reg(0)).toBe(1000n);
  });

  it('the TSC deadline counts as the guest’s TSC does; 0 disarms', () => {
    m.msrs.set(0x6e0, 0n);
    write(0x3b, 100n);
    write(0x6e0, 600n);
    expect(m.msrs.get(0x6e0)).toBe(500n);
    expect(read(0x6e0)).toBe(600n);
    write(0x6e0, 0n);
    expect(m.msrs.get(0x6e0)).toBe(0n);
  });
});

describe('SYSCALL and SYSRET (SDM 3A 5.8.8)', () => {
  let m: CpuHelpers;
  beforeEach(() => {
    m = longMode();
    m.setSegment(L.SEG_CS, 0x33, 0, 0xffffffff, 0xa0fb);
    m.setSegment(L.SEG_SS, 0x2b, 0, 0xffffffff, DATA32 | DPL3);
    m.set32(L.S_CPL, 3);
    m.set64(L.S_STAR, 0x0023001000000000n);
    m.set64(L.S_LSTAR, 0xffffffff81000000n);
    m.set64(L.S_FMASK, 0x47700n);
    m.settle();
    m.run('writeFlagsRaw', IF | 0x8d5 | 2);
    m.execute(0x7fff00001234n, 2);
  });

  it('go to LSTAR with RIP and RFLAGS kept in RCX and R11, and back', () => {
    m.run('systemCall');
    expect(m.reg(1)).toBe(0x7fff00001236n);
    expect(m.reg(11)).toBe(BigInt(IF | 0x8d5 | 2));
    expect(m.get64(L.S_RIP)).toBe(0xffffffff81000000n);
    expect(m.run('readFlags')).toBe(0x8d5 | 2);
    expect(m.get32(L.S_CPL)).toBe(0);
    expect([L.SEG_CS, L.SEG_SS].map((s) => m.segment(s).selector)).toEqual([0x10, 0x18]);
    m.execute(0xffffffff81000000n, 3);
    m.run('systemReturn', 8);
    expect(m.get64(L.S_RIP)).toBe(0x7fff00001236n);
    expect([L.SEG_CS, L.SEG_SS].map((s) => m.segment(s).selector)).toEqual([0x33, 0x2b]);
    expect(m.run('readFlags')).toBe(IF | 0x8d5 | 2);
    expect(m.get32(L.S_CPL)).toBe(3);
  });

  it('SYSRET with 32-bit operands goes to compatibility mode; canonical RCX is needed for 64', () => {
    m.run('systemCall');
    m.execute(0xffffffff81000000n, 3);
    m.setReg(1, 0x800000000000n);
    expect(m.fault('systemReturn', 8)).toEqual(GP0);
    m.setReg(1, 0x12345678n);
    m.run('systemReturn', 4);
    expect(m.segment(L.SEG_CS).selector).toBe(0x23);
    expect(m.get32(L.S_MODE) & L.MODE_LONG).toBe(0);
  });

  it('is undefined without EFER.SCE and outside 64-bit mode', () => {
    m.set64(L.S_EFER, 0xd00n);
    expect(m.fault('systemCall')).toEqual(UD);
    expect(protectedMode().fault('systemCall')).toEqual(UD);
  });
});

describe('SYSENTER and SYSEXIT (SDM 3A 5.8.7)', () => {
  it('use the three MSRs', () => {
    const m = userMode();
    expect(m.fault('systemEnter')).toEqual(GP0);
    m.set64(L.S_SYSENTER_CS, 0x60n);
    m.set64(L.S_SYSENTER_ESP, 0x5000n);
    m.set64(L.S_SYSENTER_EIP, 0x8000n);
    m.run('writeFlagsRaw', IF | 2);
    m.execute(0x1234, 2);
    m.run('systemEnter');
    expect([L.SEG_CS, L.SEG_SS].map((s) => m.segment(s).selector)).toEqual([0x60, 0x68]);
    expect([m.get64(L.S_RIP), m.reg(4)]).toEqual([0x8000n, 0x5000n]);
    expect(m.get32(L.S_EFLAGS)).toBe(2);
    m.setReg(2, 0x1236n);
    m.setReg(1, 0x7000n);
    m.run('systemExit', 4);
    expect([L.SEG_CS, L.SEG_SS].map((s) => m.segment(s).selector)).toEqual([0x73, 0x7b]);
    expect([m.get64(L.S_RIP), m.reg(4)]).toEqual([0x1236n, 0x7000n]);
    expect(m.fault('systemExit', 4)).toEqual(GP0);
  });
});

describe('I/O permission (SDM 1 19.5)', () => {
  it('is IOPL’s, else the bit map’s', () => {
    const m = userMode();
    // The map begins behind the TSS's limit: there is none.
    m.write(AT.tss + 0x66, 2, 0x68);
    expect(m.fault('portIn', 0x60, 1)).toEqual(GP0);
    m.set32(L.S_EFLAGS, IOPL3 | 2);
    m.answers.push(0x5a);
    expect(m.run('portIn', 0x60, 1)).toBe(0x5a);
    // Virtual-8086 mode always asks the map.
    m.set32(L.S_EFLAGS, VM | IOPL3 | 2);
    expect(m.fault('portIn', 0x60, 1)).toEqual(GP0);
    m.set32(L.S_EFLAGS, 2);
    m.set32(L.S_SEG_LIMIT + L.SEG_TR * 4, 0x68 + 0x20);
    m.write(AT.tss + 0x68 + (0x60 >> 3), 1, 0xfe);
    expect(m.fault('portOut', 0x60, 1, 1)).toBeUndefined();
    expect(m.fault('portOut', 0x61, 1, 1)).toEqual(GP0);
    expect(m.fault('portOut', 0x60, 2, 1)).toEqual(GP0);
    // Two bytes are read: the last byte of the map is not enough.
    expect(m.fault('portOut', 0x100, 1, 1)).toEqual(GP0);
    expect(m.bus).toEqual(['in1 60', 'out1 60=1']);
  });
});

describe('flags instructions', () => {
  it('CLI and STI need IOPL; STI holds interrupts off for one instruction', () => {
    const m = userMode();
    expect(m.fault('clearInterrupts')).toEqual(GP0);
    m.set32(L.S_EFLAGS, IOPL3 | 2);
    m.set32(L.S_IRQ_PENDING, 1);
    m.run('setInterrupts');
    expect(m.get32(L.S_EFLAGS) & IF).toBe(IF);
    expect([m.get32(L.S_INHIBIT), m.get32(L.S_REQUEST)]).toEqual([1, 1]);
  });

  it('STAC and CLAC are the supervisor’s', () => {
    const m = protectedMode();
    m.run('setAlignmentCheck');
    expect(m.get32(L.S_EFLAGS) & AC).toBe(AC);
    expect(userMode().fault('setAlignmentCheck')).toEqual(UD);
  });

  it('POPF changes IOPL at CPL 0 only, IF by IOPL, never VM', () => {
    const m = protectedMode();
    m.setReg(4, AT.stack0 - 4);
    m.write(AT.stack0 - 4, 4, 0xffffffffn);
    m.run('popFlags', 4);
    expect(m.run('readFlags')).toBe(0x247fd7);
    const user = userMode();
    user.setReg(4, AT.stack3 - 4);
    user.write(AT.stack3 - 4, 4, 0xffffffffn);
    user.run('popFlags', 4);
    expect(user.run('readFlags')).toBe(0x244dd7);
  });

  it('PUSHF hides VM and RF', () => {
    const m = protectedMode();
    m.run('writeFlagsRaw', 0x10202 | 0x8d5);
    m.run('pushFlags', 4);
    expect(m.read(AT.stack0 - 4, 4)).toBe(0x202n | 0x8d5n);
  });
});

describe('INVPCID (SDM Vol. 2A)', () => {
  it('refuses bad types, descriptors and addresses', () => {
    const m = longMode();
    m.write(0x9000, 8, 0n);
    m.write(0x9008, 8, 0x800000000000n);
    expect(m.fault('invalidatePcid', 4n, 0x9000n)).toEqual(GP0);
    expect(m.fault('invalidatePcid', 0n, 0x9000n)).toEqual(GP0);
    expect(m.fault('invalidatePcid', 2n, 0x9000n)).toBeUndefined();
    m.write(0x9000, 8, 1n);
    expect(m.fault('invalidatePcid', 1n, 0x9000n)).toEqual(GP0);
    m.write(0x9000, 8, 0x1000n);
    expect(m.fault('invalidatePcid', 2n, 0x9000n)).toEqual(GP0);
  });
});

describe('selectors of the fixture', () => {
  it('are in the table', () => {
    expect(Object.values(S).every((s) => (s & 0xfff8) + 7 <= 0x9f)).toBe(true);
  });
});
