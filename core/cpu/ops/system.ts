/** Strings, segments, far transfers, interrupts and system instructions: thin calls of the helpers that define them. */
import { i32, i64, type Expr } from '../../wasm';
import {
  S_CR0,
  S_GDTR_BASE,
  S_GDTR_LIMIT,
  S_IDTR_BASE,
  S_IDTR_LIMIT,
  S_KERNEL_GS_BASE,
  S_SEG_BASE,
  SEG_FS,
  SEG_GS,
} from '../layout';
import type { OpContext, Word } from './context';
import { define, type OpAttributes, type OpDefinition } from './define';

const FAR: OpAttributes = { ends: 'far', clobbersFlags: true };

/** A string instruction: element size, address size, source segment, prefixes. Ends its block as it may be interrupted. */
function string(mnemonic: string, helper: string): OpDefinition {
  return define(mnemonic, FAR, (c) =>
    c.run(
      helper,
      i32.const(c.forms[0].bytes),
      i32.const(c.forms[1].bytes),
      c.segment(),
      c.prefixes(),
    ),
  );
}

/** Calls a helper with nothing but the effective operand size. */
function sized(mnemonic: string, helper: string, attributes: OpAttributes = FAR): OpDefinition {
  return define(mnemonic, attributes, (c) => c.run(helper, i32.const(c.operandBytes)));
}

function plain(mnemonic: string, helper: string, attributes: OpAttributes = FAR): OpDefinition {
  return define(mnemonic, attributes, (c) => c.run(helper));
}

function operand32(c: OpContext, i: number): Expr<'i32'> {
  return c.toI32(c.get(i));
}

/** Port of IN/OUT: an immediate byte or DX. */
function port(c: OpContext, i: number): Expr<'i32'> {
  return i32.and(operand32(c, i), i32.const(c.forms[i].kind === 'i' ? 0xff : 0xffff));
}

/** Offset of a far pointer in memory, then its selector. */
function farPointer(c: OpContext): { offset: Word; selector: Expr<'i32'> } {
  const at = c.address();
  const offset = c.let(c.loadAt(at, c.operandBytes));
  const selector = c.let(c.toI32(c.loadAt(c.bitStringAddress(i64.const(c.operandBytes)), 2)));
  return { offset, selector };
}

function far(mnemonic: string, helper: string): OpDefinition[] {
  return [
    define(mnemonic, FAR, (c) => {
      const offset = i64.and(c.immediate(), i64.const(0xffffffffn));
      c.run(
        helper,
        i32.wrap(i64.shrU(c.immediate(), i64.const(32))),
        offset,
        i32.const(c.operandBytes),
      );
    }),
    define(`${mnemonic}M`, FAR, (c) => {
      const { offset, selector } = farPointer(c);
      c.run(helper, selector, c.toI64(offset), i32.const(c.operandBytes));
    }),
  ];
}

/** SGDT/SIDT store limit and base: 2 + 4 bytes, or 2 + 8 in 64-bit mode. */
function storeTable(c: OpContext, base: number, limit: number): void {
  c.run('probeWrite', c.address(), i32.const(c.long ? 10 : 6));
  c.storeAt(c.address(), 2, c.state32(limit));
  const at = c.bitStringAddress(i64.const(2));
  if (c.long) c.storeAt(at, 8, c.state64(base));
  else c.storeAt(at, 4, i32.wrap(c.state64(base)));
}

function loadTable(c: OpContext, helper: string): void {
  const limit = c.let(c.toI32(c.loadAt(c.address(), 2)));
  const at = c.bitStringAddress(i64.const(2));
  // With 16-bit operands the base has 24 bits (SDM 2A, LGDT).
  const base = c.long
    ? c.loadAt(at, 8)
    : i32.and(c.toI32(c.loadAt(at, 4)), i32.const(c.operandBytes === 2 ? 0xffffff : -1));
  c.run(helper, c.toI64(c.let(base)), limit);
}

/** Writes a 16-bit value to memory, or zero-extended to a register of the operand size. */
function storeWord(c: OpContext, value: Expr<'i32'>): void {
  if (c.forms[0].kind === 'm') c.storeAt(c.address(), 2, value);
  else c.set(0, c.bytes === 8 ? i64.extendU(value) : value);
}

/** LAR/LSL: the helper gives the value, or -1 when the selector does not do; ZF tells. */
function query(mnemonic: string, helper: string): OpDefinition {
  return define(mnemonic, { clobbersFlags: true }, (c) => {
    const value = c.let(c.helper(helper, 'i64', operand32(c, 1)));
    const good = c.let(i64.geS(value, i64.const(0)));
    c.f.if(good, () => c.set(0, c.bytes === 8 ? value : c.truncate(i32.wrap(value), c.bytes)));
    c.setRawFlags(
      i32.or(i32.and(c.arithmeticFlags(), i32.const(~0x40)), i32.shl(good, i32.const(6))),
    );
  });
}

function verify(mnemonic: string, write: boolean): OpDefinition {
  return define(mnemonic, { reads: true, clobbersFlags: true }, (c) => {
    const good = c.let(c.helper('verifySegment', 'i32', operand32(c, 0), i32.const(write ? 1 : 0)));
    c.setRawFlags(
      i32.or(i32.and(c.arithmeticFlags(), i32.const(~0x40)), i32.shl(good, i32.const(6))),
    );
  });
}

/** RDRAND/RDSEED: CF = 1, the other flags 0. */
function random(mnemonic: string): OpDefinition {
  return define(mnemonic, {}, (c) => {
    const value = c.let(c.helper('randomBits', 'i64'));
    c.set(0, c.bytes === 8 ? value : c.truncate(i32.wrap(value), c.bytes));
    c.setRawFlags(i32.const(1));
  });
}

export const SYSTEM: readonly OpDefinition[] = [
  string('MOVS', 'movs'),
  string('CMPS', 'cmps'),
  string('STOS', 'stos'),
  string('LODS', 'lods'),
  string('SCAS', 'scas'),
  string('INS', 'ins'),
  string('OUTS', 'outs'),
  define('XLAT', {}, (c) =>
    c.setReg(0, 1, c.loadAt(c.bitStringAddress(i64.extendU(c.toI32(c.reg(0, 1)))), 1)),
  ),

  define('MOVFROMSEG', {}, (c) => storeWord(c, c.helper('segmentSelector', 'i32', c.number(1)))),
  define('MOVTOSEG', FAR, (c) => c.run('loadSegment', c.number(0), operand32(c, 1))),
  define('PUSHSEG', {}, (c) => c.run('pushSegment', c.number(0), i32.const(c.operandBytes))),
  define('POPSEG', FAR, (c) => c.run('popSegment', c.number(0), i32.const(c.operandBytes))),
  define('LOADFAR', FAR, (c) => {
    const { offset, selector } = farPointer(c);
    c.run('loadSegment', c.number(2), selector);
    c.set(0, offset);
  }),
  ...far('JMPFAR', 'farJump'),
  ...far('CALLFAR', 'farCall'),
  define('RETFAR', FAR, (c) => {
    const drop =
      c.forms.length > 0 ? i32.and(i32.wrap(c.immediate()), i32.const(0xffff)) : i32.const(0);
    c.run('farReturn', i32.const(c.operandBytes), drop);
  }),
  sized('IRET', 'interruptReturn'),
  define('INT', FAR, (c) =>
    c.run('softwareInterrupt', i32.and(i32.wrap(c.immediate()), i32.const(0xff)), i32.const(0)),
  ),
  define('INT3', FAR, (c) => c.run('softwareInterrupt', i32.const(3), i32.const(1))),
  define('INT1', FAR, (c) => c.run('softwareInterrupt', i32.const(1), i32.const(2))),
  define('INTO', FAR, (c) =>
    c.f.if(c.condition(0), () => c.run('softwareInterrupt', i32.const(4), i32.const(1))),
  ),
  define('BOUND', {}, (c) => {
    const bytes = c.bytes;
    const index = c.let(c.signExtend(c.get(0), bytes));
    const low = c.let(c.signExtend(c.loadAt(c.address(), bytes), bytes));
    const high = c.signExtend(c.loadAt(c.bitStringAddress(i64.const(bytes)), bytes), bytes);
    c.f.if(i32.or(c.w.ltS(index, low), c.w.gtS(index, high)), () => c.raise(5));
  }),
  plain('UD', 'undefinedOpcode'),

  define('IN', { ends: 'far' }, (c) => {
    const value = c.let(c.helper('portIn', 'i32', port(c, 1), i32.const(c.bytes)));
    c.set(0, value);
  }),
  define('OUT', { ends: 'far' }, (c) =>
    c.run('portOut', port(c, 0), i32.const(c.forms[1].bytes), operand32(c, 1)),
  ),
  plain('CLI', 'clearInterrupts'),
  plain('STI', 'setInterrupts'),
  plain('HLT', 'halt'),

  define('LGDT', { reads: true }, (c) => loadTable(c, 'loadGdt')),
  define('LIDT', { reads: true }, (c) => loadTable(c, 'loadIdt')),
  define('SGDT', {}, (c) => storeTable(c, S_GDTR_BASE, S_GDTR_LIMIT)),
  define('SIDT', {}, (c) => storeTable(c, S_IDTR_BASE, S_IDTR_LIMIT)),
  define('LLDT', { ...FAR, reads: true }, (c) => c.run('loadLdt', operand32(c, 0))),
  define('LTR', { ...FAR, reads: true }, (c) => c.run('loadTaskRegister', operand32(c, 0))),
  define('SLDT', {}, (c) => storeWord(c, c.helper('segmentSelector', 'i32', i32.const(6)))),
  define('STR', {}, (c) => storeWord(c, c.helper('segmentSelector', 'i32', i32.const(7)))),
  query('LAR', 'loadAccessRights'),
  query('LSL', 'loadSegmentLimit'),
  verify('VERR', false),
  verify('VERW', true),
  define('ARPL', { rmw: true }, (c) => {
    const target = c.let(c.toI32(c.get(0)));
    const rpl = c.let(i32.and(operand32(c, 1), i32.const(3)));
    const lower = c.let(i32.ltU(i32.and(target, i32.const(3)), rpl));
    c.f.if(lower, () => c.set(0, i32.or(i32.and(target, i32.const(~3)), rpl)));
    c.setRawFlags(
      i32.or(i32.and(c.arithmeticFlags(), i32.const(~0x40)), i32.shl(lower, i32.const(6))),
    );
  }),
  define('SMSW', {}, (c) => {
    const value = c.let(c.state64(S_CR0));
    if (c.forms[0].kind === 'm') c.storeAt(c.address(), 2, i32.wrap(value));
    else c.set(0, c.bytes === 8 ? value : i32.wrap(value));
  }),
  define('LMSW', { ...FAR, reads: true }, (c) => c.run('loadMachineStatus', operand32(c, 0))),
  plain('CLTS', 'clearTaskSwitched'),
  define('INVLPG', { ...FAR, reads: true }, (c) => c.run('invalidatePage', c.address())),
  define('INVPCID', FAR, (c) => c.run('invalidatePcid', c.toI64(c.get(0)), c.address())),
  define('CLFLUSH', { reads: true }, (c) => c.f.drop(c.loadAt(c.address(), 1))),
  define('MOVFROMCR', FAR, (c) => {
    const value = c.helper('readControl', 'i64', c.number(1));
    c.set(0, c.bytes === 8 ? value : i32.wrap(value));
  }),
  define('MOVTOCR', FAR, (c) => c.run('writeControl', c.number(0), c.toI64(c.get(1)))),
  define('MOVFROMDR', FAR, (c) => {
    const value = c.helper('readDebug', 'i64', c.number(1));
    c.set(0, c.bytes === 8 ? value : i32.wrap(value));
  }),
  define('MOVTODR', FAR, (c) => c.run('writeDebug', c.number(0), c.toI64(c.get(1)))),
  plain('RDMSR', 'readModelSpecific', { ends: 'far' }),
  plain('WRMSR', 'writeModelSpecific'),
  plain('RDTSC', 'readTimeStamp', {}),
  plain('RDTSCP', 'readTimeStampId', {}),
  plain('RDPMC', 'readPerformance', {}),
  plain('CPUID', 'identify', {}),
  plain('XGETBV', 'readExtendedControl', {}),
  plain('XSETBV', 'writeExtendedControl'),
  plain('CLAC', 'clearAlignmentCheck'),
  plain('STAC', 'setAlignmentCheck'),
  plain('SYSCALL', 'systemCall'),
  sized('SYSRET', 'systemReturn'),
  plain('SYSENTER', 'systemEnter'),
  sized('SYSEXIT', 'systemExit'),
  define('SWAPGS', {}, (c) => {
    const gs = c.let(c.state64(S_SEG_BASE + SEG_GS * 8));
    c.setState64(S_SEG_BASE + SEG_GS * 8, c.state64(S_KERNEL_GS_BASE));
    c.setState64(S_KERNEL_GS_BASE, gs);
  }),
  ...(
    [
      ['FS', SEG_FS],
      ['GS', SEG_GS],
    ] as const
  ).flatMap(([name, segment]) => [
    define(`RD${name}BASE`, {}, (c) => {
      c.run('checkFsGsBase');
      const base = c.state64(S_SEG_BASE + segment * 8);
      c.set(0, c.bytes === 8 ? base : i32.wrap(base));
    }),
    define(`WR${name}BASE`, { reads: true }, (c) => {
      const value = c.let(c.toI64(c.get(0)));
      c.run('checkFsGsBase');
      c.run('checkCanonical', value);
      c.setState64(S_SEG_BASE + segment * 8, value);
    }),
  ]),
  random('RDRAND'),
  random('RDSEED'),
];
