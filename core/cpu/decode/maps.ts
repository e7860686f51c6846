import { FP_STATE_ONE_BYTE, FP_STATE_TWO_BYTE } from './fp-state';
import { ONE_BYTE } from './one-byte';
import type { OpRow } from './op-row';
import { SIMD_THREE_BYTE_38, SIMD_THREE_BYTE_3A, SIMD_TWO_BYTE } from './simd';
import { SSE_FLOAT_THREE_BYTE_38, SSE_FLOAT_THREE_BYTE_3A, SSE_FLOAT_TWO_BYTE } from './sse-float';
import { THREE_BYTE_38, THREE_BYTE_3A, TWO_BYTE } from './two-byte';
import { X87 } from './x87';

/** Opcode maps by their VEX numbers: 0 one-byte, 1 0F, 2 0F 38, 3 0F 3A. */
export const ROWS: readonly (readonly OpRow[])[] = [
  [...ONE_BYTE, ...FP_STATE_ONE_BYTE, ...X87],
  [...TWO_BYTE, ...FP_STATE_TWO_BYTE, ...SIMD_TWO_BYTE, ...SSE_FLOAT_TWO_BYTE],
  [...THREE_BYTE_38, ...SIMD_THREE_BYTE_38, ...SSE_FLOAT_THREE_BYTE_38],
  [...THREE_BYTE_3A, ...SIMD_THREE_BYTE_3A, ...SSE_FLOAT_THREE_BYTE_3A],
];

/** Rows without an opcode: micro-ops that the decoder makes itself. */
export const PSEUDO_ROWS: readonly OpRow[] = [
  { opcode: -1, mnemonic: 'REFETCH', operands: [], f64: true },
  { opcode: -1, mnemonic: 'FALLTHROUGH', operands: ['Jz'], f64: true },
  { opcode: -1, mnemonic: 'EA16', operands: ['Mm'] },
  { opcode: -1, mnemonic: 'EA32', operands: ['Mm'] },
  { opcode: -1, mnemonic: 'LOADTEMP', operands: [] },
  { opcode: -1, mnemonic: 'SEGCHK', operands: ['Mm'] },
  { opcode: -1, mnemonic: 'CPL0', operands: [] },
  { opcode: -1, mnemonic: 'RAISE', operands: [] },
  { opcode: -1, mnemonic: 'FETCH', operands: [] },
];
