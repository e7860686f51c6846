/** Deleted domains: into the trash, back again, or away for good. */
import { DomusError, type DomainInfo, type TrashedImage, type TrashEntry } from '../../api';
import { FileError } from '../../host';
import { openImage, type ImageHost } from '../../storage';
import { requireOff } from '../domain/checks';
import type { Domain } from '../domain/domain';
import { withImageErrors } from '../image-errors';
import type { Toolstack } from '../toolstack';
import { TrashBin } from './bin';
import { configOf, trashPath, type TrashImage, type TrashRecord } from './record';
import { userOf } from './users';

/** The trash of one toolstack. One thing after the other is done in it. */
export class Trash {
  private readonly bin: TrashBin;
  private readonly host: ImageHost;
  private tail: Promise<unknown> = Promise.resolve();

  constructor(private readonly toolstack: Toolstack) {
    const { host, dataDir } = toolstack.options;
    this.bin = new TrashBin(host.files, dataDir);
    this.host = host;
  }

  recover(onProblem: (message: string) => void): Promise<void> {
    return this.inTurn(() => this.bin.recover(onProblem));
  }

  /** What is in the trash, the latest first. */
  async list(): Promise<TrashEntry[]> {
    const records = this.bin.all.filter(({ phase }) => phase === 'trashed');
    return Promise.all(records.map((record) => this.entry(record)));
  }

  /**
   * Deletes a domain that is off, with those of its images that `paths` names. Nothing is deleted when one of these is
   * needed by another domain or in use.
   */
  put(domain: Domain, paths: readonly string[]): Promise<TrashEntry> {
    return this.inTurn(async () => {
      requireOff(domain);
      const { config } = domain;
      const { system, timers } = this.toolstack.options.host;
      const images = await this.imagesOf(domain, paths);
      const record = await this.holding(images, () =>
        this.toolstack.withoutDomain(domain, () =>
          this.bin.put(system.uuid(), config, images, timers.wallMs()),
        ),
      );
      return this.entry(record);
    });
  }

  /** Gives a deleted domain back, under another name when one is given. */
  restore(key: string, name?: string): Promise<DomainInfo> {
    return this.inTurn(async () => {
      const record = this.find(key);
      const config = { ...configOf(record), ...(name === undefined ? {} : { name }) };
      for (const image of record.images) {
        if (!(await this.there(trashPath(record, image)))) continue;
        if (await this.there(image.path))
          throw new DomusError(
            'BAD_STATE',
            `there is another file at ${image.path}; move it away, then ${config.name} can be restored`,
          );
      }
      return withFileErrors(() =>
        this.toolstack.define(config, () => this.bin.takeOut(record, config)),
      );
    });
  }

  /** Removes an entry for good; how much room that gave back. */
  purge(key: string): Promise<{ freedBytes: number }> {
    return this.inTurn(() => this.purgeNow([this.find(key)]));
  }

  empty(): Promise<{ freedBytes: number }> {
    return this.inTurn(() =>
      this.purgeNow(this.bin.all.filter(({ phase }) => phase !== 'deleting')),
    );
  }

  private async purgeNow(records: readonly TrashRecord[]): Promise<{ freedBytes: number }> {
    let freedBytes = 0;
    for (const record of records) {
      const { images } = await this.entry(record);
      await withFileErrors(() => this.bin.purge(record));
      for (const { takesBytes } of images) freedBytes += takesBytes;
    }
    return { freedBytes };
  }

  /** An entry by its id, or by its name when only one has it. */
  private find(key: string): TrashRecord {
    const all = this.bin.all.filter(({ phase }) => phase === 'trashed');
    const found = all.filter((record) => record.id === key || configOf(record).name === key);
    if (found.length > 1)
      throw new DomusError(
        'NAME_TAKEN',
        `${found.length} deleted domains are called ${JSON.stringify(key)}; say which by its id: ${found.map(({ id }) => id).join(', ')}`,
      );
    if (!found[0])
      throw new DomusError('NO_SUCH_DOMAIN', `there is no ${JSON.stringify(key)} in the trash`);
    return found[0];
  }

  private async imagesOf(domain: Domain, paths: readonly string[]): Promise<TrashImage[]> {
    const { config } = domain;
    const others = this.toolstack
      .list()
      .filter((other) => other.config.uuid !== config.uuid)
      .map((other) => ({
        name: other.config.name,
        disks: [...other.config.disk, ...(other.machine?.disk ?? [])],
      }));
    const images: TrashImage[] = [];
    for (const path of new Set(paths)) {
      const own = config.disk.find((disk) => disk.target === path);
      if (!own) throw new DomusError('INVALID_CONFIG', `${path} is not an image of ${config.name}`);
      const user = await userOf(this.host, path, others);
      if (user !== undefined)
        throw new DomusError('IMAGE_IN_USE', `${path} is needed by ${user} too and is not deleted`);
      if (await this.there(path)) images.push({ vdev: own.vdev, path });
    }
    return images;
  }

  /** Does `act` while nobody can open these images. */
  private async holding<T>(images: readonly TrashImage[], act: () => Promise<T>): Promise<T> {
    const { options } = this.toolstack;
    const owner = { pid: options.host.system.pid, name: options.ownerName };
    const held: { close(): Promise<void> }[] = [];
    try {
      for (const { path } of images)
        held.push(
          await withImageErrors(() =>
            openImage(this.host, { path, format: 'raw', readOnly: false, owner }),
          ),
        );
      return await withFileErrors(act);
    } finally {
      for (const image of held) await image.close();
    }
  }

  private async entry(record: TrashRecord): Promise<TrashEntry> {
    const config = configOf(record);
    const images: TrashedImage[] = [];
    for (const image of record.images) {
      const info = await this.host.files.stat(trashPath(record, image)).catch(() => undefined);
      images.push({
        ...image,
        takesBytes: info?.allocatedBytes ?? info?.sizeBytes ?? 0,
        missing: info === undefined,
      });
    }
    const gone = new Set(images.map(({ path }) => path));
    return {
      id: record.id,
      name: config.name,
      uuid: record.uuid,
      deletedAtMs: record.deletedAtMs,
      images,
      kept: config.disk
        .filter(({ target, cdrom }) => target !== '' && !cdrom && !gone.has(target))
        .map(({ target }) => target),
    };
  }

  private async there(path: string): Promise<boolean> {
    return (await this.host.files.stat(path)) !== undefined;
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.tail.then(act);
    this.tail = result.then(
      () => this.toolstack.events.fire({ type: 'trash-changed' }),
      () => undefined,
    );
    return result;
  }
}

/** What the host says no to, in its words. */
async function withFileErrors<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    throw new DomusError('IMAGE_UNREADABLE', cause.message, undefined, { cause });
  }
}
