import { beforeEach, describe, expect, it } from 'vitest';
import { AT, CpuHelpers, longMode, map, PTE } from '../../../test/support/cpu-helpers';
import * as L from '../layout';

const { P, W, U, G, PS } = PTE;
const EMPTY = 0xffffffffffffffffn;
const CR4_PGE = 0x80n;
const CR4_PCIDE = 1n << 17n;
const KEEP = 1n << 63n;
const LINEAR = 0x7f0012345000n;
const CODE = 0x7f0012346000n;
const KERNEL = 0xffffffff81000000n;

describe('what of the translations stays (SDM 3A 4.10.4)', () => {
  let m: CpuHelpers;
  beforeEach(() => {
    m = longMode();
    m.set64(L.S_CR4, m.get64(L.S_CR4) | CR4_PGE | CR4_PCIDE);
    m.settle();
  });

  function asPrivilege(cpl: number): void {
    m.set32(L.S_CPL, cpl);
    m.run('updateMode');
  }

  /** The read entry for an address in the running mode. */
  const readTag = (linear: bigint): bigint =>
    m.view.getBigUint64(
      m.get32(L.S_TLB) + Number((linear >> 12n) & 1023n) * L.TLB_PAIR_BYTES,
      true,
    );

  const hit = (linear: bigint): boolean => readTag(linear) === (linear & ~0xfffn);

  /** Tags of the set where the block at `linear` belongs. */
  const jumpTags = (linear: bigint): bigint[] => {
    const low = Number(linear & 0xffffffffn);
    const set = ((low ^ (low >>> 12)) * L.JUMP_CACHE_ENTRY_BYTES) & (L.JUMP_CACHE_WAY_BYTES - 1);
    return Array.from({ length: L.JUMP_CACHE_WAYS }, (_, i) =>
      m.view.getBigUint64(L.JUMP_CACHE_AREA_BASE + set + i * L.JUMP_CACHE_WAY_BYTES, true),
    );
  };

  /** The jump cache has the block for the running mode and space. */
  const found = (linear: bigint): boolean =>
    jumpTags(linear).includes((linear & 0xffffffffffffn) | m.get64(L.S_MODE_TAG));

  function lookUp(linear: bigint): number {
    m.set64(L.S_RIP, linear);
    m.set32(L.S_UOP, 0);
    return Number(m.run('lookupBlock'));
  }

  const setCr3 = (pcid: bigint, keep = 0n): void => {
    m.run('writeControl', 3, BigInt(AT.tables) | pcid | keep);
  };

  /** A user page and a user code page, used at CPL 3; back at CPL 0. */
  function useUserPages(): void {
    map(m, LINEAR, 0x40000n, P | W | U);
    map(m, CODE, 0x41000n, P | U);
    asPrivilege(3);
    m.run('slowLoad', LINEAR, 4);
    lookUp(CODE);
    asPrivilege(0);
  }

  /** 2 MiB from GPA 0 on. */
  function mapLarge(linear: bigint, rights: bigint): void {
    map(m, linear, 0n, rights & (P | U));
    let table: number = AT.tables;
    for (const shift of [39n, 30n])
      table = Number(m.read(table + Number((linear >> shift) & 511n) * 8, 8) & 0xfffff000n);
    m.write(table + Number((linear >> 21n) & 511n) * 8, 8, rights | PS);
  }

  const userKept = (): [boolean, boolean] => {
    asPrivilege(3);
    const kept: [boolean, boolean] = [hit(LINEAR), found(CODE)];
    asPrivilege(0);
    return kept;
  };

  it('a new CR3 drops what is not global', () => {
    map(m, LINEAR, 0x40000n, P | W);
    map(m, LINEAR + 0x1000n, 0x41000n, P | W | G);
    m.run('slowStore', LINEAR, 4, 0n);
    m.run('slowStore', LINEAR + 0x1000n, 4, 0n);
    lookUp(LINEAR + 0x1000n);
    setCr3(0n);
    expect(hit(LINEAR)).toBe(false);
    expect([hit(LINEAR + 0x1000n), found(LINEAR + 0x1000n)]).toEqual([true, true]);
    lookUp(LINEAR);
    setCr3(0n);
    expect(found(LINEAR)).toBe(false);
    // More entries than are logged: all are searched.
    for (let i = 0n; i < 1100n; i++) {
      map(m, LINEAR + 0x200000n + (i << 12n), 0x42000n, P | W);
      m.run('slowLoad', LINEAR + 0x200000n + (i << 12n), 4);
    }
    m.run('slowLoad', LINEAR + 0x1000n, 4);
    setCr3(0n);
    const kept = Array.from({ length: 1024 }, (_, i) => readTag(BigInt(i) << 12n)).filter(
      (tag) => tag !== EMPTY,
    );
    expect(kept).toEqual([LINEAR + 0x1000n]);
    m.run('flushTlb', 0);
    expect(hit(LINEAR + 0x1000n)).toBe(false);
  });

  it('a PCID finds its translations again when bit 63 of the new CR3 is set', () => {
    setCr3(1n);
    useUserPages();
    setCr3(2n);
    expect(userKept()).toEqual([false, false]);
    setCr3(1n, KEEP);
    expect(m.get64(L.S_CR3)).toBe(BigInt(AT.tables) | 1n);
    expect(userKept()).toEqual([true, true]);
    setCr3(1n);
    expect(userKept()).toEqual([false, false]);
  });

  it('PCIDs do not see one another: the same address, other pages', () => {
    setCr3(1n);
    useUserPages();
    asPrivilege(3);
    m.run('slowStore', LINEAR, 4, 0x11n);
    asPrivilege(0);
    setCr3(2n);
    map(m, LINEAR, 0x50000n, P | W | U);
    asPrivilege(3);
    m.run('slowStore', LINEAR, 4, 0x22n);
    asPrivilege(0);
    setCr3(1n, KEEP);
    asPrivilege(3);
    // Translated before the page table changed: it may be used until it is invalidated.
    expect(hit(LINEAR)).toBe(true);
    expect([m.read(0x40000, 4), m.read(0x50000, 4)]).toEqual([0x11n, 0x22n]);
  });

  it('without CR4.PCIDE every new CR3 starts anew', () => {
    m.set64(L.S_CR4, m.get64(L.S_CR4) & ~CR4_PCIDE);
    m.settle();
    useUserPages();
    setCr3(0n);
    expect(userKept()).toEqual([false, false]);
  });

  it('more PCIDs than there are spaces take from one another', () => {
    setCr3(1n);
    useUserPages();
    for (let pcid = 2n; pcid < 2n + BigInt(L.TLB_SPACES); pcid++) setCr3(pcid, KEEP);
    expect(userKept()).toEqual([false, false]);
    setCr3(1n, KEEP);
    expect(userKept()).toEqual([false, false]);
  });

  it('INVLPG drops a page of the current PCID, and global ones of all', () => {
    setCr3(1n);
    useUserPages();
    setCr3(2n);
    useUserPages();
    m.run('invalidatePage', LINEAR);
    expect(userKept()).toEqual([false, true]);
    m.run('invalidatePage', CODE);
    expect(userKept()).toEqual([false, false]);
    setCr3(1n, KEEP);
    expect(userKept()).toEqual([true, true]);
    map(m, LINEAR + 0x10000n, 0x42000n, P | U | G);
    asPrivilege(3);
    m.run('slowLoad', LINEAR + 0x10000n, 4);
    asPrivilege(0);
    setCr3(2n, KEEP);
    m.run('invalidatePage', LINEAR + 0x10000n);
    setCr3(1n, KEEP);
    asPrivilege(3);
    expect(hit(LINEAR + 0x10000n)).toBe(false);
  });

  it('INVPCID drops an address, a context, or all of them', () => {
    const invalidate = (kind: bigint, pcid: bigint, linear = 0n): void => {
      m.write(0x9000, 8, pcid);
      m.write(0x9008, 8, linear);
      m.run('invalidatePcid', kind, 0x9000n);
    };
    const both = (): boolean[] => {
      setCr3(1n, KEEP);
      const first = userKept();
      setCr3(2n, KEEP);
      return [...first, ...userKept()];
    };
    const use = (): void => {
      for (const pcid of [1n, 2n]) {
        setCr3(pcid);
        useUserPages();
      }
    };
    use();
    expect(both()).toEqual([true, true, true, true]);
    invalidate(0n, 1n, LINEAR);
    expect(both()).toEqual([false, true, true, true]);
    invalidate(0n, 2n, CODE);
    expect(both()).toEqual([false, true, true, false]);
    use();
    invalidate(1n, 1n);
    expect(both()).toEqual([false, false, true, true]);
    invalidate(1n, 2n);
    expect(both()).toEqual([false, false, false, false]);
    use();
    invalidate(3n, 0n);
    expect(both()).toEqual([false, false, false, false]);
    map(m, KERNEL, 0x43000n, P | W | G);
    m.run('slowLoad', KERNEL, 4);
    invalidate(3n, 0n);
    expect(hit(KERNEL)).toBe(true);
    invalidate(2n, 0n);
    expect(hit(KERNEL)).toBe(false);
  });

  it('large pages of a program take only its translations with them on INVLPG', () => {
    map(m, KERNEL, 0x43000n, P | G);
    lookUp(KERNEL);
    useUserPages();
    const big = 0x7f0040000000n;
    mapLarge(big, P | W | U);
    asPrivilege(3);
    m.run('slowLoad', big + 0x5000n, 4);
    asPrivilege(0);
    m.run('invalidatePage', big);
    asPrivilege(3);
    expect(hit(big + 0x5000n)).toBe(false);
    asPrivilege(0);
    expect(found(KERNEL)).toBe(true);
  });

  it("large pages of the kernel stay when INVLPG drops a program's page, wherever they are", () => {
    mapLarge(KERNEL, P | W | G);
    m.run('slowLoad', KERNEL, 4);
    for (let gib = 0n; gib < 512n; gib++) m.run('invalidatePage', (gib << 30n) + 0x5000n);
    expect(hit(KERNEL)).toBe(true);
  });

  it("INVLPG of a program's page leaves the kernel's code in the jump cache, whatever its address", () => {
    map(m, KERNEL, 0x43000n, P | G);
    lookUp(KERNEL);
    for (let page = 0n; page < 0x4000n; page++) m.run('invalidatePage', LINEAR + (page << 12n));
    expect(found(KERNEL)).toBe(true);
    m.run('invalidatePage', KERNEL);
    expect(found(KERNEL)).toBe(false);
  });

  it('generations begin anew after their last: nothing stale is found', () => {
    map(m, KERNEL, 0x43000n, P | G);
    lookUp(KERNEL);
    useUserPages();
    for (let i = 0; i < 1100; i++) {
      setCr3(0n);
      expect(userKept()).toEqual([false, false]);
      asPrivilege(3);
      lookUp(CODE);
      asPrivilege(0);
    }
    setCr3(0n);
    expect(userKept()).toEqual([false, false]);
    lookUp(KERNEL);
    expect(found(KERNEL)).toBe(true);
  });

  it('a block that is mapped twice leaves the jump cache in both places', () => {
    map(m, LINEAR, 0x40000n, P | W);
    map(m, LINEAR + 0x1000n, 0x40000n, P | W);
    const uops = [LINEAR, LINEAR + 0x1000n].map(lookUp);
    expect(uops[0]).toBe(uops[1]);
    m.run('dropJumpsOf', uops[0]);
    expect([...jumpTags(LINEAR), ...jumpTags(LINEAR + 0x1000n)]).toEqual(Array(8).fill(EMPTY));
  });
});
