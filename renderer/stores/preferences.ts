import { usePreferredDark } from '@vueuse/core';
import { defineStore } from 'pinia';
import { computed, ref } from 'vue';
import { DEFAULT_PREFERENCES, type Preferences } from '../../core/api';
import { bridge, unwrap } from '../api';

/** The user's preferences; main keeps them, this mirrors them. */
export const usePreferencesStore = defineStore('preferences', () => {
  const value = ref<Preferences>({ ...DEFAULT_PREFERENCES });
  // Main sets the theme of the whole app, menus included, so the page only has to follow the system's answer.
  const dark = usePreferredDark();
  const isDark = computed(() => dark.value);

  async function load(): Promise<void> {
    value.value = await unwrap(bridge.preferences());
    bridge.onPreferences((changed) => (value.value = changed));
  }

  async function set(patch: Partial<Preferences>): Promise<void> {
    value.value = { ...value.value, ...patch };
    value.value = await unwrap(bridge.setPreferences(patch));
  }

  return { value, isDark, load, set };
});
