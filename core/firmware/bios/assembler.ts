/**
 * A tiny 16-bit assembler: just the instructions our ROM is made of, with labels.
 * Encodings: Intel SDM volume 2.
 */

const CONDITIONS = { c: 0x2, nc: 0x3, e: 0x4, ne: 0x5, a: 0x7, s: 0x8 } as const;
const WORD_REGISTERS = { ax: 0, cx: 1, dx: 2, bx: 3, sp: 4, bp: 5, si: 6, di: 7 } as const;
const BYTE_REGISTERS = { al: 0, cl: 1, dl: 2, bl: 3, ah: 4, ch: 5, dh: 6, bh: 7 } as const;
const PUSH_SEGMENT = { es: 0x06, cs: 0x0e, ss: 0x16, ds: 0x1e } as const;
const SEGMENT_NUMBERS = { es: 0, cs: 1, ss: 2, ds: 3 } as const;

export type WordRegister = keyof typeof WORD_REGISTERS;
export type ByteRegister = keyof typeof BYTE_REGISTERS;
export type SegmentRegister = keyof typeof PUSH_SEGMENT;

interface Fixup {
  readonly at: number;
  readonly label: string;
  readonly kind: 'rel8' | 'rel16' | 'abs16';
}

/** Assembles into a segment of at most 64 KiB; offsets are segment offsets. */
export class Assembler {
  private readonly bytes: Uint8Array<ArrayBuffer>;
  private readonly labels = new Map<string, number>();
  private readonly fixups: Fixup[] = [];
  private used: Uint8Array;
  at = 0;

  constructor(size: number, fill = 0xff) {
    this.bytes = new Uint8Array(size).fill(fill);
    this.used = new Uint8Array(size);
  }

  org(offset: number): this {
    this.at = offset;
    return this;
  }

  align(to: number): this {
    while (this.at % to !== 0) this.at++;
    return this;
  }

  label(name: string): this {
    if (this.labels.has(name)) throw new Error(`label ${name} defined twice`);
    this.labels.set(name, this.at);
    return this;
  }

  offsetOf(label: string): number {
    const offset = this.labels.get(label);
    if (offset === undefined) throw new Error(`label ${label} is not defined`);
    return offset;
  }

  db(...values: readonly number[]): this {
    for (const value of values) {
      if (this.used[this.at]) throw new Error(`ROM overlap at ${this.at.toString(16)}`);
      this.used[this.at] = 1;
      this.bytes[this.at++] = value;
    }
    return this;
  }

  dw(...values: readonly number[]): this {
    for (const value of values) this.db(value & 0xff, (value >> 8) & 0xff);
    return this;
  }

  raw(data: ArrayLike<number>): this {
    for (let i = 0; i < data.length; i++) this.db(data[i]);
    return this;
  }

  text(value: string): this {
    for (const c of value) this.db(c.charCodeAt(0));
    return this;
  }

  private fix(kind: Fixup['kind'], label: string): this {
    this.fixups.push({ at: this.at, label, kind });
    return kind === 'rel8' ? this.db(0) : this.dw(0);
  }

  /** The 16-bit offset of a label as data. */
  dwLabel(label: string): this {
    return this.fix('abs16', label);
  }

  jmp(label: string): this {
    return this.db(0xe9).fix('rel16', label);
  }

  jmpFar(segment: number, label: string): this {
    return this.db(0xea).fix('abs16', label).dw(segment);
  }

  j(condition: keyof typeof CONDITIONS, label: string): this {
    return this.db(0x70 | CONDITIONS[condition]).fix('rel8', label);
  }

  call(label: string): this {
    return this.db(0xe8).fix('rel16', label);
  }

  int(vector: number): this {
    return this.db(0xcd, vector);
  }

  iret(): this {
    return this.db(0xcf);
  }

  retf(): this {
    return this.db(0xcb);
  }

  pushf(): this {
    return this.db(0x9c);
  }

  popf(): this {
    return this.db(0x9d);
  }

  ret(): this {
    return this.db(0xc3);
  }

  push(register: WordRegister | SegmentRegister): this {
    return this.db(
      register in PUSH_SEGMENT
        ? PUSH_SEGMENT[register as SegmentRegister]
        : 0x50 | WORD_REGISTERS[register as WordRegister],
    );
  }

  pop(register: WordRegister | SegmentRegister): this {
    return this.db(
      register in PUSH_SEGMENT
        ? PUSH_SEGMENT[register as SegmentRegister] | 1
        : 0x58 | WORD_REGISTERS[register as WordRegister],
    );
  }

  pushImm16(value: number): this {
    return this.db(0x68).dw(value);
  }

  movImm16(register: WordRegister, value: number): this {
    return this.db(0xb8 | WORD_REGISTERS[register]).dw(value);
  }

  movImm8(register: ByteRegister, value: number): this {
    return this.db(0xb0 | BYTE_REGISTERS[register], value);
  }

  mov(to: WordRegister, from: WordRegister): this {
    return this.db(0x89, 0xc0 | (WORD_REGISTERS[from] << 3) | WORD_REGISTERS[to]);
  }

  movSegment(to: SegmentRegister, from: WordRegister): this {
    return this.db(0x8e, 0xc0 | (SEGMENT_NUMBERS[to] << 3) | WORD_REGISTERS[from]);
  }

  xor(to: WordRegister, from: WordRegister): this {
    return this.db(0x31, 0xc0 | (WORD_REGISTERS[from] << 3) | WORD_REGISTERS[to]);
  }

  addSp(value: number): this {
    return this.db(0x83, 0xc4, value);
  }

  /** CMP BYTE PTR SS:[BP+displacement], imm8 */
  cmpByteBp(displacement: number, value: number): this {
    return this.db(0x80, 0x7e, displacement & 0xff, value);
  }

  /** PUSH WORD PTR DS:[address] */
  pushWordAt(address: number): this {
    return this.db(0xff, 0x36).dw(address);
  }

  /** CALL FAR DS:[address] */
  callFarAt(address: number): this {
    return this.db(0xff, 0x1e).dw(address);
  }

  inAl(port: number): this {
    return this.db(0xe4, port);
  }

  outAl(port: number): this {
    return this.db(0xe6, port);
  }

  cli(): this {
    return this.db(0xfa);
  }

  sti(): this {
    return this.db(0xfb);
  }

  cld(): this {
    return this.db(0xfc);
  }

  stc(): this {
    return this.db(0xf9);
  }

  hlt(): this {
    return this.db(0xf4);
  }

  nop(): this {
    return this.db(0x90);
  }

  pusha(): this {
    return this.db(0x60);
  }

  popa(): this {
    return this.db(0x61);
  }

  build(): Uint8Array<ArrayBuffer> {
    for (const { at, label, kind } of this.fixups) {
      const target = this.offsetOf(label);
      if (kind === 'rel8') {
        const distance = target - (at + 1);
        if (distance < -128 || distance > 127)
          throw new Error(`short jump to ${label} is out of range`);
        this.bytes[at] = distance & 0xff;
        continue;
      }
      const value = kind === 'abs16' ? target : target - (at + 2);
      this.bytes[at] = value & 0xff;
      this.bytes[at + 1] = (value >> 8) & 0xff;
    }
    return this.bytes;
  }
}
