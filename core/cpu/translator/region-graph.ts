/**
 * Which decoded blocks make a region: from its entry along direct branches, calls and returns to what the interpreter
 * has seen executed. A call's target is taken in once for each chain of callers, so that its return has one place to go.
 */
import type { Handler } from '../interp/interpreter';
import * as L from '../layout';
import { staysInRegion } from './inline-system';

/** How far a region grows. Its compile time grows faster than its size. */
export interface RegionLimits {
  readonly nodes: number;
  readonly instructions: number;
  /** Chains of calls followed into their targets. */
  readonly callDepth: number;
  /** Regions that a block may be part of, and one that a region begins with. */
  readonly copies: number;
  readonly entryCopies: number;
  /** It is made anew when it runs on: where its returns go is noted for that. */
  readonly notesReturns: boolean;
}

/** First translation: code that may never run again is not compiled many times over. */
export const SMALL: RegionLimits = {
  nodes: 24,
  instructions: 128,
  callDepth: 2,
  copies: 4,
  entryCopies: 2,
  notesReturns: true,
};

/** Translation of what runs all the time. */
export const LARGE: RegionLimits = {
  nodes: 64,
  instructions: 320,
  callDepth: 4,
  copies: Infinity,
  entryCopies: Infinity,
  notesReturns: false,
};

/**
 * Bytes a region may reach from its entry: an executable and its libraries lie farther apart, by another distance in
 * each process (address space layout randomisation), and would be no region to the next one.
 */
const REACH = 2 ** 31;

/** Left to the interpreter: they write memory twice, and a miss between the writes could not be taken back. */
const INTERPRETED = new Set(['CMPXCHG8B', 'CMPXCHG16B']);

/** Return sites of the calls on the way to a node, innermost first. */
export interface CallChain {
  /** RIP of the return site, bytes from the region's entry. */
  readonly returnTo: number;
  readonly outer: CallChain | undefined;
  readonly depth: number;
}

/** How a node ends; distances are bytes from the region's entry. */
export type NodeEnd =
  | { readonly kind: 'branch'; readonly taken: number; readonly next: number }
  | { readonly kind: 'jump' | 'call'; readonly target: number; readonly next: number }
  | {
      readonly kind: 'return';
      /** Where other regions have gone from here, if to few places; none for a node with a chain of calls. */
      readonly targets: readonly number[];
      /** Address of the profile where this one notes it, or 0. */
      readonly profile: number;
    }
  | {
      readonly kind: 'indirect';
      readonly targets: readonly number[];
      /** Address of the block's profile. */
      readonly profile: number;
      /** Return site of a call. */
      readonly next: number | undefined;
    }
  /** The last instruction may change the mode: the region is left behind it. */
  | { readonly kind: 'far' }
  /** The last instruction and what follows is the interpreter's. */
  | { readonly kind: 'stop' };

/** A node that is not the guest's code but sends on within the region (reducible.ts): by what was chosen before, or choosing a place among its successors. */
export type Route = 'dispatch' | { readonly place: number };

export interface RegionNode {
  readonly route: Route | undefined;
  readonly header: number;
  /** RIP of the block, bytes from the region's entry. */
  readonly at: number;
  readonly calls: CallChain | undefined;
  /** Addresses of the micro-ops to translate; with `stop`, the last one is where the interpreter goes on. */
  readonly uops: readonly number[];
  readonly instructions: number;
  readonly end: NodeEnd;
  /** Where the edges of `end` lead within the region, in the order taken/target, next/return; an indirect branch's in the order of its targets. */
  readonly successors: (RegionNode | undefined)[];
  // Set by control-flow analysis (structure.ts).
  order: number;
  dominator: RegionNode | undefined;
  loopHead: boolean;
  mergePoint: boolean;
  /** Head of the loop it is in, if that has no loops in it. */
  loop: RegionNode | undefined;
  children: RegionNode[];
}

export interface GraphSource {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  /** Handlers of the mode by number. */
  readonly handlers: readonly Handler[];
  readonly long: boolean;
  /** CPL is not 3. */
  readonly supervisor: boolean;
  /** RIPs that the indirect branch with a profile has gone to; several may have one place in it. */
  lateTargets(profile: number): readonly bigint[];
  /** These, and those it held when regions were made before. */
  targets(profile: number): readonly bigint[];
  /** Distance of a RIP from the entry's. */
  distanceOf(rip: bigint): number;
  /** Header of the block `distance` bytes from the entry, or 0. */
  peek(distance: number): number;
  /** Times a block has run, as far as the interpreter counted. */
  executions(header: number): number;
  /** Other regions that a block is part of. */
  copies(header: number): number;
  /** Blocks that ran less often are left out. */
  readonly minExecutions: number;
}

/** Callers whose code a region goes on with behind a return: what many call would bring all their code. */
const MAX_CALLERS = 2;

/** Raise a fault or look for the code again: for the interpreter. */
const ODD_ENDS = new Set(['RAISE', 'FETCH']);

interface Profile {
  readonly profile: number;
  readonly targets: readonly number[];
}

/** An indirect branch's profile, and its targets: of late, or ever. */
function profileOf(source: GraphSource, uop: number, span: 'late' | 'ever'): Profile {
  const profile = source.i32[(uop + L.UOP_IMM) >> 2];
  const rips = span === 'late' ? source.lateTargets(profile) : source.targets(profile);
  return { profile, targets: rips.map((rip) => source.distanceOf(rip)) };
}

/** A return whose caller is in the region needs no profile, and one that drops parameters has none. */
function returnEnd(source: GraphSource, uop: number, notes: boolean): NodeEnd {
  const { profile, targets } = profileOf(source, uop, 'late');
  const few = targets.length <= MAX_CALLERS;
  return { kind: 'return', targets: few ? targets : [], profile: notes ? profile : 0 };
}

/** Distance of the instruction behind a micro-op's. */
function nextOf(source: GraphSource, at: number, uop: number): number {
  return at + source.u16[(uop + L.UOP_RIP_OFFSET) >> 1] + source.u8[uop + L.UOP_LENGTH];
}

function endOf(
  source: GraphSource,
  at: number,
  uop: number,
  calls: CallChain | undefined,
  notesReturns: boolean,
): NodeEnd | undefined {
  const { definition, shape } = source.handlers[source.u16[(uop + L.UOP_HANDLER) >> 1]];
  const { mnemonic } = definition;
  if (INTERPRETED.has(mnemonic) || mnemonic === 'REFETCH') return { kind: 'stop' };
  if (definition.ends === undefined) return undefined;
  if (definition.ends === 'far') {
    const operand = source.u16[(uop + L.UOP_REG1) >> 1];
    if (source.supervisor && staysInRegion(mnemonic, shape.operandBytes, operand, source.long)) {
      const behind = nextOf(source, at, uop);
      return { kind: 'jump', target: behind, next: behind };
    }
    return { kind: ODD_ENDS.has(mnemonic) ? 'stop' : 'far' };
  }
  const near = mnemonic !== 'FALLTHROUGH';
  if (near && !source.long && shape.operandBytes === 2) return { kind: 'stop' };
  if (mnemonic === 'RET')
    return calls || shape.forms.length > 0
      ? { kind: 'return', targets: [], profile: 0 }
      : returnEnd(source, uop, notesReturns);
  const target = at + source.i32[(uop + L.UOP_IMM) >> 2];
  const next = nextOf(source, at, uop);
  if (!near) return { kind: 'jump', target, next: target };
  const direct = shape.forms[0]?.kind === 'j';
  if (mnemonic === 'JMP')
    return direct
      ? { kind: 'jump', target, next }
      : { kind: 'indirect', ...profileOf(source, uop, 'ever'), next: undefined };
  if (mnemonic === 'CALL')
    return direct
      ? { kind: 'call', target, next }
      : { kind: 'indirect', ...profileOf(source, uop, 'ever'), next };
  return { kind: 'branch', taken: target, next };
}

function makeNode(
  source: GraphSource,
  header: number,
  at: number,
  calls: CallChain | undefined,
  { notesReturns }: RegionLimits,
): RegionNode {
  const count = source.u16[(header + L.BLOCK_UOPS) >> 1];
  const uops: number[] = [];
  let end: NodeEnd | undefined;
  for (let i = 0; i < count && !end; i++) {
    const uop = header + L.BLOCK_HEADER_BYTES + i * L.UOP_BYTES;
    uops.push(uop);
    end = endOf(source, at, uop, calls, notesReturns);
  }
  const instructions = source.u16[(header + L.BLOCK_INSTRUCTIONS) >> 1];
  return newNode({ header, at, calls, uops, instructions, end: end ?? { kind: 'stop' } });
}

/** A node that leads nowhere yet. */
export function newNode(
  content: Pick<RegionNode, 'header' | 'at' | 'calls' | 'uops' | 'instructions' | 'end'>,
  route?: Route,
): RegionNode {
  // Field by field: V8 takes many times as long to spread `content`.
  const { header, at, calls, uops, instructions, end } = content;
  return {
    route,
    header,
    at,
    calls,
    uops,
    instructions,
    end,
    successors: [],
    order: -1,
    dominator: undefined,
    loopHead: false,
    mergePoint: false,
    loop: undefined,
    children: [],
  };
}

/** An edge that waits to be followed. */
interface Candidate {
  readonly from: RegionNode;
  readonly slot: number;
  readonly header: number;
  readonly at: number;
  readonly calls: CallChain | undefined;
  readonly executions: number;
}

/** Grows a region from its entry, hottest edges first. */
export function growRegion(source: GraphSource, entry: number, limits: RegionLimits): RegionNode[] {
  const root = makeNode(source, entry, 0, undefined, limits);
  const nodes = [root];
  const known = new Map<CallChain | undefined, Map<number, RegionNode>>();
  const register = (node: RegionNode): void => {
    let group = known.get(node.calls);
    if (!group) known.set(node.calls, (group = new Map<number, RegionNode>()));
    group.set(node.header, node);
  };
  register(root);
  let instructions = root.instructions;
  const frontier: Candidate[] = [];
  const chains = new Map<CallChain | undefined, Map<number, CallChain>>();
  const chainOf = (outer: CallChain | undefined, returnTo: number): CallChain => {
    let group = chains.get(outer);
    if (!group) chains.set(outer, (group = new Map<number, CallChain>()));
    let chain = group.get(returnTo);
    if (!chain) group.set(returnTo, (chain = { returnTo, outer, depth: (outer?.depth ?? 0) + 1 }));
    return chain;
  };
  const offer = (
    from: RegionNode,
    slot: number,
    at: number,
    calls: CallChain | undefined,
  ): void => {
    if (Math.abs(at) >= REACH) return;
    const header = source.peek(at);
    if (header === 0) return;
    const executions = source.executions(header);
    if (executions < source.minExecutions) return;
    const entered = source.u32[(header + L.BLOCK_REGION) >> 2] !== 0;
    const limit = entered ? limits.entryCopies : limits.copies;
    if (source.copies(header) >= limit) return;
    frontier.push({ from, slot, header, at, calls, executions });
  };
  const expand = (node: RegionNode): void => {
    const { end, calls } = node;
    if (end.kind === 'branch') {
      offer(node, 0, end.taken, calls);
      offer(node, 1, end.next, calls);
    } else if (end.kind === 'jump') offer(node, 0, end.target, calls);
    else if (end.kind === 'call') {
      if ((calls?.depth ?? 0) < limits.callDepth)
        offer(node, 0, end.target, chainOf(calls, end.next));
    } else if (end.kind === 'indirect') {
      const deeper = end.next === undefined ? calls : chainOf(calls, end.next);
      if (deeper === calls || (calls?.depth ?? 0) < limits.callDepth)
        end.targets.forEach((target, slot) => offer(node, slot, target, deeper));
    } else if (end.kind === 'return') {
      if (calls) offer(node, 0, calls.returnTo, calls.outer);
      else end.targets.forEach((target, slot) => offer(node, slot, target, undefined));
    }
  };
  expand(root);
  while (frontier.length > 0) {
    let best = 0;
    for (let i = 1; i < frontier.length; i++)
      if (frontier[i].executions > frontier[best].executions) best = i;
    const [edge] = frontier.splice(best, 1);
    const present = known.get(edge.calls)?.get(edge.header);
    if (present && present.at === edge.at) {
      edge.from.successors[edge.slot] = present;
      continue;
    }
    const size = source.u16[(edge.header + L.BLOCK_INSTRUCTIONS) >> 1];
    if (present || nodes.length >= limits.nodes || instructions + size > limits.instructions)
      continue;
    const node = makeNode(source, edge.header, edge.at, edge.calls, limits);
    if (node.end.kind === 'stop' && node.uops.length === 1) continue;
    instructions += size;
    nodes.push(node);
    register(node);
    edge.from.successors[edge.slot] = node;
    expand(node);
  }
  return nodes;
}
