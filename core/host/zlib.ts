/** A zlib (RFC 1950) compressor whose window spans its calls. */
export interface DeflateStream {
  /**
   * Compresses `bytes` and flushes, so that the receiver can decode all of them. `done` is called later, never from
   * inside the call; calls do not overlap.
   */
  write(bytes: Uint8Array<ArrayBuffer>, done: (compressed: Uint8Array) => void): void;
  close(): void;
}

export interface ZlibHost {
  deflate(): DeflateStream;
}
