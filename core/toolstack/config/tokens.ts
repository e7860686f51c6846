/**
 * Tokens of xl.cfg, as Xen's own lexer sees them (tools/libs/util/libxlu_cfg_l.l, Xen 4.17): identifiers, numbers,
 * strings in '..' or "..", the signs = += [ ] ( ) , ; and line ends; `#` starts a comment.
 * Beyond it, for old xm files: strings in three quotes, `\` at the end of a line.
 */
import { DomusError, type SourcePosition } from '../../api';

export type TokenKind = 'identifier' | 'number' | 'string' | 'sign' | 'newline' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** As written. */
  readonly text: string;
  /** A string's content with its escapes resolved; otherwise the text. */
  readonly value: string;
  readonly position: SourcePosition;
}

/** A fault in a configuration file. */
export function configError(position: SourcePosition, message: string): DomusError {
  return new DomusError('INVALID_CONFIG', message, position);
}

const SPACE = /[ \t\r\f]+/y;
const COMMENT = /#[^\n]*/y;
const CONTINUATION = /\\\r?\n/y;
const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_.]*/y;
const NUMBER = /-?[0-9][0-9A-Za-z]*/y;
const SIGN = /\+=|[=[\](),;+%]/y;

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
};

class Tokenizer {
  private at = 0;
  private line = 1;
  private lineStart = 0;
  readonly tokens: Token[] = [];

  constructor(
    private readonly text: string,
    private readonly file: string,
  ) {}

  run(): Token[] {
    while (this.at < this.text.length) this.next();
    this.push('end', '', '', this.position());
    return this.tokens;
  }

  private position(): SourcePosition {
    return { file: this.file, line: this.line, column: this.at - this.lineStart + 1 };
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    return pattern.exec(this.text)?.[0];
  }

  private push(kind: TokenKind, text: string, value: string, position: SourcePosition): void {
    this.tokens.push({ kind, text, value, position });
  }

  /** Moves over `text`, counting its lines. */
  private advance(text: string): void {
    for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) {
      this.line++;
      this.lineStart = this.at + i + 1;
    }
    this.at += text.length;
  }

  private next(): void {
    const skipped = this.match(SPACE) ?? this.match(COMMENT) ?? this.match(CONTINUATION);
    if (skipped !== undefined) return this.advance(skipped);
    const position = this.position();
    const character = this.text.charAt(this.at);
    if (character === '\n') {
      this.push('newline', '\n', '\n', position);
      return this.advance('\n');
    }
    if (character === '"' || character === "'") return this.string(character, position);
    for (const [kind, pattern] of [
      ['identifier', IDENTIFIER],
      ['number', NUMBER],
      ['sign', SIGN],
    ] as const) {
      const text = this.match(pattern);
      if (text === undefined) continue;
      this.push(kind, text, text, position);
      return this.advance(text);
    }
    throw configError(position, `unexpected character ${JSON.stringify(character)}`);
  }

  private string(quote: string, position: SourcePosition): void {
    const triple = this.text.startsWith(quote.repeat(3), this.at);
    const end = triple ? quote.repeat(3) : quote;
    const start = this.at;
    this.advance(end);
    let value = '';
    while (!this.text.startsWith(end, this.at)) {
      const character = this.text.charAt(this.at);
      if (character === '' || (character === '\n' && !triple))
        throw configError(position, `the string that starts here has no closing ${end}`);
      if (character === '\\') value += this.escape();
      else {
        value += character;
        this.advance(character);
      }
    }
    this.advance(end);
    this.push('string', this.text.slice(start, this.at), value, position);
  }

  private escape(): string {
    const position = this.position();
    const letter = this.text.charAt(this.at + 1);
    const simple = SIMPLE_ESCAPES[letter];
    if (simple !== undefined) {
      this.advance(`\\${letter}`);
      return simple;
    }
    const code = this.match(/\\x[0-9A-Fa-f]{1,2}|\\[0-7]{1,3}/y);
    if (code === undefined)
      throw configError(position, `unknown escape \\${letter}; write \\\\ for a backslash`);
    this.advance(code);
    return String.fromCharCode(
      code.startsWith('\\x') ? parseInt(code.slice(2), 16) : parseInt(code.slice(1), 8) & 0xff,
    );
  }
}

/** Cuts a configuration file into tokens; the last is always `end`. Throws a DomusError with the place of the first fault. */
export function tokenize(text: string, file: string): Token[] {
  return new Tokenizer(text, file).run();
}
