import { DomusError, type DomainConfig } from '../../api';
import { FileError, type FileHost } from '../../host';
import { firmwareProblem, kernelProblem } from '../domain/boot-image';
import type { UnpackedKernel } from '../../firmware';
import { unpackMeanwhile } from './unpack';
import type { WorkerData } from './worker-messages';

const MIB = 1 << 20;
/** A bzImage is at most some tens of MiB; a ramdisk has to fit into guest RAM in any case. */
const MAX_KERNEL_BYTES = 256 * MIB;
const MAX_FIRMWARE_BYTES = 4 * MIB;
const MAX_VGA_ROM_BYTES = 128 << 10;
/** Names of SeaBIOS's VGA BIOS for the Bochs display, best first. */
const VGA_ROMS = ['vgabios-stdvga.bin', 'vgabios.bin'];

async function readWhole(
  files: FileHost,
  what: string,
  path: string,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const file = await files.open(path, 'read');
    try {
      if (file.info.sizeBytes > maxBytes)
        throw new DomusError(
          'IMAGE_BAD',
          `the ${what} ${path} has ${file.info.sizeBytes} bytes, and at most ${maxBytes} can be loaded`,
        );
      const bytes = new Uint8Array(file.info.sizeBytes);
      const count = await file.read(0, bytes);
      if (count < bytes.length)
        throw new DomusError('IMAGE_BAD', `the ${what} ${path} became shorter while it was read`);
      return bytes;
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    throw new DomusError(
      cause.code === 'ENOENT' ? 'IMAGE_NOT_FOUND' : 'IMAGE_UNREADABLE',
      `the ${what} cannot be loaded: ${cause.message}`,
      undefined,
      { cause },
    );
  }
}

/** SeaBIOS has its VGA BIOS in a file of its own, which distributions install beside it. */
async function findVgaRom(
  files: FileHost,
  firmwarePath: string,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const directory = firmwarePath.slice(0, firmwarePath.lastIndexOf('/') + 1);
  for (const name of VGA_ROMS) {
    if (await files.stat(`${directory}${name}`))
      return readWhole(files, 'VGA BIOS', `${directory}${name}`, MAX_VGA_ROM_BYTES);
  }
  return null;
}

function refuse(problem: string | undefined): void {
  if (problem) throw new DomusError('IMAGE_BAD', problem);
}

export interface BootFiles extends Pick<WorkerData, 'kernel' | 'firmware' | 'vgaRom'> {
  /** What is in the kernel, on its way while all else is made ready. */
  readonly unpacked?: Promise<UnpackedKernel | undefined>;
}

/** Loads kernel, ramdisk and firmware of a configuration and checks that they are what they are called. */
export async function readBootFiles(files: FileHost, config: DomainConfig): Promise<BootFiles> {
  const firmware =
    config.firmware === ''
      ? null
      : await readWhole(files, 'firmware', config.firmware, MAX_FIRMWARE_BYTES);
  if (firmware) refuse(firmwareProblem(config.firmware, firmware.length));
  const vgaRom = firmware && (await findVgaRom(files, config.firmware));
  if (config.kernel === '') return { kernel: null, firmware, vgaRom };
  const image = await readWhole(files, 'kernel', config.kernel, MAX_KERNEL_BYTES);
  refuse(kernelProblem(config.kernel, image));
  const unpacked = unpackMeanwhile(image);
  const ramdisk =
    config.ramdisk === ''
      ? new Uint8Array(0)
      : await readWhole(files, 'ramdisk', config.ramdisk, config.memory * MIB);
  const commandLine = [config.root === '' ? '' : `root=${config.root}`, config.extra]
    .filter((part) => part !== '')
    .join(' ');
  return { kernel: { image, ramdisk, commandLine }, firmware, vgaRom, unpacked };
}
