/** Entry of the thread that unpacks the kernel of a direct boot; ends when it has answered. */
import { parentPort, workerData } from 'node:worker_threads';
import { unpackKernel } from '../../firmware';
import { nodeWasm } from '../../host-node';

parentPort?.postMessage(unpackKernel(nodeWasm, workerData as Uint8Array<ArrayBuffer>));
