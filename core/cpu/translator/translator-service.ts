/** The thread of a BackgroundTranslator: translates and compiles regions, new ones soon, hot ones in large batches with all optimizations. */
import type { CompiledModule } from '../../host';
import type { FunctionBody } from '../../wasm';
import { handlerOf } from '../interp/handler-record';
import {
  type FromTranslator,
  type PackedRequest,
  type ToTranslator,
  type TranslatorOrder,
  type TranslatorStart,
} from './background-translator';
import { encodeRegions } from './region-module';
import { unpackNodes } from './region-packing';
import { HelperImports, viewsOf } from './region-state';
import { BATCH, translateRegion, type TranslationMemory } from './region-translator';

/** Milliseconds that a new region waits for others: it is interpreted meanwhile, and the vcpu takes in each module by itself. */
const FRESH_MS = 5;

/** Milliseconds that a hot region waits for others: it runs meanwhile, but not well. */
const HOT_MS = 100;

/**
 * The same when BURST batches were closed within the last BURST_MS: where regions turn hot all the time, that their code
 * lies together in large modules is worth more than to have it soon.
 */
const LASTING_MS = 1_000;
const BURST = 128;
const BURST_MS = 120_000;

/** What the service asks of its thread. */
export interface TranslatorThread {
  post(message: FromTranslator): void;
  /** Calls `act` in that many milliseconds. */
  after(ms: number, act: () => void): void;
  /** Compiles while the service waits. Throws when the bytes are invalid. */
  compileNow(bytes: Uint8Array<ArrayBuffer>): CompiledModule;
  /** Compiles on other threads. Rejects when the bytes are invalid. */
  compileMeanwhile(bytes: Uint8Array<ArrayBuffer>): Promise<CompiledModule>;
}

/** Functions that wait to be compiled together, by region. */
class Batch {
  private readonly bodies = new Map<number, FunctionBody>();

  constructor(
    private readonly waitMs: () => number,
    private readonly thread: TranslatorThread,
    private readonly compile: (bodies: ReadonlyMap<number, FunctionBody>) => void,
  ) {}

  add(id: number, body: FunctionBody): void {
    if (this.bodies.size === 0) this.thread.after(this.waitMs(), () => this.close());
    this.bodies.set(id, body);
    if (this.bodies.size >= BATCH) this.close();
  }

  delete(id: number): void {
    this.bodies.delete(id);
  }

  private close(): void {
    if (this.bodies.size === 0) return;
    const bodies = new Map(this.bodies);
    this.bodies.clear();
    this.compile(bodies);
  }
}

export class TranslatorService {
  private readonly imports = new HelperImports();
  private readonly memory: TranslationMemory;
  /** What may be optimized later, by region. */
  private readonly requests = new Map<number, PackedRequest>();
  private readonly fresh: Batch;
  private readonly hot: Batch;
  /** Hot batches closed within the last BURST_MS. */
  private recent = 0;

  constructor(
    { buffer, base, long, legacy }: TranslatorStart,
    private readonly thread: TranslatorThread,
  ) {
    const handlers = { long: long.map(handlerOf), legacy: legacy.map(handlerOf) };
    this.memory = { views: viewsOf(buffer), base, ...handlers };
    this.fresh = new Batch(
      () => FRESH_MS,
      thread,
      (bodies) => this.compileFresh(bodies),
    );
    const hotMs = (): number => (this.recent < BURST ? HOT_MS : LASTING_MS);
    this.hot = new Batch(hotMs, thread, (bodies) => {
      this.recent++;
      thread.after(BURST_MS, () => this.recent--);
      void this.compileHot(bodies);
    });
  }

  receive(orders: ToTranslator): void {
    for (const order of orders) this.carryOut(order);
  }

  private carryOut(order: TranslatorOrder): void {
    const { id } = order;
    if (order.type === 'translate') {
      if (!order.request.optimized) this.requests.set(id, order.request);
      this.translate(id, order.request);
    } else if (order.type === 'optimize') {
      const request = this.requests.get(id);
      this.requests.delete(id);
      if (request) this.translate(id, { ...request, optimized: true });
    } else {
      this.requests.delete(id);
      this.fresh.delete(id);
      this.hot.delete(id);
    }
  }

  /** Blocks may be dropped and overwritten while they are read: what comes of that is not installed, but it must not end the thread. */
  private translate(id: number, { packed, ...request }: PackedRequest): void {
    try {
      const nodes = unpackNodes(packed);
      const body = translateRegion({ ...request, nodes }, this.memory, this.imports);
      (request.optimized ? this.hot : this.fresh).add(id, body);
    } catch (cause) {
      this.fail(id, cause);
    }
  }

  private fail(id: number, cause: unknown): void {
    this.thread.post({ type: 'failed', id, error: String(cause) });
  }

  private compileFresh(bodies: ReadonlyMap<number, FunctionBody>): void {
    const bytes = encodeRegions(bodies.values(), this.imports, false);
    try {
      this.compiled(bodies, this.thread.compileNow(bytes), bytes.length);
    } catch (cause) {
      this.isolate(bodies, cause, (one) => this.compileFresh(one));
    }
  }

  private async compileHot(bodies: ReadonlyMap<number, FunctionBody>): Promise<void> {
    const bytes = encodeRegions(bodies.values(), this.imports, true);
    try {
      this.compiled(bodies, await this.thread.compileMeanwhile(bytes), bytes.length);
    } catch (cause) {
      this.isolate(bodies, cause, (one) => void this.compileHot(one));
    }
  }

  /** One function of a module is invalid: the others are compiled without it. */
  private isolate(
    bodies: ReadonlyMap<number, FunctionBody>,
    cause: unknown,
    compile: (one: ReadonlyMap<number, FunctionBody>) => void,
  ): void {
    for (const [id, body] of bodies)
      if (bodies.size === 1) this.fail(id, cause);
      else compile(new Map([[id, body]]));
  }

  private compiled(
    bodies: ReadonlyMap<number, FunctionBody>,
    code: CompiledModule,
    bytes: number,
  ): void {
    this.thread.post({ type: 'compiled', ids: [...bodies.keys()], code, bytes });
  }
}
