import type { TaskInfo } from '../api';
import type { TimerHost } from '../host';

/** Finished tasks that are remembered for those who come later. */
const KEPT_TASKS = 200;

/** What a running task may do about itself. */
export interface TaskControl {
  progress(fraction: number | null, message?: string): void;
  /** Called when the user cancels; a task without it cannot be cancelled. */
  onCancel(cancel: () => void): void;
}

/** Acts that take time, with their progress and outcome. */
export class TaskBoard {
  private nextId = 1;
  private readonly tasks = new Map<number, TaskInfo>();
  private readonly cancels = new Map<number, () => void>();

  constructor(
    private readonly timers: TimerHost,
    private readonly changed: (task: TaskInfo) => void,
  ) {}

  get all(): TaskInfo[] {
    return [...this.tasks.values()];
  }

  /** Runs `act` as a task and passes on its result or failure. */
  async run<T>(
    title: string,
    domain: string | null,
    act: (control: TaskControl) => Promise<T>,
  ): Promise<T> {
    const id = this.nextId++;
    const started: TaskInfo = {
      id,
      title,
      domain,
      state: 'running',
      progress: null,
      message: '',
      startedAtMs: this.timers.wallMs(),
      endedAtMs: null,
    };
    this.update(started);
    let cancelled = false;
    const control: TaskControl = {
      progress: (progress, message) =>
        this.update({
          ...this.current(started),
          progress,
          ...(message === undefined ? {} : { message }),
        }),
      onCancel: (cancel) =>
        this.cancels.set(id, () => {
          cancelled = true;
          cancel();
        }),
    };
    try {
      const result = await act(control);
      this.finish(started, 'done', '');
      return result;
    } catch (cause) {
      this.finish(
        started,
        cancelled ? 'cancelled' : 'failed',
        cause instanceof Error ? cause.message : String(cause),
      );
      throw cause;
    }
  }

  /** False when there is no such task running, or it cannot be cancelled. */
  cancel(id: number): boolean {
    const cancel = this.cancels.get(id);
    cancel?.();
    return cancel !== undefined;
  }

  private current(task: TaskInfo): TaskInfo {
    return this.tasks.get(task.id) ?? task;
  }

  private finish(task: TaskInfo, state: TaskInfo['state'], message: string): void {
    this.cancels.delete(task.id);
    this.update({
      ...this.current(task),
      state,
      message,
      progress: state === 'done' ? 1 : this.current(task).progress,
      endedAtMs: this.timers.wallMs(),
    });
  }

  private update(task: TaskInfo): void {
    this.tasks.set(task.id, task);
    for (const [id, old] of this.tasks) {
      if (this.tasks.size <= KEPT_TASKS) break;
      if (old.state !== 'running') this.tasks.delete(id);
    }
    this.changed(task);
  }
}
