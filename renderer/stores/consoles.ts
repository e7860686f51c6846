import { defineStore } from 'pinia';
import { ref } from 'vue';
import { fromBase64 } from '../bytes';
import { bridge, call } from '../api';

export type VmTab = 'overview' | 'console' | 'serial';

/** Serial output kept in the window for one virtual machine, as in the toolstack. */
const MAX_SERIAL_BYTES = 1 << 20;

/** The serial output of one virtual machine since its boot. */
export interface SerialLog {
  chunks: Uint8Array[];
  bytes: number;
  /** Bytes that came before what is kept. */
  dropped: number;
  listeners: Set<(data: Uint8Array | null) => void>;
}

/** Which tab each virtual machine shows, who has the keyboard, and the serial output that has arrived. */
export const useConsolesStore = defineStore('consoles', () => {
  const tabs = ref(new Map<string, VmTab>());
  /** Name of the virtual machine whose guest has the keyboard, or null. */
  const captured = ref<string | null>(null);
  const fullScreen = ref(false);
  const logs = new Map<string, Promise<SerialLog>>();
  const ready = new Map<string, SerialLog>();

  function tabOf(uuid: string): VmTab {
    return tabs.value.get(uuid) ?? 'overview';
  }

  function setTab(uuid: string, tab: VmTab): void {
    tabs.value.set(uuid, tab);
  }

  function capture(name: string | null): void {
    if (captured.value === name) return;
    captured.value = name;
    void bridge.setInputCaptured(name !== null);
  }

  async function setFullScreen(on: boolean): Promise<void> {
    fullScreen.value = on;
    await bridge.setFullScreen(on);
  }

  /** The log of a virtual machine, fetched once; from then on output is appended as it comes. */
  function serialLog(uuid: string): Promise<SerialLog> {
    const known = logs.get(uuid);
    if (known !== undefined) return known;
    const fetched = fetchLog(uuid);
    logs.set(uuid, fetched);
    fetched.catch(() => logs.delete(uuid));
    return fetched;
  }

  async function fetchLog(uuid: string): Promise<SerialLog> {
    const { data, dropped } = await call('console/history', { domain: uuid });
    const log: SerialLog = { chunks: [], bytes: 0, dropped, listeners: ready.get(uuid)?.listeners ?? new Set() };
    append(log, fromBase64(data));
    ready.set(uuid, log);
    return log;
  }

  function serialOutput(uuid: string, data: string): void {
    const log = ready.get(uuid);
    if (log === undefined) return;
    const bytes = fromBase64(data);
    append(log, bytes);
    for (const listener of log.listeners) listener(bytes);
  }

  /** A new boot starts an empty log; `null` tells a terminal to clear. */
  function serialRestarted(uuid: string): void {
    const log = ready.get(uuid);
    if (log === undefined) return;
    log.chunks = [];
    log.bytes = 0;
    log.dropped = 0;
    for (const listener of log.listeners) listener(null);
  }

  function forget(uuid: string): void {
    tabs.value.delete(uuid);
    logs.delete(uuid);
    ready.delete(uuid);
  }

  return { tabs, captured, fullScreen, tabOf, setTab, capture, setFullScreen, serialLog, serialOutput, serialRestarted, forget };
});

function append(log: SerialLog, data: Uint8Array): void {
  if (data.length === 0) return;
  log.chunks.push(data);
  log.bytes += data.length;
  while (log.bytes > MAX_SERIAL_BYTES) {
    const first = log.chunks[0];
    if (first === undefined || log.bytes - first.length < MAX_SERIAL_BYTES) break;
    log.chunks.shift();
    log.bytes -= first.length;
    log.dropped += first.length;
  }
}
