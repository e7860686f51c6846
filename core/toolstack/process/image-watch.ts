import type { DiskConfig } from '../../api';
import { identityAt, type FileHost } from '../../host';

interface Watched {
  readonly vdev: string;
  readonly path: string;
  /** The file whatever its path. */
  readonly identity: string;
}

/**
 * Sees when the file of a writable disk is taken away while its guest runs. The guest goes on with the file that is
 * open, and what it writes is gone with its end: that has to be told while it can be saved.
 */
export class ImageWatch {
  private looking = false;

  private constructor(
    private readonly files: FileHost,
    private watched: readonly Watched[],
    private readonly onGone: (message: string) => void,
  ) {}

  /** Once the images are open. `onGone` is told of each file once. */
  static async begin(
    files: FileHost,
    disks: readonly DiskConfig[],
    onGone: (message: string) => void,
  ): Promise<ImageWatch> {
    const watched: Watched[] = [];
    for (const { vdev, target: path, access } of disks) {
      const identity = access === 'w' ? await identityAt(files, path) : undefined;
      if (identity !== undefined) watched.push({ vdev, path, identity });
    }
    return new ImageWatch(files, watched, onGone);
  }

  /** Looks once, unless the last look still waits for a slow disk. */
  async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    for (const one of this.watched) {
      // What cannot be looked at is not known to be gone.
      const now = await identityAt(this.files, one.path).catch(() => one.identity);
      if (now === one.identity) continue;
      this.watched = this.watched.filter((other) => other !== one);
      this.onGone(
        `${one.path} was ${now === undefined ? 'removed or renamed' : 'replaced by another file'} while the guest has it as ${one.vdev}; what the guest writes is lost when the machine ends, so copy it away from inside the guest first`,
      );
    }
    this.looking = false;
  }
}
