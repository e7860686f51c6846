import { DomusError, type DomainConfig } from '../../api';
import type { LockOwner } from '../../host';
import type { ImageHost } from '../../storage';
import type { DomainImages } from './images';
import type { FromWorker, ToWorker } from './worker-messages';

type Outcome = Extract<FromWorker, { type: 'medium-done' }>['outcome'];

/** The CD-ROM drives of one running domain: which disc lies in which, and how it gets out. */
export class CdDrives {
  /** The number of the disc in each drive; null for an empty one. */
  private readonly loaded: Map<string, number | null>;
  private readonly waiting = new Map<number, (outcome: Outcome) => void>();
  private nextId = 1;
  /** Changes happen one after another. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly host: ImageHost,
    config: DomainConfig,
    private readonly images: DomainImages,
    private readonly owner: LockOwner,
    private readonly post: (message: ToWorker) => void,
  ) {
    this.loaded = new Map(
      config.disk.flatMap(({ vdev, cdrom, target }, index) =>
        cdrom ? [[vdev, target === '' ? null : index]] : [],
      ),
    );
  }

  /**
   * Puts the image at `path` into a drive, instead of what lies in it; '' empties the drive.
   * Rejects with a DomusError when there is no such drive or the guest holds its disc (unless `force`), with an
   * ImageError when the image cannot be had; then everything is as it was.
   */
  change(vdev: string, path: string, force: boolean): Promise<void> {
    const change = this.last.then(() => this.changeNow(vdev, path, force));
    this.last = change.catch(() => undefined);
    return change;
  }

  /** The worker's answer. */
  done({ id, outcome }: Extract<FromWorker, { type: 'medium-done' }>): void {
    this.waiting.get(id)?.(outcome);
    this.waiting.delete(id);
  }

  private async changeNow(vdev: string, path: string, force: boolean): Promise<void> {
    const before = this.loaded.get(vdev);
    if (before === undefined)
      throw new DomusError('INVALID_CONFIG', `the running machine has no CD-ROM drive ${vdev}`);
    const disc = path === '' ? null : await this.images.openDisc(this.host, path, this.owner);
    // A guest may lock a drive that is empty; that keeps nothing in.
    const outcome = await this.ask({ vdev, disc, force: force || before === null });
    if (outcome !== 'done') {
      if (disc) await this.images.closeDisc(disc.medium);
      throw new DomusError(
        'BAD_STATE',
        outcome === 'locked'
          ? `the guest holds the CD in ${vdev}; unmount it there first, or force it out`
          : `the running machine has no CD-ROM drive ${vdev}`,
      );
    }
    this.loaded.set(vdev, disc?.medium ?? null);
    if (before !== null) await this.images.closeDisc(before);
  }

  private ask(
    change: Omit<Extract<ToWorker, { type: 'medium' }>, 'type' | 'id'>,
  ): Promise<Outcome> {
    const id = this.nextId++;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.post({ type: 'medium', id, ...change });
    });
  }
}
