import { signedLeb, unsignedLeb } from './encoding';
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
  private readonly code: number[] = [];
  private readonly localTypes: ValType[] = [];
  private readonly free: Record<ValType, number[]> = {
    i32: [],
    i64: [],
    f32: [],
    f64: [],
    v128: [],
  };
  private scopeLocals: [ValType, number][] = [];
  private depth = 0;
  private readonly deferred: { at: number; code: () => readonly number[] }[] = [];

  constructor(readonly type: FunctionType) {}

  /** How many blocks, loops and ifs are open. */
  get nesting(): number {
    return this.depth;
  }

  param<T extends ValType>(index: number, type: T): Local<T> {
    return { index, get: { type, code: [0x20, ...unsignedLeb(index)] } };
  }

  local<T extends ValType>(type: T): Local<T> {
    let index = this.free[type].pop();
    if (index === undefined) {
      index = this.type.params.length + this.localTypes.length;
      this.localTypes.push(type);
    }
    this.scopeLocals.push([type, index]);
    return { index, get: { type, code: [0x20, ...unsignedLeb(index)] } };
  }

  /** A local that no scope gives back. */
  persistentLocal<T extends ValType>(type: T): Local<T> {
    const index = this.type.params.length + this.localTypes.length;
    this.localTypes.push(type);
    return { index, get: { type, code: [0x20, ...unsignedLeb(index)] } };
  }

  scope(body: () => void): void {
    const outer = this.scopeLocals;
    this.scopeLocals = [];
    body();
    for (const [type, index] of this.scopeLocals) this.free[type].push(index);
    this.scopeLocals = outer;
  }

  set<T extends ValType>(local: Local<T>, value: Expr<T>): void {
    this.code.push(...value.code, 0x21, ...unsignedLeb(local.index));
  }

  /** A new local with that value; its reader. */
  let<T extends ValType>(value: Expr<T>): Expr<T> {
    if (value.value !== undefined) return value;
    const local = this.local(value.type);
    this.set(local, value);
    return local.get;
  }

  do(statement: Statement): void {
    this.code.push(...statement.code);
  }

  drop(value: Expr): void {
    this.code.push(...value.code, 0x1a);
  }

  block(body: (label: Label) => void): void {
    this.nest(0x02, body);
  }

  loop(body: (label: Label) => void): void {
    this.nest(0x03, body);
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    if (condition.value !== undefined) {
      if (condition.value !== 0n) then();
      else otherwise?.();
      return;
    }
    this.code.push(...condition.code, 0x04, 0x40);
    this.depth++;
    then();
    if (otherwise) {
      this.code.push(0x05);
      otherwise();
    }
    this.depth--;
    this.code.push(0x0b);
  }

  br(label: Label): void {
    this.code.push(0x0c, ...unsignedLeb(this.depth - label.depth));
  }

  brIf(label: Label, condition: I32): void {
    if (condition.value !== undefined) {
      if (condition.value !== 0n) this.br(label);
      return;
    }
    this.code.push(...condition.code, 0x0d, ...unsignedLeb(this.depth - label.depth));
  }

  brTable(index: I32, labels: readonly Label[], otherwise: Label): void {
    this.code.push(...index.code, 0x0e, ...unsignedLeb(labels.length));
    for (const label of labels) this.code.push(...unsignedLeb(this.depth - label.depth));
    this.code.push(...unsignedLeb(this.depth - otherwise.depth));
  }

  return(value?: Expr): void {
    this.code.push(...(value?.code ?? []), 0x0f);
  }

  unreachable(): void {
    this.code.push(0x00);
  }

  /** memory.copy / memory.fill, section 5.4.6. */
  memoryFill(address: I32, value: I32, bytes: I32): void {
    this.code.push(...address.code, ...value.code, ...bytes.code, 0xfc, 0x0b, 0);
  }

  private nest(opcode: number, body: (label: Label) => void): void {
    this.code.push(opcode, 0x40);
    this.depth++;
    body({ depth: this.depth });
    this.depth--;
    this.code.push(0x0b);
  }

  /** Statements made when the function is encoded, for what is known only then; they stand where this is called. */
  later(statements: () => readonly Statement[]): void {
    this.deferred.push({
      at: this.code.length,
      code: () => statements().flatMap((s) => s.code as number[]),
    });
  }

  encode(): Uint8Array {
    const inserts = this.deferred.map((d) => d.code());
    const locals: number[] = [];
    let groups = 0;
    for (let i = 0; i < this.localTypes.length; groups++) {
      let end = i + 1;
      while (this.localTypes[end] === this.localTypes[i]) end++;
      locals.push(...unsignedLeb(end - i), TYPE_CODES[this.localTypes[i]]);
      i = end;
    }
    const head = [...unsignedLeb(groups), ...locals];
    const inserted = inserts.reduce((sum, code) => sum + code.length, 0);
    const length = head.length + this.code.length + inserted + 1;
    const prefix = [...unsignedLeb(length), ...head];
    const bytes = new Uint8Array(prefix.length + this.code.length + inserted + 1);
    bytes.set(prefix);
    let to = prefix.length;
    let from = 0;
    this.deferred.forEach(({ at }, i) => {
      for (; from < at; from++) bytes[to++] = this.code[from];
      bytes.set(inserts[i], to);
      to += inserts[i].length;
    });
    for (; from < this.code.length; from++) bytes[to++] = this.code[from];
    bytes[to] = 0x0b;
    return bytes;
  }
}

/** Reads a local and sets another: a statement, for `later`. */
export function setLocal(local: Local, value: Expr): Statement {
  return { code: [...value.code, 0x21, ...unsignedLeb(local.index)] };
}

/** Calls a function for its value. */
export function call<R extends ValType>(
  callee: Callee<R>,
  args: readonly Expr[],
  result: R,
): Expr<R> {
  return {
    type: result,
    code: [...args.flatMap((a) => a.code), 0x10, ...unsignedLeb(callee.index)],
  };
}

/** Calls a function for its effect. */
export function callStatement(callee: Callee, args: readonly Expr[]): Statement {
  const drops = callee.type.results.map(() => 0x1a);
  return { code: [...args.flatMap((a) => a.code), 0x10, ...unsignedLeb(callee.index), ...drops] };
}

export function constant32(value: number): I32 {
  return { type: 'i32', code: [0x41, ...signedLeb(value)] };
}
