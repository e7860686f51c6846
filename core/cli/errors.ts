import { DomusError } from '../api';

/** Exit statuses of `domus`; `run` says with them how the guest ended. */
export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_GUEST_CRASHED = 3;
export const EXIT_GUEST_REBOOTED = 4;
export const EXIT_DOMAIN_DIED = 5;
/** 128 + SIGINT: the user ended it. */
export const EXIT_INTERRUPTED = 130;

/** Ends the command with a status and, unless empty, a sentence. */
export class ExitError extends Error {
  override readonly name = 'ExitError';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** A fault in a file as compilers show it: place, sentence, the line and a caret. */
function pointed(error: DomusError, source: string | undefined): string {
  const { position } = error;
  if (!position) return `domus: ${error.message}`;
  const head = `${position.file}:${position.line}:${position.column}: ${error.message}`;
  const line = source?.split('\n')[position.line - 1];
  if (line === undefined) return head;
  const indent = line.slice(0, position.column - 1).replace(/[^\t]/g, ' ');
  return `${head}\n  ${printable(line)}\n  ${indent}^`;
}

/** Text from outside made harmless for a terminal: no control characters but tabs. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, '\ufffd');
}

/** What to print for a failure; `source` is the configuration text it may point into. */
export function describeError(error: unknown, source?: string): string {
  if (error instanceof ExitError) return error.message;
  if (error instanceof DomusError)
    return pointed(error, source).split('\n').map(printable).join('\n');
  return `domus: ${printable(error instanceof Error ? error.message : String(error))}`;
}
