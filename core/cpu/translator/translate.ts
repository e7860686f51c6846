/** Makes a region's function: its nodes in structured order, each instruction from the definition the interpreter uses. */
import { i32, i64, type FunctionBuilder, type I64, type Local } from '../../wasm';
import type { Handler } from '../interp/interpreter';
import * as L from '../layout';
import { TranslatorContext } from './context';
import { INLINES } from './inline';
import { INLINE_SYSTEM } from './inline-system';
import type { NodeEnd, RegionNode, Route } from './region-graph';
import { RegionState, type HelperImports, type MemoryViews } from './region-state';
import { analyse, StructuredEmitter } from './structure';
import type { VectorSnapshot } from './vectors';

export interface TranslationSource {
  readonly memory: MemoryViews;
  readonly handlers: readonly Handler[];
  readonly long: boolean;
  /** Offset of vcpu state. */
  readonly base: number;
}

export function translate(
  entry: RegionNode,
  source: TranslationSource,
  imports: HelperImports,
  grouping: boolean,
  inlineFloats: boolean,
): FunctionBuilder {
  analyse(entry);
  const region = new RegionState(source.memory, source.long, source.base, imports, grouping);
  const emitter = new NodeEmitter(entry, region, source, inlineFloats);
  return region.build(() => emitter.structure.emit(entry));
}

type IndirectEnd = Extract<NodeEnd, { kind: 'indirect' }>;

class NodeEmitter {
  readonly structure: StructuredEmitter;
  private readonly left = new Map<RegionNode, VectorSnapshot>();
  /** Which of its successors the next dispatch node sends on to. */
  private readonly place: Local<'i32'>;

  constructor(
    private readonly entry: RegionNode,
    private readonly region: RegionState,
    private readonly source: TranslationSource,
    private readonly inlineFloats: boolean,
  ) {
    this.place = region.f.local('i32');
    this.structure = new StructuredEmitter(
      region.f,
      (node) => this.node(node),
      (from, head) => region.poll((head.route ? from : head).at),
    );
  }

  private node(node: RegionNode): void {
    const { region } = this;
    const { u8, u16 } = region.memory;
    if (node.mergePoint || node.loopHead) region.flags = undefined;
    region.forgetGroups();
    this.enterVectors(node);
    if (node.route) {
      this.sendOn(node, node.route);
      return;
    }
    region.spend(node.instructions);
    const last = node.uops.length - 1;
    const wanted = this.flagsWanted(node);
    node.uops.forEach((uop, i) => {
      const at = node.at + u16[(uop + L.UOP_RIP_OFFSET) >> 1];
      const remaining = u8[uop + L.UOP_REMAINING];
      if (i === last && node.end.kind === 'stop') {
        region.vectors.nesting = region.f.nesting;
        region.leave(at, remaining, true);
        return;
      }
      const { definition, shape } = this.source.handlers[u16[(uop + L.UOP_HANDLER) >> 1]];
      region.f.scope(() => {
        region.bodyNesting = region.f.nesting;
        region.vectors.nesting = region.f.nesting;
        region.wroteMemory = false;
        region.loadedRounding = false;
        region.outcome = {};
        region.flagsWanted = wanted[i];
        const next = at + u8[uop + L.UOP_LENGTH];
        const far = i === last && node.end.kind === 'far';
        if (far) region.storeNextRip(next);
        const context = new TranslatorContext(
          region,
          { uop, blockAt: node.at },
          shape,
          far,
          definition.keepsFlags === true,
        );
        context.start();
        if (!this.inlined(definition.mnemonic, context, far)) definition.body(context);
        context.finish();
        if (region.loadedRounding)
          region.f.if(region.rounding.differs, () => region.leave(next, remaining - 1, false));
        if (i === last) {
          region.vectors.flush();
          this.left.set(node, region.vectors.snapshot());
          this.end(node);
        } else if (region.wroteMemory) region.checkCode(next, remaining - 1);
      });
    });
  }

  /** To the only successor, which is told a place, or to the one at the place that was told. */
  private sendOn(node: RegionNode, route: Route): void {
    const { region, structure } = this;
    const { successors } = node;
    if (route !== 'dispatch') {
      region.f.set(this.place, i32.const(route.place));
      structure.go(node, successors[0]!);
      return;
    }
    successors.forEach((to, place) => {
      region.flags = undefined;
      if (place === successors.length - 1) structure.go(node, to!);
      else region.f.if(i32.eq(this.place.get, i32.const(place)), () => structure.go(node, to!));
    });
  }

  private inlined(mnemonic: string, context: TranslatorContext, far: boolean): boolean {
    const system = INLINE_SYSTEM.get(mnemonic);
    if (system) return !far && system(context);
    return this.inlineFloats && INLINES.get(mnemonic)?.(context) === true;
  }

  /** What is known of the XMM registers where only one node leads here. */
  private enterVectors(node: RegionNode): void {
    const { vectors } = this.region;
    const before = node.dominator && this.left.get(node.dominator);
    vectors.restore(before && !node.mergePoint && !node.loopHead ? before : new Map());
  }

  /** Of each micro-op, whether anybody may see the flags it leaves before they are set again. */
  private flagsWanted(node: RegionNode): boolean[] {
    const { u16 } = this.region.memory;
    const wanted: boolean[] = [];
    let live = true;
    for (let i = node.uops.length - 1; i >= 0; i--) {
      wanted[i] = live;
      const handler = this.source.handlers[u16[(node.uops[i] + L.UOP_HANDLER) >> 1]];
      const keeps = handler.definition.keepsFlags === true && !live;
      if (handler.leaves || (handler.readsFlags && !keeps)) live = true;
      else if (handler.flags !== 'none' && (handler.flags !== 'unknown' || keeps)) live = false;
    }
    return wanted;
  }

  private end(node: RegionNode): void {
    const { region } = this;
    const { end } = node;
    const { taken, rip } = region.outcome;
    if (end.kind === 'branch') {
      const { flags } = region;
      region.f.if(
        taken!,
        () => this.edge(node, 0, end.taken),
        () => {
          region.flags = flags;
          this.edge(node, 1, end.next);
        },
      );
    } else if (end.kind === 'far') region.leaveFar();
    else if (end.kind === 'indirect') this.indirect(node, end, rip!);
    else if (end.kind === 'jump' || end.kind === 'call') this.edge(node, 0, end.target);
    else if (end.kind === 'return' && node.successors[0]) {
      const returnTo = node.calls!.returnTo;
      region.f.if(
        i64.eq(rip!, region.rip(returnTo)),
        () => this.edge(node, 0, returnTo),
        () => region.leaveTo(rip!),
      );
    } else region.leaveTo(rip!);
  }

  /** Compares with the targets that are in the region, hottest first. */
  private indirect(node: RegionNode, end: IndirectEnd, rip: I64): void {
    const { region } = this;
    const { flags } = region;
    end.targets.forEach((target, slot) => {
      if (!node.successors[slot]) return;
      region.f.if(i64.eq(rip, region.rip(target)), () => {
        region.flags = flags;
        this.edge(node, slot, target);
      });
    });
    region.leaveIndirect(rip, end.profile, this.entry.header);
  }

  private edge(node: RegionNode, slot: number, distance: number): void {
    const to = node.successors[slot];
    if (to) this.structure.go(node, to);
    else this.region.leave(distance, 0, false);
  }
}
