import { ARITH } from './arith';
import { BIT } from './bit';
import { BRANCH } from './branch';
import type { OpDefinition } from './define';
import { FLAG_CONTROL } from './flag-control';
import { FP_STATE } from './fp-state';
import { MOVE } from './move';
import { MULDIV } from './muldiv';
import { PSEUDO } from './pseudo';
import { SHIFT } from './shift';
import { SSE_FLOAT } from './sse-float';
import { SSE_INTEGER } from './sse-integer';
import { SSE_MOVE } from './sse-move';
import { STACK } from './stack';
import { SYSTEM } from './system';
import { X87 } from './x87';

/** Every instruction definition, by mnemonic. */
export const OPS: ReadonlyMap<string, OpDefinition> = new Map(
  [
    PSEUDO,
    ARITH,
    MOVE,
    SHIFT,
    MULDIV,
    BIT,
    STACK,
    BRANCH,
    FLAG_CONTROL,
    SYSTEM,
    FP_STATE,
    SSE_MOVE,
    SSE_INTEGER,
    SSE_FLOAT,
    X87,
  ]
    .flat()
    .map((d) => [d.mnemonic, d]),
);
