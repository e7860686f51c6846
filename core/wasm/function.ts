import { ByteSink, unsignedLeb } from './encoding';
import type { Expr, I32, Statement, ValType } from './expr';

export const TYPE_CODES: Record<ValType, number> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

export interface FunctionType {
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

/** A function that code may call: an import or one defined in the module. */
export interface Callee<R extends ValType | undefined = ValType | undefined> {
  readonly index: number;
  readonly type: FunctionType;
  /** Only carries the result's type. */
  readonly result?: R;
}

/** A function's body as the code section has it. */
export interface FunctionBody {
  /** Its length, locals and code. */
  readonly bytes: Uint8Array;
  /** Where its unlikely branches stand, from the locals on. */
  readonly unlikely: readonly number[];
}

/** A target of branches. */
export interface Label {
  readonly depth: number;
}

export interface Local<T extends ValType = ValType> {
  readonly index: number;
  /** Reads it. */
  readonly get: Expr<T>;
}

/** Writes one function's body statement by statement. Locals made inside `scope` are given back at its end. */
export class FunctionBuilder {
  private readonly out = new ByteSink();
  private readonly localTypes: ValType[] = [];
  private readonly free: Record<ValType, Local[]> = {
    i32: [],
    i64: [],
    f32: [],
    f64: [],
    v128: [],
  };
  private scopeLocals: Local[] = [];
  private depth = 0;
  /** Where the open `if`s stand. */
  private readonly ifs: number[] = [];
  /** Where `if`s stand whose condition rarely holds. */
  private readonly rare = new Set<number>();
  private readonly deferred: { at: number; statements: () => readonly Statement[] }[] = [];

  constructor(readonly type: FunctionType) {}

  /** How many blocks, loops and ifs are open. */
  get nesting(): number {
    return this.depth;
  }

  param<T extends ValType>(index: number, type: T): Local<T> {
    return { index, get: { type, code: [[0x20, ...unsignedLeb(index)]] } };
  }

  local<T extends ValType>(type: T): Local<T> {
    const local = (this.free[type].pop() as Local<T> | undefined) ?? this.persistentLocal(type);
    this.scopeLocals.push(local);
    return local;
  }

  /** A local that no scope gives back. */
  persistentLocal<T extends ValType>(type: T): Local<T> {
    const index = this.type.params.length + this.localTypes.length;
    this.localTypes.push(type);
    return { index, get: { type, code: [[0x20, ...unsignedLeb(index)]] } };
  }

  scope(body: () => void): void {
    const outer = this.scopeLocals;
    this.scopeLocals = [];
    body();
    for (const local of this.scopeLocals) this.free[local.get.type].push(local);
    this.scopeLocals = outer;
  }

  set<T extends ValType>(local: Local<T>, value: Expr<T>): void {
    this.out.code(value.code);
    this.out.byte(0x21);
    this.out.unsignedLeb(local.index);
  }

  /** A new local with that value; its reader. */
  let<T extends ValType>(value: Expr<T>): Expr<T> {
    if (value.value !== undefined) return value;
    const local = this.local(value.type);
    this.set(local, value);
    return local.get;
  }

  do(statement: Statement): void {
    this.out.code(statement.code);
  }

  drop(value: Expr): void {
    this.out.code(value.code);
    this.out.byte(0x1a);
  }

  block(body: (label: Label) => void): void {
    this.nest(0x02, body);
  }

  loop(body: (label: Label) => void): void {
    this.nest(0x03, body);
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    if (condition.value !== undefined) {
      if (condition.value) then();
      else otherwise?.();
      return;
    }
    this.out.code(condition.code);
    this.ifs.push(this.out.length);
    this.out.byte(0x04);
    this.out.byte(0x40);
    this.depth++;
    then();
    this.ifs.pop();
    if (otherwise) {
      this.out.byte(0x05);
      otherwise();
    }
    this.depth--;
    this.out.byte(0x0b);
  }

  /** Code is rarely here, in the innermost `if`: the host's compiler may lay it out of the way (branch hints, `encode`). */
  unlikely(): void {
    const at = this.ifs.at(-1);
    if (at !== undefined) this.rare.add(at);
  }

  br(label: Label): void {
    this.out.byte(0x0c);
    this.out.unsignedLeb(this.depth - label.depth);
  }

  brIf(label: Label, condition: I32): void {
    if (condition.value !== undefined) {
      if (condition.value) this.br(label);
      return;
    }
    this.out.code(condition.code);
    this.out.byte(0x0d);
    this.out.unsignedLeb(this.depth - label.depth);
  }

  brTable(index: I32, labels: readonly Label[], otherwise: Label): void {
    this.out.code(index.code);
    this.out.byte(0x0e);
    this.out.unsignedLeb(labels.length);
    for (const label of labels) this.out.unsignedLeb(this.depth - label.depth);
    this.out.unsignedLeb(this.depth - otherwise.depth);
  }

  return(value?: Expr): void {
    if (value) this.out.code(value.code);
    this.out.byte(0x0f);
  }

  unreachable(): void {
    this.out.byte(0x00);
  }

  /** memory.copy / memory.fill, section 5.4.6. */
  memoryFill(address: I32, value: I32, bytes: I32): void {
    this.out.code([address, value, bytes, [0xfc, 0x0b, 0]]);
  }

  private nest(opcode: number, body: (label: Label) => void): void {
    this.out.byte(opcode);
    this.out.byte(0x40);
    this.depth++;
    body({ depth: this.depth });
    this.depth--;
    this.out.byte(0x0b);
  }

  /** Statements made when the function is encoded, for what is known only then; they stand where this is called. */
  later(statements: () => readonly Statement[]): void {
    this.deferred.push({ at: this.out.length, statements });
  }

  /** To be called once, when all is written. */
  encode(): FunctionBody {
    const written = this.out.length;
    // What was deferred goes behind the rest first: where each piece begins is remembered.
    const pieces = this.deferred.map(({ at, statements }) => {
      const from = this.out.length;
      for (const statement of statements()) this.out.code(statement.code);
      return { at, from, to: this.out.length };
    });
    let groups = 0;
    const locals: number[] = [];
    for (let i = 0; i < this.localTypes.length; groups++) {
      let end = i + 1;
      while (this.localTypes[end] === this.localTypes[i]) end++;
      locals.push(...unsignedLeb(end - i), TYPE_CODES[this.localTypes[i]]);
      i = end;
    }
    const head = [...unsignedLeb(groups), ...locals];
    const length = head.length + this.out.length + 1;
    const bytes = new Uint8Array(5 + length);
    const prefix = [...unsignedLeb(length), ...head];
    bytes.set(prefix);
    let to = prefix.length;
    const copy = (from: number, end: number): void => {
      bytes.set(this.out.view(from, end), to);
      to += end - from;
    };
    const unlikely: number[] = [];
    const rare = [...this.rare].sort((a, b) => a - b);
    let noted = 0;
    let from = 0;
    for (const piece of [...pieces, { at: written, from: written, to: written }]) {
      const shift = to - from - (prefix.length - head.length);
      for (; noted < rare.length && rare[noted] < piece.at; noted++)
        unlikely.push(rare[noted] + shift);
      copy(from, piece.at);
      copy(piece.from, piece.to);
      from = piece.at;
    }
    bytes[to++] = 0x0b;
    return { bytes: bytes.subarray(0, to), unlikely };
  }
}

/** Reads a local and sets another: a statement, for `later`. */
export function setLocal(local: Local, value: Expr): Statement {
  return { code: [value, [0x21, ...unsignedLeb(local.index)]] };
}

/** Branches `levels` blocks outwards: a statement, for `later`. */
export function branchOut(levels: number): Statement {
  return { code: [[0x0c, ...unsignedLeb(levels)]] };
}

/** Leaves the function: a statement, for `later`. */
export function returnValue(value: Expr): Statement {
  return { code: [value, [0x0f]] };
}

/** Calls a function for its value. */
export function call<R extends ValType>(
  callee: Callee<R>,
  args: readonly Expr[],
  result: R,
): Expr<R> {
  return {
    type: result,
    code: [...args, [0x10, ...unsignedLeb(callee.index)]],
  };
}

/** Calls a function for its effect. */
export function callStatement(callee: Callee, args: readonly Expr[]): Statement {
  const drops = callee.type.results.map(() => 0x1a);
  return { code: [...args, [0x10, ...unsignedLeb(callee.index), ...drops]] };
}
