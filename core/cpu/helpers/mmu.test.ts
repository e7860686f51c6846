import { beforeEach, describe, expect, it } from 'vitest';
import {
  AT,
  CpuHelpers,
  longMode,
  map,
  protectedMode,
  PTE,
  userMode,
  type Fault,
} from '../../../test/support/cpu-helpers';
import * as L from '../layout';

const { P, W, U, A, D, PS, NX } = PTE;
const CR0_WP = 0x10000n;
const CR4_SMEP = 1n << 20n;
const CR4_SMAP = 1n << 21n;
const EFER_NXE = 0x800n;
/** Page-fault error codes, SDM 3A figure 4-12. */
const PRESENT = 1;
const WRITE = 2;
const USER = 4;
const RESERVED = 8;
const FETCH = 16;

const pageFault = (error: number): Fault => ({ vector: 14, error });

/** Clears or sets bits of a state register and lets it take effect. */
function change(m: CpuHelpers, offset: number, clear: bigint, set: bigint): void {
  m.set64(offset, (m.get64(offset) & ~clear) | set);
  m.settle();
}

function asUser(m: CpuHelpers): void {
  m.set32(L.S_CPL, 3);
  m.settle();
}

describe('4-level paging (SDM 3A 4.5)', () => {
  let m: CpuHelpers;
  const LINEAR = 0x7f0012345000n;
  beforeEach(() => {
    m = longMode();
  });

  it('translates 4 KiB pages', () => {
    map(m, LINEAR, 0x40000n, P | W);
    m.write(0x40678, 8, 0x1122334455667788n);
    expect(m.run('slowLoad', LINEAR + 0x678n, 8)).toBe(0x1122334455667788n);
    expect(m.run('slowLoad', LINEAR + 0x679n, 1)).toBe(0x77n);
    m.run('slowStore', LINEAR + 0x678n, 2, 0xaabbn);
    expect(m.read(0x40678, 4)).toBe(0x5566aabbn);
  });

  it('translates 2 MiB and 1 GiB pages', () => {
    const upper = AT.tables + 0x80000;
    m.write(AT.tables + 8 * 8, 8, BigInt(upper) | P | W);
    m.write(upper, 8, P | W | PS);
    m.write(upper + 8, 8, BigInt(upper + 0x1000) | P | W);
    m.write(upper + 0x1000 + 3 * 8, 8, 0x200000n | P | W | PS);
    m.write(0x345678, 4, 0xcafen);
    expect(m.run('slowLoad', (8n << 39n) + 0x345678n, 4)).toBe(0xcafen);
    expect(m.run('slowLoad', (8n << 39n) + (1n << 30n) + 3n * 0x200000n + 0x145678n, 4)).toBe(
      0xcafen,
    );
  });

  it('faults on absent pages with the access in the error code and the address in CR2', () => {
    expect(m.fault('slowLoad', LINEAR + 5n, 4)).toEqual(pageFault(0));
    expect(m.get64(L.S_CR2)).toBe(LINEAR + 5n);
    expect(m.fault('slowStore', LINEAR, 4, 0n)).toEqual(pageFault(WRITE));
    asUser(m);
    expect(m.fault('slowStore', LINEAR, 4, 0n)).toEqual(pageFault(WRITE | USER));
  });

  it('raises #GP(0) for addresses that are not canonical, #SS(0) in the stack segment', () => {
    expect(m.fault('slowLoad', 0x800000000000n, 4)).toEqual({ vector: 13, error: 0 });
    m.execute(0x8000, 3, L.PREFIX_STACK);
    expect(m.fault('slowLoad', 0x800000000000n, 4)).toEqual({ vector: 12, error: 0 });
  });

  it('sets accessed bits on the way and dirty on a store', () => {
    const pte = map(m, LINEAR, 0x40000n, P | W);
    m.run('slowLoad', LINEAR, 4);
    expect(m.read(pte, 8) & (A | D)).toBe(A);
    expect(m.read(AT.tables + Number((LINEAR >> 39n) & 511n) * 8, 8) & A).toBe(A);
    m.run('slowStore', LINEAR, 4, 1n);
    expect(m.read(pte, 8) & (A | D)).toBe(A | D);
    expect(m.bytes[L.DIRTY_MAP_BASE + 0x40]).toBe(1);
  });

  it('changes no entry when the access is refused, nor when a debugger asks', () => {
    const pte = map(m, LINEAR, 0x40000n, P);
    expect(m.fault('slowStore', LINEAR, 4, 1n)).toEqual(pageFault(PRESENT | WRITE));
    expect(m.read(pte, 8) & (A | D)).toBe(0n);
    expect(m.run('translateQuietly', LINEAR + 3n, 0, 0)).toBe(0x40003);
    expect(m.run('translateQuietly', LINEAR + 0x1000n, 0, 0)).toBe(-1);
    expect(m.read(pte, 8) & (A | D)).toBe(0n);
  });

  it('lets the supervisor write read-only pages while CR0.WP is clear (4.6)', () => {
    map(m, LINEAR, 0x40000n, P);
    change(m, L.S_CR0, CR0_WP, 0n);
    expect(m.fault('slowStore', LINEAR, 4, 7n)).toBeUndefined();
    expect(m.read(0x40000, 4)).toBe(7n);
  });

  it('keeps user code out of supervisor pages, by every level (4.6)', () => {
    map(m, LINEAR, 0x40000n, P | W);
    asUser(m);
    expect(m.fault('slowLoad', LINEAR, 4)).toEqual(pageFault(PRESENT | USER));
    map(m, LINEAR, 0x40000n, P | W | U);
    expect(m.fault('slowLoad', LINEAR, 4)).toBeUndefined();
    const top = AT.tables + Number((LINEAR >> 39n) & 511n) * 8;
    m.write(top, 8, m.read(top, 8) & ~U);
    m.settle();
    expect(m.fault('slowLoad', LINEAR, 4)).toEqual(pageFault(PRESENT | USER));
  });

  it('honours SMAP: user pages only with EFLAGS.AC, and not for implicit accesses', () => {
    map(m, LINEAR, 0x40000n, P | W | U);
    change(m, L.S_CR4, 0n, CR4_SMAP);
    expect(m.fault('slowLoad', LINEAR, 4)).toEqual(pageFault(PRESENT));
    expect(m.fault('slowStore', LINEAR, 4, 0n)).toEqual(pageFault(PRESENT | WRITE));
    m.run('setAlignmentCheck');
    expect(m.fault('slowLoad', LINEAR, 4)).toBeUndefined();
    m.run('clearAlignmentCheck');
    expect(m.get32(L.S_TLB)).toBe(L.TLB_AREA_BASE);
    expect(m.fault('slowLoad', LINEAR, 4)).toEqual(pageFault(PRESENT));
  });

  it('honours NX and SMEP on fetches, with the I/D bit', () => {
    const fetch = (linear: bigint): Fault | undefined => {
      m.set64(L.S_RIP, linear);
      m.set32(L.S_UOP, 0);
      return m.fault('lookupBlock');
    };
    // While EFLAGS.TF is set faults are not delivered by the helper.
    m.set32(L.S_EFLAGS, 0x102);
    m.settle();
    map(m, LINEAR, 0x40000n, P | NX);
    expect(fetch(LINEAR)).toEqual(pageFault(PRESENT | FETCH));
    map(m, LINEAR, 0x40000n, P | U);
    expect(fetch(LINEAR)).toBeUndefined();
    change(m, L.S_CR4, 0n, CR4_SMEP);
    expect(fetch(LINEAR)).toEqual(pageFault(PRESENT | FETCH));
    map(m, LINEAR, 0x40000n, P);
    asUser(m);
    expect(fetch(LINEAR)).toEqual(pageFault(PRESENT | USER | FETCH));
    change(m, L.S_CR4, CR4_SMEP, 0n);
    change(m, L.S_EFER, EFER_NXE, 0n);
    expect(fetch(LINEAR)).toEqual(pageFault(PRESENT | USER));
  });

  it('checks reserved bits (4.5, table 4-19)', () => {
    const pte = map(m, LINEAR, 0x40000n, P | W);
    const reserved = pageFault(PRESENT | RESERVED);
    m.write(pte, 8, 0x40000n | P | W | (1n << 40n));
    expect(m.fault('slowLoad', LINEAR, 4)).toEqual(reserved);
    expect(m.fault('slowStore', LINEAR, 4, 0n)).toEqual(pageFault(PRESENT | RESERVED | WRITE));
    // Bits 52-62 are the system's.
    m.write(pte, 8, 0x40000n | P | W | (0x7ffn << 52n));
    expect(m.fault('slowLoad', LINEAR, 4)).toBeUndefined();
    m.write(pte, 8, 0x40000n | P | W | NX);
    change(m, L.S_EFER, EFER_NXE, 0n);
    expect(m.fault('slowLoad', LINEAR, 4)).toEqual(reserved);
    const top = AT.tables + Number((LINEAR >> 39n) & 511n) * 8;
    m.write(top, 8, m.read(top, 8) | PS);
    expect(m.fault('slowLoad', LINEAR, 4)).toEqual(reserved);
  });

  it('writes nothing when the second page of a crossing store faults', () => {
    map(m, LINEAR, 0x40000n, P | W);
    expect(m.fault('slowStore', LINEAR + 0xffdn, 8, -1n)).toEqual(pageFault(WRITE));
    expect(m.get64(L.S_CR2)).toBe(LINEAR + 0x1000n);
    expect(m.read(0x40ffc, 4)).toBe(0n);
    map(m, LINEAR + 0x1000n, 0x60000n, P | W);
    m.run('slowStore', LINEAR + 0xffdn, 8, 0x8877665544332211n);
    expect(m.read(0x40ffd, 2)).toBe(0x2211n);
    expect(m.read(0x60000, 8)).toBe(0x8877665544n);
    expect(m.run('slowLoad', LINEAR + 0xffdn, 8)).toBe(0x8877665544332211n);
  });

  it('forgets one page on INVLPG and all on a flush', () => {
    map(m, LINEAR, 0x40000n, P | W);
    m.run('slowStore', LINEAR, 4, 1n);
    const slot = L.TLB_AREA_BASE + Number((LINEAR >> 12n) & 1023n) * L.TLB_PAIR_BYTES;
    expect(m.view.getBigUint64(slot, true)).toBe(LINEAR);
    expect(m.view.getBigUint64(slot + L.TLB_WRITE, true)).toBe(LINEAR);
    m.run('invalidatePage', LINEAR + 0x123n);
    expect(m.view.getBigUint64(slot, true)).toBe(0xffffffffffffffffn);
    expect(m.view.getBigUint64(slot + L.TLB_WRITE, true)).toBe(0xffffffffffffffffn);
    m.run('slowLoad', LINEAR, 4);
    m.run('flushTlb', 0);
    expect(m.view.getBigUint64(slot, true)).toBe(0xffffffffffffffffn);
  });

  it('drops all parts of a large page on INVLPG', () => {
    const upper = AT.tables + 0x80000;
    m.write(AT.tables + 8 * 8, 8, BigInt(upper) | P | W);
    m.write(upper, 8, P | W | PS);
    m.run('slowLoad', (8n << 39n) + 0x5000n, 4);
    m.run('invalidatePage', 8n << 39n);
    const slot = L.TLB_AREA_BASE + 5 * L.TLB_PAIR_BYTES;
    expect(m.view.getBigUint64(slot, true)).toBe(0xffffffffffffffffn);
  });

  it('sends what is not memory to the bus, 8 bytes as two of 4', () => {
    map(m, LINEAR, 0xfee00000n, P | W);
    m.answers.push(0x11223344, 0x55667788 | 0);
    expect(m.run('slowLoad', LINEAR + 0x20n, 8)).toBe(0x5566778811223344n);
    m.run('slowStore', LINEAR + 0x30n, 1, 0x41n);
    expect(m.bus).toEqual(['r4 fee00020', 'r4 fee00024', 'w1 fee00030=41']);
    const slot = L.TLB_AREA_BASE + Number((LINEAR >> 12n) & 1023n) * L.TLB_PAIR_BYTES;
    expect(m.view.getBigUint64(slot, true)).not.toBe(LINEAR);
  });

  it('reads ROM directly and sends its stores to the bus', () => {
    map(m, LINEAR, 0x40000n, P | W);
    m.view.setUint32(L.PHYS_MAP_BASE + 0x40 * 4, (L.RAM_BASE + 0x40000) | L.PHYS_READ, true);
    m.write(0x40000, 4, 5);
    m.run('slowStore', LINEAR, 4, 9n);
    expect(m.run('slowLoad', LINEAR, 4)).toBe(5n);
    expect(m.bus).toEqual(['w4 40000=9']);
  });
});

describe('32-bit paging (SDM 3A 4.3)', () => {
  const DIRECTORY = 0x10000;
  const TABLE = 0x11000;
  let m: CpuHelpers;
  beforeEach(() => {
    m = protectedMode();
    m.set64(L.S_CR3, BigInt(DIRECTORY));
    m.set64(L.S_CR4, 0x10n);
    m.set64(L.S_CR0, 0x80010011n);
    m.write(DIRECTORY + 0x300 * 4, 4, BigInt(TABLE) | P | W | U);
    m.write(TABLE + 5 * 4, 4, 0x40000n | P | W);
    m.settle();
  });

  it('translates 4 KiB and 4 MiB pages, with bits 32-39 from the entry (PSE-36)', () => {
    m.write(0x40010, 4, 77n);
    expect(m.run('slowLoad', 0xc0005010n, 4)).toBe(77n);
    m.write(DIRECTORY + 4, 4, 0x400000n | P | W | PS);
    m.write(0x512340, 4, 78n);
    expect(m.run('slowLoad', 0x512340n, 4)).toBe(78n);
    m.write(DIRECTORY + 8, 4, 0x400000n | P | W | PS | (1n << 13n));
    expect(m.run('translateQuietly', 0x800000n, 0, 0)).toBe(0x100400000);
    m.write(DIRECTORY + 12, 4, 0x400000n | P | PS | (1n << 21n));
    expect(m.fault('slowLoad', 0xc00000n, 4)).toEqual(pageFault(PRESENT | RESERVED));
  });

  it('takes PS for a table while CR4.PSE is clear', () => {
    m.set64(L.S_CR4, 0n);
    m.settle();
    m.write(DIRECTORY + 0x300 * 4, 4, BigInt(TABLE) | P | W | PS);
    expect(m.run('translateQuietly', 0xc0005000n, 0, 0)).toBe(0x40000);
  });

  it('joins the rights of directory and table', () => {
    asUser(m);
    expect(m.fault('slowLoad', 0xc0005000n, 4)).toEqual(pageFault(PRESENT | USER));
    m.write(TABLE + 5 * 4, 4, 0x40000n | P | W | U);
    m.write(DIRECTORY + 0x300 * 4, 4, BigInt(TABLE) | P | U);
    expect(m.fault('slowLoad', 0xc0005000n, 4)).toBeUndefined();
    expect(m.fault('slowStore', 0xc0005000n, 4, 0n)).toEqual(pageFault(PRESENT | WRITE | USER));
  });

  it('wraps crossing accesses at 4 GiB', () => {
    m.write(DIRECTORY + 1023 * 4, 4, BigInt(TABLE) | P | W);
    m.write(TABLE + 1023 * 4, 4, 0x50000n | P | W);
    m.write(DIRECTORY, 4, BigInt(TABLE) | P | W);
    m.write(TABLE, 4, 0x60000n | P | W);
    m.write(0x50ffe, 2, 0x2211);
    m.write(0x60000, 2, 0x4433);
    expect(m.run('slowLoad', 0xfffffffen, 4)).toBe(0x44332211n);
  });
});

describe('PAE paging (SDM 3A 4.4)', () => {
  const POINTERS = 0x10020;
  const DIRECTORY = 0x11000;
  const TABLE = 0x12000;
  let m: CpuHelpers;
  beforeEach(() => {
    m = protectedMode();
    m.write(POINTERS + 3 * 8, 8, BigInt(DIRECTORY) | P);
    m.write(DIRECTORY + 8, 8, BigInt(TABLE) | P | W);
    m.write(TABLE + 7 * 8, 8, 0x40000n | P | W);
    m.write(DIRECTORY + 16, 8, 0x600000n | P | W | PS);
    m.run('writeControl', 4, 0x20n);
    m.run('writeControl', 3, BigInt(POINTERS));
    m.run('writeControl', 0, 0x80010011n);
  });

  it('translates by the PDPTEs loaded with CR3', () => {
    m.write(0x40000, 4, 99n);
    const linear = 0xc0207000n;
    expect(m.run('slowLoad', linear, 4)).toBe(99n);
    expect(m.run('translateQuietly', 0xc0412345n, 0, 0)).toBe(0x612345);
    // Memory may change; the registers hold until CR3 is written.
    m.write(POINTERS + 3 * 8, 8, 0n);
    m.run('flushTlb', 0);
    expect(m.fault('slowLoad', linear, 4)).toBeUndefined();
    m.run('writeControl', 3, BigInt(POINTERS));
    expect(m.fault('slowLoad', linear, 4)).toEqual(pageFault(0));
  });

  it('refuses reserved PDPTE bits with #GP(0) and keeps CR3 (4.4.1)', () => {
    m.write(0x10040, 8, BigInt(DIRECTORY) | P | 2n);
    expect(m.fault('writeControl', 3, 0x10040n)).toEqual({ vector: 13, error: 0 });
    expect(m.get64(L.S_CR3)).toBe(BigInt(POINTERS));
  });

  it('a refused PDPTE leaves CR0 and CR4 as they were', () => {
    m.write(POINTERS, 8, P | 4n);
    expect(m.fault('writeControl', 0, 0xc0010011n)).toEqual({ vector: 13, error: 0 });
    expect(m.fault('writeControl', 4, 0xa0n)).toEqual({ vector: 13, error: 0 });
    expect([m.get64(L.S_CR0), m.get64(L.S_CR4)]).toEqual([0x80010011n, 0x20n]);
    // Bits that do not matter to caching or paging load nothing.
    expect(m.fault('writeControl', 0, 0x80010019n)).toBeUndefined();
  });

  it('has reserved bits up to 62', () => {
    m.write(TABLE + 7 * 8, 8, 0x40000n | P | W | (1n << 52n));
    expect(m.fault('slowLoad', 0xc0207000n, 4)).toEqual(pageFault(PRESENT | RESERVED));
  });
});

describe('alignment checking (SDM 3A 6.15, #AC)', () => {
  const AC: Fault = { vector: 17, error: 0 };
  const CR0_AM = 0x40000n;

  it('is for CPL 3 with CR0.AM and EFLAGS.AC', () => {
    const m = userMode();
    m.set32(L.S_EFLAGS, 0x40002);
    m.settle();
    expect(m.fault('slowLoad', 0x9001n, 4)).toBeUndefined();
    change(m, L.S_CR0, 0n, CR0_AM);
    expect(m.fault('slowLoad', 0x9001n, 4)).toEqual(AC);
    expect(m.fault('slowStore', 0x9002n, 4, 0n)).toEqual(AC);
    expect(m.fault('slowLoad', 0x9004n, 8)).toEqual(AC);
    expect(m.fault('slowLoad', 0x9004n, 4)).toBeUndefined();
    expect(m.fault('slowLoad', 0x9001n, 1)).toBeUndefined();
    // The arrays in use stay empty, or the next access would not be looked at.
    const array = m.get32(L.S_TLB);
    expect(m.bytes.subarray(array, array + L.TLB_MODE_BYTES).every((byte) => byte === 0xff)).toBe(
      true,
    );
    m.set32(L.S_CPL, 0);
    m.settle();
    expect(m.fault('slowLoad', 0x9001n, 4)).toBeUndefined();
  });
});

describe('without paging', () => {
  it('takes linear addresses for physical ones', () => {
    const m = userMode();
    m.write(0x9000, 4, 3n);
    expect(m.run('slowLoad', 0x9000n, 4)).toBe(3n);
  });
});
