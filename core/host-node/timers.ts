import { performance } from 'node:perf_hooks';
import type { TimerHost } from '../host';

/** The longest delay `setTimeout` takes; above it, it would fire at once (reliability P28). */
const MAX_DELAY_MS = 0x7fffffff;

/** Node's timers. */
export const nodeTimers: TimerHost = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, fire) {
    const timer = setTimeout(fire, Math.min(Math.max(ms, 0), MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
  every(ms, fire) {
    const timer = setInterval(fire, Math.min(Math.max(ms, 1), MAX_DELAY_MS));
    return () => clearInterval(timer);
  },
};
