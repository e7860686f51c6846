import { join } from 'node:path';
import { app, utilityProcess } from 'electron';
import type { AppInfo, ToolstackClient } from '../../../core/api';
import { domusPaths, nodeHost } from '../../../core/host-node';
import { startToolstackService, type DomainChild } from '../../../core/toolstack';

/** The toolstack as it lives in this process. */
export interface HostedToolstack {
  client: ToolstackClient;
  dataFolder: string;
  socket: AppInfo['socket'];
  /** Forces off what still runs and closes the control socket. */
  close(): Promise<void>;
}

/** Opens the user's toolstack in this process, with its control socket, so that `domus list` talks to the app. */
export async function startToolstack(dist: string): Promise<HostedToolstack> {
  const { dataDir, socket } = domusPaths();
  const entry = join(dist, 'domain.mjs');
  const service = await startToolstackService({
    host: nodeHost,
    dataDir,
    socket,
    spawnDomain: (name) => forkDomain(entry, name),
    ownerName: 'the Domus app',
    version: app.getVersion(),
  });
  return {
    client: service.client,
    dataFolder: service.dataDir,
    socket: { path: service.socket.path, problem: service.socket.problem?.message ?? null },
    close: () => service.close(),
  };
}

/** One domain process as a utility process of the app: it has its own address space and dies alone. */
function forkDomain(entry: string, name: string): DomainChild {
  const child = utilityProcess.fork(entry, [], {
    serviceName: `domus domain ${name}`,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  let pid: number | undefined;
  child.once('spawn', () => {
    pid = child.pid;
  });
  return {
    get pid() {
      return pid ?? child.pid;
    },
    post: (message) => child.postMessage(message),
    onMessage: (listener) => child.on('message', listener),
    onExit: (listener) => child.once('exit', (status) => listener(howItEnded(status))),
    kill: () => {
      const target = pid ?? child.pid;
      if (target === undefined) child.kill();
      else killNow(target);
    },
  };
}

/** SIGKILL: Electron's own `kill` is a polite SIGTERM, which a domain out of control may not hear. */
function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended by itself; its exit event tells the rest.
  }
}

const SIGNALS: Readonly<Record<number, string>> = {
  6: 'SIGABRT',
  7: 'SIGBUS',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
};

/** On POSIX Electron hands on what waitpid says: the signal in the low seven bits, the exit code above them. */
function howItEnded(status: number): string {
  if (process.platform === 'win32') return `exit code ${status}`;
  const signal = status & 0x7f;
  if (signal !== 0) return `signal ${SIGNALS[signal] ?? String(signal)}`;
  return `exit code ${status >> 8}`;
}
