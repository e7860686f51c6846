/**
 * What a vcpu has done since it was made, for `domus perf`: adds up the counters that the engine keeps in vcpu state
 * (layout.ts S_COUNT_*), which wrap and which a reset clears, and those of exits to TypeScript.
 */
import type { VcpuCounters } from '../hw';
import * as L from './layout';
import type { TranslatorCounters } from './translator/region-cache';

/** One device call in this many is timed: asking for the time costs about as much as a short call. */
const TIMED_EXITS = 31;

type WrappingCounter = 'tlbMisses' | 'blockLookups' | 'blocksInvalidated' | 'faults';
type WideCounter = 'interpreted' | 'regionRuns' | 'regionStuck';

const WRAPPING: readonly (readonly [WrappingCounter, number])[] = [
  ['tlbMisses', L.S_COUNT_TLB_MISS],
  ['blockLookups', L.S_COUNT_BLOCK_LOOKUP],
  ['blocksInvalidated', L.S_COUNT_INVALIDATED],
  ['faults', L.S_COUNT_FAULT],
];
const WIDE: readonly (readonly [WideCounter, number])[] = [
  ['interpreted', L.S_COUNT_INTERPRETED],
  ['regionRuns', L.S_COUNT_REGION_RUNS],
  ['regionStuck', L.S_COUNT_REGION_STUCK],
];

/** Causes of exits that are counted here. */
export type ExitCause =
  'portReads' | 'portWrites' | 'mmioReads' | 'mmioWrites' | 'msrAccesses' | 'cpuids' | 'tscReads';

export class PerformanceCounters {
  private readonly exits: Record<ExitCause, number> = {
    portReads: 0,
    portWrites: 0,
    mmioReads: 0,
    mmioWrites: 0,
    msrAccesses: 0,
    cpuids: 0,
    tscReads: 0,
  };
  interrupts = 0;
  halts = 0;
  private deviceMs = 0;
  private untimed = 0;
  /** Totals before what vcpu state holds now, and for wrapping counters what it held when last read. */
  private readonly total: Record<WrappingCounter | WideCounter, number> = {
    tlbMisses: 0,
    blockLookups: 0,
    blocksInvalidated: 0,
    faults: 0,
    interpreted: 0,
    regionRuns: 0,
    regionStuck: 0,
  };
  private readonly last: Record<WrappingCounter, number> = {
    tlbMisses: 0,
    blockLookups: 0,
    blocksInvalidated: 0,
    faults: 0,
  };

  constructor(
    private readonly u32: Uint32Array,
    private readonly base: number,
    /** Monotonic milliseconds; undefined: no time is taken. */
    private readonly nowMs: (() => number) | undefined,
  ) {}

  /** An exit that takes no time worth measuring. */
  count(cause: ExitCause): void {
    this.exits[cause]++;
  }

  /** A call of a device, counted; of every {@link TIMED_EXITS}th the time is taken. */
  exit<T>(cause: ExitCause, act: () => T): T {
    this.exits[cause]++;
    if (++this.untimed < TIMED_EXITS || !this.nowMs) return act();
    this.untimed = 0;
    const from = this.nowMs();
    const result = act();
    this.deviceMs += (this.nowMs() - from) * TIMED_EXITS;
    return result;
  }

  /** Vcpu state is about to be overwritten (reset, restore): keeps what it has counted. */
  keep(): void {
    this.catchUp();
    for (const [name, offset] of WIDE) this.total[name] += this.wide(offset);
  }

  /** Vcpu state was overwritten: counting goes on from what it holds now. */
  goOn(): void {
    for (const [name, offset] of WRAPPING) this.last[name] = this.u32[(this.base + offset) >> 2];
    for (const [name, offset] of WIDE) this.total[name] -= this.wide(offset);
  }

  /** Everything until now; to be called at least once in 2^32 events of a kind. */
  read(instructions: number, translator: TranslatorCounters): VcpuCounters {
    this.catchUp();
    const { total } = this;
    const wide = (name: WideCounter, offset: number): number => total[name] + this.wide(offset);
    return {
      instructions,
      interpreted: wide('interpreted', L.S_COUNT_INTERPRETED),
      regionRuns: wide('regionRuns', L.S_COUNT_REGION_RUNS),
      regionStuck: wide('regionStuck', L.S_COUNT_REGION_STUCK),
      tlbMisses: total.tlbMisses,
      blockLookups: total.blockLookups,
      blocksInvalidated: total.blocksInvalidated,
      faults: total.faults,
      regionsMade: translator.regions,
      regionsDropped: translator.dropped,
      translatedInstructions: translator.instructions,
      wasmBytes: translator.wasmBytes,
      translateNs: Math.round(translator.milliseconds * 1e6),
      deviceNs: Math.round(this.deviceMs * 1e6),
      interrupts: this.interrupts,
      halts: this.halts,
      ...this.exits,
    };
  }

  private catchUp(): void {
    for (const [name, offset] of WRAPPING) {
      const now = this.u32[(this.base + offset) >> 2];
      this.total[name] += (now - this.last[name]) >>> 0;
      this.last[name] = now;
    }
  }

  private wide(offset: number): number {
    const at = (this.base + offset) >> 2;
    return this.u32[at] + this.u32[at + 1] * 2 ** 32;
  }
}
