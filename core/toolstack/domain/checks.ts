import { DomusError, type DiskConfig, type DomainConfig } from '../../api';
import { FileError, type FileHost, type HostSample } from '../../host';
import { inspectIso } from '../../storage';
import { KERNEL_HEADER_BYTES, kernelProblem } from './boot-image';

const MIB = 2 ** 20;
/** What a domain process needs beside the guest's memory: engine, translated code, buffers. */
export const OVERHEAD_MIB = 150;

/** What a running domain may still take of the host: guests touch their memory bit by bit. */
export function promisedMiB(config: DomainConfig, rssBytes: number): number {
  return Math.max(0, config.memory + OVERHEAD_MIB - Math.floor(rssBytes / MIB));
}

/**
 * Refuses a domain that the host has no memory for, with the numbers, before anything is allocated. `promised` MiB of
 * what is free belong to domains that run already.
 */
export function checkMemory(config: DomainConfig, host: HostSample, promised = 0): void {
  const freeMiB = Math.max(0, Math.floor(host.memoryFreeBytes / MIB) - promised);
  const wantedMiB = config.memory + OVERHEAD_MIB;
  if (wantedMiB <= freeMiB) return;
  const totalMiB = Math.floor(host.memoryBytes / MIB);
  const others = promised > 0 ? ', what running domains were given left aside' : '';
  throw new DomusError(
    'NO_MEMORY',
    `${config.name} needs ${config.memory} MiB and about ${OVERHEAD_MIB} MiB for the emulation, but only ${freeMiB} MiB of this computer's ${totalMiB} MiB are free${others}; give it less memory or end something else`,
  );
}

function missing(what: string, cause: FileError): DomusError {
  const code =
    cause.code === 'ENOENT'
      ? 'IMAGE_NOT_FOUND'
      : cause.code === 'ENOTREG' || cause.code === 'EISDIR'
        ? 'IMAGE_BAD'
        : 'IMAGE_UNREADABLE';
  return new DomusError(code, `${what} cannot be used: ${cause.message}`, undefined, { cause });
}

async function checkFile(
  files: FileHost,
  what: string,
  path: string,
  mode: 'read' | 'write',
): Promise<void> {
  try {
    const file = await files.open(path, mode);
    await file.close();
  } catch (cause) {
    throw cause instanceof FileError ? missing(what, cause) : cause;
  }
}

async function checkKernel(files: FileHost, path: string): Promise<void> {
  await checkFile(files, 'the kernel', path, 'read');
  const file = await files.open(path, 'read');
  try {
    const header = new Uint8Array(KERNEL_HEADER_BYTES);
    const count = await file.read(0, header);
    const problem = kernelProblem(path, header.subarray(0, count));
    if (problem) throw new DomusError('IMAGE_BAD', problem);
  } finally {
    await file.close();
  }
}

/** A CD that the domain would have to start from, as it has nothing else, must be bootable; a broken one is refused anyway. */
async function checkCd(files: FileHost, disk: DiskConfig, onlyMedium: boolean): Promise<void> {
  const report = await inspectIso(files, disk.target);
  if (report.problem === undefined) return;
  const truncated = report.problem.includes('truncated') || report.sizeBytes === 0;
  if (truncated)
    throw new DomusError(
      'IMAGE_BAD',
      `the CD image ${disk.target} cannot be used: ${report.problem}`,
    );
  if (onlyMedium)
    throw new DomusError(
      'NOT_BOOTABLE',
      `the domain has nothing to start from: of the CD image ${disk.target}, ${report.problem}`,
    );
}

/** Everything that would make a start fail and can be known before: each problem is one sentence that names the thing. */
export async function checkStart(
  files: FileHost,
  config: DomainConfig,
  host: HostSample,
  promised = 0,
): Promise<void> {
  checkMemory(config, host, promised);
  if (config.kernel !== '') await checkKernel(files, config.kernel);
  if (config.ramdisk !== '') await checkFile(files, 'the ramdisk', config.ramdisk, 'read');
  if (config.firmware !== '') await checkFile(files, 'the firmware', config.firmware, 'read');
  const media = config.disk.filter((disk) => disk.target !== '');
  for (const disk of media)
    await checkFile(
      files,
      disk.cdrom ? `the CD image in ${disk.vdev}` : `the image of ${disk.vdev}`,
      disk.target,
      disk.access === 'w' ? 'write' : 'read',
    );
  const isFromNetwork = config.boot.includes('n') && config.vif.length > 0;
  const onlyCds =
    config.kernel === '' &&
    config.firmware === '' &&
    !isFromNetwork &&
    media.every((disk) => disk.cdrom);
  for (const disk of media) if (disk.cdrom) await checkCd(files, disk, onlyCds);
  if (onlyCds && media.length === 0)
    throw new DomusError(
      'NOT_BOOTABLE',
      `${config.name} has nothing to start from: no disk, no CD and no kernel`,
    );
}

/** Refuses what cannot be done with a domain that runs. */
export function requireOff(domain: {
  readonly active: boolean;
  readonly config: { readonly name: string };
}): void {
  if (domain.active)
    throw new DomusError(
      'BAD_STATE',
      `${domain.config.name} is running; shut it down or force it off first`,
    );
}
