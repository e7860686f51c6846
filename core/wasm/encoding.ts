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
