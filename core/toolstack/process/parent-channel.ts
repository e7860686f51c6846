import { createConnection } from 'node:net';

/** The line from a domain process to the toolstack that started it: a forked Node child or an Electron utility process. */
export interface ParentChannel {
  post(message: object): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once when the toolstack's process is gone. */
  onClose(listener: () => void): void;
  /** Resolves when everything posted has left this process. */
  flushed(): Promise<void>;
}

/** How long Electron's port is given to pass on the last messages before the process exits; it has no call that tells. */
const ELECTRON_FLUSH_MS = 50;

/** Electron's `process.parentPort` in a utility process. */
interface ElectronParentPort {
  on(event: 'message', listener: (event: { data: unknown }) => void): void;
  postMessage(message: unknown): void;
}

function electronPort(): ElectronParentPort | undefined {
  const candidate: unknown = 'parentPort' in process ? process.parentPort : undefined;
  return candidate === null || candidate === undefined
    ? undefined
    : (candidate as ElectronParentPort);
}

/** Opens the channel of this process; undefined when nobody started it as a domain process. */
export function openParentChannel(): ParentChannel | undefined {
  const port = electronPort();
  if (port) {
    return {
      post: (message) => port.postMessage(message),
      onMessage: (listener) => port.on('message', (event) => listener(event.data)),
      // An Electron utility process is not told when its main process is killed; the lifeline is (reliability P22).
      onClose: () => undefined,
      flushed: () => new Promise((resolve) => setTimeout(resolve, ELECTRON_FLUSH_MS)),
    };
  }
  return process.send ? forkedChannel() : undefined;
}

function forkedChannel(): ParentChannel {
  const onTheWay = new Set<Promise<void>>();
  return {
    post(message) {
      if (!process.connected) return;
      const sent = new Promise<void>((resolve) => process.send?.(message, () => resolve()));
      onTheWay.add(sent);
      void sent.then(() => onTheWay.delete(sent));
    },
    onMessage: (listener) => process.on('message', listener),
    onClose: (listener) => process.once('disconnect', listener),
    flushed: async () => void (await Promise.all(onTheWay)),
  };
}

/** Holds a connection to the toolstack's lifeline socket: the kernel closes it when that process ends, whatever ended it. */
export function holdLifeline(address: string, onGone: () => void): void {
  const socket = createConnection(address);
  socket.on('error', () => undefined);
  socket.once('close', onGone);
  socket.resume();
}
