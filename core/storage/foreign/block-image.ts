/** Images of other programs, which are read here and never written: blocks of one size, each somewhere in the file. */
import {
  ImageError,
  MAX_DISK_BYTES,
  SECTOR_BYTES,
  type DiskImage,
  type ImageExtent,
} from '../image';
import { badImage, checkRange, type ImageFile } from '../image-file';

/** Blocks that one step of a copy looks at. */
const MAX_STEP_BLOCKS = 8192;

/** Where a block is. */
export type Place =
  | { readonly kind: 'data'; readonly offset: number }
  | { readonly kind: 'zero' }
  /** Compressed: `read` expands it to at most one block. */
  | { readonly kind: 'packed'; readonly read: () => Promise<Uint8Array<ArrayBuffer>> };

/** What a format's header and tables say. */
export interface BlockLayout {
  /** As people call the format. */
  readonly format: string;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly locate: (block: number) => Promise<Place>;
  /** How many blocks from `block` on are zeros because they share a table that is not there; 0 when it is. */
  readonly absentRun?: (block: number) => number;
}

/** Refuses sizes of disks that cannot be. */
export function checkForeignSize(path: string, sizeBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < SECTOR_BYTES || sizeBytes > MAX_DISK_BYTES)
    throw badImage(path, `a disk of ${sizeBytes} bytes is not possible`);
}

export class BlockImage implements DiskImage {
  readonly readOnly = true;
  readonly sizeBytes: number;
  /** The last expanded block: sequential reads hit it. */
  private expanded: { block: number; bytes: Uint8Array<ArrayBuffer> } | undefined;

  constructor(
    private readonly file: ImageFile,
    private readonly layout: BlockLayout,
  ) {
    this.sizeBytes = layout.sizeBytes - (layout.sizeBytes % SECTOR_BYTES);
  }

  get path(): string {
    return this.file.path;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.path, this.sizeBytes, offset, length);
    const bytes = new Uint8Array(length);
    const { blockBytes } = this.layout;
    for (let done = 0; done < length;) {
      const block = Math.floor((offset + done) / blockBytes);
      const start = (offset + done) % blockBytes;
      const piece = Math.min(length - done, blockBytes - start);
      await this.readBlock(block, start, bytes.subarray(done, done + piece));
      done += piece;
    }
    return bytes;
  }

  async extent(offset: number, length: number): Promise<ImageExtent> {
    checkRange(this.path, this.sizeBytes, offset, length);
    const { blockBytes, locate } = this.layout;
    const end = Math.min(offset + length, this.sizeBytes);
    const first = Math.floor(offset / blockBytes);
    const absent = this.layout.absentRun?.(first) ?? 0;
    if (absent > 0)
      return { length: Math.min(end, (first + absent) * blockBytes) - offset, zero: true };
    const zero = (await locate(first)).kind === 'zero';
    let next = first + 1;
    const stop = Math.min(Math.ceil(end / blockBytes), first + MAX_STEP_BLOCKS);
    while (next < stop && ((await locate(next)).kind === 'zero') === zero) next++;
    return { length: Math.min(end, next * blockBytes) - offset, zero };
  }

  write(): Promise<void> {
    return Promise.reject(this.refusal());
  }

  writeZeroes(): Promise<void> {
    return Promise.reject(this.refusal());
  }

  discard(): Promise<void> {
    return Promise.resolve();
  }

  async flush(): Promise<void> {
    // Nothing is ever written.
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private refusal(): ImageError {
    return new ImageError(
      'UNREADABLE',
      this.path,
      `${this.path} is a ${this.layout.format} image, which is only read`,
    );
  }

  private async readBlock(
    block: number,
    start: number,
    target: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    if (this.expanded?.block === block) return this.copyExpanded(start, target);
    const place = await this.layout.locate(block);
    if (place.kind === 'data') return this.file.readInto(place.offset + start, target);
    if (place.kind === 'zero') return;
    this.expanded = { block, bytes: await place.read() };
    this.copyExpanded(start, target);
  }

  private copyExpanded(start: number, target: Uint8Array<ArrayBuffer>): void {
    target.set(this.expanded?.bytes.subarray(start, start + target.length) ?? []);
  }
}

/** A place in the file that a table names, refused when it cannot hold a block. */
export function dataPlace(file: ImageFile, what: string, offset: number, length: number): Place {
  if (offset >= SECTOR_BYTES && offset + length <= file.end) return { kind: 'data', offset };
  throw badImage(
    file.path,
    `${what} lies behind the end of the file: the image is cut off or damaged`,
  );
}
