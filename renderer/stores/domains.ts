import { defineStore } from 'pinia';
import { computed, ref, shallowRef, triggerRef } from 'vue';
import type { DomainInfo } from '../../core/api';
import { call } from '../api';
import { isLive } from '../domain-state';

export { isLive, isStartable } from '../domain-state';

/** Samples of a figure that are kept for graphs: two minutes at one a second. */
export const HISTORY_LENGTH = 120;

/** The virtual machines as the toolstack last told of them, which one is selected, and their recent CPU figures. */
export const useDomainsStore = defineStore('domains', () => {
  const byUuid = shallowRef(new Map<string, DomainInfo>());
  const selectedUuid = ref<string | null>(null);
  const loaded = ref(false);
  const cpuHistory = shallowRef(new Map<string, readonly number[]>());
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
    if (!isLive(domain.state) && cpuHistory.value.delete(domain.config.uuid))
      triggerRef(cpuHistory);
  }

  function remove(uuid: string): void {
    byUuid.value.delete(uuid);
    cpuHistory.value.delete(uuid);
    triggerRef(byUuid);
    if (selectedUuid.value === uuid) selectedUuid.value = null;
  }

  function sample(stats: Record<string, DomainInfo['stats']>): void {
    for (const [uuid, value] of Object.entries(stats)) {
      const domain = byUuid.value.get(uuid);
      if (domain === undefined) continue;
      byUuid.value.set(uuid, { ...domain, stats: value });
      cpuHistory.value.set(uuid, [
        ...(cpuHistory.value.get(uuid) ?? []).slice(1 - HISTORY_LENGTH),
        value.cpu,
      ]);
    }
    triggerRef(byUuid);
    triggerRef(cpuHistory);
  }

  function select(uuid: string | null): void {
    selectedUuid.value = uuid;
  }

  return {
    byUuid,
    all,
    shown,
    filter,
    selected,
    selectedUuid,
    running,
    loaded,
    cpuHistory,
    load,
    put,
    remove,
    sample,
    select,
  };
});
