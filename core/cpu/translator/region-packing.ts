/** A region's nodes as one list of numbers: as objects they take as long to clone for another thread as to be found. */
import * as L from '../layout';
import { newNode, type NodeEnd, type RegionNode } from './region-graph';

const END_KINDS = ['branch', 'jump', 'call', 'return', 'indirect', 'far', 'stop'] as const;

/** Absent numbers: no region reaches so far (region-graph.ts REACH). */
const NONE = Infinity;

function packEnd(end: NodeEnd, out: number[]): void {
  out.push(END_KINDS.indexOf(end.kind));
  if (end.kind === 'branch') out.push(end.taken, end.next);
  else if (end.kind === 'jump' || end.kind === 'call') out.push(end.target, end.next);
  else if (end.kind === 'return') out.push(end.profile, end.targets.length, ...end.targets);
  else if (end.kind === 'indirect')
    out.push(end.profile, end.next ?? NONE, end.targets.length, ...end.targets);
}

/** @returns what `unpackNodes` takes */
export function packNodes(nodes: readonly RegionNode[]): Float64Array<ArrayBuffer> {
  const places = new Map(nodes.map((node, place) => [node, place]));
  const out: number[] = [];
  for (const { header, at, calls, uops, instructions, end, successors } of nodes) {
    out.push(header, at, calls?.returnTo ?? NONE, uops.length, instructions);
    packEnd(end, out);
    out.push(successors.length);
    // Slots of edges that leave the region may be holes.
    for (let slot = 0; slot < successors.length; slot++) {
      const to = successors[slot];
      out.push(to ? places.get(to)! : NONE);
    }
  }
  return Float64Array.from(out);
}

/** The nodes again, without the outer callers of their call chains, which only growing a region needs. */
export function unpackNodes(packed: Float64Array): RegionNode[] {
  let next = 0;
  const take = (): number => packed[next++];
  const takeList = (): number[] => Array.from({ length: take() }, take);
  const optional = (value: number): number | undefined => (value === NONE ? undefined : value);
  const takeEnd = (): NodeEnd => {
    const kind = END_KINDS[take()];
    if (kind === 'branch') return { kind, taken: take(), next: take() };
    if (kind === 'jump' || kind === 'call') return { kind, target: take(), next: take() };
    if (kind === 'return') return { kind, profile: take(), targets: takeList() };
    if (kind !== 'indirect') return { kind };
    return { kind, profile: take(), next: optional(take()), targets: takeList() };
  };
  const nodes: RegionNode[] = [];
  const edges: number[][] = [];
  while (next < packed.length) {
    const header = take();
    const at = take();
    const returnTo = optional(take());
    const first = header + L.BLOCK_HEADER_BYTES;
    const uops = Array.from({ length: take() }, (_, i) => first + i * L.UOP_BYTES);
    const instructions = take();
    const calls = returnTo === undefined ? undefined : { returnTo, outer: undefined, depth: 0 };
    nodes.push(newNode({ header, at, calls, uops, instructions, end: takeEnd() }));
    edges.push(takeList());
  }
  nodes.forEach((node, i) => {
    for (const place of edges[i])
      node.successors.push(optional(place) === undefined ? undefined : nodes[place]);
  });
  return nodes;
}
