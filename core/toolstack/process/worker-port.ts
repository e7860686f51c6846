import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { KICK, NETWORK, PENDING } from './shared';
import type { FromWorker, ToWorker } from './worker-messages';

/** A message of one type. */
type MessageOf<T extends ToWorker['type']> = Extract<ToWorker, { readonly type: T }>;

/** The worker's end of the line to the event loop. The worker never returns to an event loop of its own: it polls and sleeps. */
export class WorkerPort {
  private deferred: ToWorker[] = [];

  constructor(
    private readonly port: MessagePort,
    private readonly control: Int32Array,
    /** Sends a message up. */
    readonly post: (message: FromWorker, transfer?: ArrayBuffer[]) => void,
  ) {}

  /** The next message, if there is one; a single atomic load when there is none. */
  poll(): ToWorker | undefined {
    return this.deferred.shift() ?? this.receive();
  }

  /** Keeps a message for `poll`. */
  defer(message: ToWorker): void {
    this.deferred.push(message);
  }

  /** Sleeps until a message of that type has come, one that `wanted` accepts; what comes before it is kept for `poll`. */
  waitFor<T extends ToWorker['type']>(
    type: T,
    wanted: (message: MessageOf<T>) => boolean = () => true,
  ): MessageOf<T> {
    const isOfType = (message: ToWorker): message is MessageOf<T> => message.type === type;
    for (;;) {
      const seen = Atomics.load(this.control, KICK);
      for (let message = this.receive(); message; message = this.receive()) {
        if (isOfType(message) && wanted(message)) return message;
        this.deferred.push(message);
      }
      Atomics.wait(this.control, KICK, seen);
    }
  }

  /** Sleeps until a message comes or, with `forFrames`, frames do, or `timeoutMs` is over; returns at once when they are there already. */
  sleep(timeoutMs: number, forFrames: boolean): void {
    const seen = Atomics.load(this.control, KICK);
    const { control } = this;
    if (this.deferred.length > 0 || Atomics.load(control, PENDING) > 0) return;
    if (forFrames && Atomics.load(control, NETWORK) !== 0) return;
    Atomics.wait(this.control, KICK, seen, timeoutMs);
  }

  private receive(): ToWorker | undefined {
    if (Atomics.load(this.control, PENDING) === 0) return undefined;
    const received = receiveMessageOnPort(this.port);
    if (!received) return undefined;
    Atomics.sub(this.control, PENDING, 1);
    return received.message as ToWorker;
  }
}

/** The event loop's end: posts and wakes the worker. */
export function postToWorker(
  port: MessagePort,
  control: Int32Array,
  message: ToWorker,
  transfer: ArrayBuffer[] = [],
): void {
  port.postMessage(message, transfer);
  Atomics.add(control, PENDING, 1);
  Atomics.add(control, KICK, 1);
  Atomics.notify(control, KICK);
}

/** The same for frames in the ring of a card: no message goes with them. */
export function wakeForFrames(control: Int32Array): void {
  Atomics.store(control, NETWORK, 1);
  Atomics.add(control, KICK, 1);
  Atomics.notify(control, KICK);
}
