/**
 * Supervisor instructions that mostly change a bit of vcpu state and nothing that the code behind them relies on. Their
 * definitions end the region, as they may do more: what is rare is left to those, or leaves the region behind the
 * instruction. Protected and 64-bit mode, not at CPL 3 (SDM Vol. 2: CLI STI CLAC STAC POPF, MOV from control registers).
 */
import { i32, type I32 } from '../../wasm';
import * as L from '../layout';
import { AF, CF, OF, PF, SF, ZF } from '../ops/flags';
import type { InlineSite, Inline } from './inline-site';

const TF = 0x100;
const IF = 0x200;
const DF = 0x400;
const IOPL = 0x3000;
const NT = 0x4000;
const RF = 0x10000;
const AC = 0x40000;
const ID = 0x200000;
const ARITHMETIC = CF | PF | AF | ZF | SF | OF;
/** log2 of CR4.SMAP. */
const CR4_SMAP_BIT = 21;

/** Rights of CPL 1 and 2 are the definitions' affair. */
function demandCpl0(c: InlineSite): void {
  c.f.if(c.state32(L.S_CPL), () => c.retreat());
}

function clearFlag(c: InlineSite, flag: number): void {
  c.setState32(L.S_EFLAGS, i32.and(c.state32(L.S_EFLAGS), i32.const(~flag)));
}

function setFlag(c: InlineSite, flag: number): void {
  c.setState32(L.S_EFLAGS, i32.or(c.state32(L.S_EFLAGS), i32.const(flag)));
}

/** IF has been set: an interrupt that waited for it is served behind this instruction. */
function serveWaiting(c: InlineSite): void {
  c.f.if(c.state32(L.S_IRQ_PENDING), () => {
    c.setState32(L.S_REQUEST, i32.const(1));
    c.leaveBehind();
  });
}

const clearInterrupts: Inline = (c) => {
  demandCpl0(c);
  clearFlag(c, IF);
  return true;
};

const setInterrupts: Inline = (c) => {
  demandCpl0(c);
  c.f.if(i32.eqz(i32.and(c.state32(L.S_EFLAGS), i32.const(IF))), () => {
    setFlag(c, IF);
    c.setState32(L.S_INHIBIT, i32.const(1));
    serveWaiting(c);
  });
  return true;
};

const clearAlignmentCheck: Inline = (c) => {
  demandCpl0(c);
  clearFlag(c, AC);
  c.useTlbMode(i32.const(L.TLB_MODE_SUPERVISOR));
  return true;
};

const setAlignmentCheck: Inline = (c) => {
  demandCpl0(c);
  setFlag(c, AC);
  const smap = i32.and(
    i32.shrU(i32.wrap(c.state64(L.S_CR4)), i32.const(CR4_SMAP_BIT)),
    i32.const(1),
  );
  // With SMAP off AC makes no difference to the supervisor: TLB_MODE_SUPERVISOR is 0.
  c.useTlbMode(i32.mul(smap, i32.const(L.TLB_MODE_SUPERVISOR_AC)));
  return true;
};

/** What POPF pops without a prefix. */
const stackBytes = (long: boolean): 4 | 8 => (long ? 8 : 4);

const popFlags: Inline = (c) => {
  demandCpl0(c);
  const bytes = stackBytes(c.long);
  const image: I32 = c.let(c.toI32(c.peekStack(bytes)));
  const old = c.let(c.state32(L.S_EFLAGS));
  const others = i32.and(i32.xor(image, old), i32.const(TF | DF | IOPL | NT | AC | ID));
  c.f.if(i32.or(others, i32.and(old, i32.const(RF))), () => c.retreat());
  c.dropStack(bytes);
  c.setRawFlags(i32.and(image, i32.const(ARITHMETIC)));
  const kept = i32.and(old, i32.const(~IF));
  c.setState32(L.S_EFLAGS, i32.or(kept, i32.and(image, i32.const(IF))));
  const set = i32.and(i32.and(image, i32.const(IF)), i32.xor(old, i32.const(-1)));
  c.f.if(set, () => serveWaiting(c));
  return true;
};

/** CR8 is the local APIC's. */
const CONTROL_REGISTERS: ReadonlyMap<number, number> = new Map([
  [0, L.S_CR0],
  [2, L.S_CR2],
  [3, L.S_CR3],
  [4, L.S_CR4],
]);

const readControl: Inline = (c) => {
  const value = c.state64(CONTROL_REGISTERS.get(Number(c.number(1).value))!);
  c.set(0, c.bytes === 8 ? value : i32.wrap(value));
  return true;
};

/** By mnemonic. */
export const INLINE_SYSTEM: ReadonlyMap<string, Inline> = new Map([
  ['CLI', clearInterrupts],
  ['STI', setInterrupts],
  ['CLAC', clearAlignmentCheck],
  ['STAC', setAlignmentCheck],
  ['POPF', popFlags],
  ['MOVFROMCR', readControl],
]);

/** An instruction at CPL 0 to 2 is one of these. `operand`: its second register operand's place or number. */
export function staysInRegion(
  mnemonic: string,
  operandBytes: number,
  operand: number,
  long: boolean,
): boolean {
  if (mnemonic === 'POPF') return operandBytes === stackBytes(long);
  if (mnemonic === 'MOVFROMCR') return CONTROL_REGISTERS.has(operand);
  return INLINE_SYSTEM.has(mnemonic);
}
