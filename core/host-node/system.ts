import { randomUUID } from 'node:crypto';
import { cpus, freemem, hostname, tmpdir, totalmem, userInfo } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import envPaths from 'env-paths';
import { encrypt } from 'unixcrypt';
import type { HostSample, SystemHost } from '../host';

interface CpuTimes {
  busyMs: number;
  totalMs: number;
}

function cpuTimes(): CpuTimes {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    const busy = times.user + times.nice + times.sys + times.irq;
    busyMs += busy;
    totalMs += busy + times.idle;
  }
  return { busyMs, totalMs };
}

let last: CpuTimes = { busyMs: 0, totalMs: 0 };

/** A container's limit counts too, where this Node can tell it. */
function freeBytes(): number {
  const available =
    'availableMemory' in process && typeof process.availableMemory === 'function'
      ? Number(process.availableMemory())
      : Infinity;
  return Math.min(freemem(), available);
}

function sample(): HostSample {
  const now = cpuTimes();
  const total = now.totalMs - last.totalMs;
  const cpu = total > 0 ? (now.busyMs - last.busyMs) / total : 0;
  last = now;
  const processors = cpus();
  return {
    hostname: hostname(),
    cpus: processors.length,
    cpuModel: processors[0]?.model.trim() ?? '',
    cpu,
    memoryBytes: totalmem(),
    memoryFreeBytes: freeBytes(),
    cpuSeconds: now.busyMs / 1000,
  };
}

/** This computer. */
export const nodeSystem: SystemHost = {
  pid: process.pid,
  sample,
  uuid: () => randomUUID(),
  hashPassword: (password) => encrypt(password),
};

/** Where Domus keeps its files, and where its control socket is. */
export interface DomusPaths {
  /** Definitions, state and images; DOMUS_HOME moves it. */
  readonly dataDir: string;
  readonly socket: string;
}

function runtimeDir(environment: NodeJS.ProcessEnv): string {
  const xdg = environment['XDG_RUNTIME_DIR'];
  if (xdg && isAbsolute(xdg)) return join(xdg, 'domus');
  return join(tmpdir(), `domus-${userInfo().uid}`);
}

/** The paths for an environment (XDG base directories, DOMUS_HOME). A moved data directory has its own socket, so that two of them never meet. */
export function domusPaths(environment: NodeJS.ProcessEnv = process.env): DomusPaths {
  const home = environment['DOMUS_HOME'];
  const dataDir = home ? resolve(home) : envPaths('domus', { suffix: '' }).data;
  if (process.platform === 'win32')
    return {
      dataDir,
      socket: `\\\\.\\pipe\\domus-${userInfo().username}${home ? `-${dataDir.replace(/[^a-z0-9]/gi, '-')}` : ''}`,
    };
  return {
    dataDir,
    socket: join(home ? join(dataDir, 'run') : runtimeDir(environment), 'domus.sock'),
  };
}
