/**
 * Control-flow analysis of a region and its emission as structured WebAssembly: N. Ramsey, "Beyond Relooper" (ICFP
 * 2022): the dominator tree gives the nesting. Edges that would enter a loop beside its head leave the region instead.
 */
import type { FunctionBuilder, Label } from '../../wasm';
import type { RegionNode } from './region-graph';

/** Orders the nodes, finds dominators, loop heads and merge points, and cuts irreducible edges. */
export function analyse(entry: RegionNode): void {
  const order = reversePostorder(entry);
  order.forEach((node, i) => (node.order = i));
  let predecessors = predecessorsOf(order);
  findDominators(order, predecessors);
  let cut = false;
  for (const node of order) {
    node.successors.forEach((to, slot) => {
      if (!to || to.order > node.order || dominates(to, node)) return;
      node.successors[slot] = undefined;
      cut = true;
    });
  }
  if (cut) {
    predecessors = predecessorsOf(order);
    findDominators(order, predecessors);
  }
  for (const node of order) {
    const before = predecessors[node.order];
    node.loopHead = before.some((p) => p.order >= node.order);
    node.mergePoint = before.filter((p) => p.order < node.order).length > 1;
    node.dominator?.children.push(node);
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
function findDominators(order: readonly RegionNode[], predecessors: readonly RegionNode[][]): void {
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

function dominates(a: RegionNode, b: RegionNode): boolean {
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
    /** Before the branch back to a loop's head. */
    private readonly beforeBack: (head: RegionNode) => void,
  ) {}

  emit(node: RegionNode): void {
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
      this.beforeBack(to);
      this.f.br(this.loops.get(to)!);
    } else if (to.mergePoint) this.f.br(this.merges.get(to)!);
    else this.emit(to);
  }
}
