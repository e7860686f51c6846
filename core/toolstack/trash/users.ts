/** Which files other domains need: their images, by whatever path, and the images below those. */
import type { DiskConfig } from '../../api';
import { identityAt } from '../../host';
import { describeImage, type ImageHost, type ImageInfo } from '../../storage';

/** Longest chain that is opened: one and nine below it. */
const MAX_CHAIN = 10;
/** What an overlay may call the format of an image that may be an overlay itself. */
const CHAINED = 'qcow2';

/** A file whatever its path; undefined when there is none to be seen. */
function identity(host: ImageHost, path: string): Promise<string | undefined> {
  return identityAt(host.files, path).catch(() => undefined);
}

async function collect(
  host: ImageHost,
  disk: DiskConfig,
  into: Map<string, string>,
  user: string,
): Promise<void> {
  let path: string | null = disk.target;
  let format: string | null = disk.format;
  for (let depth = 0; path !== null && path !== '' && depth < MAX_CHAIN; depth++) {
    into.set((await identity(host, path)) ?? path, user);
    if (format !== CHAINED) return;
    const info: ImageInfo | undefined = await describeImage(host, path, 'qcow2').catch(
      () => undefined,
    );
    path = info?.qcow2?.backing?.path ?? null;
    format = info?.qcow2?.backing?.format ?? null;
  }
}

/** The name of another domain that needs the file at `path`; undefined when none does. */
export async function userOf(
  host: ImageHost,
  path: string,
  others: readonly { readonly name: string; readonly disks: readonly DiskConfig[] }[],
): Promise<string | undefined> {
  const needed = new Map<string, string>();
  for (const { name, disks } of others)
    for (const disk of disks) await collect(host, disk, needed, name);
  return needed.get((await identity(host, path)) ?? path);
}
