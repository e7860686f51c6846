/**
 * A row of an opcode map in the manual's notation (SDM Vol. 2D, appendix A.2). Operand codes are an addressing letter
 * and a size: `Ev` is ModR/M r/m of the effective operand size, `Gb` ModR/M reg as a byte register.
 *
 * Letters: A far pointer, B VEX.vvvv register, C control register, D debug register, E r/m, G reg, I immediate,
 * J branch offset, M memory only, N r/m as MMX register, O moffs, P reg as MMX register, Q r/m MMX, R r/m as general
 * register only, S segment register, U r/m as XMM register, V reg as XMM, W r/m XMM, X and Y string source and
 * destination, Z register in the opcode's low three bits.
 * Sizes: a pair (BOUND; as an immediate ENTER's Iw, Ib), b 1, bs 1 (sign-extended), w 2, d 4, q 8, dq/x/ps/pd 16, ss 4, sd 8, t 10, v by operand size, y 4 or 8, z 2 or 4
 * (immediates: 4 bytes for 64-bit operands), p far pointer, m size of no consequence; s 6 or 10 (descriptor table).
 * Others: registers by name, `1`, `K` = counter register by address size, `A0` = address size itself,
 * `STi` = x87 stack number in r/m.
 */
type Size =
  | 'a'
  | 'b'
  | 'w'
  | 'd'
  | 'q'
  | 'dq'
  | 'x'
  | 'ps'
  | 'pd'
  | 'ss'
  | 'sd'
  | 't'
  | 'v'
  | 'y'
  | 'z'
  | 'p'
  | 'm'
  | 's'
  | 'bs';
type Letter =
  | 'A'
  | 'B'
  | 'C'
  | 'D'
  | 'E'
  | 'G'
  | 'I'
  | 'J'
  | 'M'
  | 'N'
  | 'O'
  | 'P'
  | 'Q'
  | 'R'
  | 'S'
  | 'U'
  | 'V'
  | 'W'
  | 'X'
  | 'Y'
  | 'Z'
  | 'H';
export type Operand =
  | `${Letter}${Size}`
  | 'AL'
  | 'CL'
  | 'AX'
  | 'DX'
  | 'rAX'
  | 'eAX'
  | 'ES'
  | 'CS'
  | 'SS'
  | 'DS'
  | 'FS'
  | 'GS'
  | '1'
  | 'K'
  | 'A0'
  | 'STi';

/** A mandatory prefix: none of 66 F3 F2, or that one. */
export type MandatoryPrefix = 'none' | 0x66 | 0xf3 | 0xf2;

export interface RowAttributes {
  /** ModR/M reg field that selects this row in a group. */
  readonly reg?: number;
  /** ModR/M form it needs. */
  readonly mod?: 'reg' | 'mem';
  /** ModR/M r/m field it needs (with mod 'reg'). */
  readonly rm?: number;
  readonly p?: MandatoryPrefix;
  /** Invalid in 64-bit mode / only there. */
  readonly i64?: boolean;
  readonly o64?: boolean;
  /** 64-bit operands by default in 64-bit mode (d64), or always (f64). */
  readonly d64?: boolean;
  readonly f64?: boolean;
  /** LOCK is allowed with a memory destination. */
  readonly lock?: boolean;
  /** #GP unless CPL is 0. */
  readonly cpl0?: boolean;
  /** #UD in real and virtual-8086 mode. */
  readonly prot?: boolean;
  /** Needs REX.W (true) or its absence (false). */
  readonly w?: boolean;
  /** VEX-encoded (map as the table's), with L = 0. */
  readonly vex?: boolean;
  /** Register unit it needs: #NM/#UD by CR0.TS, CR0.EM, CR4.OSFXSR. */
  readonly unit?: 'x87' | 'mmx' | 'sse' | 'fwait';
  /** Operand size prefix is ignored. */
  readonly fixed?: boolean;
}

export interface OpRow extends RowAttributes {
  readonly opcode: number;
  readonly mnemonic: string;
  readonly operands: readonly Operand[];
}

export function op(
  opcode: number,
  mnemonic: string,
  operands: readonly Operand[] = [],
  attributes: RowAttributes = {},
): OpRow {
  return { opcode, mnemonic, operands, ...attributes };
}

/** The same instruction for eight opcodes that carry a register in their low bits. */
export function each8(
  opcode: number,
  mnemonic: string,
  operands: readonly Operand[],
  attributes: RowAttributes = {},
): OpRow[] {
  return Array.from({ length: 8 }, (_, i) => op(opcode + i, mnemonic, operands, attributes));
}
