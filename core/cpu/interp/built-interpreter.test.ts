import { describe, expect, it } from 'vitest';
import { interpreterOf } from './built-interpreter';
import { generateInterpreter } from './interpreter';

describe.each([true, false])('the built interpreter, 64-bit: %s', (long) => {
  it('is the one that is generated for vcpu 0', () => {
    const built = interpreterOf(long, 0);
    const generated = generateInterpreter(long, 0);
    expect(Buffer.from(built.bytes).equals(Buffer.from(generated.bytes))).toBe(true);
    expect([...built.handlers]).toEqual([...generated.handlers]);
  });

  it('is another one for another vcpu, with the same handlers', () => {
    const other = interpreterOf(long, 1);
    const first = interpreterOf(long, 0);
    expect(Buffer.from(other.bytes).equals(Buffer.from(first.bytes))).toBe(false);
    expect([...other.handlers]).toEqual([...first.handlers]);
  });
});
