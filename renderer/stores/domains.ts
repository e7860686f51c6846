import { defineStore } from 'pinia';
import { computed, ref, shallowRef, triggerRef } from 'vue';
import { STATS_SECONDS, type DomainInfo } from '../../core/api';
import { call } from '../api';
import { isLive } from '../domain-state';

export { isLive, isStartable } from '../domain-state';

/** Samples of a figure that are kept for graphs: two minutes. */
export const HISTORY_LENGTH = 120 / STATS_SECONDS;

function diskBytes(stats: DomainInfo['stats']): number {
  return stats.diskReadBytes + stats.diskWriteBytes;
}
function netBytes(stats: DomainInfo['stats']): number {
  return stats.netRxBytes + stats.netTxBytes;
}
/** What came since the last sample, a second; a machine that was started anew counts from nothing. */
function gained(before: number, now: number): number {
  return Math.max(0, now - before) / STATS_SECONDS;
}
function append(history: Map<string, readonly number[]>, uuid: string, value: number): void {
  history.set(uuid, [...(history.get(uuid) ?? []).slice(1 - HISTORY_LENGTH), value]);
}

/** Pages that are about this computer, not about one machine. */
export type Place = 'host' | 'storage' | 'networks' | 'trash';

/** The virtual machines as the toolstack last told of them, which one is selected, and their recent CPU figures. */
export const useDomainsStore = defineStore('domains', () => {
  const byUuid = shallowRef(new Map<string, DomainInfo>());
  const selectedUuid = ref<string | null>(null);
  /** What is shown while no machine is selected. */
  const place = ref<Place>('host');
  const loaded = ref(false);
  const cpuHistory = shallowRef(new Map<string, readonly number[]>());
  const diskHistory = shallowRef(new Map<string, readonly number[]>());
  const netHistory = shallowRef(new Map<string, readonly number[]>());
  const histories = [cpuHistory, diskHistory, netHistory];
  const filter = ref('');

  const all = computed(() =>
    [...byUuid.value.values()].sort((a, b) =>
      a.config.name.localeCompare(b.config.name, undefined, { numeric: true }),
    ),
  );
  const shown = computed(() => {
    const wanted = filter.value.trim().toLowerCase();
    return wanted === ''
      ? all.value
      : all.value.filter((domain) => domain.config.name.toLowerCase().includes(wanted));
  });
  const selected = computed(() =>
    selectedUuid.value === null ? null : (byUuid.value.get(selectedUuid.value) ?? null),
  );
  const running = computed(() => all.value.filter((domain) => isLive(domain.state)));

  async function load(): Promise<void> {
    const domains = await call('domain/list', {});
    byUuid.value = new Map(domains.map((domain) => [domain.config.uuid, domain]));
    loaded.value = true;
  }

  function put(domain: DomainInfo): void {
    byUuid.value.set(domain.config.uuid, domain);
    triggerRef(byUuid);
    if (!isLive(domain.state)) forget(domain.config.uuid);
  }

  function forget(uuid: string): void {
    for (const history of histories) if (history.value.delete(uuid)) triggerRef(history);
  }

  function remove(uuid: string): void {
    byUuid.value.delete(uuid);
    forget(uuid);
    triggerRef(byUuid);
    if (selectedUuid.value === uuid) selectedUuid.value = null;
  }

  function sample(stats: Record<string, DomainInfo['stats']>): void {
    for (const [uuid, value] of Object.entries(stats)) {
      const domain = byUuid.value.get(uuid);
      if (domain === undefined) continue;
      byUuid.value.set(uuid, { ...domain, stats: value });
      const before = domain.stats;
      append(cpuHistory.value, uuid, value.cpu);
      append(diskHistory.value, uuid, gained(diskBytes(before), diskBytes(value)));
      append(netHistory.value, uuid, gained(netBytes(before), netBytes(value)));
    }
    triggerRef(byUuid);
    for (const history of histories) triggerRef(history);
  }

  function select(uuid: string | null): void {
    selectedUuid.value = uuid;
    place.value = 'host';
  }

  function go(to: Place): void {
    selectedUuid.value = null;
    place.value = to;
  }

  return {
    byUuid,
    all,
    shown,
    filter,
    selected,
    selectedUuid,
    place,
    running,
    loaded,
    cpuHistory,
    diskHistory,
    netHistory,
    load,
    put,
    remove,
    sample,
    select,
    go,
  };
});
