/** Bytes received and not yet understood. Messages are taken from the front without moving the rest each time. */
export class InputBuffer {
  private bytes = new Uint8Array(0);
  private start = 0;
  private end = 0;

  get length(): number {
    return this.end - this.start;
  }

  push(more: Uint8Array): void {
    if (this.end + more.length > this.bytes.length) {
      const held = this.bytes.subarray(this.start, this.end);
      const grown = new Uint8Array(Math.max(256, 2 * (held.length + more.length)));
      grown.set(held);
      this.end = held.length;
      this.start = 0;
      this.bytes = grown;
    }
    this.bytes.set(more, this.end);
    this.end += more.length;
  }

  u8(at: number): number {
    return this.bytes[this.start + at];
  }

  u16(at: number): number {
    return this.u8(at) * 0x100 + this.u8(at + 1);
  }

  u32(at: number): number {
    return this.u16(at) * 0x10000 + this.u16(at + 2);
  }

  i32(at: number): number {
    return this.u32(at) | 0;
  }

  slice(from: number, to: number): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(this.start + from, this.start + to);
  }

  skip(count: number): void {
    this.start += count;
    if (this.start !== this.end) return;
    this.start = this.end = 0;
    // A long message does not keep its memory.
    if (this.bytes.length > 0x10000) this.bytes = new Uint8Array(0);
  }
}
