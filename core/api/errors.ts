/** Error codes that cross a process border, libxl's and POSIX's names where they fit. */
export type ErrorCode =
  | 'INVALID_CONFIG'
  | 'NO_SUCH_DOMAIN'
  | 'NAME_TAKEN'
  | 'BAD_STATE'
  | 'NO_MEMORY'
  | 'IMAGE_NOT_FOUND'
  | 'IMAGE_UNREADABLE'
  | 'IMAGE_BAD'
  | 'IMAGE_IN_USE'
  | 'NOT_BOOTABLE'
  | 'SOCKET_PATH'
  | 'NOT_RUNNING_APP'
  | 'DOMAIN_DIED'
  | 'TIMEOUT'
  | 'INTERNAL';

/** Where in a configuration file: 1-based line and column. */
export interface SourcePosition {
  file: string;
  line: number;
  column: number;
}

/** An expected failure: `message` is a whole sentence that names the thing and says what to do. */
export class DomusError extends Error {
  override readonly name = 'DomusError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly position?: SourcePosition,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
