/**
 * The translated regions of a vcpu: made when a block turns hot, dropped when a block they were made of changes, those
 * that have not run for long evicted when there are too many.
 */
import type { CompiledModule, WasmHost } from '../../host';
import type { Handler } from '../interp/interpreter';
import * as L from '../layout';
import { BackgroundTranslator } from './background-translator';
import { BATCH_MS, LocalTranslator } from './local-translator';
import {
  growRegion,
  LARGE,
  SMALL,
  type GraphSource,
  type RegionLimits,
  type RegionNode,
} from './region-graph';
import { MISSES_UNTIL_REMADE, type MemoryViews } from './region-state';
import type { RegionTranslator, TranslatedRegion } from './region-translator';

/** What the cache needs of the helpers. */
export interface RegionServices {
  peekBlock(rip: bigint): number;
  dropJumpsOf(uop: number): void;
}

/** A `WebAssembly.Table` of region functions. */
interface RegionTable {
  set(index: number, region: unknown): void;
}

export interface RegionCacheConfig {
  readonly wasm: WasmHost;
  readonly memory: unknown;
  readonly views: MemoryViews;
  /** Exports of the helpers module. */
  readonly helpers: Record<string, unknown>;
  /** Offset of vcpu state. */
  readonly base: number;
  readonly services: RegionServices;
  /** Times a block runs in the interpreter before it is translated. */
  readonly threshold: number;
  /** Without another thread, regions are compiled one by one and not in batches. */
  readonly atOnce: boolean;
  /** What is translated on this thread is made for a compiler that does not optimize. */
  readonly unoptimized: boolean;
  /** Monotonic milliseconds. */
  readonly nowMs?: () => number;
}

/** Runs of a region after which its code is optimized. */
const OPTIMIZE_AFTER = 1_000;

/** Runs of an optimized region after which it is made anew, larger. */
const ENLARGE_AFTER = 50_000;

/** Times a region may be left for the interpreter until checks that serve several accesses are given up there. */
const STUCK_LIMIT = 2_000;

/** Times a region is made anew for indirect branches. */
const MAX_REMADE = 4;

/** Targets of an indirect branch that a region compares with. */
const MAX_TARGETS = 32;

export interface ModeTier {
  readonly handlers: readonly Handler[];
  readonly table: RegionTable;
}

interface Region extends TranslatedRegion {
  readonly number: number;
  readonly table: RegionTable;
  readonly entry: number;
  readonly members: readonly number[];
  readonly limits: RegionLimits;
  /** Pages besides the entry's: distance in pages -> GPA. */
  readonly pages: ReadonlyMap<number, number>;
  /** It runs. */
  installed: boolean;
  /** Its optimized code is made or has come. */
  optimized: boolean;
  /** Its indirect branches went elsewhere: it is made anew with their targets, and runs until that has come. */
  outdated: boolean;
  /** REGION_HEAT when room was made last, which changes when the region runs. */
  heat: number | undefined;
}

/** Counters for `domus perf`. */
export interface TranslatorCounters {
  regions: number;
  dropped: number;
  instructions: number;
  wasmBytes: number;
  /** Time that the vcpu's thread spent on regions; 0 without a clock. */
  milliseconds: number;
}

/** Modes whose code is left to the interpreter: 16-bit code, and one instruction at a time. */
function translatable(mode: number): boolean {
  if (mode & L.MODE_SINGLE) return false;
  if (mode & L.MODE_LONG) return true;
  const flat = [L.SEG_ES, L.SEG_CS, L.SEG_SS, L.SEG_DS];
  if (flat.some((segment) => mode & (L.MODE_CHECK_SEG << segment))) return false;
  return (mode & L.MODE_CODE32) !== 0 && (mode & (L.MODE_REAL | L.MODE_V86)) === 0;
}

export class RegionCache {
  readonly counters: TranslatorCounters = {
    regions: 0,
    dropped: 0,
    instructions: 0,
    wasmBytes: 0,
    milliseconds: 0,
  };
  private lastId = 0;
  private readonly free: number[] = Array.from(
    { length: L.REGION_MAX - 1 },
    (_, i) => L.REGION_MAX - 1 - i,
  );
  private readonly translator: RegionTranslator<Region>;
  /** By number, oldest first. */
  private readonly regions = new Map<number, Region>();
  /** Entry -> times its region was made anew. */
  private readonly remade = new Map<number, number>();
  /** Profile of an indirect branch -> RIPs that were in it. */
  private readonly targets = new Map<number, Set<bigint>>();
  /** Entries of regions that were left too often for the interpreter: every access has a check of its own there. */
  private readonly straddling = new Set<number>();
  /** Entries of regions that were left too often because of floating-point operands or MXCSR: helpers do the arithmetic there. */
  private readonly exactFloats = new Set<number>();
  /** S_COUNT_FLOAT_RETREATS when a region was last left too often. */
  private floatRetreats = 0;
  private readonly byMember = new Map<number, Set<Region>>();

  constructor(
    private readonly config: RegionCacheConfig,
    private readonly long: ModeTier,
    private readonly legacy: ModeTier,
  ) {
    const { wasm, views, base, nowMs, atOnce, unoptimized } = config;
    const memory = { views, base, long: long.handlers, legacy: legacy.handlers };
    const install = (
      regions: readonly (Region | undefined)[],
      code: CompiledModule | Uint8Array<ArrayBuffer>,
    ): void => this.installAll(regions, code);
    const background = {
      startTranslator: (start: object) => wasm.startTranslator!(start),
      memory,
    };
    this.translator = wasm.startTranslator
      ? new BackgroundTranslator<Region>(background, install)
      : new LocalTranslator<Region>(
          {
            memory,
            optimized: !unoptimized,
            batchMs: atOnce ? 0 : BATCH_MS,
            ...(nowMs && { nowMs }),
          },
          install,
        );
  }

  /** The block at `header`, about to run, has become hot. Its region runs from the next `flush` on. */
  translate(header: number): void {
    // One region for a loop, not one for each of its blocks: they become hot together.
    const underWay = ({ installed, limits }: Region): boolean => !installed && limits === SMALL;
    const soon = [...(this.byMember.get(header) ?? [])].some(underWay);
    if (soon || !this.translator.hasRoom) this.setBlockHeat(header, this.runsToRetry);
    else this.timed(() => this.make(header, SMALL));
  }

  /**
   * The region that begins with the block at `header`, about to run, is outdated or hot: it is made anew, or its code is
   * optimized, or it is made anew without sparing copies of its neighbours. Gives the number of the one to run now, or 0.
   */
  improve(header: number): number {
    const { views } = this.config;
    const region = this.regionAt(header);
    if (region?.outdated) {
      region.outdated = false;
      this.timed(() => this.make(header, region.limits));
    } else if (region && !region.optimized && this.translator.optimize) {
      this.translator.optimize(region);
      region.optimized = true;
      this.setHeat(region, ENLARGE_AFTER);
    } else this.timed(() => this.make(header, LARGE));
    return views.u32[(header + L.BLOCK_REGION) >> 2];
  }

  private setHeat({ number }: Region, runs: number): void {
    const record = L.REGION_AREA_BASE + number * L.REGION_BYTES;
    this.config.views.i32[(record + L.REGION_HEAT) >> 2] = runs / L.REGION_HEAT_RUNS;
  }

  private timed(act: () => void): void {
    const { nowMs } = this.config;
    const from = nowMs?.() ?? 0;
    act();
    this.counters.milliseconds += (nowMs?.() ?? 0) - from;
    this.counters.wasmBytes = this.translator.wasmBytes;
  }

  private regionAt(header: number): Region | undefined {
    return this.regions.get(this.config.views.u32[(header + L.BLOCK_REGION) >> 2]);
  }

  private make(header: number, limits: RegionLimits): void {
    const { views, base, services, threshold } = this.config;
    const mode = views.u32[(base + L.S_MODE) >> 2];
    if (!translatable(mode)) return;
    const long = (mode & L.MODE_LONG) !== 0;
    const tier = long ? this.long : this.legacy;
    const entryRip = BigInt.asUintN(64, views.i64[(base + L.S_RIP) >> 3]);
    const bits = long ? 64 : 32;
    const { u8, u16, u32, i32 } = views;
    const replaced = this.regionAt(header);
    const graph: GraphSource = {
      u8,
      u16,
      u32,
      i32,
      handlers: tier.handlers,
      long,
      supervisor: (mode & L.MODE_USER) === 0,
      lateTargets: (profile) => this.lateTargets(profile),
      targets: (profile) => this.targetsOf(profile),
      distanceOf: (rip) => Number(BigInt.asIntN(bits, rip - entryRip)),
      peek: (distance) => services.peekBlock(BigInt.asUintN(bits, entryRip + BigInt(distance))),
      executions: (block) =>
        views.u32[(block + L.BLOCK_REGION) >> 2] !== 0
          ? threshold
          : threshold - views.i32[(block + L.BLOCK_HEAT) >> 2],
      copies: (block) =>
        u32[(block + L.BLOCK_MEMBER_OF) >> 2] - (replaced?.members.includes(block) ? 1 : 0),
      minExecutions: threshold / 8,
    };
    const nodes = growRegion(graph, header, limits);
    const [entry] = nodes;
    if (entry.end.kind === 'stop' && entry.uops.length === 1) return;
    for (const { end } of nodes)
      if (end.kind === 'indirect') views.i32[end.profile >> 2] = MISSES_UNTIL_REMADE;
    const gpaOf = (block: number): number => views.u32[(block + L.BLOCK_KEY) >> 2];
    const pages = this.pagesOf(nodes, entryRip, gpaOf);
    if (pages.size > L.REGION_PAGES_MAX) return;
    const grouping = limits === LARGE && !this.straddling.has(header);
    const region = this.register(header, nodes, tier.table, pages, limits);
    this.translator.translate(region, {
      nodes,
      long,
      grouping,
      inlineFloats: !this.exactFloats.has(header),
      optimized: region.optimized,
    });
  }

  /** What the profile of an indirect branch holds. */
  private lateTargets(profile: number): readonly bigint[] {
    const first = (profile + L.TARGETS_LIST) >> 3;
    const places = this.config.views.i64.subarray(first, first + L.TARGETS_ENTRIES);
    return [...places].filter((rip) => rip !== 0n);
  }

  /** That and what it held when regions were made before: targets that have one place in it take turns. */
  private targetsOf(profile: number): readonly bigint[] {
    let known = this.targets.get(profile);
    if (!known) this.targets.set(profile, (known = new Set()));
    for (const rip of this.lateTargets(profile)) if (known.size < MAX_TARGETS) known.add(rip);
    return [...known];
  }

  /** Pages besides the entry's first: distance in pages -> GPA. */
  private pagesOf(
    nodes: readonly RegionNode[],
    entryRip: bigint,
    gpaOf: (block: number) => number,
  ): Map<number, number> {
    const { u16, u32 } = this.config.views;
    const offset = Number(entryRip & 0xfffn);
    const pages = new Map<number, number>();
    for (const { header, at } of nodes) {
      const page = Math.floor((offset + at) / 4096);
      pages.set(page, gpaOf(header) & ~0xfff);
      const page2 = u32[(header + L.BLOCK_PAGE2) >> 2];
      const last = Math.floor((offset + at + u16[(header + L.BLOCK_LENGTH) >> 1] - 1) / 4096);
      if (page2 !== 0xffffffff && last !== page) pages.set(last, page2);
    }
    pages.delete(0);
    return pages;
  }

  /** Numbers a region and ties it to its blocks, so that it goes when one of them does. */
  private register(
    entry: number,
    nodes: readonly RegionNode[],
    table: RegionTable,
    pages: ReadonlyMap<number, number>,
    limits: RegionLimits,
  ): Region {
    if (this.free.length === 0) this.evict(L.REGION_MAX / 8);
    const number = this.free.pop()!;
    const members = [...new Set(nodes.map((node) => node.header))];
    const region: Region = {
      id: ++this.lastId,
      number,
      table,
      entry,
      members,
      limits,
      pages,
      installed: false,
      optimized: limits === LARGE,
      outdated: false,
      heat: undefined,
    };
    this.regions.set(number, region);
    for (const member of members) {
      this.config.views.u32[(member + L.BLOCK_MEMBER_OF) >> 2]++;
      let set = this.byMember.get(member);
      if (!set) this.byMember.set(member, (set = new Set()));
      set.add(region);
    }
    this.counters.regions++;
    this.counters.instructions += nodes.reduce((sum, node) => sum + node.instructions, 0);
    return region;
  }

  /** Lets run what was compiled since the last time. */
  flush(): void {
    if (this.translator.isDue) this.timed(() => this.translator.flush());
  }

  /** Instantiates a module; what was dropped meanwhile stays unused. */
  private installAll(
    regions: readonly (Region | undefined)[],
    code: CompiledModule | Uint8Array<ArrayBuffer>,
  ): void {
    const { wasm, memory, helpers } = this.config;
    const made = wasm.instantiate(code, { env: { memory }, helpers });
    regions.forEach((region, i) => {
      // One before it in the module may have taken its place.
      if (region && this.regions.get(region.number) === region) this.install(region, made[i]);
    });
  }

  /** Lets a region run, or lets it run better. */
  private install(region: Region, code: unknown): void {
    const { u32, i32 } = this.config.views;
    region.table.set(region.number, code);
    if (region.installed) return;
    region.installed = true;
    const old = this.regionAt(region.entry);
    if (old) this.drop(old);
    const record = L.REGION_AREA_BASE + region.number * L.REGION_BYTES;
    u32[(record + L.REGION_PAGES) >> 2] = region.pages.size;
    i32[(record + L.REGION_PATIENCE) >> 2] = STUCK_LIMIT;
    const next = this.translator.optimize ? OPTIMIZE_AFTER : ENLARGE_AFTER;
    this.setHeat(region, region.limits === SMALL ? next : 0);
    let item = (record + L.REGION_PAGE_LIST) >> 2;
    for (const [distance, gpa] of region.pages) {
      i32[item++] = distance;
      u32[item++] = gpa;
    }
    u32[(region.entry + L.BLOCK_REGION) >> 2] = region.number;
    // Counted down where an address space has the region's pages elsewhere: one for that space takes its place then.
    this.setBlockHeat(region.entry, this.config.threshold);
    this.config.services.dropJumpsOf(region.entry + L.BLOCK_HEADER_BYTES);
  }

  /** A block is gone: so are the regions made of it. */
  blockDropped(header: number): void {
    for (const region of this.byMember.get(header) ?? []) this.drop(region);
  }

  /** Drops those that have not run since the last time, the oldest first; then the oldest of all. */
  private evict(count: number): void {
    const all = [...this.regions.values()];
    const heatOf = ({ number }: Region): number =>
      this.config.views.i32[(L.REGION_AREA_BASE + number * L.REGION_BYTES + L.REGION_HEAT) >> 2];
    const idle = all.filter((region) => region.heat === heatOf(region));
    for (const region of [...new Set([...idle, ...all])].slice(0, count)) {
      // What has not run for long must earn its place anew.
      this.drop(region, this.config.threshold);
    }
    for (const region of this.regions.values()) region.heat = heatOf(region);
  }

  /** Without its region a block is interpreted, and asks for one when it has run `heat` times. */
  private drop(region: Region, heat = this.runsToRetry): void {
    const { u32 } = this.config.views;
    const current = this.regionAt(region.entry);
    this.translator.forget(region);
    this.regions.delete(region.number);
    this.free.push(region.number);
    region.table.set(region.number, null);
    if (current === region) u32[(region.entry + L.BLOCK_REGION) >> 2] = 0;
    if (current && current !== region) this.setHeat(current, ENLARGE_AFTER);
    else this.setBlockHeat(region.entry, heat);
    for (const member of region.members) {
      u32[(member + L.BLOCK_MEMBER_OF) >> 2]--;
      const set = this.byMember.get(member)!;
      set.delete(region);
      if (set.size === 0) this.byMember.delete(member);
    }
    this.config.services.dropJumpsOf(region.entry + L.BLOCK_HEADER_BYTES);
    this.counters.dropped++;
  }

  /** Runs until a block that was hot asks again. */
  private get runsToRetry(): number {
    return Math.ceil(this.config.threshold / 4);
  }

  private setBlockHeat(header: number, runs: number): void {
    this.config.views.i32[(header + L.BLOCK_HEAT) >> 2] = runs;
  }

  /** Indirect branches of the region that begins with a block went elsewhere: soon it is made anew with their targets, a few times. */
  remake(header: number): void {
    const times = (this.remade.get(header) ?? 0) + 1;
    const region = this.regionAt(header);
    if (times > MAX_REMADE || !region) return;
    this.remade.set(header, times);
    region.outdated = true;
    this.setHeat(region, L.REGION_HEAT_RUNS);
  }

  /** A region was left for the interpreter very often: perhaps an access group of it lies across pages, or its floats are out of the ordinary. */
  separate(number: number): void {
    const region = this.regions.get(number);
    const retreats = this.config.views.u32[(this.config.base + L.S_COUNT_FLOAT_RETREATS) >> 2];
    const floats = (retreats - this.floatRetreats) >>> 0 > STUCK_LIMIT / 2;
    this.floatRetreats = retreats;
    const cause = floats ? this.exactFloats : this.straddling;
    if (!region || cause.has(region.entry)) return;
    cause.add(region.entry);
    this.drop(region, 1);
  }

  /** All decoded blocks are being forgotten. */
  clear(): void {
    this.counters.dropped += this.regions.size;
    for (const region of this.regions.values()) {
      this.translator.forget(region);
      region.table.set(region.number, null);
      this.free.push(region.number);
    }
    this.regions.clear();
    this.byMember.clear();
    this.remade.clear();
    this.targets.clear();
    this.straddling.clear();
    this.exactFloats.clear();
  }
}
