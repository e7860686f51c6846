/**
 * Makes a region's graph reducible, which structured WebAssembly must be. A region begins where the guest's code was
 * hot, often in the middle of a loop: seen from there, a loop that it does not lie in may have several entries. Such a
 * loop gets one, a node that sends on to the entry that was meant. The nesting is that of P. Havlak, "Nesting of
 * Reducible and Irreducible Loops" (TOPLAS 1997).
 */
import { newNode, type RegionNode, type Route } from './region-graph';

/** Gives each loop of `nodes`, which are all that `entry` leads to, a single entry. */
export function makeReducible(entry: RegionNode, nodes: readonly RegionNode[]): void {
  const visit = (part: ReadonlySet<RegionNode>): void => {
    for (const loop of cycles(part)) {
      const isEntry = (node: RegionNode): boolean =>
        node === entry || nodes.some((from) => !loop.has(from) && from.successors.includes(node));
      const entries = [...loop].filter(isEntry);
      if (entries.length > 1) addDispatch(entries, nodes);
      for (const node of entries) loop.delete(node);
      visit(loop);
    }
  };
  visit(new Set(nodes));
}

/** Every edge to one of `entries` now leads through one node, which sends on. */
function addDispatch(entries: readonly RegionNode[], nodes: readonly RegionNode[]): void {
  const dispatch = routeNode('dispatch', 0, entries);
  for (const { successors } of nodes)
    successors.forEach((to, slot) => {
      const place = to ? entries.indexOf(to) : -1;
      if (to && place >= 0) successors[slot] = routeNode({ place }, to.at, [dispatch]);
    });
}

function routeNode(route: Route, at: number, successors: readonly RegionNode[]): RegionNode {
  const code = { header: 0, at, calls: undefined, uops: [], instructions: 0 };
  const node = newNode({ ...code, end: { kind: 'stop' } }, route);
  node.successors.push(...successors);
  return node;
}

/** Strongly connected parts with an edge in them (R. Tarjan, "Depth-First Search and Linear Graph Algorithms", 1972). */
function cycles(part: ReadonlySet<RegionNode>): Set<RegionNode>[] {
  const found: Set<RegionNode>[] = [];
  const number = new Map<RegionNode, number>();
  const open: RegionNode[] = [];
  const isOpen = new Set<RegionNode>();
  /** @returns the lowest number of an open node that `node` leads to */
  const visit = (node: RegionNode): number => {
    const own = number.size;
    let lowest = own;
    number.set(node, own);
    open.push(node);
    isOpen.add(node);
    for (const to of node.successors) {
      if (!to || !part.has(to)) continue;
      const seen = number.get(to);
      if (seen === undefined) lowest = Math.min(lowest, visit(to));
      else if (isOpen.has(to)) lowest = Math.min(lowest, seen);
    }
    if (lowest === own) {
      const closed = open.splice(open.indexOf(node));
      for (const member of closed) isOpen.delete(member);
      if (closed.length > 1 || node.successors.includes(node)) found.push(new Set(closed));
    }
    return lowest;
  };
  for (const node of part) if (!number.has(node)) visit(node);
  return found;
}
