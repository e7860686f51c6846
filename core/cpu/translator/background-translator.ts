/** Translates on a thread of its own (translator-service.ts): the vcpu goes on in the interpreter meanwhile. */
import type { CompiledModule, HostThread, WasmHost } from '../../host';
import { recordOf, type HandlerRecord } from '../interp/handler-record';
import { packNodes } from './region-packing';
import type {
  RegionRequest,
  RegionTranslator,
  TranslatedRegion,
  TranslationMemory,
} from './region-translator';

/** Regions under way at most: a guest that makes code faster than it is translated must not fill the memory. */
const MAX_UNDER_WAY = 1_024;

/** What the thread is begun with. */
export interface TranslatorStart {
  /** The domain's memory, where decoded blocks are. */
  readonly buffer: SharedArrayBuffer;
  readonly base: number;
  readonly long: readonly HandlerRecord[];
  readonly legacy: readonly HandlerRecord[];
}

/** A RegionRequest with its nodes packed. */
export type PackedRequest = Omit<RegionRequest, 'nodes'> & { readonly packed: Float64Array };

export type TranslatorOrder =
  | { readonly type: 'translate'; readonly id: number; readonly request: PackedRequest }
  | { readonly type: 'optimize' | 'forget'; readonly id: number };

export type ToTranslator = readonly TranslatorOrder[];

export type FromTranslator =
  | {
      readonly type: 'compiled';
      /** Regions by their place in the module. */
      readonly ids: readonly number[];
      readonly code: CompiledModule;
      readonly bytes: number;
    }
  | { readonly type: 'failed'; readonly id: number; readonly error: string };

export interface BackgroundTranslatorConfig {
  readonly startTranslator: NonNullable<WasmHost['startTranslator']>;
  readonly memory: TranslationMemory;
}

export class BackgroundTranslator<R extends TranslatedRegion> implements RegionTranslator<R> {
  wasmBytes = 0;
  private thread: HostThread | undefined;
  /** Regions whose code or better code is to come, by id. */
  private readonly underWay = new Map<number, R>();
  /** Sent with the next `flush`: to wake a thread takes longer than to run a slice's. */
  private orders: TranslatorOrder[] = [];

  constructor(
    private readonly config: BackgroundTranslatorConfig,
    private readonly install: (regions: readonly (R | undefined)[], code: CompiledModule) => void,
  ) {}

  get hasRoom(): boolean {
    return this.underWay.size < MAX_UNDER_WAY;
  }

  get isDue(): boolean {
    return this.underWay.size > 0 || this.orders.length > 0;
  }

  translate(region: R, { nodes, ...rest }: RegionRequest): void {
    const { id } = region;
    this.underWay.set(id, region);
    this.orders.push({ type: 'translate', id, request: { ...rest, packed: packNodes(nodes) } });
  }

  optimize(region: R): void {
    const { id } = region;
    this.underWay.set(id, region);
    this.orders.push({ type: 'optimize', id });
  }

  forget({ id }: R): void {
    this.underWay.delete(id);
    this.orders.push({ type: 'forget', id });
  }

  flush(): void {
    if (this.orders.length > 0) this.send();
    const message = this.thread?.take() as FromTranslator | undefined;
    if (message?.type === 'failed') {
      // What a dropped region was made of may have changed while it was read.
      if (this.underWay.delete(message.id)) throw new Error(message.error);
    } else if (message) {
      const regions = message.ids.map((id) => this.underWay.get(id));
      for (const id of message.ids) this.underWay.delete(id);
      this.wasmBytes += message.bytes;
      this.install(regions, message.code);
    }
  }

  private send(): void {
    this.thread ??= this.start();
    const orders: ToTranslator = this.orders;
    this.orders = [];
    this.thread.post(orders);
  }

  private start(): HostThread {
    const { startTranslator, memory } = this.config;
    const { views, base } = memory;
    const start: TranslatorStart = {
      buffer: views.u8.buffer as SharedArrayBuffer,
      base,
      long: memory.long.map(recordOf),
      legacy: memory.legacy.map(recordOf),
    };
    return startTranslator(start);
  }
}
