/** Compressed clusters: one is expanded at a time, into one cluster and no more; the last ones are kept. */
import { CompressionError, type CompressionHost } from '../../host';
import { ImageError } from '../image';
import { badImage, type ImageFile } from '../image-file';
import { Mutex } from '../mutex';
import type { Qcow2Header } from './header';

/** What is kept of expanded clusters (reliability 2.5.5). */
const CACHE_BYTES = 8 << 20;

export class Decompressor {
  private readonly cache = new Map<number, Uint8Array<ArrayBuffer>>();
  private readonly turn = new Mutex();

  constructor(
    private readonly file: ImageFile,
    private readonly header: Qcow2Header,
    private readonly host: CompressionHost | undefined,
  ) {}

  /** The cluster whose compressed data are the `bytes` bytes at `offset`. Not to be changed by the caller. */
  cluster(offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.turn.run(async () => {
      const kept = this.cache.get(offset);
      if (kept) return kept;
      const cluster = await this.expand(offset, bytes);
      const room = Math.max(1, CACHE_BYTES / this.header.clusterBytes);
      for (const oldest of this.cache.keys()) {
        if (this.cache.size < room) break;
        this.cache.delete(oldest);
      }
      this.cache.set(offset, cluster);
      return cluster;
    });
  }

  /** Forgets all: places in the file may get other contents. */
  clear(): void {
    this.cache.clear();
  }

  private async expand(offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const { path } = this.file;
    const { compression, clusterBytes } = this.header;
    if (!this.host)
      throw new ImageError('UNREADABLE', path, `${path}: compressed clusters cannot be read here`);
    const input = await this.file.read(offset, Math.min(bytes, this.file.end - offset));
    try {
      const output = await (compression === 'zstd'
        ? this.host.zstd(input, clusterBytes)
        : this.host.inflateRaw(input, clusterBytes));
      if (output.length === clusterBytes) return output;
      throw new CompressionError(`${output.length} bytes`);
    } catch (cause) {
      if (cause instanceof CompressionError)
        throw badImage(path, `the compressed cluster at ${offset} of the file is damaged`);
      throw cause;
    }
  }
}
