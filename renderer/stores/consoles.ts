import { defineStore } from 'pinia';
import { ref } from 'vue';
import { fromBase64 } from '../bytes';
import { bridge, call } from '../api';

export type VmTab = 'overview' | 'console' | 'hardware' | 'serial' | 'performance';

/** Serial output kept in the window for one virtual machine, as in the toolstack. */
const MAX_SERIAL_BYTES = 1 << 20;

interface WatchedLog {
  readonly log: SerialLog;
  /** Which fetch is the current one. */
  round: number;
  ready: boolean;
  fetching: Promise<void> | null;
}

/** The serial output of one virtual machine since its boot. */
export interface SerialLog {
  chunks: Uint8Array[];
  bytes: number;
  /** Bytes that came before what is kept. */
  dropped: number;
  /** Told of output as it comes; `null` says that it begins anew. */
  listeners: Set<(data: Uint8Array | null) => void>;
}

/** Which tab each virtual machine shows, who has the keyboard, and the serial output that has arrived. */
export const useConsolesStore = defineStore('consoles', () => {
  const tabs = ref(new Map<string, VmTab>());
  /** Name of the virtual machine whose guest has the keyboard, or null. */
  const captured = ref<string | null>(null);
  const fullScreen = ref(false);
  const logs = new Map<string, WatchedLog>();

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
  async function serialLog(uuid: string): Promise<SerialLog> {
    const known = logs.get(uuid) ?? {
      log: { chunks: [], bytes: 0, dropped: 0, listeners: new Set() },
      round: 0,
      ready: false,
      fetching: null,
    };
    logs.set(uuid, known);
    if (!known.ready) known.fetching ??= fetchLog(uuid, known);
    await known.fetching;
    return known.log;
  }

  /** Output told before the history's answer is in the history; only what comes after it is appended. */
  async function fetchLog(uuid: string, watched: WatchedLog): Promise<void> {
    const round = ++watched.round;
    watched.ready = false;
    try {
      const { data, dropped } = await call('console/history', { domain: uuid });
      if (round !== watched.round) return;
      const { log } = watched;
      log.chunks = [];
      log.bytes = 0;
      log.dropped = dropped;
      append(log, fromBase64(data));
      watched.ready = true;
      for (const listener of log.listeners) {
        listener(null);
        for (const chunk of log.chunks) listener(chunk);
      }
    } finally {
      if (round === watched.round) watched.fetching = null;
    }
  }

  function serialOutput(uuid: string, data: string): void {
    const watched = logs.get(uuid);
    if (watched?.ready !== true) return;
    const bytes = fromBase64(data);
    append(watched.log, bytes);
    for (const listener of watched.log.listeners) listener(bytes);
  }

  /** A new boot has a new log; what it wrote before this was told is fetched. */
  function serialRestarted(uuid: string): void {
    const watched = logs.get(uuid);
    if (watched === undefined) return;
    watched.fetching = fetchLog(uuid, watched).catch(() => undefined);
  }

  function forget(uuid: string): void {
    tabs.value.delete(uuid);
    logs.delete(uuid);
  }

  return {
    tabs,
    captured,
    fullScreen,
    tabOf,
    setTab,
    capture,
    setFullScreen,
    serialLog,
    serialOutput,
    serialRestarted,
    forget,
  };
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
