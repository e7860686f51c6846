/** x87 instructions (SDM Vol. 2, F...): operands are fetched here, all else is in helpers/x87. */
import { i32, i64, type Expr, type I32 } from '../../wasm';
import { S_SEG_SELECTOR, S_X87_CS, S_X87_IP, S_X87_STATUS, SEG_CS } from '../layout';
import type { OpContext } from './context';
import { define, type OpAttributes, type OpDefinition } from './define';
import type { HelperName } from './helper-types';

/** Status word: an unmasked exception waits. */
const ES = 0x80;
const READS: OpAttributes = { reads: true };
const number = (n: number): I32 => i32.const(n);

/** #MF for an exception that an earlier instruction left, before anything else happens. */
function wait(c: OpContext): void {
  c.f.if(i32.and(c.state32(S_X87_STATUS), i32.const(ES)), () => c.run('x87RaisePending'));
}

/** A waiting instruction. */
function waiting(
  mnemonic: string,
  attributes: OpAttributes,
  body: (c: OpContext) => void,
): OpDefinition {
  return define(mnemonic, attributes, (c) => {
    wait(c);
    body(c);
  });
}

/** Keeps where a non-control instruction is, its operands fetched (SDM 1 8.1.8: FCS:FIP). */
function remember(c: OpContext): void {
  c.setState64(S_X87_IP, c.currentRip());
  c.setState32(S_X87_CS, c.state32(S_SEG_SELECTOR + SEG_CS * 4));
}

/** Carries out a non-control instruction. */
function execute(c: OpContext, helper: HelperName, ...args: Expr[]): void {
  remember(c);
  c.run(helper, ...args);
}

/** One that calls a helper with constants only. */
function plain(mnemonic: string, helper: HelperName, ...args: number[]): OpDefinition {
  return waiting(mnemonic, {}, (c) => execute(c, helper, ...args.map(number)));
}

/** One that hands its register number first. */
function withRegister(mnemonic: string, helper: HelperName, ...args: number[]): OpDefinition {
  return waiting(mnemonic, {}, (c) => execute(c, helper, c.number(0), ...args.map(number)));
}

const isRegister = (c: OpContext): boolean => c.forms[0].kind === 'n';
const isSingle = (c: OpContext): boolean => c.forms[0].bytes === 4;

/** FADD, FMUL, FSUB(R), FDIV(R): `code` is the ModR/M reg field of D8. */
function arith(name: string, code: number): OpDefinition[] {
  return [
    waiting(name, READS, (c) => {
      if (isRegister(c)) execute(c, 'x87Arith', number(code), number(0), c.number(0), number(0));
      else execute(c, isSingle(c) ? 'x87ArithSingle' : 'x87ArithDouble', number(code), c.get(0));
    }),
    waiting(`${name}STI`, {}, (c) =>
      execute(c, 'x87Arith', number(code), c.number(0), number(0), number(0)),
    ),
    waiting(`${name}P`, {}, (c) =>
      execute(c, 'x87Arith', number(code), c.number(0), number(0), number(1)),
    ),
    waiting(`FI${name.slice(1)}`, READS, (c) =>
      execute(c, 'x87ArithInteger', number(code), c.getSigned(0, 4)),
    ),
  ];
}

function compare(name: string, quiet: boolean, drop: number): OpDefinition {
  return waiting(name, READS, (c) => {
    if (isRegister(c)) execute(c, 'x87Compare', c.number(0), number(quiet ? 1 : 0), number(drop));
    else execute(c, isSingle(c) ? 'x87CompareSingle' : 'x87CompareDouble', c.get(0), number(drop));
  });
}

/** FCOMI and its like: the helper gives ZF PF CF. */
function compareFlags(name: string, quiet: boolean, drop: number): OpDefinition {
  return waiting(name, {}, (c) => {
    remember(c);
    c.setRawFlags(
      c.helper('x87CompareFlags', 'i32', c.number(0), number(quiet ? 1 : 0), number(drop)),
    );
  });
}

const load = waiting('FLD', READS, (c) => {
  const { bytes } = c.forms[0];
  if (isRegister(c)) execute(c, 'x87LoadRegister', c.number(0));
  else if (bytes < 10) execute(c, bytes === 4 ? 'x87LoadSingle' : 'x87LoadDouble', c.get(0));
  else loadTen(c, 'x87LoadExtended');
});

/** An 80-bit memory operand: 64 bits, then 16. */
function loadTen(c: OpContext, helper: HelperName): void {
  const low = c.let(c.loadAt(c.address(), 8));
  execute(c, helper, low, c.loadAt(c.bitStringAddress(i64.const(8)), 2));
}

function store(name: string, drop: number): OpDefinition {
  return waiting(name, {}, (c) => {
    const { bytes } = c.forms[0];
    if (isRegister(c)) execute(c, 'x87StoreRegister', c.number(0), number(drop));
    else if (bytes === 10) execute(c, 'x87StoreExtended', c.address());
    else execute(c, bytes === 4 ? 'x87StoreSingle' : 'x87StoreDouble', c.address(), number(drop));
  });
}

function storeInteger(name: string, drop: number, truncate: number): OpDefinition {
  return waiting(name, {}, (c) =>
    execute(
      c,
      'x87StoreInteger',
      c.address(),
      number(c.forms[0].bytes),
      number(drop),
      number(truncate),
    ),
  );
}

/** FNSTENV and its like: an image whose size follows the operand size; outside 64-bit mode its segment is checked. */
function image(name: string, helper: HelperName, registers: boolean, write: boolean): OpDefinition {
  return define(name, { reads: !write }, (c) => {
    // The saving ones do not wait.
    if (!write) wait(c);
    const unit = Math.min(c.operandBytes, 4);
    const bytes = unit * 7 + (registers ? 80 : 0);
    if (!c.long)
      c.run(
        'checkSegment',
        c.segment(),
        c.effectiveAddress(),
        number(bytes),
        number(write ? 1 : 0),
      );
    c.run(helper, c.address(), number(unit));
  });
}

const CONSTANTS = ['FLD1', 'FLDL2T', 'FLDL2E', 'FLDPI', 'FLDLG2', 'FLDLN2', 'FLDZ'];
/** Condition codes of Jcc. */
const MOVES: readonly (readonly [string, number])[] = [
  ['FCMOVB', 2], ['FCMOVNB', 3], ['FCMOVE', 4], ['FCMOVNE', 5], ['FCMOVBE', 6], ['FCMOVNBE', 7], ['FCMOVU', 10], ['FCMOVNU', 11],
]; // prettier-ignore

export const X87: readonly OpDefinition[] = [
  ...arith('FADD', 0),
  ...arith('FMUL', 1),
  ...arith('FSUB', 4),
  ...arith('FSUBR', 5),
  ...arith('FDIV', 6),
  ...arith('FDIVR', 7),
  compare('FCOM', false, 0),
  compare('FCOMP', false, 1),
  compare('FUCOM', true, 0),
  compare('FUCOMP', true, 1),
  plain('FCOMPP', 'x87Compare', 1, 0, 2),
  plain('FUCOMPP', 'x87Compare', 1, 1, 2),
  waiting('FICOM', READS, (c) => execute(c, 'x87CompareInteger', c.getSigned(0, 4), number(0))),
  waiting('FICOMP', READS, (c) => execute(c, 'x87CompareInteger', c.getSigned(0, 4), number(1))),
  plain('FTST', 'x87CompareInteger', 0, 0),
  compareFlags('FCOMI', false, 0),
  compareFlags('FCOMIP', false, 1),
  compareFlags('FUCOMI', true, 0),
  compareFlags('FUCOMIP', true, 1),
  plain('FXAM', 'x87Examine'),
  load,
  ...CONSTANTS.map((name, i) => plain(name, 'x87LoadConstant', i)),
  waiting('FILD', READS, (c) => execute(c, 'x87LoadInteger', c.getSigned(0, 8))),
  waiting('FBLD', READS, (c) => loadTen(c, 'x87LoadDecimal')),
  store('FST', 0),
  store('FSTP', 1),
  withRegister('FSTPNCE', 'x87StoreUnchecked'),
  storeInteger('FIST', 0, 0),
  storeInteger('FISTP', 1, 0),
  storeInteger('FISTTP', 1, 1),
  waiting('FBSTP', {}, (c) => execute(c, 'x87StoreDecimal', c.address())),
  withRegister('FXCH', 'x87Exchange'),
  ...MOVES.map(([name, code]) =>
    waiting(name, {}, (c) =>
      execute(c, 'x87ConditionalMove', c.number(0), c.let(c.condition(code))),
    ),
  ),
  withRegister('FFREE', 'x87Free', 0),
  withRegister('FFREEP', 'x87Free', 1),
  plain('FINCSTP', 'x87MoveTop', 1),
  plain('FDECSTP', 'x87MoveTop', -1),
  plain('FCHS', 'x87ChangeSign', 0x8000, 0),
  plain('FABS', 'x87ChangeSign', 0, 0x8000),
  plain('FSQRT', 'x87SquareRoot'),
  plain('FRNDINT', 'x87RoundToInteger'),
  plain('FSCALE', 'x87Scale'),
  plain('FXTRACT', 'x87Extract'),
  plain('FPREM', 'x87Remainder', 0),
  plain('FPREM1', 'x87Remainder', 1),
  plain('FSIN', 'x87Sine', 0),
  plain('FCOS', 'x87Sine', 1),
  plain('FSINCOS', 'x87SineCosine'),
  plain('FPTAN', 'x87Tangent'),
  plain('FPATAN', 'x87ArcTangent'),
  plain('F2XM1', 'x87PowerMinusOne'),
  plain('FYL2X', 'x87Logarithm'),
  plain('FYL2XP1', 'x87LogarithmPlusOne'),
  waiting('FLDCW', READS, (c) => c.run('x87LoadControl', c.get(0))),
  define('FNCLEX', {}, (c) => c.run('x87ClearExceptions')),
  image('FNSTENV', 'x87StoreEnvironment', false, true),
  image('FLDENV', 'x87LoadEnvironment', false, false),
  image('FNSAVE', 'x87Save', true, true),
  image('FRSTOR', 'x87Restore', true, false),
  waiting('FWAIT', {}, () => undefined),
  waiting('FNOP', {}, () => undefined),
  // What the 8087 and 287 had: nothing happens since the 387 (SDM 1 8.1, opcode aliases of table A-10).
  define('FNENI', {}, () => undefined),
  define('FNDISI', {}, () => undefined),
  define('FNSETPM', {}, () => undefined),
];
