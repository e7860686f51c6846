/** Decodes one instruction's bytes by the opcode maps (SDM Vol. 2A chapter 2): prefixes, opcode, ModR/M, SIB, displacement, immediates. */
import * as L from '../layout';
import type { OperandForm } from '../ops/context';
import {
  BY_OPCODE,
  useOf,
  type IndexedRow,
  type IndexedUse,
  type OperandCode,
} from './indexed-row';

export const MAX_INSTRUCTION_BYTES = 15;

/** A decoded instruction; one object is reused for all. */
export interface Decoded {
  row: IndexedRow | undefined;
  use: IndexedUse | undefined;
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

const RIP_BYTES_EXHAUSTED = MAX_INSTRUCTION_BYTES + 1;

/** Control registers 0, 2, 3, 4, 8 and debug registers 0 to 7 exist. */
function exists(kind: 'control' | 'debug', number: number): boolean {
  return kind === 'debug' ? number < 8 : [0, 2, 3, 4, 8].includes(number);
}

/** Neither real nor virtual-8086 mode. */
function isProtected(mode: number): boolean {
  return (mode & (L.MODE_REAL | L.MODE_V86)) === 0;
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

const SEGMENT_PREFIXES: readonly (readonly [byte: number, segment: number])[] = [
  [0x26, L.SEG_ES],
  [0x2e, L.SEG_CS],
  [0x36, L.SEG_SS],
  [0x3e, L.SEG_DS],
  [0x64, L.SEG_FS],
  [0x65, L.SEG_GS],
];

/** By byte: the segment that a prefix names, or -1. */
const SEGMENT_OF = new Int8Array(256).fill(-1);
for (const [byte, segment] of SEGMENT_PREFIXES) SEGMENT_OF[byte] = segment;

export class InstructionDecoder {
  readonly out: Decoded = {
    row: undefined,
    use: undefined,
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
      else if (SEGMENT_OF[byte] >= 0)
        segmentOverride = long && byte < 0x60 ? segmentOverride : SEGMENT_OF[byte];
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
    if (
      (byte === 0xc4 || byte === 0xc5) &&
      isProtected(mode) &&
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
      if (BY_OPCODE[map][byte].some((candidate) => candidate.hasModrm)) this.at++;
      return this.undefinedOpcode();
    }

    const code32 = (mode & L.MODE_CODE32) !== 0;
    const opsize =
      ((prefixes & L.PREFIX_OPSIZE) !== 0 && row.prefix !== 0x66) || (row.sized66 && !rexW);
    let operandBytes: 2 | 4 | 8;
    if (!long) operandBytes = code32 !== opsize ? 4 : 2;
    else if (row.always64 || rexW) operandBytes = 8;
    else if (opsize) operandBytes = 2;
    else operandBytes = row.defaults64 ? 8 : 4;
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
    if (row.hasModrm) {
      this.at++;
      reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
      rm = (modrm & 7) | ((rex & 1) << 3);
      if (modrm < 0xc0 && row.systemRegister === undefined) this.address(modrm, rex, long);
    } else rm = (byte & 7) | ((rex & 1) << 3);
    const memory = out.memory || row.hasOffset;
    if (row.implied !== undefined) {
      // Table at [rBX + AL], stores at [rDI].
      out.memory = true;
      out.base = L.S_GPR + (row.implied === 'table' ? 3 : 7) * 8;
    }

    const use = useOf(row, long, operandBytes, memory || row.implied === 'table', out.addressBytes);
    out.use = use;
    for (let i = 0; i < row.operands.length; i++)
      this.operand(row.operands[i], i, use.forms[i], reg, rm, byte, rex, vexRegister, use);
    if (segmentOverride >= 0) out.segment = segmentOverride;
    if (out.memory ? out.segment === L.SEG_SS : row.usesStack) out.prefixes |= L.PREFIX_STACK;
    if (long && out.segment < L.SEG_FS) out.segment = L.SEG_NONE;
    out.lockInvalid =
      (prefixes & L.PREFIX_LOCK) !== 0 && !(row.lock && out.memory && use.storesFirst);
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
  ): IndexedRow | undefined {
    const vex = vexRegister >= 0;
    const long = (mode & L.MODE_LONG) !== 0;
    const form = modrm < 0xc0 ? 'mem' : 'reg';
    const field = (modrm >> 3) & 7;
    const mandatory =
      prefixes & L.PREFIX_REPNE
        ? 0xf2
        : prefixes & L.PREFIX_REP
          ? 0xf3
          : prefixes & L.PREFIX_OPSIZE
            ? 0x66
            : 'none';
    for (const row of BY_OPCODE[map][opcode]) {
      if (!(long ? row.inLong : row.inLegacy)) continue;
      if (row.vex !== vex || (vex && vexLength !== 0)) continue;
      // VEX.vvvv must be 1111b (register 0 inverted) when no operand uses it.
      if (vex && vexRegister !== 0 && !row.usesVexRegister) continue;
      if (row.systemRegister !== undefined && !exists(row.systemRegister, field | ((rex & 4) << 1)))
        continue;
      if (row.reg >= 0 && row.reg !== field) continue;
      if (row.mod !== 'any' && row.mod !== form) continue;
      if (row.rm >= 0 && row.rm !== (modrm & 7)) continue;
      // 90 with REX.B is XCHG r8; with any other prefix it stays NOP (F3: PAUSE).
      if (map === 0 && opcode === 0x90) {
        if (row.row.mnemonic === 'NOP' && (rex & 1) !== 0) continue;
      } else if (row.prefix !== 'any' && row.prefix !== mandatory) continue;
      if (row.rexW !== 'any' && row.rexW !== ((rex & 8) !== 0)) continue;
      if (row.protectedOnly && !isProtected(mode)) continue;
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
    { fixed, special, letter, size }: OperandCode,
    i: number,
    form: OperandForm,
    reg: number,
    rm: number,
    opcode: number,
    rex: number,
    vexRegister: number,
    use: IndexedUse,
  ): void {
    const { out } = this;
    if (fixed >= 0) {
      out.registers[i] = form.kind === 'n' ? fixed : L.S_GPR + fixed * 8;
      return;
    }
    if (special !== undefined) {
      if (special === '1') this.setImmediate(1);
      else if (special === 'STi') out.registers[i] = rm & 7;
      return;
    }
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

  private immediateOperand(size: string, use: IndexedUse): void {
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
