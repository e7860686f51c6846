/** A two-way stream of text lines (UTF-8, ended by a line feed) between two processes of one user. */
export interface LineConnection {
  /** Queues a line; the line must not contain a line feed. */
  send(line: string): void;
  /** Bytes queued and not yet taken by the peer. */
  readonly queuedBytes: number;
  onLine(listener: (line: string) => void): void;
  /** Called once, with a reason when the connection was cut for breaking a limit. */
  onClose(listener: (reason?: string) => void): void;
  close(reason?: string): void;
}

export interface LineServer {
  readonly path: string;
  close(): Promise<void>;
}

/** What a reader puts up with before it cuts the connection. */
export interface LineLimits {
  /** Longest line in bytes. */
  readonly maxLineBytes: number;
  /** A line that has started must end within this time. */
  readonly lineTimeoutMs: number;
  /** Most bytes waiting for a peer that does not read. */
  readonly maxQueuedBytes: number;
  /** Most connections at a time (servers only). */
  readonly maxConnections: number;
}

/** Why a socket cannot be served or reached; the message is a sentence for the user. */
export class SocketError extends Error {
  override readonly name = 'SocketError';
  constructor(
    readonly code:
      'PATH_TOO_LONG' | 'BAD_DIRECTORY' | 'IN_USE' | 'NOT_LISTENING' | 'DENIED' | 'FAILED',
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Local sockets only this user can reach: mode 0600 in a directory of mode 0700. */
export interface SocketHost {
  listen(
    path: string,
    limits: LineLimits,
    onConnection: (connection: LineConnection) => void,
  ): Promise<LineServer>;
  connect(path: string, limits: LineLimits): Promise<LineConnection>;
}
