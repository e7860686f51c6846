/**
 * Moving a domain, or an image alone, into the trash and out of it, in steps of which each is durable before the next. The record is
 * written first and says what is under way: whenever the computer or Domus stops, `recover` finishes that or takes it
 * back. Images are only renamed, in the folder they are in.
 */
import type { DomainConfig } from '../../api';
import { FileError, type FileHost } from '../../host';
import { formatConfig } from '../config';
import { DomainStore, type StoredState } from '../domain/store';
import { removeInstallFiles } from '../install';
import {
  configOf,
  nameOf,
  trashPath,
  TrashRecords,
  type TrashImage,
  type TrashRecord,
} from './record';

/** What a domain that comes back was doing: nothing. */
const SHUT_OFF: StoredState = { version: 1, state: 'shutoff', reason: '', definedAtMs: 0 };

/** The trash of a data directory, as files. */
export class TrashBin {
  private readonly records: TrashRecords;
  private readonly definitions: DomainStore;
  private found: TrashRecord[] = [];

  constructor(
    private readonly files: FileHost,
    private readonly dataDir: string,
  ) {
    this.records = new TrashRecords(files, dataDir);
    this.definitions = new DomainStore(files, dataDir);
  }

  /** What is in it, the latest first. */
  get all(): readonly TrashRecord[] {
    return this.found;
  }

  /** Reads it, and finishes what was under way when this was last in use. Before definitions are read. */
  async recover(onProblem: (message: string) => void): Promise<void> {
    this.found = await this.records.load(onProblem);
    for (const record of [...this.found]) {
      try {
        if (record.phase === 'deleting') await this.finishPut(record);
        else if (record.phase === 'restoring') await this.finishTakeOut(record);
        else if (record.phase === 'purging') await this.purge(record);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        onProblem(`${nameOf(record)} could not be moved into or out of the trash: ${why}`);
      }
    }
  }

  /** Puts a definition, if there is one, and images into the trash. When it fails, everything is where it was. */
  async put(
    id: string,
    config: DomainConfig | null,
    images: readonly TrashImage[],
    deletedAtMs: number,
  ): Promise<TrashRecord> {
    const uuid = config?.uuid ?? null;
    const isSame = (one: TrashRecord): boolean =>
      one.uuid === uuid && (uuid !== null || one.images[0]?.path === images[0]?.path);
    // Left by a try that could not even be taken back.
    const stuck = this.found.find((one) => one.phase === 'deleting' && isSame(one));
    if (stuck) await this.takeBack(stuck);
    const record: TrashRecord = {
      version: 1,
      id,
      phase: 'deleting',
      uuid,
      deletedAtMs,
      config: config && formatConfig(config),
      images: [...images],
    };
    await this.keep(record);
    return this.finishPut(record);
  }

  /** Gives a definition and its images back, `config` being what is stored; or an image. When it fails, they are in the trash. */
  async takeOut(record: TrashRecord, config: DomainConfig | null): Promise<void> {
    const text = config && formatConfig(config);
    const restoring = { ...record, phase: 'restoring', config: text } as const;
    await this.keep(restoring);
    await this.finishTakeOut(restoring, record);
  }

  /** Removes an entry and its images for good. */
  async purge(record: TrashRecord): Promise<void> {
    if (record.phase !== 'purging')
      await this.keep({ ...record, phase: 'purging' }).catch((cause: unknown) => {
        // A full disk is what the trash is emptied for: stopped halfway, the entry is there without its images.
        if (!(cause instanceof FileError && cause.code === 'ENOSPC')) throw cause;
      });
    for (const image of record.images) await this.files.remove(trashPath(record, image));
    const { uuid } = record;
    if (uuid !== null && !(await this.isNeeded(uuid, record)))
      await removeInstallFiles(this.files, this.dataDir, uuid);
    await this.drop(record);
  }

  /** True when a domain of this uuid is there, or in the trash a second time. */
  private async isNeeded(uuid: string, { id }: TrashRecord): Promise<boolean> {
    return (
      (await this.definitions.has(uuid)) ||
      this.found.some((other) => other.uuid === uuid && other.id !== id)
    );
  }

  private async finishPut(record: TrashRecord): Promise<TrashRecord> {
    try {
      for (const image of record.images) await this.move(image.path, trashPath(record, image));
      if (record.uuid !== null) await this.definitions.remove(record.uuid);
      return await this.keep({ ...record, phase: 'trashed' });
    } catch (cause) {
      await this.takeBack(record);
      throw cause;
    }
  }

  /** What was to be deleted is as it was. */
  private async takeBack(record: TrashRecord): Promise<void> {
    for (const image of record.images) await this.moveToFree(trashPath(record, image), image.path);
    if (record.uuid !== null && !(await this.definitions.has(record.uuid)))
      await this.define(record);
    await this.drop(record);
  }

  /** `before`: what the record is again when it fails. */
  private async finishTakeOut(record: TrashRecord, before = record): Promise<void> {
    try {
      for (const image of record.images)
        await this.moveToFree(trashPath(record, image), image.path);
      await this.define(record);
    } catch (cause) {
      for (const image of record.images) await this.move(image.path, trashPath(record, image));
      if (record.uuid !== null) await this.definitions.remove(record.uuid);
      await this.keep({ ...before, phase: 'trashed' });
      throw cause;
    }
    await this.drop(record);
  }

  private async define(record: TrashRecord): Promise<void> {
    const config = configOf(record);
    if (config) await this.definitions.save(config, SHUT_OFF);
  }

  /** Renames what was not renamed yet: what `to` names is ours alone, and when it is there, `from` is another file. */
  private async move(from: string, to: string): Promise<void> {
    if ((await this.files.stat(to)) || !(await this.files.stat(from))) return;
    if (!this.files.rename) throw new Error('files cannot be renamed here');
    await this.files.rename(from, to);
  }

  /** The same the other way: a file that lies there meanwhile is not replaced. */
  private async moveToFree(from: string, to: string): Promise<void> {
    if (!(await this.files.stat(from))) return;
    if (await this.files.stat(to)) throw new Error(`there is another file at ${to}`);
    if (!this.files.rename) throw new Error('files cannot be renamed here');
    await this.files.rename(from, to);
  }

  private async keep(record: TrashRecord): Promise<TrashRecord> {
    await this.records.save(record);
    const others = this.found.filter(({ id }) => id !== record.id);
    this.found = [record, ...others].sort((a, b) => b.deletedAtMs - a.deletedAtMs);
    return record;
  }

  private async drop(record: TrashRecord): Promise<void> {
    await this.records.remove(record);
    this.found = this.found.filter(({ id }) => id !== record.id);
  }
}
