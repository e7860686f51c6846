import { DomusError, type CommandName, type Params, type Reply, type Result } from '../core/api';

/** The preload's object. Stores and composables use it; components do not. */
export const bridge = window.domus;

/** The value of a reply, or its error thrown as the DomusError it was in main. */
export async function unwrap<T>(reply: Promise<Reply<T>>): Promise<T> {
  const answer = await reply;
  if (answer.ok) return answer.value;
  throw new DomusError(answer.error.code, answer.error.message, answer.error.position);
}

/** Runs a toolstack command. */
export function call<C extends CommandName>(command: C, params: Params<C>): Promise<Result<C>> {
  return unwrap(bridge.call(command, plain(params)));
}

/** Vue's reactive proxies cannot be cloned to another process. */
function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** What to tell the user about anything that was thrown. */
export function errorMessage(error: unknown): string {
  if (error instanceof DomusError && error.position !== undefined) {
    const { file, line, column } = error.position;
    return `${sentence(error.message)} (${file === '' ? '' : `${file}, `}line ${line}, column ${column})`;
  }
  return sentence(error instanceof Error ? error.message : String(error));
}

/** A message as a sentence of its own. Names at its start, which are lower case for a reason, stay as they are. */
export function sentence(message: string): string {
  const begun = /^(a|an|at|in|it|its|no|of|only|the|there|this|two|you) /.test(message)
    ? `${message.charAt(0).toUpperCase()}${message.slice(1)}`
    : message;
  return /[\p{L}\p{N})”"]$/u.test(begun) ? `${begun}.` : begun;
}
