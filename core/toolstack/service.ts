import { DomusError, type ToolstackClient } from '../api';
import type { LineServer } from '../host';
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
  /** The control socket other processes of this user reach it by, or why there is none. */
  readonly socket: { readonly path: string; readonly problem: DomusError | null };
  /** Forces all domains off, closes the socket and gives the data directory back. */
  close(): Promise<void>;
}

async function serve(toolstack: Toolstack, path: string): Promise<LineServer | DomusError> {
  try {
    return await serveToolstack(toolstack, toolstack.options.host.sockets, path);
  } catch (cause) {
    if (cause instanceof DomusError) return cause;
    throw cause;
  }
}

/**
 * Opens the toolstack of a data directory and serves it on its control socket. A socket that cannot be had (its path
 * is too long) does not keep the toolstack from working.
 */
export async function startToolstackService(
  options: ToolstackOptions & { socket: string },
): Promise<ToolstackService> {
  const toolstack = await Toolstack.open(options);
  const server = await serve(toolstack, options.socket).catch(async (cause: unknown) => {
    await toolstack.close();
    throw cause;
  });
  const client = new LocalClient(toolstack);
  return {
    client,
    connect: () => new LocalClient(toolstack),
    dataDir: options.dataDir,
    socket: { path: options.socket, problem: server instanceof DomusError ? server : null },
    close: async () => {
      client.close();
      if (!(server instanceof DomusError)) await server.close();
      await toolstack.close();
    },
  };
}
