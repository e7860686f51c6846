import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A forked Node process and the channel to it. */
export interface ForkedProcess {
  readonly pid: number | undefined;
  post(message: object): void;
  onMessage(listener: (message: unknown) => void): void;
  onExit(listener: (how: string) => void): void;
  kill(): void;
}

/** Environment that a domain process gets: enough to run, nothing of the user's secrets. */
const PASSED_ON = [
  'PATH',
  'HOME',
  'LANG',
  'TZ',
  'TMPDIR',
  'XDG_RUNTIME_DIR',
  'SystemRoot',
  'TEMP',
  'NODE_V8_COVERAGE',
];

/** Starts `entry` as a Node process of its own; its output goes to our standard error. */
export function forkProcess(entry: URL, title: string): ForkedProcess {
  const environment: NodeJS.ProcessEnv = {
    UV_THREADPOOL_SIZE: '8',
    ELECTRON_RUN_AS_NODE: process.env['ELECTRON_RUN_AS_NODE'],
  };
  for (const name of PASSED_ON) environment[name] = process.env[name];
  const child = fork(fileURLToPath(entry), [title], {
    env: environment,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
    serialization: 'json',
  });
  let failure: string | undefined;
  child.on('error', (error) => (failure = error.message));
  return {
    pid: child.pid,
    post: (message) => {
      if (child.connected) child.send(message, () => undefined);
    },
    onMessage: (listener) => child.on('message', listener),
    onExit: (listener) => {
      let told = false;
      const tell = (how: string): void => {
        if (!told) listener(how);
        told = true;
      };
      child.once('exit', (code, signal) =>
        tell(failure ?? (signal ? `signal ${signal}` : `exit code ${code ?? 'unknown'}`)),
      );
      if (child.pid === undefined) child.once('error', (error) => tell(error.message));
    },
    kill: () => child.kill('SIGKILL'),
  };
}
