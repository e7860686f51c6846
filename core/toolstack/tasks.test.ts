import { describe, expect, it } from 'vitest';
import type { TaskInfo } from '../api';
import type { TimerHost } from '../host';
import { TaskBoard } from './tasks';

function setUp(): { board: TaskBoard; seen: TaskInfo[] } {
  const seen: TaskInfo[] = [];
  let now = 0;
  const timers = { wallMs: () => ++now } as TimerHost;
  return { board: new TaskBoard(timers, (task) => seen.push(task)), seen };
}

describe('TaskBoard', () => {
  it('tells start, progress and end of a task and passes its result on', async () => {
    const { board, seen } = setUp();
    const result = await board.run('Create a', 'uuid', async (control) => {
      control.progress(0.5, 'half');
      return 42;
    });
    expect(result).toBe(42);
    expect(seen.map(({ state, progress, message }) => [state, progress, message])).toEqual([
      ['running', null, ''],
      ['running', 0.5, 'half'],
      ['done', 1, ''],
    ]);
    expect(seen[2]).toMatchObject({
      id: 1,
      title: 'Create a',
      domain: 'uuid',
      startedAtMs: 1,
      endedAtMs: 2,
    });
  });

  it('tells failures and throws them', async () => {
    const { board, seen } = setUp();
    await expect(board.run('x', null, () => Promise.reject(new Error('no room')))).rejects.toThrow(
      'no room',
    );
    expect(seen[seen.length - 1]).toMatchObject({ state: 'failed', message: 'no room' });
  });

  it('cancels what can be cancelled', async () => {
    const { board, seen } = setUp();
    const running = board.run(
      'x',
      null,
      (control) => new Promise((_, reject) => control.onCancel(() => reject(new Error('stopped')))),
    );
    expect(board.cancel(1)).toBe(true);
    await expect(running).rejects.toThrow('stopped');
    expect(seen[seen.length - 1]?.state).toBe('cancelled');
    expect(board.cancel(1)).toBe(false);
  });

  it('remembers a bounded number', async () => {
    const { board } = setUp();
    for (let i = 0; i < 500; i++) await board.run(`t${i}`, null, async () => undefined);
    expect(board.all.length).toBe(200);
    expect(board.all[199]?.title).toBe('t499');
  });
});
