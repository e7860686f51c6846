/** The kernel and the initial ramdisk that an installer's CD starts, for starting them without the CD's boot loader. */
import { FileError, type FileHost, type OpenFile } from '../../host';
import { ImageError } from '../image';
import { CD_SECTOR_BYTES, type ReadBytes } from './bytes';
import { findPath, readVolume, type IsoEntry } from './volume';

interface BootRow {
  readonly kernel: string;
  readonly ramdisk: string;
  /** What the boot menu of this CD tells the kernel; {volume} is the volume identifier. */
  readonly commandLine: string;
}

const row = (kernel: string, ramdisk: string, commandLine = ''): BootRow => ({
  kernel,
  ramdisk,
  commandLine,
});

/** Where installers have them, as virt-install and the boot menus of the CDs say. The first pair that is there is taken. */
const BOOT_ROWS: readonly BootRow[] = [
  row('install.amd/vmlinuz', 'install.amd/initrd.gz'),
  row('install.386/vmlinuz', 'install.386/initrd.gz'),
  row('install/vmlinuz', 'install/initrd.gz'),
  row(
    'install/netboot/ubuntu-installer/amd64/linux',
    'install/netboot/ubuntu-installer/amd64/initrd.gz',
  ),
  row('linux', 'initrd.gz'),
  row('casper/vmlinuz', 'casper/initrd'),
  row('images/pxeboot/vmlinuz', 'images/pxeboot/initrd.img', 'inst.stage2=hd:LABEL={volume}'),
  row('boot/x86_64/loader/linux', 'boot/x86_64/loader/initrd'),
  row('boot/vmlinuz-lts', 'boot/initramfs-lts'),
  row('boot/vmlinuz-virt', 'boot/initramfs-virt'),
];

/** A file's place on an image. */
export interface IsoExtent {
  readonly path: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface IsoBootFiles {
  readonly kernel: IsoExtent;
  readonly ramdisk: IsoExtent;
  readonly commandLine: string;
}

/** No kernel and no ramdisk of an installer is larger. */
const MAX_BOOT_FILE_BYTES = 512 << 20;
const COPY_BYTES = 1 << 20;

function reader(file: OpenFile): ReadBytes {
  return async (offset, length) => {
    const bytes = new Uint8Array(length);
    await file.read(offset, bytes);
    return bytes;
  };
}

function extent(path: string, entry: IsoEntry, file: OpenFile): IsoExtent {
  const offset = entry.lba * CD_SECTOR_BYTES;
  if (
    entry.sizeBytes === 0 ||
    entry.sizeBytes > MAX_BOOT_FILE_BYTES ||
    offset + entry.sizeBytes > file.info.sizeBytes
  )
    throw new ImageError(
      'BAD',
      file.path,
      `/${path} of ${file.path} lies outside the image: it is damaged`,
    );
  return { path, offset, sizeBytes: entry.sizeBytes };
}

async function open(files: FileHost, path: string): Promise<OpenFile> {
  try {
    return await files.open(path, 'read');
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    const code = cause.code === 'ENOENT' ? 'NOT_FOUND' : 'UNREADABLE';
    throw new ImageError(code, path, `the CD image cannot be used: ${cause.message}`, { cause });
  }
}

/** Finds an installer's kernel and ramdisk. Rejects with an ImageError when there are none. */
export async function findBootFiles(files: FileHost, path: string): Promise<IsoBootFiles> {
  const file = await open(files, path);
  try {
    const read = reader(file);
    const volume = await readVolume(read);
    if (!volume) throw new ImageError('BAD', path, `${path} is no CD image (ISO 9660)`);
    for (const { kernel, ramdisk, commandLine } of BOOT_ROWS) {
      const [linux, initrd] = [
        await findPath(read, volume, kernel),
        await findPath(read, volume, ramdisk),
      ];
      if (!linux || !initrd || linux.directory || initrd.directory) continue;
      return {
        kernel: extent(kernel, linux, file),
        ramdisk: extent(ramdisk, initrd, file),
        commandLine: commandLine.replace('{volume}', volume.volumeId.replaceAll(' ', '\\x20')),
      };
    }
    throw new ImageError(
      'BAD',
      path,
      `on ${path} there is no kernel and ramdisk of an installer where Debian, Ubuntu, Red Hat, SUSE or Alpine have them`,
    );
  } finally {
    await file.close();
  }
}

/** Copies a file of an image to a new file on the host, with `append` behind it on the next multiple of four bytes. */
export async function copyFromIso(
  files: FileHost,
  path: string,
  { offset, sizeBytes }: IsoExtent,
  target: string,
  append: Uint8Array<ArrayBuffer> = new Uint8Array(0),
): Promise<void> {
  const source = await open(files, path);
  try {
    const copy = await files.open(target, 'create');
    try {
      for (let at = 0; at < sizeBytes; at += COPY_BYTES) {
        const part = new Uint8Array(Math.min(COPY_BYTES, sizeBytes - at));
        if ((await source.read(offset + at, part)) < part.length)
          throw new ImageError('BAD', path, `${path} became shorter while it was read`);
        await copy.write(at, part);
      }
      if (append.length > 0) await copy.write(Math.ceil(sizeBytes / 4) * 4, append);
      await copy.sync();
    } finally {
      await copy.close();
    }
  } finally {
    await source.close();
  }
}
