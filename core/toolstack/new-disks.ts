import { DomusError, type DiskConfig, type DomainConfig } from '../api';
import type { FileHost } from '../host';
import { createQcow2, createRawImage, ImageError } from '../storage';

async function createDisk(files: FileHost, disk: DiskConfig, sizeBytes: number): Promise<void> {
  if (disk.format === 'qcow2') await createQcow2(files, { path: disk.target, sizeBytes });
  else await createRawImage(files, disk.target, sizeBytes);
}

/**
 * Creates disks of a configuration, by vdev and size in bytes, then does `act`; when either fails, what was created is
 * removed. Rejects with a DomusError.
 */
export async function withNewDisks<T>(
  files: FileHost,
  config: DomainConfig,
  sizes: Readonly<Record<string, number>> = {},
  act: () => Promise<T>,
): Promise<T> {
  const created: string[] = [];
  try {
    for (const [vdev, sizeBytes] of Object.entries(sizes)) {
      const disk = config.disk.find((candidate) => candidate.vdev === vdev);
      if (!disk || disk.access !== 'w' || disk.cdrom)
        throw new DomusError('INVALID_CONFIG', `there is no writable disk ${vdev} to create`);
      await files.makeDirectory(disk.target.slice(0, Math.max(1, disk.target.lastIndexOf('/'))));
      await createDisk(files, disk, sizeBytes);
      created.push(disk.target);
    }
    return await act();
  } catch (cause) {
    for (const path of created) await files.remove(path);
    if (cause instanceof ImageError)
      throw new DomusError('IMAGE_BAD', `the disk cannot be created: ${cause.message}`, undefined, {
        cause,
      });
    throw cause;
  }
}
