/**
 * What is remembered of a deleted domain, or of an image that was deleted by itself: `trash/ID.json` in the data
 * directory. The configuration is xl.cfg text as in a stored definition. Where an image waits follows from the record, so that no record can name another file.
 */
import { z } from 'zod';
import type { DomainConfig } from '../../api';
import type { FileHost } from '../../host';
import { parseConfig } from '../config';
import { UUID_PATTERN } from '../config/schema';
import { baseName, isAbsolutePath } from '../paths';

const MAX_RECORD_BYTES = 4 << 20;
/** UTF-8 bytes of a name that leave room for the rest of it: file names have at most 255. */
const MAX_NAME_BYTES = 190;
/** A character of UTF-16 is at most three bytes of UTF-8. */
const BYTES_PER_CHARACTER = 3;

/** What the names of images in the trash begin with. */
const TRASH_PREFIX = '.domus-trash-';
/** Stands for the vdev of an image that was deleted by itself. */
export const FILE_VDEV = 'file';

const recordSchema = z
  .strictObject({
    version: z.literal(1),
    id: z.string().regex(UUID_PATTERN),
    /**
     * How far it is: `deleting` and `restoring` are gone on with at the next start, or taken back when they cannot be;
     * `purging` is gone on with.
     */
    phase: z.enum(['deleting', 'trashed', 'restoring', 'purging']),
    /** The domain's; null, as `config`, for an image that was deleted by itself. */
    uuid: z.string().regex(UUID_PATTERN).nullable(),
    deletedAtMs: z.number(),
    config: z.string().nullable(),
    images: z.array(
      z.strictObject({
        vdev: z.string().regex(/^[a-z0-9]{1,16}$/),
        path: z
          .string()
          .max(4096)
          .refine((text) => isAbsolutePath(text) && /[^/\\]$/.test(text) && !text.includes('\0')),
      }),
    ),
  })
  .refine(({ uuid, config }) => (uuid === null) === (config === null), 'it is half a domain');
export type TrashRecord = z.infer<typeof recordSchema>;
export type TrashImage = TrashRecord['images'][number];

/** Where an image waits: beside where it was, so that moving it never copies and keeps what overlays rely on. */
export function trashPath({ id }: { readonly id: string }, { vdev, path }: TrashImage): string {
  const name = baseName(path);
  const folder = path.slice(0, path.length - name.length);
  const shown = name.length * BYTES_PER_CHARACTER <= MAX_NAME_BYTES ? `-${name}` : '';
  return `${folder}${TRASH_PREFIX}${id}-${vdev}${shown}`;
}

/** The records of a data directory. */
export class TrashRecords {
  private readonly directory: string;

  constructor(
    private readonly files: FileHost,
    dataDir: string,
  ) {
    this.directory = `${dataDir}/trash`;
  }

  /** The latest first; one that cannot be read is left alone and reported. */
  async load(onProblem: (message: string) => void): Promise<TrashRecord[]> {
    const records: TrashRecord[] = [];
    for (const name of await this.files.list(this.directory)) {
      const id = name.endsWith('.json') ? name.slice(0, -5) : '';
      if (!UUID_PATTERN.test(id)) continue;
      try {
        const path = this.path(id);
        const value: unknown = JSON.parse(await this.files.readText(path, MAX_RECORD_BYTES));
        const record = recordSchema.parse(value);
        if (record.id !== id) throw new Error('it is another record’s');
        nameOf(record);
        records.push(record);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        onProblem(`an entry of the trash cannot be read (${this.path(id)}): ${why}`);
      }
    }
    return records.sort((a, b) => b.deletedAtMs - a.deletedAtMs);
  }

  async save(record: TrashRecord): Promise<void> {
    await this.files.makeDirectory(this.directory);
    await this.files.writeText(this.path(record.id), `${JSON.stringify(record, undefined, 2)}\n`);
  }

  remove(record: TrashRecord): Promise<void> {
    return this.files.remove(this.path(record.id));
  }

  private path(id: string): string {
    return `${this.directory}/${id}.json`;
  }
}

/** The configuration of a deleted domain; null for an image alone. Throws when it is no configuration. */
export function configOf({ config, uuid }: TrashRecord): DomainConfig | null {
  if (config === null || uuid === null) return null;
  const parsed = parseConfig(config, {
    file: 'the deleted configuration',
    directory: '/',
    newUuid: () => uuid,
  });
  return { ...parsed.config, uuid };
}

/** What an entry is called: as its domain, or as the file. Throws when it is neither. */
export function nameOf(record: TrashRecord): string {
  const config = configOf(record);
  if (config) return config.name;
  const [image] = record.images;
  if (!image) throw new Error('it is neither a domain nor an image');
  return baseName(image.path);
}

/** True when a file of this name waits in a trash. */
export function isTrashName(name: string): boolean {
  return name.startsWith(TRASH_PREFIX);
}
