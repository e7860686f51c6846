import { ElNotification } from 'element-plus';
import { defineStore } from 'pinia';
import { computed, h, ref } from 'vue';
import type { TaskInfo } from '../../core/api';
import { call, errorMessage, sentence } from '../api';

/** Finished tasks and problems that stay in the pane; older ones leave. */
const MAX_KEPT = 200;

/** Something that went wrong, as it is listed until it is cleared. */
export interface Problem {
  id: number;
  atMs: number;
  level: 'warn' | 'error';
  /** Name of the virtual machine it is about, or null. */
  domain: string | null;
  message: string;
}

/** What runs, what ran, and what went wrong. */
export const useTasksStore = defineStore('tasks', () => {
  const tasks = ref<TaskInfo[]>([]);
  const problems = ref<Problem[]>([]);
  const unseen = ref(0);
  let nextId = 1;

  const running = computed(() => tasks.value.filter((task) => task.state === 'running'));

  function putTask(task: TaskInfo): void {
    const index = tasks.value.findIndex((known) => known.id === task.id);
    if (index >= 0) tasks.value[index] = task;
    else tasks.value.unshift(task);
    if (tasks.value.length > MAX_KEPT) tasks.value.length = MAX_KEPT;
  }

  function addProblem(level: Problem['level'], message: string, domain: string | null): void {
    problems.value.unshift({ id: nextId++, atMs: Date.now(), level, domain, message });
    if (problems.value.length > MAX_KEPT) problems.value.length = MAX_KEPT;
    unseen.value += 1;
  }

  /** Shows an error to the user and keeps it in the list. `title` says what was being done. */
  function report(title: string, error: unknown, domain: string | null = null): void {
    const message = errorMessage(error);
    addProblem('error', `${title}: ${message}`, domain);
    notify('error', title, message);
  }

  function notice(level: 'info' | 'warn' | 'error', message: string, domain: string | null): void {
    if (level !== 'info') addProblem(level, sentence(message), domain);
    const rest =
      domain !== null && message.startsWith(`${domain}: `)
        ? message.slice(domain.length + 2)
        : message;
    notify(level, domain ?? 'Domus', sentence(rest));
  }

  function clearProblems(): void {
    problems.value = [];
    unseen.value = 0;
  }

  function clearFinished(): void {
    tasks.value = running.value;
  }

  async function cancel(task: TaskInfo): Promise<void> {
    await call('task/cancel', { task: task.id }).catch((error: unknown) => report('Cancel', error));
  }

  return {
    tasks,
    problems,
    unseen,
    running,
    putTask,
    report,
    notice,
    clearProblems,
    clearFinished,
    cancel,
  };
});

/** What can be done about a message, from the message. */
export interface NoticeAction {
  label: string;
  run: () => void;
}

/** A message in the corner: text, and perhaps a button. Errors, and what can be acted on, stay longer. */
export function notify(
  level: 'info' | 'warn' | 'error' | 'success',
  title: string,
  message: string,
  action?: NoticeAction,
): void {
  const shown = ElNotification({
    title,
    message:
      action === undefined
        ? message
        : h('span', [
            message,
            ' ',
            h(
              'button',
              {
                type: 'button',
                class: 'notice-action',
                onClick: () => {
                  shown.close();
                  action.run();
                },
              },
              action.label,
            ),
          ]),
    type: level === 'warn' ? 'warning' : level,
    position: 'bottom-right',
    offset: 34,
    duration: level === 'error' || action !== undefined ? 12_000 : 4_500,
    dangerouslyUseHTMLString: false,
  });
}
