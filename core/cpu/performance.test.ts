import { describe, expect, it } from 'vitest';
import * as L from './layout';
import { PerformanceCounters } from './performance';

const NO_TRANSLATOR = { regions: 0, dropped: 0, instructions: 0, wasmBytes: 0, milliseconds: 0 };

function setUp(nowMs?: () => number) {
  const u32 = new Uint32Array(L.S_SCRATCH / 4);
  const counters = new PerformanceCounters(u32, 0, nowMs);
  return { u32, counters, read: () => counters.read(0, NO_TRANSLATOR) };
}

describe('PerformanceCounters', () => {
  it('goes on over the end of a 32-bit counter', () => {
    const { u32, read } = setUp();
    u32[L.S_COUNT_TLB_MISS >> 2] = 0xffff_fff0;
    expect(read().tlbMisses).toBe(0xffff_fff0);
    u32[L.S_COUNT_TLB_MISS >> 2] = 0x10;
    expect(read().tlbMisses).toBe(0x1_0000_0010);
  });

  it('keeps what was counted when a reset clears vcpu state', () => {
    const { u32, counters, read } = setUp();
    u32[L.S_COUNT_FAULT >> 2] = 7;
    u32[L.S_COUNT_INTERPRETED >> 2] = 5;
    u32[(L.S_COUNT_INTERPRETED >> 2) + 1] = 1;
    counters.keep();
    u32.fill(0);
    counters.goOn();
    u32[L.S_COUNT_FAULT >> 2] = 2;
    u32[L.S_COUNT_INTERPRETED >> 2] = 3;
    expect(read()).toMatchObject({ faults: 9, interpreted: 2 ** 32 + 8 });
  });

  it('does not count what a restored state brings along', () => {
    const { u32, counters, read } = setUp();
    counters.keep();
    u32[L.S_COUNT_FAULT >> 2] = 100;
    u32[L.S_COUNT_REGION_RUNS >> 2] = 100;
    counters.goOn();
    u32[L.S_COUNT_FAULT >> 2] = 101;
    u32[L.S_COUNT_REGION_RUNS >> 2] = 102;
    expect(read()).toMatchObject({ faults: 1, regionRuns: 2 });
  });

  it('counts each device call and estimates their time from every 31st', () => {
    let now = 0;
    const { counters, read } = setUp(() => now);
    for (let i = 0; i < 310; i++) expect(counters.exit('portReads', () => (now += 0.5))).toBe(now);
    expect(read()).toMatchObject({ portReads: 310, mmioReads: 0, deviceNs: 155e6 });
  });
});
