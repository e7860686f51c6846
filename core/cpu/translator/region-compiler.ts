/**
 * Turns the functions of regions into code: new ones in small batches on the caller's thread, so that they run soon; those
 * that have turned out hot once more, by the host's optimizer on a thread of its own, in large batches.
 */
import type { CompiledModule, WasmHost, WasmOptimizer } from '../../host';
import { ModuleBuilder, type FunctionBody } from '../../wasm';
import { HelperImports, REGION_TYPE } from './region-state';

/** Milliseconds that a hot region waits for others: it runs meanwhile. */
const OPTIMIZER_MS = 1_000;

/**
 * Regions that are compiled together at most. A module has code, jumps and data in pages of its own: a dispatch finds them
 * in the caches if many regions share them.
 */
const BATCH = 128;

export interface RegionCompilerConfig {
  readonly wasm: WasmHost;
  readonly memory: unknown;
  readonly memoryPages: number;
  /** Exports of the helpers module. */
  readonly helpers: Record<string, unknown>;
  /** Milliseconds by `nowMs` that a new region waits for others; with 0 each is compiled at once and none in the background. */
  readonly batchMs: number;
  /** Monotonic milliseconds. */
  readonly nowMs?: () => number;
}

/** What the compiler needs to know of a region. */
export interface CompiledRegion {
  /** Its function; forgotten when it is optimized. */
  body: FunctionBody | undefined;
  /** Nobody runs it any more. */
  readonly dropped: boolean;
}

/** Regions that wait to be compiled together. */
class Batch<R> {
  readonly regions: R[] = [];
  /** `nowMs` when the first of them began to wait. */
  since = 0;
}

export class RegionCompiler<R extends CompiledRegion> {
  /** Helpers that regions call. Modules import all of them, so that a function can move to another module. */
  readonly imports = new HelperImports();
  /** Size of all modules so far. */
  wasmBytes = 0;
  private fresh = new Batch<R>();
  private hot = new Batch<R>();
  private optimizer: WasmOptimizer | undefined;
  /** What the optimizer has, in its order. */
  private readonly optimizing: (readonly R[])[] = [];

  constructor(
    private readonly config: RegionCompilerConfig,
    /** Takes the code of a region that is not dropped. */
    private readonly install: (region: R, code: unknown) => void,
  ) {}

  /** Regions are optimized in the background at all. */
  get inBackground(): boolean {
    return this.config.batchMs > 0;
  }

  /** `flush` has something to do. */
  get isDue(): boolean {
    const { fresh, hot, optimizing, config } = this;
    return (
      optimizing.length > 0 ||
      this.hasWaited(fresh, config.batchMs) ||
      this.hasWaited(hot, OPTIMIZER_MS)
    );
  }

  /** Compiles a new region with others that come soon. */
  compile(region: R): void {
    if (this.add(this.fresh, region)) this.compileFresh();
  }

  /** Optimizes a region with others in the background. */
  optimize(region: R): void {
    if (this.add(this.hot, region)) this.optimizeHot();
  }

  /** The region waits to be optimized. */
  isWaiting(region: R): boolean {
    return this.hot.regions.includes(region);
  }

  /** Compiles what has waited for long, and installs what the optimizer has ready. */
  flush(): void {
    if (this.hasWaited(this.fresh, this.config.batchMs)) this.compileFresh();
    if (this.hasWaited(this.hot, OPTIMIZER_MS)) this.optimizeHot();
    const module = this.optimizing.length > 0 ? this.optimizer?.take() : undefined;
    if (module) this.instantiate(this.optimizing.shift()!, module);
  }

  /** True when the batch is full. */
  private add(batch: Batch<R>, region: R): boolean {
    if (batch.regions.length === 0) batch.since = this.config.nowMs?.() ?? 0;
    return batch.regions.push(region) >= BATCH;
  }

  private hasWaited({ regions, since }: Batch<R>, waitMs: number): boolean {
    return regions.length > 0 && (this.config.nowMs?.() ?? Infinity) - since >= waitMs;
  }

  private compileFresh(): void {
    const batch = this.fresh.regions.filter(({ dropped }) => !dropped);
    this.fresh = new Batch();
    if (batch.length > 0) this.instantiate(batch, this.encode(batch, false));
  }

  private optimizeHot(): void {
    const batch = this.hot.regions.filter(({ dropped }) => !dropped);
    this.hot = new Batch();
    if (batch.length === 0) return;
    const bytes = this.encode(batch, true);
    for (const region of batch) region.body = undefined;
    this.optimizer ??= this.config.wasm.optimizer?.();
    if (!this.optimizer) return this.instantiate(batch, bytes);
    this.optimizer.compile(bytes);
    this.optimizing.push(batch);
  }

  /** A module that exports the regions by their place in the batch. */
  private encode(batch: readonly R[], optimized: boolean): Uint8Array<ArrayBuffer> {
    const { memoryPages } = this.config;
    const module = new ModuleBuilder({ initial: memoryPages, maximum: memoryPages });
    this.imports.importTo(module);
    batch.forEach(({ body }, i) => module.export(String(i), module.add(REGION_TYPE, body!)));
    const bytes = module.encode({ optimized });
    this.wasmBytes += bytes.length;
    return bytes;
  }

  private instantiate(batch: readonly R[], code: Uint8Array<ArrayBuffer> | CompiledModule): void {
    const { wasm, memory, helpers } = this.config;
    const made = wasm.instantiate(code, { env: { memory }, helpers });
    batch.forEach((region, i) => {
      if (!region.dropped) this.install(region, made[i]);
    });
  }
}
