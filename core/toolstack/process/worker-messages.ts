import type { MessagePort } from 'node:worker_threads';
import type { ErrorCode, NicModel } from '../../api';
import type { UnpackedKernel } from '../../firmware';
import type { BlockError } from '../../hw';
import type { StopCause } from '../../machine';
import type { PlainFile } from '../../storage';
import type { SharedBuffers } from './shared';

/** A drive as the vCPU worker knows it. */
export interface WorkerDisk {
  readonly vdev: string;
  readonly cdrom: boolean;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** False for a CD-ROM drive without a disc. */
  readonly present: boolean;
  /** Present for a disk that the worker may read and write itself. */
  readonly plain?: PlainFile | undefined;
}

/** A network card as the vCPU worker knows it, and the rings of its frames (FrameRing). */
export interface SharedVif {
  readonly mac: string;
  readonly model: NicModel;
  readonly linkUp: boolean;
  readonly toLoop: SharedArrayBuffer;
  readonly toGuest: SharedArrayBuffer;
}

/** Everything a worker needs to build its machine. */
export interface WorkerData {
  readonly shared: SharedBuffers;
  readonly port: MessagePort;
  readonly name: string;
  readonly uuid: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly disks: readonly WorkerDisk[];
  /** Where block requests have their data (BlockSlots). */
  readonly blockMemory: SharedArrayBuffer;
  readonly vifs: readonly SharedVif[];
  readonly bootOrder: string;
  /** Present for direct boot. */
  readonly kernel: {
    image: Uint8Array<ArrayBuffer>;
    ramdisk: Uint8Array<ArrayBuffer>;
    commandLine: string;
  } | null;
  /** A ROM to run instead of the built-in BIOS. */
  readonly firmware: Uint8Array<ArrayBuffer> | null;
  /** The VGA BIOS that such a ROM loads. */
  readonly vgaRom: Uint8Array<ArrayBuffer> | null;
  readonly serial: boolean;
  /** False: nothing is translated. */
  readonly translate: boolean;
  readonly paused: boolean;
}

export type BlockOperation = 'read' | 'write' | 'zero' | 'discard' | 'flush';

/** A guest's request to one of its images. */
export interface BlockRequest {
  readonly id: number;
  /** Which medium: an index into the disks of the worker's data, or a number that came with a `medium` message. */
  readonly disk: number;
  readonly operation: BlockOperation;
  readonly offset: number;
  readonly length: number;
  /** Where in the shared memory the data of a read goes to and that of a write lies; absent: the data travels with the messages. */
  readonly slot?: number;
  /** What a write without a slot writes. */
  readonly data?: Uint8Array<ArrayBuffer>;
}

/** What became of a request; `data` is that of a read without a slot. */
export interface BlockReply {
  readonly id: number;
  readonly data?: Uint8Array<ArrayBuffer>;
  readonly error?: BlockError;
}

/** A motion of the pointer, both ways: the guest takes one of them. */
export interface PointerMotion {
  /** Position, 0..32767; null from a client that only tells motions. */
  readonly position: { readonly x: number; readonly y: number } | null;
  /** Motion in pixels. */
  readonly dx: number;
  readonly dy: number;
  /** +1 is up. */
  readonly wheel: number;
  /** Bit 0 left, 1 right, 2 middle. */
  readonly buttons: number;
}

/** A disc on its way into a drive; `medium` is what block requests name it by. */
export interface WorkerMedium {
  readonly medium: number;
  readonly sizeBytes: number;
}

/** From the event loop to the worker. */
export type ToWorker =
  | { type: 'block-done'; replies: BlockReply[] }
  /** The kernel for direct boot; undefined when the guest must unpack it itself. Comes once, while the machine is built. */
  | { type: 'unpacked'; kernel: UnpackedKernel | undefined }
  | { type: 'serial-in'; bytes: Uint8Array<ArrayBuffer> }
  | { type: 'key'; scancode: number; pressed: boolean }
  | ({ type: 'pointer' } & PointerMotion)
  /** The cable of a card is plugged in or pulled. */
  | { type: 'network-link'; vif: number; up: boolean }
  /** Another disc for a CD-ROM drive, or none; `force` takes out one that the guest holds. `medium-done` answers. */
  | { type: 'medium'; id: number; vdev: string; disc: WorkerMedium | null; force: boolean }
  | { type: 'pause' }
  | { type: 'unpause' }
  | { type: 'power-button' }
  | { type: 'reset' }
  /** Draw now and send a `frame` with this id. */
  | { type: 'refresh'; id: number };

/** A rectangle: x, y, width, height. */
export type Rectangle = readonly [number, number, number, number];

/** From the worker to the event loop. */
export type FromWorker =
  | { type: 'ready' }
  /** The machine could not be built. */
  | { type: 'failed'; code: ErrorCode; message: string }
  | { type: 'block'; requests: BlockRequest[] }
  | { type: 'serial' }
  /** Frames of the guest lie in the ring of a card. */
  | { type: 'network'; vif: number }
  /** The ring towards the guest has room again. */
  | { type: 'network-space'; vif: number }
  | {
      type: 'frame';
      id: number;
      width: number;
      height: number;
      dirty: Rectangle[];
      text: readonly string[] | null;
    }
  /** The machine stopped: power-off, a reset that was asked of it, or a triple fault. The worker waits for orders. */
  | { type: 'stopped'; how: StopCause; where: string }
  /** `locked`: the guest holds the disc, and was told that somebody wants it. */
  | { type: 'medium-done'; id: number; outcome: 'done' | 'locked' | 'no-drive' }
  /** The guest opened the tray of a CD-ROM drive. */
  | { type: 'ejected'; vdev: string }
  /** Whether the guest takes absolute pointer positions. */
  | { type: 'pointer-mode'; absolute: boolean }
  | { type: 'log'; level: 'guest' | 'info' | 'warn' | 'error'; message: string };
