/** Micro-ops that no opcode names: the decoder puts them before or between instructions. */
import { i32, i64 } from '../../wasm';
import { S_BUDGET, S_CPL, S_TEMP, UOP_REMAINING } from '../layout';
import type { OpContext } from './context';
import { define, type OpDefinition } from './define';

/** Keeps the operand's offset, cut to the address size, in S_TEMP: the instruction then addresses [TEMP]. */
function keepAddress(c: OpContext, mask: bigint): void {
  c.setState64(S_TEMP, i64.and(c.effectiveAddress(), i64.const(mask)));
}

export const PSEUDO: readonly OpDefinition[] = [
  define('EA16', {}, (c) => keepAddress(c, 0xffffn)),
  define('EA32', {}, (c) => keepAddress(c, 0xffffffffn)),
  define('LOADTEMP', {}, (c) => c.setState64(S_TEMP, c.immediate())),
  /** Limit and rights of the memory operand's segment; IMM: size, bit 8 set for writes. */
  define('SEGCHK', {}, (c) => {
    const size = i32.and(i32.wrap(c.immediate()), i32.const(0xff));
    const write = i32.shrU(i32.wrap(c.immediate()), i32.const(8));
    c.run('checkSegment', c.segment(), c.effectiveAddress(), size, write);
  }),
  /** #GP(0) unless CPL is 0. */
  define('CPL0', {}, (c) => c.f.if(c.state32(S_CPL), () => c.raise(13, 0))),
  /** IMM: vector, and error code + 1 in bits 8 up. */
  define('RAISE', { ends: 'far' }, (c) => {
    const value = i32.wrap(c.immediate());
    c.run(
      'raise',
      i32.and(value, i32.const(0xff)),
      i32.sub(i32.shrU(value, i32.const(8)), i32.const(1)),
    );
  }),
  /** The instruction's second page could not be fetched when it was decoded: faults, or looks again. */
  define('FETCH', { ends: 'far' }, (c) => c.run('fetchNextPage')),
  define('FALLTHROUGH', { hot: true, ends: 'near' }, (c) => c.jump(c.target(0), c.long ? 8 : 4)),
  /** Stands in for micro-ops whose bytes were overwritten: goes back to the look-up at this instruction. */
  define('REFETCH', { hot: true, ends: 'near' }, (c) => {
    c.setState32(S_BUDGET, i32.add(c.state32(S_BUDGET), c.field8(UOP_REMAINING)));
    c.jump(c.currentRip(), c.long ? 8 : 4);
  }),
];
