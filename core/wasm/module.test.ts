import { describe, expect, it } from 'vitest';
import { i32, i64, ModuleBuilder } from '.';

/** The payload of the custom section of that name, and where function bodies begin. */
function sections(module: Uint8Array): { custom: Map<string, Uint8Array>; code: number } {
  const custom = new Map<string, Uint8Array>();
  let code = 0;
  for (let at = 8; at < module.length;) {
    const id = module[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++] ?? 0;
      size |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (id === 10) code = at;
    if (id === 0) {
      const length = module[at] ?? 0;
      const name = String.fromCharCode(...module.subarray(at + 1, at + 1 + length));
      custom.set(name, module.subarray(at + 1 + length, at + size));
    }
    at += size;
  }
  return { custom, code };
}

describe('branch hints', () => {
  it('name the ifs that are marked, behind what was deferred', () => {
    const module = new ModuleBuilder({ initial: 1, maximum: 1 });
    const { builder: f } = module.function({ params: ['i32'], results: [] });
    const condition = f.param(0, 'i32').get;
    f.local('i64');
    f.if(condition, () => f.do(i64.store(i32.const(0), i64.const(1))));
    f.later(() => [i32.store(i32.const(8), i32.const(300))]);
    f.if(condition, () => {
      f.block(() => f.unlikely());
      f.if(condition, () => f.drop(condition));
    });
    const bytes = module.encode();
    const { custom, code } = sections(bytes);
    // One function, number 0, with one hint: offset, size 1, unlikely.
    const hint = [...(custom.get('metadata.code.branch_hint') ?? [])];
    expect(hint.slice(0, 3)).toEqual([1, 0, 1]);
    expect(hint.slice(4)).toEqual([1, 0]);
    // Count of functions and the body's size, a byte each.
    const body = bytes.subarray(code + 2);
    const at = hint[3] ?? 0;
    // local.get 0, if; behind it a block.
    expect([...body.subarray(at - 2, at + 3)]).toEqual([0x20, 0, 0x04, 0x40, 0x02]);
  });

  it('are left out when nothing is marked', () => {
    const module = new ModuleBuilder({ initial: 1, maximum: 1 });
    const { builder: f } = module.function({ params: ['i32'], results: [] });
    f.if(f.param(0, 'i32').get, () => f.return());
    expect(sections(module.encode()).custom.size).toBe(0);
  });
});
