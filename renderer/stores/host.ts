import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { AppInfo, HostInfo } from '../../core/api';
import { bridge, call, unwrap } from '../api';
import { HISTORY_LENGTH } from './domains';

/** The computer that everything runs on, and the app itself. */
export const useHostStore = defineStore('host', () => {
  const info = ref<HostInfo | null>(null);
  const app = ref<AppInfo | null>(null);
  const cpuHistory = shallowRef<readonly number[]>([]);
  const memoryUsed = computed(() =>
    info.value === null ? 0 : info.value.memoryBytes - info.value.memoryFreeBytes,
  );

  async function load(): Promise<void> {
    [info.value, app.value] = await Promise.all([call('host/info', {}), unwrap(bridge.appInfo())]);
  }

  function sample(host: HostInfo): void {
    info.value = host;
    cpuHistory.value = [...cpuHistory.value.slice(1 - HISTORY_LENGTH), host.cpu];
  }

  return { info, app, cpuHistory, memoryUsed, load, sample };
});
