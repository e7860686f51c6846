import {
  DomusError,
  type CommandName,
  type Params,
  type Result,
  type ToolstackClient,
  type ToolstackEvent,
} from '../../api';
import { Emitter } from '../../base';
import { SocketError, type LineConnection, type SocketHost } from '../../host';
import {
  asDomusError,
  CLIENT_LIMITS,
  eventSchema,
  parseLine,
  responseSchema,
  SUBSCRIBE,
} from './message';

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A toolstack in another process, over its control socket. */
class RpcClient implements ToolstackClient {
  private nextId = 1;
  private readonly waiting = new Map<number, Waiting>();
  private readonly events = new Emitter<ToolstackEvent>();
  private closed = false;

  constructor(
    private readonly connection: LineConnection,
    private readonly onEnd: (() => void) | undefined,
  ) {
    connection.onLine((line) => this.receive(line));
    connection.onClose((reason) => this.ended(reason));
  }

  async call<C extends CommandName>(command: C, params: Params<C>): Promise<Result<C>> {
    return (await this.request(command, params)) as Result<C>;
  }

  onEvent(listener: (event: ToolstackEvent) => void): () => void {
    if (this.events.size === 0) this.request(SUBSCRIBE, {}).catch(() => undefined);
    return this.events.on(listener);
  }

  close(): void {
    this.closed = true;
    this.connection.close();
  }

  private request(method: string, params: unknown): Promise<unknown> {
    if (this.closed)
      return Promise.reject(new DomusError('NOT_RUNNING_APP', 'the connection to Domus has ended'));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.connection.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
  }

  private receive(line: string): void {
    const message = parseLine(line);
    const event = eventSchema.safeParse(message);
    if (event.success) return this.events.fire(event.data.params as ToolstackEvent);
    const response = responseSchema.safeParse(message);
    if (!response.success) return this.connection.close('Domus sent something that makes no sense');
    const { id, result, error } = response.data;
    const request = typeof id === 'number' ? this.waiting.get(id) : undefined;
    if (!request || typeof id !== 'number') return;
    this.waiting.delete(id);
    if (error) request.reject(asDomusError(error));
    else request.resolve(result);
  }

  private ended(reason: string | undefined): void {
    this.closed = true;
    const error = new DomusError(
      'NOT_RUNNING_APP',
      `Domus closed the connection${reason === undefined ? '' : `: ${reason}`}`,
    );
    for (const request of this.waiting.values()) request.reject(error);
    this.waiting.clear();
    this.onEnd?.();
  }
}

/** Connects to the app or daemon that serves `path`; `onEnd` is called when it goes away. */
export async function connectToolstack(
  sockets: SocketHost,
  path: string,
  onEnd?: () => void,
): Promise<ToolstackClient> {
  try {
    return new RpcClient(await sockets.connect(path, CLIENT_LIMITS), onEnd);
  } catch (cause) {
    if (!(cause instanceof SocketError)) throw cause;
    if (cause.code === 'PATH_TOO_LONG')
      throw new DomusError('SOCKET_PATH', cause.message, undefined, { cause });
    const message =
      cause.code === 'NOT_LISTENING'
        ? 'Domus is not running; start the app, or `domus daemon`'
        : cause.message;
    throw new DomusError('NOT_RUNNING_APP', message, undefined, { cause });
  }
}
