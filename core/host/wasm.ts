/** What core may ask of the host's WebAssembly; core itself compiles without the global. */
export interface WasmHost {
  /** Compiles and instantiates synchronously. Throws when the bytes are invalid or memory runs out. */
  instantiate(
    bytes: Uint8Array<ArrayBuffer>,
    imports: Record<string, Record<string, unknown>>,
  ): Record<string, (...args: never[]) => unknown>;
  /** Shared linear memory of exactly `pages` 64 KiB pages: `buffer` for views, `memory` to pass as an import. Throws RangeError when it cannot be had. */
  createMemory(pages: number): WasmMemory;
}

export interface WasmMemory {
  readonly memory: unknown;
  readonly buffer: SharedArrayBuffer;
}
