/**
 * LZMA2 decoder and the x86 branch filter, for XZ-compressed kernels.
 * Spec: The .xz File Format 1.2.0; LZMA2 and LZMA as the LZMA specification (I. Pavlov, 2015) describes them.
 */

/** Why data cannot be unpacked; the caller turns it into words of its own. */
export class UnpackError extends Error {
  override readonly name = 'UnpackError';
}

const TOP = 1 << 24;
const HALF = 1 << 10;
const RANGE = 0;
const CODE = 1;
const STATES = 12;
const POS_STATES_MAX = 16;
const LENGTH_STATES = 4;
const END_POSITION_MODELS = 14;
const FULL_DISTANCES = 128;
const ALIGN_BITS = 4;
/** Probabilities of one length coder: choice, choice 2, low, middle, high. */
const LENGTH_LOW = 2;
const LENGTH_MIDDLE = LENGTH_LOW + POS_STATES_MAX * 8;
const LENGTH_HIGH = LENGTH_MIDDLE + POS_STATES_MAX * 8;
const LENGTH_PROBABILITIES = LENGTH_HIGH + 256;
const LITERAL_CODER = 0x300;

// All probabilities in one array, in this order.
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POS_STATES_MAX;
const IS_REP_0 = IS_REP + STATES;
const IS_REP_1 = IS_REP_0 + STATES;
const IS_REP_2 = IS_REP_1 + STATES;
const IS_REP_0_LONG = IS_REP_2 + STATES;
const DISTANCE_SLOT = IS_REP_0_LONG + STATES * POS_STATES_MAX;
const DISTANCE_SPECIAL = DISTANCE_SLOT + LENGTH_STATES * 64;
const DISTANCE_ALIGN = DISTANCE_SPECIAL + FULL_DISTANCES - END_POSITION_MODELS;
const MATCH_LENGTH = DISTANCE_ALIGN + (1 << ALIGN_BITS);
const REP_LENGTH = MATCH_LENGTH + LENGTH_PROBABILITIES;
const LITERAL = REP_LENGTH + LENGTH_PROBABILITIES;
/** lc + lp is at most 4 in LZMA2. */
const PROBABILITIES = LITERAL + (LITERAL_CODER << 4);

/** One LZMA2 stream, decoded into an array of the right size. */
export class Lzma2Decoder {
  private readonly probabilities = new Uint16Array(PROBABILITIES);
  /** Range and code of the range coder: in a typed array they stay unboxed 32-bit integers. */
  private readonly coder = new Uint32Array(2);
  private at: number;
  private position = 0;
  private state = 0;
  private rep0 = 0;
  private rep1 = 0;
  private rep2 = 0;
  private rep3 = 0;
  private lc = 0;
  private lp = 0;
  private pb = 0;

  constructor(
    private readonly input: Uint8Array,
    start: number,
    private readonly output: Uint8Array,
  ) {
    this.at = start;
  }

  /** Decodes until the end marker; returns where in the input that was. */
  run(): { end: number; length: number } {
    for (let started = false; ;) {
      const control = this.byte();
      if (control === 0) return { end: this.at, length: this.position };
      if (!started && control !== 1 && control < 0xe0)
        throw new UnpackError('does not begin with a dictionary reset');
      started = true;
      if (control < 0x80) {
        if (control > 2) throw new UnpackError('unknown LZMA2 control byte');
        this.copyChunk();
      } else this.compressedChunk(control);
    }
  }

  private byte(): number {
    if (this.at >= this.input.length) throw new UnpackError('ends too early');
    return this.input[this.at++];
  }

  private u16(): number {
    return (this.byte() << 8) | this.byte();
  }

  private copyChunk(): void {
    const size = this.u16() + 1;
    if (this.at + size > this.input.length || this.position + size > this.output.length)
      throw new UnpackError('ends too early');
    this.output.set(this.input.subarray(this.at, this.at + size), this.position);
    this.at += size;
    this.position += size;
  }

  private compressedChunk(control: number): void {
    const unpacked = ((control & 0x1f) << 16) + this.u16() + 1;
    const packed = this.u16() + 1;
    if (control >= 0xc0) {
      const properties = this.byte();
      if (properties >= 9 * 5 * 5) throw new UnpackError('bad LZMA properties');
      this.pb = Math.floor(properties / 45);
      this.lp = Math.floor((properties % 45) / 9);
      this.lc = properties % 9;
      if (this.lc + this.lp > 4) throw new UnpackError('bad LZMA properties');
    }
    if (control >= 0xa0) {
      this.probabilities.fill(HALF);
      this.state = this.rep0 = this.rep1 = this.rep2 = this.rep3 = 0;
    }
    const end = this.at + packed;
    if (end > this.input.length || this.position + unpacked > this.output.length || packed < 5)
      throw new UnpackError('ends too early');
    if (this.byte() !== 0) throw new UnpackError('is damaged');
    this.coder[RANGE] = 0xffff_ffff;
    this.coder[CODE] =
      (this.input[this.at] << 24) |
      (this.input[this.at + 1] << 16) |
      (this.input[this.at + 2] << 8) |
      this.input[this.at + 3];
    this.at += 4;
    this.decode(this.position + unpacked);
    if (this.at !== end) throw new UnpackError('is damaged');
  }

  /** One adaptive bit. The range is kept above 2^24 after every bit, not before. */
  private bit(index: number): number {
    const { probabilities, coder } = this;
    const probability = probabilities[index];
    const range = coder[RANGE];
    const code = coder[CODE];
    const bound = (range >>> 11) * probability;
    if (code < bound) {
      probabilities[index] = probability + ((2048 - probability) >> 5);
      if (bound < TOP) {
        coder[RANGE] = bound << 8;
        coder[CODE] = (code << 8) | this.input[this.at++];
      } else coder[RANGE] = bound;
      return 0;
    }
    probabilities[index] = probability - (probability >> 5);
    const rest = range - bound;
    if (rest < TOP) {
      coder[RANGE] = rest << 8;
      coder[CODE] = ((code - bound) << 8) | this.input[this.at++];
    } else {
      coder[RANGE] = rest;
      coder[CODE] = code - bound;
    }
    return 1;
  }

  /** Equiprobable bits, most significant first. */
  private directBits(count: number): number {
    const { coder } = this;
    let range = coder[RANGE];
    let code = coder[CODE];
    let result = 0;
    for (let i = 0; i < count; i++) {
      range >>>= 1;
      const one = code >= range ? 1 : 0;
      if (one) code -= range;
      result = (result << 1) | one;
      if (range < TOP) {
        range = (range << 8) >>> 0;
        code = ((code << 8) | this.input[this.at++]) >>> 0;
      }
    }
    coder[RANGE] = range;
    coder[CODE] = code;
    return result;
  }

  private tree(base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.bit(base + symbol);
    return symbol - (1 << bits);
  }

  private reverseTree(base: number, bits: number): number {
    let symbol = 1;
    let result = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(base + symbol);
      symbol = (symbol << 1) | bit;
      result |= bit << i;
    }
    return result;
  }

  private matchLength(base: number, posState: number): number {
    if (this.bit(base) === 0) return 2 + this.tree(base + LENGTH_LOW + posState * 8, 3);
    if (this.bit(base + 1) === 0) return 10 + this.tree(base + LENGTH_MIDDLE + posState * 8, 3);
    return 18 + this.tree(base + LENGTH_HIGH, 8);
  }

  private distance(length: number): number {
    const lengthState = Math.min(length - 2, LENGTH_STATES - 1);
    const slot = this.tree(DISTANCE_SLOT + lengthState * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const high = 2 | (slot & 1);
    if (slot < END_POSITION_MODELS) {
      const base = high << bits;
      return base + this.reverseTree(DISTANCE_SPECIAL + base - slot - 1, bits);
    }
    const middle = this.directBits(bits - ALIGN_BITS);
    return (
      high * 2 ** bits + middle * (1 << ALIGN_BITS) + this.reverseTree(DISTANCE_ALIGN, ALIGN_BITS)
    );
  }

  private literal(): void {
    const { output, position, lc, lp } = this;
    const previous = position > 0 ? output[position - 1] : 0;
    const base =
      LITERAL + LITERAL_CODER * (((position & ((1 << lp) - 1)) << lc) + (previous >> (8 - lc)));
    let symbol = 1;
    if (this.state >= 7) {
      let match = output[position - this.rep0 - 1];
      while (symbol < 0x100) {
        const matchBit = (match >> 7) & 1;
        match <<= 1;
        const bit = this.bit(base + ((1 + matchBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (matchBit !== bit) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.bit(base + symbol);
    output[position] = symbol;
    this.position = position + 1;
    this.state = this.state < 4 ? 0 : this.state < 10 ? this.state - 3 : this.state - 6;
  }

  private decode(end: number): void {
    const posMask = (1 << this.pb) - 1;
    while (this.position < end) {
      const posState = this.position & posMask;
      if (this.bit(IS_MATCH + this.state * POS_STATES_MAX + posState) === 0) {
        this.literal();
        continue;
      }
      const length =
        this.bit(IS_REP + this.state) === 0
          ? this.newMatch(posState)
          : this.repeatedMatch(posState);
      this.copyMatch(length, end);
    }
  }

  private newMatch(posState: number): number {
    this.rep3 = this.rep2;
    this.rep2 = this.rep1;
    this.rep1 = this.rep0;
    const length = this.matchLength(MATCH_LENGTH, posState);
    this.rep0 = this.distance(length);
    this.state = this.state < 7 ? 7 : 10;
    return length;
  }

  private repeatedMatch(posState: number): number {
    const { state } = this;
    if (this.bit(IS_REP_0 + state) === 0) {
      if (this.bit(IS_REP_0_LONG + state * POS_STATES_MAX + posState) === 0) {
        this.state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      let distance = this.rep1;
      if (this.bit(IS_REP_1 + state) === 1) {
        distance = this.rep2;
        if (this.bit(IS_REP_2 + state) === 1) {
          distance = this.rep3;
          this.rep3 = this.rep2;
        }
        this.rep2 = this.rep1;
      }
      this.rep1 = this.rep0;
      this.rep0 = distance;
    }
    this.state = state < 7 ? 8 : 11;
    return this.matchLength(REP_LENGTH, posState);
  }

  private copyMatch(length: number, end: number): void {
    const { output, position } = this;
    const from = position - this.rep0 - 1;
    if (from < 0 || position + length > end) throw new UnpackError('is damaged');
    for (let i = 0; i < length; i++) output[position + i] = output[from + i];
    this.position = position + length;
  }
}

const ALLOWED = [true, true, true, false, true, false, false, false];
const BIT_NUMBER = [0, 1, 2, 2, 3, 3, 3, 3];
const isSignByte = (byte: number): boolean => byte === 0x00 || byte === 0xff;

/** Undoes the BCJ x86 filter in place: absolute call and jump targets become relative again. */
export function undoX86Filter(bytes: Uint8Array): void {
  let mask = 0;
  let last = -1;
  for (let i = 0; i + 5 <= bytes.length; i++) {
    if ((bytes[i] & 0xfe) !== 0xe8) continue;
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
