import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeCompression, nodeFiles, nodeLocks } from '../../core/host-node';
import {
  openImage,
  type DiskImage,
  type ImageHost,
  type OpenDiskOptions,
} from '../../core/storage';

export const HOST: ImageHost = { files: nodeFiles, locks: nodeLocks, compression: nodeCompression };
export const OWNER = { pid: process.pid, name: 'the test' };

/** A directory that is gone after `close`. */
export class Directory {
  readonly path = mkdtempSync(join(tmpdir(), 'domus-storage-'));

  file(name: string): string {
    return join(this.path, name);
  }

  close(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface Ran {
  readonly status: number | null;
  readonly output: string;
}

export function run(program: string, ...args: string[]): Ran {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error) throw error;
  return { status, output: `${stdout}${stderr}` };
}

/** Runs `qemu-img`, which has to succeed; its output. */
export function qemuImg(...args: string[]): string {
  const { status, output } = run('qemu-img', ...args);
  if (status !== 0) throw new Error(`qemu-img ${args.join(' ')} ended with ${status}: ${output}`);
  return output;
}

/** Runs commands of `qemu-io` on an image; they have to succeed. */
export function qemuIo(format: string, path: string, ...commands: string[]): string {
  const { status, output } = run(
    'qemu-io',
    '-f',
    format,
    ...commands.flatMap((command) => ['-c', command]),
    path,
  );
  if (status !== 0 || /failed|error/i.test(output)) throw new Error(`qemu-io: ${output}`);
  return output;
}

/** Opens an image for a test. */
export function open(
  path: string,
  format: OpenDiskOptions['format'],
  options: Partial<OpenDiskOptions> = {},
): Promise<DiskImage> {
  return openImage(HOST, { path, format, readOnly: false, owner: OWNER, ...options });
}

/** All bytes of a disk. */
export async function contents(image: DiskImage): Promise<Buffer> {
  return Buffer.from(await image.read(0, image.sizeBytes));
}
