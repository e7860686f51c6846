/** Translates on the vcpu's thread, for hosts without others and for results that do not depend on time; the engine's own tiers optimize. */
import type { FunctionBody } from '../../wasm';
import { encodeRegions } from './region-module';
import { HelperImports } from './region-state';
import {
  BATCH,
  translateRegion,
  type RegionRequest,
  type RegionTranslator,
  type TranslatedRegion,
  type TranslationMemory,
} from './region-translator';

/** Milliseconds that a new region waits for others at most: a module for each would cost more than it. */
export const BATCH_MS = 80;

export interface LocalTranslatorConfig {
  readonly memory: TranslationMemory;
  /** Made for the engine's compiler that optimizes what is hot. */
  readonly optimized: boolean;
  /** Milliseconds by `nowMs` that a new region waits for others; with 0 none does. */
  readonly batchMs: number;
  /** Monotonic milliseconds; without it no region waits. */
  readonly nowMs?: () => number;
}

export class LocalTranslator<R extends TranslatedRegion> implements RegionTranslator<R> {
  readonly hasRoom = true;
  wasmBytes = 0;
  private readonly imports = new HelperImports();
  private readonly waiting = new Map<R, FunctionBody>();
  /** `nowMs` when the first of them began to wait. */
  private since = 0;

  constructor(
    private readonly config: LocalTranslatorConfig,
    private readonly install: (regions: readonly R[], code: Uint8Array<ArrayBuffer>) => void,
  ) {}

  get isDue(): boolean {
    const { nowMs, batchMs } = this.config;
    return this.waiting.size > 0 && (nowMs?.() ?? Infinity) - this.since >= batchMs;
  }

  translate(region: R, request: RegionRequest): void {
    if (this.waiting.size === 0) this.since = this.config.nowMs?.() ?? 0;
    const { memory, optimized } = this.config;
    const body = translateRegion({ ...request, optimized }, memory, this.imports);
    this.waiting.set(region, body);
    if (this.waiting.size >= BATCH) this.compile();
  }

  forget(region: R): void {
    this.waiting.delete(region);
  }

  flush(): void {
    if (this.isDue) this.compile();
  }

  private compile(): void {
    const regions = [...this.waiting.keys()];
    const bodies = [...this.waiting.values()];
    this.waiting.clear();
    const bytes = encodeRegions(bodies, this.imports, false);
    this.wasmBytes += bytes.length;
    this.install(regions, bytes);
  }
}
