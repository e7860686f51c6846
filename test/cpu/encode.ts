/** Writes instructions from rows of the opcode maps with random operands: the decoder's inverse, for tests. */
import type { RowUse } from '../../core/cpu/decode/forms';
import type { OpRow } from '../../core/cpu/decode/op-row';
import { CODE_AT, TAKEN } from './layout';
import type { Random } from './random';

/** How an encoded instruction addresses memory: the case generator solves for the registers. */
export interface MemoryOperand {
  base: number;
  index: number;
  scale: number;
  displacement: number;
  addressBytes: number;
}

export interface Encoding {
  readonly bytes: Uint8Array;
  readonly memory: MemoryOperand | undefined;
  /** Number of the register that a register-form r/m operand names, or -1. */
  readonly rm: number;
  readonly reg: number;
}

const MAPS: readonly number[][] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
const VEX_PREFIX: Record<string, number> = { none: 0, 102: 1, 243: 2, 242: 3 };

function littleEndian(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) =>
    i < 4 ? (value >>> (i * 8)) & 0xff : value < 0 ? 0xff : 0,
  );
}

/** ModR/M, SIB and displacement of a random addressing form; registers are taken as low 3 bits plus REX bits. */
function addressing(
  random: Random,
  long: boolean,
  addressBytes: number,
  target: number,
): { bytes: number[]; rex: number; operand: MemoryOperand } {
  const registers = long ? 16 : 8;
  const operand: MemoryOperand = { base: -1, index: -1, scale: 0, displacement: 0, addressBytes };
  const form = random.below(8);
  if (form === 0) {
    // Absolute disp32: by SIB in 64-bit mode.
    operand.displacement = target;
    return {
      bytes: long ? [0x04, 0x25, ...littleEndian(target, 4)] : [0x05, ...littleEndian(target, 4)],
      rex: 0,
      operand,
    };
  }
  const mod = random.below(3);
  let base = random.below(registers);
  const withSib = form >= 4 || (base & 7) === 4;
  if (mod === 0 && (base & 7) === 5) base = 3;
  operand.base = base;
  let rex = base >> 3;
  const bytes: number[] = [];
  if (withSib) {
    let index = random.below(registers);
    if (form < 4 || index === 4 || index === base) index = 4;
    if (index !== 4) {
      operand.index = index;
      operand.scale = random.below(4);
    }
    rex |= (index >> 3) << 1;
    bytes.push(
      (mod << 6) | 4,
      ((index === 4 ? 0 : operand.scale) << 6) | ((index & 7) << 3) | (base & 7),
    );
  } else bytes.push((mod << 6) | (base & 7));
  if (mod === 1) {
    operand.displacement = random.below(256) - 128;
    bytes.push(operand.displacement & 0xff);
  } else if (mod === 2) {
    operand.displacement = random.u32() | 0;
    bytes.push(...littleEndian(operand.displacement, 4));
  }
  return { bytes, rex, operand };
}

/** One random encoding of a row's use; `target` is where a memory operand shall point when its form has no register. */
export function encode(map: number, use: RowUse, random: Random, target: number): Encoding {
  const { row, long, operandBytes } = use;
  const registers = long ? 16 : 8;
  const prefixes: number[] = [];
  const mandatory = row.p === undefined || row.p === 'none' ? [] : [row.p];
  // Where 66 chooses another row it is no operand size prefix.
  if (operandBytes === 2 && row.p !== 0x66 && row.p !== 'none' && !row.fixed) prefixes.push(0x66);
  const wide =
    row.operands.some((o) => o === 'K' || o === 'A0') && use.addressBytes === (long ? 4 : 2);
  if (wide) prefixes.push(0x67);
  let rex = 0;
  if (row.w === true || (operandBytes === 8 && !row.d64 && !row.f64)) rex |= 0x48;

  const needsModrm =
    row.reg !== undefined ||
    row.mod !== undefined ||
    row.operands.some((o) => /^[EGMWVUQPNRSCD](?![LXS]$)/.test(o) || o === 'STi');
  const reg =
    row.reg ??
    random.below(row.operands.some((o) => /^[PS]/.test(o) && o !== 'SS') ? 8 : registers);
  let rm = -1;
  let memory: MemoryOperand | undefined;
  const modrm: number[] = [];
  let opcode = row.opcode;
  let rexBits = 0;
  const zRegister = row.operands.findIndex((o) => o.startsWith('Z')) >= 0;
  if (row.mnemonic === 'XLAT' || row.operands.some((o) => o.startsWith('O'))) {
    // Implicit or immediate address.
  } else if (needsModrm) {
    if (row.reg === undefined) rexBits |= (reg >> 3) << 2;
    if (use.memory) {
      const form = addressing(random, long, use.addressBytes, target);
      memory = form.operand;
      rexBits |= form.rex;
      form.bytes[0] |= (reg & 7) << 3;
      modrm.push(...form.bytes);
    } else {
      rm =
        row.rm ??
        random.below(row.operands.some((o) => /^[QN]/.test(o) || o === 'STi') ? 8 : registers);
      rexBits |= rm >> 3;
      modrm.push(0xc0 | ((reg & 7) << 3) | (rm & 7));
    }
  } else if (zRegister) {
    rm = long && random.chance(50) ? 8 + (opcode & 7) : opcode & 7;
    rexBits |= rm >> 3;
  }
  if (rexBits) rex |= 0x40 | rexBits;
  if (long && rex === 0 && random.chance(25)) rex = 0x40;

  const immediates: number[] = [];
  const vvvv = row.operands.some((o) => /^[BH]/.test(o)) ? random.below(registers) : 0;
  const head: number[] = [];
  if (row.vex) {
    const pp = VEX_PREFIX[String(row.p ?? 'none')];
    head.push(
      0xc4,
      ((~rexBits & 7) << 5) | map,
      (rex & 8 ? 0x80 : 0) | ((~vvvv & 15) << 3) | pp,
      opcode,
    );
    prefixes.length = 0;
  } else {
    head.push(...prefixes, ...mandatory, ...(rex && long ? [rex] : []), ...MAPS[map], opcode);
  }
  opcode &= 0xff;
  const before = head.length + modrm.length;
  for (const code of row.operands) {
    const size = code.slice(1);
    if (code.startsWith('I')) {
      const bytes =
        size === 'b' || size === 'bs'
          ? 1
          : size === 'w'
            ? 2
            : size === 'a'
              ? 3
              : size === 'v'
                ? operandBytes
                : Math.min(operandBytes, 4);
      const value = Number(BigInt.asIntN(32, random.operand()));
      immediates.push(
        ...(bytes === 8
          ? [...littleEndian(value, 4), ...littleEndian(random.u32() | 0, 4)]
          : littleEndian(value, bytes)),
      );
    } else if (code.startsWith('J')) {
      const bytes = size === 'b' ? 1 : operandBytes === 2 ? 2 : 4;
      immediates.push(...littleEndian(TAKEN - before - bytes, bytes));
    } else if (code.startsWith('O')) immediates.push(...littleEndian(target, long ? 8 : 4));
  }
  return { bytes: Uint8Array.from([...head, ...modrm, ...immediates]), memory, rm, reg };
}

/** A row that cannot stand alone because another row of its opcode takes some of its encodings. */
export function isEncodable(row: OpRow): boolean {
  return row.opcode >= 0;
}

export const BRANCH_TARGET = CODE_AT + TAKEN;
