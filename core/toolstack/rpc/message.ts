/** JSON-RPC 2.0, one message a line. Limits of reliability.md 2.6. */
import { z } from 'zod';
import { DomusError, type ErrorCode } from '../../api';
import type { LineLimits } from '../../host';

const MIB = 1 << 20;
const MAX_DEPTH = 32;

/** What a server takes from a client. */
export const SERVER_LIMITS: LineLimits = {
  maxLineBytes: MIB,
  lineTimeoutMs: 30_000,
  maxQueuedBytes: 32 * MIB,
  maxConnections: 64,
};
/** What a client takes from a server: a picture or the whole console history. */
export const CLIENT_LIMITS: LineLimits = {
  maxLineBytes: 32 * MIB,
  lineTimeoutMs: 30_000,
  maxQueuedBytes: 4 * MIB,
  maxConnections: 1,
};

/** JSON-RPC 2.0, 5.1. */
export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
/** Expected failures carry their DomusError in `data`. */
export const DOMUS_ERROR = -32000;

/** Asks the server to send events; clients that only ask questions do without. */
export const SUBSCRIBE = 'rpc.subscribe';

const id = z.union([z.string().max(64), z.number()]);
const position = z.object({ file: z.string(), line: z.number(), column: z.number() });

export const requestSchema = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id,
  method: z.string().max(64),
  params: z.unknown().optional(),
});
export const responseSchema = z.object({
  jsonrpc: z.literal('2.0'),
  id: z.union([id, z.null()]),
  result: z.unknown().optional(),
  error: z
    .object({
      code: z.number(),
      message: z.string(),
      data: z.object({ code: z.string(), position: position.optional() }).optional(),
    })
    .optional(),
});
export const eventSchema = z.object({
  jsonrpc: z.literal('2.0'),
  method: z.literal('event'),
  params: z.unknown(),
});

/** True when brackets nest no deeper than allowed: JSON.parse itself recurses. */
function isShallow(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    if (inString) {
      if (character === 0x5c) i++;
      else if (character === 0x22) inString = false;
    } else if (character === 0x22) inString = true;
    else if (character === 0x7b || character === 0x5b) {
      if (++depth > MAX_DEPTH) return false;
    } else if (character === 0x7d || character === 0x5d) depth--;
  }
  return true;
}

/** The value of a line of JSON; undefined when it is none or nests too deep. */
export function parseLine(line: string): unknown {
  if (!isShallow(line)) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

export function errorMessage(to: string | number | null, cause: unknown): string {
  const domus =
    cause instanceof DomusError
      ? cause
      : new DomusError('INTERNAL', cause instanceof Error ? cause.message : String(cause));
  const data = { code: domus.code, ...(domus.position ? { position: domus.position } : {}) };
  return JSON.stringify({
    jsonrpc: '2.0',
    id: to,
    error: { code: DOMUS_ERROR, message: domus.message, data },
  });
}

export function protocolError(code: number, message: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id: null, error: { code, message } });
}

/** The failure a response carries, as the error it was on the other side. */
export function asDomusError(
  error: NonNullable<z.infer<typeof responseSchema>['error']>,
): DomusError {
  return new DomusError(
    (error.data?.code ?? 'INTERNAL') as ErrorCode,
    error.message,
    error.data?.position,
  );
}
