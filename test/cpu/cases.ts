/** Random cases for one encoding: registers, flags and memory, solved so that memory operands mostly hit the window. */
import type { RowUse } from '../../core/cpu/decode/forms';
import { encode, BRANCH_TARGET, type Encoding } from './encode';
import { FX_BYTES, WINDOW, WINDOW_BYTES, type Case } from './layout';
import type { Random } from './random';

const STATUS_FLAGS = 0x8d5;
const DF = 0x400;

/** x87 and SSE state as FINIT and the reset of MXCSR leave it, with random registers where the instruction uses them. */
function vectorState(use: RowUse, random: Random): Uint8Array {
  const fx = new Uint8Array(FX_BYTES);
  const view = new DataView(fx.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint32(24, 0x1f80, true);
  if (use.row.unit === undefined) return fx;
  if (use.row.unit === 'sse') {
    for (let i = 0; i < 32; i++) view.setBigUint64(160 + i * 8, vectorOperand(random), true);
    // PE set already is what arithmetic in a program's midst finds.
    if (random.chance(40)) view.setUint32(24, 0x1fa0, true);
    else if (random.chance(20))
      view.setUint32(24, 0x1f80 | (random.below(4) << 13) | (random.chance(30) ? 0x8040 : 0), true);
    return fx;
  }
  if (use.row.unit === 'mmx') {
    fx[4] = 0xff;
    for (let i = 0; i < 8; i++) {
      view.setBigUint64(32 + i * 16, random.operand(), true);
      view.setUint16(40 + i * 16, 0xffff, true);
    }
    for (let i = 0; i < 32; i++) view.setBigUint64(160 + i * 8, vectorOperand(random), true);
    return fx;
  }
  const top = random.below(8);
  view.setUint16(0, 0x37f | (random.chance(25) ? random.below(4) << 10 : 0), true);
  view.setUint16(2, (top << 11) | (random.below(2) << 14) | (random.below(2) << 8), true);
  fx[4] = random.chance(90) ? 0xff : random.below(256);
  for (let i = 0; i < 8; i++) extended(view, 32 + i * 16, random);
  return fx;
}

/** Integers, floats of both widths, infinities, NaNs and denormals. */
function vectorOperand(random: Random): bigint {
  const kind = random.below(6);
  if (kind < 2) return random.operand();
  const buffer = new DataView(new ArrayBuffer(8));
  const value =
    random.pick([
      0,
      -0,
      1,
      -1,
      1.5,
      0.1,
      3e5,
      -2.75,
      1e10,
      -1e-10,
      2 ** 31,
      -(2 ** 31),
      2 ** 63,
      1e38,
      1e-38,
      1e300,
      1e-310,
      Infinity,
      -Infinity,
      NaN,
    ]) * (random.chance(30) ? random.below(1000) / 7 : 1);
  if (kind < 4) {
    buffer.setFloat64(0, value);
    return buffer.getBigUint64(0);
  }
  buffer.setFloat32(0, value);
  buffer.setFloat32(4, random.below(1000) / 3);
  return buffer.getBigUint64(0);
}

/** A normalised 80-bit number, zero, infinity or NaN at a place of an FXSAVE image. */
function extended(view: DataView, at: number, random: Random): void {
  const kind = random.below(12);
  let significand = random.operand() | 0x8000000000000000n;
  let exponent = 0x3fff - 40 + random.below(80);
  if (kind === 0) {
    significand = 0n;
    exponent = 0;
  } else if (kind === 1) {
    exponent = 0x7fff;
    significand = 0x8000000000000000n;
  } else if (kind === 2) {
    exponent = 0x7fff;
    significand |= 0x4000000000000000n;
  } else if (kind === 3) {
    significand &= 0xffffff0000000000n;
  } else if (kind === 4) {
    exponent = random.pick([1, 2, 0x7ffe, 0x3fff]);
  }
  view.setBigUint64(at, significand, true);
  view.setUint16(at + 8, exponent | (random.chance(50) ? 0x8000 : 0), true);
}

export interface CaseSet {
  readonly encoding: Encoding;
  readonly cases: Case[];
}

/** `count` cases of one random encoding of the use. */
export function makeCases(map: number, use: RowUse, count: number, random: Random): CaseSet {
  const { row } = use;
  const aligned = row.unit === 'sse' || row.mnemonic === 'CMPXCHG16B';
  const place = () =>
    WINDOW + 32 + (aligned && random.chance(85) ? random.below(8) * 16 : random.below(160));
  const bitString = /^BT[SRC]?$/.test(row.mnemonic);
  let encoding = encode(map, use, random, place());
  while (bitString && addressedByOffset(encoding)) encoding = encode(map, use, random, place());
  const cases: Case[] = [];
  for (let n = 0; n < count; n++) {
    const gpr = new BigUint64Array(16);
    for (let i = 0; i < 16; i++) gpr[i] = random.operand();
    gpr[4] = BigInt(WINDOW + 128 + (random.chance(30) ? random.below(8) : 0));
    const memory = new Uint8Array(WINDOW_BYTES);
    const words = new BigUint64Array(memory.buffer);
    for (let i = 0; i < words.length; i++)
      words[i] = row.unit ? vectorOperand(random) : random.operand();
    const flags =
      0x202 |
      (random.u32() & STATUS_FLAGS) |
      (/^(MOVS|CMPS|SCAS|LODS|STOS)$/.test(row.mnemonic) && random.chance(30) ? DF : 0);
    implicitOperands(use, gpr, memory, random);
    const target = random.chance(98)
      ? BigInt(place())
      : random.pick([0x50000000n, 0x123n, 0x8000000000000000n]);
    aim(encoding, gpr, use.long ? target : target & 0xffffffffn, bitString, random);
    branchTargets(use, encoding, gpr, memory);
    if (!use.long) for (let i = 0; i < 16; i++) gpr[i] = i < 8 ? gpr[i] & 0xffffffffn : 0n;
    cases.push({
      code: encoding.bytes,
      mode32: !use.long,
      gpr,
      flags,
      memory,
      fx: vectorState(use, random),
    });
  }
  return { encoding, cases };
}

/** Registers that instructions use without naming them. */
function implicitOperands(
  use: RowUse,
  gpr: BigUint64Array,
  memory: Uint8Array,
  random: Random,
): void {
  const { mnemonic } = use.row;
  const inWindow = () => BigInt(WINDOW + 64 + random.below(100));
  if (/^(MOVS|CMPS|SCAS|LODS|STOS|MASKMOV)/.test(mnemonic)) {
    gpr[6] = inWindow();
    gpr[7] = inWindow();
    gpr[1] = BigInt(random.below(5));
    if (/^(CMPS|SCAS)$/.test(mnemonic) && random.chance(50)) memory.fill(0x55);
  }
  if (mnemonic === 'LEAVE' || mnemonic === 'ENTER') gpr[5] = inWindow();
  if (mnemonic === 'XLAT') gpr[3] = BigInt(WINDOW);
  if (/^LOOP|JCXZ/.test(mnemonic))
    gpr[1] = random.pick([0n, 1n, 2n, 0x10000n, 0x100000000n, random.operand()]);
  if (/^I?DIV$/.test(mnemonic) && random.chance(70)) {
    gpr[2] = random.chance(50) ? 0n : BigInt(random.below(200));
    if (mnemonic === 'IDIV' && random.chance(50)) gpr[2] = BigInt.asUintN(64, -1n);
  }
  if (/^SH[LR]D?$|^SAR$|^RO[LR]$|^RC[LR]$/.test(mnemonic))
    gpr[1] = (gpr[1] & ~0xffn) | BigInt(random.below(70));
}

/** Whether the register operand, which is the bit offset of a bit string, is part of the address as well. */
function addressedByOffset({ memory, reg }: Encoding): boolean {
  return memory !== undefined && (reg === memory.base || reg === memory.index);
}

/**
 * Sets base and index so that the memory operand lies at `target`. A bit string's offset is kept small: its far bits
 * may be mapped in the native process and not in the engine, or hold what an earlier case left outside the window.
 */
function aim(
  encoding: Encoding,
  gpr: BigUint64Array,
  target: bigint,
  bitString: boolean,
  random: Random,
): void {
  const m = encoding.memory;
  if (!m) return;
  if (bitString || (m.base >= 0 && !addressedByOffset(encoding) && random.chance(70)))
    gpr[encoding.reg] = BigInt.asUintN(64, BigInt(random.below(512) - 256));
  if (m.base < 0) return;
  let rest = target - BigInt(m.displacement);
  if (m.index >= 0) {
    const index = BigInt.asUintN(64, BigInt(random.below(2000) - 1000));
    gpr[m.index] = index;
    rest -= BigInt.asIntN(64, index) << BigInt(m.scale);
  }
  gpr[m.base] = BigInt.asUintN(64, rest);
}

/** RET, CALL and JMP through a register or memory go to the place the harness watches. */
function branchTargets(
  use: RowUse,
  encoding: Encoding,
  gpr: BigUint64Array,
  memory: Uint8Array,
): void {
  const { mnemonic } = use.row;
  const view = new DataView(memory.buffer);
  if (mnemonic === 'RET') {
    const at = Number(gpr[4] - BigInt(WINDOW));
    view.setBigUint64(at, BigInt(BRANCH_TARGET), true);
  }
  if (mnemonic !== 'CALL' && mnemonic !== 'JMP') return;
  if (encoding.rm >= 0) gpr[encoding.rm] = BigInt(BRANCH_TARGET);
  // A memory operand anywhere in the window reads the target.
  else if (encoding.memory)
    for (let i = 0; i < WINDOW_BYTES; i += 8) view.setBigUint64(i, BigInt(BRANCH_TARGET), true);
}
