import { availableParallelism, getPriority, setPriority } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import {
  MessageChannel,
  receiveMessageOnPort,
  Worker,
  type MessagePort,
} from 'node:worker_threads';
import type { CompiledModule, HostThread, WasmHost } from '../host';
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

/** Functions are compiled where their module is, which the vcpu's thread has done by another, and not when they are first called. */
setFlagsFromString('--no-wasm-lazy-compilation');

/**
 * V8 looks at `compilationHints` sections: modules that are compiled in the background are optimized at once. It
 * optimizes the others' functions by itself, if these have not come first; as late as 13.0 does.
 */
setFlagsFromString('--experimental-wasm-compilation-hints');
setFlagsFromString('--wasm-tiering-budget=13000000');

/** The part of the JavaScript API that is used; Node's types leave the global out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<object>;
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: Record<string, (...args: never[]) => unknown> };
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => {
    readonly buffer: SharedArrayBuffer;
  };
};

/** What a thread of `threadedWasm` is begun with. */
export interface ThreadData {
  readonly port: MessagePort;
  readonly start: object;
}

/** WebAssembly of this JavaScript engine. */
export const nodeWasm: WasmHost = {
  instantiate(code, imports) {
    const { module } = code instanceof Uint8Array ? compileNow(code) : code;
    return new WebAssembly.Instance(module as object, imports).exports;
  },
  createMemory(pages) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    preferHugePages(memory.buffer.byteLength);
    return { memory, buffer: memory.buffer };
  },
};

/** Compiles while the caller waits. Throws when the bytes are invalid. */
export function compileNow(bytes: Uint8Array<ArrayBuffer>): CompiledModule {
  return { module: new WebAssembly.Module(bytes) };
}

/** Compiles on the engine's threads. Rejects when the bytes are invalid. */
export async function compileMeanwhile(bytes: Uint8Array<ArrayBuffer>): Promise<CompiledModule> {
  return { module: await WebAssembly.compile(bytes) };
}

/**
 * How much lower the priority of a translator's thread is, in steps of `nice`: beside a vcpu on the same core it gets a
 * quarter of the time. With ten steps, a tenth, guests that share a core were interpreted for too long.
 */
const STEPS_BELOW_VCPUS = 5;

/**
 * Makes the calling thread, a translator, and the engine's threads that compile for it leave a core to the vcpu. Without
 * that the boot of a Linux and its first programs take a tenth longer on two cores.
 */
export function giveWayToVcpus(): void {
  setFlagsFromString(`--wasm-num-compilation-tasks=${Math.max(1, availableParallelism() - 1)}`);
  // Linux gives each thread a priority; elsewhere it is the process's, which the vcpus are in.
  if (process.platform !== 'linux') return;
  try {
    setPriority(Math.min(19, getPriority() + STEPS_BELOW_VCPUS));
  } catch {
    // A sandbox may forbid it: the thread does its work all the same.
  }
}

/** `nodeWasm` with translators on threads of their own, which run the program `translator` and are given `ThreadData`. */
export function threadedWasm(translator: URL): WasmHost {
  return { ...nodeWasm, startTranslator: (start) => startThread(translator, start) };
}

/** Starts a worker that does not keep the process alive. */
function startThread(program: URL, start: object): HostThread {
  const { port1, port2 } = new MessageChannel();
  const workerData: ThreadData = { port: port2, start };
  new Worker(program, { workerData, transferList: [port2] }).unref();
  port1.unref();
  return {
    post: (message) => port1.postMessage(message),
    take: () => receiveMessageOnPort(port1)?.message as object | undefined,
  };
}
