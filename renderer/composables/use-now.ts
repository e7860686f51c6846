import { onScopeDispose, ref, type Ref } from 'vue';

/** The time, told once a second while the page is visible. */
export function useNow(): Ref<number> {
  const now = ref(Date.now());
  const timer = setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, 1000);
  onScopeDispose(() => clearInterval(timer));
  return now;
}
