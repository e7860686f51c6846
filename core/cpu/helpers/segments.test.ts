import { beforeEach, describe, expect, it } from 'vitest';
import {
  AT,
  CODE16,
  CpuHelpers,
  DATA16,
  DATA32,
  descriptor,
  longMode,
  protectedMode,
  SELECTORS as S,
  userMode,
  type Fault,
} from '../../../test/support/cpu-helpers';
import * as L from '../layout';

const GP = (error: number): Fault => ({ vector: 13, error });
const NP = (error: number): Fault => ({ vector: 11, error });
const SS = (error: number): Fault => ({ vector: 12, error });
const UD: Fault = { vector: 6 };
const VM = 0x20000;

describe('segment loads in protected mode (SDM 3A 5.6, 5.7; Vol. 2B, MOV)', () => {
  let m: CpuHelpers;
  beforeEach(() => {
    m = protectedMode();
  });

  it('takes base, limit and rights from the descriptor and marks it accessed', () => {
    m.write(AT.gdt + S.free, 8, descriptor(0x12345678, 0x54fff, 0xd092));
    m.run('loadSegment', L.SEG_ES, S.free);
    expect(m.segment(L.SEG_ES)).toEqual({
      selector: S.free,
      base: 0x12345678n,
      limit: 0x54fff,
      access: 0xd093,
    });
    expect(m.read(AT.gdt + S.free + 5, 1)).toBe(0x93n);
  });

  it('raises #GP(selector) outside the table, #GP(0) for SS null, #NP and #SS for absent', () => {
    expect(m.fault('loadSegment', L.SEG_DS, 0xa0 | 3)).toEqual(GP(0xa0));
    expect(m.fault('loadSegment', L.SEG_DS, 4)).toEqual(GP(4));
    expect(m.fault('loadSegment', L.SEG_SS, 0)).toEqual(GP(0));
    expect(m.fault('loadSegment', L.SEG_DS, S.notPresent)).toEqual(NP(S.notPresent));
    expect(m.fault('loadSegment', L.SEG_SS, S.notPresent)).toEqual(SS(S.notPresent));
    expect(m.fault('loadSegment', L.SEG_CS, S.code0)).toEqual(UD);
    expect(m.segment(L.SEG_DS).selector).toBe(S.data0);
  });

  it('takes readable code for data, writable data for the stack', () => {
    expect(m.fault('loadSegment', L.SEG_DS, S.code0)).toBeUndefined();
    expect(m.fault('loadSegment', L.SEG_DS, S.executeOnly)).toEqual(GP(S.executeOnly));
    expect(m.fault('loadSegment', L.SEG_DS, S.tss)).toEqual(GP(S.tss));
    expect(m.fault('loadSegment', L.SEG_SS, S.readOnly)).toEqual(GP(S.readOnly));
    expect(m.fault('loadSegment', L.SEG_SS, S.code0)).toEqual(GP(S.code0));
    expect(m.fault('loadSegment', L.SEG_SS, S.data0 | 1)).toEqual(GP(S.data0));
    expect(m.fault('loadSegment', L.SEG_SS, S.data3)).toEqual(GP(S.data3 & ~3));
  });

  it('needs DPL at least CPL and RPL, except for conforming code', () => {
    expect(m.fault('loadSegment', L.SEG_DS, S.data0 | 3)).toEqual(GP(S.data0));
    userMode(m);
    expect(m.fault('loadSegment', L.SEG_DS, S.data0)).toEqual(GP(S.data0));
    expect(m.fault('loadSegment', L.SEG_DS, S.conforming | 3)).toBeUndefined();
    expect(m.fault('loadSegment', L.SEG_DS, S.data3)).toBeUndefined();
  });

  it('makes a null segment that faults on use', () => {
    m.run('loadSegment', L.SEG_FS, 3);
    expect(m.get32(L.S_MODE) & (L.MODE_CHECK_SEG << L.SEG_FS)).not.toBe(0);
    expect(m.fault('checkSegment', L.SEG_FS, 0n, 1, 0)).toEqual(GP(0));
  });

  it('holds interrupts off behind a load of SS', () => {
    m.run('loadSegment', L.SEG_DS, S.data0);
    expect(m.get32(L.S_INHIBIT)).toBe(0);
    m.run('loadSegment', L.SEG_SS, S.data0);
    expect(m.get32(L.S_INHIBIT)).not.toBe(0);
  });

  it('takes the stack size from SS.B', () => {
    m.run('loadSegment', L.SEG_SS, S.data16);
    expect(m.get32(L.S_STACK_MASK)).toBe(0xffff);
    expect(m.get32(L.S_STACK_CHECK)).toBe(1);
    m.run('loadSegment', L.SEG_SS, S.data0);
    expect(m.get32(L.S_STACK_MASK)).toBe(0xffffffff);
    expect(m.get32(L.S_STACK_CHECK)).toBe(0);
  });

  it('finds descriptors in the LDT', () => {
    m.write(AT.ldt + 8, 8, descriptor(0x4000, 0xfff, DATA16));
    m.run('loadLdt', S.ldt);
    m.run('loadSegment', L.SEG_ES, 0xc);
    expect(m.segment(L.SEG_ES).base).toBe(0x4000n);
    expect(m.fault('loadSegment', L.SEG_ES, 0x24)).toEqual(GP(0x24));
    m.run('loadLdt', 0);
    expect(m.fault('loadSegment', L.SEG_ES, 0xc)).toEqual(GP(0xc));
  });
});

describe('limit checks (SDM 3A 5.3)', () => {
  it('ends expand-up segments at the limit', () => {
    const m = protectedMode();
    m.setSegment(L.SEG_DS, S.data16, 0, 0xffff, DATA16);
    expect(m.fault('checkSegment', L.SEG_DS, 0xfffcn, 4, 1)).toBeUndefined();
    expect(m.fault('checkSegment', L.SEG_DS, 0xfffdn, 4, 1)).toEqual(GP(0));
    m.setSegment(L.SEG_SS, S.data16, 0, 0xffff, DATA16);
    expect(m.fault('checkSegment', L.SEG_SS, 0xfffdn, 4, 1)).toEqual(SS(0));
  });

  it('begins expand-down segments above the limit; B gives their top', () => {
    const m = protectedMode();
    m.setSegment(L.SEG_DS, S.expandDown, 0, 0xfff, 0x4097);
    expect(m.fault('checkSegment', L.SEG_DS, 0xfffn, 1, 0)).toEqual(GP(0));
    expect(m.fault('checkSegment', L.SEG_DS, 0x1000n, 4, 0)).toBeUndefined();
    expect(m.fault('checkSegment', L.SEG_DS, 0xffffffffn, 1, 0)).toBeUndefined();
    expect(m.fault('checkSegment', L.SEG_DS, 0xfffffffdn, 4, 0)).toEqual(GP(0));
    m.setSegment(L.SEG_DS, S.expandDown, 0, 0xfff, 0x0097);
    expect(m.fault('checkSegment', L.SEG_DS, 0x10000n, 1, 0)).toEqual(GP(0));
  });

  it('refuses writes to code and read-only data, reads of execute-only code', () => {
    const m = protectedMode();
    m.setSegment(L.SEG_DS, S.readOnly, 0, 0xffffffff, 0xc091);
    expect(m.fault('checkSegment', L.SEG_DS, 0n, 4, 0)).toBeUndefined();
    expect(m.fault('checkSegment', L.SEG_DS, 0n, 4, 1)).toEqual(GP(0));
    expect(m.fault('checkSegment', L.SEG_CS, 0n, 4, 1)).toEqual(GP(0));
    m.setSegment(L.SEG_CS, S.executeOnly, 0, 0xffffffff, 0xc099);
    expect(m.fault('checkSegment', L.SEG_CS, 0n, 4, 0)).toEqual(GP(0));
  });
});

describe('real and virtual-8086 mode', () => {
  it('loads base = selector * 16 and keeps the limit (real mode)', () => {
    const m = new CpuHelpers();
    m.run('loadSegment', L.SEG_DS, 0xb800);
    expect(m.segment(L.SEG_DS)).toEqual({
      selector: 0xb800,
      base: 0xb8000n,
      limit: 0xffff,
      access: 0x93,
    });
    m.setSegment(L.SEG_ES, 0, 0, 0xffffffff, DATA32);
    m.run('loadSegment', L.SEG_ES, 0x1234);
    expect(m.segment(L.SEG_ES).limit).toBe(0xffffffff);
  });

  it('gives 64 KiB writable segments of DPL 3 (virtual-8086)', () => {
    const m = userMode();
    m.set32(L.S_EFLAGS, VM | 2);
    m.run('loadSegment', L.SEG_FS, 0x2000);
    expect(m.segment(L.SEG_FS)).toEqual({
      selector: 0x2000,
      base: 0x20000n,
      limit: 0xffff,
      access: 0xf3,
    });
  });
});

describe('64-bit mode', () => {
  it('takes null SS below CPL 3 with RPL = CPL only', () => {
    const m = longMode();
    expect(m.fault('loadSegment', L.SEG_SS, 0)).toBeUndefined();
    expect(m.fault('loadSegment', L.SEG_SS, 3)).toEqual(GP(0));
    m.setSegment(L.SEG_CS, S.user64, 0, 0xffffffff, 0xa0fb);
    m.set32(L.S_CPL, 3);
    m.settle();
    expect(m.fault('loadSegment', L.SEG_SS, 3)).toEqual(GP(0));
  });

  it('loads 16-byte LDT and TSS descriptors', () => {
    const m = longMode();
    m.write(AT.gdt + S.ldt, 8, descriptor(0x4000, 0x1f, 0x82));
    m.write(AT.gdt + S.ldt + 8, 8, 0xffff8000n);
    m.run('loadLdt', S.ldt);
    expect(m.segment(L.SEG_LDTR).base).toBe(0xffff800000004000n);
    m.write(AT.gdt + S.ldt + 8, 8, 0x00008000n);
    expect(m.fault('loadLdt', S.ldt)?.vector).toBe(13);
    m.write(AT.gdt + S.ldt + 8, 8, 0x1f0000000000n);
    expect(m.fault('loadLdt', S.ldt)).toEqual(GP(S.ldt));
    m.write(AT.gdt + S.tss, 8, descriptor(AT.tss, 0x67, 0x89));
    m.run('loadTaskRegister', S.tss);
    expect(m.read(AT.gdt + S.tss + 5, 1)).toBe(0x8bn);
    expect(m.fault('loadTaskRegister', S.tss)).toEqual(GP(S.tss));
    expect(m.fault('loadTaskRegister', 0)).toEqual(GP(0));
  });
});

describe('LAR, LSL, VERR, VERW (SDM Vol. 2A, 2B)', () => {
  it('answers for segments that privilege lets see', () => {
    const m = protectedMode();
    expect(m.run('loadAccessRights', S.data0)).toBe(0xc09300n);
    expect(m.run('loadAccessRights', S.tss)).toBe(0x8900n);
    expect(m.run('loadAccessRights', 0)).toBe(0xffffffffffffffffn);
    expect(m.run('loadSegmentLimit', S.data16)).toBe(0xffffn);
    expect(m.run('loadSegmentLimit', S.data0)).toBe(0xffffffffn);
    expect(m.run('verifySegment', S.readOnly, 0)).toBe(1);
    expect(m.run('verifySegment', S.readOnly, 1)).toBe(0);
    expect(m.run('verifySegment', S.executeOnly, 0)).toBe(0);
    expect(m.run('verifySegment', S.data0 | 3, 0)).toBe(0);
    userMode(m);
    expect(m.run('loadAccessRights', S.data0)).toBe(0xffffffffffffffffn);
    expect(m.run('loadAccessRights', S.conforming)).toBe(0xc09f00n);
    expect(m.run('verifySegment', S.data3, 1)).toBe(1);
  });
});

describe('PUSH and POP of segment registers', () => {
  it('writes two bytes of a 32-bit slot', () => {
    const m = protectedMode();
    m.write(AT.stack0 - 4, 4, 0xaaaaaaaan);
    m.run('pushSegment', L.SEG_DS, 4);
    expect(m.read(AT.stack0 - 4, 4)).toBe(BigInt(0xaaaa0000 | S.data0) & 0xffffffffn);
    m.run('popSegment', L.SEG_ES, 4);
    expect(m.reg(4)).toBe(BigInt(AT.stack0));
    expect(m.segment(L.SEG_ES).selector).toBe(S.data0);
  });

  it('leaves the stack pointer when the load faults', () => {
    const m = protectedMode();
    m.write(AT.stack0, 4, BigInt(S.notPresent));
    expect(m.fault('popSegment', L.SEG_ES, 4)).toEqual(NP(S.notPresent));
    expect(m.reg(4)).toBe(BigInt(AT.stack0));
  });
});

describe('MODE bits of the running code', () => {
  it('tells code size, flatness and privilege', () => {
    const m = protectedMode();
    expect(m.get32(L.S_MODE)).toBe(L.MODE_CODE32 | L.MODE_NO_SSE);
    m.setSegment(L.SEG_CS, S.code16, 0x10000, 0xffff, CODE16);
    m.settle();
    expect(m.get32(L.S_MODE)).toBe(L.MODE_NO_SSE | (L.MODE_CHECK_SEG << L.SEG_CS));
    userMode(m);
    expect(m.get32(L.S_MODE)).toBe(L.MODE_CODE32 | L.MODE_USER | L.MODE_NO_SSE);
    expect(new CpuHelpers().get32(L.S_MODE)).toBe(
      L.MODE_REAL | L.MODE_NO_SSE | (L.MODE_CHECK_SEG * 0x3f),
    );
    expect(longMode().get32(L.S_MODE)).toBe(L.MODE_LONG | L.MODE_CODE32);
  });
});
