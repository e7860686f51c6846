import { setFlagsFromString } from 'node:v8';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { CompiledModule, WasmHost, WasmOptimizer } from '../host';
import { preferHugePages } from './address-space';

/** V8 lays rare branches out of the way if told to (8 % of a Linux boot); it listens by itself from this version on. */
const BRANCH_HINTS_SINCE = 13.6;
if (parseFloat(process.versions.v8) < BRANCH_HINTS_SINCE)
  setFlagsFromString('--experimental-wasm-branch-hinting');

/**
 * V8 11.3 (Node 20) moves 64-bit values as 32-bit ones when it tidies the moves of large functions with calls (of 34 Linux
 * guests four saw processes crash); 13.0 was right about the same code. Without that pass no benchmark is slower.
 */
setFlagsFromString('--no-turbo-move-optimization');

/**
 * V8 looks at `compilationHints` sections: modules that are compiled in the background are optimized at once. It
 * optimizes the others' functions by itself, if these have not come first; as late as 13.0 does.
 */
setFlagsFromString('--experimental-wasm-compilation-hints');
setFlagsFromString('--wasm-tiering-budget=13000000');

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

/** The optimizer's thread: modules go back by the port that bytes came by, or why they are none. */
const OPTIMIZER = `
const { workerData } = require('node:worker_threads');
workerData.on('message', (bytes) => {
  try {
    workerData.postMessage({ module: new WebAssembly.Module(bytes) });
  } catch (cause) {
    workerData.postMessage({ error: String(cause) });
  }
});`;

/** A worker that compiles. Its port is polled, as the caller may never return to an event loop. */
function startOptimizer(): WasmOptimizer {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(OPTIMIZER, {
    eval: true,
    workerData: port2,
    transferList: [port2],
  });
  worker.unref();
  port1.unref();
  return {
    compile(bytes) {
      port1.postMessage(bytes, [bytes.buffer]);
    },
    take() {
      const answer = receiveMessageOnPort(port1)?.message as
        (CompiledModule & { readonly error?: string }) | undefined;
      if (answer?.error !== undefined) throw new Error(answer.error);
      return answer;
    },
  };
}

/** WebAssembly of this JavaScript engine. */
export const nodeWasm: WasmHost = {
  instantiate(code, imports) {
    const module =
      code instanceof Uint8Array ? new WebAssembly.Module(code) : (code.module as object);
    return new WebAssembly.Instance(module, imports).exports;
  },
  optimizer: startOptimizer,
  createMemory(pages) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    preferHugePages(memory.buffer.byteLength);
    return { memory, buffer: memory.buffer };
  },
};
