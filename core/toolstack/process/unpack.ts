import { Worker } from 'node:worker_threads';
import type { UnpackedKernel } from '../../firmware';
import { workerUrl } from './worker-url';

/**
 * Unpacks a kernel image on a thread of its own, into shared memory. Never rejects: undefined when the guest must do it
 * itself, which it can whatever fails here, only more slowly.
 */
export function unpackMeanwhile(
  image: Uint8Array<ArrayBuffer>,
): Promise<UnpackedKernel | undefined> {
  return new Promise((resolve) => {
    const worker = new Worker(workerUrl('unpack-worker'), { workerData: image });
    worker.on('message', resolve);
    worker.on('error', () => resolve(undefined));
    worker.on('exit', () => resolve(undefined));
  });
}
