import type { DomainInfo, ToolstackClient } from '../api';
import { EXIT_OK, printable } from './errors';
import { Terminal } from './terminal';

/** The serial console of a domain on this terminal, from its first byte on. Ctrl+] leaves; the domain goes on. */
export async function attachConsole(
  client: ToolstackClient,
  domain: DomainInfo,
  ended: Promise<void>,
): Promise<number> {
  const { uuid, name } = domain.config;
  const terminal = new Terminal();
  let leave: (reason: string) => void = () => undefined;
  const left = new Promise<string>((resolve) => (leave = resolve));
  // What comes before the history is in the history.
  let ready = false;
  client.onEvent((event) => {
    if (event.type === 'console' && event.uuid === uuid && ready)
      void terminal.write(Buffer.from(event.data, 'base64'));
    if (
      event.type === 'domain-changed' &&
      event.domain.config.uuid === uuid &&
      event.domain.domid === null
    )
      leave(`${name} has ended${event.domain.reason === '' ? '' : `: ${event.domain.reason}`}`);
    if (event.type === 'domain-removed' && event.uuid === uuid) leave(`${name} was deleted`);
  });
  void ended.then(() => leave('Domus has ended'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => leave(''));
  try {
    const history = await client.call('console/history', { domain: uuid });
    ready = true;
    if (history.dropped > 0)
      process.stderr.write(`domus: ${history.dropped} earlier bytes are no longer kept\n`);
    await terminal.write(Buffer.from(history.data, 'base64'));
    if (domain.domid === null) return EXIT_OK;
    if (terminal.interactive) process.stderr.write(`domus: console of ${name}; Ctrl+] leaves it\n`);
    terminal.open(
      (bytes) => {
        const data = Buffer.from(bytes).toString('base64');
        client.call('console/write', { domain: uuid, data }).catch(() => undefined);
      },
      () => leave(''),
    );
    const reason = await left;
    if (reason !== '') process.stderr.write(`\ndomus: ${printable(reason)}\n`);
    return EXIT_OK;
  } finally {
    terminal.close();
  }
}
