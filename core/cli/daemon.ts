import { domusPaths, forkProcess, nodeHost } from '../host-node';
import { startToolstackService } from '../toolstack';
import { EXIT_OK, printable } from './errors';
import { domainEntry } from './run';
import { VERSION } from './version';

/** `domus daemon`: the toolstack without the app, until it is told to end. */
export async function runDaemon(): Promise<number> {
  const { dataDir, socket } = domusPaths();
  const service = await startToolstackService({
    host: nodeHost,
    dataDir,
    socket,
    spawnDomain: (name) => forkProcess(domainEntry(), `domus domain ${name}`),
    ownerName: 'domus daemon',
    version: VERSION,
  });
  if (service.socket.problem) {
    await service.close();
    throw service.socket.problem;
  }
  service.client.onEvent((event) => {
    if (event.type === 'notice')
      process.stderr.write(
        `domus: ${event.level === 'info' ? '' : `${event.level}: `}${printable(event.message)}\n`,
      );
  });
  process.stderr.write(`domus: serving ${service.dataDir} on ${service.socket.path}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => resolve());
  });
  await service.close();
  return EXIT_OK;
}
