/** A module whose code is ready. */
export interface CompiledModule {
  readonly module: unknown;
}

/** Compiles modules on a thread of its own, one after another, with all optimizations the engine has. */
export interface WasmOptimizer {
  /** Begins with a module when those before it are done; the bytes are the optimizer's from then on. */
  compile(bytes: Uint8Array<ArrayBuffer>): void;
  /** The next module in the order of `compile`; undefined while it is not ready. Throws when its bytes were invalid. */
  take(): CompiledModule | undefined;
}

/** What core may ask of the host's WebAssembly; core itself compiles without the global. */
export interface WasmHost {
  /** Compiles, unless that has been done, and instantiates synchronously. Throws when the bytes are invalid or memory runs out. */
  instantiate(
    code: Uint8Array<ArrayBuffer> | CompiledModule,
    imports: Record<string, Record<string, unknown>>,
  ): Record<string, (...args: never[]) => unknown>;
  /** Shared linear memory of exactly `pages` 64 KiB pages: `buffer` for views, `memory` to pass as an import. Throws RangeError when it cannot be had. */
  createMemory(pages: number): WasmMemory;
  /** A thread of the caller's that compiles; absent where there can be none. */
  optimizer?(): WasmOptimizer;
}

export interface WasmMemory {
  readonly memory: unknown;
  readonly buffer: SharedArrayBuffer;
}
