/** Compressed data that is damaged, ends early or gives more bytes than it may. */
export class CompressionError extends Error {
  override readonly name = 'CompressionError';
}

/**
 * Whole pieces of compressed data. What the input gives is bounded by `maxBytes` before anything of that size is
 * allocated (reliability 2.5.5); bytes behind the end of the compressed data are ignored. Rejects with `CompressionError`.
 */
export interface CompressionHost {
  /** RFC 1951. */
  inflateRaw(bytes: Uint8Array<ArrayBuffer>, maxBytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /** RFC 1950: with zlib's header and checksum. */
  inflate(bytes: Uint8Array<ArrayBuffer>, maxBytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /** RFC 1951 of a window of `2^windowBits` bytes. */
  deflateRaw(bytes: Uint8Array<ArrayBuffer>, windowBits: number): Promise<Uint8Array<ArrayBuffer>>;
  /** RFC 8878, one frame. */
  zstd(bytes: Uint8Array<ArrayBuffer>, maxBytes: number): Promise<Uint8Array<ArrayBuffer>>;
}
