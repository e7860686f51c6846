/**
 * The translator's budget: bytes of WebAssembly and operators for each guest instruction of fixed loops, against
 * budget.json. A change that makes them dearer by more than 2 % fails until the budget is written anew on purpose.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { LoopTranslator, type Cost, type Loop, type LoopCost } from './translate-loop';
import { moduleSize } from './operators';

const SLACK = 1.02;
const UPDATE = process.env['DOMUS_BUDGET'] === 'update';
const BUDGET_FILE = new URL('./budget.json', import.meta.url);
const HOW =
  'if that is meant: DOMUS_BUDGET=update npm run test:cpu -- budget, and commit budget.json';

function read<T>(name: string): Record<string, T> {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as Record<string, T>;
}

const loops = read<Loop>('./loops.json');
const budget = read<LoopCost>('./budget.json');
const measured: Record<string, LoopCost> = {};

function compare(name: string, now: Cost, committed: Cost | undefined): void {
  for (const unit of ['bytes', 'operators'] as const) {
    const limit = (committed?.[unit] ?? 0) * SLACK;
    expect(
      now[unit],
      `${name}: ${now[unit]} ${unit} a guest instruction, budget ${committed?.[unit] ?? 'none'}; ${HOW}`,
    ).toBeLessThanOrEqual(limit);
  }
}

describe('budget of the translator', () => {
  it.each(Object.keys(loops))('%s', (name) => {
    const now = new LoopTranslator(loops[name], name.endsWith('-64')).measure();
    measured[name] = now;
    if (UPDATE) return;
    compare(`${name}, first regions`, now.first, budget[name]?.first);
    compare(`${name}, enlarged regions`, now.enlarged, budget[name]?.enlarged);
  });

  it('comes out the same each time', () => {
    const once = (): LoopCost => new LoopTranslator(loops['calls-64'], true).measure();
    expect(once()).toEqual(once());
  });

  afterAll(() => {
    if (UPDATE)
      writeFileSync(BUDGET_FILE, `${JSON.stringify({ ...budget, ...measured }, undefined, 2)}\n`);
  });
});

describe('moduleSize', () => {
  it('counts operators, not ends', () => {
    // (func (param i32) (result i32) (if (local.get 0) (then (return (i32.const 200)))) (i32.const 1))
    const body = [0x00, 0x20, 0, 0x04, 0x40, 0x41, 0xc8, 0x01, 0x0f, 0x0b, 0x41, 1, 0x0b];
    const code = [10, body.length + 2, 1, body.length, ...body];
    const module = Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...code]);
    expect(moduleSize(module)).toEqual({ functions: 1, bytes: body.length, operators: 5 });
  });

  it('refuses what it does not know', () => {
    const module = Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 10, 5, 1, 3, 0, 0x06, 0x0b]);
    expect(() => moduleSize(module)).toThrow('opcode 6');
  });
});
