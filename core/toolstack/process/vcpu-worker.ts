/** Entry of the vCPU worker thread: builds the machine of one domain and runs it until the thread is ended. */
import { randomFillSync } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import type { Logger, LogLevel } from '../../base';
import { DisconnectedNetwork } from '../../hw';
import { arrangeAddressSpace, nodeTimers, threadedWasm } from '../../host-node';
import { Machine, type MachineDisk } from '../../machine';
import { VcpuLoop } from './vcpu-loop';
import { BlockClient, WorkerBlockBackend } from './worker-block';
import { WorkerDisplay } from './worker-display';
import type { FromWorker, WorkerData } from './worker-messages';
import { WorkerNetworks } from './worker-network';
import { WorkerPort } from './worker-port';
import { WorkerSerial } from './worker-serial';
import { workerUrl } from './worker-url';

/** Log lines that a guest can cause are dropped above this many in the life of the domain. */
const MAX_LOG_LINES = 1000;

/** Random bits for RDRAND, drawn in blocks: a call into the host for each would cost more than the instruction. */
function randomSource(): () => bigint {
  const pool = new BigUint64Array(512);
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    return pool[used++] ?? 0n;
  };
}

function workerLogger(post: (message: FromWorker) => void): Logger {
  let left = MAX_LOG_LINES;
  const make = (prefix: string): Logger => ({
    log(level: LogLevel, message: string) {
      if (level === 'trace' || level === 'guest' || left-- <= 0) return;
      post({ type: 'log', level, message: `${prefix}${message}` });
    },
    child: (component) => make(`${prefix}${component}: `),
  });
  return make('');
}

function main(data: WorkerData): void {
  const { shared } = data;
  const control = new Int32Array(shared.control);
  const post = (message: FromWorker, transfer?: ArrayBuffer[]): void =>
    parentPort?.postMessage(message, transfer);
  const port = new WorkerPort(data.port, control, post);
  const blocks = new BlockClient(port, data.blockMemory, () => nodeTimers.monotonicMs());
  const serial = new WorkerSerial(shared.serial, control, port);
  const display = new WorkerDisplay(shared.framebuffer, control, port);
  const networks = new WorkerNetworks(data.vifs, port, control, () => nodeTimers.monotonicMs());
  const disks: MachineDisk[] = data.disks.map((disk, index) => ({
    vdev: disk.vdev,
    cdrom: disk.cdrom,
    backend: disk.present ? new WorkerBlockBackend(blocks, index, disk) : undefined,
    ...(disk.cdrom && { onEject: () => post({ type: 'ejected', vdev: disk.vdev }) }),
  }));
  const wasm = threadedWasm(workerUrl('translator-worker'));
  let machine: Machine;
  try {
    machine = new Machine(
      { wasm, time: nodeTimers, random: randomSource(), log: workerLogger(post) },
      {
        uuid: data.uuid,
        memoryMiB: data.memoryMiB,
        vcpus: data.vcpus,
        bootOrder: data.bootOrder,
        disks,
        nics: data.vifs.map(({ model, mac }, index) => ({
          model,
          mac,
          backend: networks.backends[index] ?? new DisconnectedNetwork(),
        })),
        kernel: data.kernel
          ? { ...data.kernel, unpacked: () => port.waitFor('unpacked').kernel }
          : undefined,
        firmware: data.firmware ?? undefined,
        vgaRom: data.vgaRom ?? undefined,
        serial: data.serial ? serial : undefined,
        translateAfter: data.translate ? undefined : 0,
        display,
      },
    );
  } catch (cause) {
    return post(failure(cause, data.memoryMiB));
  }
  blocks.onFinished = () => machine.kick();
  const { clock } = machine;
  const gathered = clock.timer(() => blocks.finish(true));
  blocks.onGathering = (ms) => gathered.arm(clock.now + Math.round(ms * 1e6));
  const loop = new VcpuLoop(
    {
      machine,
      adapter: machine.display,
      port,
      blocks,
      display,
      serial,
      networks,
      shared,
      monotonicMs: () => nodeTimers.monotonicMs(),
    },
    data.paused,
  );
  post({ type: 'ready' });
  loop.run();
}

/** Why the machine cannot be built, in words for the user. */
function failure(cause: unknown, memoryMiB: number): FromWorker {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof RangeError)
    return {
      type: 'failed',
      code: 'NO_MEMORY',
      message: `the host does not give ${memoryMiB} MiB of memory to the guest (${message})`,
    };
  const isKernel = cause instanceof Error && cause.name === 'DirectBootError';
  return isKernel
    ? { type: 'failed', code: 'IMAGE_BAD', message: `the kernel cannot be started: ${message}` }
    : { type: 'failed', code: 'INTERNAL', message };
}

await arrangeAddressSpace();
main(workerData as WorkerData);
