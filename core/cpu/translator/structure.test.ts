import { describe, expect, it } from 'vitest';
import { Random } from '../../../test/cpu/random';
import { newNode, type RegionNode } from './region-graph';
import { analyse, dominates } from './structure';

/** Nodes with two edges each at most, by the numbers of those they lead to. */
function graph(...edges: readonly (readonly number[])[]): RegionNode[] {
  const nodes = edges.map((_, i) =>
    newNode({
      header: i,
      at: i,
      calls: undefined,
      uops: [],
      instructions: 1,
      end: { kind: 'branch', taken: 0, next: 0 },
    }),
  );
  nodes.forEach((node, i) => node.successors.push(...edges[i].map((to) => nodes[to])));
  return nodes;
}

/** All nodes that the entry leads to now. */
function reached(entry: RegionNode): RegionNode[] {
  const found = new Set([entry]);
  for (const node of found) for (const to of node.successors) if (to) found.add(to);
  return [...found];
}

/** Where an edge ends behind the nodes that send on: each edge into a dispatch says which way. */
function target(edge: RegionNode | undefined): RegionNode | undefined {
  if (!edge?.route || edge.route === 'dispatch') return edge;
  return edge.successors[0]!.successors[edge.route.place];
}

/** Whoever comes into an innermost loop comes to its head. */
function hasSingleEntries(entry: RegionNode): boolean {
  return reached(entry).every((from) =>
    from.successors.every((to) => !to?.loop || to === to.loop || from.loop === to.loop),
  );
}

function isStructured(entry: RegionNode): boolean {
  return reached(entry).every((from) =>
    from.successors.every((to) => !to || to.order > from.order || dominates(to, from)),
  );
}

describe('analyse', () => {
  it('adds nothing to a graph whose loops have one entry', () => {
    const [entry] = graph([1], [2, 3], [1], [0]);
    analyse(entry);
    expect(reached(entry).filter(({ route }) => route)).toEqual([]);
  });

  it('sends on where a loop is entered in two places', () => {
    // 1 and 2 are a loop, 0 leads to both.
    const [entry, one, two] = graph([1, 2], [2], [1]);
    analyse(entry);
    expect(isStructured(entry)).toBe(true);
    const [dispatch] = reached(entry).filter(({ route }) => route === 'dispatch');
    expect(dispatch.loopHead).toBe(true);
    expect(new Set(dispatch.successors)).toEqual(new Set([one, two]));
    expect(entry.successors.map(target)).toEqual([one, two]);
  });

  it('tells which nodes are in a loop without loops in it', () => {
    // 1 and 2 are a loop in the loop of all; 4 is one by itself, outside.
    const nodes = graph([1, 4], [2], [1, 3], [0], [4]);
    const [entry, one, two, three, four] = nodes;
    analyse(entry);
    expect(nodes.map(({ loop }) => loop)).toEqual([undefined, one, one, undefined, four]);
    expect([two, three].map(({ loopHead }) => loopHead)).toEqual([false, false]);
  });

  it('keeps every edge of any graph', () => {
    const random = new Random(7);
    let routed = 0;
    for (let round = 0; round < 1_000; round++) {
      const size = 2 + random.below(14);
      const edges = Array.from({ length: size }, () =>
        Array.from({ length: 1 + random.below(2) }, () => random.below(size)),
      );
      const nodes = graph(...edges);
      const [entry] = nodes;
      const before = new Set(reached(entry));
      analyse(entry);
      const after = reached(entry);
      expect(isStructured(entry)).toBe(true);
      expect(hasSingleEntries(entry)).toBe(true);
      expect(new Set(after.filter(({ route }) => !route))).toEqual(before);
      for (const node of before)
        expect(node.successors.map(target)).toEqual(edges[node.header].map((to) => nodes[to]));
      if (after.length > before.size) routed++;
    }
    expect(routed).toBeGreaterThan(100);
  });
});
