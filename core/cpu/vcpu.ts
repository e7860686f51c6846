/**
 * A virtual processor run by the WebAssembly interpreters. Owns the modules of one vcpu and drives them: slices,
 * guest faults (unwound by one preallocated exception), interrupts, single-step.
 */
import { assert, decodeBase64 } from '../base';
import type {
  InterruptSource,
  RegisterAccess,
  ResetKind,
  SystemBus,
  Vcpu,
  VcpuCounters,
  VcpuExit,
} from '../hw';
import type { WasmHost, WasmMemory } from '../host';
import { BlockDecoder } from './decode/block-decoder';
import { HELPERS_WASM_BASE64 } from './helpers.gen';
import { interpreterOf } from './interp/built-interpreter';
import { REGION_TABLE, type Handler, type Interpreter } from './interp/interpreter';
import * as L from './layout';
import { identify } from './cpuid';
import { ModelSpecificRegisters } from './msr';
import { PerformanceCounters } from './performance';
import { StateRegisters } from './registers';
import { RegionCache, type ModeTier, type TranslatorCounters } from './translator/region-cache';
import { viewsOf } from './translator/region-state';

/** Thrown by `unwind`, caught by `run`: there is only this one. */
const GUEST_FAULT = new Error('guest fault');

const EFLAGS_IF = 0x200;
/** BLOCK_HEAT that does not run out. */
const NEVER_HOT = 0x7fffffff;
/** Nested faults of one delivery: a triple fault ends it long before. */
const MAX_DELIVERIES = 8;

export interface VcpuConfig {
  readonly index: number;
  readonly memory: WasmMemory;
  readonly wasm: WasmHost;
  readonly bus: SystemBus;
  readonly interrupts: InterruptSource;
  /** Guest TSC: ticks since power-on before S_TSC_OFFSET. */
  readTsc(): bigint;
  /** 64 random bits. */
  random(): bigint;
  /** Logical processors of the domain. */
  readonly vcpus: number;
  /**
   * Times the interpreter runs a block before it is translated, at once if the host has no thread for it; 0: everything is
   * interpreted. By default TRANSLATE_AFTER, and translations wait for each other.
   */
  readonly translateAfter?: number;
  /** Without a thread for them, translations are made for a compiler that does not optimize; else for one that does. */
  readonly unoptimized?: boolean;
  /** Longest decoded block, in instructions: with 1 a budget of n - 1 runs n instructions, no more. For lockstep. */
  readonly blockInstructions?: number;
  /** Monotonic milliseconds, for `counters` and batches; without it counters tell no times, and no translation waits. */
  nowMs?(): number;
}

/**
 * A translation costs about as much as interpreting this many runs of a block. No less where other threads make it: on two
 * processors a Linux boot takes a tenth longer with 700, its thread waiting for them.
 */
const TRANSLATE_AFTER = 3000;

/** Exports of the helpers module that TypeScript calls. */
interface HelperExports {
  init(index: number): void;
  resetCpu(): void;
  updateMode(): void;
  deliverFault(): void;
  serviceInterrupts(): number;
  nonMaskableInterrupt(): void;
  singleStep(): void;
  checkCodeBreakpoints(): void;
  linkBlock(header: number): void;
  peekBlock(rip: bigint): number;
  dropJumpsOf(uop: number): void;
  flushAllBlocks(): void;
  flushTlb(keepGlobal: number): void;
  invalidateCode(gpa: number, length: number): void;
  readFlags(): number;
  writeFlagsRaw(value: number): void;
}

export class WasmVcpu implements Vcpu {
  readonly index: number;
  readonly registers: RegisterAccess;
  private readonly base: number;
  private readonly u32: Uint32Array;
  private readonly i32: Int32Array;
  private readonly u64: BigUint64Array;
  private readonly helpers: HelperExports;
  private readonly runLong: () => void;
  private readonly runLegacy: () => void;
  private readonly msrs: ModelSpecificRegisters;
  private readonly decoder: BlockDecoder;
  private readonly regions: RegionCache;
  private readonly performance: PerformanceCounters;

  /** `kick` was called since `run` began: the caller has something to see to. */
  private kicked = false;

  constructor(private readonly config: VcpuConfig) {
    const { index, memory, wasm } = config;
    assert(index < L.VCPU_MAX, 'vcpu number');
    this.index = index;
    this.base = L.VCPU_BASE + index * L.VCPU_STRIDE;
    this.u32 = new Uint32Array(memory.buffer);
    this.i32 = new Int32Array(memory.buffer);
    this.u64 = new BigUint64Array(memory.buffer);
    this.msrs = new ModelSpecificRegisters(config.interrupts);
    const nowMs = config.nowMs && (() => config.nowMs!());
    this.performance = new PerformanceCounters(this.u32, this.base, nowMs);

    const helpers = wasm.instantiate(helpersModule(), {
      env: { memory: memory.memory, abort: () => assert(false, 'helper aborted') },
      host: this.hostImports(),
    });
    this.helpers = helpers as unknown as HelperExports;
    const exports = {
      ...helpers,
      remakeRegion: (header: number) => this.regions.remake(header),
    };
    this.helpers.init(index);

    const views = viewsOf(memory.buffer);
    const make = (
      long: boolean,
    ): { run: () => void; tier: ModeTier; handlers: Interpreter['handlers'] } => {
      const { bytes, handlers } = interpreterOf(long, index);
      const made = wasm.instantiate(bytes, {
        env: { memory: memory.memory },
        host: {
          hotBlock: (header: number) => this.regions.translate(header),
          stuckRegion: (number: number) => this.regions.separate(number),
          hotRegion: (header: number) => this.regions.improve(header),
        },
        helpers: exports,
      });
      const byNumber: Handler[] = [];
      for (const handler of handlers.values()) byNumber[handler.number] = handler;
      const table = made[REGION_TABLE] as unknown as ModeTier['table'];
      return { run: made.run, handlers, tier: { handlers: byNumber, table } };
    };
    const long = make(true);
    const legacy = make(false);
    this.runLong = long.run;
    this.runLegacy = legacy.run;
    const threshold = config.translateAfter ?? TRANSLATE_AFTER;
    this.regions = new RegionCache(
      {
        wasm,
        memory: memory.memory,
        views,
        base: this.base,
        helpers: exports,
        services: this.helpers,
        threshold,
        atOnce: config.translateAfter !== undefined,
        unoptimized: config.unoptimized === true,
        ...(nowMs && { nowMs }),
      },
      long.tier,
      legacy.tier,
    );
    const services = {
      linkBlock: (header: number) => this.helpers.linkBlock(header),
      flushAllBlocks: () => this.flushBlocks(),
    };
    this.decoder = new BlockDecoder(
      memory.buffer,
      { long: long.handlers, legacy: legacy.handlers },
      services,
      threshold === 0 ? NEVER_HOT : threshold,
      config.blockInstructions,
    );
    this.registers = new StateRegisters(memory.buffer, this.base, this.helpers);
    this.reset('power-on');
  }

  private hostImports(): Record<string, unknown> {
    const { bus, interrupts } = this.config;
    const { performance } = this;
    const scratch = (this.base + L.S_SCRATCH) >> 2;
    return {
      unwind: () => {
        throw GUEST_FAULT;
      },
      readMmio: (gpa: number, width: 1 | 2 | 4) =>
        performance.exit('mmioReads', () => bus.readMmio(gpa, width)),
      writeMmio: (gpa: number, width: 1 | 2 | 4, value: number) =>
        performance.exit('mmioWrites', () => bus.writeMmio(gpa, width, value >>> 0)),
      readPort: (port: number, width: 1 | 2 | 4) =>
        performance.exit('portReads', () => bus.readPort(port, width)),
      writePort: (port: number, width: 1 | 2 | 4, value: number) =>
        performance.exit('portWrites', () => bus.writePort(port, width, value >>> 0)),
      blockDropped: (header: number) => this.regions.blockDropped(header),
      decodeBlock: (gpa: number, page2: number) =>
        this.decoder.decode(gpa, page2, this.get32(L.S_MODE)),
      readTsc: () => {
        performance.count('tscReads');
        return BigInt.asIntN(64, this.config.readTsc());
      },
      randomBits: () => BigInt.asIntN(64, this.config.random()),
      readMsr: (index: number) => {
        performance.count('msrAccesses');
        const value = this.msrs.read(index >>> 0);
        if (value === undefined) return 0;
        this.u64[scratch >> 1] = value;
        return 1;
      },
      writeMsr: (index: number) => {
        performance.count('msrAccesses');
        return this.msrs.write(index >>> 0, this.u64[scratch >> 1]) ? 1 : 0;
      },
      cpuid: (leaf: number, subleaf: number) => {
        performance.count('cpuids');
        const values = identify(leaf >>> 0, subleaf >>> 0, {
          index: this.index,
          vcpus: this.config.vcpus,
          cr4: this.u64[(this.base + L.S_CR4) >> 3],
        });
        this.u32.set(values, scratch);
      },
      readTaskPriority: () => interrupts.taskPriority,
      writeTaskPriority: (value: number) => {
        interrupts.taskPriority = value;
      },
      acknowledgeInterrupt: () => {
        performance.interrupts++;
        return interrupts.acknowledge();
      },
    };
  }

  private get32(offset: number): number {
    return this.u32[(this.base + offset) >> 2];
  }

  private set32(offset: number, value: number): void {
    this.u32[(this.base + offset) >> 2] = value;
  }

  reset(kind: ResetKind): void {
    void kind;
    this.performance.keep();
    this.helpers.resetCpu();
    this.performance.goOn();
    this.msrs.reset();
  }

  get instructions(): number {
    return Number(this.u64[(this.base + L.S_RETIRED) >> 3]);
  }

  /** What the translator has done so far. */
  get translator(): TranslatorCounters {
    return this.regions.counters;
  }

  get counters(): VcpuCounters {
    return this.performance.read(this.instructions, this.translator);
  }

  kick(): void {
    this.kicked = true;
    Atomics.store(this.i32, (this.base + L.S_REQUEST) >> 2, 1);
  }

  nonMaskableInterrupt(): void {
    this.helpers.nonMaskableInterrupt();
    this.kick();
  }

  run(maxInstructions: number): VcpuExit {
    const budget = (this.base + L.S_BUDGET) >> 2;
    let left = maxInstructions;
    this.kicked = false;
    for (;;) {
      this.set32(L.S_REQUEST, 0);
      this.i32[budget] = left;
      const exit = this.slice();
      // No instruction is under way now.
      this.set32(L.S_UOP, 0);
      this.regions.flush();
      const used = left - this.i32[budget];
      this.u64[(this.base + L.S_RETIRED) >> 3] += BigInt(used);
      // What used up nothing must not go on for ever.
      left -= Math.max(used, 1);
      if (exit === 'shutdown' || (exit === 'halted' && !this.wakes())) return exit;
      if (left <= 0 || this.kicked) return 'budget';
    }
  }

  /** Something that came before HLT, or while interrupts were held back behind STI, ends the halt at once (SDM 2A, HLT). */
  private wakes(): boolean {
    if (this.get32(L.S_HALTED) === 0) return true;
    if (this.get32(L.S_NMI_PENDING) !== 0 && this.get32(L.S_NMI_BLOCKED) === 0) return true;
    return (this.get32(L.S_EFLAGS) & EFLAGS_IF) !== 0 && this.config.interrupts.hasPending();
  }

  /** Runs until something turns up; undefined when only the interpreter or the interrupt state changed. */
  private slice(): VcpuExit | undefined {
    try {
      const shadow = this.get32(L.S_INHIBIT) !== 0 && this.get32(L.S_HALTED) === 0;
      this.set32(L.S_INHIBIT, 0);
      if (shadow) return this.inShadow();
      this.set32(L.S_IRQ_PENDING, this.config.interrupts.hasPending() ? 1 : 0);
      this.helpers.serviceInterrupts();
      if (this.get32(L.S_HALTED) !== 0) return 'halted';
      return (this.get32(L.S_MODE) & L.MODE_SINGLE) !== 0 ? this.step() : this.execute();
    } catch (error) {
      if (error !== GUEST_FAULT) throw error;
      return this.deliver();
    }
  }

  private execute(): VcpuExit | undefined {
    if (this.get32(L.S_MODE) & L.MODE_LONG) this.runLong();
    else this.runLegacy();
    const exit = this.get32(L.S_EXIT);
    if (exit === L.EXIT_SHUTDOWN) return 'shutdown';
    if (exit !== L.EXIT_HALTED) return undefined;
    this.performance.halts++;
    return 'halted';
  }

  /** The one instruction behind STI or a load of SS. */
  private inShadow(): VcpuExit | undefined {
    this.set32(L.S_SHADOW, 1);
    this.helpers.updateMode();
    try {
      return this.step();
    } finally {
      this.set32(L.S_SHADOW, 0);
      this.helpers.updateMode();
    }
  }

  /** One block, which is one instruction in MODE_SINGLE. */
  private step(): VcpuExit | undefined {
    const budget = (this.base + L.S_BUDGET) >> 2;
    const kept = this.i32[budget];
    const trace = (this.get32(L.S_MODE) & L.MODE_TRACE) !== 0;
    if (this.get32(L.S_MODE) & L.MODE_BREAKPOINTS) this.helpers.checkCodeBreakpoints();
    this.i32[budget] = 0;
    try {
      const exit = this.execute();
      if (trace) this.helpers.singleStep();
      return exit;
    } finally {
      this.i32[budget] += kept;
    }
  }

  /** A fault was raised: gives back the instructions it left undone and delivers it; delivery may fault in turn. */
  private deliver(): VcpuExit | undefined {
    const uop = this.get32(L.S_UOP);
    if (uop !== 0)
      this.i32[(this.base + L.S_BUDGET) >> 2] += (this.u32[(uop + 12) >> 2] >>> 8) & 0xff;
    for (let nested = 0; nested < MAX_DELIVERIES; nested++) {
      try {
        this.helpers.deliverFault();
        return this.get32(L.S_EXIT) === L.EXIT_SHUTDOWN ? 'shutdown' : undefined;
      } catch (error) {
        if (error !== GUEST_FAULT) throw error;
      }
    }
    return 'shutdown';
  }

  /** DMA wrote guest memory: drops decoded code there. */
  invalidateCode(gpa: number, length: number): void {
    this.helpers.invalidateCode(gpa, length);
  }

  /** The physical page map changed there: only what lies there was decoded from other bytes. */
  mapChanged(gpa: number, length: number): void {
    this.helpers.flushTlb(0);
    this.helpers.invalidateCode(gpa, length);
  }

  /** Forgets all that was translated: other memory lies behind everything. */
  flushMappings(): void {
    this.helpers.flushTlb(0);
    this.flushBlocks();
    this.decoder.reset();
  }

  private flushBlocks(): void {
    this.regions.clear();
    this.helpers.flushAllBlocks();
  }

  save(): object {
    this.set32(L.S_REQUEST, 0);
    const bytes = new Uint8Array(this.u32.buffer, this.base, L.S_SCRATCH).slice();
    return { version: 1, state: bytes, msrs: this.msrs.save() };
  }

  restore(state: object): void {
    const saved = state as { version: 1; state: Uint8Array; msrs: object };
    this.performance.keep();
    new Uint8Array(this.u32.buffer, this.base, L.S_SCRATCH).set(saved.state);
    this.performance.goOn();
    this.msrs.restore(saved.msrs);
    this.flushMappings();
    this.helpers.updateMode();
  }
}

let helpersBytes: Uint8Array<ArrayBuffer> | undefined;

function helpersModule(): Uint8Array<ArrayBuffer> {
  helpersBytes ??= decodeBase64(HELPERS_WASM_BASE64);
  return helpersBytes;
}
