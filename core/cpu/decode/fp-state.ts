// prettier-ignore
/** SDM Vol. 2D, table A-6 group 15, and the x87 instructions that only touch control state (escape opcodes, A.5). */
import { op, type OpRow } from './op-row';

export const FP_STATE_ONE_BYTE: readonly OpRow[] = [
  op(0xd9, 'FNSTCW', ['Mw'], { reg: 7, mod: 'mem', unit: 'x87' }),
  op(0xdb, 'FNINIT', [], { reg: 4, mod: 'reg', rm: 3, unit: 'x87' }),
  op(0xdd, 'FNSTSW', ['Mw'], { reg: 7, mod: 'mem', unit: 'x87' }),
  op(0xdf, 'FNSTSW', ['AX'], { reg: 4, mod: 'reg', rm: 0, unit: 'x87' }),
];

export const FP_STATE_TWO_BYTE: readonly OpRow[] = [
  op(0x77, 'EMMS', [], { p: 'none', unit: 'mmx' }),
  op(0xae, 'FXSAVE', ['Mm'], { reg: 0, mod: 'mem', p: 'none', unit: 'x87' }),
  op(0xae, 'FXRSTOR', ['Mm'], { reg: 1, mod: 'mem', p: 'none', unit: 'x87' }),
  op(0xae, 'LDMXCSR', ['Md'], { reg: 2, mod: 'mem', p: 'none', unit: 'sse' }),
  op(0xae, 'STMXCSR', ['Md'], { reg: 3, mod: 'mem', p: 'none', unit: 'sse' }),
  op(0xae, 'XSAVE', ['Mm'], { reg: 4, mod: 'mem', p: 'none', unit: 'sse' }),
  op(0xae, 'XRSTOR', ['Mm'], { reg: 5, mod: 'mem', p: 'none', unit: 'sse' }),
  op(0xae, 'XSAVE', ['Mm'], { reg: 6, mod: 'mem', p: 'none', unit: 'sse' }), // XSAVEOPT
];
