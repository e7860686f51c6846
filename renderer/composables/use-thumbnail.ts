import { onScopeDispose, ref, watch, type Ref } from 'vue';
import type { DomainInfo } from '../../core/api';
import { call } from '../api';
import { isLive } from '../stores/domains';

const EVERY_MS = 3000;

/** A picture of a guest's screen that is renewed every few seconds while it can be seen. */
export function useThumbnail(domain: () => DomainInfo): {
  source: Ref<string | null>;
  text: Ref<string[] | null>;
} {
  const source = ref<string | null>(null);
  const text = ref<string[] | null>(null);
  let timer: ReturnType<typeof setTimeout> | null = null;
  let stopped = false;

  async function renew(): Promise<void> {
    if (timer !== null) clearTimeout(timer);
    const current = domain();
    if (!isLive(current.state)) {
      source.value = null;
      text.value = null;
      return;
    }
    if (!document.hidden) {
      try {
        const shot = await call('domain/screenshot', { domain: current.config.uuid });
        source.value = `data:image/png;base64,${shot.png}`;
        text.value = shot.text;
      } catch {
        // The guest may have ended between the check and the call; its state is told by an event.
        source.value = null;
      }
    }
    if (!stopped && domain().state === 'running') timer = setTimeout(() => void renew(), EVERY_MS);
  }

  watch(
    () => domain().state,
    () => void renew(),
    { immediate: true },
  );
  onScopeDispose(() => {
    stopped = true;
    if (timer !== null) clearTimeout(timer);
  });
  return { source, text };
}
