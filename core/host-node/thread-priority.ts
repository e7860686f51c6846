import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Nice value of threads that translate and compile: a third of the share of one that runs a guest. */
const GIVE_WAY = 5;

/** Elsewhere priorities belong to whole processes. */
const isAble = process.platform === 'linux';

/** The JavaScript engine's threads, which compile and collect garbage, give way to threads that are started later. */
export function lowerEngineThreads(): void {
  if (!isAble) return;
  for (const thread of readdirSync('/proc/self/task').map(Number))
    if (thread !== process.pid) lower(thread);
}

/** The calling thread gives way to others. */
export function lowerThisThread(): void {
  if (isAble) lower(0);
}

/** `setpriority(2)` takes a thread on Linux. One that has ended meanwhile, or may not be changed, stays as it is. */
function lower(thread: number): void {
  try {
    setPriority(thread, GIVE_WAY);
  } catch {
    return;
  }
}
