import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { nodeLocks } from '../../core/host-node/locks';
import { bundleProgram, temporaryDirectory } from './bundle';

const directory = temporaryDirectory();
const children: ChildProcess[] = [];
let program = '';

beforeAll(async () => {
  program = await bundleProgram('lock-holder.ts', directory.path);
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => directory.close());

/** Starts a process that wants the lock; resolves to what it says. */
async function holder(
  name: string,
  mode: 'exclusive' | 'shared',
  label: string,
): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [program, name, mode, label], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: chunk.toString().trim() };
}

let counter = 0;
const freshName = (): string => `test.${process.pid}.${counter++}`;
const SELF = { pid: process.pid, name: 'the test' };

describe('locks between processes', () => {
  it('exclude, and name who holds them', async () => {
    const name = freshName();
    const { child } = await holder(name, 'exclusive', 'domain debian');
    expect(await nodeLocks.acquire(name, 'exclusive', SELF)).toEqual({
      owner: { pid: child.pid, name: 'domain debian' },
    });
    expect(await nodeLocks.acquire(name, 'shared', SELF)).toEqual({
      owner: { pid: child.pid, name: 'domain debian' },
    });
  });

  it('end with their process at kill -9', async () => {
    const name = freshName();
    for (let round = 0; round < 5; round++) {
      const { child, said } = await holder(name, 'exclusive', `round ${round}`);
      expect(said).toBe('held');
      child.kill('SIGKILL');
      await once(child, 'exit');
      const result = await nodeLocks.acquire(name, 'exclusive', SELF);
      expect(result).toHaveProperty('lock');
      if ('lock' in result) await result.lock.release();
    }
  });

  it('are shared by readers, whom a writer waits for', async () => {
    const name = freshName();
    const first = await holder(name, 'shared', 'one');
    const second = await holder(name, 'shared', 'two');
    expect([first.said, second.said]).toEqual(['held', 'held']);
    expect(await nodeLocks.acquire(name, 'exclusive', SELF)).toMatchObject({
      owner: { name: 'one' },
    });
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    expect(await nodeLocks.acquire(name, 'exclusive', SELF)).toMatchObject({
      owner: { name: 'two' },
    });
    second.child.kill('SIGKILL');
    await once(second.child, 'exit');
    expect(await nodeLocks.acquire(name, 'exclusive', SELF)).toHaveProperty('lock');
  });

  it('report a holder that does not answer as unknown', async () => {
    const name = freshName();
    const { child } = await holder(name, 'exclusive', 'stopped');
    child.kill('SIGSTOP');
    expect(await nodeLocks.acquire(name, 'exclusive', SELF)).toEqual({ owner: null });
  });

  it('are never given to a reader and a writer that race', async () => {
    const name = freshName();
    for (let round = 0; round < 20; round++) {
      const results = await Promise.all([
        nodeLocks.acquire(name, 'exclusive', SELF),
        nodeLocks.acquire(name, 'shared', SELF),
        nodeLocks.acquire(name, 'exclusive', SELF),
      ]);
      const held = results.flatMap((result) => ('lock' in result ? [result.lock] : []));
      expect(held.length).toBeLessThanOrEqual(1);
      for (const lock of held) await lock.release();
    }
  });
});
