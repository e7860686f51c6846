import type { WasmHost } from '../host';

/** WebAssembly of this JavaScript engine. */
export const nodeWasm: WasmHost = {
  instantiate(bytes, imports) {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports as WebAssembly.Imports);
    return instance.exports as Record<string, (...args: never[]) => unknown>;
  },
  createMemory(pages) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    return { memory, buffer: memory.buffer as unknown as SharedArrayBuffer };
  },
};
