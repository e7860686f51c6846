/** What a chunk costs beside its bytes; counted so that many tiny chunks are bounded too. */
const CHUNK_COST = 64;

/** A queue of bytes that can be read anywhere and dropped at its front. */
export class ByteQueue {
  private chunks: Uint8Array[] = [];
  /** Index of the first chunk in use, and bytes of it that are gone. */
  private first = 0;
  private offset = 0;
  private bytes = 0;
  /** Where the last read ended: reads go on from there in the usual case. */
  private cursorChunk = 0;
  private cursorStart = 0;

  get length(): number {
    return this.bytes;
  }

  /** Bytes held with what the chunks cost themselves. */
  get cost(): number {
    return this.bytes + (this.chunks.length - this.first) * CHUNK_COST;
  }

  append(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.chunks.push(chunk);
    this.bytes += chunk.length;
  }

  /** Copies `length` bytes from `position` (counted from the front) to `target[at..]`. All of them must be there. */
  copy(position: number, length: number, target: Uint8Array, at: number): void {
    let { cursorChunk: index, cursorStart: start } = this;
    if (position < start || index < this.first) {
      index = this.first;
      start = -this.offset;
    }
    while (index < this.chunks.length && position >= start + this.chunks[index].length)
      start += this.chunks[index++].length;
    this.cursorChunk = index;
    this.cursorStart = start;
    for (let done = 0; done < length; index++) {
      const chunk = this.chunks[index];
      const from = position + done - start;
      const count = Math.min(chunk.length - from, length - done);
      target.set(chunk.subarray(from, from + count), at + done);
      done += count;
      start += chunk.length;
    }
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    let rest = Math.min(count, this.bytes);
    this.bytes -= rest;
    this.cursorStart -= rest;
    while (rest > 0) {
      const left = this.chunks[this.first].length - this.offset;
      if (rest < left) {
        this.offset += rest;
        break;
      }
      rest -= left;
      this.offset = 0;
      this.first++;
    }
    if (this.first < 64 && this.first < this.chunks.length) return;
    this.chunks = this.chunks.slice(this.first);
    this.cursorChunk -= this.first;
    this.first = 0;
  }

  clear(): void {
    this.drop(this.bytes);
  }
}
