import type { DomainState } from '../core/api';

/** Running or paused: there is a domain process. */
export function isLive(state: DomainState): boolean {
  return state === 'running' || state === 'paused';
}

/** Can be started. */
export function isStartable(state: DomainState): boolean {
  return state === 'shutoff' || state === 'crashed';
}
