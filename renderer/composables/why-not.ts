import type { DomainInfo } from '../../core/api';
import { isLive, isStartable } from '../domain-state';
import { STATE_LABEL } from '../format';

/** Acts that not every state of a virtual machine allows. */
export type StateAct = 'select' | 'start' | 'pause' | 'stop' | 'look';

/** Why an act is not offered now, for the tooltip of what is greyed out; undefined when it is offered. */
export function whyNot(act: StateAct, domain: DomainInfo | null): string | undefined {
  if (domain === null) return 'Select a virtual machine first';
  const { state } = domain;
  const now = state === 'crashed' ? 'It has crashed' : `It is ${STATE_LABEL[state].toLowerCase()}`;
  switch (act) {
    case 'select':
      return undefined;
    case 'start':
      if (isStartable(state)) return undefined;
      return state === 'paused' ? 'It is paused; Resume lets it go on' : `${now} already`;
    case 'pause':
      return state === 'running' ? undefined : `${now}; only a running machine can be paused`;
    case 'stop':
      return isLive(state) ? undefined : `${now}; there is nothing to stop`;
    case 'look':
      return isLive(state) ? undefined : `${now}; it has no screen`;
  }
}
