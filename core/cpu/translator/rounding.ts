/**
 * What a region relies on where it does floating-point arithmetic by itself: MXCSR rounds to nearest, and PE is masked
 * and set already, so that inexact results change nothing (SDM 1 10.2.3). Everything else is the interpreter's.
 */
import {
  i32,
  i64,
  returnValue,
  setLocal,
  type FunctionBuilder,
  type I32,
  type V128,
} from '../../wasm';
import type { Local, Statement } from '../../wasm';
import { EXIT_INTERPRET } from '../interp/interpreter';
import * as L from '../layout';
import { splat64 } from '../ops/simd';

/** RC, PM and PE of MXCSR; to nearest, masked and set. */
const ROUNDING_BITS = 0x7020;
const PLAIN = 0x1020;
const PM = 0x1000;

const [IF, END] = [[0x04, 0x40], [0x0b]];

export class Rounding {
  private assumed = false;
  private readonly constants = new Map<bigint, Local<'v128'>>();

  constructor(
    private readonly f: FunctionBuilder,
    /** Offset of vcpu state. */
    private readonly base: number,
  ) {}

  /** The region is entered with plain rounding only. */
  assume(): void {
    this.assumed = true;
  }

  /**
   * Both lanes of a vector constant that stays in a register; its low 12 bits are 0. V8 would make a plain constant anew
   * at each use: this one follows from MXCSR.PM, which is known to be set. Behind `assume` only.
   */
  constant(lanes: bigint): V128 {
    let local = this.constants.get(lanes);
    if (!local) this.constants.set(lanes, (local = this.f.persistentLocal('v128')));
    return local.get;
  }

  private at(offset: number): I32 {
    return i32.const(this.base + offset);
  }

  /** MXCSR asks for something else. */
  get differs(): I32 {
    const bits = i32.and(i32.load(this.at(L.S_MXCSR)), i32.const(ROUNDING_BITS));
    return i32.ne(bits, i32.const(PLAIN));
  }

  private get count(): Statement {
    const at = this.at(L.S_COUNT_FLOAT_RETREATS);
    return i32.store(at, i32.add(i32.load(at), i32.const(1)));
  }

  /** Counts what leaves for its operands. */
  countRetreat(): void {
    this.f.do(this.count);
  }

  /** At the region's head, before anything has changed; for FunctionBuilder.later. */
  prologue(): Statement[] {
    if (!this.assumed) return [];
    const leave = {
      code: [this.differs, IF, this.count, returnValue(i64.const(EXIT_INTERPRET)), END],
    };
    const mask = i64.and(i64.load32U(this.at(L.S_MXCSR)), i64.const(PM));
    const constants = [...this.constants].map(([lanes, local]) =>
      setLocal(local, splat64(i64.mul(mask, i64.const(lanes / BigInt(PM))))),
    );
    return [leave, ...constants];
  }
}
