/** Rows of the opcode maps as the decoder goes through them: all of one shape, what they say worked out beforehand. */
import type { OperandForm } from '../ops/context';
import { formsOf, type RowUse } from './forms';
import { ROWS } from './maps';
import type { MandatoryPrefix, Operand, OpRow } from './op-row';

/** An operand code taken apart. */
export interface OperandCode {
  /** The register that the code itself names, or -1. */
  readonly fixed: number;
  /** The code when it is neither a letter and a size nor a register. */
  readonly special: '1' | 'STi' | 'A0' | undefined;
  readonly letter: string;
  readonly size: string;
}

/** A way a row can be used, with what follows from it; there is one object for each way. */
export interface IndexedUse extends RowUse {
  /** Counts uses. */
  readonly id: number;
  readonly forms: readonly OperandForm[];
  /** The first operand is in memory. */
  readonly storesFirst: boolean;
  /** The immediate is a branch offset. */
  readonly branches: boolean;
}

export interface IndexedRow {
  readonly row: OpRow;
  readonly operands: readonly OperandCode[];
  /** ModR/M fields it needs; -1 any. */
  readonly reg: number;
  readonly rm: number;
  readonly mod: 'reg' | 'mem' | 'any';
  readonly prefix: MandatoryPrefix | 'any';
  readonly rexW: boolean | 'any';
  readonly inLong: boolean;
  readonly inLegacy: boolean;
  readonly protectedOnly: boolean;
  readonly defaults64: boolean;
  readonly always64: boolean;
  readonly cpl0: boolean;
  readonly lock: boolean;
  readonly vex: boolean;
  /** An operand is VEX.vvvv. */
  readonly usesVexRegister: boolean;
  /** The ModR/M reg field is a control or a debug register. */
  readonly systemRegister: 'control' | 'debug' | undefined;
  /** The opcode is followed by a ModR/M byte. */
  readonly hasModrm: boolean;
  /** Mandatory 66 and an operand of the effective operand size: 66 then chooses that size, too. */
  readonly sized66: boolean;
  /** Memory without ModR/M: the table of XLAT at [rBX], the target of MASKMOV at [rDI]. */
  readonly implied: 'table' | 'target' | undefined;
  /** A full address in the instruction. */
  readonly hasOffset: boolean;
  /** Without a memory operand it reaches memory through the stack pointer only. */
  readonly usesStack: boolean;
  /** Its memory operand is an address and nothing more. */
  readonly addressOnly: boolean;
  readonly unit: OpRow['unit'];
  /** Those that `useOf` has made. */
  readonly uses: (IndexedUse | undefined)[];
}

const STACK_OPS = new Set([
  'PUSH',
  'POP',
  'CALL',
  'RET',
  'RETFAR',
  'IRET',
  'PUSHF',
  'POPF',
  'PUSHSEG',
  'POPSEG',
  'ENTER',
  'LEAVE',
  'PUSHA',
  'POPA',
  'CALLFAR',
]);

const FIXED_REGISTERS: ReadonlyMap<string, number> = new Map([
  ['AL', 0],
  ['rAX', 0],
  ['eAX', 0],
  ['AX', 0],
  ['CL', 1],
  ['K', 1],
  ['DX', 2],
  ['ES', 0],
  ['CS', 1],
  ['SS', 2],
  ['DS', 3],
  ['FS', 4],
  ['GS', 5],
]);

function codeOf(operand: Operand): OperandCode {
  const special = operand === '1' || operand === 'STi' || operand === 'A0' ? operand : undefined;
  return {
    fixed: FIXED_REGISTERS.get(operand) ?? -1,
    special,
    letter: operand[0],
    size: operand.slice(1),
  };
}

function index(row: OpRow): IndexedRow {
  const { operands, mnemonic } = row;
  const has = (pattern: RegExp): boolean => operands.some((operand) => pattern.test(operand));
  const hasModrm =
    mnemonic !== 'XLAT' &&
    (row.reg !== undefined || row.mod !== undefined || has(/^([EGMWVUQPNRSCD](?![LXS]$)|STi$)/));
  return {
    row,
    operands: operands.map(codeOf),
    reg: row.reg ?? -1,
    rm: row.rm ?? -1,
    mod: row.mod ?? 'any',
    prefix: row.p ?? 'any',
    rexW: row.w ?? 'any',
    inLong: row.i64 !== true,
    inLegacy: row.o64 !== true,
    protectedOnly: row.prot === true,
    defaults64: row.d64 === true,
    always64: row.f64 === true,
    cpl0: row.cpl0 === true,
    lock: row.lock === true,
    vex: row.vex === true,
    usesVexRegister: has(/^[BH]/),
    systemRegister: has(/^Dm$/) ? 'debug' : has(/^Cm$/) ? 'control' : undefined,
    hasModrm,
    sized66: row.p === 0x66 && has(/v$/),
    implied: mnemonic === 'XLAT' ? 'table' : mnemonic === 'MASKMOV' ? 'target' : undefined,
    hasOffset: has(/^O/),
    usesStack: STACK_OPS.has(mnemonic),
    addressOnly: has(/^Mm$/) || mnemonic === 'NOP',
    unit: row.unit,
    uses: [],
  };
}

/** By map and opcode, in table order: the first whose conditions hold is the instruction. */
export const BY_OPCODE: readonly (readonly (readonly IndexedRow[])[])[] = ROWS.map((rows) => {
  const byOpcode: IndexedRow[][] = Array.from({ length: 256 }, () => []);
  for (const row of rows) byOpcode[row.opcode].push(index(row));
  return byOpcode;
});

let lastId = 0;

/** The one object for a way of using a row. */
export function useOf(
  indexed: IndexedRow,
  long: boolean,
  operandBytes: 2 | 4 | 8,
  memory: boolean,
  addressBytes: 2 | 4 | 8,
): IndexedUse {
  const at =
    ((operandBytes >> 2) * 3 + (addressBytes >> 2)) * 4 + Number(memory) * 2 + Number(long);
  return (indexed.uses[at] ??= newUse({
    row: indexed.row,
    long,
    operandBytes,
    memory,
    addressBytes,
  }));
}

function newUse(use: RowUse): IndexedUse {
  const forms = formsOf(use);
  return {
    ...use,
    id: lastId++,
    forms,
    storesFirst: forms[0]?.kind === 'm',
    branches: forms.some(({ kind }) => kind === 'j'),
  };
}
