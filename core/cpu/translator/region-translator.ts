/** What turns regions into code, on the vcpu's thread or on another: what it is given, and what it must know of a region. */
import type { FunctionBody } from '../../wasm';
import type { Handler } from '../interp/interpreter';
import type { RegionNode } from './region-graph';
import type { HelperImports, MemoryViews } from './region-state';
import { translate } from './translate';

/**
 * Regions that are compiled together at most. A module has code, jumps and data in pages of its own: a dispatch finds them
 * in the caches if many regions share them.
 */
export const BATCH = 128;

/** What the translator needs to know of a region. */
export interface TranslatedRegion {
  /** Unique among all of a vcpu, for all time. */
  readonly id: number;
}

/** A region to translate. Its nodes are the translator's from then on. */
export interface RegionRequest {
  readonly nodes: readonly RegionNode[];
  readonly long: boolean;
  /** One TLB check may serve several accesses of a block. */
  readonly grouping: boolean;
  /** Floats are calculated in the region, not by helpers. */
  readonly inlineFloats: boolean;
  /** Made for a compiler that optimizes, which takes its time: registers are in locals (guest-registers.ts). */
  readonly optimized: boolean;
}

export interface RegionTranslator<R extends TranslatedRegion> {
  /** Another region can be taken now. */
  readonly hasRoom: boolean;
  /** `flush` has something to do. */
  readonly isDue: boolean;
  /** Size of all modules so far. */
  readonly wasmBytes: number;
  /** Begins with a region; its code is installed by some `flush`. */
  translate(region: R, request: RegionRequest): void;
  /** Begins to compile a translated region anew with all optimizations. */
  optimize?(region: R): void;
  /** A region was dropped. */
  forget(region: R): void;
  /** Installs what is ready. Throws what went wrong with a region that is not dropped. */
  flush(): void;
}

/** Where translations read what was decoded, and which handlers it names. */
export interface TranslationMemory {
  readonly views: MemoryViews;
  /** Offset of vcpu state. */
  readonly base: number;
  readonly long: readonly Handler[];
  readonly legacy: readonly Handler[];
}

/** The function of a region. */
export function translateRegion(
  { nodes, long, grouping, inlineFloats, optimized }: RegionRequest,
  { views: memory, base, ...handlers }: TranslationMemory,
  imports: HelperImports,
): FunctionBody {
  const source = { memory, base, long, handlers: long ? handlers.long : handlers.legacy };
  return translate(nodes[0], source, imports, grouping, inlineFloats, optimized).encode();
}
