import type { NetworkBootConfig } from '../../api';
import { FileError, type FileHost } from '../../host';
import type { TftpFile, TftpFolder } from '../../net';

/** The file that DHCP names to a domain. */
export function bootFileOf({ file }: NetworkBootConfig, domainName: string): string {
  return file === '' ? `${domainName}.pxe` : file;
}

/** The regular files below a folder of this computer, and nothing else: links that lead out of it are refused. */
export function bootFolder(files: FileHost, folder: string): TftpFolder {
  return {
    open: (path) =>
      openBelow(files, folder, path).catch((cause: unknown) =>
        cause instanceof FileError && cause.code === 'ENOENT' ? 'not-found' : 'denied',
      ),
  };
}

async function openBelow(
  files: FileHost,
  folder: string,
  path: readonly string[],
): Promise<TftpFile | 'denied'> {
  if (!files.realPath) return 'denied';
  const root = await files.realPath(folder);
  const separator = root.includes('\\') ? '\\' : '/';
  const prefix = root.endsWith(separator) ? root : `${root}${separator}`;
  const real = await files.realPath(`${prefix}${path.join(separator)}`);
  if (!real.startsWith(prefix)) return 'denied';
  const file = await files.open(real, 'read');
  // A folder on the way may have become a link meanwhile.
  const after = await files.realPath(real).catch(() => '');
  if (after !== real) {
    await file.close();
    return 'denied';
  }
  return {
    sizeBytes: file.info.sizeBytes,
    read: (offset, target) => file.read(offset, target),
    close: () => file.close(),
  };
}
