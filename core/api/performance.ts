/** What the CPU engine of a domain has counted since the domain was started; a reset of the guest clears nothing. */
export interface PerformanceCounts {
  /** Guest instructions retired, and how many of them the interpreter ran; the others ran translated. */
  instructions: number;
  interpreted: number;
  /** Translated regions entered, and left again for the interpreter to run an instruction. */
  regionRuns: number;
  regionStuck: number;
  tlbMisses: number;
  /** Blocks looked up in the hash table because the jump cache did not know them. */
  blockLookups: number;
  /** Decoded blocks dropped because their bytes were written. */
  blocksInvalidated: number;
  /** Exceptions raised. */
  faults: number;
  regionsMade: number;
  regionsDropped: number;
  /** Guest instructions in regions made. */
  translatedInstructions: number;
  wasmBytes: number;
  /** Time that the vCPU's thread spends on translations: choosing what belongs together, and taking in what other threads translated and compiled. */
  translateNs: number;
  /** Time in device models, estimated: the time of one call in 31 is taken. */
  deviceNs: number;
  /** External interrupts taken. */
  interrupts: number;
  halts: number;
  portReads: number;
  portWrites: number;
  mmioReads: number;
  mmioWrites: number;
  /** RDMSR and WRMSR of registers kept outside the engine's memory. */
  msrAccesses: number;
  cpuids: number;
  tscReads: number;
}

/** The counts with the moment they were read. */
export interface DomainPerformance extends PerformanceCounts {
  /** Monotonic milliseconds of the domain process: only differences mean something. */
  atMs: number;
  /** Time the vCPU's thread spent in slices of the guest, devices and translation among them. */
  busyNs: number;
}

type LabelledCounts = readonly (readonly [keyof PerformanceCounts, string])[];

/** Counts of the engine itself, with the words for them wherever they are shown. */
export const ENGINE_COUNTS: LabelledCounts = [
  ['regionRuns', 'region runs'],
  ['regionStuck', 'left for interpreter'],
  ['tlbMisses', 'TLB misses'],
  ['blockLookups', 'block look-ups'],
  ['blocksInvalidated', 'blocks invalidated'],
  ['faults', 'faults'],
];

/** Exits from guest code to device models and registers by cause, with the words for them. */
export const EXIT_COUNTS: LabelledCounts = [
  ['portReads', 'port reads'],
  ['portWrites', 'port writes'],
  ['mmioReads', 'MMIO reads'],
  ['mmioWrites', 'MMIO writes'],
  ['msrAccesses', 'MSR accesses'],
  ['cpuids', 'CPUID'],
  ['tscReads', 'RDTSC'],
  ['interrupts', 'interrupts'],
  ['halts', 'HLT'],
];

/** 1234567 as '1.23 M', three digits: rates are compared, not added up. */
export function shortCount(value: number): string {
  for (const [unit, name] of [
    [1e12, ' T'],
    [1e9, ' G'],
    [1e6, ' M'],
    [1e3, ' k'],
  ] as const)
    if (value >= unit * 0.9995) return `${(value / unit).toPrecision(3)}${name}`;
  return value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

/** What happened between two samples. */
export interface PerformanceRates {
  seconds: number;
  /** Million guest instructions a second, of the time the vCPU was not halted. */
  mips: number;
  /** Share of the instructions that ran translated, 0..1; null when none ran. */
  translatedShare: number | null;
  /** Shares of the interval: code of the guest (interpreted and translated), device models, translation, halted or paused. */
  time: { guest: number; devices: number; translator: number; idle: number };
  regionsAlive: number;
  /** Instructions a region ran for each time it was entered; null when none was. */
  instructionsPerRun: number | null;
  /** Each count's events a second. */
  perSecond: Record<keyof PerformanceCounts, number>;
}

/** The rates between two samples of one run of a domain; `before` is older. */
export function performanceRates(
  before: DomainPerformance,
  after: DomainPerformance,
): PerformanceRates {
  const seconds = Math.max(1e-3, (after.atMs - before.atMs) / 1000);
  const gone = (name: keyof DomainPerformance): number => Math.max(0, after[name] - before[name]);
  const names = Object.keys(after).filter((name) => name !== 'atMs' && name !== 'busyNs');
  const perSecond = Object.fromEntries(
    names.map((name) => [name, gone(name as keyof PerformanceCounts) / seconds]),
  ) as PerformanceRates['perSecond'];
  const instructions = gone('instructions');
  const translated = Math.max(0, instructions - gone('interpreted'));
  const share = (ns: number): number => Math.min(1, ns / 1e9 / seconds);
  const busy = share(gone('busyNs'));
  const translator = Math.min(busy, share(gone('translateNs')));
  const devices = Math.min(busy - translator, share(gone('deviceNs')));
  const runs = gone('regionRuns');
  return {
    seconds,
    mips: busy === 0 ? 0 : instructions / 1e6 / (busy * seconds),
    translatedShare: instructions === 0 ? null : translated / instructions,
    time: { guest: busy - translator - devices, devices, translator, idle: 1 - busy },
    regionsAlive: Math.max(0, after.regionsMade - after.regionsDropped),
    instructionsPerRun: runs === 0 ? null : translated / runs,
    perSecond,
  };
}
