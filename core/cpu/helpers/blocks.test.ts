import { beforeEach, describe, expect, it } from 'vitest';
import { CpuHelpers, protectedMode } from '../../../test/support/cpu-helpers';
import * as L from '../layout';

const NO_PAGE = 0xffffffff;
const EMPTY = 0xffffffffffffffffn;
/** Micro-ops a block gets here. */
const UOPS = 3;
const BLOCK_BYTES = L.BLOCK_HEADER_BYTES + UOPS * L.UOP_BYTES;

describe('decoded blocks', () => {
  let m: CpuHelpers;
  beforeEach(() => {
    m = protectedMode();
  });

  /** Writes block `n` as the decoder does and links it; gives its first micro-op. */
  function block(n: number, gpa: number, length: number, page2 = NO_PAGE): number {
    const header = L.UOP_AREA_BASE + 0x1000 + n * BLOCK_BYTES;
    m.view.setUint32(header, gpa, true);
    m.view.setUint32(header + 4, m.get32(L.S_MODE) << 8, true);
    m.view.setUint16(header + L.BLOCK_UOPS, UOPS, true);
    m.view.setUint16(header + L.BLOCK_LENGTH, length, true);
    m.view.setUint32(header + L.BLOCK_PAGE2, page2, true);
    for (let i = 0; i < UOPS; i++)
      m.view.setUint16(header + L.BLOCK_HEADER_BYTES + i * L.UOP_BYTES, 7, true);
    m.run('linkBlock', header);
    return header + L.BLOCK_HEADER_BYTES;
  }

  /** The block found at RIP, or 'decode'. */
  function lookup(rip: number): number | 'decode' {
    m.set64(L.S_RIP, BigInt(rip));
    m.set32(L.S_UOP, 0);
    m.bus.length = 0;
    const uop = Number(m.run('lookupBlock'));
    return m.bus.length > 0 ? 'decode' : uop;
  }

  /** Jump-cache entry where an interpreter looks for the block at `linear`. */
  const jumpSlot = (linear: number): number =>
    L.JUMP_CACHE_AREA_BASE +
    (((linear ^ (linear >>> 12)) * L.JUMP_CACHE_ENTRY_BYTES) & (L.JUMP_CACHE_WAY_BYTES - 1));

  /** Tag of the jump-cache entry where `linear` belongs. */
  const jumpTag = (linear: number): bigint => {
    return m.view.getBigUint64(jumpSlot(linear), true);
  };

  const handler = (uop: number) => m.view.getUint16(uop, true);

  it('are found by address and mode, and put into the jump cache', () => {
    const uop = block(0, 0x8000, 16);
    expect(lookup(0x8000)).toBe(uop);
    expect(lookup(0x8001)).toBe('decode');
    expect(m.bus).toEqual(['decode 8001 9000']);
    expect(jumpTag(0x8000)).toBe(0x8000n | m.get64(L.S_MODE_TAG));
    expect(m.view.getUint32(jumpSlot(0x8000) + 8, true)).toBe(uop);
    m.set32(L.S_EFLAGS, 0x102);
    m.settle();
    expect(lookup(0x8000)).toBe('decode');
  });

  it('of one set share it; the last found is in its first place', () => {
    const at = [0x8000, 0x9001, 0xa002, 0xb003, 0xc004];
    const uops = at.map((linear, i) => block(i, linear, 4));
    expect(new Set(at.map(jumpSlot)).size).toBe(1);
    const lookups = (): number => m.get32(L.S_COUNT_BLOCK_LOOKUP);
    for (const linear of at.slice(0, 4)) lookup(linear);
    const before = lookups();
    for (const [i, linear] of at.slice(0, 4).entries()) {
      expect(lookup(linear)).toBe(uops[i]);
      expect(jumpTag(linear)).toBe(BigInt(linear) | m.get64(L.S_MODE_TAG));
    }
    expect(lookups()).toBe(before);
    expect(lookup(at[4])).toBe(uops[4]);
    m.run('dropJumpsOf', uops[4]);
    expect(jumpTag(at[4])).toBe(EMPTY);
    // The fourth place was given up.
    expect(at.slice(0, 4).map((linear) => lookup(linear))).toEqual(uops.slice(0, 4));
    expect(lookups()).toBe(before + 2);
  });

  it('guard their granules: a store there drops them, one beside does not', () => {
    const first = block(0, 0x8000, 16);
    const second = block(1, 0x8100, 16);
    expect(m.view.getUint32(L.CODE_MAP_BASE + 8 * 4, true)).toBe(0b101);
    expect([lookup(0x8000), lookup(0x8100)]).toEqual([first, second]);
    m.run('slowStore', 0x8080n, 4, 0n);
    m.run('slowStore', 0x8010n, 4, 0n);
    expect([handler(first), handler(second)]).toEqual([7, 7]);
    expect([jumpTag(0x8000), jumpTag(0x8100)]).not.toContain(EMPTY);
    m.run('slowStore', 0x800fn, 1, 0n);
    expect([handler(first), handler(first + 2 * L.UOP_BYTES), handler(second)]).toEqual([0, 0, 7]);
    expect(jumpTag(0x8000)).toBe(EMPTY);
    expect(jumpTag(0x8100)).not.toBe(EMPTY);
    expect(m.view.getUint32(L.CODE_MAP_BASE + 8 * 4, true)).toBe(0b100);
    expect(lookup(0x8000)).toBe('decode');
    expect(lookup(0x8100)).toBe(second);
  });

  it('take their page out of the write TLB', () => {
    m.run('slowStore', 0x8000n, 4, 1n);
    const slot = L.TLB_AREA_BASE + 8 * L.TLB_PAIR_BYTES + L.TLB_WRITE;
    expect(m.view.getBigUint64(slot, true)).toBe(0x8000n);
    block(0, 0x8000, 16);
    expect(m.view.getBigUint64(slot, true)).toBe(0xffffffffffffffffn);
    m.run('slowStore', 0x8800n, 4, 1n);
    expect(m.view.getBigUint64(slot, true)).toBe(0xffffffffffffffffn);
  });

  it('over two pages are dropped by stores to either, and only found when the second is where it was', () => {
    const uop = block(0, 0x8ff8, 12, 0x9000);
    expect(lookup(0x8ff8)).toBe(uop);
    const other = block(1, 0xaff8, 12, 0xc000);
    expect(lookup(0xaff8)).toBe('decode');
    m.run('slowStore', 0x9003n, 1, 0n);
    expect(handler(uop)).toBe(0);
    expect(handler(other)).toBe(7);
    m.run('invalidateCode', 0xbfff, 2);
    expect(handler(other)).toBe(0);
  });

  it('are dropped by DMA over many pages', () => {
    const uops = [0x8000, 0x9ff0, 0xa123].map((gpa, i) => block(i, gpa, 16));
    m.run('invalidateCode', 0x8010, 0x2100);
    expect(uops.map(handler)).toEqual([7, 0, 7]);
    m.run('invalidateCode', 0x8000, 0x3000);
    expect(uops.map(handler)).toEqual([0, 0, 0]);
  });

  it('raise #GP(0) beyond the limit of CS', () => {
    m.set32(L.S_SEG_LIMIT + L.SEG_CS * 4, 0x8fff);
    m.settle();
    m.set64(L.S_RIP, 0x9000n);
    m.set32(L.S_UOP, 0);
    expect(m.fault('lookupBlock')).toEqual({ vector: 13, error: 0 });
  });

  it('all go when the area is full', () => {
    block(0, 0x8000, 16);
    m.run('flushAllBlocks');
    expect(lookup(0x8000)).toBe('decode');
    expect(m.view.getUint32(L.CODE_MAP_BASE + 8 * 4, true)).toBe(0);
  });
});
