import type { DomainInfo, ToolstackClient } from '../api';
import { domusPaths, nodeSockets } from '../host-node';
import { connectToolstack } from '../toolstack';

/** Runs `act` with a connection to the app or the daemon and closes it afterwards. */
export async function withToolstack<T>(
  act: (client: ToolstackClient, ended: Promise<void>) => Promise<T>,
): Promise<T> {
  let tellEnded: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (tellEnded = resolve));
  const client = await connectToolstack(nodeSockets, domusPaths().socket, tellEnded);
  try {
    return await act(client, ended);
  } finally {
    client.close();
  }
}

/** Resolves when the domain is in a state that `done` accepts, or is gone. */
export async function waitForDomain(
  client: ToolstackClient,
  uuid: string,
  done: (domain: DomainInfo) => boolean,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = client.onEvent((event) => {
      const reached =
        (event.type === 'domain-changed' &&
          event.domain.config.uuid === uuid &&
          done(event.domain)) ||
        (event.type === 'domain-removed' && event.uuid === uuid);
      if (!reached) return;
      stop();
      resolve();
    });
    client.call('domain/get', { domain: uuid }).then((domain) => {
      if (done(domain)) resolve();
    }, reject);
  });
}
