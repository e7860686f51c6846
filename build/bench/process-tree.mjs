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
export function descendants(root) {
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

/** Seconds of processor time, user and system, used by a program and its descendants until now. */
export function cpuSeconds(root) {
  let ticks = 0;
  for (const pid of descendants(root)) {
    const fields = stat(pid);
    if (fields === undefined) continue;
    for (const field of [USER_TIME, SYSTEM_TIME, CHILD_USER_TIME, CHILD_SYSTEM_TIME])
      ticks += fields[field];
  }
  return ticks / TICKS_PER_SECOND;
}
