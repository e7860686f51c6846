import {
  constants,
  deflateRaw,
  inflate,
  inflateRaw,
  type InputType,
  type ZlibOptions,
} from 'node:zlib';
import { ZSTDDecoder } from 'zstddec';
import { CompressionError, type CompressionHost } from '../host';

type Method = (
  bytes: InputType,
  options: ZlibOptions,
  done: (error: Error | null, result: Buffer) => void,
) => void;

/** Runs one of zlib's methods on a pool thread; a buffer of its own comes out. */
function run(
  method: Method,
  bytes: Uint8Array<ArrayBuffer>,
  options: ZlibOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    method(bytes, options, (error, result) => {
      if (error) reject(new CompressionError(error.message, { cause: error }));
      else resolve(new Uint8Array(result));
    });
  });
}

/** QEMU's deflate streams need not say that they end: the last bytes come out all the same. */
function bounded(maxBytes: number): ZlibOptions {
  return { maxOutputLength: maxBytes, finishFlush: constants.Z_SYNC_FLUSH };
}

const ZSTD_MAGIC = 0xfd2fb528;
/** Sizes of the header's fields by their flags, RFC 8878 section 3.1.1.1. */
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/** Length of the frame at the start of `bytes`, RFC 8878 section 3.1.1: the decoder wants no bytes behind it. */
function frameLength(bytes: Uint8Array<ArrayBuffer>): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 6 || view.getUint32(0, true) !== ZSTD_MAGIC)
    throw new CompressionError('this is no Zstandard frame');
  const descriptor = view.getUint8(4);
  const single = (descriptor >> 5) & 1;
  const sizeFlag = descriptor >> 6;
  let at = 5 + (1 - single) + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0);
  at += sizeFlag === 0 ? single : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0);
  for (let last = false; !last;) {
    if (at + 3 > bytes.length) throw new CompressionError('the Zstandard frame is cut off');
    const block = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    last = (block & 1) === 1;
    const isRun = ((block >> 1) & 3) === 1;
    at += 3 + (isRun ? 1 : block >> 3);
  }
  return at + (descriptor & 4 ? 4 : 0);
}

let decoder: Promise<ZSTDDecoder> | undefined;

function zstdDecoder(): Promise<ZSTDDecoder> {
  decoder ??= (async () => {
    const loaded = new ZSTDDecoder();
    await loaded.init();
    return loaded;
  })();
  return decoder;
}

/** Compression through zlib, and Zstandard through its reference decoder in WebAssembly. */
export const nodeCompression: CompressionHost = {
  inflateRaw: (bytes, maxBytes) => run(inflateRaw, bytes, bounded(maxBytes)),
  inflate: (bytes, maxBytes) => run(inflate, bytes, bounded(maxBytes)),
  deflateRaw: (bytes, windowBits) => run(deflateRaw, bytes, { windowBits }),
  zstd: async (bytes, maxBytes) => {
    const frame = bytes.subarray(0, frameLength(bytes));
    const zstd = await zstdDecoder();
    try {
      return new Uint8Array(zstd.decode(frame, maxBytes));
    } catch (cause) {
      throw new CompressionError('the Zstandard frame is damaged', { cause });
    }
  },
};
