import type { RowUse } from '../../core/cpu/decode/forms';
import { GPR_NAMES } from '../../core/hw';
import type { Encoding } from './encode';
import { undefinedFlags, undefinedResult } from './excluded';
import type { Case, Outcome } from './layout';

const COMPARED_FLAGS = 0xcd5;
const PAGE_FAULT = 14;

/** The count of a shift or rotate, whichever operand gives it. */
function shiftCount(use: RowUse, encoding: Encoding, c: Case): number | undefined {
  if (!/^(SH[LR]D?|SAR|RO[LR]|RC[LR])$/.test(use.row.mnemonic)) return undefined;
  const last = use.row.operands.at(-1)!;
  if (last === '1') return 1;
  return last === 'CL' ? Number(c.gpr[1] & 0xffn) : encoding.bytes.at(-1)!;
}

function hex(value: bigint | number): string {
  return value.toString(16);
}

/** The first differences in words, or undefined when both agree. */
export function compare(
  use: RowUse,
  encoding: Encoding,
  c: Case,
  expected: Outcome,
  actual: Outcome,
): string | undefined {
  const found: string[] = [];
  if (expected.trap !== actual.trap)
    found.push(`trap ${String(actual.trap)} instead of ${String(expected.trap)}`);
  else if (expected.trap === PAGE_FAULT) {
    // Other addresses may be mapped in the harness's process: whether the page is present does not count.
    if ((expected.error & ~1) !== (actual.error & ~1))
      found.push(`error code ${hex(actual.error)} instead of ${hex(expected.error)}`);
    if (expected.cr2 !== actual.cr2)
      found.push(`cr2 ${hex(actual.cr2)} instead of ${hex(expected.cr2)}`);
  }
  if (expected.taken !== actual.taken) found.push(`branch ${actual.taken ? '' : 'not '}taken`);
  const { mnemonic } = use.row;
  const bits = use.row.operands[0]?.endsWith('b') ? 8 : use.operandBytes * 8;
  const count = shiftCount(use, encoding, c);
  const registers = c.mode32 ? 8 : 16;
  const result = !undefinedResult(mnemonic, bits, count);
  if (result) {
    for (let i = 0; i < registers; i++) {
      if (expected.gpr[i] !== actual.gpr[i])
        found.push(`${GPR_NAMES[i]} ${hex(actual.gpr[i])} instead of ${hex(expected.gpr[i])}`);
    }
    // AMD's MXCSR_MASK has bit 17 (misaligned SSE), which stands alone in its byte.
    const masked = (byte: number, i: number) =>
      mnemonic === 'FXSAVE' && byte === 2 && actual.memory[i] === 0;
    const at = expected.memory.findIndex(
      (byte, i) => byte !== actual.memory[i] && !masked(byte, i),
    );
    // ENTER may have written part of its frame when it faults.
    if (at >= 0 && !(mnemonic === 'ENTER' && expected.trap >= 0))
      found.push(
        `memory+${String(at)} ${hex(actual.memory[at])} instead of ${hex(expected.memory[at])}`,
      );
  }
  const ignored = expected.trap === -1 ? undefinedFlags(mnemonic, bits, count) : 0;
  const mask = COMPARED_FLAGS & ~ignored;
  if ((expected.flags & mask) !== (actual.flags & mask))
    found.push(`flags ${hex(actual.flags & mask)} instead of ${hex(expected.flags & mask)}`);
  if (use.row.unit) found.push(...vectorDifferences(use, expected, actual));
  if (found.length === 0) return undefined;
  const inputs = [...c.gpr.slice(0, registers)]
    .map((v, i) => `${GPR_NAMES[i]}=${hex(v)}`)
    .join(' ');
  return `${found.join('; ')} (flags=${hex(c.flags)} ${inputs})`;
}

/**
 * Processors differ in the last bit of these (SDM 1 8.3.10: an error below one unit in the last place), and so in C1.
 */
const TRANSCENDENTAL = /^(F2XM1|FYL2X|FYL2XP1|FPTAN|FPATAN|FSIN|FCOS|FSINCOS)$/;
const C1 = 0x200;

/** SDM 2B: a relative error of up to 1.5 * 2^-12; every processor has its own table. */
const ESTIMATE = /^R(CP|SQRT)[PS]S$/;
const ESTIMATE_ERROR = 3 * 2 ** -12;

/** Two singles in a 64-bit half, both within the error of an estimate. */
function nearSingles(x: bigint, y: bigint): boolean {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, x);
  view.setBigUint64(8, y);
  return [0, 4].every((at) => {
    if (view.getUint32(at) === view.getUint32(at + 8)) return true;
    const [a, b] = [view.getFloat32(at), view.getFloat32(at + 8)];
    return Math.abs(a - b) <= ESTIMATE_ERROR * Math.abs(a);
  });
}

/** Neighbours as 80-bit numbers: sign and exponent, significand. */
function near(xe: number, x: bigint, ye: number, y: bigint): boolean {
  const place = (e: number, significand: bigint) =>
    (BigInt(e) << 63n) | BigInt.asUintN(63, significand);
  const distance = place(xe, x) - place(ye, y);
  return distance <= 1n && distance >= -1n;
}

function vectorDifferences(use: RowUse, expected: Outcome, actual: Outcome): string[] {
  const found: string[] = [];
  const e = new DataView(expected.fx.buffer);
  const a = new DataView(actual.fx.buffer);
  const field = (name: string, at: number, mask = 0xffff) => {
    const [x, y] = [e.getUint16(at, true) & mask, a.getUint16(at, true) & mask];
    if (x !== y) found.push(`${name} ${hex(y)} instead of ${hex(x)}`);
  };
  if (use.row.unit === 'x87' || use.row.unit === 'mmx' || use.row.unit === 'fwait') {
    field('fcw', 0);
    const inexact = TRANSCENDENTAL.test(use.row.mnemonic);
    field('fsw', 2, inexact ? 0xffff & ~C1 : 0xffff);
    field('tags', 4, 0xff);
    for (let i = 0; i < 8; i++) {
      const at = 32 + i * 16;
      const [x, y] = [e.getBigUint64(at, true), a.getBigUint64(at, true)];
      const [xe, ye] = [e.getUint16(at + 8, true), a.getUint16(at + 8, true)];
      if (inexact ? !near(xe, x, ye, y) : x !== y || xe !== ye)
        found.push(`st${String(i)} ${hex(ye)}:${hex(y)} instead of ${hex(xe)}:${hex(x)}`);
    }
  }
  const [em, am] = [e.getUint32(24, true), a.getUint32(24, true)];
  if (em !== am) found.push(`mxcsr ${hex(am)} instead of ${hex(em)}`);
  for (let i = 0; i < 32; i++) {
    const [x, y] = [e.getBigUint64(160 + i * 8, true), a.getBigUint64(160 + i * 8, true)];
    const same = ESTIMATE.test(use.row.mnemonic) ? nearSingles(x, y) : x === y;
    if (!same)
      found.push(`xmm${String(i >> 1)}${i & 1 ? 'h' : 'l'} ${hex(y)} instead of ${hex(x)}`);
  }
  return found;
}
