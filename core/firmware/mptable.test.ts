import { describe, expect, it } from 'vitest';
import { buildMpTable, buildPirTable } from './mptable';
import { pirqOf } from './platform';

const sum = (bytes: Uint8Array): number => bytes.reduce((a, b) => a + b, 0) & 0xff;

describe('MP table (MultiProcessor Specification 1.4)', () => {
  const bytes = buildMpTable({ vcpus: 2, cpuSignature: 0x306c3, cpuFeatures: 1 }, 0xf0400);
  const table = bytes.subarray(16);

  it('has a floating pointer and a table with checksums', () => {
    expect(String.fromCharCode(...bytes.subarray(0, 4))).toBe('_MP_');
    expect(sum(bytes.subarray(0, 16))).toBe(0);
    expect(new DataView(bytes.buffer).getUint32(4, true)).toBe(0xf0410);
    expect(String.fromCharCode(...table.subarray(0, 4))).toBe('PCMP');
    expect(table[4] | (table[5] << 8)).toBe(table.length);
    expect(sum(table)).toBe(0);
  });

  it('has as many entries as it says, in the order of their types', () => {
    const types: number[] = [];
    for (let at = 44; at < table.length; at += table[at] === 0 ? 20 : 8) types.push(table[at]);
    expect(types).toHaveLength(table[34] | (table[35] << 8));
    expect(types).toEqual([...types].sort((a, b) => a - b));
    expect(types.filter((type) => type === 0)).toHaveLength(2);
  });

  it('wires the timer to input 2 and PCI slot 2 INTA to input 10, level triggered', () => {
    const entries: number[][] = [];
    for (let at = 44; at < table.length; at += table[at] === 0 ? 20 : 8)
      if (table[at] === 3) entries.push([...table.subarray(at, at + 8)]);
    expect(entries).toContainEqual([3, 0, 0, 0, 1, 0, 2, 2]);
    expect(entries).toContainEqual([3, 0, 0x0d, 0, 0, 2 << 2, 2, 10]);
  });
});

describe('$PIR', () => {
  it('names the PIRQRC register of every pin', () => {
    const table = buildPirTable();
    expect(sum(table)).toBe(0);
    expect(table[6] | (table[7] << 8)).toBe(table.length);
    // Slot 2: INTA is PIRQB (61h), possible IRQs 5, 10, 11.
    const slot = table.subarray(32 + 16, 48 + 16);
    expect([...slot.subarray(0, 5)]).toEqual([0, 0x10, 0x61, 0x20, 0x0c]);
    expect([pirqOf(1, 0), pirqOf(2, 0), pirqOf(3, 3)]).toEqual([0, 1, 1]);
  });
});
