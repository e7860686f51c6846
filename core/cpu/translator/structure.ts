/**
 * Control-flow analysis of a region and its emission as structured WebAssembly: N. Ramsey, "Beyond Relooper" (ICFP
 * 2022): the dominator tree gives the nesting.
 */
import type { FunctionBuilder, Label } from '../../wasm';
import { makeReducible } from './reducible';
import type { RegionNode } from './region-graph';

/** Orders the nodes and finds dominators, loop heads and merge points. Loops with several entries get one (reducible.ts). */
export function analyse(entry: RegionNode): void {
  let graph = orderedGraph(entry);
  const entersBesideHead = (from: RegionNode): boolean =>
    from.successors.some((to) => to && to.order <= from.order && !dominates(to, from));
  if (graph.order.some(entersBesideHead)) {
    makeReducible(entry, graph.order);
    graph = orderedGraph(entry);
  }
  for (const node of graph.order) {
    const before = graph.predecessors[node.order];
    node.loopHead = before.some((p) => p.order >= node.order);
    node.mergePoint = before.filter((p) => p.order < node.order).length > 1;
    node.dominator?.children.push(node);
  }
  findInnermostLoops(graph);
}

interface OrderedGraph {
  readonly order: readonly RegionNode[];
  /** By the node's order. */
  readonly predecessors: readonly (readonly RegionNode[])[];
}

function orderedGraph(entry: RegionNode): OrderedGraph {
  const order = reversePostorder(entry);
  order.forEach((node, i) => (node.order = i));
  const predecessors = predecessorsOf(order);
  findDominators(order, predecessors);
  return { order, predecessors };
}

/** Natural loops (all that comes back to a head without leaving it behind) with no other head in them: nodes are told of theirs. */
function findInnermostLoops({ order, predecessors }: OrderedGraph): void {
  for (const head of order) {
    if (!head.loopHead) continue;
    const body = new Set([head]);
    const waiting = predecessors[head.order].filter((from) => from.order >= head.order);
    for (let node = waiting.pop(); node; node = waiting.pop()) {
      if (body.has(node)) continue;
      body.add(node);
      waiting.push(...predecessors[node.order]);
    }
    if ([...body].every((node) => node === head || !node.loopHead))
      for (const node of body) node.loop = head;
  }
}

/** Sources of the edges into each node; a node with two edges to another counts twice. */
function predecessorsOf(order: readonly RegionNode[]): RegionNode[][] {
  const predecessors = order.map((): RegionNode[] => []);
  for (const node of order)
    for (const to of node.successors) if (to) predecessors[to.order].push(node);
  return predecessors;
}

function reversePostorder(entry: RegionNode): RegionNode[] {
  const seen = new Set<RegionNode>([entry]);
  const out: RegionNode[] = [];
  const visit = (node: RegionNode): void => {
    for (const to of node.successors) {
      if (!to || seen.has(to)) continue;
      seen.add(to);
      visit(to);
    }
    out.push(node);
  };
  visit(entry);
  return out.reverse();
}

/** K. Cooper, T. Harvey, K. Kennedy: "A Simple, Fast Dominance Algorithm". */
function findDominators(
  order: readonly RegionNode[],
  predecessors: readonly (readonly RegionNode[])[],
): void {
  const [entry] = order;
  const idom: (RegionNode | undefined)[] = order.map(() => undefined);
  idom[0] = entry;
  const intersect = (a: RegionNode, b: RegionNode): RegionNode => {
    let [x, y] = [a, b];
    while (x !== y) {
      while (x.order > y.order) x = idom[x.order]!;
      while (y.order > x.order) y = idom[y.order]!;
    }
    return x;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (const node of order.slice(1)) {
      let found: RegionNode | undefined;
      for (const p of predecessors[node.order])
        if (idom[p.order]) found = found ? intersect(p, found) : p;
      if (idom[node.order] !== found) {
        idom[node.order] = found;
        changed = true;
      }
    }
  }
  for (const node of order) node.dominator = node === entry ? undefined : idom[node.order];
}

/** Every way to `b` leads through `a`. */
export function dominates(a: RegionNode, b: RegionNode): boolean {
  for (let node: RegionNode | undefined = b; node; node = node.dominator)
    if (node === a) return true;
  return false;
}

/** Writes a region's nodes: `body` emits one node and calls `go` for each of its edges within the region. */
export class StructuredEmitter {
  private readonly loops = new Map<RegionNode, Label>();
  private readonly merges = new Map<RegionNode, Label>();

  constructor(
    private readonly f: FunctionBuilder,
    private readonly body: (node: RegionNode) => void,
    /** Before a node and, if it is a loop's head, ahead of the loop. */
    private readonly arrive: (node: RegionNode) => void,
    /** Before the branch back to a loop's head. */
    private readonly beforeBack: (from: RegionNode, head: RegionNode) => void,
  ) {}

  emit(node: RegionNode): void {
    this.arrive(node);
    const merging = node.children.filter((child) => child.mergePoint);
    merging.sort((a, b) => a.order - b.order);
    const inner = (rest: readonly RegionNode[]): void => {
      const last = rest.at(-1);
      if (!last) {
        this.body(node);
        return;
      }
      this.f.block((label) => {
        this.merges.set(last, label);
        inner(rest.slice(0, -1));
      });
      this.emit(last);
    };
    if (!node.loopHead) {
      inner(merging);
      return;
    }
    this.f.loop((label) => {
      this.loops.set(node, label);
      inner(merging);
    });
    this.f.unreachable();
  }

  /** Follows an edge; nothing behind it is reached. */
  go(from: RegionNode, to: RegionNode): void {
    if (to.order <= from.order) {
      this.beforeBack(from, to);
      this.f.br(this.loops.get(to)!);
    } else if (to.mergePoint) this.f.br(this.merges.get(to)!);
    else this.emit(to);
  }
}
