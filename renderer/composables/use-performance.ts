import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue';
import {
  performanceRates,
  STATS_SECONDS,
  type DomainInfo,
  type DomainPerformance,
  type PerformanceRates,
} from '../../core/api';
import { call } from '../api';
import { HISTORY_LENGTH, isLive } from '../stores/domains';

const EVERY_MS = STATS_SECONDS * 1000;

/** What the CPU engine of a virtual machine does, again and again while it can be seen. */
export function usePerformance(domain: () => DomainInfo): {
  counts: ShallowRef<DomainPerformance | null>;
  rates: ShallowRef<PerformanceRates | null>;
  /** Million instructions of guest code a second, the last samples. */
  speeds: Ref<number[]>;
} {
  const counts = shallowRef<DomainPerformance | null>(null);
  const rates = shallowRef<PerformanceRates | null>(null);
  const speeds = ref<number[]>([]);
  let timer: ReturnType<typeof setTimeout> | null = null;
  let stopped = false;
  /** Which sample is the current one: an answer to an older one is not used. */
  let round = 0;

  async function sample(): Promise<void> {
    if (timer !== null) clearTimeout(timer);
    const mine = ++round;
    if (!document.hidden) {
      try {
        const now = await call('domain/performance', { domain: domain().config.uuid });
        if (mine !== round) return;
        const before = counts.value;
        counts.value = now;
        if (before !== null) {
          rates.value = performanceRates(before, now);
          const speed = rates.value.perSecond.instructions / 1e6;
          speeds.value = [...speeds.value.slice(1 - HISTORY_LENGTH), speed];
        }
      } catch {
        // The guest may have ended between the check and the call; its state is told by an event.
        counts.value = null;
      }
    }
    if (!stopped && isLive(domain().state)) timer = setTimeout(() => void sample(), EVERY_MS);
  }

  watch(
    () => isLive(domain().state),
    (live) => {
      counts.value = null;
      rates.value = null;
      speeds.value = [];
      if (live) void sample();
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    stopped = true;
    round++;
    if (timer !== null) clearTimeout(timer);
  });
  return { counts, rates, speeds };
}
