/** Decodes one instruction's bytes by the opcode maps (SDM Vol. 2A chapter 2): prefixes, opcode, ModR/M, SIB, displacement, immediates. */
import * as L from '../layout';
import type { OperandForm } from '../ops/context';
import { formsOf, type RowUse } from './forms';
import { indexRows, ROWS } from './maps';
import type { OpRow } from './op-row';

export const MAX_INSTRUCTION_BYTES = 15;

/** A decoded instruction; one object is reused for all. */
export interface Decoded {
  row: OpRow | undefined;
  use: RowUse | undefined;
  forms: readonly OperandForm[];
  length: number;
  /** PREFIX_*. */
  prefixes: number;
  /** SEG_* of the memory operand as written or by default. */
  segment: number;
  memory: boolean;
  /** Offsets into vcpu state, or register numbers for `n` operands. */
  registers: [number, number, number];
  base: number;
  index: number;
  scale: number;
  displacement: number;
  /** The address is relative to the next instruction. */
  ripRelative: boolean;
  addressBytes: 2 | 4 | 8;
  immediateLow: number;
  immediateHigh: number;
  lockInvalid: boolean;
}

const BY_OPCODE = ROWS.map(indexRows);
/** Without a memory operand these reach memory through the stack pointer only. */
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

const RIP_BYTES_EXHAUSTED = MAX_INSTRUCTION_BYTES + 1;

/** Control registers 0, 2, 3, 4, 8 and debug registers 0 to 7 exist. */
function isSystemRegister(row: OpRow, number: number): boolean {
  return row.operands.includes('Dm') ? number < 8 : [0, 2, 3, 4, 8].includes(number);
}

/** Base and index of 16-bit ModR/M r/m values (SDM 2A table 2-1). */
const ADDRESS16: readonly (readonly [number, number])[] = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
];

const SEGMENT_PREFIXES: Record<number, number> = {
  0x26: L.SEG_ES,
  0x2e: L.SEG_CS,
  0x36: L.SEG_SS,
  0x3e: L.SEG_DS,
  0x64: L.SEG_FS,
  0x65: L.SEG_GS,
};

const FIXED_REGISTERS: Record<string, number> = {
  AL: 0,
  rAX: 0,
  eAX: 0,
  AX: 0,
  CL: 1,
  K: 1,
  DX: 2,
  ES: 0,
  CS: 1,
  SS: 2,
  DS: 3,
  FS: 4,
  GS: 5,
};

/** Rows whose opcode is followed by a ModR/M byte. */
const WITH_MODRM: ReadonlySet<OpRow> = new Set(
  BY_OPCODE.flat(2).filter(
    (row) =>
      row.mnemonic !== 'XLAT' &&
      (row.reg !== undefined ||
        row.mod !== undefined ||
        row.operands.some((o) => /^[EGMWVUQPNRSCD](?![LXS]$)/.test(o) || o === 'STi')),
  ),
);

export class InstructionDecoder {
  readonly out: Decoded = {
    row: undefined,
    use: undefined,
    forms: [],
    length: 0,
    prefixes: 0,
    segment: L.SEG_DS,
    memory: false,
    registers: [0, 0, 0],
    base: L.S_ZERO,
    index: L.S_ZERO,
    scale: 0,
    displacement: 0,
    ripRelative: false,
    addressBytes: 4,
    immediateLow: 0,
    immediateHigh: 0,
    lockInvalid: false,
  };
  private at = 0;
  private bytes: Uint8Array = new Uint8Array(MAX_INSTRUCTION_BYTES);

  /**
   * Decodes from 16 bytes (junk behind the instruction's end does no harm). `out.row` is undefined for an undefined
   * opcode; `out.length` above 15 means the instruction is too long.
   */
  decode(bytes: Uint8Array, mode: number): Decoded {
    const { out } = this;
    this.bytes = bytes;
    this.at = 0;
    const long = (mode & L.MODE_LONG) !== 0;
    let prefixes = 0;
    let segmentOverride = -1;
    let rex = 0;
    let byte: number;
    for (;;) {
      byte = this.u8();
      if (this.at > MAX_INSTRUCTION_BYTES) return this.tooLong();
      if (byte === 0x66) prefixes |= L.PREFIX_OPSIZE;
      else if (byte === 0x67) prefixes |= L.PREFIX_ADDRSIZE;
      else if (byte === 0xf0) prefixes |= L.PREFIX_LOCK;
      else if (byte === 0xf2) prefixes = (prefixes & ~L.PREFIX_REP) | L.PREFIX_REPNE;
      else if (byte === 0xf3) prefixes = (prefixes & ~L.PREFIX_REPNE) | L.PREFIX_REP;
      else if (byte in SEGMENT_PREFIXES)
        segmentOverride = long && byte < 0x60 ? segmentOverride : SEGMENT_PREFIXES[byte];
      else if (long && byte >= 0x40 && byte < 0x50) {
        rex = byte;
        continue;
      } else break;
      // A REX prefix counts only just before the opcode.
      rex = 0;
    }
    let map = 0;
    let vexRegister = -1;
    let vexLength = 0;
    const protectedMode = (mode & (L.MODE_REAL | L.MODE_V86)) === 0;
    if (
      (byte === 0xc4 || byte === 0xc5) &&
      protectedMode &&
      (long || (this.bytes[this.at] & 0xc0) === 0xc0)
    ) {
      if (
        rex !== 0 ||
        (prefixes & (L.PREFIX_OPSIZE | L.PREFIX_LOCK | L.PREFIX_REP | L.PREFIX_REPNE)) !== 0
      )
        return this.undefinedOpcode();
      let last = this.u8();
      rex = last & 0x80 ? 0 : 4;
      map = 1;
      if (byte === 0xc4) {
        rex |= (last & 0x40 ? 0 : 2) | (last & 0x20 ? 0 : 1);
        map = last & 0x1f;
        last = this.u8();
        if (last & 0x80) rex |= 8;
      }
      if (!long) rex = 0;
      if (map < 1 || map > 3) return this.undefinedOpcode();
      vexRegister = (~last >> 3) & (long ? 15 : 7);
      vexLength = (last >> 2) & 1;
      prefixes |= [0, L.PREFIX_OPSIZE, L.PREFIX_REP, L.PREFIX_REPNE][last & 3];
      byte = this.u8();
    } else if (byte === 0x0f) {
      byte = this.u8();
      map = byte === 0x38 ? 2 : byte === 0x3a ? 3 : 1;
      if (map > 1) byte = this.u8();
    }
    const rexW = (rex & 8) !== 0;
    if (rexW) prefixes |= L.PREFIX_REXW;
    out.prefixes = prefixes;

    const modrm = this.bytes[this.at];
    const row = this.select(map, byte, modrm, prefixes, rex, mode, vexRegister, vexLength);
    if (!row) {
      // Where the ModR/M byte could have made it defined, that byte was fetched.
      if (BY_OPCODE[map][byte].some((candidate) => WITH_MODRM.has(candidate))) this.at++;
      return this.undefinedOpcode();
    }

    const code32 = (mode & L.MODE_CODE32) !== 0;
    const opsize =
      ((prefixes & L.PREFIX_OPSIZE) !== 0 && row.p !== 0x66) ||
      (row.p === 0x66 && row.operands.some((o) => o.endsWith('v')) && !rexW);
    let operandBytes: 2 | 4 | 8;
    if (long) operandBytes = row.f64 ? 8 : rexW ? 8 : row.d64 ? (opsize ? 2 : 8) : opsize ? 2 : 4;
    else operandBytes = code32 !== opsize ? 4 : 2;
    const addressPrefix = (prefixes & L.PREFIX_ADDRSIZE) !== 0;
    out.addressBytes = long ? (addressPrefix ? 4 : 8) : code32 !== addressPrefix ? 4 : 2;

    out.row = row;
    out.base = L.S_ZERO;
    out.index = L.S_ZERO;
    out.scale = 0;
    out.displacement = 0;
    out.ripRelative = false;
    out.segment = L.SEG_DS;
    out.memory = false;
    out.immediateLow = 0;
    out.immediateHigh = 0;
    let reg = 0;
    let rm = 0;
    if (WITH_MODRM.has(row)) {
      this.at++;
      reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
      rm = (modrm & 7) | ((rex & 1) << 3);
      const control = row.operands.some((o) => o === 'Cm' || o === 'Dm');
      if (modrm < 0xc0 && !control) this.address(modrm, rex, long);
    } else if (row.mnemonic === 'XLAT') {
      // Table at [rBX + AL].
      out.memory = true;
      out.base = L.S_GPR + 3 * 8;
    } else rm = (byte & 7) | ((rex & 1) << 3);
    if (row.mnemonic === 'MASKMOV') {
      // Stores at [rDI].
      out.memory = true;
      out.base = L.S_GPR + 7 * 8;
    }

    const use: RowUse = {
      row,
      long,
      operandBytes,
      memory:
        (out.memory && row.mnemonic !== 'MASKMOV') || row.operands.some((o) => o.startsWith('O')),
      addressBytes: out.addressBytes,
    };
    out.use = use;
    out.forms = formsOf(use);
    for (let i = 0; i < row.operands.length; i++)
      this.operand(row.operands[i], i, out.forms[i], reg, rm, byte, rex, vexRegister, use);
    if (segmentOverride >= 0) out.segment = segmentOverride;
    if (out.memory ? out.segment === L.SEG_SS : STACK_OPS.has(row.mnemonic))
      out.prefixes |= L.PREFIX_STACK;
    if (long && out.segment < L.SEG_FS) out.segment = L.SEG_NONE;
    out.lockInvalid =
      (prefixes & L.PREFIX_LOCK) !== 0 && !(row.lock && out.memory && out.forms[0]?.kind === 'm');
    out.length = this.at;
    return this.at > MAX_INSTRUCTION_BYTES ? this.tooLong() : out;
  }

  private u8(): number {
    return this.bytes[this.at++] ?? 0;
  }

  private undefinedOpcode(): Decoded {
    this.out.row = undefined;
    this.out.length = Math.min(this.at, MAX_INSTRUCTION_BYTES);
    return this.out;
  }

  private tooLong(): Decoded {
    this.out.row = undefined;
    this.out.length = RIP_BYTES_EXHAUSTED;
    return this.out;
  }

  private select(
    map: number,
    opcode: number,
    modrm: number,
    prefixes: number,
    rex: number,
    mode: number,
    vexRegister: number,
    vexLength: number,
  ): OpRow | undefined {
    const vex = vexRegister >= 0;
    const long = (mode & L.MODE_LONG) !== 0;
    const memory = modrm < 0xc0;
    const mandatory =
      prefixes & L.PREFIX_REPNE
        ? 0xf2
        : prefixes & L.PREFIX_REP
          ? 0xf3
          : prefixes & L.PREFIX_OPSIZE
            ? 0x66
            : 'none';
    for (const row of BY_OPCODE[map][opcode]) {
      if (long ? row.i64 : row.o64) continue;
      if ((row.vex ?? false) !== vex || (vex && vexLength !== 0)) continue;
      // VEX.vvvv must be 1111b (register 0 inverted) when no operand uses it.
      if (vex && vexRegister !== 0 && !row.operands.some((o) => /^[BH]/.test(o))) continue;
      if (
        row.operands.some((o) => o === 'Cm' || o === 'Dm') &&
        !isSystemRegister(row, ((modrm >> 3) & 7) | ((rex & 4) << 1))
      )
        continue;
      if (row.reg !== undefined && row.reg !== ((modrm >> 3) & 7)) continue;
      if (row.mod !== undefined && (row.mod === 'mem') !== memory) continue;
      if (row.rm !== undefined && row.rm !== (modrm & 7)) continue;
      // 90 with REX.B is XCHG r8; with any other prefix it stays NOP (F3: PAUSE).
      if (map === 0 && opcode === 0x90) {
        if (row.mnemonic === 'NOP' && (rex & 1) !== 0) continue;
      } else if (row.p !== undefined && row.p !== mandatory) continue;
      if (row.w !== undefined && row.w !== ((rex & 8) !== 0)) continue;
      if (row.prot && (mode & (L.MODE_REAL | L.MODE_V86)) !== 0) continue;
      return row;
    }
    return undefined;
  }

  /** ModR/M addressing forms, SDM 2A tables 2-1 to 2-3. */
  private address(modrm: number, rex: number, long: boolean): void {
    const { out } = this;
    out.memory = true;
    const mod = modrm >> 6;
    let rm = modrm & 7;
    if (out.addressBytes === 2) {
      if (mod === 0 && rm === 6) {
        out.displacement = this.immediate(2) & 0xffff;
        return;
      }
      const [base, index] = ADDRESS16[rm];
      out.base = L.S_GPR + base * 8;
      if (index >= 0) out.index = L.S_GPR + index * 8;
      if (base === 5) out.segment = L.SEG_SS;
      if (mod === 1) out.displacement = this.immediate(1);
      else if (mod === 2) out.displacement = this.immediate(2);
      return;
    }
    let base = rm | ((rex & 1) << 3);
    if (rm === 4) {
      const sib = this.u8();
      const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
      if (index !== 4) {
        out.index = L.S_GPR + index * 8;
        out.scale = sib >> 6;
      }
      rm = sib & 7;
      base = rm | ((rex & 1) << 3);
      if (rm === 5 && mod === 0) {
        out.displacement = this.immediate(4);
        return;
      }
    } else if (rm === 5 && mod === 0) {
      out.displacement = this.immediate(4);
      out.ripRelative = long;
      return;
    }
    out.base = L.S_GPR + base * 8;
    if (base === 4 || base === 5) out.segment = L.SEG_SS;
    if (mod === 1) out.displacement = this.immediate(1);
    else if (mod === 2) out.displacement = this.immediate(4);
  }

  /** Little-endian, sign-extended to 32 bits. */
  private immediate(bytes: 1 | 2 | 4): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value |= this.u8() << (i * 8);
    return bytes === 1 ? (value << 24) >> 24 : bytes === 2 ? (value << 16) >> 16 : value;
  }

  private setImmediate(value: number): void {
    this.out.immediateLow = value | 0;
    this.out.immediateHigh = value < 0 ? -1 : 0;
  }

  private register(number: number, bytes: number, rex: number): number {
    if (bytes === 1 && number >= 4 && number < 8 && rex === 0)
      return L.S_GPR + (number - 4) * 8 + 1;
    return L.S_GPR + number * 8;
  }

  private operand(
    code: string,
    i: number,
    form: OperandForm,
    reg: number,
    rm: number,
    opcode: number,
    rex: number,
    vexRegister: number,
    use: RowUse,
  ): void {
    const { out } = this;
    if (code in FIXED_REGISTERS) {
      const number = FIXED_REGISTERS[code];
      out.registers[i] = form.kind === 'n' ? number : L.S_GPR + number * 8;
      return;
    }
    if (code === '1') return this.setImmediate(1);
    if (code === 'STi') {
      out.registers[i] = rm & 7;
      return;
    }
    if (code === 'A0') return;
    const letter = code[0];
    const size = code.slice(1);
    switch (letter) {
      case 'G':
        out.registers[i] = this.register(reg, form.bytes, rex);
        break;
      case 'E':
      case 'R':
        if (form.kind === 'r') out.registers[i] = this.register(rm, form.bytes, rex);
        break;
      case 'Z':
        out.registers[i] = this.register((opcode & 7) | ((rex & 1) << 3), form.bytes, rex);
        break;
      case 'B':
        out.registers[i] = L.S_GPR + vexRegister * 8;
        break;
      case 'V':
        out.registers[i] = L.S_XMM + reg * 16;
        break;
      case 'W':
      case 'U':
        if (form.kind === 'x') out.registers[i] = L.S_XMM + rm * 16;
        break;
      case 'H':
        out.registers[i] = L.S_XMM + vexRegister * 16;
        break;
      case 'P':
        out.registers[i] = L.S_X87 + (reg & 7) * 16;
        break;
      case 'Q':
      case 'N':
        if (form.kind === 'q') out.registers[i] = L.S_X87 + (rm & 7) * 16;
        break;
      case 'S':
        out.registers[i] = reg & 7;
        break;
      case 'C':
      case 'D':
        out.registers[i] = reg;
        break;
      case 'O':
        this.offsetOperand();
        break;
      case 'J':
        this.setImmediate(
          size === 'b' ? this.immediate(1) : this.immediate(use.operandBytes === 2 ? 2 : 4),
        );
        break;
      case 'A':
        out.immediateLow = use.operandBytes === 2 ? this.immediate(2) & 0xffff : this.immediate(4);
        out.immediateHigh = this.immediate(2) & 0xffff;
        break;
      case 'I':
        this.immediateOperand(size, use);
        break;
    }
  }

  /** MOV with a full address in the instruction. */
  private offsetOperand(): void {
    const { out } = this;
    out.memory = true;
    if (out.addressBytes === 8) {
      out.immediateLow = this.immediate(4);
      out.immediateHigh = this.immediate(4);
      return;
    }
    out.displacement = out.addressBytes === 2 ? this.immediate(2) & 0xffff : this.immediate(4);
  }

  private immediateOperand(size: string, use: RowUse): void {
    const { out } = this;
    if (size === 'b' || size === 'bs') this.setImmediate(this.immediate(1));
    else if (size === 'w') this.setImmediate(this.immediate(2));
    else if (size === 'a') {
      const word = this.immediate(2) & 0xffff;
      this.setImmediate(word | ((this.immediate(1) & 0xff) << 16));
    } else if (size === 'v' && use.operandBytes === 8) {
      out.immediateLow = this.immediate(4);
      out.immediateHigh = this.immediate(4);
    } else this.setImmediate(use.operandBytes === 2 ? this.immediate(2) : this.immediate(4));
  }
}
