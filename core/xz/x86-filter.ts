/** The x86 branch filter (BCJ) of The .xz File Format 1.2.0, 5.3.2: it makes calls and jumps to one place look alike. */

const ALLOWED = [true, true, true, false, true, false, false, false];
const BIT_NUMBER = [0, 1, 2, 2, 3, 3, 3, 3];
const isSignByte = (byte: number): boolean => byte === 0x00 || byte === 0xff;

/** Undoes the BCJ x86 filter in place: absolute call and jump targets become relative again. */
export function undoX86Filter(bytes: Uint8Array): void {
  let mask = 0;
  let last = -1;
  const end = bytes.length - 4;
  for (let i = 0; i < end; i++) {
    while (i < end && (bytes[i] & 0xfe) !== 0xe8) i++;
    if (i >= end) break;
    const gap = i - last;
    last = i;
    if (gap > 3) mask = 0;
    else {
      mask = (mask << (gap - 1)) & 7;
      if (mask !== 0 && (!ALLOWED[mask] || isSignByte(bytes[i + 4 - BIT_NUMBER[mask]]))) {
        mask = (mask << 1) | 1;
        continue;
      }
    }
    if (!isSignByte(bytes[i + 4])) {
      mask = (mask << 1) | 1;
      continue;
    }
    let source = bytes[i + 1] | (bytes[i + 2] << 8) | (bytes[i + 3] << 16) | (bytes[i + 4] << 24);
    let target: number;
    for (;;) {
      target = (source - (i + 5)) | 0;
      if (mask === 0) break;
      const shift = BIT_NUMBER[mask] * 8;
      if (!isSignByte((target >>> (24 - shift)) & 0xff)) break;
      source = target ^ ((1 << (32 - shift)) - 1);
    }
    bytes[i + 1] = target;
    bytes[i + 2] = target >> 8;
    bytes[i + 3] = target >> 16;
    bytes[i + 4] = (target & 0x0100_0000) !== 0 ? 0xff : 0x00;
    i += 4;
    last = i - 4;
    mask = 0;
  }
}
