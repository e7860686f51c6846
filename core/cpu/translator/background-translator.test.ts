import { describe, expect, it } from 'vitest';
import { BackgroundTranslator, type FromTranslator } from './background-translator';
import { newNode, type RegionNode } from './region-graph';
import { packNodes, unpackNodes } from './region-packing';
import { viewsOf } from './region-state';

interface Region {
  readonly id: number;
}

function setUp(): {
  translator: BackgroundTranslator<Region>;
  answers: FromTranslator[];
  sent: object[];
  installed: (Region | undefined)[];
} {
  const answers: FromTranslator[] = [];
  const sent: object[] = [];
  const installed: (Region | undefined)[] = [];
  const views = viewsOf(new SharedArrayBuffer(64));
  const translator = new BackgroundTranslator<Region>(
    {
      startTranslator: () => ({
        post: (message) => sent.push(message),
        take: () => answers.shift(),
      }),
      memory: { views, base: 0, long: [], legacy: [] },
    },
    (regions) => installed.push(...regions),
  );
  return { translator, answers, sent, installed };
}

const REQUEST = { nodes: [], long: true, grouping: false, inlineFloats: true, optimized: false };

function region(translator: BackgroundTranslator<Region>, id: number): Region {
  const made = { id };
  translator.translate(made, REQUEST);
  return made;
}

describe('a translator on another thread', () => {
  it('installs what was not dropped meanwhile', () => {
    const { translator, answers, installed } = setUp();
    const kept = region(translator, 1);
    translator.forget(region(translator, 2));
    answers.push({ type: 'compiled', ids: [1, 2], code: { module: {} }, bytes: 10 });
    translator.flush();
    expect(installed).toEqual([kept, undefined]);
    expect(translator.wasmBytes).toBe(10);
  });

  it('sends its orders together, in their order', () => {
    const { translator, sent } = setUp();
    const made = region(translator, 1);
    translator.optimize(made);
    translator.forget(made);
    expect(sent).toEqual([]);
    translator.flush();
    expect(sent).toMatchObject([[{ type: 'translate' }, { type: 'optimize' }, { type: 'forget' }]]);
  });

  it('reports what went wrong, unless the region was dropped: its blocks may have changed', () => {
    const { translator, answers } = setUp();
    region(translator, 1);
    translator.forget(region(translator, 2));
    answers.push({ type: 'failed', id: 2, error: 'of no interest' });
    translator.flush();
    answers.push({ type: 'failed', id: 1, error: 'invalid module' });
    expect(() => translator.flush()).toThrow('invalid module');
  });

  it('takes no more than it can have under way', () => {
    const { translator } = setUp();
    let id = 0;
    while (translator.hasRoom && id < 10_000) region(translator, ++id);
    expect(id).toBe(1_024);
    translator.forget({ id: 1 });
    expect(translator.hasRoom).toBe(true);
  });
});

describe('packed nodes', () => {
  const node = (header: number, rest: Partial<RegionNode>): RegionNode => ({
    ...newNode({
      header,
      at: header - 4096,
      calls: undefined,
      uops: [header + 64, header + 96],
      instructions: 2,
      end: { kind: 'return', targets: [], profile: 0 },
    }),
    ...rest,
  });

  it('are the same nodes again, with their edges', () => {
    const calls = { returnTo: -20, outer: undefined, depth: 0 };
    const nodes = [
      node(4096, { end: { kind: 'branch', taken: -8, next: 12 } }),
      node(8192, { end: { kind: 'call', target: 2 ** 31, next: 5 } }),
      node(12288, { calls }),
      node(16384, { end: { kind: 'indirect', targets: [7, -7], profile: 99, next: undefined } }),
      node(20480, { end: { kind: 'indirect', targets: [], profile: 98, next: 3 } }),
      node(24576, { end: { kind: 'jump', target: 1, next: 2 } }),
      node(28672, { end: { kind: 'far' } }),
      node(32768, { end: { kind: 'stop' } }),
    ];
    nodes[0].successors.push(nodes[0], nodes[1]);
    nodes[1].successors.push(nodes[2]);
    nodes[2].successors.push(nodes[3]);
    nodes[3].successors.push(undefined, nodes[4]);
    expect(unpackNodes(packNodes(nodes))).toEqual(nodes);
  });

  it('know an edge that was never followed from one to a node', () => {
    const branch = node(4096, { end: { kind: 'branch', taken: 0, next: 12 } });
    // Only slot 1 was set: slot 0 is a hole.
    branch.successors[1] = branch;
    const [again] = unpackNodes(packNodes([branch]));
    expect(again.successors[0]).toBeUndefined();
    expect(again.successors[1]).toBe(again);
  });
});
