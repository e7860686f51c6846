/** Reads bytes of an image: exactly `length`, zeros behind the end of the file. */
export type ReadBytes = (offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>;

export const CD_SECTOR_BYTES = 2048;

export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

export function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
}

/** Bytes as text, one character a byte; control characters become spaces: this is shown to people. */
export function text(bytes: Uint8Array, start: number, length: number): string {
  let out = '';
  for (let i = start; i < Math.min(start + length, bytes.length); i++) {
    const byte = bytes[i] ?? 0;
    out += byte < 0x20 || (byte >= 0x7f && byte < 0xa0) ? ' ' : String.fromCharCode(byte);
  }
  return out.trim();
}

/** Like `text`, with line ends kept. */
export function lines(bytes: Uint8Array): string[] {
  const out: string[] = [];
  let start = 0;
  for (let i = 0; i <= bytes.length; i++) {
    if (i < bytes.length && bytes[i] !== 0x0a) continue;
    out.push(text(bytes, start, i - start));
    start = i + 1;
  }
  return out;
}
