import { nodeFiles, nodeSystem, nodeTimers, forkProcess } from '../host-node';
import { checkStart, Domain, plugInAlone, type DomainEnd } from '../toolstack';
import { readConfigFile } from './config-file';
import {
  EXIT_DOMAIN_DIED,
  EXIT_FAILED,
  EXIT_GUEST_CRASHED,
  EXIT_GUEST_REBOOTED,
  EXIT_INTERRUPTED,
  EXIT_OK,
  ExitError,
  printable,
} from './errors';
import { Terminal } from './terminal';

export interface RunOptions {
  readonly vnc?: boolean;
  readonly paused?: boolean;
}

const STATUS: Readonly<Record<DomainEnd['how'], number>> = {
  poweroff: EXIT_OK,
  reboot: EXIT_GUEST_REBOOTED,
  crash: EXIT_GUEST_CRASHED,
  died: EXIT_DOMAIN_DIED,
  destroyed: EXIT_INTERRUPTED,
};

/** The domain process program lies beside the bundle of the command line. */
export function domainEntry(): URL {
  const extension = /\.[a-z]+$/.exec(import.meta.url)?.[0] ?? '.js';
  return new URL(`./domain${extension}`, import.meta.url);
}

/** Nobody else can unpause a domain here that a full disk has paused: it is tried again. */
const RETRY_MS = 3000;

function say(message: string): void {
  process.stderr.write(`domus: ${printable(message)}\n`);
}

/** `domus run`: one domain in the foreground, its serial port on standard input and output. Resolves to the exit status. */
export async function runInForeground(
  file: string,
  overrides: readonly string[],
  options: RunOptions,
): Promise<number> {
  const { config } = await readConfigFile(file, [...overrides, ...(options.vnc ? ['vnc=1'] : [])]);
  await checkStart(nodeFiles, config, nodeSystem.sample());
  const terminal = new Terminal();
  let finish: (end: DomainEnd) => void = () => undefined;
  const over = new Promise<DomainEnd>((resolve) => (finish = resolve));
  let domids = 0;
  let said = '';
  const domain = new Domain(
    {
      timers: nodeTimers,
      spawn: (name) => forkProcess(domainEntry(), `domus domain ${name}`),
      lifeline: null,
      nextDomid: () => ++domids,
      plugIn: plugInAlone,
    },
    {
      onChange: ({ state, reason }) => {
        if (state !== 'paused' || reason === '') return;
        setTimeout(() => void domain.unpause().catch(() => undefined), RETRY_MS).unref();
      },
      onStats: () => undefined,
      onReconfigured: () => undefined,
      onConsole: (_, data) => terminal.write(Buffer.from(data, 'base64')),
      onNotice: (_, level, message) => {
        // A full disk says the same at every try.
        if (message !== said) say(`${level === 'info' ? '' : `${level}: `}${message}`);
        said = message;
      },
      onEnd: (_, end) => finish(end),
    },
    config,
  );
  await domain.start(options.paused === true);
  const leave = (reason: string) => (): void => void domain.destroy(reason).catch(() => undefined);
  for (const [signal, reason] of [
    ['SIGINT', 'interrupted'],
    ['SIGTERM', 'terminated'],
    ['SIGHUP', 'the terminal was closed'],
  ] as const) {
    process.on(signal, leave(reason));
  }
  terminal.open((bytes) => {
    domain.consoleWrite(Buffer.from(bytes).toString('base64')).catch(() => undefined);
  }, leave('Ctrl+] was pressed'));
  const port = domain.info.vncPort;
  say(
    `${config.name} is running${port === null ? '' : `, screen on 127.0.0.1:${port}`}${terminal.interactive ? '; Ctrl+] forces it off' : ''}`,
  );
  try {
    const history = await domain.consoleHistory();
    await terminal.write(Buffer.from(history.data, 'base64'));
    const end = await over;
    const status = STATUS[end.how];
    if (end.how !== 'poweroff')
      throw new ExitError(
        status === EXIT_OK ? EXIT_FAILED : status,
        `domus: ${config.name}: ${printable(end.reason)}`,
      );
    return status;
  } finally {
    terminal.close();
    if (domain.active) await domain.destroy().catch(() => undefined);
  }
}
