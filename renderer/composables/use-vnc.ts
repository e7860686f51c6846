import RFB from '@novnc/novnc';
import { nextTick, onScopeDispose, ref, watch, type Ref } from 'vue';
import type { ConsoleScale, DomainInfo } from '../../core/api';
import { errorMessage } from '../api';
import { isLive } from '../stores/domains';
import { keepPictureWithoutReadback } from './vnc-canvas';
import { openVncChannel } from './vnc-channel';

const RETRY_MS = 700;

export type VncState = 'off' | 'connecting' | 'connected' | 'failed';

/**
 * Keeps a live view of a domain's screen in `target` while the domain runs: connects, follows the guest's sizes, and
 * connects again after a reset or a lost connection.
 */
export function useVnc(options: {
  target: Ref<HTMLElement | null>;
  domain: () => DomainInfo;
  scale: () => ConsoleScale;
  onCapture: (captured: boolean) => void;
}): {
  state: Ref<VncState>;
  problem: Ref<string>;
  size: Ref<{ width: number; height: number } | null>;
  focus: () => void;
  release: () => void;
} {
  const { target, domain, scale, onCapture } = options;
  const state = ref<VncState>('off');
  const problem = ref('');
  const size = ref<{ width: number; height: number } | null>(null);
  let rfb: RFB | null = null;
  let attempt = 0;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let observer: MutationObserver | null = null;

  function canvas(): HTMLCanvasElement | null {
    return target.value?.querySelector('canvas') ?? null;
  }

  function applyScale(): void {
    if (rfb === null) return;
    rfb.scaleViewport = scale() === 'fit';
    rfb.clipViewport = false;
  }

  async function connect(): Promise<void> {
    const mine = ++attempt;
    drop();
    const current = domain();
    if (!isLive(current.state) || current.vncPort === null || target.value === null) {
      state.value = 'off';
      return;
    }
    state.value = 'connecting';
    try {
      const channel = await openVncChannel(current.config.uuid);
      if (mine !== attempt || target.value === null) {
        channel.close();
        return;
      }
      start(
        new RFB(target.value, channel, {
          shared: true,
          credentials: { password: current.config.vncpasswd },
        }),
        mine,
      );
    } catch (error) {
      if (mine !== attempt) return;
      problem.value = errorMessage(error);
      state.value = 'failed';
      retry();
    }
  }

  function start(fresh: RFB, mine: number): void {
    rfb = fresh;
    keepPictureWithoutReadback(fresh);
    fresh.background = 'transparent';
    fresh.showDotCursor = true;
    fresh.focusOnClick = true;
    applyScale();
    fresh.addEventListener('connect', () => {
      state.value = 'connected';
      problem.value = '';
      watchCanvas();
      // The canvas becomes visible with the new state, and only then can it have the focus.
      void nextTick(() => fresh.focus({ preventScroll: true }));
    });
    fresh.addEventListener('credentialsrequired', () =>
      fresh.sendCredentials({ password: domain().config.vncpasswd }),
    );
    fresh.addEventListener('securityfailure', ({ detail }) => {
      problem.value = `The screen refused the connection: ${detail.reason ?? 'wrong password'}.`;
    });
    fresh.addEventListener('disconnect', () => {
      if (mine !== attempt) return;
      rfb = null;
      onCapture(false);
      if (isLive(domain().state)) {
        state.value = 'connecting';
        retry();
      } else state.value = 'off';
    });
  }

  /** The canvas takes the guest's size; its focus says whether the guest has the keyboard. */
  function watchCanvas(): void {
    const element = canvas();
    if (element === null) return;
    const measure = (): void => {
      size.value = { width: element.width, height: element.height };
    };
    measure();
    observer?.disconnect();
    observer = new MutationObserver(measure);
    observer.observe(element, { attributes: true, attributeFilter: ['width', 'height'] });
    element.setAttribute('aria-label', `Screen of ${domain().config.name}`);
    element.setAttribute('role', 'application');
    element.addEventListener('focus', () => onCapture(true));
    element.addEventListener('blur', () => onCapture(false));
    if (document.activeElement === element) onCapture(true);
  }

  function retry(): void {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => void connect(), RETRY_MS);
  }

  function drop(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    observer?.disconnect();
    observer = null;
    const old = rfb;
    rfb = null;
    old?.disconnect();
    size.value = null;
  }

  function release(): void {
    rfb?.blur();
  }

  watch(scale, applyScale);
  watch(
    [
      () => target.value,
      () => domain().vncPort,
      () => isLive(domain().state),
      () => domain().startedAtMs,
    ],
    () => void connect(),
    {
      immediate: true,
      flush: 'post',
    },
  );
  onScopeDispose(() => {
    attempt += 1;
    drop();
    onCapture(false);
  });

  return { state, problem, size, focus: () => rfb?.focus(), release };
}
