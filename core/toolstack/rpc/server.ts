import { DomusError } from '../../api';
import { SocketError, type LineConnection, type LineServer, type SocketHost } from '../../host';
import { LocalClient } from '../client';
import type { Toolstack } from '../toolstack';
import {
  errorMessage,
  INVALID_REQUEST,
  PARSE_ERROR,
  parseLine,
  protocolError,
  requestSchema,
  SERVER_LIMITS,
  SUBSCRIBE,
} from './message';

/** Most requests of one connection at work at a time. */
const MAX_REQUESTS_IN_FLIGHT = 64;

/** One connection: a client of its own in the toolstack. */
class RpcConnection {
  private readonly client: LocalClient;
  private inFlight = 0;
  private subscribed = false;

  constructor(
    toolstack: Toolstack,
    private readonly connection: LineConnection,
  ) {
    this.client = new LocalClient(toolstack);
    connection.onLine((line) => this.receive(line));
    connection.onClose(() => this.client.close());
  }

  private receive(line: string): void {
    const message = parseLine(line);
    if (message === undefined)
      return this.connection.send(
        protocolError(PARSE_ERROR, 'the message is not JSON, or nests too deep'),
      );
    const request = requestSchema.safeParse(message);
    if (!request.success)
      return this.connection.send(
        protocolError(INVALID_REQUEST, 'the message is not a JSON-RPC 2.0 request'),
      );
    if (this.inFlight >= MAX_REQUESTS_IN_FLIGHT)
      return this.connection.close('too many requests at a time');
    void this.answer(request.data);
  }

  private async answer({
    id,
    method,
    params,
  }: {
    id: string | number;
    method: string;
    params?: unknown;
  }): Promise<void> {
    this.inFlight++;
    try {
      const result =
        method === SUBSCRIBE ? this.subscribe() : await this.client.run(method, params ?? {});
      this.connection.send(JSON.stringify({ jsonrpc: '2.0', id, result }));
    } catch (cause) {
      this.connection.send(errorMessage(id, cause));
    } finally {
      this.inFlight--;
    }
  }

  private subscribe(): null {
    if (this.subscribed) return null;
    this.subscribed = true;
    this.client.onEvent((event) =>
      this.connection.send(JSON.stringify({ jsonrpc: '2.0', method: 'event', params: event })),
    );
    return null;
  }
}

/** Serves a toolstack on a local socket that only this user can reach. */
export async function serveToolstack(
  toolstack: Toolstack,
  sockets: SocketHost,
  path: string,
): Promise<LineServer> {
  try {
    return await sockets.listen(
      path,
      SERVER_LIMITS,
      (connection) => new RpcConnection(toolstack, connection),
    );
  } catch (cause) {
    if (cause instanceof SocketError)
      throw new DomusError('SOCKET_PATH', cause.message, undefined, { cause });
    throw cause;
  }
}
