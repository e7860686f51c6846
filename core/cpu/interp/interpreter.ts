/**
 * Generates the interpreter for one mode (64-bit, or all others) as a WebAssembly module: a loop over blocks, a loop
 * over the micro-ops of a block, a switch with the frequent handlers in it and a table of functions for the rest.
 */
import {
  call,
  callStatement,
  i32,
  i64,
  ModuleBuilder,
  type Callee,
  type FunctionBuilder,
  type FunctionType,
  type I32,
  type I64,
  type Label,
  type Local,
} from '../../wasm';
import { formsOf, handlerKey, usesOf } from '../decode/forms';
import { PSEUDO_ROWS, ROWS } from '../decode/maps';
import * as L from '../layout';
import type { FlagKind, OperandForm } from '../ops/context';
import type { OpDefinition } from '../ops/define';
import { conditionOfFlags, conditionOfKind, FLAG_KIND_NUMBERS } from '../ops/flags';
import { OPS } from '../ops';
import { HELPERS, helperType, type HelperName } from '../ops/helper-types';
import type { HandlerShape } from '../tier/context';
import { MODULE_MEMORY } from '../tier/module-memory';
import { InterpreterContext, type SharedFunctions } from './context';

export type FlagEffect = InterpreterContext['flagEffect'];

export interface Handler {
  readonly number: number;
  readonly definition: OpDefinition;
  readonly shape: HandlerShape;
  readonly flags: FlagEffect;
  readonly readsFlags: boolean;
  /** May fault or call a helper: what is kept must be right before it. */
  readonly leaves: boolean;
}

/** Export of the table that translated regions are put into, by region number. */
export const REGION_TABLE = 'regions';

/**
 * What a region gives back, an i64: how many instructions of its budget it did not use (bits 0-7), whether the interpreter
 * runs the next block, whether the mode may have changed (nothing else is set then), and above that how far the next RIP is
 * from S_RIP (signed).
 */
export const EXIT_UNUSED = 0xff;
export const EXIT_INTERPRET = 0x100;
export const EXIT_FAR = 0x200;
export const EXIT_DISTANCE_SHIFT = 10;
export const REGION_TYPE: FunctionType = { params: [], results: ['i64'] };

export interface Interpreter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly handlers: ReadonlyMap<string, Handler>;
}

/** Hints worth a handler of their own before a conditional jump: `SUB4` and its like. */
export const FLAG_HINTS: readonly { kind: FlagKind; bytes: number }[] = [1, 2, 4, 8].flatMap(
  (bytes) => [
    { kind: 'SUB' as const, bytes },
    { kind: 'LOGIC' as const, bytes },
  ],
);

export function hintName(hint: { kind: FlagKind; bytes: number }): string {
  return hint.kind + String(hint.bytes);
}

/** Condition pair 4/5: needs no function, RESULT tells it. */
const CC_Z = 2;

interface Planned {
  readonly key: string;
  readonly definition: OpDefinition;
  readonly shape: HandlerShape;
}

/** All handlers of a mode: REFETCH first (number 0), the hot ones next. */
function planHandlers(long: boolean): Planned[] {
  const planned = new Map<string, Planned>();
  for (const row of [...PSEUDO_ROWS, ...ROWS.flat()]) {
    const definition = OPS.get(row.mnemonic);
    if (!definition) continue;
    for (const use of usesOf(row, long)) {
      const forms = formsOf(use);
      const hints =
        /^J[A-Z]/.test(row.mnemonic) && forms.length === 1 && row.mnemonic !== 'JMP'
          ? [undefined, ...FLAG_HINTS]
          : [undefined];
      for (const hint of hints) {
        if (hint && !long && hint.bytes === 8) continue;
        const key = handlerKey(use, forms, hint && hintName(hint));
        const shape = {
          forms,
          operandBytes: use.operandBytes,
          rmw: definition.rmw === true,
          aligned: definition.aligned === true,
          ...(hint && { flagsHint: hint }),
        };
        if (!planned.has(key)) planned.set(key, { key, definition, shape });
      }
    }
  }
  const all = [...planned.values()];
  const rank = (p: Planned): number =>
    p.definition.mnemonic === 'REFETCH' ? 0 : isInline(p, long) ? 1 : 2;
  return all.sort((a, b) => rank(a) - rank(b));
}

/** Moves of 16-bit values are frequent in any code; arithmetic on them is not. */
const HOT_WORD_MOVES = new Set(['MOV', 'MOVZX', 'MOVSX']);

/** In the main switch: hot definitions at the sizes that compilers use. */
function isInline({ definition, shape }: Planned, long: boolean): boolean {
  if (!definition.hot) return false;
  const sizes = shape.forms
    .filter((f: OperandForm) => f.kind === 'r' || f.kind === 'm')
    .map((f) => f.bytes);
  const word = sizes.includes(2) || (sizes.length === 0 && shape.operandBytes === 2);
  return (!word || HOT_WORD_MOVES.has(definition.mnemonic)) && (long || !sizes.includes(8));
}

export function generateInterpreter(long: boolean, vcpuIndex: number): Interpreter {
  const base = L.VCPU_BASE + vcpuIndex * L.VCPU_STRIDE;
  const jumps = L.JUMP_CACHE_AREA_BASE + vcpuIndex * L.JUMP_CACHE_BYTES;
  const module = new ModuleBuilder(MODULE_MEMORY);
  const helpers = new Map<string, Callee>();
  for (const [name, signature] of Object.entries(HELPERS))
    helpers.set(name, module.import('helpers', name, helperType(signature)));
  const hotBlock: Callee = module.import('host', 'hotBlock', { params: ['i32'], results: [] });
  const hotRegion: Callee<'i32'> = module.import('host', 'hotRegion', {
    params: ['i32'],
    results: ['i32'],
  });
  const stuckRegion: Callee = module.import('host', 'stuckRegion', {
    params: ['i32'],
    results: [],
  });
  const conditions = new Map<number, Callee<'i32'>>();
  const shared: SharedFunctions = {
    helper(name: HelperName) {
      const found = helpers.get(name);
      if (!found) throw new Error(`no helper ${name}`);
      return found;
    },
    condition: (pair) => conditions.get(pair)!,
  };
  for (let pair = 0; pair < 8; pair++)
    if (pair !== CC_Z) conditions.set(pair, conditionFunction(module, pair, base, shared));

  const planned = planHandlers(long);
  const hot = planned.filter((p) => isInline(p, long));
  const handlers = new Map<string, Handler>();
  const outOfLine: Callee[] = [];
  planned.forEach((p, number) => {
    if (number < hot.length) return;
    const { builder, callee } = module.function<'i32'>({ params: ['i32'], results: ['i32'] });
    const context = new InterpreterContext(
      long,
      base,
      {
        f: builder,
        uop: builder.param(0, 'i32'),
        leave: () => builder.return(i32.const(1)),
        fault: () => builder.return(i32.const(2)),
      },
      p.shape,
      shared,
    );
    if (p.definition.ends === 'far') context.setState64(L.S_RIP, context.maskedNextRip());
    context.start();
    p.definition.body(context);
    context.finish();
    builder.return(i32.const(p.definition.ends === 'far' ? 2 : 0));
    outOfLine.push(callee);
    handlers.set(p.key, {
      number,
      definition: p.definition,
      shape: p.shape,
      flags: p.definition.clobbersFlags ? 'unknown' : context.flagEffect,
      readsFlags: context.readsFlags,
      leaves: context.leaves,
    });
  });

  const { builder: f, callee: run } = module.function({ params: [], results: [] });
  const table = module.table(outOfLine);
  const callRegion = module.exportTable(REGION_TABLE, L.REGION_MAX);
  const at = (offset: number): I32 => i32.const(base + offset);
  const exit = (reason: number): void => {
    f.do(i32.store(at(L.S_EXIT), i32.const(reason)));
    f.return();
  };
  const uop = f.local('i32');
  const outcome = f.local('i32');
  const region = f.local('i32');
  const left = f.local('i64');
  /** The last region left where only the interpreter gets on: for one block. */
  const stuck = f.local('i32');
  f.loop((go) => {
    findBlock(f, uop, region, long, base, jumps, shared);
    f.block((dispatch) => {
      f.block((far) => {
        const runs = (): I32 => i32.and(i32.ne(region.get, i32.const(0)), i32.eqz(stuck.get));
        f.if(runs(), () => coolRegion(f, uop, region, base, hotRegion));
        f.if(runs(), () => {
          count(f, base + L.S_COUNT_REGION_RUNS, i64.const(1));
          f.set(left, callRegion([], region.get, REGION_TYPE, 'i64'));
          f.set(stuck, i32.and(i32.wrap(left.get), i32.const(EXIT_INTERPRET)));
          f.brIf(far, i32.and(i32.wrap(left.get), i32.const(EXIT_FAR)));
          leaveRegion(f, left.get, long, base);
          f.if(stuck.get, () => losePatience(f, region, stuckRegion));
          f.br(dispatch);
        });
        f.if(stuck.get, () => count(f, base + L.S_COUNT_REGION_STUCK, i64.const(1)));
        f.set(stuck, i32.const(0));
        enterBlock(f, uop, region, base, hotBlock);
        f.loop((next) => {
          switchOver(f, i32.load16U(uop.get, L.UOP_HANDLER), hot.length, (number) => {
            if (number === hot.length) {
              // Not in the switch: 0 goes on, 1 leaves the block, 2 may have changed the mode.
              const index = i32.sub(i32.load16U(uop.get, L.UOP_HANDLER), i32.const(hot.length));
              f.set(
                outcome,
                table.call([uop.get], index, { params: ['i32'], results: ['i32'] }, 'i32'),
              );
              f.if(outcome.get, () => {
                f.brIf(dispatch, i32.eq(outcome.get, i32.const(1)));
                f.br(far);
              });
            } else {
              const p = hot[number];
              f.scope(() => {
                const context = new InterpreterContext(
                  long,
                  base,
                  { f, uop, leave: () => f.br(dispatch), fault: () => f.br(far) },
                  p.shape,
                  shared,
                );
                p.definition.body(context);
                handlers.set(p.key, {
                  number,
                  definition: p.definition,
                  shape: p.shape,
                  flags: context.flagEffect,
                  readsFlags: context.readsFlags,
                  leaves: context.leaves,
                });
              });
              if (p.definition.ends) return;
            }
            f.set(uop, i32.add(uop.get, i32.const(L.UOP_BYTES)));
            f.br(next);
          });
        });
      });
      // Behind an instruction that may have halted or changed the mode.
      f.if(i32.load(at(L.S_HALTED)), () => exit(L.EXIT_HALTED));
      const modeBit = i32.and(i32.load(at(L.S_MODE)), i32.const(L.MODE_LONG));
      f.if(long ? i32.eqz(modeBit) : modeBit, () => exit(L.EXIT_MODE));
    });
    f.if(i32.load(at(L.S_REQUEST)), () => exit(L.EXIT_BUDGET));
    f.brIf(go, i32.geS(i32.load(at(L.S_BUDGET)), i32.const(0)));
    exit(L.EXIT_BUDGET);
  });
  module.export('run', run);
  return { bytes: module.encode(), handlers };
}

/** Nested blocks and a br_table: `body(n)` for case n, the last being all the others. Bodies end with a branch. */
function switchOver(
  f: FunctionBuilder,
  value: I32,
  cases: number,
  body: (number: number) => void,
): void {
  const labels: Label[] = [];
  const nest = (number: number): void => {
    if (number < 0) {
      f.brTable(value, labels.slice(0, cases), labels[cases]);
      return;
    }
    f.block((label) => {
      labels[number] = label;
      nest(number - 1);
    });
    body(number);
  };
  // The outermost block closes just before the last body.
  nest(cases);
}

/** Finds the block at S_RIP and its region, if it has one: by the jump cache, else by the helper, which decodes it if need be. */
function findBlock(
  f: FunctionBuilder,
  uop: Local<'i32'>,
  region: Local<'i32'>,
  long: boolean,
  base: number,
  jumps: number,
  shared: SharedFunctions,
): void {
  const at = (offset: number): I32 => i32.const(base + offset);
  f.scope(() => {
    const rip: I64 = f.let(i64.load(at(L.S_RIP)));
    const linear = f.let(
      long ? rip : i64.extendU(i32.add(i32.wrap(rip), i32.load(at(L.S_SEG_BASE + L.SEG_CS * 8)))),
    );
    const tag = i64.or(i64.and(linear, i64.const(0xffffffffffffn)), i64.load(at(L.S_MODE_TAG)));
    const low = i32.wrap(linear);
    const place = i32.xor(low, i32.shrU(low, i32.const(12)));
    const entry = f.let(
      i32.and(
        i32.shl(place, i32.const(Math.log2(L.JUMP_CACHE_ENTRY_BYTES))),
        i32.const(L.JUMP_CACHE_WAY_BYTES - L.JUMP_CACHE_ENTRY_BYTES),
      ),
    );
    f.if(
      i64.eq(i64.load(entry, jumps), tag),
      () => {
        f.set(uop, i32.load(entry, jumps + 8));
        f.set(region, i32.shrU(i32.load(entry, jumps + 12), i32.const(1)));
      },
      () => {
        f.do(i32.store(at(L.S_UOP), i32.const(0)));
        f.set(uop, call(shared.helper('lookupBlock') as Callee<'i32'>, [], 'i32'));
        f.set(region, i32.load(at(L.S_FOUND_REGION)));
      },
    );
  });
}

/** 2^32 divided by the golden ratio: multiples of it are spread evenly over the 32-bit numbers (Knuth, TAOCP 3, 6.4). */
const GOLDEN = 0x9e3779b1;

/**
 * Counts a region's runs down; at zero it is made anew, and what `region` names is the new one. Only one run in
 * REGION_HEAT_RUNS is looked at, in no rhythm that a guest's loop could have: records are too many for the cache.
 */
function coolRegion(
  f: FunctionBuilder,
  uop: Local<'i32'>,
  region: Local<'i32'>,
  base: number,
  hotRegion: Callee<'i32'>,
): void {
  const mixed = i32.mul(i32.load(i32.const(base + L.S_COUNT_REGION_RUNS)), i32.const(GOLDEN | 0));
  const share = i32.const(Math.floor(2 ** 32 / L.REGION_HEAT_RUNS));
  f.if(i32.ltU(mixed, share), () => {
    const record = f.let(i32.mul(region.get, i32.const(L.REGION_BYTES)));
    const heat = L.REGION_AREA_BASE + L.REGION_HEAT;
    const left = f.let(i32.sub(i32.load(record, heat), i32.const(1)));
    f.do(i32.store(record, left, heat));
    f.if(i32.eqz(left), () => {
      const header = i32.sub(uop.get, i32.const(L.BLOCK_HEADER_BYTES));
      f.set(region, call(hotRegion, [header], 'i32'));
    });
  });
}

/** Carries out what an exit word says of RIP and the budget. */
function leaveRegion(f: FunctionBuilder, left: I64, long: boolean, base: number): void {
  const rip = i32.const(base + L.S_RIP);
  const next = i64.add(i64.load(rip), i64.shrS(left, i64.const(EXIT_DISTANCE_SHIFT)));
  f.do(i64.store(rip, long ? next : i64.and(next, i64.const(0xffffffffn))));
  const budget = i32.const(base + L.S_BUDGET);
  const unused = i32.and(i32.wrap(left), i32.const(EXIT_UNUSED));
  f.do(i32.store(budget, i32.add(i32.load(budget), unused)));
}

/** Counts down how often a region may be left for the interpreter. */
function losePatience(f: FunctionBuilder, region: Local<'i32'>, stuckRegion: Callee): void {
  f.scope(() => {
    const record = f.let(i32.mul(region.get, i32.const(L.REGION_BYTES)));
    const patience = L.REGION_AREA_BASE + L.REGION_PATIENCE;
    const left = f.let(i32.sub(i32.load(record, patience), i32.const(1)));
    f.do(i32.store(record, left, patience));
    f.if(i32.eqz(left), () => f.do(callStatement(stuckRegion, [region.get])));
  });
}

/** Adds to a 64-bit counter. */
function count(f: FunctionBuilder, address: number, amount: I64): void {
  const at = i32.const(address);
  f.do(i64.store(at, i64.add(i64.load(at), amount)));
}

/** Begins a block: its RIP, its part of the budget, and its heat, which asks for a translation when it reaches zero. */
function enterBlock(
  f: FunctionBuilder,
  uop: Local<'i32'>,
  region: Local<'i32'>,
  base: number,
  hotBlock: Callee,
): void {
  const at = (offset: number): I32 => i32.const(base + offset);
  f.do(i64.store(at(L.S_BLOCK_RIP), i64.load(at(L.S_RIP))));
  f.scope(() => {
    const header = f.let(i32.sub(uop.get, i32.const(L.BLOCK_HEADER_BYTES)));
    const instructions = f.let(i32.load16U(header, L.BLOCK_INSTRUCTIONS));
    f.do(i32.store(at(L.S_BUDGET), i32.sub(i32.load(at(L.S_BUDGET)), instructions)));
    count(f, base + L.S_COUNT_INTERPRETED, i64.extendU(instructions));
    f.if(i32.eqz(region.get), () => {
      const heat = f.let(i32.sub(i32.load(header, L.BLOCK_HEAT), i32.const(1)));
      f.do(i32.store(header, heat, L.BLOCK_HEAT));
      f.if(i32.eqz(heat), () => f.do(callStatement(hotBlock, [header])));
    });
  });
}

/** A condition (code >> 1) from the kept flags whatever set them: the frequent kinds first, else all six flags are made. */
function conditionFunction(
  module: ModuleBuilder,
  pair: number,
  base: number,
  shared: SharedFunctions,
): Callee<'i32'> {
  const { builder: f, callee } = module.function<'i32'>({ params: [], results: ['i32'] });
  const result = i64.load(i32.const(base + L.S_FLAG_RESULT));
  const source = i64.load(i32.const(base + L.S_FLAG_SOURCE));
  const kind = f.let(i32.load(i32.const(base + L.S_FLAG_KIND)));
  const frequent: [FlagKind, number][] = [
    ['SUB', 4],
    ['SUB', 8],
    ['SUB', 1],
    ['LOGIC', 4],
    ['LOGIC', 8],
    ['LOGIC', 1],
    ['INC', 4],
    ['DEC', 4],
    ['ADD', 8],
    ['ADD', 4],
  ];
  for (const [name, bytes] of frequent) {
    const holds = conditionOfKind(pair, name, bytes, result, source);
    if (holds)
      f.if(i32.eq(kind, i32.const(FLAG_KIND_NUMBERS[name] + Math.log2(bytes))), () =>
        f.return(holds),
      );
  }
  const flags = f.let(call(shared.helper('arithmeticFlags') as Callee<'i32'>, [], 'i32'));
  f.return(conditionOfFlags(pair, flags));
  return callee;
}
