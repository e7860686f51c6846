/** The images on this computer: which there are, who uses them, and work on those that nobody uses. */
import {
  DomusError,
  type DiskFormat,
  type ImageCheck,
  type ImageName,
  type ImageUser,
  type StorageFolder,
  type StorageList,
  type StoredImage,
  type TrashEntry,
} from '../api';
import type { FileHost, LockOwner } from '../host';
import {
  checkImage,
  convertImage,
  describeImage,
  growImage,
  holdImage,
  openImage,
  type ImageHost,
  type ImageInfo,
  type ImageTask,
} from '../storage';
import { withImageErrors } from './image-errors';
import type { TaskControl } from './tasks';
import type { Toolstack } from './toolstack';
import { isTrashName } from './trash';

const FORMATS: Readonly<Record<string, DiskFormat>> = {
  img: 'raw',
  raw: 'raw',
  iso: 'raw',
  qcow2: 'qcow2',
  vhd: 'vhd',
  vpc: 'vhd',
  vmdk: 'vmdk',
  vdi: 'vdi',
};
/** What the names of copies begin with while they are made. */
const COPY_PREFIX = '.domus-compact-';
const MAX_SETTINGS_BYTES = 1 << 20;
/** A folder with more files than this is not one of images. */
const MAX_FILES = 2000;
const MAX_FOLDERS = 32;

function folderOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

function extensionOf(path: string): string {
  return /\.([A-Za-z0-9]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** What keeps an image that can be read from being used; '' when nothing does. */
function problemOf({ qcow2 }: ImageInfo): string {
  if (qcow2?.corrupt) return 'it is marked as damaged; check it';
  if (qcow2?.backing?.path !== null) return '';
  return `the image below it, ${qcow2.backing.name}, is not there or cannot be used`;
}

/** Folders and images of one toolstack. */
export class Storage {
  private readonly host: ImageHost;
  private readonly files: FileHost;
  private readonly own: string;
  private readonly settings: string;
  /** Copies that are being made. */
  private readonly copies = new Set<string>();

  constructor(private readonly toolstack: Toolstack) {
    const { host, dataDir } = toolstack.options;
    this.files = host.files;
    this.host = host;
    this.own = `${dataDir}/images`;
    this.settings = `${dataDir}/storage.json`;
  }

  async list(): Promise<StorageList> {
    const users = this.users();
    const added = await this.added();
    const used = new Set([...users.values()].map(({ path }) => folderOf(path)));
    const paths = new Map<string, StorageFolder['kind']>([[this.own, 'own']]);
    for (const path of added) if (!paths.has(path)) paths.set(path, 'added');
    for (const path of used) if (!paths.has(path)) paths.set(path, 'used');
    const folders: StorageFolder[] = [];
    const found = new Map(users);
    for (const [path, kind] of paths) {
      folders.push({ path, kind, problem: await this.lookInto(path, kind, found) });
    }
    const images: StoredImage[] = [];
    for (const image of found.values()) images.push(await this.describe(image));
    return { folders, images: images.sort((a, b) => a.path.localeCompare(b.path)) };
  }

  async addFolder(path: string): Promise<void> {
    const info = await this.files.stat(path);
    if (info?.kind !== 'directory')
      throw new DomusError('IMAGE_BAD', `${path} is not a folder that can be read`);
    const added = await this.added();
    if (added.includes(path) || path === this.own) return;
    if (added.length >= MAX_FOLDERS)
      throw new DomusError('BAD_STATE', `at most ${MAX_FOLDERS} folders can be added`);
    await this.store([...added, path]);
  }

  async removeFolder(path: string): Promise<void> {
    await this.store((await this.added()).filter((each) => each !== path));
  }

  grow(name: ImageName, sizeBytes: number): Promise<void> {
    return withImageErrors(() => growImage(this.host, this.task(name), sizeBytes));
  }

  check(name: ImageName, repair: boolean): Promise<ImageCheck> {
    return withImageErrors(async () => {
      const found = await checkImage(this.host, this.task(name), repair ? 'all' : undefined);
      const { problems, problemCount, leakedClusters, dirty, corrupt, repaired } = found;
      return {
        problems: [...problems],
        problemCount,
        leakedClusters,
        dirty,
        corrupt,
        repaired:
          repaired !== null &&
          repaired.problems + repaired.leakedClusters + repaired.droppedEntries > 0,
      };
    });
  }

  /**
   * Writes the image anew beside itself and puts the copy in its place; what reads as zeros takes no room there.
   * Refused for images with snapshots or with one below: a copy would not have them.
   */
  compact(
    { path: named, format }: ImageName,
    control: TaskControl,
  ): Promise<{ freedBytes: number }> {
    return withImageErrors(async () => {
      // A link stays one, and leads to the copy.
      const path = (await this.files.realPath?.(named)) ?? named;
      const name = { path, format };
      const before = await describeImage(this.host, path, format);
      if ((format !== 'raw' && format !== 'qcow2') || !this.files.rename)
        throw new DomusError(
          'BAD_STATE',
          `${format} images cannot be compacted: they are only read`,
        );
      if (before.snapshots.length > 0 || before.qcow2?.backing)
        throw new DomusError(
          'BAD_STATE',
          `${path} has ${before.snapshots.length > 0 ? 'snapshots' : 'an image below it'}, which a compacted copy would lose`,
        );
      let cancelled = false;
      control.onCancel(() => (cancelled = true));
      const folder = folderOf(path);
      await this.removeLeftCopies(folder);
      const copy = `${folder}/${COPY_PREFIX}${this.toolstack.options.host.system.uuid()}`;
      this.copies.add(copy);
      try {
        await convertImage(this.host, this.task(name), { path: copy, format }, (done) => {
          if (cancelled) throw new DomusError('BAD_STATE', 'it was cancelled');
          control.progress(done);
        });
        await this.replace(name, copy);
      } finally {
        this.copies.delete(copy);
      }
      const after = await describeImage(this.host, path, format);
      const size = (image: typeof after): number => image.allocatedBytes ?? image.fileBytes;
      return { freedBytes: Math.max(0, size(before) - size(after)) };
    });
  }

  /** Moves an image of the folders listed into the trash, unless a domain needs it. */
  async remove(path: string): Promise<TrashEntry> {
    const { images } = await this.list();
    if (!images.some((image) => image.path === path))
      throw new DomusError('IMAGE_NOT_FOUND', `${path} is not an image in the folders listed`);
    return this.toolstack.trash.putImage(path);
  }

  /** Removes copies whose making was interrupted by the end of Domus. */
  private async removeLeftCopies(folder: string): Promise<void> {
    for (const name of await this.files.list(folder)) {
      const path = `${folder}/${name}`;
      if (!name.startsWith(COPY_PREFIX) || this.copies.has(path)) continue;
      const held = await holdImage(this.host, { path, owner: this.owner }).catch(() => undefined);
      if (!held) continue;
      await this.files.remove(path);
      await held.close();
    }
  }

  /** The original is held while the copy takes its place: no domain starts with it then. */
  private async replace(name: ImageName, copy: string): Promise<void> {
    try {
      const held = await openImage(this.host, { ...this.task(name), readOnly: false });
      try {
        await this.files.rename?.(copy, name.path);
      } finally {
        await held.close();
      }
    } catch (cause) {
      await this.files.remove(copy);
      throw cause;
    }
  }

  private get owner(): LockOwner {
    const { host, ownerName } = this.toolstack.options;
    return { pid: host.system.pid, name: ownerName };
  }

  private task({ path, format }: ImageName): ImageTask {
    return { path, format, owner: this.owner };
  }

  /** Every image that a machine names. */
  private users(): Map<string, Named> {
    const found = new Map<string, Named>();
    for (const { config, machine, domid } of this.toolstack.list()) {
      const disks = [...config.disk, ...(machine?.disk ?? [])];
      for (const { target, vdev, cdrom, format } of disks) {
        if (target === '') continue;
        const image = found.get(target) ?? { path: target, cdrom, format, usedBy: [] };
        found.set(target, image);
        if (image.usedBy.some((user) => user.uuid === config.uuid && user.vdev === vdev)) continue;
        const { uuid, name } = config;
        image.usedBy.push({ uuid, name, vdev, running: domid !== null });
      }
    }
    return found;
  }

  /** Adds the images of a folder; why that fails, '' when it does not. In a folder that is only used, nothing else is of interest. */
  private async lookInto(
    path: string,
    kind: StorageFolder['kind'],
    found: Map<string, Named>,
  ): Promise<string> {
    if (kind === 'used') return '';
    try {
      const info = await this.files.stat(path);
      if (info === undefined) return kind === 'own' ? '' : 'it is not there any more';
      const names = await this.files.list(path);
      for (const name of names.slice(0, MAX_FILES)) {
        const format = FORMATS[extensionOf(name)];
        const file = `${path}/${name}`;
        if (format === undefined || found.has(file) || isTrashName(name)) continue;
        found.set(file, { path: file, cdrom: extensionOf(name) === 'iso', format, usedBy: [] });
      }
      return names.length > MAX_FILES ? `only the first ${MAX_FILES} files are looked at` : '';
    } catch (cause) {
      return reason(cause);
    }
  }

  private async describe({ path, cdrom, format, usedBy }: Named): Promise<StoredImage> {
    const image: StoredImage = {
      path,
      kind: cdrom ? 'cd' : 'disk',
      format,
      sizeBytes: null,
      fileBytes: 0,
      allocatedBytes: null,
      snapshots: 0,
      backing: '',
      usedBy,
      problem: '',
    };
    try {
      const info = await describeImage(this.host, path, format);
      return {
        ...image,
        sizeBytes: info.sizeBytes,
        fileBytes: info.fileBytes,
        allocatedBytes: info.allocatedBytes,
        snapshots: info.snapshots.length,
        backing: info.qcow2?.backing?.name ?? '',
        problem: problemOf(info),
      };
    } catch (cause) {
      return { ...image, problem: reason(cause) };
    }
  }

  private async added(): Promise<string[]> {
    try {
      if (!(await this.files.stat(this.settings))) return [];
      const text = await this.files.readText(this.settings, MAX_SETTINGS_BYTES);
      const value: unknown = JSON.parse(text);
      if (typeof value !== 'object' || value === null || !('folders' in value)) return [];
      const { folders } = value;
      if (!Array.isArray(folders)) return [];
      return folders
        .filter((each): each is string => typeof each === 'string')
        .slice(0, MAX_FOLDERS);
    } catch {
      return [];
    }
  }

  private async store(folders: readonly string[]): Promise<void> {
    await this.files.writeText(
      this.settings,
      `${JSON.stringify({ version: 1, folders }, undefined, 2)}\n`,
    );
  }
}

/** An image before anybody has looked at it. */
interface Named {
  readonly path: string;
  readonly cdrom: boolean;
  readonly format: DiskFormat;
  readonly usedBy: ImageUser[];
}
