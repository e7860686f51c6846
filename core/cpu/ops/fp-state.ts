/** x87 control and the saving and restoring of x87 and SSE state (SDM Vol. 2). */
import { i32 } from '../../wasm';
import { S_MXCSR, S_X87_CONTROL, S_X87_STATUS, S_X87_TAGS, S_X87_TOP } from '../layout';
import { define, type OpDefinition } from './define';
import type { HelperName } from './helper-types';

const FXSAVE_BYTES = 512;
const XSAVE_BYTES = 576;

/** Saves to or restores from an area, whose segment is checked outside 64-bit mode. */
function area(mnemonic: string, helper: HelperName, bytes: number, write: boolean): OpDefinition {
  return define(mnemonic, { reads: !write }, (c) => {
    if (!c.long) {
      const access = [i32.const(bytes), i32.const(write ? 1 : 0)];
      c.run('checkSegment', c.segment(), c.effectiveAddress(), ...access);
    }
    c.run(helper, c.address(), i32.const(c.operandBytes));
  });
}

export const FP_STATE: readonly OpDefinition[] = [
  define('FNINIT', {}, (c) => c.run('initialiseX87')),
  define('FNSTCW', {}, (c) => c.set(0, c.state32(S_X87_CONTROL))),
  define('FNSTSW', {}, (c) =>
    c.set(0, i32.or(c.state32(S_X87_STATUS), i32.shl(c.state32(S_X87_TOP), i32.const(11)))),
  ),
  define('EMMS', {}, (c) => {
    c.f.if(i32.and(c.state32(S_X87_STATUS), i32.const(0x80)), () => c.run('x87RaisePending'));
    c.setState32(S_X87_TAGS, i32.const(0));
    c.setState32(S_X87_TOP, i32.const(0));
  }),
  define('LDMXCSR', { reads: true }, (c) => c.run('loadMxcsr', c.toI32(c.get(0)))),
  define('STMXCSR', {}, (c) => c.set(0, c.state32(S_MXCSR))),
  area('FXSAVE', 'saveFx', FXSAVE_BYTES, true),
  area('FXRSTOR', 'restoreFx', FXSAVE_BYTES, false),
  area('XSAVE', 'saveExtended', XSAVE_BYTES, true),
  area('XRSTOR', 'restoreExtended', XSAVE_BYTES, false),
];
