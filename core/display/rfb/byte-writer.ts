/** Bytes in network order, in a buffer that grows. */
export class ByteWriter {
  private buffer: Uint8Array<ArrayBuffer>;
  private view: DataView<ArrayBuffer>;
  length = 0;

  constructor(capacity = 1024) {
    this.buffer = new Uint8Array(capacity);
    this.view = new DataView(this.buffer.buffer);
  }

  u8(value: number): this {
    this.ensure(1);
    this.buffer[this.length++] = value;
    return this;
  }

  u16(value: number): this {
    this.ensure(2);
    this.view.setUint16(this.length, value);
    this.length += 2;
    return this;
  }

  u32(value: number): this {
    this.ensure(4);
    this.view.setUint32(this.length, value);
    this.length += 4;
    return this;
  }

  bytes(source: Uint8Array | readonly number[]): this {
    this.ensure(source.length);
    this.buffer.set(source, this.length);
    this.length += source.length;
    return this;
  }

  /** Characters outside ASCII become question marks. */
  ascii(text: string): this {
    for (const character of text) {
      const code = character.codePointAt(0) ?? 0;
      this.u8(code >= 0x20 && code < 0x7f ? code : character === '\n' ? 10 : 0x3f);
    }
    return this;
  }

  /** A length and a text. */
  string(text: string): this {
    const at = this.length;
    this.u32(0).ascii(text);
    this.view.setUint32(at, this.length - at - 4);
    return this;
  }

  /** Room for `count` bytes that the caller fills; valid until the next write. */
  room(count: number): Uint8Array<ArrayBuffer> {
    this.ensure(count);
    this.length += count;
    return this.buffer.subarray(this.length - count, this.length);
  }

  patchU8(at: number, value: number): void {
    this.buffer[at] = value;
  }

  patchU16(at: number, value: number): void {
    this.view.setUint16(at, value);
  }

  truncate(length: number): void {
    this.length = length;
  }

  /** What was written, as a buffer of its own. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.buffer.slice(0, this.length);
    this.length = 0;
    return taken;
  }

  private ensure(more: number): void {
    const needed = this.length + more;
    if (needed <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }
}
