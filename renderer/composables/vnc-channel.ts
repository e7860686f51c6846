import type { RfbChannel } from '@novnc/novnc';
import { VNC_PORT, type VncPortData, type VncPortMessage } from '../../core/api';
import { bridge, unwrap } from '../api';

/** Bytes taken before main is told, so that notes are few. */
const NOTE_EVERY_BYTES = 1 << 20;

/** A MessagePort with RFB bytes as the raw channel that noVNC takes in place of a WebSocket. */
export class PortChannel implements RfbChannel {
  binaryType = 'arraybuffer';
  protocol = '';
  readyState = 'open';
  onopen: RfbChannel['onopen'] = null;
  onmessage: RfbChannel['onmessage'] = null;
  onerror: RfbChannel['onerror'] = null;
  onclose: RfbChannel['onclose'] = null;
  #taken = 0;

  constructor(private readonly port: MessagePort) {
    port.onmessage = ({ data }: MessageEvent<VncPortData>) => {
      if (data instanceof ArrayBuffer) {
        this.onmessage?.({ data });
        this.#note(data.byteLength);
      } else if ('closed' in data) this.#end(data.closed, true);
    };
    // noVNC sets its handlers in its constructor; bytes that came before wait in the port until then.
    queueMicrotask(() => port.start());
  }

  send(data: Uint8Array): void {
    if (this.readyState !== 'open') return;
    // Copied, not transferred: Electron's main process gets nothing of a transferred buffer. noVNC reuses its own.
    this.port.postMessage(data.slice().buffer);
  }

  close(): void {
    this.#end('', true);
  }

  #note(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < NOTE_EVERY_BYTES) return;
    this.port.postMessage({ taken: this.#taken } satisfies VncPortData);
    this.#taken = 0;
  }

  #end(reason: string, wasClean: boolean): void {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    this.port.close();
    // As with a WebSocket, whose end is never told from within its own `close`.
    queueMicrotask(() => this.onclose?.({ code: 1000, reason, wasClean }));
  }
}

/** Opens the screen of a domain. */
export async function openVncChannel(domain: string): Promise<PortChannel> {
  const waiting = new Map<string, MessagePort>();
  let wanted: string | null = null;
  let deliver: ((port: MessagePort) => void) | null = null;
  const onMessage = (event: MessageEvent<VncPortMessage>): void => {
    if (event.source !== window || event.origin !== window.location.origin) return;
    const port = event.ports[0];
    if (event.data?.type !== VNC_PORT || port === undefined) return;
    if (event.data.channel === wanted) deliver?.(port);
    else waiting.set(event.data.channel, port);
  };
  window.addEventListener('message', onMessage);
  try {
    const { channel } = await unwrap(bridge.connectVnc(domain));
    const early = waiting.get(channel);
    if (early !== undefined) return new PortChannel(early);
    return await new Promise<PortChannel>((resolve) => {
      wanted = channel;
      deliver = (port) => resolve(new PortChannel(port));
    });
  } finally {
    window.removeEventListener('message', onMessage);
  }
}
