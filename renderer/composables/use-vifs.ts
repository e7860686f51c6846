import { onScopeDispose, shallowRef, watch, type ShallowRef } from 'vue';
import type { DomainInfo, VifInfo } from '../../core/api';
import { call } from '../api';
import { isLive } from '../stores/domains';

const EVERY_MS = 2000;

/** The network cards of running machines by uuid: addresses, forwards, traffic; every two seconds while it can be seen. */
export function useVifs(domains: () => readonly DomainInfo[]): {
  vifs: ShallowRef<ReadonlyMap<string, readonly VifInfo[]>>;
  refresh: () => Promise<void>;
} {
  const vifs = shallowRef<ReadonlyMap<string, readonly VifInfo[]>>(new Map());
  let timer: ReturnType<typeof setTimeout> | null = null;
  let stopped = false;

  async function refresh(): Promise<void> {
    if (timer !== null) clearTimeout(timer);
    if (!document.hidden) {
      const live = domains().filter(({ state }) => isLive(state));
      const found = await Promise.all(
        live.map(async ({ config: { uuid } }) => {
          // A guest may have ended between the list and the question; its state is told by an event.
          const cards = await call('domain/networks', { domain: uuid }).catch(() => []);
          return [uuid, cards] as const;
        }),
      );
      vifs.value = new Map(found);
    }
    if (!stopped) timer = setTimeout(() => void refresh(), EVERY_MS);
  }

  watch(
    () => JSON.stringify(domains().map(({ config: { uuid }, state }) => [uuid, state])),
    () => void refresh(),
    { immediate: true },
  );
  onScopeDispose(() => {
    stopped = true;
    if (timer !== null) clearTimeout(timer);
  });
  return { vifs, refresh };
}
