import { beforeEach, describe, expect, it } from 'vitest';
import type { InterruptSource } from '../hw';
import { ModelSpecificRegisters } from './msr';

describe('model-specific registers (SDM Vol. 4)', () => {
  const seen: string[] = [];
  const apic: InterruptSource = {
    hasPending: () => false,
    acknowledge: () => -1,
    taskPriority: 0,
    readApicBase: () => 0xfee00900n,
    writeApicBase: (value) => value === 0xfee00d00n,
    readMsr: (index) => (index === 0x802 ? 7n : undefined),
    writeMsr: (index, value) => {
      seen.push(`${index.toString(16)}=${value.toString(16)}`);
      return index === 0x80b;
    },
  };
  let msrs: ModelSpecificRegisters;
  beforeEach(() => {
    msrs = new ModelSpecificRegisters(apic);
    msrs.reset();
  });

  it('refuses what does not exist and what may not be written', () => {
    expect(msrs.read(0xc0010015)).toBeUndefined();
    expect(msrs.write(0xc0010015, 0n)).toBe(false);
    expect(msrs.write(0xfe, 0x508n)).toBe(false);
    expect(msrs.write(0x3a, 5n)).toBe(false);
  });

  it('keeps the microcode signature when systems write 0 before CPUID (SDM 3A 9.11.7)', () => {
    expect(msrs.write(0x8b, 0n)).toBe(true);
    expect(msrs.read(0x8b)! >> 32n).toBe(0x107n);
  });

  it('checks memory types and reserved bits of MTRRs (SDM 3A 11.11)', () => {
    expect(msrs.write(0x2ff, 0xc06n)).toBe(true);
    expect(msrs.write(0x2ff, 0xc02n)).toBe(false);
    expect(msrs.write(0x2ff, 0x100n)).toBe(false);
    expect(msrs.write(0x250, 0x0606060606060601n)).toBe(true);
    expect(msrs.write(0x250, 0x0606060306060606n)).toBe(false);
    expect(msrs.write(0x200, 0xe000_0001n)).toBe(true);
    expect(msrs.write(0x200, 0xe000_0007n)).toBe(false);
    expect(msrs.write(0x200, 1n << 40n)).toBe(false);
    expect(msrs.write(0x201, 0xff_e000_0800n)).toBe(true);
    expect(msrs.read(0x201)).toBe(0xff_e000_0800n);
  });

  it('starts with MTRRs as firmware leaves them', () => {
    expect(msrs.read(0x2ff)).toBe(0xc06n);
    expect(msrs.read(0x259)).toBe(0n);
    // The range from 3 GiB to 4 GiB is uncached: base & mask matches there only.
    const [base, mask] = [msrs.read(0x200)!, msrs.read(0x201)!];
    const matches = (address: bigint) => ((address ^ base) & mask & ~0xfffn) === 0n;
    expect([0xbffff000n, 0xc0000000n, 0xfffff000n, 0x1_c0000000n].map(matches)).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('has no machine-check banks', () => {
    expect(msrs.read(0x179)).toBe(0n);
    expect(msrs.read(0x400)).toBeUndefined();
  });

  it('leaves the local APIC’s registers to it', () => {
    expect(msrs.read(0x1b)).toBe(0xfee00900n);
    expect(msrs.write(0x1b, 0xfee00d00n)).toBe(true);
    expect(msrs.write(0x1b, 1n)).toBe(false);
    expect([msrs.read(0x802), msrs.read(0x803)]).toEqual([7n, undefined]);
    expect([msrs.write(0x80b, 0n), msrs.write(0x6e0, 0x1234n)]).toEqual([true, false]);
    expect(seen).toEqual(['80b=0', '6e0=1234']);
  });

  it('saves and restores', () => {
    msrs.write(0x200, 0x8000_0006n);
    const other = new ModelSpecificRegisters(apic);
    other.restore(msrs.save());
    expect(other.read(0x200)).toBe(0x8000_0006n);
    expect(other.save()).toEqual(msrs.save());
  });
});
