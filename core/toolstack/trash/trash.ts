/** Deleted domains and images: into the trash, back again, or away for good. */
import {
  DomusError,
  type DomainConfig,
  type DomainInfo,
  type TrashedImage,
  type TrashEntry,
} from '../../api';
import { FileError } from '../../host';
import { holdImage, type ImageHost } from '../../storage';
import { requireOff } from '../domain/checks';
import type { Domain } from '../domain/domain';
import { withImageErrors } from '../image-errors';
import type { Toolstack } from '../toolstack';
import { TrashBin } from './bin';
import {
  configOf,
  FILE_VDEV,
  nameOf,
  trashPath,
  type TrashImage,
  type TrashRecord,
} from './record';
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
      const images = await this.imagesOf(domain, paths);
      const record = await this.holding(images, () =>
        this.toolstack.withoutDomain(domain, () => this.putNow(config, images)),
      );
      return this.entry(record);
    });
  }

  /** Deletes an image alone, unless a domain needs it or it is in use. */
  putImage(path: string): Promise<TrashEntry> {
    return this.inTurn(async () => {
      await this.requireUnused(path);
      const images = [{ vdev: FILE_VDEV, path }];
      return this.entry(await this.holding(images, () => this.putNow(null, images)));
    });
  }

  /** Gives a deleted domain back, under another name when one is given; or an image, and resolves to null. */
  restore(key: string, name?: string): Promise<DomainInfo | null> {
    return this.inTurn(async () => {
      const record = this.find(key);
      await this.requireRoom(record);
      const deleted = configOf(record);
      if (deleted) {
        const config = { ...deleted, ...(name === undefined ? {} : { name }) };
        const save = (): Promise<void> => this.bin.takeOut(record, config);
        return withFileErrors(() => this.toolstack.define(config, save));
      }
      if (name !== undefined)
        throw new DomusError(
          'INVALID_CONFIG',
          `${nameOf(record)} is an image and gets the name that it had`,
        );
      await withFileErrors(() => this.bin.takeOut(record, null));
      return null;
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
    const found = all.filter((record) => record.id === key || nameOf(record) === key);
    if (found.length > 1)
      throw new DomusError(
        'NAME_TAKEN',
        `${found.length} entries of the trash are called ${JSON.stringify(key)}; say which by its id: ${found.map(({ id }) => id).join(', ')}`,
      );
    if (!found[0])
      throw new DomusError('NO_SUCH_DOMAIN', `there is no ${JSON.stringify(key)} in the trash`);
    return found[0];
  }

  private async imagesOf(domain: Domain, paths: readonly string[]): Promise<TrashImage[]> {
    const { config } = domain;
    const images: TrashImage[] = [];
    for (const path of new Set(paths)) {
      const own = config.disk.find((disk) => disk.target === path);
      if (!own) throw new DomusError('INVALID_CONFIG', `${path} is not an image of ${config.name}`);
      await this.requireUnused(path, config);
      if (await this.there(path)) images.push({ vdev: own.vdev, path });
    }
    return images;
  }

  /** Refuses an image that a domain other than `own` needs. */
  private async requireUnused(path: string, own?: DomainConfig): Promise<void> {
    const others = this.toolstack
      .list()
      .filter(({ config }) => config.uuid !== own?.uuid)
      .map(({ config, machine }) => ({
        name: config.name,
        disks: [...config.disk, ...(machine?.disk ?? [])],
      }));
    const user = await userOf(this.host, path, others);
    if (user === undefined) return;
    const whose = own ? `${user} too` : user;
    throw new DomusError('IMAGE_IN_USE', `${path} is needed by ${whose} and is not deleted`);
  }

  /** Refuses to restore what would come where another file is. */
  private async requireRoom(record: TrashRecord): Promise<void> {
    for (const image of record.images)
      if ((await this.there(trashPath(record, image))) && (await this.there(image.path)))
        throw new DomusError(
          'BAD_STATE',
          `there is another file at ${image.path}; move it away, then ${nameOf(record)} can be restored`,
        );
  }

  private putNow(config: DomainConfig | null, images: readonly TrashImage[]): Promise<TrashRecord> {
    const { system, timers } = this.toolstack.options.host;
    return this.bin.put(system.uuid(), config, images, timers.wallMs());
  }

  /** Does `act` while nobody can open these images. */
  private async holding<T>(images: readonly TrashImage[], act: () => Promise<T>): Promise<T> {
    const { options } = this.toolstack;
    const owner = { pid: options.host.system.pid, name: options.ownerName };
    const held: { close(): Promise<void> }[] = [];
    try {
      for (const { path } of images)
        held.push(await withImageErrors(() => holdImage(this.host, { path, owner })));
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
      name: nameOf(record),
      uuid: record.uuid,
      deletedAtMs: record.deletedAtMs,
      images,
      kept: (config?.disk ?? [])
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
