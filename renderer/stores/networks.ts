import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import type { NetworkConfig } from '../../core/api';
import { call } from '../api';

/** The networks that cards can be plugged into. */
export const useNetworksStore = defineStore('networks', () => {
  const all = shallowRef<readonly NetworkConfig[]>([]);
  const names = computed(() => all.value.map((network) => network.name));

  async function load(): Promise<void> {
    all.value = await call('network/list', {});
  }

  return { all, names, load };
});
