/** CD images in and out of drives, whether the domain runs or not. */
import { DomusError, type DomainInfo } from '../api';
import { FileError, type FileHost } from '../host';
import type { Domain } from './domain/domain';
import { withMedium } from './domain/medium';
import type { Toolstack } from './toolstack';

/** A disc that is only written down has to be there all the same. */
async function checkDisc(files: FileHost, path: string): Promise<void> {
  try {
    const file = await files.open(path, 'read');
    await file.close();
    if (file.info.sizeBytes > 0) return;
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    const code = cause.code === 'ENOENT' ? 'IMAGE_NOT_FOUND' : 'IMAGE_UNREADABLE';
    throw new DomusError(code, `the CD image cannot be used: ${cause.message}`, undefined, {
      cause,
    });
  }
  throw new DomusError('IMAGE_BAD', `the CD image ${path} is empty`);
}

/** Puts the image at `path` into the drive `vdev`; '' empties it. Rejects with a DomusError and changes nothing then. */
export async function changeMedium(
  toolstack: Toolstack,
  domain: Domain,
  vdev: string,
  path: string,
  force: boolean,
): Promise<DomainInfo> {
  const { config } = domain;
  const drives = (domain.info.machine ?? config).disk.filter((disk) => disk.cdrom);
  if (!drives.some((drive) => drive.vdev === vdev)) {
    const names = drives.map((drive) => drive.vdev).join(', ');
    throw new DomusError(
      'INVALID_CONFIG',
      `${config.name} has no CD-ROM drive ${vdev}; it has ${names === '' ? 'none' : names}`,
    );
  }
  if (domain.active) await domain.changeMedium(vdev, path, force);
  else if (path !== '') await checkDisc(toolstack.options.host.files, path);
  return toolstack.redefine(domain, withMedium(domain.config, vdev, path));
}
