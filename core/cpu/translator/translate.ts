/** Makes a region's function: its nodes in structured order, each instruction from the definition the interpreter uses. */
import { i32, i64, type FunctionBuilder, type I64, type Local } from '../../wasm';
import type { Handler } from '../interp/interpreter';
import * as L from '../layout';
import { TranslatorContext } from './context';
import { meet, type RegisterState } from './guest-registers';
import { INLINES } from './inline';
import { INLINE_STACK } from './inline-stack';
import { INLINE_SYSTEM } from './inline-system';
import type { RegionNode, Route } from './region-graph';
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
  inLocals: boolean,
): FunctionBuilder {
  analyse(entry);
  const { memory, long, base } = source;
  const region = new RegionState(memory, long, base, imports, grouping, inLocals);
  const emitter = new NodeEmitter(entry, region, source, inlineFloats);
  return region.build(() => emitter.structure.emit(entry));
}

class NodeEmitter {
  readonly structure: StructuredEmitter;
  private readonly left = new Map<RegionNode, VectorSnapshot>();
  /** What holds where several ways forward meet, of those written so far. */
  private readonly meetings = new Map<RegionNode, RegisterState>();
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
      (node) => this.arrive(node),
      (from, head) => region.poll((head.route ? from : head).at),
    );
  }

  /** What holds of general registers where a node, or the loop it heads, begins. */
  private arrive(node: RegionNode): void {
    const { registers } = this.region;
    const met = this.meetings.get(node);
    if (met) registers.restore(met);
    if (node.loopHead) registers.enterLoop(node.loop);
  }

  private node(node: RegionNode): void {
    const { region } = this;
    const { u8, u16 } = region.memory;
    region.registers.enterNode(node.loop);
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
        region.beginBody();
        region.leave(at, remaining, true);
        return;
      }
      const { definition, shape } = this.source.handlers[u16[(uop + L.UOP_HANDLER) >> 1]];
      region.f.scope(() => {
        region.beginBody();
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
          region.registers.flushRegisters();
          this.left.set(node, region.vectors.snapshot());
          this.end(node);
        } else if (region.wroteMemory) region.checkCode(next, remaining - 1);
      });
    });
  }

  /** To the only successor, which is told a place, or to the one at the place that was told. */
  private sendOn(node: RegionNode, route: Route): void {
    const { region } = this;
    const { successors } = node;
    if (route !== 'dispatch') {
      region.f.set(this.place, i32.const(route.place));
      this.follow(node, successors[0]!);
      return;
    }
    region.flags = undefined;
    const way = this.fork();
    successors.forEach((to, place) => {
      const follow = way(() => this.follow(node, to!));
      if (place === successors.length - 1) follow();
      else region.f.if(i32.eq(this.place.get, i32.const(place)), follow);
    });
  }

  private inlined(mnemonic: string, context: TranslatorContext, far: boolean): boolean {
    const exact = INLINE_SYSTEM.get(mnemonic) ?? INLINE_STACK.get(mnemonic);
    if (exact) return !far && exact(context);
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

  /** For several ways that go on from here: each begins with what holds now. */
  private fork(): (go: () => void) => () => void {
    const { region } = this;
    const { flags } = region;
    const { state } = region.registers;
    return (go) => () => {
      region.flags = flags;
      region.registers.restore(state);
      go();
    };
  }

  private end(node: RegionNode): void {
    const { region } = this;
    const { end } = node;
    const { outcome } = region;
    if (end.kind === 'branch') {
      const way = this.fork();
      region.f.if(
        outcome.taken!,
        way(() => this.edge(node, 0, end.taken)),
        way(() => this.edge(node, 1, end.next)),
      );
    } else if (end.kind === 'far') region.leaveFar();
    else if (end.kind === 'indirect')
      this.compare(node, end.targets, outcome.rip!, () =>
        region.leaveIndirect(outcome.rip!, end.profile, this.entry.header),
      );
    else if (end.kind === 'jump' || end.kind === 'call') this.edge(node, 0, end.target);
    else if (end.kind === 'return') {
      const targets = node.calls ? [node.calls.returnTo] : end.targets;
      this.compare(node, targets, outcome.rip!, () =>
        end.profile === 0
          ? region.leaveTo(outcome.rip!)
          : region.leaveNoting(outcome.rip!, end.profile),
      );
    }
  }

  /** Compares with the targets that are in the region; `otherwise` for another one. */
  private compare(
    node: RegionNode,
    targets: readonly number[],
    rip: I64,
    otherwise: () => void,
  ): void {
    const { region } = this;
    const way = this.fork();
    targets.forEach((target, slot) => {
      if (node.successors[slot])
        region.f.if(
          i64.eq(rip, region.rip(target)),
          way(() => this.edge(node, slot, target)),
        );
    });
    way(otherwise)();
  }

  private edge(node: RegionNode, slot: number, distance: number): void {
    const to = node.successors[slot];
    if (to) this.follow(node, to);
    else this.region.leave(distance, 0, false);
  }

  /** An edge within the region. */
  private follow(from: RegionNode, to: RegionNode): void {
    const { registers } = this.region;
    const { state } = registers;
    if (to.mergePoint || to.loopHead) registers.flushFlags();
    if (to.mergePoint && to.order > from.order) {
      const met = this.meetings.get(to);
      this.meetings.set(to, met ? meet(met, state) : state);
    }
    registers.restore(state);
    this.structure.go(from, to);
  }
}
