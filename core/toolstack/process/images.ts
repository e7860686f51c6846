import type { DiskConfig, DomainConfig } from '../../api';
import type { LockOwner } from '../../host';
import type { BlockError } from '../../hw';
import {
  ImageError,
  openImage,
  type BackingPolicy,
  type DiskImage,
  type ImageHost,
} from '../../storage';
import { BLOCK_SLOTS_BYTES } from './block-slots';
import type { BlockRequest, WorkerDisk, WorkerMedium } from './worker-messages';

/** Largest request a device may make: bounds what a guest can have in flight. */
const MAX_REQUEST_BYTES = 16 << 20;

export interface BlockAnswer {
  readonly data?: Uint8Array<ArrayBuffer>;
  readonly error?: BlockError;
}

function asBlockError(cause: unknown): BlockError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof ImageError && cause.code === 'NO_SPACE') return { code: 'ENOSPC', message };
  return { code: 'EIO', message };
}

/** The directory that the configuration allows the lower images of an overlay to lie in, without links. */
async function backingOf(
  host: ImageHost,
  { backing }: DiskConfig,
): Promise<{ backing?: BackingPolicy }> {
  if (backing === undefined) return {};
  const directory = (await host.files.realPath?.(backing)) ?? backing;
  return { backing: { directories: [directory] } };
}

/** The images of one domain, under their locks, and the guest's requests to them. */
export class DomainImages {
  readBytes = 0;
  writtenBytes = 0;
  /** Where requests with a slot have their data. */
  readonly memory = new SharedArrayBuffer(BLOCK_SLOTS_BYTES);
  private readonly inFlight = new Set<Promise<BlockAnswer>>();

  private nextMedium: number;

  private constructor(
    readonly disks: readonly WorkerDisk[],
    /** By medium: the index of its disk, larger numbers for discs that were put in later. */
    private readonly images: Map<number, DiskImage>,
    private readonly onFatal: (message: string) => void,
  ) {
    this.nextMedium = disks.length;
  }

  /** Opens every image of the configuration; closes those it opened when one fails. `onFatal` hears of an image that can no longer be trusted. */
  static async open(
    host: ImageHost,
    config: DomainConfig,
    pid: number,
    onFatal: (message: string) => void,
  ): Promise<DomainImages> {
    const images = new Map<number, DiskImage>();
    const disks: WorkerDisk[] = [];
    try {
      for (const disk of config.disk) {
        const readOnly = disk.access === 'r' || disk.cdrom;
        const image =
          disk.target === ''
            ? null
            : await openImage(host, {
                path: disk.target,
                format: disk.format,
                readOnly,
                owner: { pid, name: `domain ${config.name}` },
                ...(await backingOf(host, disk)),
              });
        if (image) images.set(disks.length, image);
        disks.push({
          vdev: disk.vdev,
          cdrom: disk.cdrom,
          sizeBytes: image?.sizeBytes ?? 0,
          readOnly,
          present: image !== null,
          // A disc may be taken out and closed while the guest runs.
          plain: disk.cdrom ? undefined : image?.plain,
        });
      }
      return new DomainImages(disks, images, onFatal);
    } catch (cause) {
      await Promise.allSettled([...images.values()].map((image) => image.close()));
      throw cause;
    }
  }

  /** Opens a CD image under its lock, for a drive that it will be put into. Rejects with an ImageError. */
  async openDisc(host: ImageHost, path: string, owner: LockOwner): Promise<WorkerMedium> {
    const image = await openImage(host, { path, format: 'raw', readOnly: true, owner });
    const medium = this.nextMedium++;
    this.images.set(medium, image);
    return { medium, sizeBytes: image.sizeBytes };
  }

  /** Gives a disc back that is in no drive any more; requests that come late find no medium. */
  async closeDisc(medium: number): Promise<void> {
    const image = this.images.get(medium);
    if (!image) return;
    this.images.delete(medium);
    await Promise.all(this.inFlight);
    await image.close();
  }

  /** Serves one request of the guest; never rejects. */
  handle(request: BlockRequest): Promise<BlockAnswer> {
    const work = this.serve(request);
    this.inFlight.add(work);
    void work.finally(() => this.inFlight.delete(work));
    return work;
  }

  private async serve(request: BlockRequest): Promise<BlockAnswer> {
    const { operation, offset, length } = request;
    const image = this.images.get(request.disk);
    if (!image) return { error: { code: 'ENOMEDIUM', message: 'there is no medium' } };
    const inside =
      Number.isSafeInteger(offset) &&
      offset >= 0 &&
      length >= 0 &&
      (length <= MAX_REQUEST_BYTES || operation === 'discard' || operation === 'zero') &&
      offset + length <= image.sizeBytes;
    if (operation !== 'flush' && !inside) {
      const message = `${length} bytes at ${offset} lie outside the image`;
      return { error: { code: 'EINVAL', message } };
    }
    try {
      return await this.perform(image, request);
    } catch (cause) {
      return { error: asBlockError(cause) };
    }
  }

  /** The first bytes of an image once every request under way is done; undefined where there is none or it cannot be read. */
  async start(index: number, length: number): Promise<Uint8Array | undefined> {
    await Promise.all(this.inFlight);
    const image = this.images.get(index);
    if (!image || image.sizeBytes < length) return undefined;
    return image.read(0, length).catch(() => undefined);
  }

  /** Waits for requests under way, makes everything durable and gives the images back. Problems are returned as sentences. */
  async close(): Promise<string[]> {
    await Promise.all(this.inFlight);
    const results = await Promise.allSettled(
      [...this.images.values()].map((image) => image.close()),
    );
    return results.flatMap((result) =>
      result.status === 'rejected'
        ? [result.reason instanceof Error ? result.reason.message : String(result.reason)]
        : [],
    );
  }

  private async perform(image: DiskImage, request: BlockRequest): Promise<BlockAnswer> {
    const { operation, offset, length, slot } = request;
    const shared = slot === undefined ? undefined : this.sharedBytes(slot, length);
    if (operation === 'read') {
      if (!shared) {
        const data = await image.read(offset, length);
        this.readBytes += length;
        return { data };
      }
      if (image.readInto) await image.readInto(offset, shared);
      else shared.set(await image.read(offset, length));
      this.readBytes += length;
      return {};
    }
    if (operation === 'flush') {
      await image.flush().catch((cause: unknown) => {
        // Without room on the host's disk it is tried again.
        if (!(cause instanceof ImageError && cause.code === 'NO_SPACE'))
          this.onFatal(cause instanceof Error ? cause.message : String(cause));
        throw cause;
      });
      return {};
    }
    if (image.readOnly) {
      return { error: { code: 'EROFS', message: `${image.path} is read-only` } };
    }
    if (operation === 'discard') {
      await image.discard(offset, length);
      return {};
    }
    if (operation === 'zero') await image.writeZeroes(offset, length);
    else await image.write(offset, shared ?? request.data ?? new Uint8Array(length));
    this.writtenBytes += length;
    return {};
  }

  /**
   * A slot's bytes. The worker leaves them alone until the answer, so that images may take them for any other buffer;
   * only their type tells shared memory apart.
   */
  private sharedBytes(slot: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory as ArrayBufferLike as ArrayBuffer, slot, length);
  }
}
