/**
 * LZMA2: chunks of LZMA data, and of data that could not be compressed.
 * Spec: The .xz File Format 1.2.0, 5.3.1; chunks as in XZ Embedded's description of LZMA2.
 */
import type { WasmHost } from '../host';
import {
  DATA_AT,
  lzmaModule,
  OUTPUT_SLACK,
  PROBABILITIES,
  PROBABILITIES_AT,
  STATE,
} from './lzma-decoder';

/** Why data cannot be unpacked; the caller turns it into words of its own. */
export class UnpackError extends Error {
  override readonly name = 'UnpackError';
}

const WASM_PAGE = 65536;
const HALF = 1 << 10;
const MAX_PROPERTIES = 9 * 5 * 5;

/** Decodes LZMA2 data of `input`, one piece behind the other, into at most `limit` bytes. */
export class Lzma2Decoder {
  /** The decoder's memory: its state, the input, the output. */
  private readonly bytes: Uint8Array;
  private readonly words: Uint32Array;
  private readonly probabilities: Uint16Array;
  private readonly decode: (outputEnd: number, inputEnd: number) => void;
  private readonly inputEnd: number;
  private readonly outputAt: number;
  private readonly outputEnd: number;
  private at = 0;
  private position: number;

  constructor(wasm: WasmHost, input: Uint8Array, limit: number) {
    this.inputEnd = DATA_AT + input.length;
    this.outputAt = Math.ceil(this.inputEnd / 64) * 64;
    this.outputEnd = this.outputAt + limit;
    this.position = this.outputAt;
    const pages = Math.ceil((this.outputEnd + OUTPUT_SLACK) / WASM_PAGE);
    const { memory, buffer } = wasm.createMemory(pages);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.probabilities = new Uint16Array(buffer, PROBABILITIES_AT, PROBABILITIES);
    this.bytes.set(input, DATA_AT);
    const { decode } = wasm.instantiate(lzmaModule(pages), { env: { memory } });
    this.decode = decode as (outputEnd: number, inputEnd: number) => void;
  }

  /** All that was decoded. */
  get output(): Uint8Array {
    return this.bytes.subarray(this.outputAt, this.position);
  }

  /**
   * Decodes what begins at this offset of the input up to its end marker; returns the offset behind that.
   * @throws UnpackError when the data is damaged.
   */
  run(offset: number): number {
    this.at = DATA_AT + offset;
    this.words[STATE.start >> 2] = this.position;
    for (let started = false; ;) {
      const control = this.byte();
      if (control === 0) return this.at - DATA_AT;
      if (!started && control !== 1 && control < 0xe0)
        throw new UnpackError('does not begin with a dictionary reset');
      started = true;
      if (control < 0x80) {
        if (control > 2) throw new UnpackError('has an unknown LZMA2 control byte');
        this.storedChunk();
      } else this.compressedChunk(control);
    }
  }

  private byte(): number {
    if (this.at >= this.inputEnd) throw new UnpackError('ends too early');
    return this.bytes[this.at++];
  }

  private u16(): number {
    return (this.byte() << 8) | this.byte();
  }

  private storedChunk(): void {
    const size = this.u16() + 1;
    if (this.at + size > this.inputEnd || this.position + size > this.outputEnd)
      throw new UnpackError('ends too early');
    this.bytes.copyWithin(this.position, this.at, this.at + size);
    this.at += size;
    this.position += size;
  }

  private compressedChunk(control: number): void {
    const { words } = this;
    const unpacked = ((control & 0x1f) << 16) + this.u16() + 1;
    const packed = this.u16() + 1;
    if (control >= 0xc0) this.setProperties(this.byte());
    if (control >= 0xa0) {
      this.probabilities.fill(HALF);
      for (const word of ['state', 'rep0', 'rep1', 'rep2', 'rep3'] as const)
        words[STATE[word] >> 2] = 0;
    }
    const end = this.at + packed;
    const outputEnd = this.position + unpacked;
    if (end > this.inputEnd || outputEnd > this.outputEnd || packed < 5)
      throw new UnpackError('ends too early');
    if (this.byte() !== 0) throw new UnpackError('is damaged');
    words[STATE.range >> 2] = 0xffff_ffff;
    words[STATE.code >> 2] = this.u16() * 0x1_0000 + this.u16();
    words[STATE.input >> 2] = this.at;
    words[STATE.output >> 2] = this.position;
    try {
      this.decode(outputEnd, end);
    } catch (cause) {
      // It traps where a match goes out of the output.
      throw new UnpackError('is damaged', { cause });
    }
    if (words[STATE.input >> 2] !== end || words[STATE.output >> 2] !== outputEnd)
      throw new UnpackError('is damaged');
    this.at = end;
    this.position = outputEnd;
  }

  /** One byte: (pb * 5 + lp) * 9 + lc. */
  private setProperties(properties: number): void {
    const literalContext = properties % 9;
    const literalPosition = Math.floor((properties % 45) / 9);
    if (properties >= MAX_PROPERTIES || literalContext + literalPosition > 4)
      throw new UnpackError('has bad LZMA properties');
    this.words[STATE.literalContext >> 2] = literalContext;
    this.words[STATE.literalPosition >> 2] = literalPosition;
    this.words[STATE.position >> 2] = Math.floor(properties / 45);
  }
}
