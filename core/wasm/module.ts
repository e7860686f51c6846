import { ByteSink, nameBytes, section, unsignedLeb, vector } from './encoding';
import type { Expr, I32, ValType } from './expr';
import {
  FunctionBuilder,
  TYPE_CODES,
  type Callee,
  type FunctionBody,
  type FunctionType,
} from './function';

/** A table of functions with that many entries, section 5.3.9. */
const fixedTable = (entries: number): number[] => [
  0x70,
  0x01,
  ...unsignedLeb(entries),
  ...unsignedLeb(entries),
];

/** Compilation hints: when (bits 0-1), the tier a function starts with (bits 2-3) and that it may get later (bits 4-5). */
const HINT_EAGER = 2;
const HINT_OPTIMIZED = (2 << 2) | (2 << 4);

/** Builds a module with imported functions, one imported shared memory and own functions. Imports come before functions. */
export class ModuleBuilder {
  private readonly types: string[] = [];
  private readonly imports: { module: string; name: string; type: number }[] = [];
  private readonly functions: { type: number; encode: () => FunctionBody }[] = [];
  private elements: readonly number[] = [];
  /** Entries of a second table, empty at first and exported for others to fill. */
  private openTable: { name: string; entries: number } | undefined;
  private readonly exported: { name: string; index: number }[] = [];

  constructor(private readonly memoryPages: { initial: number; maximum: number }) {}

  import<R extends ValType | undefined>(
    module: string,
    name: string,
    type: FunctionType,
  ): Callee<R> {
    if (this.functions.length > 0) throw new Error('imports come before functions');
    this.imports.push({ module, name, type: this.typeIndex(type) });
    return { index: this.imports.length - 1, type };
  }

  function<R extends ValType | undefined>(
    type: FunctionType,
  ): { builder: FunctionBuilder; callee: Callee<R> } {
    const builder = new FunctionBuilder(type);
    this.functions.push({ type: this.typeIndex(type), encode: () => builder.encode() });
    return { builder, callee: { index: this.imports.length + this.functions.length - 1, type } };
  }

  /** Takes in a function that was written by itself and calls nothing but imports. */
  add<R extends ValType | undefined>(type: FunctionType, body: FunctionBody): Callee<R> {
    this.functions.push({ type: this.typeIndex(type), encode: () => body });
    return { index: this.imports.length + this.functions.length - 1, type };
  }

  /** The module's own table of functions, called by index. */
  table(functions: readonly Callee[]): {
    call<R extends ValType>(
      args: readonly Expr[],
      index: I32,
      type: FunctionType,
      result: R,
    ): Expr<R>;
  } {
    this.elements = functions.map((f) => f.index);
    return {
      call: (args, index, type, result) => ({
        type: result,
        code: [...args, index, [0x11, ...unsignedLeb(this.typeIndex(type)), 0]],
      }),
    };
  }

  /** A table of `entries` functions that is exported under a name and filled from outside; call after `table`. */
  exportTable(
    name: string,
    entries: number,
  ): <R extends ValType>(
    args: readonly Expr[],
    index: I32,
    type: FunctionType,
    result: R,
  ) => Expr<R> {
    this.openTable = { name, entries };
    return (args, index, type, result) => ({
      type: result,
      code: [...args, index, [0x11, ...unsignedLeb(this.typeIndex(type)), 1]],
    });
  }

  export(name: string, callee: Callee): void {
    this.exported.push({ name, index: callee.index });
  }

  /** With `optimized`, an engine that follows compilation hints spends the time for its best code at once. */
  encode({ optimized = false } = {}): Uint8Array<ArrayBuffer> {
    const types = this.types.map((key) => key.split(',').map(Number));
    const { initial, maximum } = this.memoryPages;
    const memory = [
      ...nameBytes('env'),
      ...nameBytes('memory'),
      0x02,
      0x03,
      ...unsignedLeb(initial),
      ...unsignedLeb(maximum),
    ];
    const imports = this.imports.map((i) => [
      ...nameBytes(i.module),
      ...nameBytes(i.name),
      0x00,
      ...unsignedLeb(i.type),
    ]);
    const parts = [
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      section(1, vector(types)),
      section(2, vector([...imports, memory])),
      section(3, vector(this.functions.map((f) => unsignedLeb(f.type)))),
      section(
        4,
        vector([
          fixedTable(this.elements.length),
          ...(this.openTable ? [fixedTable(this.openTable.entries)] : []),
        ]),
      ),
      section(
        7,
        vector([
          ...this.exported.map((e) => [...nameBytes(e.name), 0x00, ...unsignedLeb(e.index)]),
          ...(this.openTable ? [[...nameBytes(this.openTable.name), 0x01, 1]] : []),
        ]),
      ),
    ];
    const items = vector(this.elements.map((index) => unsignedLeb(index)));
    parts.push(section(9, vector([[0x00, 0x41, 0x00, 0x0b, ...items]])));
    if (optimized) parts.push(this.compilationHints());
    const encoded = this.functions.map((f) => f.encode());
    const hints = this.branchHints(encoded.map(({ unlikely }) => unlikely));
    const bodies = encoded.map(({ bytes }) => bytes);
    const bodyBytes = bodies.reduce((sum, b) => sum + b.length, 0);
    const count = unsignedLeb(bodies.length);
    const chunks = [
      ...parts,
      hints,
      [10, ...unsignedLeb(bodyBytes + count.length), ...count],
      ...bodies,
    ];
    const bytes = new Uint8Array(chunks.reduce((sum, c) => sum + c.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  /** The custom section of the compilation hints proposal: every function is compiled before it is called, optimized. */
  private compilationHints(): number[] {
    const hints = this.functions.map(() => [HINT_EAGER | HINT_OPTIMIZED]);
    return section(0, [...nameBytes('compilationHints'), ...vector(hints)]);
  }

  /** The custom section of the branch hinting proposal: for each function the branches that are rarely taken. */
  private branchHints(functions: readonly (readonly number[])[]): Uint8Array {
    const rows = new ByteSink();
    functions.forEach((offsets, i) => {
      if (offsets.length === 0) return;
      rows.unsignedLeb(this.imports.length + i);
      rows.unsignedLeb(offsets.length);
      for (const offset of offsets) {
        rows.unsignedLeb(offset);
        rows.byte(1);
        rows.byte(0);
      }
    });
    const name = nameBytes('metadata.code.branch_hint');
    const count = unsignedLeb(functions.filter((offsets) => offsets.length > 0).length);
    const out = new ByteSink();
    out.byte(0);
    out.unsignedLeb(name.length + count.length + rows.length);
    out.list(name);
    out.list(count);
    out.list(rows.view(0, rows.length));
    return out.view(0, rows.length === 0 ? 0 : out.length);
  }

  private typeIndex(type: FunctionType): number {
    const list = (types: readonly ValType[]): number[] => [
      types.length,
      ...types.map((t) => TYPE_CODES[t]),
    ];
    const key = [0x60, ...list(type.params), ...list(type.results)].join(',');
    const found = this.types.indexOf(key);
    return found >= 0 ? found : this.types.push(key) - 1;
  }
}
