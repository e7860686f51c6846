/** x87 control and the saving and restoring of x87 and SSE state (SDM Vol. 2). */
import { i32 } from '../../wasm';
import { S_MXCSR, S_X87_CONTROL, S_X87_STATUS, S_X87_TAGS, S_X87_TOP } from '../layout';
import { define, type OpDefinition } from './define';

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
  define('FXSAVE', {}, (c) => c.run('saveFx', c.address(), i32.const(c.operandBytes))),
  define('FXRSTOR', { reads: true }, (c) =>
    c.run('restoreFx', c.address(), i32.const(c.operandBytes)),
  ),
  define('XSAVE', {}, (c) => c.run('saveExtended', c.address(), i32.const(c.operandBytes))),
  define('XRSTOR', { reads: true }, (c) =>
    c.run('restoreExtended', c.address(), i32.const(c.operandBytes)),
  ),
];
