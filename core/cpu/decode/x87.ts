// prettier-ignore
/**
 * SDM Vol. 2D, tables: escape opcodes D8 to DF. Names with `STI` have ST(i) as their destination. Aliases
 * that processors decode without the manual listing them (DC D0, DD C8, DE D0, DF C0 ...) are there too.
 */
import { op, type OpRow, type RowAttributes } from './op-row';

const ARITH = ['FADD', 'FMUL', 'FCOM', 'FCOMP', 'FSUB', 'FSUBR', 'FDIV', 'FDIVR'] as const;
/** With ST(i) as destination the subtractions and divisions change places. */
const ARITH_STI = ['FADD', 'FMUL', '', '', 'FSUBR', 'FSUB', 'FDIVR', 'FDIV'] as const;
const INTEGER = [
  'FIADD',
  'FIMUL',
  'FICOM',
  'FICOMP',
  'FISUB',
  'FISUBR',
  'FIDIV',
  'FIDIVR',
] as const;

const memory = (reg: number): RowAttributes => ({ reg, mod: 'mem', unit: 'x87', f64: true });
/** By operand size: 16- or 32-bit images. */
const image = (reg: number): RowAttributes => ({ reg, mod: 'mem', unit: 'x87' });
const register = (reg: number): RowAttributes => ({ reg, mod: 'reg', unit: 'x87', f64: true });
const plain = (reg: number, rm: number): RowAttributes => ({
  reg,
  mod: 'reg',
  rm,
  unit: 'x87',
  f64: true,
});

/** Eight instructions without operands, for rm 0..7. */
function group(opcode: number, reg: number, names: readonly string[]): OpRow[] {
  return names.flatMap((name, rm) => (name ? [op(opcode, name, [], plain(reg, rm))] : []));
}

const destination = (name: string): string => `${name}STI`;

export const X87: readonly OpRow[] = [
  // D8
  ...ARITH.map((name, reg) => op(0xd8, name, ['Md'], memory(reg))),
  ...ARITH.map((name, reg) => op(0xd8, name, ['STi'], register(reg))),
  // D9
  op(0xd9, 'FLD', ['Md'], memory(0)),
  op(0xd9, 'FST', ['Md'], memory(2)),
  op(0xd9, 'FSTP', ['Md'], memory(3)),
  op(0xd9, 'FLDENV', ['Mm'], image(4)),
  op(0xd9, 'FLDCW', ['Mw'], memory(5)),
  op(0xd9, 'FNSTENV', ['Mm'], image(6)),
  op(0xd9, 'FLD', ['STi'], register(0)),
  op(0xd9, 'FXCH', ['STi'], register(1)),
  op(0xd9, 'FNOP', [], plain(2, 0)),
  op(0xd9, 'FSTPNCE', ['STi'], register(3)),
  ...group(0xd9, 4, ['FCHS', 'FABS', '', '', 'FTST', 'FXAM']),
  ...group(0xd9, 5, ['FLD1', 'FLDL2T', 'FLDL2E', 'FLDPI', 'FLDLG2', 'FLDLN2', 'FLDZ']),
  ...group(0xd9, 6, [
    'F2XM1',
    'FYL2X',
    'FPTAN',
    'FPATAN',
    'FXTRACT',
    'FPREM1',
    'FDECSTP',
    'FINCSTP',
  ]),
  ...group(0xd9, 7, ['FPREM', 'FYL2XP1', 'FSQRT', 'FSINCOS', 'FRNDINT', 'FSCALE', 'FSIN', 'FCOS']),
  // DA
  ...INTEGER.map((name, reg) => op(0xda, name, ['Md'], memory(reg))),
  op(0xda, 'FCMOVB', ['STi'], register(0)),
  op(0xda, 'FCMOVE', ['STi'], register(1)),
  op(0xda, 'FCMOVBE', ['STi'], register(2)),
  op(0xda, 'FCMOVU', ['STi'], register(3)),
  op(0xda, 'FUCOMPP', [], plain(5, 1)),
  // DB
  op(0xdb, 'FILD', ['Md'], memory(0)),
  op(0xdb, 'FISTTP', ['Md'], memory(1)),
  op(0xdb, 'FIST', ['Md'], memory(2)),
  op(0xdb, 'FISTP', ['Md'], memory(3)),
  op(0xdb, 'FLD', ['Mt'], memory(5)),
  op(0xdb, 'FSTP', ['Mt'], memory(7)),
  op(0xdb, 'FCMOVNB', ['STi'], register(0)),
  op(0xdb, 'FCMOVNE', ['STi'], register(1)),
  op(0xdb, 'FCMOVNBE', ['STi'], register(2)),
  op(0xdb, 'FCMOVNU', ['STi'], register(3)),
  ...group(0xdb, 4, ['FNENI', 'FNDISI', 'FNCLEX', '', 'FNSETPM']),
  op(0xdb, 'FUCOMI', ['STi'], register(5)),
  op(0xdb, 'FCOMI', ['STi'], register(6)),
  // DC
  ...ARITH.map((name, reg) => op(0xdc, name, ['Mq'], memory(reg))),
  ...ARITH_STI.flatMap((name, reg) =>
    name ? [op(0xdc, destination(name), ['STi'], register(reg))] : [],
  ),
  op(0xdc, 'FCOM', ['STi'], register(2)),
  op(0xdc, 'FCOMP', ['STi'], register(3)),
  // DD
  op(0xdd, 'FLD', ['Mq'], memory(0)),
  op(0xdd, 'FISTTP', ['Mq'], memory(1)),
  op(0xdd, 'FST', ['Mq'], memory(2)),
  op(0xdd, 'FSTP', ['Mq'], memory(3)),
  op(0xdd, 'FRSTOR', ['Mm'], image(4)),
  op(0xdd, 'FNSAVE', ['Mm'], image(6)),
  op(0xdd, 'FFREE', ['STi'], register(0)),
  op(0xdd, 'FXCH', ['STi'], register(1)),
  op(0xdd, 'FST', ['STi'], register(2)),
  op(0xdd, 'FSTP', ['STi'], register(3)),
  op(0xdd, 'FUCOM', ['STi'], register(4)),
  op(0xdd, 'FUCOMP', ['STi'], register(5)),
  // DE
  ...INTEGER.map((name, reg) => op(0xde, name, ['Mw'], memory(reg))),
  ...ARITH_STI.flatMap((name, reg) => (name ? [op(0xde, `${name}P`, ['STi'], register(reg))] : [])),
  op(0xde, 'FCOMP', ['STi'], register(2)),
  op(0xde, 'FCOMPP', [], plain(3, 1)),
  // DF
  op(0xdf, 'FILD', ['Mw'], memory(0)),
  op(0xdf, 'FISTTP', ['Mw'], memory(1)),
  op(0xdf, 'FIST', ['Mw'], memory(2)),
  op(0xdf, 'FISTP', ['Mw'], memory(3)),
  op(0xdf, 'FBLD', ['Mt'], memory(4)),
  op(0xdf, 'FILD', ['Mq'], memory(5)),
  op(0xdf, 'FBSTP', ['Mt'], memory(6)),
  op(0xdf, 'FISTP', ['Mq'], memory(7)),
  op(0xdf, 'FFREEP', ['STi'], register(0)),
  op(0xdf, 'FXCH', ['STi'], register(1)),
  op(0xdf, 'FSTP', ['STi'], register(2)),
  op(0xdf, 'FSTP', ['STi'], register(3)),
  op(0xdf, 'FUCOMIP', ['STi'], register(5)),
  op(0xdf, 'FCOMIP', ['STi'], register(6)),
];
