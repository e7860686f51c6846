/** Files that start an installation: an installer's kernel and ramdisk out of its CD, and a CD of answers. */
import {
  DISK_BUSES,
  DomusError,
  vdevsOf,
  type DiskConfig,
  type DomainConfig,
  type InstallRequest,
} from '../../api';
import type { FileHost } from '../../host';
import { buildIso, copyFromIso, findBootFiles, ImageError } from '../../storage';
import { cpioOf } from './cpio';
import { utf8 } from './utf8';

/** The names of what is made for one domain. */
const PARTS = ['linux', 'initrd', 'seed.iso'] as const;
type Part = (typeof PARTS)[number];

/** What an installation of this domain leaves in the data directory until it is finished. */
export function installFiles(dataDir: string, uuid: string): string[] {
  return PARTS.map((part) => path(dataDir, uuid, part));
}

function path(dataDir: string, uuid: string, part: Part): string {
  return `${dataDir}/install/${uuid}-${part}`;
}

/** Places for CD-ROM drives. */
const CD_VDEVS = DISK_BUSES.filter((row) => row.cdroms).flatMap((row) => vdevsOf(row).reverse());

/** An answer CD goes where a drive is empty or can be added; the highest place is the least in the way. */
function withCd(config: DomainConfig, target: string): DomainConfig {
  const used = new Set(config.disk.map(({ vdev }) => vdev));
  const vdev = CD_VDEVS.find((name) => !used.has(name));
  const empty = config.disk.find((disk) => disk.cdrom && disk.target === '');
  if (vdev === undefined && !empty)
    throw new DomusError(
      'INVALID_CONFIG',
      `${config.name} has no free place for the CD with the answers; take a disk or a CD drive out`,
    );
  const cd: DiskConfig = {
    vdev: empty?.vdev ?? vdev ?? '',
    target,
    format: 'raw',
    access: 'r',
    cdrom: true,
  };
  return { ...config, disk: [...config.disk.filter((disk) => disk !== empty), cd] };
}

/**
 * Makes the files and returns the configuration that uses them, `install` set when there is an installer. Rejects with a DomusError; what was
 * made is removed then.
 */
export async function prepareInstall(
  files: FileHost,
  dataDir: string,
  { config, location, seed, extra }: InstallRequest,
  wallMs: number,
): Promise<DomainConfig> {
  const place = (part: Part): string => path(dataDir, config.uuid, part);
  const injected = seed?.format === 'preseed' ? seed.files : [];
  if (injected.length > 0 && location === undefined)
    throw new DomusError(
      'INVALID_CONFIG',
      'a preseed needs --location, the CD whose kernel and ramdisk are started: started from its boot menu, the installer would not look for it',
    );
  // An image that is started with answers alone, as cloud images are, has its system already.
  const installs = location !== undefined || config.disk.some((disk) => disk.cdrom && disk.target);
  let result: DomainConfig = installs ? { ...config, install: true } : config;
  try {
    await files.makeDirectory(`${dataDir}/install`);
    await removeInstallFiles(files, dataDir, config.uuid);
    if (location !== undefined) {
      const boot = await findBootFiles(files, location);
      await copyFromIso(files, location, boot.kernel, place('linux'));
      const archive = injected.length > 0 ? cpioOf(injected) : undefined;
      await copyFromIso(files, location, boot.ramdisk, place('initrd'), archive);
      // The seed's words come last: what stands behind their "---" is kept for the installed system.
      const words = [boot.commandLine, extra ?? '', seed?.commandLine ?? ''];
      result = {
        ...result,
        kernel: place('linux'),
        ramdisk: place('initrd'),
        root: '',
        extra: words.filter((word) => word !== '').join(' '),
      };
    }
    if (seed && injected.length === 0) {
      const content = seed.files.map(({ name, text }) => ({ name, bytes: utf8(text) }));
      const image = await files.open(place('seed.iso'), 'create');
      try {
        await image.write(0, buildIso(seed.volumeId, content, wallMs));
        await image.sync();
      } finally {
        await image.close();
      }
      result = withCd(result, place('seed.iso'));
    }
    return result;
  } catch (cause) {
    await removeInstallFiles(files, dataDir, config.uuid);
    if (cause instanceof ImageError)
      throw new DomusError('IMAGE_BAD', cause.message, undefined, { cause });
    throw cause;
  }
}

/** Removes what `prepareInstall` made, when the installation is over or the domain is deleted. */
export async function removeInstallFiles(
  files: FileHost,
  dataDir: string,
  uuid: string,
): Promise<void> {
  for (const name of installFiles(dataDir, uuid)) await files.remove(name);
}
