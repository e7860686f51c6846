/** From a row's operand codes to operand forms: shared by the handler generator and the decoder, so that both name the same handler. */
import type { OperandForm } from '../ops/context';
import type { Operand, OpRow } from './op-row';

export interface RowUse {
  readonly row: OpRow;
  readonly long: boolean;
  /** Effective operand size. */
  readonly operandBytes: 2 | 4 | 8;
  /** ModR/M names memory. */
  readonly memory: boolean;
  readonly addressBytes: 2 | 4 | 8;
}

const FIXED_BYTES: Record<string, number> = {
  b: 1,
  bs: 1,
  w: 2,
  d: 4,
  q: 8,
  dq: 16,
  x: 16,
  ps: 16,
  pd: 16,
  ss: 4,
  sd: 8,
  t: 10,
  s: 10,
  p: 10,
  m: 1,
  a: 8,
};

const NAMED: Record<string, (use: RowUse) => OperandForm> = {
  AL: () => ({ kind: 'r', bytes: 1 }),
  CL: () => ({ kind: 'r', bytes: 1 }),
  AX: () => ({ kind: 'r', bytes: 2 }),
  DX: () => ({ kind: 'r', bytes: 2 }),
  rAX: (use) => ({ kind: 'r', bytes: use.operandBytes }),
  eAX: (use) => ({ kind: 'r', bytes: Math.min(use.operandBytes, 4) }),
  '1': () => ({ kind: 'i', bytes: 1 }),
  K: (use) => ({ kind: 'r', bytes: use.addressBytes }),
  A0: (use) => ({ kind: 'n', bytes: use.addressBytes }),
  STi: () => ({ kind: 'n', bytes: 0 }),
};
for (const segment of ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'])
  NAMED[segment] = () => ({ kind: 'n', bytes: 0 });

function sizeOf(code: string, use: RowUse): number {
  if (code === 'v') return use.operandBytes;
  if (code === 'z') return Math.min(use.operandBytes, 4);
  if (code === 'y') return use.operandBytes === 8 ? 8 : 4;
  return FIXED_BYTES[code];
}

export function formOf(operand: Operand, use: RowUse): OperandForm {
  const named = NAMED[operand];
  if (named) return named(use);
  const letter = operand[0];
  const size = operand.slice(1);
  const bytes = use.row.fixed && letter === 'R' ? (use.long ? 8 : 4) : sizeOf(size, use);
  switch (letter) {
    case 'E':
      return { kind: use.memory ? 'm' : 'r', bytes };
    case 'G':
    case 'R':
    case 'Z':
    case 'B':
      return { kind: 'r', bytes };
    case 'M':
    case 'O':
      return { kind: 'm', bytes };
    case 'W':
      return { kind: use.memory ? 'm' : 'x', bytes };
    case 'V':
    case 'U':
    case 'H':
      return { kind: 'x', bytes };
    case 'Q':
      return { kind: use.memory ? 'm' : 'q', bytes };
    case 'P':
    case 'N':
      return { kind: 'q', bytes };
    case 'J':
      return { kind: 'j', bytes: 0 };
    case 'I':
      // The record's immediate is sign-extended already; ops cut it to the size they need.
      return { kind: 'i', bytes };
    case 'A':
      return { kind: 'i', bytes: 8 };
    case 'X':
    case 'Y':
      return { kind: 'n', bytes };
    default:
      return { kind: 'n', bytes: 0 };
  }
}

/** True when the form of the row varies with the effective operand size in a way its operands do not show. */
function namesOperandSize(row: OpRow, forms: readonly OperandForm[]): boolean {
  return (
    forms.every((f) => f.kind === 'j' || f.kind === 'n' || f.kind === 'i' || f.kind === 'm') ||
    row.mnemonic === 'LOADFAR' ||
    row.d64 === true ||
    row.f64 === true
  );
}

export function formsOf(use: RowUse): OperandForm[] {
  return use.row.operands.map((operand) => formOf(operand, use));
}

/** The handler's name: `ADD:r4,m4`, `JZ:j0/4`, with the flag hint behind `@`. */
export function handlerKey(use: RowUse, forms: readonly OperandForm[], hint?: string): string {
  const operands = forms.map((f) => f.kind + f.bytes).join(',');
  const size = namesOperandSize(use.row, forms) ? `/${use.operandBytes}` : '';
  return `${use.row.mnemonic}:${operands}${size}${hint ? `@${hint}` : ''}`;
}

/** Every way a row can be used in a mode. */
export function usesOf(row: OpRow, long: boolean): RowUse[] {
  if (long ? row.i64 : row.o64) return [];
  const sizes: (2 | 4 | 8)[] = long ? (row.f64 ? [8] : row.d64 ? [2, 8] : [2, 4, 8]) : [2, 4];
  const memory = row.operands.some((o) => /^[EWQMO]/.test(o)) && row.mod !== 'reg';
  const register = row.mod !== 'mem' && !row.operands.some((o) => /^[MO]/.test(o));
  const addresses: (2 | 4 | 8)[] = row.operands.some((o) => o === 'K' || o === 'A0')
    ? long
      ? [4, 8]
      : [2, 4]
    : [long ? 8 : 4];
  return sizes.flatMap((operandBytes) =>
    addresses.flatMap((addressBytes) =>
      [...(memory ? [true] : []), ...(register ? [false] : [])].map((m) => ({
        row,
        long,
        operandBytes,
        memory: m,
        addressBytes,
      })),
    ),
  );
}
