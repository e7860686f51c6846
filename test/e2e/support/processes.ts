import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What a process of the app is for. */
export type Role = 'main' | 'page' | 'gpu' | 'domain' | 'helper';

export interface AppProcess {
  readonly pid: number;
  readonly role: Role;
}

/** Processor time and memory of one role. */
export interface Usage {
  /** Share of one core. */
  cpu: number;
  /** Proportional set size: memory that processes share is counted once. */
  pssMiB: number;
  rssMiB: number;
  processes: number;
}

/** proc_pid_stat(5): the fields after the command, which may hold spaces and parentheses itself. */
function stat(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function parentOf(pid: number): number {
  return Number(stat(pid)[1]);
}

function isBelow(pid: number, ancestor: number): boolean {
  for (let at = pid; at > 1; at = parentOf(at)) if (at === ancestor) return true;
  return false;
}

function roleOf(pid: number, main: number): Role | null {
  try {
    if (pid === main) return 'main';
    if (!isBelow(pid, main)) return null;
    if (readlinkSync(`/proc/${pid}/exe`) !== readlinkSync(`/proc/${main}/exe`)) return null;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    if (command.includes('--type=renderer')) return 'page';
    if (command.includes('--type=gpu-process')) return 'gpu';
    return command.includes('node.mojom.NodeService') ? 'domain' : 'helper';
  } catch {
    // It ended while it was looked at.
    return null;
  }
}

/** The processes of the app whose main process is `main`. */
export function processesOf(main: number): AppProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), role: roleOf(Number(name), main) }))
    .filter((found): found is AppProcess => found.role !== null);
}

/** Processes that host domains. */
export function domainProcesses(main: number): number[] {
  return processesOf(main)
    .filter(({ role }) => role === 'domain')
    .map(({ pid }) => pid);
}

let ticksPerSecond = 0;

/** Processor seconds that a process has used, its threads together. */
function cpuSeconds(pid: number): number {
  ticksPerSecond ||= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const fields = stat(pid);
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function memoryMiB(pid: number, name: 'Rss' | 'Pss'): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  return Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024;
}

/** What the app uses by role, over `ms` of doing nothing to it. */
export async function measure(main: number, ms: number): Promise<Record<Role, Usage>> {
  const processes = processesOf(main);
  const before = new Map(processes.map(({ pid }) => [pid, cpuSeconds(pid)]));
  const start = performance.now();
  await new Promise((wake) => setTimeout(wake, ms));
  const seconds = (performance.now() - start) / 1000;
  const none = (): Usage => ({ cpu: 0, pssMiB: 0, rssMiB: 0, processes: 0 });
  const usage = { main: none(), page: none(), gpu: none(), domain: none(), helper: none() };
  for (const { pid, role } of processes) {
    const of = usage[role];
    of.cpu += (cpuSeconds(pid) - (before.get(pid) ?? 0)) / seconds;
    of.rssMiB += memoryMiB(pid, 'Rss');
    of.pssMiB += memoryMiB(pid, 'Pss');
    of.processes += 1;
  }
  return usage;
}
