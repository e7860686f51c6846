import { setFlagsFromString } from 'node:v8';
import type { WasmHost } from '../host';

/** V8 lays rare branches out of the way if told to (8 % of a Linux boot); it listens by itself from this version on. */
const BRANCH_HINTS_SINCE = 13.6;
if (parseFloat(process.versions.v8) < BRANCH_HINTS_SINCE)
  setFlagsFromString('--experimental-wasm-branch-hinting');

/**
 * V8 11.3 (Node 20) moves 64-bit values as 32-bit ones when it tidies the moves of large functions with calls (of 34 Linux
 * guests four saw processes crash); 13.0 was right about the same code. Without that pass no benchmark is slower.
 */
setFlagsFromString('--no-turbo-move-optimization');

/** The part of the JavaScript API that is used; Node's types leave the global out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: Record<string, (...args: never[]) => unknown> };
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => {
    readonly buffer: SharedArrayBuffer;
  };
};

/** WebAssembly of this JavaScript engine. */
export const nodeWasm: WasmHost = {
  instantiate(bytes, imports) {
    return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports;
  },
  createMemory(pages) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    return { memory, buffer: memory.buffer };
  },
};
