import { computed, type ComputedRef } from 'vue';
import type { DomainInfo } from '../../core/api';
import type { MenuEntry } from '../components/menu-entry';
import { useDomainActions } from './use-domain-actions';
import { whyNot, type StateAct } from './why-not';

/** An entry for an act, with the reason where it is not offered. */
function unless(
  act: StateAct,
  domain: DomainInfo | null,
): { disabled: boolean; title: string | undefined } {
  const title = whyNot(act, domain);
  return { disabled: title !== undefined, title };
}

/** The entries of a virtual machine's menu, and what choosing one does. */
export function useVmMenu(domain: () => DomainInfo | null): {
  entries: ComputedRef<MenuEntry[]>;
  power: ComputedRef<MenuEntry[]>;
  choose: (id: string) => void;
} {
  const actions = useDomainActions();

  const power = computed<MenuEntry[]>(() => {
    const stop = unless('stop', domain());
    return [
      { id: 'shut-down', label: 'Shut Down', ...stop },
      { id: 'reboot', label: 'Reboot', ...stop },
      { id: 'reset', label: 'Force Reset', ...stop, separator: true },
      { id: 'force-off', label: 'Force Off', ...stop, danger: true },
    ];
  });

  const entries = computed<MenuEntry[]>(() => {
    const current = domain();
    const look = unless('look', current);
    return [
      { id: 'console', label: 'Open Console', hint: 'Enter' },
      { id: 'start', label: 'Start', ...unless('start', current), separator: true },
      current?.state === 'paused'
        ? { id: 'resume', label: 'Resume' }
        : { id: 'pause', label: 'Pause', ...unless('pause', current) },
      ...power.value.map((entry) => ({ ...entry, separator: false })),
      { id: 'screenshot', label: 'Take Screenshot…', ...look, separator: true },
      { id: 'type-clipboard', label: 'Type Clipboard', ...look },
      { id: 'delete', label: 'Delete…', hint: 'Del', danger: true, separator: true },
    ];
  });

  function choose(id: string): void {
    const current = domain();
    if (current === null) return;
    const acts: Record<string, () => unknown> = {
      console: () => actions.openConsole(current),
      start: () => actions.start(current),
      pause: () => actions.pause(current),
      resume: () => actions.resume(current),
      'shut-down': () => actions.shutDown(current),
      reboot: () => actions.reboot(current),
      reset: () => actions.reset(current),
      'force-off': () => actions.forceOff(current),
      screenshot: () => actions.screenshot(current, 'file'),
      'type-clipboard': () => actions.typeClipboard(current),
      delete: () => actions.askDelete(current),
    };
    acts[id]?.();
  }

  return { entries, power, choose };
}
