import type { DiskConfig } from '../../api';
import { BOOT_SECTOR_BYTES, isBootSector, sameBootCode } from '../install';
import type { DomainImages } from './images';

/** Tells when a guest has made its first hard disk bootable, or has given it another boot loader than it had. */
export class InstallWatch {
  private constructor(
    private readonly images: DomainImages,
    private readonly index: number,
    private readonly before: Uint8Array,
  ) {}

  /** Looks at the disk before the guest runs. Undefined when there is no hard disk to install to. */
  static async begin(
    disks: readonly DiskConfig[],
    images: DomainImages,
  ): Promise<InstallWatch | undefined> {
    const index = disks.findIndex((disk) => !disk.cdrom && disk.access === 'w');
    const before = index < 0 ? undefined : await images.start(index, BOOT_SECTOR_BYTES);
    return before && new InstallWatch(images, index, before);
  }

  /** Whether the disk has become bootable since `begin`; what the guest wrote before is waited for. */
  async isFinished(): Promise<boolean> {
    const now = await this.images.start(this.index, BOOT_SECTOR_BYTES);
    return now !== undefined && isBootSector(now) && !sameBootCode(now, this.before);
  }
}
