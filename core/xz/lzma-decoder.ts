/**
 * The LZMA decoder as a WebAssembly function: bit by bit in JavaScript it takes two to three times as long.
 * Spec: the LZMA specification (I. Pavlov, 2015).
 */
import {
  i32,
  i64,
  ModuleBuilder,
  type FunctionBuilder,
  type I32,
  type Local,
  type Statement,
} from '../wasm';

/** Words of the decoder's state, as addresses in its memory. */
export const STATE = {
  /** Range coder. */
  range: 0,
  code: 4,
  /** Addresses: of the next input byte, of the next output byte, and of the first one that a match may repeat. */
  input: 8,
  output: 12,
  start: 16,
  /** State machine, and the last four distances less one. */
  state: 20,
  rep0: 24,
  rep1: 28,
  rep2: 32,
  rep3: 36,
  /** Properties: bits of the previous byte and of the position that choose a literal's probabilities, and a length's. */
  literalContext: 40,
  literalPosition: 44,
  position: 48,
} as const;

const TOP = 1 << 24;
const STATES = 12;
const POS_STATES_MAX = 16;
const LENGTH_STATES = 4;
const END_POSITION_MODELS = 14;
const FULL_DISTANCES = 128;
const ALIGN_BITS = 4;
/** Probabilities of one length coder: choice, choice 2, low, middle, high. */
const LENGTH_LOW = 2;
const LENGTH_MIDDLE = LENGTH_LOW + POS_STATES_MAX * 8;
const LENGTH_HIGH = LENGTH_MIDDLE + POS_STATES_MAX * 8;
const LENGTH_PROBABILITIES = LENGTH_HIGH + 256;
const LITERAL_CODER = 0x300;

// All probabilities, 16 bits each, in this order.
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POS_STATES_MAX;
const IS_REP_0 = IS_REP + STATES;
const IS_REP_1 = IS_REP_0 + STATES;
const IS_REP_2 = IS_REP_1 + STATES;
const IS_REP_0_LONG = IS_REP_2 + STATES;
const DISTANCE_SLOT = IS_REP_0_LONG + STATES * POS_STATES_MAX;
const DISTANCE_SPECIAL = DISTANCE_SLOT + LENGTH_STATES * 64;
const DISTANCE_ALIGN = DISTANCE_SPECIAL + FULL_DISTANCES - END_POSITION_MODELS;
const MATCH_LENGTH = DISTANCE_ALIGN + (1 << ALIGN_BITS);
const REP_LENGTH = MATCH_LENGTH + LENGTH_PROBABILITIES;
const LITERAL = REP_LENGTH + LENGTH_PROBABILITIES;

/** Where the probabilities lie, and how many there are: lc + lp is at most 4 in LZMA2. */
export const PROBABILITIES_AT = 64;
export const PROBABILITIES = LITERAL + (LITERAL_CODER << 4);
/** What is behind them is the caller's. The output needs this many bytes of room behind its end. */
export const DATA_AT = Math.ceil((PROBABILITIES_AT + PROBABILITIES * 2) / 64) * 64;
export const OUTPUT_SLACK = 8;

const c = (value: number): I32 => i32.const(value);
/** Address of a probability: of one of a table, by its index in it. */
const probability = (table: number, index: I32 = c(0)): I32 =>
  i32.add(c(PROBABILITIES_AT + table * 2), i32.shl(index, c(1)));
const not = (value: I32): I32 => i32.xor(value, c(-1));

class LzmaCode {
  /** Locals that are loaded from the state first and stored back at the end. */
  private readonly words: { readonly local: Local<'i32'>; readonly at: number }[] = [];
  private readonly range: Local<'i32'>;
  private readonly code: Local<'i32'>;
  private readonly input: Local<'i32'>;
  private readonly output: Local<'i32'>;
  private readonly state: Local<'i32'>;
  private readonly rep0: Local<'i32'>;
  private readonly rep1: Local<'i32'>;
  private readonly rep2: Local<'i32'>;
  private readonly rep3: Local<'i32'>;
  private readonly posState: Local<'i32'>;
  private readonly length: Local<'i32'>;
  /** Bits read so far behind a leading one; the last bit's inverse, as a mask; and what weighs a bit. */
  private readonly symbol: Local<'i32'>;
  private readonly zero: Local<'i32'>;
  private readonly bound: Local<'i32'>;
  private readonly old: Local<'i32'>;

  constructor(private readonly f: FunctionBuilder) {
    this.range = this.word(STATE.range);
    this.code = this.word(STATE.code);
    this.input = this.word(STATE.input);
    this.output = this.word(STATE.output);
    this.state = this.word(STATE.state);
    this.rep0 = this.word(STATE.rep0);
    this.rep1 = this.word(STATE.rep1);
    this.rep2 = this.word(STATE.rep2);
    this.rep3 = this.word(STATE.rep3);
    this.posState = f.local('i32');
    this.length = f.local('i32');
    this.symbol = f.local('i32');
    this.bound = f.local('i32');
    this.old = f.local('i32');
    this.zero = f.local('i32');
  }

  /** decode(outputEnd, inputEnd): symbols until one of them is reached. A match does not go beyond the output's end. */
  write(): void {
    const { f, output, input, state, posState } = this;
    const outputEnd = f.param(0, 'i32').get;
    const inputEnd = f.param(1, 'i32').get;
    for (const { local, at } of this.words) f.set(local, i32.load(c(at)));
    const start = f.let(i32.load(c(STATE.start)));
    const mask = f.let(i32.sub(i32.shl(c(1), i32.load(c(STATE.position))), c(1)));
    f.loop((next) => {
      const more = i32.and(i32.ltU(output.get, outputEnd), i32.leU(input.get, inputEnd));
      f.if(more, () => {
        f.set(posState, i32.and(i32.sub(output.get, start), mask));
        const place = i32.add(i32.mul(state.get, c(POS_STATES_MAX)), posState.get);
        this.decision(
          probability(IS_MATCH, place),
          () => this.literal(start),
          () => {
            this.decision(
              probability(IS_REP, state.get),
              () => this.newMatch(),
              () => this.repeatedMatch(),
            );
            this.copy(start, outputEnd);
          },
        );
        f.br(next);
      });
    });
    for (const { local, at } of this.words) f.do(i32.store(c(at), local.get));
  }

  private word(at: number): Local<'i32'> {
    const local = this.f.local('i32');
    this.words.push({ local, at });
    return local;
  }

  private normalize(): void {
    const { f, range, code, input } = this;
    f.if(i32.ltU(range.get, c(TOP)), () => {
      f.set(range, i32.shl(range.get, c(8)));
      f.set(code, i32.or(i32.shl(code.get, c(8)), i32.load8U(input.get)));
      f.set(input, i32.add(input.get, c(1)));
    });
  }

  /** Sets `bound` and `old` for the bit with the probability at `address`. */
  private weigh(address: I32): void {
    const { f, range, bound, old } = this;
    f.set(old, i32.load16U(address));
    f.set(bound, i32.mul(i32.shrU(range.get, c(11)), old.get));
  }

  /** A bit that says what comes: two ways. */
  private decision(address: I32, zero: () => void, one: () => void): void {
    const { f, range, code, bound, old } = this;
    f.scope(() => {
      const at = f.let(address);
      this.weigh(at);
      f.if(
        i32.ltU(code.get, bound.get),
        () => {
          f.set(range, bound.get);
          f.do(i32.store16(at, i32.add(old.get, i32.shrU(i32.sub(c(2048), old.get), c(5)))));
          this.normalize();
          zero();
        },
        () => {
          f.set(range, i32.sub(range.get, bound.get));
          f.set(code, i32.sub(code.get, bound.get));
          f.do(i32.store16(at, i32.sub(old.get, i32.shrU(old.get, c(5)))));
          this.normalize();
          one();
        },
      );
    });
  }

  /** A bit of data, appended to `symbol`: as likely one as the other, so it takes no branch. */
  private dataBit(address: I32): void {
    const { f, range, code, bound, old, zero, symbol } = this;
    f.scope(() => {
      const at = f.let(address);
      this.weigh(at);
      // All ones for a zero bit.
      f.set(zero, i32.sub(c(0), i32.ltU(code.get, bound.get)));
      f.set(range, i32.sub(range.get, bound.get));
      f.set(range, i32.add(range.get, i32.and(zero.get, i32.sub(bound.get, range.get))));
      f.set(code, i32.sub(code.get, i32.and(bound.get, not(zero.get))));
      // old + (2048 - old >> 5) or old - (old >> 5), with one shift.
      const change = i32.shrS(i32.add(old.get, i32.and(zero.get, c(31 - 2048))), c(5));
      f.do(i32.store16(at, i32.sub(old.get, change)));
      f.set(symbol, i32.add(i32.add(i32.shl(symbol.get, c(1)), c(1)), zero.get));
      this.normalize();
    });
  }

  /** `bits` bits, most significant first, behind a leading one in `symbol`; `table` is the address of their probabilities. */
  private tree(table: I32, bits: number): void {
    const { f, symbol } = this;
    f.scope(() => {
      const base = f.let(table);
      f.set(symbol, c(1));
      for (let i = 0; i < bits; i++) this.dataBit(i32.add(base, i32.shl(symbol.get, c(1))));
    });
  }

  private literal(start: I32): void {
    const { f, output, state, symbol, rep0 } = this;
    f.scope(() => {
      const context = i32.load(c(STATE.literalContext));
      const previous = f.local('i32');
      f.set(previous, c(0));
      f.if(i32.gtU(output.get, start), () =>
        f.set(previous, i32.load8U(i32.sub(output.get, c(1)))),
      );
      const position = i32.and(
        i32.sub(output.get, start),
        i32.sub(i32.shl(c(1), i32.load(c(STATE.literalPosition))), c(1)),
      );
      const coder = i32.add(
        i32.shl(position, context),
        i32.shrU(previous.get, i32.sub(c(8), context)),
      );
      const table = f.let(probability(LITERAL, i32.mul(coder, c(LITERAL_CODER))));
      f.if(
        i32.ltU(state.get, c(7)),
        () => this.tree(table, 8),
        () => {
          // Bits of the byte at the last distance choose the table as long as they were right.
          const match = f.local('i32');
          const like = f.local('i32');
          f.set(match, i32.load8U(i32.sub(i32.sub(output.get, rep0.get), c(1))));
          f.set(like, c(0x100));
          f.set(symbol, c(1));
          for (let i = 0; i < 8; i++) {
            f.set(match, i32.shl(match.get, c(1)));
            const index = i32.add(i32.add(like.get, i32.and(match.get, like.get)), symbol.get);
            this.dataBit(i32.add(table, i32.shl(index, c(1))));
            // `zero` inverts it all for a zero bit.
            f.set(like, i32.and(like.get, i32.xor(match.get, this.zero.get)));
          }
        },
      );
      f.do(i32.store8(output.get, symbol.get));
      f.set(output, i32.add(output.get, c(1)));
      f.if(
        i32.ltU(state.get, c(4)),
        () => f.set(state, c(0)),
        () => {
          const less = i32.sub(c(6), i32.mul(i32.ltU(state.get, c(10)), c(3)));
          f.set(state, i32.sub(state.get, less));
        },
      );
    });
  }

  /** Sets `length`. */
  private matchLength(coder: number): void {
    const { f, length, symbol, posState } = this;
    const ofPosition = i32.shl(posState.get, c(3));
    this.decision(
      probability(coder),
      () => {
        this.tree(probability(coder + LENGTH_LOW, ofPosition), 3);
        f.set(length, i32.sub(symbol.get, c(8 - 2)));
      },
      () =>
        this.decision(
          probability(coder + 1),
          () => {
            this.tree(probability(coder + LENGTH_MIDDLE, ofPosition), 3);
            f.set(length, i32.sub(symbol.get, c(8 - 10)));
          },
          () => {
            this.tree(probability(coder + LENGTH_HIGH), 8);
            f.set(length, i32.sub(symbol.get, c(256 - 18)));
          },
        ),
    );
  }

  private newMatch(): void {
    const { f, state, rep0, rep1, rep2, rep3 } = this;
    f.set(rep3, rep2.get);
    f.set(rep2, rep1.get);
    f.set(rep1, rep0.get);
    this.matchLength(MATCH_LENGTH);
    this.distance();
    f.set(state, i32.add(c(7), i32.mul(i32.geU(state.get, c(7)), c(3))));
  }

  /** Sets `rep0`. */
  private distance(): void {
    const { f, length, symbol, rep0, range, code } = this;
    f.scope(() => {
      // The longest lengths have one table together.
      const lengthState = f.local('i32');
      f.set(lengthState, i32.sub(length.get, c(2)));
      f.if(i32.geU(lengthState.get, c(LENGTH_STATES)), () =>
        f.set(lengthState, c(LENGTH_STATES - 1)),
      );
      this.tree(probability(DISTANCE_SLOT, i32.shl(lengthState.get, c(6))), 6);
      const slot = f.let(i32.sub(symbol.get, c(64)));
      f.set(rep0, slot);
      f.if(i32.geU(slot, c(4)), () => {
        const bits = f.local('i32');
        f.set(bits, i32.sub(i32.shrU(slot, c(1)), c(1)));
        f.set(rep0, i32.shl(i32.or(c(2), i32.and(slot, c(1))), bits.get));
        f.if(
          i32.ltU(slot, c(END_POSITION_MODELS)),
          () => {
            const base = i32.sub(i32.sub(rep0.get, slot), c(1));
            this.reverseTree(f.let(probability(DISTANCE_SPECIAL, base)), bits.get);
          },
          () => {
            // Bits that are as likely one as zero, then four of a table.
            const direct = f.local('i32');
            const high = f.local('i32');
            f.set(direct, i32.sub(bits.get, c(ALIGN_BITS)));
            f.set(high, c(0));
            f.loop((next) => {
              f.set(range, i32.shrU(range.get, c(1)));
              f.set(code, i32.sub(code.get, range.get));
              // All ones for a zero bit: `code` went below zero.
              const below = f.let(i32.sub(c(0), i32.shrU(code.get, c(31))));
              f.set(code, i32.add(code.get, i32.and(range.get, below)));
              f.set(high, i32.add(i32.add(i32.shl(high.get, c(1)), c(1)), below));
              this.normalize();
              f.set(direct, i32.sub(direct.get, c(1)));
              f.brIf(next, direct.get);
            });
            f.set(rep0, i32.add(rep0.get, i32.shl(high.get, c(ALIGN_BITS))));
            this.reverseTree(c(PROBABILITIES_AT + DISTANCE_ALIGN * 2), c(ALIGN_BITS));
          },
        );
      });
    });
  }

  /** Adds `bits` bits, least significant first, to `rep0`. */
  private reverseTree(table: I32, bits: I32): void {
    const { f, symbol, zero, rep0 } = this;
    f.scope(() => {
      const weight = f.local('i32');
      const end = f.let(i32.shl(c(1), bits));
      f.set(weight, c(1));
      f.set(symbol, c(1));
      f.loop((next) => {
        this.dataBit(i32.add(table, i32.shl(symbol.get, c(1))));
        f.set(rep0, i32.add(rep0.get, i32.and(weight.get, not(zero.get))));
        f.set(weight, i32.shl(weight.get, c(1)));
        f.brIf(next, i32.ltU(weight.get, end));
      });
    });
  }

  private repeatedMatch(): void {
    const { f, state, posState, rep0, rep1, rep2, rep3, length } = this;
    const swapped = f.local('i32');
    /** Afterwards: 8 or 9 after a literal, else 11. */
    const become = (afterLiteral: number): void =>
      f.set(
        state,
        i32.add(c(afterLiteral), i32.mul(i32.geU(state.get, c(7)), c(11 - afterLiteral))),
      );
    const long = (): void => {
      this.matchLength(REP_LENGTH);
      become(8);
    };
    const place = i32.add(i32.mul(state.get, c(POS_STATES_MAX)), posState.get);
    this.decision(
      probability(IS_REP_0, state.get),
      () =>
        this.decision(
          probability(IS_REP_0_LONG, place),
          () => {
            f.set(length, c(1));
            become(9);
          },
          long,
        ),
      () => {
        this.decision(
          probability(IS_REP_1, state.get),
          () => f.set(swapped, rep1.get),
          () => {
            this.decision(
              probability(IS_REP_2, state.get),
              () => f.set(swapped, rep2.get),
              () => {
                f.set(swapped, rep3.get);
                f.set(rep3, rep2.get);
              },
            );
            f.set(rep2, rep1.get);
          },
        );
        f.set(rep1, rep0.get);
        f.set(rep0, swapped.get);
        long();
      },
    );
  }

  /** Repeats `length` bytes from `rep0` + 1 bytes ago; leaves the function when they are none of the output. */
  private copy(start: I32, outputEnd: I32): void {
    const { f, output, length, rep0 } = this;
    f.scope(() => {
      const from = f.local('i32');
      const end = f.local('i32');
      f.if(i32.geU(rep0.get, i32.sub(output.get, start)), () => f.unreachable());
      f.set(from, i32.sub(i32.sub(output.get, rep0.get), c(1)));
      f.set(end, i32.add(output.get, length.get));
      const repeat = (bytes: number, move: Statement): void =>
        f.loop((next) => {
          f.do(move);
          f.set(output, i32.add(output.get, c(bytes)));
          f.set(from, i32.add(from.get, c(bytes)));
          f.brIf(next, i32.ltU(output.get, end.get));
        });
      f.if(i32.gtU(end.get, outputEnd), () => f.unreachable());
      // Eight at a time where they do not overlap; what is too much will be overwritten.
      f.if(
        i32.geU(rep0.get, c(7)),
        () => repeat(8, i64.store(output.get, i64.load(from.get))),
        () => repeat(1, i32.store8(output.get, i32.load8U(from.get))),
      );
      f.set(output, end.get);
    });
  }
}

/** The module: `decode(outputEnd, inputEnd)` on an imported memory of that many pages. */
export function lzmaModule(memoryPages: number): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initial: memoryPages, maximum: memoryPages });
  const { builder, callee } = module.function({ params: ['i32', 'i32'], results: [] });
  new LzmaCode(builder).write();
  module.export('decode', callee);
  return module.encode();
}
