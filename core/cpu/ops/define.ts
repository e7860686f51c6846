import type { OpContext } from './context';

export interface OpAttributes {
  /** Reads and writes operand 0: a memory operand is checked for writing before it is read. */
  readonly rmw?: boolean;
  /** Does not write operand 0 (a memory operand 0 is otherwise taken as written by segment checks). */
  readonly reads?: boolean;
  /** 16-byte memory operands must be aligned (#GP). */
  readonly aligned?: boolean;
  /** Frequent enough to stand in the interpreter's main switch. */
  readonly hot?: boolean;
  /**
   * Ends its block: `near` within the same mode, `far` where mode, privilege or mappings may change. The tier sets
   * S_RIP to the next instruction before the body of a `far` op, so that helpers need only replace it.
   */
  readonly ends?: 'near' | 'far';
  /** Goes where a register or memory says, unless operand 0 is a branch target. */
  readonly indirect?: boolean;
  /** Reads flags only to keep some of them: when nobody asks for its flags, it needs none. */
  readonly keepsFlags?: boolean;
  /** May set flags by a helper, in a way only known at run time. */
  readonly clobbersFlags?: boolean;
}

export interface OpDefinition extends OpAttributes {
  readonly mnemonic: string;
  readonly body: (c: OpContext) => void;
}

export function define(
  mnemonic: string,
  attributes: OpAttributes,
  body: (c: OpContext) => void,
): OpDefinition {
  return { mnemonic, body, ...attributes };
}
