/** A module whose code is ready. */
export interface CompiledModule {
  readonly module: unknown;
}

/** A thread of core's own code beside the caller's. What goes to and fro is cloned as structured data. */
export interface HostThread {
  post(message: object): void;
  /** The oldest message from the thread that was not taken yet; undefined while there is none. The caller need not return to an event loop for it to come. */
  take(): object | undefined;
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
  /** Starts a thread that translates, begun with `start` (core/cpu, TranslatorService); absent where there can be none. */
  startTranslator?(start: object): HostThread;
}

export interface WasmMemory {
  readonly memory: unknown;
  readonly buffer: SharedArrayBuffer;
}
