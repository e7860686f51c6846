/**
 * Grammar of xl.cfg (tools/libs/util/libxlu_cfg_y.y, Xen 4.17):
 *
 *   file     : (setting end)*            end  : newline | ';'
 *   setting  : NAME ('=' | '+=') value   value: atom | '[' value, ... ']'
 *   atom     : STRING | NUMBER
 *
 * and, from xm's Python files, what needs no interpreter: True, False, None, strings side by side or joined by `+`,
 * and (..) for lists. Statements (`import`, `def`, `if`) and `%` are refused by name.
 */
import type { SourcePosition } from '../../api';
import { configError, tokenize, type Token } from './tokens';

export type ConfigValue =
  | {
      readonly kind: 'atom';
      readonly text: string;
      readonly quoted: boolean;
      readonly position: SourcePosition;
    }
  | {
      readonly kind: 'list';
      readonly items: readonly ConfigValue[];
      readonly position: SourcePosition;
    };

export interface Setting {
  readonly key: string;
  readonly value: ConfigValue;
  readonly position: SourcePosition;
}

/** Deepest nesting of lists: nothing in xl.cfg needs more than two. */
const MAX_DEPTH = 8;
const PYTHON_WORDS = new Set([
  'import',
  'from',
  'def',
  'if',
  'elif',
  'else',
  'for',
  'while',
  'class',
  'return',
  'print',
  'del',
  'try',
  'except',
  'with',
  'lambda',
  'assert',
  'raise',
]);
const CONSTANTS: Readonly<Record<string, string>> = { True: '1', False: '0', None: '' };

function describe(token: Token): string {
  if (token.kind === 'end') return 'the end of the file';
  if (token.kind === 'newline') return 'the end of the line';
  return JSON.stringify(token.text.length > 40 ? `${token.text.slice(0, 40)}…` : token.text);
}

class Parser {
  private readonly tokens: Token[];
  private readonly settings = new Map<string, Setting>();
  private at = 0;

  constructor(text: string, file: string) {
    this.tokens = tokenize(text, file);
  }

  run(): Setting[] {
    for (;;) {
      while (this.is('newline') || this.isSign(';')) this.at++;
      if (this.is('end')) return [...this.settings.values()];
      this.setting();
      const after = this.current;
      if (after.kind !== 'newline' && after.kind !== 'end' && !this.isSign(';'))
        throw configError(
          after.position,
          `unexpected ${describe(after)} after a value; a setting ends with its line or ';'`,
        );
    }
  }

  private get current(): Token {
    const token = this.tokens[this.at] ?? this.tokens[this.tokens.length - 1];
    if (!token) throw new Error('tokenize returns at least the end');
    return token;
  }

  private is(kind: Token['kind']): boolean {
    return this.current.kind === kind;
  }

  private isSign(text: string): boolean {
    return this.current.kind === 'sign' && this.current.text === text;
  }

  private take(): Token {
    const token = this.current;
    this.at++;
    return token;
  }

  private setting(): void {
    const name = this.take();
    if (name.kind !== 'identifier')
      throw configError(
        name.position,
        `unexpected ${describe(name)}; a setting starts with its name, as in: memory = 512`,
      );
    if (PYTHON_WORDS.has(name.text))
      throw configError(
        name.position,
        `'${name.text}' is Python, which is not run; write plain settings`,
      );
    const operator = this.take();
    if (operator.kind !== 'sign' || (operator.text !== '=' && operator.text !== '+='))
      throw configError(
        operator.position,
        `expected '=' after '${name.text}', not ${describe(operator)}`,
      );
    const value = this.value(0);
    const before = operator.text === '+=' ? this.settings.get(name.text) : undefined;
    this.settings.set(name.text, {
      key: name.text,
      position: name.position,
      value: before ? this.joined(before, value) : value,
    });
  }

  private joined(before: Setting, added: ConfigValue): ConfigValue {
    const old = before.value;
    if (old.kind === 'list' && added.kind === 'list')
      return { ...old, items: [...old.items, ...added.items] };
    if (old.kind === 'atom' && added.kind === 'atom')
      return { ...old, text: old.text + added.text, quoted: true };
    throw configError(
      added.position,
      `'+=' joins a list to a list or a string to a string, and '${before.key}' was a ${old.kind === 'list' ? 'list' : 'single value'}`,
    );
  }

  private value(depth: number): ConfigValue {
    if (this.isSign('[')) return this.list(depth, ']');
    if (this.isSign('(')) return this.list(depth, ')');
    return this.atom();
  }

  private atom(): ConfigValue {
    const token = this.take();
    if (token.kind === 'identifier') {
      const constant = CONSTANTS[token.text];
      if (constant === undefined)
        throw configError(token.position, `unexpected ${describe(token)}; put text in quotes`);
      return { kind: 'atom', text: constant, quoted: false, position: token.position };
    }
    if (token.kind === 'number')
      return { kind: 'atom', text: token.text, quoted: false, position: token.position };
    if (token.kind !== 'string')
      throw configError(
        token.position,
        `unexpected ${describe(token)}; a value is "text", a number or a [list]`,
      );
    let text = token.value;
    while (this.is('string') || (this.isSign('+') && this.tokens[this.at + 1]?.kind === 'string')) {
      const next = this.take();
      if (next.kind === 'string') text += next.value;
    }
    if (this.isSign('%'))
      throw configError(
        this.current.position,
        "'%' is Python, which is not run; write the text out",
      );
    return { kind: 'atom', text, quoted: true, position: token.position };
  }

  private list(depth: number, close: string): ConfigValue {
    const open = this.take();
    if (depth >= MAX_DEPTH)
      throw configError(open.position, `lists are nested more than ${MAX_DEPTH} deep`);
    const items: ConfigValue[] = [];
    for (;;) {
      while (this.is('newline')) this.at++;
      if (this.isSign(close)) break;
      if (this.is('end'))
        throw configError(open.position, `the list that starts here has no closing '${close}'`);
      items.push(this.value(depth + 1));
      while (this.is('newline')) this.at++;
      if (this.isSign(',')) this.at++;
      else if (!this.isSign(close)) {
        if (this.is('end'))
          throw configError(open.position, `the list that starts here has no closing '${close}'`);
        throw configError(
          this.current.position,
          `unexpected ${describe(this.current)} in a list; items are separated by ','`,
        );
      }
    }
    this.at++;
    return { kind: 'list', items, position: open.position };
  }
}

/** Reads the settings of a configuration file, in order; a later setting of a key replaces an earlier one. Throws a DomusError with file, line and column. */
export function parseSettings(text: string, file: string): Setting[] {
  return new Parser(text, file).run();
}
