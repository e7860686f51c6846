import type { ToolstackClient } from '../api';
import { LocalClient } from './client';
import { serveToolstack } from './rpc/server';
import { Toolstack, type ToolstackOptions } from './toolstack';

/** A toolstack at work: what the app's main process and `domus daemon` run. */
export interface ToolstackService {
  /** A client in this process. */
  readonly client: ToolstackClient;
  /** Another one, with console subscriptions of its own. */
  connect(): ToolstackClient;
  readonly dataDir: string;
  /** The control socket other processes of this user reach it by. */
  readonly socket: string;
  /** Forces all domains off, closes the socket and gives the data directory back. */
  close(): Promise<void>;
}

/** Opens the toolstack of a data directory and serves it on its control socket. */
export async function startToolstackService(
  options: ToolstackOptions & { socket: string },
): Promise<ToolstackService> {
  const toolstack = await Toolstack.open(options);
  try {
    const server = await serveToolstack(toolstack, options.host.sockets, options.socket);
    const client = new LocalClient(toolstack);
    return {
      client,
      connect: () => new LocalClient(toolstack),
      dataDir: options.dataDir,
      socket: server.path,
      close: async () => {
        client.close();
        await server.close();
        await toolstack.close();
      },
    };
  } catch (cause) {
    await toolstack.close();
    throw cause;
  }
}
