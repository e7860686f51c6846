import { describe, expect, it } from 'vitest';
import { DomusError } from '../../api';
import { asDomusError, errorMessage, parseLine, requestSchema, responseSchema } from './message';

describe('JSON-RPC messages', () => {
  it('nest no deeper than 32, brackets in strings aside', () => {
    expect(parseLine(`${'['.repeat(32)}${']'.repeat(32)}`)).toBeDefined();
    expect(parseLine(`${'['.repeat(33)}${']'.repeat(33)}`)).toBeUndefined();
    expect(parseLine('['.repeat(1e6))).toBeUndefined();
    expect(parseLine(`{"a":"${'[{'.repeat(100)}\\""}`)).toEqual({ a: `${'[{'.repeat(100)}"` });
  });

  it.each(['', 'null x', '{', '{"a":}', '\u0000'])('that are not JSON (%j) are nothing', (line) => {
    expect(parseLine(line)).toBeUndefined();
  });

  it.each([
    { jsonrpc: '2.0', method: 'x' },
    { jsonrpc: '1.0', id: 1, method: 'x' },
    { jsonrpc: '2.0', id: {}, method: 'x' },
    { jsonrpc: '2.0', id: 1, method: 5 },
    { jsonrpc: '2.0', id: 1, method: 'x', extra: 1 },
    [],
    null,
    'x',
  ])('that are no requests (%j) are refused', (message) => {
    expect(requestSchema.safeParse(message).success).toBe(false);
  });

  it('carry a DomusError to the other side whole', () => {
    const error = new DomusError('INVALID_CONFIG', 'no name', {
      file: 'a.cfg',
      line: 2,
      column: 3,
    });
    const response = responseSchema.parse(JSON.parse(errorMessage(7, error)));
    expect(response.id).toBe(7);
    const arrived = response.error && asDomusError(response.error);
    expect(arrived).toMatchObject({
      code: 'INVALID_CONFIG',
      message: 'no name',
      position: { file: 'a.cfg', line: 2, column: 3 },
    });
  });
});
