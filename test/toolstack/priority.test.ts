import { execFileSync } from 'node:child_process';
import { afterAll, expect, it } from 'vitest';
import { bundleProgram, temporaryDirectory } from './bundle';

const directory = temporaryDirectory();
afterAll(() => directory.close());

interface Priorities {
  readonly main: number;
  readonly others: readonly number[];
}

it('lets a thread give way, and no other of its process', async () => {
  const program = await bundleProgram('give-way.ts', directory.path, ['koffi']);
  const said = execFileSync(process.execPath, [program], { encoding: 'utf8' });
  const { before, after } = JSON.parse(said) as Record<'before' | 'after', Priorities>;
  expect(after.main).toBe(Math.min(19, before.main + 5));
  expect(after.others.length).toBeGreaterThan(0);
  expect(new Set(after.others)).toEqual(new Set([before.main]));
});
