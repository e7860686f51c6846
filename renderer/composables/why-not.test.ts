import { describe, expect, it } from 'vitest';
import type { DomainInfo, DomainState } from '../../core/api';
import { whyNot, type StateAct } from './why-not';

const ACTS: readonly StateAct[] = ['select', 'start', 'pause', 'stop', 'look'];

function offered(state: DomainState): StateAct[] {
  return ACTS.filter((act) => whyNot(act, { state } as DomainInfo) === undefined);
}

describe('whyNot', () => {
  it('offers what the state allows', () => {
    expect(offered('running')).toEqual(['select', 'pause', 'stop', 'look']);
    expect(offered('paused')).toEqual(['select', 'stop', 'look']);
    expect(offered('shutoff')).toEqual(['select', 'start']);
    expect(offered('crashed')).toEqual(['select', 'start']);
  });

  it('gives the state as the reason', () => {
    expect(whyNot('start', { state: 'running' } as DomainInfo)).toBe('It is running already');
    expect(whyNot('stop', { state: 'shutoff' } as DomainInfo)).toBe(
      'It is shut off; there is nothing to stop',
    );
    expect(whyNot('pause', { state: 'crashed' } as DomainInfo)).toBe(
      'It has crashed; only a running machine can be paused',
    );
    expect(whyNot('select', null)).toBe('Select a virtual machine first');
  });
});
