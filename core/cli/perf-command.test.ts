import { describe, expect, it } from 'vitest';
import { performanceRates, shortCount, type DomainPerformance } from '../api';
import { performanceReport } from './perf-command';

const NOTHING: DomainPerformance = {
  atMs: 1000,
  busyNs: 0,
  instructions: 0,
  interpreted: 0,
  regionRuns: 0,
  regionStuck: 0,
  tlbMisses: 0,
  blockLookups: 0,
  blocksInvalidated: 0,
  faults: 0,
  regionsMade: 0,
  regionsDropped: 0,
  translatedInstructions: 0,
  wasmBytes: 0,
  translateNs: 0,
  deviceNs: 0,
  interrupts: 0,
  halts: 0,
  portReads: 0,
  portWrites: 0,
  mmioReads: 0,
  mmioWrites: 0,
  msrAccesses: 0,
  cpuids: 0,
  tscReads: 0,
};

describe('domus perf', () => {
  const after: DomainPerformance = {
    ...NOTHING,
    atMs: 3000,
    busyNs: 1e9,
    instructions: 400e6,
    interpreted: 100e6,
    regionRuns: 3e6,
    regionsMade: 20,
    regionsDropped: 5,
    wasmBytes: 64000,
    translatedInstructions: 1500,
    translateNs: 0.1e9,
    deviceNs: 0.3e9,
    portReads: 250,
  };

  it('tells speed of the time the guest ran, and what the rest of the time went to', () => {
    const rates = performanceRates(NOTHING, after);
    expect(rates).toMatchObject({ seconds: 2, mips: 400, translatedShare: 0.75, regionsAlive: 15 });
    expect(rates.instructionsPerRun).toBe(100);
    expect(rates.perSecond.portReads).toBe(125);
    expect(rates.time.guest).toBeCloseTo(0.3);
    expect(rates.time.devices).toBeCloseTo(0.15);
    expect(rates.time.translator).toBeCloseTo(0.05);
    expect(rates.time.idle).toBeCloseTo(0.5);
  });

  it('has no shares of nothing', () => {
    const rates = performanceRates(NOTHING, { ...NOTHING, atMs: 2000 });
    expect(rates).toMatchObject({ mips: 0, translatedShare: null, instructionsPerRun: null });
    expect(rates.time.idle).toBe(1);
  });

  it('prints one fact a line', () => {
    const lines = performanceReport('web', performanceRates(NOTHING, after), after);
    expect(lines[0]).toBe('web, 2.0 s');
    expect(lines).toContain('  speed                 400.0 MIPS while it runs');
    expect(lines).toContain('  instructions          75.0 % translated, 25.0 % interpreted');
    expect(lines).toContain('  port reads                   125         250');
  });

  it.each([
    [0, '0'],
    [0.25, '0.3'],
    [999, '999'],
    [1234, '1.23 k'],
    [999_900, '1.00 M'],
    [12_345_678, '12.3 M'],
  ])('writes %d as %s', (value, text) => expect(shortCount(value)).toBe(text));
});
