// Processor time of a program and all it started, from Linux' /proc.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Unit of the times in /proc/PID/stat. */
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Fields of /proc/PID/stat behind the name, proc(5): state is 0. */
const PARENT = 1;
const USER_TIME = 11;
const SYSTEM_TIME = 12;
/** Of children that ended and were waited for. */
const CHILD_USER_TIME = 13;
const CHILD_SYSTEM_TIME = 14;

function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
  } catch {
    return undefined;
  }
}

/** Process ids of a program and its descendants. */
function descendants(root) {
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = stat(name)?.[PARENT];
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** Seconds that every thread of a process ran and that it waited for a processor: /proc/PID/task/TID/schedstat, in nanoseconds. */
function threadTimes(pid, times) {
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      const [ran, waited] = text.split(' ').map((ns) => Number(ns) / 1e9);
      times.set(thread, { ran, waited });
    }
  } catch {
    // It has ended meanwhile.
  }
}

/** Processor time of a program and its descendants until now: in all, user and system, and by thread; seconds. */
export function processorTimes(root) {
  const threads = new Map();
  let [ticks, endedTicks] = [0, 0];
  for (const pid of descendants(root)) {
    const fields = stat(pid);
    if (fields === undefined) continue;
    ticks += fields[USER_TIME] + fields[SYSTEM_TIME];
    endedTicks += fields[CHILD_USER_TIME] + fields[CHILD_SYSTEM_TIME];
    threadTimes(pid, threads);
  }
  const endedSeconds = endedTicks / TICKS_PER_SECOND;
  return { cpuSeconds: ticks / TICKS_PER_SECOND + endedSeconds, endedSeconds, threads };
}

/**
 * What was used between two looks: in all, and by the busiest thread, which is the one that runs the guest;
 * `queuedSeconds` is how long that one was ready but something else had the processors.
 */
export function processorTimeBetween(before, after) {
  let busiest = { ran: 0, waited: 0 };
  for (const [thread, { ran, waited }] of after.threads) {
    const start = before.threads.get(thread) ?? { ran: 0, waited: 0 };
    const used = { ran: ran - start.ran, waited: waited - start.waited };
    if (used.ran > busiest.ran) busiest = used;
  }
  return {
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    // A program that runs natively does its work in processes that have ended by now.
    threadSeconds: busiest.ran + after.endedSeconds - before.endedSeconds,
    queuedSeconds: busiest.waited,
  };
}
