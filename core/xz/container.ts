/**
 * .xz container: one stream of blocks with LZMA2 and optionally the x86 filter, as Linux packs its kernels.
 * Spec: The .xz File Format 1.2.0. Checked: headers, sizes, CRC32 of the data (`xz --check=crc32`). Missing: other
 * filters, other checks (SHA-256 and CRC64 are skipped over).
 */
import { crc32 } from '../base';
import type { WasmHost } from '../host';
import { Lzma2Decoder, UnpackError } from './lzma2';
import { undoX86Filter } from './x86-filter';

const STREAM_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const STREAM_HEADER_BYTES = 12;
const CHECK_CRC32 = 1;
/** Bytes of the check by its id, 2.1.1.2. */
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const FILTER_LZMA2 = 0x21;
const FILTER_X86 = 0x04;
const HAS_PACKED_SIZE = 0x40;
const HAS_UNPACKED_SIZE = 0x80;

function isXz(bytes: Uint8Array): boolean {
  return STREAM_MAGIC.every((byte, i) => bytes[i] === byte);
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/** 1.2: a variable-length integer, limited to 2^42 here. */
function variable(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  for (let i = 0; i < 6; i++) {
    const byte = bytes[at + i] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, next: at + i + 1 };
  }
  throw new UnpackError('has a number out of range');
}

interface BlockHeader {
  readonly bytes: number;
  readonly x86: boolean;
}

function blockHeader(bytes: Uint8Array, at: number): BlockHeader {
  const size = (bytes[at] + 1) * 4;
  if (
    at + size > bytes.length ||
    crc32(bytes.subarray(at, at + size - 4)) !== u32(bytes, at + size - 4)
  ) {
    throw new UnpackError('has a damaged block header');
  }
  const flags = bytes[at + 1];
  let next = at + 2;
  if ((flags & HAS_PACKED_SIZE) !== 0) next = variable(bytes, next).next;
  if ((flags & HAS_UNPACKED_SIZE) !== 0) next = variable(bytes, next).next;
  const filters: number[] = [];
  for (let i = 0; i <= (flags & 3); i++) {
    const id = variable(bytes, next);
    const properties = variable(bytes, id.next);
    filters.push(id.value);
    if (id.value === FILTER_X86 && properties.value !== 0)
      throw new UnpackError('starts its x86 filter elsewhere');
    next = properties.next + properties.value;
  }
  const x86 = filters.length === 2 && filters[0] === FILTER_X86;
  if (filters.at(-1) !== FILTER_LZMA2 || (filters.length > 1 && !x86))
    throw new UnpackError('uses a filter that is not known');
  return { bytes: size, x86 };
}

/**
 * Unpacks a stream into at most `limit` bytes.
 * @throws UnpackError when the data is damaged or of a kind not known here.
 */
export function unpackXz(wasm: WasmHost, bytes: Uint8Array, limit: number): Uint8Array {
  if (!isXz(bytes) || crc32(bytes.subarray(6, 8)) !== u32(bytes, 8))
    throw new UnpackError('is not an .xz stream');
  const check = bytes[7] & 0x0f;
  const decoder = new Lzma2Decoder(wasm, bytes, limit);
  let at = STREAM_HEADER_BYTES;
  // A zero byte begins the index that follows the last block.
  while (bytes[at] !== 0) {
    if (at >= bytes.length) throw new UnpackError('ends too early');
    const header = blockHeader(bytes, at);
    const filled = decoder.output.length;
    const end = decoder.run(at + header.bytes);
    const block = decoder.output.subarray(filled);
    if (header.x86) undoX86Filter(block);
    // Block padding to a multiple of four, then the check.
    at += Math.ceil((end - at) / 4) * 4;
    if (check === CHECK_CRC32 && u32(bytes, at) !== crc32(block))
      throw new UnpackError('is damaged');
    at += CHECK_BYTES[check];
  }
  return decoder.output;
}
