/** Code in pieces: bytes, and expressions or statements that stand there. */
export type Code = readonly (readonly number[] | { readonly code: Code })[];

const isBytes: (piece: Code[number]) => piece is readonly number[] = Array.isArray;

/** Bytes that grow. */
export class ByteSink {
  private bytes = new Uint8Array(1024);
  length = 0;

  private reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  list(values: ArrayLike<number>): void {
    this.reserve(values.length);
    for (let i = 0; i < values.length; i++) this.bytes[this.length++] = values[i];
  }

  code(pieces: Code): void {
    for (const piece of pieces) {
      if (isBytes(piece)) this.list(piece);
      else this.code(piece.code);
    }
  }

  unsignedLeb(value: number): void {
    if (value < 128) this.byte(value);
    else this.list(unsignedLeb(value));
  }

  /** A view of what was written from `from` up to `to`; good until the next write. */
  view(from: number, to: number): Uint8Array {
    return this.bytes.subarray(from, to);
  }
}

/** LEB128, WebAssembly Core 1.0 section 5.2.2. */
export function unsignedLeb(value: number): number[] {
  if (value < 128) return [value];
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return bytes;
}

export function signedLeb(value: bigint | number): number[] {
  const small = Number(value);
  if (small >= -0x80000000 && small <= 0x7fffffff) return signedLeb32(small);
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
      bytes.push(low);
      return bytes;
    }
    bytes.push(low | 0x80);
  }
}

/** The same for 32-bit numbers, which are nearly all. */
function signedLeb32(value: number): number[] {
  if (value >= -64 && value < 64) return [value & 0x7f];
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest >= -64 && rest < 64) {
      bytes.push(rest & 0x7f);
      return bytes;
    }
    bytes.push((rest & 0x7f) | 0x80);
  }
}

export function nameBytes(name: string): number[] {
  const bytes = [...name].map((c) => c.charCodeAt(0));
  return [...unsignedLeb(bytes.length), ...bytes];
}

export function section(id: number, body: readonly number[]): number[] {
  return [id, ...unsignedLeb(body.length), ...body];
}

export function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsignedLeb(items.length), ...items.flat()];
}
